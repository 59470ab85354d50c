"""expr: the expressions of an EventSource's `filter` (antonmedv/expr 1.15.5 as argo-events uses it, reference 3.1.3).

Lexer, parser, type checker, optimiser and evaluation follow that release, since each of them shows: what cannot fit is refused before any
event comes, and `x and false` is false though `x` would fail.
https://expr-lang.org/docs/v1.15/language-definition
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tiphys.errors import ExpressionError
from tiphys.languages import expression
from tiphys.languages.expr.checker import Checker
from tiphys.languages.expr.closures import Closures
from tiphys.languages.expr.environment import expanded
from tiphys.languages.expr.grammar import Reading
from tiphys.languages.expr.hints import hints
from tiphys.languages.expr.lexer import lex
from tiphys.languages.expr.optimizer import optimized
from tiphys.languages.expression.closures import Evaluate
from tiphys.languages.expression.frame import Fault
from tiphys.languages.expression.tokens import Kind

__all__ = ["Program", "compile", "environment"]


class Program(expression.Program):
    """A compiled filter. `evaluate` takes what `environment` gives; `hints` say what its author can hardly have meant."""

    __slots__ = ("hints",)

    def __init__(self, text: str, variables: tuple[str, ...], run: Evaluate, hints: tuple[str, ...] = ()) -> None:
        super().__init__(text, variables, run)
        self.hints = hints

    def passes(self, payload: Any) -> bool:
        """Whether an event's decoded data passes. Raises `ExpressionError` if it cannot be evaluated or gives no boolean."""
        value = self.evaluate(environment(payload))
        if value is True or value is False:
            return bool(value)
        kind = "nil" if value is None else type(value).__name__
        raise ExpressionError(self.text, f"gives no boolean, but a value of type {kind}", "compare it with something")


@lru_cache(maxsize=1024)
def compile(text: str) -> Program:  # noqa: A001  the verb that every language module has
    """Compile an expression. Raises `ExpressionError` for what expr refuses to compile, and beyond the bounds of the engine."""
    return expression.compiled(text, _compile)


def environment(payload: Any) -> Mapping[str, Any]:
    """The names that an expression sees in an event's decoded data: `-` replaced by `_`, dotted names as maps. Raises `ExpressionError` for
    data that is no object."""
    try:
        return expanded(payload)
    except Fault as fault:
        raise ExpressionError("", fault.problem, fault.remedy) from fault


def _compile(text: str) -> Program:
    tokens = lex(text)
    node = Reading(tokens).all()
    Checker().visit(node)
    names = tuple(token.value for token in tokens if token.kind is Kind.NAME)
    remarks = tuple(hints(node))
    return Program(text, names, Closures().compile(optimized(node)), remarks)
