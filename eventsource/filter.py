"""`filter` of an entry (reference 3.1.3): which of its events are published.

The expression is compiled when the manifest is read. At run time it stands between a source and the log: an event that does not pass, or
whose evaluation fails, is not published, and the source is told that all is well, as in argo-events. But nothing is dropped unseen: the
entry's health counts both, and says which was last and why.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import structlog

from eventsource.source import Address, Emit, Notice
from tiphys.bus.event import Event
from tiphys.errors import ExpressionError, FieldError, shorten
from tiphys.languages import expr
from tiphys.schema.model import Model

__all__ = ["EventFilter", "Filtered", "Observer", "Sieve", "Unobserved", "faults", "notices"]

_log = structlog.get_logger(__name__)

DISCARDED = "the expression is false"


class EventFilter(Model):
    """`expression` in the language expr, over the names of the event's data (`tiphys.languages.expr`). Only events for which it is true
    are published."""

    expression: str = ""


def faults(spec: Model) -> list[FieldError]:
    """What is wrong with the filter of an entry, with paths relative to the entry; nothing if it has none."""
    asked = getattr(spec, "filter", None)
    if not isinstance(asked, EventFilter):
        return []
    if not asked.expression.strip():
        return [FieldError("filter.expression", "is empty, so that nothing passes", 'write one, such as body.action == "opened"')]
    try:
        expr.compile(asked.expression)
    except ExpressionError as error:
        place = "" if error.offset is None else f" at character {error.offset + 1}"
        remedy = error.remedy or "see https://expr-lang.org/docs/v1.15/language-definition"
        return [FieldError("filter.expression", f"{error.problem}{place}", remedy, shorten(asked.expression))]
    return []


def notices(spec: Model) -> list[Notice]:
    """What the owner of a filter without faults should know, with paths relative to the entry."""
    asked = getattr(spec, "filter", None)
    if not isinstance(asked, EventFilter):
        return []
    return [Notice("filter.expression", hint) for hint in expr.compile(asked.expression).hints]


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a filter has kept back since the entry was applied: `discarded` events for which it was false, `failed` ones for which it could
    not be evaluated. `verdict` says what became of the last of them, at `at` (Unix seconds; both empty if there was none). `failing`
    is set while the last evaluation failed."""

    discarded: int = 0
    failed: int = 0
    verdict: str = ""
    at: float = 0.0
    failing: bool = False


class Observer(Protocol):
    """Told of every event that a filter keeps back. Must not block or raise."""

    def filtered(self, address: Address, *, failed: bool) -> None:
        """`failed`: the expression could not be evaluated."""


class Unobserved:
    """Counts nothing."""

    def filtered(self, address: Address, *, failed: bool) -> None:
        """Nothing."""


class Sieve:
    """The filter of one entry, between its source and the log."""

    __slots__ = ("_address", "_emit", "_observer", "_program", "state")

    def __init__(self, asked: EventFilter, address: Address, emit: Emit, observer: Observer) -> None:
        self._program = expr.compile(asked.expression)
        self._address, self._emit, self._observer = address, emit, observer
        self.state = Filtered()

    async def emit(self, event: Event) -> None:
        """Publish an event that passes. Raises what the log raises."""
        if self.passes(event):
            await self._emit(event)

    def passes(self, event: Event) -> bool:
        """Whether an event passes; one that does not is counted. A failure is logged once, and the first evaluation after it."""
        state = self.state
        try:
            passed = self._program.passes(event.payload)
        except ExpressionError as error:
            problem = error.problem + (f"; {error.remedy}" if error.remedy else "")
            if not state.failing:
                where = str(self._address)
                _log.warning("a filter fails; its events are dropped", action="filter-failed", address=where, problem=problem)
            self.state = Filtered(state.discarded, state.failed + 1, f"the expression failed: {problem}", time.time(), failing=True)
            self._observer.filtered(self._address, failed=True)
            return False
        if state.failing:
            _log.info("a filter can be evaluated again", action="filter-well", address=str(self._address), failed=state.failed)
        if not passed:
            self.state = Filtered(state.discarded + 1, state.failed, DISCARDED, time.time())
            self._observer.filtered(self._address, failed=False)
        elif state.failing:
            self.state = Filtered(state.discarded, state.failed, state.verdict, state.at)
        return passed
