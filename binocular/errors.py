"""One base error; each class says its HTTP status, its stable code and whether a retry helps.

Raise them where the fact is known; translate them once at each edge. The command line prints
`binocular: <message>` and exits with `exit_code`; the gateway answers problem+json with `status` and `code`.
A message names what came, what was expected and what to change. It never holds a secret.
"""

import errno
from typing import ClassVar

# What a command exits with that failed for a reason it could name, where no class below says another.
EXIT_FAILED = 1


class BinocularError(Exception):
    """Anything Binocular refuses or fails to do for a reason it can name."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    retry: ClassVar[bool] = False
    exit_code: ClassVar[int] = EXIT_FAILED

    def __init__(self, message: str = "", /, **details: object) -> None:
        """Say what is wrong; `details` are facts that a program acts on, such as the id of what is in the way."""
        super().__init__(message)
        self.details = details


class SettingError(BinocularError):
    """A setting has a wrong value or an unknown name. Retrying does not help; changing the setting does."""

    code = "setting"
    exit_code = 2


class InvalidKeyError(BinocularError):
    """An object key that some store would rename, hide or refuse. Retrying does not help."""

    status = 400
    code = "invalid_key"


class NotFoundError(BinocularError):
    """What was asked for is not there. Retrying helps only if somebody is about to make it."""

    status = 404
    code = "not_found"


class ConflictError(BinocularError):
    """Somebody else got there first. Read the present state and decide again; the same write fails again."""

    status = 409
    code = "conflict"


class TooLargeError(BinocularError):
    """More bytes than the reader is prepared to hold. Retrying does not help."""

    status = 413
    code = "too_large"


class ImageError(BinocularError):
    """The bytes are not an image we read, or a damaged one. Retrying does not help."""

    status = 422
    code = "image"


class ImageTooLargeError(BinocularError):
    """The image has more pixels than we decode. Retrying does not help; a smaller image does."""

    status = 413
    code = "image_too_large"


class IntegrityError(BinocularError):
    """The bytes are not the ones their checksum promised. Retrying helps where the damage was in transit."""

    status = 502
    code = "integrity"
    retry = True


class StoreUnavailableError(BinocularError):
    """The object store cannot be reached or is too busy. Retrying helps."""

    status = 503
    code = "store_unavailable"
    retry = True


class StoreDeniedError(BinocularError):
    """The object store rejects our credentials. Retrying does not help; changing the keys does."""

    code = "store_denied"


class StoreRefusedError(BinocularError):
    """The object store understood the request and said no. Retrying does not help."""

    status = 502
    code = "store_refused"


class BucketMissingError(BinocularError):
    """The bucket named by BINOCULAR_STORE_BUCKET does not exist. Retrying does not help; creating it does."""

    code = "bucket_missing"


class StoreFullError(BinocularError):
    """The object store has no room left. Retrying helps only after space was freed."""

    status = 507
    code = "store_full"


class AlreadyRunningError(BinocularError):
    """`binocular up` while it is up already. Nothing was changed."""

    status = 409
    code = "already_running"


class PortBusyError(BinocularError):
    """A port we need belongs to another process. Retrying helps after that process ended."""

    status = 503
    code = "port_busy"


class ClusterError(BinocularError):
    """Kubernetes' API cannot be reached from here, or refuses. Retrying helps where it is on its way."""

    status = 502
    code = "cluster"
    retry = True


class ProcessError(BinocularError):
    """A process did not start or end as it should. Its log says why."""

    status = 503
    code = "process_failed"


class InvalidLabelError(BinocularError):
    """A class name that could not be a folder, a key or a line of a report. Retrying does not help."""

    status = 400
    code = "invalid_label"


class SourceError(BinocularError):
    """A source of images that cannot be used as it is. Retrying does not help; changing the source does."""

    status = 400
    code = "source"


class ArchiveRefusedError(SourceError):
    """An archive that is broken, or made to harm who opens it. Retrying does not help; packing it anew may."""

    code = "archive_refused"


class DownloadError(BinocularError):
    """A download that was cut off, or a server that does not answer. Retrying continues where it stopped."""

    status = 502
    code = "download"
    retry = True


class RequestError(BinocularError):
    """A request that names something impossible. Retrying does not help; changing the request does."""

    status = 400
    code = "request"


class PackageError(RequestError):
    """A compiled pipeline that cannot be read, or that uses what this machine lacks. Retrying does not help."""

    code = "package"


