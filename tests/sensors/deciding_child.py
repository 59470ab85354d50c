"""A process that decides, and dies of one event: `python -m tests.sensors.deciding_child FOLDER EVENT HOW`.

It decides everything in the folder and ends with 0. When it comes to EVENT (its trigger is asked whether it would refuse it) it kills
itself, as a fault in what we are built on would do; scripts run in processes of their own, and are not suspected. HOW is `away` for
triggers that decide later, or `at once`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from sensors import SensorProgram
from sensors.program import Check
from sensors.scripts import Program, Runner
from tests.sensors.matching import KEY, SCRIPT, running, sensor
from tiphys.bus.event import Event
from tiphys.bus.firing import Firing
from tiphys.errors import TiphysError


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly(Runner, Check):
    """Scripts that pass every event, and triggers that refuse none, but for one of which the process dies."""

    def __init__(self, deadly: str) -> None:
        self._deadly = deadly

    async def run(self, program: Program, data: bytes) -> bytes | bool:
        return True

    def refusal(self, events: Mapping[str, Event]) -> TiphysError | None:
        if any(one.id == self._deadly for one in events.values()):
            die()
        return None

    def instead(self, firing: Firing) -> tuple[Firing, ...]:
        return ()


def away() -> tuple[SensorProgram, SensorProgram]:
    """Two triggers that decide later: one of `A`, one of `B`."""
    return sensor("A", names="A", filters={"A": SCRIPT}), sensor("B", "other", names="B", filters={"B": SCRIPT})


def at_once(check: Check) -> SensorProgram:
    """One that decides about `A` at once, and asks."""
    return sensor("A", names="A").checked({KEY: check})


async def run(folder: Path, deadly: str, how: str) -> None:
    made = Deadly(deadly)
    programs = [one.checked({one.triggers[0].key: made}) for one in away()] if how == "away" else [at_once(made)]
    async with running(folder, *programs, scripts=made) as now, asyncio.timeout(30):
        while any(not one.decided for one in await now.bus.ledger.events(limit=100)) or await now.bus.ledger.replays():
            await asyncio.sleep(0.005)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
