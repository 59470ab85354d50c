"""What must hold whenever the process is killed: subclass `CrashConformance` in a driver's tests and give it a `place`.

A child does every step of the way of an event and is killed with SIGKILL at a named place; then it is started again and ends. What it
had promised before, the data must still say; and everything was done once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections import defaultdict
from pathlib import Path

import pytest

from tests.bus.samples import Place, event
from tiphys.bus import FiringState
from tiphys.bus.crashpoints import POINTS, VARIABLE

_ROOT = Path(__file__).parents[2]
_EVENTS = 4


class CrashConformance(ABC):
    """The suite of a log and a ledger under SIGKILL."""

    @pytest.fixture
    @abstractmethod
    def place(self, tmp_path: Path) -> Place:
        """A place of the driver's, empty."""

    @pytest.mark.kill
    @pytest.mark.parametrize("point", POINTS)
    async def test_nothing_is_lost_or_done_twice_by_a_kill(self, place: Place, tmp_path: Path, point: str) -> None:
        objects = tmp_path / "objects"
        objects.mkdir()
        arrival = 1 if point.startswith(("keep", "suspend")) else 2

        code, promised = await self._child(objects, place, f"{point}:{arrival}")
        assert code == -signal.SIGKILL
        await self._check_promises(place, promised)
        code, _ = await self._child(objects, place, "")
        assert code == 0

        async with place.open() as opened:
            events = await opened.ledger.events(limit=100)
            firings = await opened.ledger.firings(limit=100)
        assert {record.event.id for record in events} == {event(number).id for number in range(_EVENTS)}
        assert all(record.decided for record in events)
        assert all(len(record.verdicts) <= 1 for record in events)
        assert [record.state for record in firings] == [FiringState.SUCCEEDED] * _EVENTS
        made = {file.name: file.read_text().count("made") for file in objects.iterdir()}
        assert made == {record.firing.id: 1 for record in firings}

    async def _child(self, objects: Path, place: Place, point: str) -> tuple[int | None, dict[str, list[list[str]]]]:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bus.crash_child", str(objects), str(_EVENTS), *place.spec),
            cwd=_ROOT,
            env={**os.environ, VARIABLE: point},
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(45):
            output, _ = await child.communicate()
        promised: dict[str, list[list[str]]] = defaultdict(list)
        for line in output.decode().splitlines():
            word, *rest = line.split()
            promised[word].append(rest)
        return child.returncode, promised

    async def _check_promises(self, place: Place, promised: dict[str, list[list[str]]]) -> None:
        async with place.open() as opened:
            ledger = opened.ledger
            for event_id, position in promised["published"]:
                assert (await ledger.event(event_id)).position == int(position)
            for (event_id,) in promised["settled"]:
                record = await ledger.event(event_id)
                assert record.settled
                assert record.verdicts or record.deferred
            for (event_id,) in promised["decided"]:
                record = await ledger.event(event_id)
                assert record.decided
                assert record.verdicts
            for (firing_id,) in promised["begun"]:
                assert (await ledger.firing(firing_id)).target is not None
            for (firing_id,) in promised["resolved"]:
                assert (await ledger.firing(firing_id)).state is FiringState.SUCCEEDED
            for (since,) in promised["suspended"]:
                assert [(one.trigger, one.since) for one in await ledger.suspensions()] == [("build", float(since))]
            for (revision,) in promised["kept"]:
                assert (await ledger.revision(int(revision))).body == b'{"version":2}'
            if promised["advanced"]:
                value = (await ledger.cursor("argo/hooks/push")).value
                assert value is not None
                assert int(value) >= int(promised["advanced"][-1][0])
