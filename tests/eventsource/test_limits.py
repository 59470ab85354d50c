"""Reading a body: little more than the limit, however it drops in."""

from __future__ import annotations

import asyncio

import pytest

from eventsource.ingress.alarm import Alarm
from eventsource.ingress.limits import Budget, Flight, Limits, Refusal, openings, read_body


class Drops:
    """A body that arrives in parts, for ever if `endless`."""

    def __init__(self, *parts: bytes, endless: bool = False) -> None:
        self.parts = list(parts)
        self.endless = endless
        self.handed_out = 0

    def is_eof(self) -> bool:
        return False

    def read_nowait(self, n: int = -1) -> bytes:
        raise AssertionError("not all of it has arrived")

    async def readany(self) -> bytes:
        await asyncio.sleep(0)
        part = self.parts[0] if self.endless else self.parts.pop(0) if self.parts else b""
        self.handed_out += len(part)
        return part


def flight(memory: int = 1000) -> tuple[Budget, Flight]:
    budget = Budget(Limits(memory=memory))
    return budget, budget.enter()


async def test_a_body_in_parts_is_put_together_and_counted() -> None:
    budget, held = flight()
    assert await read_body(Drops(b"ab", b"c", b"def"), 6, 1.0, held) == b"abcdef"
    assert (budget.requests, budget.memory) == (1, 6)
    held.end()
    assert (budget.requests, budget.memory) == (0, 0)


async def test_the_parts_together_are_what_the_limit_is_for() -> None:
    _, held = flight()
    with pytest.raises(Refusal) as refusal:
        await read_body(Drops(b"abc", b"def"), 5, 1.0, held)
    assert refusal.value.answer.status == 413
    assert refusal.value.close


async def test_a_body_without_end_is_read_little_further_than_the_limit() -> None:
    _, held = flight()
    endless = Drops(b"x" * 10, endless=True)
    with pytest.raises(Refusal):
        await read_body(endless, 100, 1.0, held)
    assert endless.handed_out <= 110


async def test_what_was_refused_is_given_back() -> None:
    budget, held = flight(memory=4)
    with pytest.raises(Refusal) as refusal:
        await read_body(Drops(b"abc", b"def"), 100, 1.0, held)
    assert refusal.value.answer.status == 503
    held.end()
    assert (budget.requests, budget.memory) == (0, 0)


def test_openings_are_those_of_arrays_and_objects() -> None:
    assert openings(b'{"a": [[], {}, "[{"]}') == 6
    assert openings(b"") == 0


async def test_a_block_that_is_late_and_cancelled_from_outside_is_cancelled() -> None:
    alarm = Alarm()

    async def watched() -> None:
        with alarm.within(0.0) as limit:
            limit.look(asyncio.get_running_loop().time() + 1.0)
            await asyncio.Event().wait()

    task = asyncio.create_task(watched(), name="watched")
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises((asyncio.CancelledError, TimeoutError)) as ended:
        await task
    assert ended.type is asyncio.CancelledError
