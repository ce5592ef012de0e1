"""Single images of many requests in one question to the model: each gets its answer, whatever the others do."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from binocular.errors import ModelAnswerError, ModelTimeoutError
from gateway.model import Answer, Signature
from gateway.together import AT_ONCE, Pixels, Together
from tests.servers import wait_until

SMALL, LARGE = Signature(1, 2, 2), Signature(2, 3, 3)


class Asked:
    """Answers each image with its first pixel, when it is told to; remembers how many were asked about."""

    def __init__(self) -> None:
        self.go_on = threading.Semaphore(0)
        self.sizes: list[int] = []

    def __call__(self, pixels: Pixels, signature: Signature, within_s: float) -> Answer:
        self.sizes.append(len(pixels))
        assert self.go_on.acquire(timeout=60)
        assert 0 < within_s <= 50
        assert pixels.shape[1:] == (signature.height, signature.width, 3)
        if 13 in pixels[:, 0, 0, 0]:
            raise ModelAnswerError("an image that breaks the model")
        if 14 in pixels[:, 0, 0, 0]:
            raise ModelTimeoutError("too long")
        return Answer(signature.version, pixels[:, 0, 0, :1].astype(np.float32))


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def together(asked: Asked) -> Together:
    return Together(asked, deadline_s=50)


def image(value: int, signature: Signature = SMALL, count: int = 1) -> Pixels:
    return np.full((count, signature.height, signature.width, 3), value, np.uint8)


def begin(
    pool: ThreadPoolExecutor, together: Together, asked: Asked, waiting: list[tuple[int, Signature]]
) -> tuple[list["Future[Answer]"], list["Future[Answer]"]]:
    """As many as may be asked at once, and others who wait for them, in this order."""
    first = [pool.submit(together.predict, image(value), SMALL) for value in range(AT_ONCE)]
    wait_until(lambda: asked.sizes == [1] * AT_ONCE)
    late = []
    for value, signature in waiting:
        late.append(pool.submit(together.predict, image(value, signature), signature))
        wait_until(lambda: len(together._waiting) == len(late))
    return first, late


def values(answers: list["Future[Answer]"]) -> list[float]:
    return [float(each.result(60).probabilities[0, 0]) for each in answers]


def test_few_are_asked_at_once_and_who_comes_meanwhile_shares_a_question(asked: Asked, together: Together) -> None:
    with ThreadPoolExecutor(20) as pool:
        first, late = begin(pool, together, asked, [(value, SMALL) for value in range(20, 25)])
        asked.go_on.release(3)
        assert values(first) == [0, 1]
        assert values(late) == [20, 21, 22, 23, 24]
        assert asked.sizes == [1, 1, 5]
        asked.go_on.release(1)
        assert values([pool.submit(together.predict, image(7), SMALL)]) == [7]


def test_images_of_another_size_are_asked_about_apart(asked: Asked, together: Together) -> None:
    with ThreadPoolExecutor(20) as pool:
        _, late = begin(pool, together, asked, [(20, SMALL), (21, LARGE), (22, SMALL), (23, LARGE)])
        asked.go_on.release(4)
        assert values(late) == [20, 21, 22, 23]
        assert [each.result().version for each in late] == [1, 2, 1, 2]
        assert asked.sizes == [1, 1, 2, 2]


def test_an_image_that_breaks_the_model_harms_no_other(asked: Asked, together: Together) -> None:
    with ThreadPoolExecutor(20) as pool:
        _, late = begin(pool, together, asked, [(20, SMALL), (13, SMALL), (22, SMALL)])
        asked.go_on.release(AT_ONCE + 1 + 3)
        assert values([late[0], late[2]]) == [20, 22]
        with pytest.raises(ModelAnswerError):
            late[1].result(60)
        wait_until(lambda: together._going == 0)


def test_when_the_model_takes_too_long_all_who_share_the_question_are_told(
    asked: Asked, together: Together
) -> None:
    with ThreadPoolExecutor(20) as pool:
        _, late = begin(pool, together, asked, [(14, SMALL), (20, SMALL)])
        asked.go_on.release(AT_ONCE + 1)
        for each in late:
            with pytest.raises(ModelTimeoutError):
                each.result(60)
        wait_until(lambda: together._going == 0)


def test_a_batch_waits_for_nobody(asked: Asked, together: Together) -> None:
    with ThreadPoolExecutor(20) as pool:
        begin(pool, together, asked, [(20, SMALL)])
        batch = pool.submit(together.predict, image(30, count=4), SMALL)
        wait_until(lambda: asked.sizes == [1, 1, 4])
        asked.go_on.release(10)
        assert batch.result(60).probabilities.tolist() == [[30.0]] * 4
