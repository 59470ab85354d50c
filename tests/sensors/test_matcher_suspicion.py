"""What ends the process again and again beside the log's batches, a deferred row or a replay: it is found, set aside, and named."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from tests.sensors.deciding_child import Deadly, at_once, away
from tests.sensors.matching import KEY, Held, running
from tiphys.bus.ledger import VerdictKind
from tiphys.bus.sqlite import SqliteBus
from tiphys.errors import ScriptsUnavailable

FIRED, SET_ASIDE = VerdictKind.FIRED, VerdictKind.SET_ASIDE


async def child(folder: Path, deadly: str, how: str) -> tuple[int, str]:
    """How a process ended, and what it logged."""
    arguments = (sys.executable, "-m", "tests.sensors.deciding_child", str(folder), deadly, how)
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    logged, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, logged.decode()


async def deaths(folder: Path, deadly: str, how: str) -> tuple[int, str]:
    """How many processes died before one went through, and what that one logged of events set aside."""
    for number in range(12):
        status, logged = await child(folder, deadly, how)
        if status == 0:
            return number, "".join(line for line in logged.splitlines() if "event-set-aside" in line)
        assert status == -signal.SIGKILL
    raise AssertionError("they die for ever")


async def waiting(folder: Path, *names: str) -> None:
    """Rows that one process deferred, and did not decide."""
    async with running(folder, *away(), scripts=Held()) as now:
        await now.publish(*names)
        await now.settled(names[-1])


@pytest.mark.parametrize("deadly", ["a1", "a3"])
async def test_a_row_that_ends_the_process_again_and_again_is_set_aside_and_the_others_are_decided(
    tmp_path: Path, deadly: str
) -> None:
    names = ("a1", "a2", "a3", "a4", "b1")
    await waiting(tmp_path, *names)

    # three that decide as ever, six that try it alone, and the next one knows
    number, logged = await deaths(tmp_path, deadly, "away")

    assert number == 9
    assert f"event_id={deadly}" in logged
    assert "trigger=argo/s/t" in logged
    async with SqliteBus.open(tmp_path) as bus:
        kinds = {name: [verdict.kind for verdict in (await bus.ledger.event(name)).verdicts] for name in names}
        assert kinds == {name: [SET_ASIDE if name == deadly else FIRED] for name in names}


async def test_a_replay_that_ends_the_process_again_and_again_is_set_aside_and_the_next_one_is_decided(tmp_path: Path) -> None:
    async with running(tmp_path, at_once(Deadly(""))) as now:
        await now.send("a1", "a2")
    async with SqliteBus.open(tmp_path) as bus:
        for name in ("a1", "a2"):
            await bus.ledger.replay_event(name, [KEY], "a test")

    number, logged = await deaths(tmp_path, "a1", "at once")

    assert number == 9
    assert "event_id=a1" in logged
    async with SqliteBus.open(tmp_path) as bus:
        assert [verdict.kind for verdict in (await bus.ledger.event("a1")).verdicts] == [FIRED, SET_ASIDE]
        assert [verdict.kind for verdict in (await bus.ledger.event("a2")).verdicts] == [FIRED, FIRED]
        assert await bus.ledger.replays() == []


async def test_what_is_stopped_in_order_is_not_suspected_however_often_it_was_first(tmp_path: Path) -> None:
    await waiting(tmp_path, "a1")
    for _ in range(6):
        scripts = Held()
        async with running(tmp_path, *away(), scripts=scripts):
            async with asyncio.timeout(20):
                while "a1" not in scripts.asked:
                    await asyncio.sleep(0.005)
    free = Held()
    await free.free()
    async with running(tmp_path, *away(), scripts=free) as now:
        await now.decided("a1")
        assert await now.kinds("a1") == [FIRED]


async def test_scripts_that_cannot_be_run_make_no_row_suspect(tmp_path: Path) -> None:
    class Gone(Held):
        async def run(self, program: object, data: bytes) -> bytes | bool:
            self.asked.append("")
            raise ScriptsUnavailable("", "no workers")

    await waiting(tmp_path, "a1")
    for _ in range(6):
        scripts = Gone()
        async with running(tmp_path, *away(), scripts=scripts), asyncio.timeout(20):
            while not scripts.asked:
                await asyncio.sleep(0.005)
    free = Held()
    await free.free()
    async with running(tmp_path, *away(), scripts=free) as now:
        await now.decided("a1")
        assert await now.kinds("a1") == [FIRED]


async def test_while_one_is_tried_alone_nothing_else_is_decided(tmp_path: Path) -> None:
    await waiting(tmp_path, "a1", "b1")
    for _ in range(3):
        async with running(tmp_path, *away(), scripts=Held()):
            pass
    scripts = Held()
    async with running(tmp_path, *away(), scripts=scripts) as now:
        async with asyncio.timeout(20):
            while "a1" not in scripts.asked:
                await asyncio.sleep(0.005)
        await now.publish("c1")
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert scripts.asked == ["a1"]
        assert not (await now.bus.ledger.event("c1")).settled
        await scripts.free()
        for name in ("a1", "b1", "c1"):
            await now.decided(name)
