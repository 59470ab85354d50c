"""`order`: firings that do not overtake each other, whatever becomes of the one before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from dispatcher.manifest import trigger_model
from tests.dispatcher.acting import SendingProgram, Sent, acting
from tests.dispatcher.support import KEY
from tiphys.bus.firing import FiringState, TriggerKey
from tiphys.errors import Unreachable
from tiphys.schema.model import field_errors

OTHER = TriggerKey("argo", "ci", "deploy")
SOON = {"steps": 5, "duration": "40s", "factor": 1, "jitter": 0}


def away_until(times: int) -> Sent:
    """The far end is away for the first `times` requests that bear the number 1, and takes longer for small numbers than for great ones."""
    sent = Sent()

    async def act(number: int) -> None:
        await asyncio.sleep(1 / number)
        if number == 1 and sent.numbers.count(1) <= times:
            raise Unreachable("far end", "it is away")

    sent.act = act
    return sent


@pytest.mark.looptime
async def test_without_an_order_one_that_fails_holds_up_nobody(tmp_path: Path) -> None:
    sent = away_until(2)
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, retryStrategy=SOON))
        await engine.decide(range(1, 6))
        await engine.until(lambda: len(sent.calls) == 7)

    assert sent.numbers[:5] == [1, 2, 3, 4, 5]
    assert sent.numbers[5:] == [1, 1]


@pytest.mark.looptime
async def test_in_strict_order_each_waits_for_the_end_of_the_one_before_also_while_that_is_tried_again(tmp_path: Path) -> None:
    sent = away_until(2)
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, order="strict", retryStrategy=SOON))
        firings = await engine.decide(range(1, 6))
        await asyncio.sleep(20)
        waits = engine.dispatcher.waits(firings[3])
        await engine.until(lambda: len(engine.seen.outcomes) == 7)

    assert sent.numbers == [1, 1, 1, 2, 3, 4, 5]
    assert waits == "the one before it (order: strict)"


@pytest.mark.looptime
async def test_a_dead_letter_lets_the_next_one_pass(tmp_path: Path) -> None:
    sent = away_until(100)
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, order="strict", retryStrategy=SOON | {"steps": 2}))
        firings = await engine.decide(range(1, 4))
        await engine.until(lambda: len(engine.seen.outcomes) == 4)
        states = await engine.states(firings)

    assert sent.numbers == [1, 1, 2, 3]
    assert states == [FiringState.DEAD, FiringState.SUCCEEDED, FiringState.SUCCEEDED]


@pytest.mark.looptime
async def test_strict_order_holds_over_a_restart_while_the_first_waits_for_its_next_attempt(tmp_path: Path) -> None:
    sent = away_until(1)
    program = SendingProgram(sent, order="strict", retryStrategy=SOON)
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, program)
        await engine.decide(range(1, 5))
        await engine.until(lambda: len(engine.seen.outcomes) == 1)

    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, program)
        await engine.until(lambda: len(engine.seen.outcomes) == 4)

    assert sent.numbers == [1, 1, 2, 3, 4]


@pytest.mark.looptime
async def test_a_trigger_in_order_that_waits_holds_up_no_other(tmp_path: Path) -> None:
    stuck, quick = away_until(10_000), Sent()
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(stuck, order="strict"))
        engine.dispatcher.set_trigger(OTHER, SendingProgram(quick, OTHER))
        await engine.decide(range(1, 300))
        await engine.decide(range(1, 51), OTHER)
        await engine.until(lambda: len(quick.calls) == 50, seconds=60)

    assert set(stuck.numbers) == {1}


@pytest.mark.looptime
async def test_an_order_that_is_taken_out_lets_go_at_once(tmp_path: Path) -> None:
    sent = away_until(10_000)
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, order="strict"))
        await engine.decide(range(1, 6))
        await engine.until(lambda: len(engine.seen.outcomes) == 1)
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent))
        await engine.until(lambda: {2, 3, 4, 5} <= set(sent.numbers), seconds=60)


@pytest.mark.parametrize("order", ["fifo", True, 1, {"key": ""}, {}])
def test_an_order_that_is_none_is_refused(order: object) -> None:
    with pytest.raises(ValidationError) as caught:
        trigger_model().model_validate({"template": {"name": "x", "log": {}}, "order": order})

    (fault,) = field_errors(caught.value)
    assert fault.path.startswith("order")
    assert fault.remedy
