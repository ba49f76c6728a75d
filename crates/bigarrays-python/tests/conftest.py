"""What holds for all tests, and what several of them use."""

import hashlib
import signal
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


def pytest_configure() -> None:
    """Lets Ctrl-C be a KeyboardInterrupt, also where the tests run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Served(ThreadingHTTPServer):
    """Serves a folder; whoever asks for a file that ends in `held` waits until `released` is set."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Files, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.held = "nothing"
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of clients that went away."""


class _Files(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Served

    def do_GET(self) -> None:
        if self.path.endswith(self.server.held):
            self.server.released.wait()
        super().do_GET()

    def end_headers(self) -> None:
        """Says the version of a file, which two changes in one second do not share."""
        path = Path(self.translate_path(self.path))
        if path.is_file():
            self.send_header("ETag", f'"{hashlib.sha256(path.read_bytes()).hexdigest()}"')
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A web server of `tmp_path`."""
    with Served(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()
