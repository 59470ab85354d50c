"""A dependency's transform and filters as one compiled program (reference 4.2, 4.3).

The transform comes first, then exprs → data → context → time → git → script, each over the transformed event.

* Under `and` the first kind that errs decides. A kind that only fails does not stop the others, since one of them may err, which is what
  argo-events records; the script is no longer asked, since it could change nothing but that.
* Under `or` the kinds that are configured count, and one that errs drops the event whatever the others say. So the script is asked even
  if another kind has passed, but not once one has erred.

A program with a transform or a script is *away*: it needs a worker process. `judge` is what the Matcher calls for each event that a
program decides alone; `explain` evaluates everything and shows the tree. Both go by the same compiled clauses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Final, Protocol

from sensors.filters.context import ContextClause
from sensors.filters.data import DataClause
from sensors.filters.entries import Entries
from sensors.filters.exprs import ExprClause
from sensors.filters.finding import PASSED, Finding, Judged, Judgement
from sensors.filters.git import GitClause
from sensors.filters.script import ScriptClause, because
from sensors.filters.time import TimeClause
from sensors.manifest import Dependency, Filters
from sensors.scripts import Runner
from sensors.transforms import TransformProgram
from tiphys.bus.event import Event
from tiphys.errors import FaultKind, FieldError, ScriptError, ScriptsUnavailable, shorten

__all__ = ["FilterProgram"]

_FAILED: Final = Judged(Judgement.FAILED)


class Kind(Protocol):
    """One kind of filter that needs no worker."""

    def judge(self, event: Event) -> Judged:
        """Does it let the event pass, and which clause decided?"""

    def explain(self, event: Event) -> Finding:
        """The same judgement, with what was asked and found."""


class FilterProgram:
    """What one dependency lets pass, and what becomes of its data.

    `away` says whether it needs a worker: then `judge_away` is to be asked, else `judge(event) -> Judged`; which lets nothing pass where a
    worker is needed. A program with faults can be run all the same: what cannot be read is an error of its clause.
    """

    def __init__(self, dependency: Dependency) -> None:
        numbers = count()
        filters, transform = dependency.filters, dependency.transform
        asked = transform is not None and (transform.jq or transform.script)
        self._transform = TransformProgram(transform, next(numbers)) if transform is not None and asked else None
        self._none = filters is None
        self._or = dependency.filters_logical_operator == "or"
        self._exprs = [ExprClause(entry, next(numbers)) for entry in filters.exprs] if filters else []
        self._lists = list(_lists(filters, self._exprs, numbers)) if filters else []
        context = ContextClause(filters.context, next(numbers)) if filters and filters.context else None
        self._time = TimeClause(filters.time, next(numbers)) if filters and filters.time else None
        self._git = GitClause(filters.git, next(numbers)) if filters and filters.git else None
        self._script = ScriptClause(filters.script, next(numbers)) if filters and filters.script else None
        self._kinds: tuple[Kind, ...] = (*self._lists, *(one for one in (context, self._time, self._git) if one is not None))
        self.away = self._transform is not None or self._script is not None
        if self._none or (not self._kinds and not self._or):
            self._judge_here: Callable[[Event], Judged] = _pass
        elif self._or:
            self._judge_here = self._judge_any
        else:
            self._judge_here = self._kinds[0].judge if len(self._kinds) == 1 else self._judge_all
        self.judge: Callable[[Event], Judged] = _refuse if self.away else self._judge_here

    def faults(self) -> list[FieldError]:
        """What keeps it from ever letting an event pass."""
        found = [replace(one, path=f"transform.{one.path}") for one in (self._transform.faults if self._transform else ())]
        found += [replace(one, path=f"filters.{one.path}") for one in self._list_faults()[0]]
        found += [replace(one, path=f"filters.time.{one.path}") for one in (self._time.faults if self._time else ())]
        found += [replace(one, path=f"filters.git.{one.path}") for one in (self._git.faults if self._git else ())]
        found += [replace(one, path=f"filters.{one.path}") for one in (self._script.faults if self._script else ())]
        return found

    def notices(self) -> list[FieldError]:
        """What is accepted, as argo-events accepts it, and seldom meant."""
        found = [replace(one, path=f"transform.{one.path}") for one in (self._transform.notices if self._transform else ())]
        found += [replace(one, path=f"filters.{one.path}") for one in self._list_faults()[1]]
        for index, clause in enumerate(self._exprs):
            for name in clause.unnamed():
                text = f"uses {name}, which no field gives: an error for each event that comes to ask for it"
                found.append(
                    FieldError(
                        f"filters.exprs[{index}].expr",
                        text,
                        "add a field of this name",
                        shorten(clause.entry.expr),
                        kind=FaultKind.UNNAMED_VALUE,
                    )
                )
        if self._or and not self._none and not self._kinds and not self._script:
            found.append(
                FieldError("filtersLogicalOperator", "or over no filters is never true", "remove it", kind=FaultKind.NEVER_TRUE)
            )
        return found

    def _list_faults(self) -> tuple[list[FieldError], list[FieldError]]:
        others = self._or and len(self._kinds) + (self._script is not None) > 1
        found = [kind.faults(others=others) for kind in self._lists]
        return [one for fatal, _ in found for one in fatal], [one for _, rest in found for one in rest]

    # -- judging

    async def judge_away(self, event: Event, scripts: Runner) -> Judged:
        """As `judge`, with the transform and the script run by `scripts`; `transformed` is the new data, also where the filters drop it.

        Raises `ScriptsUnavailable` where one of them could not be run at all: nothing is decided, and another time may do.
        """
        made = event
        if self._transform is not None:
            try:
                made = await self._transform.apply(event, scripts)
            except ScriptsUnavailable:
                raise
            except ScriptError:
                return Judged(Judgement.ERRORED, self._transform.number)
        judged = self._judge_here(made)
        if self._script is not None and self._open(judged):
            judged = self._with_script(judged, await self._script.judge(made, scripts))
        return judged if made is event else Judged(judged.judgement, judged.clause, made.data)

    def _judge_all(self, event: Event) -> Judged:
        failed: Judged | None = None
        for kind in self._kinds:
            judged = kind.judge(event)
            if judged.judgement is Judgement.ERRORED:
                return judged
            if judged.judgement is Judgement.FAILED and failed is None:
                failed = judged
        return failed or PASSED

    def _judge_any(self, event: Event) -> Judged:
        found: Judged = _FAILED
        for kind in self._kinds:
            judged = kind.judge(event)
            if judged.judgement is Judgement.ERRORED:
                return judged
            if found is _FAILED or (judged.judgement is Judgement.PASSED and found.judgement is not Judgement.PASSED):
                found = judged
        return found

    def _open(self, judged: Judged) -> bool:
        """Whether the script can still change whether the event passes."""
        return judged.judgement is not Judgement.ERRORED if self._or else judged.judgement is Judgement.PASSED

    def _with_script(self, judged: Judged, script: Judged) -> Judged:
        if script.judgement is Judgement.ERRORED:
            return script
        if not self._or:
            return judged if script.judgement is Judgement.PASSED else script
        return script if script.judgement is Judgement.PASSED or judged is _FAILED else judged

    # -- explaining

    def explain(self, event: Event) -> Finding:
        """Every clause with what it asked and found, below the judgement of `judge`. For programs that are not away."""
        return self._tree(self._judge_here(event), [kind.explain(event) for kind in self._kinds])

    async def explain_away(self, event: Event, scripts: Runner) -> Finding:
        """As `explain`, for any program: first what the transform made, and the script's answer or why it gave none."""
        children = []
        made = event
        if self._transform is not None:
            asked, number = self._transform.asked, self._transform.number
            try:
                made = await self._transform.apply(event, scripts)
            except ScriptError as error:
                failed = Finding(asked, Judgement.ERRORED, why=because(error), clause=number)
                why = "a transform that fails drops the event"
                return Finding("transform, then filters", Judgement.ERRORED, why=why, clause=number, children=(failed,))
            found = "no data" if made.data is None else shorten(made.data.decode(errors="replace"))
            children.append(Finding(asked, Judgement.PASSED, found, clause=number))
        judged = self._judge_here(made)
        children += [kind.explain(made) for kind in self._kinds]
        if self._script is not None:
            script = await self._script.explain(made, scripts)
            if self._open(judged):
                answer = PASSED if script.judgement is Judgement.PASSED else Judged(script.judgement, script.clause)
                judged = self._with_script(judged, answer)
            children.append(script)
        return self._tree(judged, children)

    def _tree(self, judged: Judged, children: list[Finding]) -> Finding:
        judgement, clause, _ = judged
        if self._none:
            return Finding("no filters", judgement, why="every event of this name passes", children=tuple(children))
        why = ""
        if not self._kinds and self._script is None:
            never = "or over no filters is never true; remove filtersLogicalOperator"
            why = never if self._or else "every event of this name passes"
        elif self._or and judgement is Judgement.ERRORED:
            why = "a filter that cannot be evaluated drops the event under or as well"
        return Finding("any of" if self._or else "all of", judgement, why=why, clause=clause, children=tuple(children))


def _pass(_: Event) -> Judged:
    return PASSED


def _refuse(_: Event) -> Judged:
    return Judged(Judgement.ERRORED)


def _lists(filters: Filters, exprs: list[ExprClause], numbers: Iterator[int]) -> Iterator[Entries]:
    if exprs:
        yield Entries("exprs", exprs, any_of=filters.expr_logical_operator == "or")
    if filters.data:
        data = [DataClause(entry, next(numbers)) for entry in filters.data]
        yield Entries("data", data, any_of=filters.data_logical_operator == "or")
