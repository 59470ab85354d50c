"""What a query asks of what its path found."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from tiphys.languages.gjson.result import Result, Type
from tiphys.languages.gjson.scan import parse_float
from tiphys.languages.gjson.syntax import Query
from tiphys.languages.gjson.wildcard import matches

__all__ = ["holds"]

_COMPARISONS: Final[Mapping[bytes, Callable[[Any, Any], bool]]] = {
    b"=": operator.eq,
    b"!=": operator.ne,
    b"<": operator.lt,
    b"<=": operator.le,
    b">": operator.gt,
    b">=": operator.ge,
}
_TRUE_HOLDS: Final[Mapping[bytes, Callable[[bytes], bool]]] = {
    b"=": lambda value: value == b"true",
    b"!=": lambda value: value != b"true",
    b">": lambda value: value == b"false",
    b">=": lambda value: True,
}
_FALSE_HOLDS: Final[Mapping[bytes, Callable[[bytes], bool]]] = {
    b"=": lambda value: value == b"false",
    b"!=": lambda value: value != b"false",
    b"<": lambda value: value == b"true",
    b"<=": lambda value: True,
}


def holds(query: Query, answer: Result) -> bool:
    """Whether the query's comparison holds for what its path found."""
    value = query.value
    if query.tilde is not None:
        verdict = _tilde(query.tilde, answer)
        if verdict is None:
            return False
        kind, value = (Type.TRUE if verdict else Type.FALSE), b"true"
    else:
        kind = answer.type
        if not answer.exists:
            return False
    sign = query.operator
    if not sign:
        return True
    if kind is Type.STRING:
        if sign in (b"%", b"!%"):
            return matches(answer.utf8, value) == (sign == b"%")
        return sign in _COMPARISONS and _COMPARISONS[sign](answer.utf8, value)
    if kind is Type.NUMBER:
        return sign in _COMPARISONS and _COMPARISONS[sign](answer.number, parse_float(value))
    table = _TRUE_HOLDS if kind is Type.TRUE else _FALSE_HOLDS if kind is Type.FALSE else {}
    verdict_of = table.get(sign)
    return verdict_of is not None and verdict_of(value)


def _tilde(word: bytes, answer: Result) -> bool | None:
    """`~true`, `~false`, `~null`, `~*`; `None` for any other word."""
    match word:
        case b"*":
            return answer.exists
        case b"null":
            return answer.type is Type.NULL
        case b"true":
            return answer.truth is True
        case b"false":
            return answer.type is Type.NULL or answer.truth is False
        case _:
            return None
