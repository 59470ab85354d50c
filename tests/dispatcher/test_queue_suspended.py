"""`suspend`: nothing is carried out, and what becomes of it meanwhile is what was said beforehand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.dispatcher.acting import Acting, SendingProgram, Sent, acting
from tests.dispatcher.support import KEY
from tiphys.bus.firing import FiringState, TriggerKey
from tiphys.bus.ledger import Suspension

OTHER = TriggerKey("argo", "ci", "deploy")
pytestmark = pytest.mark.looptime


def suspension(on_resume: str, trigger: str = "build") -> Suspension:
    return Suspension("argo", "ci", trigger, on_resume, 1_800_000_000.0, "somebody")


async def settled(engine: Acting, count: int) -> None:
    await engine.until(lambda: len(engine.seen.outcomes) == count, seconds=600)


@pytest.mark.parametrize(
    ("on_resume", "sent_after", "ended_before"),
    [("replay", [1, 2, 3, 4], 0), ("latest", [4], 3), ("drop", [], 4)],
)
async def test_what_came_up_meanwhile_is_carried_out_all_or_the_newest_or_not_at_all(
    tmp_path: Path, on_resume: str, sent_after: list[int], ended_before: int
) -> None:
    sent = Sent()
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, suspend=True, onResume=on_resume))
        firings = await engine.decide(range(1, 4))
        firings += await engine.decide(range(4, 5))
        await asyncio.sleep(300)
        states = await engine.states(firings)
        assert sent.calls == []
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent))
        await settled(engine, 4)

    assert states.count(FiringState.CANCELLED) == ended_before
    assert sorted(sent.numbers) == sent_after


async def test_one_that_was_dropped_says_so(tmp_path: Path) -> None:
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(Sent()))
        engine.dispatcher.suspend(suspension("drop"))
        (firing,) = await engine.decide(range(1, 2))
        await settled(engine, 1)
        record = await engine.ledger.firing(firing.id)

    assert record.last is not None
    assert record.last.reason == "Suspended"
    assert "suspended by somebody at 2027-01-15T08:00:00Z" in record.last.message


@pytest.mark.parametrize("trigger", ["build", ""])
async def test_a_command_suspends_a_trigger_or_the_whole_sensor(tmp_path: Path, trigger: str) -> None:
    sent, other = Sent(), Sent()
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent))
        engine.dispatcher.set_trigger(OTHER, SendingProgram(other, OTHER))
        engine.dispatcher.suspend(suspension("replay", trigger))
        (firing,) = await engine.decide(range(1, 2))
        await engine.decide(range(2, 3), OTHER)
        await asyncio.sleep(300)
        assert sent.numbers == []
        assert other.numbers == ([] if trigger == "" else [2])
        waits = engine.dispatcher.waits(firing)
        engine.dispatcher.resume(TriggerKey("argo", "ci", trigger))
        await engine.until(lambda: bool(sent.numbers and other.numbers), seconds=60)

    assert "suspended by somebody" in waits
    assert "onResume: replay" in waits


async def test_of_a_manifest_and_a_command_the_one_that_keeps_more_holds_and_both_must_go(tmp_path: Path) -> None:
    sent = Sent()
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, suspend=True, onResume="drop"))
        engine.dispatcher.suspend(suspension("replay"))
        await engine.decide(range(1, 3))
        await asyncio.sleep(60)
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent))
        await asyncio.sleep(60)
        assert engine.seen.outcomes == []
        engine.dispatcher.resume(KEY)
        await settled(engine, 2)

    assert sorted(sent.numbers) == [1, 2]


async def test_what_is_under_way_is_finished(tmp_path: Path) -> None:
    sent, go = Sent(), asyncio.Event()

    async def act(number: int) -> None:
        await go.wait()

    sent.act = act
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent))
        (firing,) = await engine.decide(range(1, 2))
        await engine.until(lambda: sent.numbers == [1])
        engine.dispatcher.suspend(suspension("drop"))
        go.set()
        await settled(engine, 1)
        states = await engine.states([firing])

    assert states == [FiringState.SUCCEEDED]


@pytest.mark.parametrize(("on_resume", "numbers"), [("latest", [3]), ("replay", [1, 2, 3])])
async def test_it_holds_over_a_restart(tmp_path: Path, on_resume: str, numbers: list[int]) -> None:
    sent = Sent()
    program = SendingProgram(sent, suspend=True, onResume=on_resume)
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, program)
        await engine.decide(range(1, 4))
        await asyncio.sleep(30)

    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, program)
        await asyncio.sleep(30)
        assert sent.calls == []
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent))
        await engine.until(lambda: len(sent.numbers) == len(numbers), seconds=60)

    assert sorted(sent.numbers) == numbers


async def test_what_is_dropped_does_not_wait_for_a_limit(tmp_path: Path) -> None:
    sent = Sent()
    limit = {"unit": "Hour", "requestsPerUnit": 1}
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent, suspend=True, onResume="drop", rateLimit=limit))
        await engine.decide(range(1, 41))
        await settled(engine, 40)

    assert sent.calls == []
