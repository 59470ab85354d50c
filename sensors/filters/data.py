"""`filters.data` (reference 4.5): a path, a type, a comparator, and values of which any may hold.

argo-events' rules to the letter, those that surprise as well: a string value is an unanchored regular expression, a text that is no
number counts as 0, the comparator of a bool is ignored, `!=` with two values is nearly always true. `lint` warns of the last.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

import orjson

from sensors.filters.finding import FilterError, Finding, Judgement
from sensors.manifest import DataFilter
from tiphys.errors import FaultKind, FieldError, LanguageError, PathError, TemplateError, shorten
from tiphys.languages import gjson, gonumber, gotemplate, regex

__all__ = ["DataClause"]

Test = Callable[[Any], bool]
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_FORM_OF_RESULT: Final[Mapping[str, Callable[[gjson.Result], Any]]] = {
    "bool": attrgetter("bool"),
    "number": attrgetter("float"),
    "string": attrgetter("string"),
}


def _forms(of_scalars: Callable[[Any], Any], of_others: Callable[[Any], Any]) -> dict[type, Callable[[Any], Any]]:
    scalars: tuple[type, ...] = (str, int, float, bool, type(None))
    return {**dict.fromkeys(scalars, of_scalars), dict: of_others, list: of_others}


_FORMS_OF_VALUE: Final[Mapping[str, Mapping[type, Callable[[Any], Any]]]] = {
    "bool": _forms(gjson.bool_of, lambda _: False),
    "number": _forms(gjson.float_of, lambda _: 0.0),
    "string": {str: str, bool: lambda value: "true" if value else "false", type(None): lambda _: ""},
}
"""How what is found is compared, by the entry's type. The digits of a number only its text knows."""
_TYPES: Final = ("bool", "number", "string")
_FATAL: Final = ("path", "template", "type", "value[0]")


class DataClause:
    """One compiled entry. `number` is its clause number in the dependency's program. It is sound unless its path, its template or its
    first value is at fault: argo-events reads values one by one, up to the first that holds."""

    def __init__(self, entry: DataFilter, number: int) -> None:
        self.entry, self.number = entry, number
        faults: list[FieldError] = []
        self._path: gjson.Path | None = None
        self._template: gotemplate.Template | None = None
        try:
            self._path = gjson.compile(entry.path)
            if self._path.flaw:
                remedy = "gjson would find something else than is meant"
                faults.append(FieldError("path", self._path.flaw, remedy, shorten(entry.path)))
        except LanguageError as error:
            faults.append(_fault("path", error, entry.path))
        try:
            self._template = gotemplate.compile(entry.template) if entry.template else None
        except LanguageError as error:
            faults.append(_fault("template", error, entry.template))
        if entry.type not in _TYPES:
            faults.append(
                FieldError(
                    "type",
                    "must be one of 'bool', 'number', 'string'",
                    "choose one of these",
                    shorten(entry.type),
                    kind=FaultKind.WRONG_TYPE,
                )
            )
        self._of_text = entry.type == "string"
        self._form = _FORM_OF_RESULT.get(entry.type, _FORM_OF_RESULT["string"])
        self._forms = _FORMS_OF_VALUE.get(entry.type, {})
        self._tests = [_attempt(entry, index, faults) for index in range(len(entry.value))]
        self.sound = not faults or (len(entry.value) > 1 and all(one.path not in _FATAL for one in faults))
        self.faults = tuple(faults)

    def accepts(self, document: gjson.Document) -> bool:
        """Raises `FilterError` if the path leads nowhere, the template yields nothing, or a value that comes to be asked is none."""
        if self._path is not None and not self.entry.template:
            value = self._path.decoded_in(document)
            form = self._forms.get(type(value))
            if form is not None:
                return self._holds(form(value))
            if self._of_text and isinstance(value, dict | list) and document.canonical:
                return self._holds(orjson.dumps(value).decode())
        return self._holds(self._form(self._find(document)))

    def _holds(self, found: Any) -> bool:
        for test in self._tests:  # noqa: SIM110  a generator costs as much as the comparison
            if test(found):
                return True
        return False

    def _find(self, document: gjson.Document) -> gjson.Result:
        if self._path is None:
            raise FilterError("the path cannot be read")
        try:
            result = self._path.get_from(document.payload, document.data)
        except PathError as error:
            raise FilterError(f"the path cannot be followed: {error.problem}") from error
        if not result.exists:
            raise FilterError("there is nothing at this path")
        return self._rewritten(result) if self.entry.template else result

    def _rewritten(self, result: gjson.Result) -> gjson.Result:
        if self._template is None:
            raise FilterError("the template cannot be read")
        try:
            text = self._template.render(result.string)
        except TemplateError as error:
            raise FilterError(f"the template failed: {error.problem}") from error
        if text in ("", "<no value>"):
            raise FilterError("the template yields nothing")
        return gjson.Result.of_string(text)

    def explain(self, document: gjson.Document) -> Finding:
        """The same judgement, with what was found."""
        asked = (
            f"{self.entry.path} ({self.entry.type}) {self.entry.comparator or '='} {' or '.join(map(shorten, self.entry.value))}"
        )
        try:
            result = self._find(document)
        except FilterError as error:
            return Finding(asked, Judgement.ERRORED, "nothing", str(error), self.number)
        try:
            passed = self._holds(self._form(result))
        except FilterError as error:
            return Finding(asked, Judgement.ERRORED, shorten(result.string), str(error), self.number)
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


def _fault(field: str, error: LanguageError, text: str) -> FieldError:
    return FieldError(field, error.problem, error.remedy, shorten(text))


def _attempt(entry: DataFilter, index: int, faults: list[FieldError]) -> Test:
    """The comparison with one value. A value that cannot be compared with errs when its turn comes."""
    value = entry.value[index]
    try:
        return _test(entry, value)
    except LanguageError as error:
        fault = _fault(f"value[{index}]", error, value)
    except ValueError as error:
        remedy = "write true or false" if entry.type == "bool" else "write a number in quotes"
        fault = FieldError(f"value[{index}]", str(error), remedy, shorten(value))
    faults.append(fault)
    return _erring(f"the value {fault.shown} cannot be compared with: {fault.problem}")


def _erring(why: str) -> Test:
    def test(_: Any) -> bool:
        raise FilterError(why)

    return test


def _test(entry: DataFilter, value: str) -> Test:
    if entry.type == "bool":
        wanted = gonumber.parse_bool(value)
        return lambda found: found is wanted
    if entry.type == "number":
        number, compare = gonumber.parse_float(value), _COMPARISONS[entry.comparator]
        return lambda found: compare(found, number)
    if entry.type not in _TYPES:
        return _erring(f"there is no type {shorten(entry.type)}")
    search = regex.compile(value).search
    if entry.comparator in ("", "="):
        return search
    if entry.comparator == "!=":
        return lambda found: not search(found)
    return lambda found: False
