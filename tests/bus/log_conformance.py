"""What every log must do: subclass `LogConformance` in a driver's tests and give it a `place`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from tests.bus.samples import Place, event, take
from tiphys.bus import Durability


class LogConformance(ABC):
    """The suite of a log."""

    @pytest.fixture
    @abstractmethod
    def place(self, tmp_path: Path) -> Place:
        """A place of the driver's, empty."""

    async def test_positions_are_positive_and_grow(self, place: Place) -> None:
        async with place.open() as opened:
            positions = [await opened.log.publish(event(number)) for number in range(5)]

        assert positions[0] > 0
        assert positions == sorted(set(positions))

    async def test_events_are_read_in_the_order_of_their_positions(self, place: Place) -> None:
        async with place.open() as opened:
            published = await asyncio.gather(*[opened.log.publish(event(number)) for number in range(200)])

            read = await take(opened.log.read(), 200)

            assert [one.position for one in read] == sorted(published)

    async def test_an_event_comes_out_as_it_went_in(self, place: Place) -> None:
        odd = [
            event("none", None),
            event("empty", b""),
            event("bytes", bytes(range(256))),
            event("é日", b"1", source="a", subject="b.c"),
        ]
        async with place.open() as opened:
            for one in odd:
                await opened.log.publish(one)
        async with place.open() as opened:
            read = await take(opened.log.read(), len(odd))

        assert [one.event for one in read] == odd
        assert [dict(one.event.extensions) for one in read] == [dict(one.extensions) for one in odd]

    async def test_a_reader_waits_for_what_is_published_later(self, place: Place) -> None:
        async with place.open() as opened:
            reading = asyncio.create_task(take(opened.log.read(), 1))
            await asyncio.sleep(0)

            await opened.log.publish(event("late"))

            assert [one.event for one in await reading] == [event("late")]

    async def test_what_is_not_acknowledged_is_delivered_again_with_its_attempts(self, place: Place) -> None:
        async with place.open() as opened:
            await opened.log.publish(event(1))
            attempts = [(await take(opened.log.read(), 1))[0].attempt]
        async with place.open() as opened:
            attempts += [(await take(opened.log.read(), 1))[0].attempt for _ in range(2)]

        assert attempts == [1, 2, 3]

    async def test_what_is_acknowledged_is_not_delivered_again(self, place: Place) -> None:
        async with place.open() as opened:
            for number in range(5):
                await opened.log.publish(event(number))
            read = await take(opened.log.read(), 5)
            await opened.acknowledge(read[2].position)
        async with place.open() as opened:
            again = await take(opened.log.read(), 2)

        assert [one.event for one in again] == [event(3), event(4)]

    async def test_a_long_backlog_is_read_whole_and_in_order_after_a_restart(self, place: Place) -> None:
        async with place.open() as opened:
            await asyncio.gather(*[opened.log.publish(event(number)) for number in range(1500)])
        async with place.open() as opened:
            reader = opened.log.read()
            first = await take(reader, 1500)
            await opened.log.publish(event("new"))
            last = await take(reader, 1)

        positions = [one.position for one in first + last]
        assert positions == sorted(set(positions))
        assert {one.event.id for one in first} == {event(number).id for number in range(1500)}

    async def test_the_end_is_the_position_of_the_newest_event(self, place: Place) -> None:
        async with place.open() as opened:
            assert await opened.log.end() == 0
            position = await opened.log.publish(event(1))
            assert await opened.log.end() == position
        async with place.open() as opened:
            assert await opened.log.end() == position

    async def test_a_cancelled_publish_is_withdrawn_or_completes(self, place: Place) -> None:
        async with place.open() as opened:
            tasks = [asyncio.create_task(opened.log.publish(event(number))) for number in range(50)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            await opened.log.publish(event("last"))
        async with place.open() as opened:
            stored = {one.event.id for one in await take(opened.log.read(), sum(isinstance(one, int) for one in outcomes) + 1)}

        for number, outcome in enumerate(outcomes):
            assert (event(number).id in stored) == isinstance(outcome, int)

    async def test_a_publish_whose_time_limit_passes_is_not_refused_and_stored(self, place: Place) -> None:
        refused: list[int] = []

        async def publish(number: int) -> None:
            try:
                async with asyncio.timeout(0):
                    await opened.log.publish(event(number))
            except TimeoutError:
                refused.append(number)

        async with place.open() as opened:
            await asyncio.gather(*[publish(number) for number in range(50)])
            await opened.log.publish(event("last"))
        async with place.open() as opened:
            stored = {one.event.id for one in await take(opened.log.read(), 50 - len(refused) + 1)}

        assert not {event(number).id for number in refused} & stored

    async def test_the_driver_says_what_an_acknowledged_publish_survives(self, place: Place) -> None:
        async with place.open() as opened:
            assert isinstance(opened.log.durability, Durability)
