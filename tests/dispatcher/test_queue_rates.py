"""`rateLimit` in the queue: what exceeds it waits in the ledger, holds up nobody, and is not forgotten by a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.dispatcher.acting import SendingProgram, Sent, acting
from tests.dispatcher.support import KEY
from tiphys.bus.firing import FiringState, TriggerKey

OTHER = TriggerKey("argo", "ci", "deploy")
MINUTE = {"unit": "Minute", "requestsPerUnit": 3}
pytestmark = pytest.mark.looptime


def most_in_a_window(times: list[float], span: float) -> int:
    return max((sum(first <= at < first + span for at in times) for first in times), default=0)


async def test_argo_events_2851_twelve_at_once_go_three_per_minute_in_order_after_any_quiet_time(tmp_path: Path) -> None:
    sent = Sent()
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, rateLimit=MINUTE))
        await asyncio.sleep(300)
        began = asyncio.get_running_loop().time()
        await engine.decide(range(1, 13))
        await engine.until(lambda: len(engine.seen.outcomes) == 12)

    assert sent.numbers == list(range(1, 13))
    assert most_in_a_window(sent.times, 60) == 3
    assert sent.times[-1] - began < 240


async def test_argo_events_2851_a_restart_allows_no_extra_burst_and_loses_none(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def act(number: int) -> None:
        if number == 5 and not reached.is_set():
            reached.set()
            await asyncio.Event().wait()  # the process is killed while this one is under way

    sent = Sent(act=act)
    program = SendingProgram(sent, rateLimit=MINUTE)
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, program)
        await engine.decide(range(1, 13))
        await reached.wait()

    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, program)
        await engine.until(lambda: len(set(sent.numbers)) == 12)

    assert most_in_a_window(sent.times, 60) == 3
    assert sorted(set(sent.numbers)) == list(range(1, 13))


async def test_a_trigger_that_waits_for_its_limit_holds_up_no_other(tmp_path: Path) -> None:
    slow, quick = Sent(), Sent()
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(slow, rateLimit={"unit": "Hour", "requestsPerUnit": 1}))
        engine.dispatcher.set_trigger(OTHER, SendingProgram(quick, OTHER))
        await engine.decide(range(1, 600))
        began = asyncio.get_running_loop().time()
        await engine.decide(range(1, 101), OTHER)
        await engine.until(lambda: len(quick.calls) == 100, seconds=60)

    assert quick.times[-1] - began < 60
    assert len(slow.calls) == 1


async def test_what_waits_says_for_what_and_until_when(tmp_path: Path) -> None:
    sent = Sent()
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, rateLimit=MINUTE))
        firings = await engine.decide(range(1, 6))
        await engine.until(lambda: len(engine.seen.outcomes) == 3)

        waits = engine.dispatcher.waits(firings[4])
        states = await engine.states(firings)

    assert waits.startswith("rateLimit: 3 per Minute, next at 20")
    assert states == [FiringState.SUCCEEDED] * 3 + [FiringState.PENDING] * 2


async def test_a_manifest_that_changes_something_else_does_not_begin_its_limit_anew(tmp_path: Path) -> None:
    sent = Sent()
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, rateLimit=MINUTE))
        await engine.decide(range(1, 10))
        await engine.until(lambda: len(sent.calls) == 3)
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, rateLimit=MINUTE, atLeastOnce=True))
        await asyncio.sleep(30)
        assert len(sent.calls) == 3
        engine.dispatcher.remove_trigger(KEY)
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, rateLimit=MINUTE))
        await engine.until(lambda: len(sent.calls) == 9)

    assert most_in_a_window(sent.times, 60) == 3


async def test_a_limit_that_is_taken_out_holds_nothing_back_any_more(tmp_path: Path) -> None:
    sent = Sent()
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, rateLimit={"unit": "Day", "requestsPerUnit": 1}))
        await engine.decide(range(1, 10))
        await engine.until(lambda: len(sent.calls) == 1)
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent))
        await engine.until(lambda: len(sent.calls) == 9, seconds=60)
