"""`order` by a key: firings with the same value do not overtake each other, and hold up no others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.dispatcher.acting import SendingProgram, Sent, acting
from tests.dispatcher.support import KEY
from tiphys.errors import Unreachable

BY_KEY = {"order": {"key": "{{ .dep.body.k }}"}}
SOON = {"steps": 50, "duration": "40s", "factor": 1, "jitter": 0}
pytestmark = pytest.mark.looptime


def lane(number: int) -> str:
    """1, 11, 21 … are of the same lane."""
    return f"lane {number % 10}"


def in_lane(sent: Sent, one: int) -> list[int]:
    return [number for number in sent.numbers if number % 10 == one]


def first_is_away(times: int) -> Sent:
    sent = Sent()

    async def act(number: int) -> None:
        await asyncio.sleep(1 / number)
        if number == 1 and sent.numbers.count(1) <= times:
            raise Unreachable("far end", "it is away")

    sent.act = act
    return sent


async def test_each_lane_goes_in_order_and_all_side_by_side(tmp_path: Path) -> None:
    sent = Sent()

    async def act(number: int) -> None:
        await asyncio.sleep(10)

    sent.act = act
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, **BY_KEY))
        began = asyncio.get_running_loop().time()
        await engine.decide(range(1, 41), lane=lane)
        await engine.until(lambda: len(engine.seen.outcomes) == 40)

    for one in range(10):
        assert in_lane(sent, one) == sorted(in_lane(sent, one))
    # ten lanes side by side, four after each other in each
    assert sent.times[-1] - began < 60


async def test_one_that_is_tried_again_holds_up_its_lane_and_no_other(tmp_path: Path) -> None:
    sent = first_is_away(5)
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, retryStrategy=SOON, **BY_KEY))
        firings = await engine.decide(range(1, 41), lane=lane)
        await asyncio.sleep(100)
        waits = engine.dispatcher.waits(firings[10])
        while_it_waits = list(sent.numbers)
        await engine.until(lambda: len(set(sent.numbers)) == 40)

    assert {number for number in while_it_waits if number % 10 == 1} == {1}
    assert len(set(while_it_waits)) == 37
    assert in_lane(sent, 1) == [1] * 6 + [11, 21, 31]
    assert "lane 1" in waits
    assert "order: key" in waits


async def test_the_order_of_a_lane_holds_over_a_restart(tmp_path: Path) -> None:
    sent = first_is_away(3)
    program = SendingProgram(sent, retryStrategy=SOON, **BY_KEY)
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, program)
        await engine.decide(range(1, 32), lane=lane)
        await asyncio.sleep(50)

    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, program)
        await engine.until(lambda: {11, 21, 31} <= set(sent.numbers))

    assert in_lane(sent, 1) == [1] * 4 + [11, 21, 31]


async def test_a_long_queue_of_one_key_costs_another_key_nothing(tmp_path: Path) -> None:
    sent = first_is_away(1000)
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, **BY_KEY))
        await engine.decide(range(1, 10_001, 10), lane=lane)
        await engine.decide(range(2, 3), lane=lane)
        await engine.until(lambda: 2 in sent.numbers, seconds=30)

    assert set(sent.numbers) == {1, 2}


async def test_a_key_that_is_taken_out_lets_all_go(tmp_path: Path) -> None:
    sent = first_is_away(1000)
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, **BY_KEY))
        await engine.decide(range(1, 100, 10), lane=lane)
        await engine.until(lambda: len(engine.seen.outcomes) == 1)
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent))
        await engine.until(lambda: len(set(sent.numbers)) == 10, seconds=30)
