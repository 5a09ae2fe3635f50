"""Photos that were taken in together ask in one call, and each gets its own part of the answer."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from facestats.holistic.backend import Holistic, HolisticBackend, HolisticDeadlineError, HolisticRequestError
from facestats.scoring.together import Together


class Echo:
    """Scores a face by its first byte, up to 100, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, bool, tuple[str, ...]]] = []

    async def infer(
        self, pixels: NDArray[np.uint8], *, timeout: float, embedding: bool, attributes: tuple[str, ...]
    ) -> Holistic:
        self.calls.append((len(pixels), embedding, attributes))
        score = np.minimum(pixels[:, 0, 0, 0], 100).astype(np.float32)
        labels = np.array([str(int(value)).encode() for value in score], np.object_)
        return Holistic(
            score=score,
            raw=score / 100,
            embedding=np.repeat(score[:, np.newaxis], 512, axis=1) if embedding else None,
            attributes=dict.fromkeys(attributes, (labels, score[:, np.newaxis])),
        )


def crops(*values: int) -> NDArray[np.uint8]:
    return np.stack([np.full((224, 224, 3), value, np.uint8) for value in values])


async def ask(
    backend: HolisticBackend, pixels: NDArray[np.uint8], *, embedding: bool = False, attributes: tuple[str, ...] = ()
) -> Holistic:
    return await backend.infer(pixels, timeout=10, embedding=embedding, attributes=attributes)


async def test_one_call_for_all_and_to_each_its_own() -> None:
    echo = Echo()
    together = Together(echo, 3)
    with together.seat() as first, together.seat() as second, together.seat() as third:
        answers = await asyncio.gather(
            ask(first, crops(7)), ask(second, crops(1, 2), embedding=True), ask(third, crops(9), attributes=("Sex",))
        )
    assert echo.calls == [(4, True, ("Sex",))]
    assert [answer.score.tolist() for answer in answers] == [[7], [1, 2], [9]]
    assert answers[0].embedding is None
    assert answers[1].embedding is not None
    assert answers[1].embedding[:, 0].tolist() == [1, 2]
    assert [sorted(answer.attributes) for answer in answers] == [[], [], ["Sex"]]
    assert answers[2].attributes["Sex"][0].tolist() == [b"9"]


async def test_who_leaves_is_not_waited_for() -> None:
    echo = Echo()
    together = Together(echo, 2)
    with together.seat() as staying:
        waiting = asyncio.create_task(ask(staying, crops(5)))
        with together.seat():
            await asyncio.sleep(0)
            assert not echo.calls
        assert (await waiting).score.tolist() == [5]


async def test_nobody_asks_for_nothing() -> None:
    echo = Echo()
    together = Together(echo, 1)
    with together.seat():
        pass
    await asyncio.sleep(0)
    assert echo.calls == []


async def test_who_asks_after_leaving_is_refused_and_others_are_not_held_up() -> None:
    together = Together(Echo(), 2)
    with together.seat() as gone:
        pass
    with pytest.raises(HolisticDeadlineError):
        await ask(gone, crops(1))
    with together.seat() as staying:
        assert (await ask(staying, crops(3))).score.tolist() == [3]


async def test_no_call_is_larger_than_a_batch_and_faces_of_a_photo_stay_together() -> None:
    echo = Echo()
    together = Together(echo, 4)
    sizes = (20, 10, 5, 32)
    with together.seat() as a, together.seat() as b, together.seat() as c, together.seat() as d:
        seats = (a, b, c, d)
        answers = await asyncio.gather(
            *(ask(seat, crops(*[index] * size)) for index, (seat, size) in enumerate(zip(seats, sizes, strict=True)))
        )
    assert [size for size, _, _ in echo.calls] == [30, 5, 32]
    assert [answer.score.tolist() for answer in answers] == [[index] * size for index, size in enumerate(sizes)]


async def test_a_call_that_fails_fails_for_each_of_its_photos() -> None:
    class Failing(Echo):
        async def infer(self, pixels: NDArray[np.uint8], **_: object) -> Holistic:
            raise HolisticRequestError("out of memory")

    together = Together(Failing(), 2)
    with together.seat() as first, together.seat() as second:
        failures = await asyncio.gather(ask(first, crops(1)), ask(second, crops(2)), return_exceptions=True)
    assert [type(failure) for failure in failures] == [HolisticRequestError] * 2
