"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Let Ctrl-C mean what it means on a terminal, also to the processes that tests start.

    A shell's background job ignores it, and so does everything that job starts.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
