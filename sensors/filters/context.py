"""`filters.context` (reference 4.6): CloudEvents attributes that must be equal to the letter."""

from __future__ import annotations

from typing import Final

from sensors.filters.finding import PASSED, Finding, Judged, Judgement
from sensors.manifest import ContextFilter
from tiphys.bus.event import Event
from tiphys.errors import shorten

__all__ = ["ContextClause"]

_ATTRIBUTES: Final = ("type", "subject", "source", "datacontenttype")


class ContextClause:
    """The compiled filter; never errs. `number` is its clause number in the dependency's program."""

    def __init__(self, context: ContextFilter, number: int) -> None:
        self.number = number
        self._wanted = tuple((name, getattr(context, name)) for name in _ATTRIBUTES if getattr(context, name))
        self._failed = Judged(Judgement.FAILED, number)

    def judge(self, event: Event) -> Judged:
        """Are all the given attributes equal?"""
        for name, wanted in self._wanted:
            if getattr(event, name) != wanted:
                return self._failed
        return PASSED

    def explain(self, event: Event) -> Finding:
        """One child for each attribute that was given."""
        children = []
        for name, wanted in self._wanted:
            found = getattr(event, name)
            judgement = Judgement.PASSED if found == wanted else Judgement.FAILED
            children.append(Finding(f"{name} = {shorten(wanted)}", judgement, shorten(found), clause=self.number))
        return Finding("context", self.judge(event).judgement, clause=self.number, children=tuple(children))