class TaskError(BinocularError):
    """A step of a pipeline that did not do what it promised. Its log says why; retrying may help."""

    code = "task"
    retry = True


class PipelinesUnavailableError(BinocularError):
    """The pipelines API cannot be reached. Retrying helps once it runs."""

    status = 503
    code = "pipelines_unavailable"
    retry = True


class PipelinesDeniedError(BinocularError):
    """The pipelines API rejects our token or namespace. Retrying does not help; changing the settings does."""

    status = 502
    code = "pipelines_denied"


class GatewayUnavailableError(BinocularError):
    """The gateway cannot be reached. Retrying helps once it runs."""

    status = 503
    code = "gateway_unavailable"
    retry = True


class GatewayRefusedError(BinocularError):
    """The gateway understood the request and said no. What it said is the message."""

    status = 502
    code = "gateway_refused"


class RunFailedError(BinocularError):
    """A run that was waited for did not succeed. What it says names the step that failed and its log."""

    code = "run_failed"


class DataError(BinocularError):
    """Labelled images that cannot do what was asked of them. Retrying does not help; other images do."""

    status = 422
    code = "data"


class WeightsError(BinocularError):
    """Weights that could not be had, or belong to another network. Retrying helps only where a download failed."""

    status = 502
    code = "weights"
    retry = True


class NotPromotedError(BinocularError):
    """A candidate that no promoting verdict was given to. Retrying does not help; another verdict does."""

    status = 409
    code = "not_promoted"


class ModelError(BinocularError):
    """A model that cannot be loaded, or does not answer as it promises. Retrying does not help."""

    status = 422
    code = "model"


class UnauthorizedError(BinocularError):
    """A call that needs a token, without the right one. Retrying does not help; the token does."""

    status = 401
    code = "unauthorized"


class ForbiddenError(BinocularError):
    """A call that this token is not for. Retrying does not help; a token with the scope of the call does."""

    status = 403
    code = "forbidden"


class RateLimitedError(BinocularError):
    """More requests than this client may make. Retrying helps after the time that the answer names."""

    status = 429
    code = "rate_limited"
    retry = True


class OverloadedError(BinocularError):
    """More predictions are asked for than there is time for. Retrying a moment later helps."""

    status = 503
    code = "overloaded"
    retry = True


class MediaTypeError(BinocularError):
    """A request of a content type that the call does not take. Retrying does not help."""

    status = 415
    code = "media_type"


class AddressRefusedError(BinocularError):
    """A web address that is not fetched: of a private network, or of no kind we take. Retrying does not help."""

    status = 400
    code = "address_refused"


class FetchError(BinocularError):
    """An image that its web address did not give. Retrying helps where the other server was at fault."""

    status = 422
    code = "fetch"


class ModelUnavailableError(BinocularError):
    """No model answers at the moment. Retrying helps once the model server runs and has loaded a version."""

    status = 503
    code = "model_unavailable"
    retry = True


class ModelTimeoutError(ModelUnavailableError):
    """The model did not answer in time. Retrying helps when it has less to do."""

    code = "model_timeout"


class ModelAnswerError(BinocularError):
    """The model answers something else than a classifier of ours does. Retrying does not help."""

    status = 502
    code = "model_answer"


class RetrainingError(BinocularError):
    """A training is going already. Retrying helps once it has ended."""

    status = 409
    code = "retraining"


class TensorError(BinocularError):
    """A tensor message that contradicts itself, or of a type we do not speak. Retrying does not help."""

    status = 400
    code = "tensor"


class SignatureError(BinocularError):
    """A version that is not signed by a key we trust, or a key that cannot sign. Retrying does not help."""

    status = 422
    code = "signature"


class Http2Error(BinocularError):
    """A peer does not keep to HTTP/2, or to a limit; the connection is over. A new one may do better."""

    code = "http2"

    def __init__(self, why: int, message: str) -> None:
        super().__init__(message)
        self.why = why  # the standard's number, for the peer


class DiskFullError(BinocularError):
    """This machine's disk has no room. Retrying helps after space was freed."""

    status = 507
    code = "disk_full"
    retry = True


def in_words(error: Exception) -> str:
    """An error of ours, or one of the operating system, as one line."""
    return of_this_machine(error) if isinstance(error, OSError) else str(error)


def of_this_machine(error: OSError) -> str:
    """What the operating system refused, as one line: the path, then why, then what helps where that is plain."""
    said = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return f"{said}; make room (`df -h` shows where there is none) and do it again" if full else said
