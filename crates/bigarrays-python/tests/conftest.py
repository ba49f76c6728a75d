"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Lets Ctrl-C be a KeyboardInterrupt, also where the tests run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
