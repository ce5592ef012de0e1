"""Several requests' images in one question to the model.

    together = Together(model.predict, deadline_s=5)
    answer = together.predict(pixels, signature)     # as the model's own

Around the model a question costs the same whatever it holds. While few are going, each is asked at once; whoever
comes while enough are going waits for the end of one, and the first of those who wait then asks for all of them.
It needs no thread of its own.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from binocular.errors import ModelAnswerError
from gateway.model import Answer, Signature

Pixels = NDArray[np.uint8]
# What asks: pixels, their signature, and the seconds that it may take.
Ask = Callable[[Pixels, Signature, float], Answer]

# Questions that a worker has going before others wait: enough to keep a model busy from one to the next.
AT_ONCE = 2
# Images in one question.
MOST = 16
# For whom no time is left.
HARDLY_S = 0.001


@dataclass(eq=False)
class _Waiting:
    """One who waits, to be told an answer, or to ask for a group whose first it is."""

    pixels: Pixels
    signature: Signature
    until: float
    told: "Future[Answer | list[_Waiting]]" = field(default_factory=Future)


class Together:
    """Asks one model for many threads."""

    def __init__(self, ask: Ask, deadline_s: float) -> None:
        self._ask = ask
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._going = 0
        self._waiting: list[_Waiting] = []

    def predict(self, pixels: Pixels, signature: Signature) -> Answer:
        """The answer about these images."""
        if len(pixels) > 1:
            return self._ask(pixels, signature, self._deadline_s)
        me = _Waiting(pixels, signature, time.monotonic() + self._deadline_s)
        with self._lock:
            at_once = self._going < AT_ONCE
            if at_once:
                self._going += 1
            else:
                self._waiting.append(me)
        told = [me] if at_once else me.told.result()
        return told if isinstance(told, Answer) else self._ask_for(told)

    def _ask_for(self, group: list[_Waiting]) -> Answer:
        """Ask for a group, tell the others, and let the next group go; the answer of its first."""
        first, *others = group
        try:
            pixels = np.concatenate([each.pixels for each in group]) if others else first.pixels
            answer = self._ask(pixels, first.signature, max(HARDLY_S, first.until - time.monotonic()))
        except ModelAnswerError:
            if not others:
                raise
            # It may be the fault of one image: nobody shall suffer for another's.
            with self._lock:
                self._going += len(group)
            for each in others:
                each.told.set_result([each])
            return self._ask_for([first])
        except BaseException as error:
            for each in others:
                each.told.set_exception(error)
            raise
        finally:
            self._next()
        for row, each in enumerate(others, 1):
            each.told.set_result(answer.about(slice(row, row + 1)))
        return answer.about(slice(1))

    def _next(self) -> None:
        """Let the first of those who wait ask for all who can be asked about with it."""
        with self._lock:
            if not self._waiting:
                self._going -= 1
                return
            first = self._waiting[0]
            group = [each for each in self._waiting if each.signature == first.signature][:MOST]
            self._waiting = [each for each in self._waiting if each not in group]
        first.told.set_result(group)
