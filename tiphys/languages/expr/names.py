"""The names that expr keeps for itself."""

from __future__ import annotations

from typing import Final

__all__ = ["BUILTINS", "ENVIRONMENT", "PREDICATES"]

PREDICATES: Final = frozenset(
    ("all", "none", "any", "one", "filter", "map", "count", "find", "findIndex", "findLast", "findLastIndex", "groupBy", "reduce")
)
"""Loops: their second argument is evaluated for each element of the first."""

# fmt: off
BUILTINS: Final = PREDICATES | frozenset((
    "len", "type", "abs", "ceil", "floor", "round", "int", "float", "string", "trim", "trimPrefix", "trimSuffix", "upper", "lower",
    "split", "splitAfter", "replace", "repeat", "join", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix", "max", "min", "sum",
    "mean", "median", "toJSON", "fromJSON", "toBase64", "fromBase64", "now", "duration", "date", "first", "last", "get", "take",
    "keys", "values", "toPairs", "fromPairs", "sort", "sortBy",
))
"""Every function of the language."""
# fmt: on

ENVIRONMENT: Final = "$env"
"""The name of everything that an expression can see."""
