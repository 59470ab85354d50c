"""Make cases and decide them, a batch at a time, each batch with its own seed; alone again, where a batch went wrong."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from sensors.scripts import Scripts, ScriptSettings
from tests.soak.generated.deciding import Flaw, Report, decide
from tests.soak.generated.events import events
from tests.soak.generated.loading import Case, accepted
from tests.soak.generated.sensors import sensors
from tiphys.bus.event import Event

__all__ = ["run"]

BATCH: Final = 50
MOST_MEMORY: Final = 1536 << 20
_SCRIPTS: Final = ScriptSettings(time=0.15)

Made = tuple[dict[str, Any], list[Event]]


def make(count: int, number: int, *, large: bool) -> list[Made]:
    """So many sensors with their events."""
    found: list[Made] = []

    @seed(number)
    @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(sensors(), st.lists(events(large=large), min_size=2, max_size=3))
    def collect(sensor: dict[str, Any], told: list[Event]) -> None:
        found.append((sensor, told))

    collect()
    return found


async def run(count: int, first_seed: int, *, large: bool = True, tell: bool = False) -> Report:
    """Decide `count` cases. A case is named by its seed and its number, and made again from these. Prints each flaw with its manifest."""
    report = Report()
    async with Scripts(_SCRIPTS) as scripts:
        for number, batch in enumerate(_batches(count)):
            made = make(batch, first_seed + number, large=large)
            cases = [case for place, one in enumerate(made) if (case := accepted(*one, place))]
            report.counts["made"] += len(made)
            report.counts["given up"] += len(made) - len(cases)
            report.counts["mended"] += sum(1 for case in cases if case.refused)
            with tempfile.TemporaryDirectory(prefix="tiphys-made-") as folder:
                found = await decide(Path(folder), cases, scripts, first_seed + number)
            report.add(found)
            _show(found.flaws, cases, made, first_seed + number)
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
            if used > MOST_MEMORY:
                report.flaws.append(Flaw(-1, f"{used >> 20} MiB of memory were used"))
                break
            if tell:
                print(f"{report.counts['made']:,} made, {len(report.flaws)} flaws, {used >> 20} MiB", file=sys.stderr, flush=True)
    return report


def _batches(count: int) -> Iterator[int]:
    while count > 0:
        yield min(count, BATCH)
        count -= BATCH


def _show(flaws: Sequence[Flaw], cases: Sequence[Case], made: Sequence[Made], number: int) -> None:
    told = set()
    for flaw in flaws:
        print(f"seed {number}, case {flaw.case}: {flaw.text}"[:2000])
        if flaw.case >= 0 and flaw.case not in told:
            told.add(flaw.case)
            case = next(one for one in cases if one.number == flaw.case)
            print("  sensor:", case.accepted.body.decode()[:4000])
            for event in case.events:
                print(
                    "  event:",
                    event.id,
                    event.subject,
                    event.datacontenttype,
                    repr(event.data)[:300],
                    json.dumps(dict(event.extensions)),
                )
