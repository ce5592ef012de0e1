"""How requests are merged: TensorFlow Serving's BatchingParameters, checked and turned into a value."""

from dataclasses import dataclass
from pathlib import Path

from binocular.errors import SettingError
from binocular.wire.messages import BatchingParameters
from serving.server.config import parse_file

_MICRO = 1e-6


@dataclass(frozen=True)
class Batching:
    """The parameters, with the original's defaults."""

    threads: int
    max_size: int = 1000
    timeout_s: float = 0.0
    max_enqueued: int = 10
    allowed: tuple[int, ...] = ()
    pad_inner: bool = False
    split: bool = False
    max_execution: int = 0

    @property
    def execution(self) -> int:
        """Rows of the largest batch that is run."""
        return min(self.max_execution or self.max_size, self.max_size) if self.split else self.max_size

    def padded(self, rows: int) -> int:
        """The size that a batch of this many rows is run at."""
        return next((size for size in self.allowed if size >= rows), rows)


def read_file(path: Path | None, cores: int) -> Batching:
    """The parameters in a file, or the defaults; SettingError where they contradict each other."""
    said = parse_file(path, BatchingParameters) if path else BatchingParameters()
    defaults = Batching(cores)

    def value(name: str, default: int) -> int:
        return getattr(said, name).value if said.HasField(name) else default

    batching = Batching(
        threads=value("num_batch_threads", defaults.threads),
        max_size=value("max_batch_size", defaults.max_size),
        timeout_s=value("batch_timeout_micros", 0) * _MICRO,
        max_enqueued=value("max_enqueued_batches", defaults.max_enqueued),
        allowed=tuple(said.allowed_batch_sizes),
        pad_inner=said.pad_variable_length_inputs,
        split=said.enable_large_batch_splitting.value,
        max_execution=value("max_execution_batch_size", 0),
    )
    _check(batching, path)
    return batching


def _check(batching: Batching, path: Path | None) -> None:
    if min(batching.threads, batching.max_size, batching.max_enqueued) < 1 or batching.timeout_s < 0:
        raise SettingError(f"{path}: sizes and threads are from 1, the timeout is not below 0")
    if list(batching.allowed) != sorted(set(batching.allowed)):
        raise SettingError(f"{path}: allowed_batch_sizes entries must be in increasing order")
    if batching.allowed and batching.allowed[-1] != batching.execution:
        raise SettingError(
            f"{path}: Last entry in allowed_batch_sizes must match max_batch_size; "
            f"last entry was {batching.allowed[-1]}; expected {batching.execution}"
        )
