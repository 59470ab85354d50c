"""A list of clauses over an event's data under one logical operator: what `exprs` and `data` have in common (reference 4.4, 4.5).

Under `and` the first entry that errs or fails decides. Under `or` the first one that passes decides, whatever erred before it; where none
passes, an entry that erred makes all of it an error. An event without data passes, data that is no JSON is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from sensors.filters.finding import PASSED, FilterError, Finding, Judged, Judgement
from tiphys.bus.event import NOT_JSON, Event
from tiphys.errors import FieldError
from tiphys.languages import gjson

__all__ = ["Clause", "Entries"]

_FAILED, _ERRORED, _PASSED = Judgement.FAILED, Judgement.ERRORED, Judgement.PASSED
_NO_JSON: Final = "the event's data is not JSON"


class Clause(Protocol):
    """One compiled entry. `number` is its clause number in the dependency's program, `faults` what is wrong with its text, with paths
    from the entry; it is `sound` if there is an event that it can be evaluated on all the same."""

    number: int
    faults: tuple[FieldError, ...]
    sound: bool

    def accepts(self, document: gjson.Document) -> bool:
        """Does it hold for this data? Raises `FilterError` where it cannot be evaluated."""

    def explain(self, document: gjson.Document) -> Finding:
        """The same judgement, with what was asked and found."""


class Entries:
    """The compiled entries of one kind, at least one."""

    def __init__(self, kind: str, clauses: Sequence[Clause], *, any_of: bool) -> None:
        self.kind = kind
        self._clauses, self._any = tuple(clauses), any_of
        self._judged = {one.number: tuple(Judged(judgement, one.number) for judgement in Judgement) for one in clauses}

    def faults(self, *, others: bool) -> tuple[list[FieldError], list[FieldError]]:
        """What is wrong with the entries, with paths from `filters`: what keeps every event from passing, and the rest.

        `others`: another kind can let an event pass, as long as these do not err; they fail before they err where an earlier entry fails.
        """
        stand_in = self._any and any(one.sound for one in self._clauses)
        fatal: list[FieldError] = []
        rest: list[FieldError] = []
        for index, clause in enumerate(self._clauses):
            found = [replace(one, path=f"{self.kind}[{index}].{one.path}") for one in clause.faults]
            harmless = clause.sound or stand_in or (others and not self._any and index > 0)
            (rest if harmless else fatal).extend(found)
        return fatal, rest

    def judge(self, event: Event) -> Judged:
        """Do they let the event pass, and which entry decided?"""
        if event.data is None:
            return PASSED
        document = event.document
        if document.payload is NOT_JSON:
            return self._judged[self._clauses[0].number][2]
        if self._any:
            return self._judge_any(document)
        for clause in self._clauses:
            try:
                if clause.accepts(document):
                    continue
            except FilterError:
                return self._judged[clause.number][2]
            return self._judged[clause.number][1]
        return PASSED

    def _judge_any(self, document: gjson.Document) -> Judged:
        erred: Judged | None = None
        for clause in self._clauses:
            try:
                if clause.accepts(document):
                    return self._judged[clause.number][0]
            except FilterError:
                erred = erred or self._judged[clause.number][2]
        return erred or self._judged[self._clauses[-1].number][1]

    def explain(self, event: Event) -> Finding:
        """Every entry with what it asked and found, below the judgement of `judge`."""
        judgement, clause, _ = self.judge(event)
        asked = f"{self.kind}: {'any' if self._any else 'all'} of"
        if event.data is None:
            return Finding(asked, judgement, "no data", "an event without data passes", clause)
        document = event.document
        if document.payload is NOT_JSON:
            return Finding(asked, judgement, why=_NO_JSON, clause=clause)
        children = tuple(one.explain(document) for one in self._clauses)
        why = ""
        if judgement is _ERRORED and self._any and len(children) > 1:
            why = "no entry passes, and one that cannot be evaluated makes it an error"
        return Finding(asked, judgement, why=why, clause=clause, children=children)
