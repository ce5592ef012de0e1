"""What is borrowed for a while, and given back whatever happens.

    def lease(self) -> Lent[Worker]:
        return Lent(self._take, self._give)

    with self.lease() as worker: ...

Every request borrows twice; `contextlib.contextmanager` would cost it a tenth of all that is not the model.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lent(Generic[T]):
    """Takes something when entered, and gives it back."""

    __slots__ = ("_give", "_it", "_take")

    def __init__(self, take: Callable[[], T], give: Callable[[T], None]) -> None:
        self._take, self._give = take, give

    def __enter__(self) -> T:
        self._it = self._take()
        return self._it

    def __exit__(self, *_: object) -> None:
        self._give(self._it)
