"""Warm-up: a version's own example requests are answered once before it serves, so that nobody waits for that.

`assets.extra/tf_serving_warmup_requests` holds PredictionLog messages as a TFRecord file. One that cannot be
answered fails the version: better now than in front of people.
"""

import logging
import struct
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError

from binocular.wire.codes import StatusCode
from binocular.wire.messages import PredictionLog
from serving.server.deadline import Deadline
from serving.server.engines import Engine
from serving.server.predict import ask
from serving.server.status import ServingError

log = logging.getLogger(__name__)

REQUESTS = Path("assets.extra", "tf_serving_warmup_requests")
MOST = 1000
# A record is its length (8 bytes), a checksum of that (4), the data, a checksum of the data (4).
_LENGTH = struct.Struct("<QI")
_CHECKSUM = 4


def replay(engine: Engine, folder: Path, *, times: int, tensor_limit: int) -> int:
    """Answer each of the version's requests this often; how many there were."""
    path = folder / REQUESTS
    if not path.is_file():
        return 0
    count = 0
    for data in records(path):
        count += 1
        if count > MOST:
            raise _broken(f"Number of warmup records exceeds the maximum ({MOST}): {path}")
        try:
            logged = PredictionLog.FromString(data)
        except DecodeError:
            raise _broken(f"Failed to parse warmup record: {count} from {path}") from None
        kind = logged.WhichOneof("log_type")
        if kind != "predict_log":
            log.warning("a warm-up request of a kind that is not offered", extra={"path": path, "kind": kind})
            continue
        for _ in range(times):
            ask(engine, logged.predict_log.request, tensor_limit, Deadline())
    return count


def records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file; INVALID_ARGUMENT where it is cut off or none.

    The checksums are not compared: a request that is damaged is one that cannot be answered, or still warms up.
    """
    left = path.stat().st_size
    with path.open("rb") as file:
        while left:
            head = file.read(_LENGTH.size)
            left -= _LENGTH.size
            if len(head) < _LENGTH.size or _LENGTH.unpack(head)[0] + _CHECKSUM > left:
                raise _broken(f"{path} is cut off, or no TFRecord file")
            length = _LENGTH.unpack(head)[0]
            yield file.read(length)
            file.seek(_CHECKSUM, 1)
            left -= length + _CHECKSUM


def _broken(text: str) -> ServingError:
    return ServingError(StatusCode.INVALID_ARGUMENT, text)
