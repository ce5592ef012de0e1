"""How a call that cannot be answered ends: a canonical code and a text, over gRPC and over HTTP alike."""

from binocular.errors import BinocularError
from binocular.wire.codes import StatusCode

# What gRPC clients of the original see at most of a text.
LONGEST_TEXT = 1024
_CUT = "...TRUNCATED"

_HTTP = {
    StatusCode.OK: 200,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.ABORTED: 409,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.CANCELLED: 499,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}
_OTHERWISE = 500


class ServingError(BinocularError):
    """A call that cannot be answered, or a version that does not load. Its code says whether to retry."""

    code = "serving"

    def __init__(self, canonical: StatusCode, text: str) -> None:
        super().__init__(text)
        self.canonical = canonical

    @property
    def http(self) -> int:
        """The HTTP status."""
        return _HTTP.get(self.canonical, _OTHERWISE)

    @property
    def text(self) -> str:
        """The text, as long as a client gets to see it."""
        text = str(self)
        return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - len(_CUT)] + _CUT


def invalid(text: str) -> ServingError:
    """The request is wrong and stays wrong."""
    return ServingError(StatusCode.INVALID_ARGUMENT, text)
