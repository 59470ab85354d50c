"""`filters.exprs` (reference 4.4): govaluate expressions over values that are named by their paths.

Fields are looked up first, in their order: a path that leads nowhere is an error, also where the expression would not ask for it. A
number is a float, `null` is there and is nil. Only the result `true` passes; any other value fails and is no error.
"""

from __future__ import annotations

from typing import Any

from sensors.filters.finding import FilterError, Finding, Judgement
from sensors.manifest import ExprFilter
from tiphys.errors import ExpressionError, FieldError, LanguageError, PathError, shorten
from tiphys.languages import gjson, govaluate

__all__ = ["ExprClause"]


class ExprClause:
    """One compiled entry. `number` is its clause number in the dependency's program."""

    def __init__(self, entry: ExprFilter, number: int) -> None:
        self.entry, self.number = entry, number
        self.faults: tuple[FieldError, ...] = ()
        self._fields: list[tuple[str, gjson.Path]] = []
        self._program: govaluate.Program | None = None
        try:
            self._program = govaluate.compile(entry.expr)
        except ExpressionError as error:
            self._reject("expr", error, entry.expr)
        for index, field in enumerate(entry.fields_):
            try:
                path = gjson.compile(field.path)
            except PathError as error:
                self._reject(f"fields[{index}].path", error, field.path)
                continue
            self._fields.append((field.name, path))
            if path.flaw:
                flaw = FieldError(
                    f"fields[{index}].path", path.flaw, "gjson would find something else than is meant", shorten(field.path)
                )
                self.faults = (*self.faults, flaw)
        self.sound = not self.faults

    def _reject(self, field: str, error: LanguageError, text: str) -> None:
        self.faults = (*self.faults, FieldError(field, error.problem, error.remedy, shorten(text)))

    def unnamed(self) -> list[str]:
        """Names in the expression that no field gives: an error for every event that is asked for them."""
        given = {name for name, _ in self._fields}
        return [name for name in self._program.variables if name not in given] if self._program else []

    def accepts(self, document: gjson.Document) -> bool:
        """Raises `FilterError` if a path leads nowhere or the expression cannot be evaluated on these values."""
        return self._evaluate(self._values(document)) is True

    def _values(self, document: gjson.Document) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, path in self._fields:
            try:
                value = path.value_in(document)
            except PathError as error:
                raise FilterError(f"the path of {name} cannot be followed: {error.problem}") from error
            if value is gjson.NO_VALUE:
                raise FilterError(f"{name}: there is nothing at {path.text}")
            values[name] = value
        return values

    def _evaluate(self, values: dict[str, Any]) -> Any:
        if self._program is None:
            raise FilterError("the expression cannot be read")
        try:
            return self._program.evaluate(values)
        except ExpressionError as error:
            raise FilterError(f"the expression cannot be evaluated: {error.problem}") from error

    def explain(self, document: gjson.Document) -> Finding:
        """The same judgement, with the values of the fields and, where that is not `true` or `false`, the result."""
        try:
            values = self._values(document)
        except FilterError as error:
            return Finding(self.entry.expr, Judgement.ERRORED, "nothing", str(error), self.number)
        found = ", ".join(f"{name} = {shorten(value)}" for name, value in values.items())
        try:
            result = self._evaluate(values)
        except FilterError as error:
            return Finding(self.entry.expr, Judgement.ERRORED, found, str(error), self.number)
        if result is True:
            return Finding(self.entry.expr, Judgement.PASSED, found, clause=self.number)
        why = "it is false" if result is False else f"it is {shorten(result)}, and only true passes"
        return Finding(self.entry.expr, Judgement.FAILED, found, why, self.number)
