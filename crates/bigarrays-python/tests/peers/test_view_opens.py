"""Whatever `view` is asked for, it opens nothing but the arrays: as the system sees it."""

from __future__ import annotations

import random
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

import bigarrays

DOTS = ["../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..\\", "..%5c", "%252e%252e/", "..%c0%af", "..;/", ".%00./", "....//", "./", "/", ""]
FILES = ["etc/passwd", "proc/self/environ", "secret", "em/info", "info", "index.html", "arrays/0/info", "%00", "~/.ssh/id_rsa"]
PLACES = ["", "arrays/", "arrays/0/", "arrays/0/0/", "arrays/0/at/", "arrays/0/value/", "arrays/0/picture/", "arrays/1/"]


def sent(base: str, path: str, host: str | None = None) -> bytes:
    parts = urlsplit(base)
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: {host or parts.netloc}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode("utf-8", "surrogateescape"))
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
    return answer


def ask(base: str) -> None:
    """For what is not there, in many ways."""
    token, chance = urlsplit(base).path, random.Random(1)
    for _ in range(2000):
        dots = "".join(chance.choice(DOTS) for _ in range(chance.randrange(1, 7)))
        path = chance.choice([token, "/", token[:-1]]) + chance.choice(PLACES) + dots + chance.choice(FILES)
        answer = sent(base, path, chance.choice([None, None, None, "evil.example"]))
        assert b"secret\n" not in answer and b"root:" not in answer, path


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_nothing_outside_the_arrays_is_opened(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "data").mkdir()
    array = bigarrays.create(tmp_path / "data" / "em", shape=(64, 64, 64), dtype="uint16", chunk_shape=(32, 32, 32))
    array[...] = np.arange(64**3, dtype="uint16").reshape(64, 64, 64)
    log, code = tmp_path / "log", "import bigarrays, sys; v = bigarrays.view(bigarrays.open(sys.argv[1])); print(v.base, flush=True); sys.stdin.read()"
    command = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=%file", "-o", str(log), sys.executable, "-c", code]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, str(tmp_path / "data" / "em")], stdin=pipe, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stdin is not None and server.stdout is not None and server.stderr is not None
        base = server.stdout.readline().strip()
        if not base:
            pytest.skip(f"processes cannot be traced here: {server.stderr.read()[-300:]}")
        began = log.stat().st_size
        ask(base)
        # It still answers, and what it opens is seen.
        assert b" 200 " in sent(base, f"{urlsplit(base).path}arrays/0/0/32-64_0-32_0-32")[:20]
        end = log.stat().st_size
    text = log.read_bytes()[began:end].decode(errors="replace")
    opened = [match[1] for match in re.finditer(r'^\d+ +\w+\((?:AT_FDCWD, |\d+, )?"((?:[^"\\]|\\.)*)"', text, re.M)]
    inside = [path for path in opened if path.startswith(str(tmp_path / "data" / "em"))]
    assert any("32-64_0-32_0-32" in path for path in inside), text[:2000]
    # What the runtime asks the system about itself, and nothing that a request could name.
    own = re.compile(r"/sys/fs/cgroup/|/proc/self/(cgroup|mountinfo|status)$|/sys/devices/system/cpu/")
    # Without a name, it is of a file that is open.
    assert [path for path in opened if path and path not in inside and not own.match(path)] == []
