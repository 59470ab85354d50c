"""`filters.script` (reference 4.8): a Lua script that must return `true`; it runs in a worker process."""

from __future__ import annotations

from sensors.filters.finding import PASSED, Finding, Judged, Judgement
from sensors.scripts import Program, Runner
from tiphys.bus.event import Event
from tiphys.errors import FieldError, ScriptError, ScriptsUnavailable, shorten
from tiphys.languages import lua

__all__ = ["ScriptClause", "because"]


class ScriptClause:
    """The filter. `number` is its clause number in the dependency's program; `faults` have paths from `filters`."""

    def __init__(self, script: str, number: int) -> None:
        self.number = number
        self._program = Program("lua-filter", script)
        fault = lua.fault(script)
        self.faults = (FieldError("script", fault.problem, fault.remedy, shorten(script)),) if fault else ()

    async def judge(self, event: Event, scripts: Runner) -> Judged:
        """Does it return true? An error, also one of the time it takes, is recorded as such. An event without data passes.

        Raises `ScriptsUnavailable` where it could not be run at all, which says nothing about the event.
        """
        judgement, _ = await self._run(event, scripts)
        return PASSED if judgement is Judgement.PASSED else Judged(judgement, self.number)

    async def explain(self, event: Event, scripts: Runner) -> Finding:
        """The same judgement, with the reason of a failure."""
        try:
            judgement, why = await self._run(event, scripts)
        except ScriptsUnavailable as error:
            judgement, why = Judgement.ERRORED, f"it was not run: {because(error)}"
        return Finding(f"script: {shorten(self._program.text)}", judgement, why=why, clause=self.number)

    async def _run(self, event: Event, scripts: Runner) -> tuple[Judgement, str]:
        if event.data is None:
            return Judgement.PASSED, "an event without data passes"
        try:
            passed = await scripts.run(self._program, event.data)
        except ScriptsUnavailable:
            raise
        except ScriptError as error:
            return Judgement.ERRORED, because(error)
        return (Judgement.PASSED, "") if passed is True else (Judgement.FAILED, "it returned something else than true")


def because(error: ScriptError) -> str:
    """Why a script gave no answer, in a line of the tree."""
    remedy = f"; {error.remedy}" if error.remedy else ""
    return f"its worker was stopped: {error.problem}{remedy}" if error.killed else f"{error.problem}{remedy}"
