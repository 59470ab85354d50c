"""`filters.data` (reference 4.5): a path, a type, a comparator, and values of which any may hold.

argo-events' rules to the letter, those that surprise as well: a string value is an unanchored regular expression, a text that is no
number counts as 0, the comparator of a bool is ignored, `!=` with two values is nearly always true. `lint` warns of the last.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Final

from sensors.filters.finding import FilterError, Finding, Judgement
from sensors.manifest import DataFilter
from tiphys.bus.event import Event
from tiphys.errors import FieldError, LanguageError, PathError, TemplateError, shorten
from tiphys.languages import gjson, gonumber, gotemplate, regex

__all__ = ["DataClause"]

Test = Callable[[gjson.Result], bool]
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class DataClause:
    """One compiled entry. `number` is its clause number in the dependency's program."""

    def __init__(self, entry: DataFilter, number: int) -> None:
        """Raises `LanguageError` (path, template, regular expression) or `ValueError` (a value of the wrong type)."""
        self.entry, self.number = entry, number
        self._path = gjson.compile(entry.path)
        self._template = gotemplate.compile(entry.template) if entry.template else None
        self._tests = [_test(entry, value) for value in entry.value]

    @classmethod
    def faults(cls, entry: DataFilter, path: str) -> list[FieldError]:
        """What is wrong with an entry that has the right types; `path` is that of the entry."""
        found = []
        for field, attempt in (
            ("path", lambda: gjson.compile(entry.path)),
            ("template", lambda: gotemplate.compile(entry.template) if entry.template else None),
        ):
            try:
                attempt()
            except LanguageError as error:
                found.append(FieldError(f"{path}.{field}", error.problem, error.remedy, shorten(error.text)))
        if flaw := gjson.compile(entry.path).flaw if not found else "":
            found.append(FieldError(f"{path}.path", flaw, "gjson would find something else than is meant", shorten(entry.path)))
        for index, value in enumerate(entry.value):
            try:
                _test(entry, value)
            except LanguageError as error:
                found.append(FieldError(f"{path}.value[{index}]", error.problem, error.remedy, shorten(value)))
            except ValueError as error:
                remedy = "write true or false" if entry.type == "bool" else "write a number in quotes"
                found.append(FieldError(f"{path}.value[{index}]", str(error), remedy, shorten(value)))
        return found

    def accepts(self, event: Event) -> bool:
        """Raises `FilterError` if the path leads nowhere or the template yields nothing."""
        if event.data is None:
            return True
        result = self._find(event)
        return any(test(result) for test in self._tests)

    def _find(self, event: Event) -> gjson.Result:
        try:
            result = self._path.get_from(event.payload, event.data or b"")
        except PathError as error:
            raise FilterError(f"the path cannot be followed: {error.problem}") from error
        if not result.exists:
            raise FilterError("there is nothing at this path")
        if self._template is None:
            return result
        try:
            text = self._template.render(result.string)
        except TemplateError as error:
            raise FilterError(f"the template failed: {error.problem}") from error
        if text in ("", "<no value>"):
            raise FilterError("the template yields nothing")
        return gjson.Result.of_string(text)

    def explain(self, event: Event) -> Finding:
        """The same judgement, with what was found."""
        asked = (
            f"{self.entry.path} ({self.entry.type}) {self.entry.comparator or '='} {' or '.join(map(shorten, self.entry.value))}"
        )
        if event.data is None:
            return Finding(asked, Judgement.PASSED, "no data", "an event without data passes", self.number)
        try:
            result = self._find(event)
        except FilterError as error:
            return Finding(asked, Judgement.ERRORED, "nothing", str(error), self.number)
        passed = any(test(result) for test in self._tests)
        why = "" if passed else self._hint(result)
        return Finding(asked, Judgement.PASSED if passed else Judgement.FAILED, shorten(result.string), why, self.number)

    def _hint(self, result: gjson.Result) -> str:
        if self.entry.type == "string" and self.entry.comparator not in ("", "=", "!="):
            return f"{self.entry.comparator} never holds for strings; use type: number"
        if self.entry.type == "string" and result.type == gjson.Type.JSON and result.raw[:1] == b"[":
            return "it is a list; headers are lists, so add .0 to the path"
        if self.entry.type == "bool" and self.entry.comparator not in ("", "="):
            return "the comparator is ignored for booleans"
        return "no value holds"


def _test(entry: DataFilter, value: str) -> Test:
    if entry.type == "bool":
        wanted = gonumber.parse_bool(value)
        return lambda result: result.bool is wanted
    if entry.type == "number":
        number, compare = gonumber.parse_float(value), _COMPARISONS[entry.comparator]
        return lambda result: compare(result.float, number)
    pattern = regex.compile(value)
    if entry.comparator in ("", "="):
        return lambda result: pattern.search(result.string)
    if entry.comparator == "!=":
        return lambda result: not pattern.search(result.string)
    return lambda result: False
