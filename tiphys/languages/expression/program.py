"""A compiled expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tiphys.errors import ExpressionError
from tiphys.languages.expression.frame import MAX_EXPRESSION, Fault, Frame

__all__ = ["Program", "compiled"]

ProgramT = TypeVar("ProgramT", bound="Program")


class Program:
    """An expression that was compiled; it can be evaluated any number of times, and at once.

    `text` is as it was written. `variables` are the names that it asks the parameters for, in the order of the text, repeated ones too.
    """

    __slots__ = ("_run", "text", "variables")

    def __init__(self, text: str, variables: tuple[str, ...], run: Callable[[Frame], Any]) -> None:
        self.text, self.variables, self._run = text, variables, run

    def evaluate(self, parameters: Mapping[str, Any]) -> Any:
        """Its value. `parameters` are decoded JSON: every number is a float64. Raises `ExpressionError`."""
        try:
            return self._run(Frame(parameters))
        except Fault as fault:
            raise error_of(self.text, fault) from fault
        except RecursionError as error:
            raise too_deep(self.text) from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"


def compiled(text: str, compiler: Callable[[str], ProgramT]) -> ProgramT:
    """What `compiler` makes of a text, its faults as `ExpressionError`."""
    if len(text) > MAX_EXPRESSION:
        raise ExpressionError(text, f"is longer than {MAX_EXPRESSION:,} characters", "make it shorter")
    try:
        return compiler(text)
    except Fault as fault:
        raise error_of(text, fault) from fault
    except RecursionError as error:
        raise too_deep(text) from error


def error_of(text: str, fault: Fault) -> ExpressionError:
    """A fault as users see it."""
    return ExpressionError(text, fault.problem, fault.remedy, fault.offset)


def too_deep(text: str) -> ExpressionError:
    """For values that nest deeper than can be walked."""
    return ExpressionError(text, "the values are nested too deeply", "compare or print smaller parts")
