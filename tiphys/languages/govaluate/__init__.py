"""govaluate: the expressions of a Sensor's `filters.exprs` (Knetic/govaluate at 9aa49832a739, reference 4.4).

Its rules are odd, and kept: every operator binds to the left, `**` and `? :` too; a text that looks like a date is its Unix time; what
follows a closing parenthesis without an operator is ignored; `""` and `''` are the same quotes, so that each may close the other.
https://github.com/Knetic/govaluate/blob/master/MANUAL.md
"""

from __future__ import annotations

from functools import lru_cache

from tiphys.languages.expression import Program, compiled
from tiphys.languages.expression.tokens import Kind
from tiphys.languages.govaluate.grammar import Reading
from tiphys.languages.govaluate.lexer import lex
from tiphys.languages.govaluate.operators import Closures

__all__ = ["Program", "compile"]


@lru_cache(maxsize=1024)
def compile(text: str) -> Program:  # noqa: A001  the verb that every language module has
    """Compile an expression. Raises `ExpressionError` for what govaluate refuses to parse, and beyond the bounds of the engine.

    `evaluate` gives what govaluate gives: `float` for every number, `bool`, `str`, `None`, `list`, `dict`. A parameter that is missing is
    an error when it is asked for; `&&`, `||`, `??` and the ternary ask only for what they need.
    """
    return compiled(text, _compile)


def _compile(text: str) -> Program:
    tokens = lex(text)
    variables = tuple(token.value for token in tokens if token.kind is Kind.NAME)
    return Program(text, variables, Closures().compile(Reading(tokens).all()))
