"""Cases run one after the other, each on a stage of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sensors.scripts import Runner
from tiphys.app.dryrun.arrivals import Arrival
from tiphys.app.dryrun.cases import Case, load_case
from tiphys.app.dryrun.comparing import difference, updated
from tiphys.app.dryrun.outcomes import Arrived, StillHeld
from tiphys.app.dryrun.paths import Manifests
from tiphys.app.dryrun.stage import open_dry_run
from tiphys.errors import SettingsError, TiphysError

__all__ = ["CaseResult", "Performance", "perform", "run_suite"]


@dataclass(frozen=True, slots=True)
class Performance:
    """What a dry run showed. `problems` are what is wrong with the manifests: what is refused does not run, as in the service."""

    arrived: Sequence[Arrived]
    held: Sequence[StillHeld]
    problems: Sequence[str]

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "problems": list(self.problems),
            "arrivals": [one.shown() for one in self.arrived],
            "held": [one.shown() for one in self.held],
        }


async def perform(
    manifests: Manifests,
    arrivals: Sequence[Arrival],
    scripts: Runner,
    *,
    at: float,
    namespace: str,
    secrets: Mapping[tuple[str, str], bytes],
    sources: Mapping[str, str],
) -> Performance:
    """Put manifests on a stage and let things arrive. Raises `SettingsError` for an arrival that cannot be placed."""
    async with open_dry_run(manifests.documents, scripts, at=at, namespace=namespace, secrets=secrets, sources=sources) as stage:
        problems = [*manifests.problems, *stage.problems]
        try:
            arrived = [await stage.arrive(one) for one in arrivals]
        except SettingsError:
            if not problems:
                raise
            arrived = []  # one cannot be placed since a manifest is refused, which is what must be corrected
        held = stage.held()
        return Performance(await stage.finish(arrived), held, problems)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a case ended: `diff` from what is expected to what happened, `error` where it could not be run; neither: it holds. `updated`: its
    expectation was written anew. `seconds` is how long it took."""

    name: str
    file: Path
    seconds: float
    diff: str = ""
    error: str = ""
    updated: bool = False
    performance: Performance | None = None

    @property
    def holds(self) -> bool:
        """Whether it went as expected."""
        return not (self.diff or self.error)

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        shown: dict[str, Any] = {"name": self.name, "file": str(self.file), "holds": self.holds, "seconds": round(self.seconds, 3)}
        return shown | {"diff": self.diff, "error": self.error, "updated": self.updated}


async def run_suite(files: Sequence[Path], scripts: Runner, *, update: bool = False) -> AsyncIterator[CaseResult]:
    """Run cases. With `update` what happens becomes what is expected."""
    for file in files:
        started = time.perf_counter()
        result = await _run(file, scripts, update=update)
        yield replace(result, seconds=time.perf_counter() - started)


async def _run(file: Path, scripts: Runner, *, update: bool) -> CaseResult:
    result = CaseResult(str(file), file, 0.0)
    try:
        case = await asyncio.to_thread(load_case, file)
        result = replace(result, name=case.name)
        shown = await perform(
            await asyncio.to_thread(case.manifests),
            case.arrivals,
            scripts,
            at=case.at,
            namespace=case.spec.namespace,
            secrets=case.secrets(),
            sources=await asyncio.to_thread(case.sources),
        )
        result = replace(result, performance=shown)
        if shown.problems:
            return replace(result, error="\n".join(shown.problems))
        return await asyncio.to_thread(_compared, result, case, shown, update=update)
    except TiphysError as error:
        return replace(result, error=str(error))


def _compared(result: CaseResult, case: Case, shown: Performance, *, update: bool) -> CaseResult:
    """What holds is not written anew, so that it stays as somebody wrote it."""
    if case.expected is None and not update:
        return replace(result, error="nothing is expected yet; --update writes what happens")
    diff = "" if case.expected is None else difference(case.expected, shown.arrived, str(case.expected_in))
    if update and (diff or case.expected is None):
        case.write_expected(updated(case.expected, shown.arrived))
        return replace(result, updated=True)
    return replace(result, diff=diff)
