"""A question over HTTP/1.1. Answers are read as far as they must be: status, length, body."""

from benchmarks.connection import Connection, Told

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
CLOSES = b"connection: close"
OK = b"200"
MOST_TOLD = 500


def request(path: str, body: bytes, content_type: str) -> bytes:
    """A POST request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Http(Connection):
    """Sends a whole request, head and body."""

    def __init__(self, message: bytes, end: float, told: Told) -> None:
        super().__init__(end, told)
        self._message = message
        self._came = bytearray()
        self._expected = 0
        self._closes = False

    def _send(self) -> None:
        self._came.clear()
        self._expected = 0
        self._transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        """Part of an answer, as a rule all of it."""
        self._came += data
        if not self._expected:
            head = self._came.find(HEAD_END)
            if head < 0:
                return
            lines = bytes(self._came[:head]).lower().split(b"\r\n")
            length = next((int(line[len(LENGTH) :]) for line in lines if line.startswith(LENGTH)), 0)
            self._expected = head + len(HEAD_END) + length
            self._closes = CLOSES in lines
        if len(self._came) >= self._expected:
            good = self._came[9:12] == OK
            failure = "" if good else bytes(self._came[:MOST_TOLD]).decode(errors="replace")
            self._answered(failure, closes=self._closes)
