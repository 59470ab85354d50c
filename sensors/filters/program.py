"""A dependency's filters as one compiled program (reference 4.3).

`judge` is what the Matcher calls for each event; `explain` evaluates every clause and shows the tree. Both go by the same compiled
clauses. Under `and` the first clause that errs or fails decides. Under `or` any clause that errs drops the event, as in argo-events.
"""

from __future__ import annotations

from typing import NamedTuple

from sensors.filters.context import ContextClause
from sensors.filters.data import DataClause
from sensors.filters.finding import FilterError, Finding, Judgement
from sensors.manifest import Dependency
from tiphys.bus.event import NOT_JSON, Event

__all__ = ["FilterProgram", "Judged"]


class Judged(NamedTuple):
    """A judgement and the number of the clause that decided (-1: none did)."""

    judgement: Judgement
    clause: int = -1


_PASSED = Judged(Judgement.PASSED)


class FilterProgram:
    """The filters of one dependency."""

    def __init__(self, dependency: Dependency) -> None:
        """Raises as the clauses do; `faults` of each clause says it better."""
        filters = dependency.filters
        self._none = filters is None
        self._or = dependency.filters_logical_operator == "or"
        self._data_or = filters is not None and filters.data_logical_operator == "or"
        self._data = [DataClause(entry, number) for number, entry in enumerate(filters.data)] if filters else []
        context = filters.context if filters else None
        self._context = ContextClause(context, len(self._data)) if context else None

    def judge(self, event: Event) -> Judged:
        """Does the event pass, and which clause decided?"""
        if self._none:
            return _PASSED
        data = self._judge_data(event) if self._data else None
        if self._or:
            return self._judge_any(event, data)
        if data is not None and data.judgement is not Judgement.PASSED:
            return data
        if self._context and not self._context.accepts(event):
            return Judged(Judgement.FAILED, self._context.number)
        return _PASSED

    def _judge_any(self, event: Event, data: Judged | None) -> Judged:
        if data is not None and data.judgement is Judgement.ERRORED:
            return data
        if data is not None and data.judgement is Judgement.PASSED:
            return data
        if self._context and self._context.accepts(event):
            return Judged(Judgement.PASSED, self._context.number)
        return data or Judged(Judgement.FAILED, self._context.number if self._context else -1)

    def _judge_data(self, event: Event) -> Judged:
        if event.data is not None and event.payload is NOT_JSON:
            return Judged(Judgement.ERRORED, self._data[0].number)
        erred = -1
        for clause in self._data:
            try:
                passed = clause.accepts(event)
            except FilterError:
                if not self._data_or:
                    return Judged(Judgement.ERRORED, clause.number)
                erred = clause.number if erred < 0 else erred
                continue
            if passed is self._data_or:
                return Judged(Judgement.PASSED if passed else Judgement.FAILED, clause.number)
        if not self._data_or:
            return _PASSED
        return Judged(Judgement.ERRORED, erred) if erred >= 0 else Judged(Judgement.FAILED, self._data[-1].number)

    def explain(self, event: Event) -> Finding:
        """Every clause with what it asked and found, below the judgement of `judge`."""
        judged = self.judge(event)
        if self._none:
            return Finding("no filters", judged.judgement, why="every event of this name passes")
        children = []
        if self._data:
            children.append(self._explain_data(event))
        if self._context:
            children.append(self._context.explain(event))
        why = ""
        if not children:
            why = (
                "or over no filters is never true; remove filtersLogicalOperator" if self._or else "every event of this name passes"
            )
        elif self._or and judged.judgement is Judgement.ERRORED:
            why = "a filter that cannot be evaluated drops the event under or as well"
        asked = "any of" if self._or else "all of"
        return Finding(asked, judged.judgement, why=why, clause=judged.clause, children=tuple(children))

    def _explain_data(self, event: Event) -> Finding:
        judged = self._judge_data(event)
        asked = "data: any of" if self._data_or else "data: all of"
        if event.data is not None and event.payload is NOT_JSON:
            return Finding(asked, judged.judgement, why="the event's data is not JSON", clause=judged.clause)
        return Finding(
            asked, judged.judgement, clause=judged.clause, children=tuple(clause.explain(event) for clause in self._data)
        )
