"""The functions of a template: text/template's own, sprig's (whose `slice` replaces Go's), and those that are refused here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NoReturn

from tiphys.languages.golang import comparing, fmt, quoting
from tiphys.languages.golang.values import INVALID, Function, GoError, StringMap, Uint8

__all__ = ["CHANGING", "SHORT_CIRCUIT", "RefusedFunction", "functions", "index"]

CHANGING: Final = frozenset({"set", "unset", "merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite"})
"""Functions that change a map which they are given: a template that calls one works on a copy of the data."""

SHORT_CIRCUIT: Final = frozenset({"and", "or"})
"""Functions that do not look at all of their arguments: the compiler's part."""


class RefusedFunction(GoError):  # noqa: N818  what it is
    """A function that Go has and that is not to be had here."""


def _absent(value: Any) -> bool:
    return value is None or value is INVALID


def length(item: Any) -> int:
    """`len`: bytes of a text, items of a list or map."""
    if isinstance(item, str):
        return len(item) if item.isascii() else len(quoting.to_bytes(item))
    if isinstance(item, list | dict | bytes):
        return len(item)
    raise GoError("len of nil pointer" if _absent(item) else f"len of type {fmt.type_name(item)}")


def _position(at: Any, end: int) -> int:
    if not isinstance(at, int) or isinstance(at, bool):
        raise GoError(f"cannot index slice/array with {'nil' if _absent(at) else 'type ' + fmt.type_name(at)}")
    if not 0 <= at <= end:
        raise GoError(f"index out of range: {at}")
    return int(at)


def index(item: Any, *places: Any) -> Any:
    """`index`: `x[1][2]` of lists, texts (bytes) and maps. A key that is not there is the zero value of the map's values."""
    if _absent(item):
        raise GoError("index of untyped nil")
    for place in places:
        item = _indexed(item, place)
    return item


def _indexed(item: Any, place: Any) -> Any:
    if item is None:
        raise GoError("index of nil pointer")
    if isinstance(item, dict):
        if type(place) is not str:
            problem = "value is nil; should be of type" if _absent(place) else f"value has type {fmt.type_name(place)}; should be"
            raise GoError(f"{problem} string")
        return item.get(place, "" if isinstance(item, StringMap) else None)
    if isinstance(item, str):
        item = quoting.to_bytes(item)
    if not isinstance(item, list | bytes):
        raise GoError(f"can't index item of type {fmt.type_name(item)}")
    at = _position(place, len(item))
    if at == len(item):
        raise GoError(f"index out of range: {at}")
    return Uint8(item[at]) if isinstance(item, bytes) else item[at]


def _call(function: Any, *_: Any) -> NoReturn:
    if _absent(function):
        raise GoError("call of nil")
    raise GoError(f"non-function of type {fmt.type_name(function)}")


def _short_circuit(*_: Any) -> NoReturn:
    raise GoError("is evaluated by the compiler")


def _escaper(escape: Callable[[str], str]) -> Callable[..., str]:
    def escaped(*values: Any) -> str:
        return escape(fmt.sprint(*("<no value>" if value is None else value for value in values)))

    return escaped


_VALUE: Final = "reflect.Value"
_BUILTINS: Final = (
    Function("and", (_VALUE, f"...{_VALUE}"), _short_circuit, _VALUE),
    Function("or", (_VALUE, f"...{_VALUE}"), _short_circuit, _VALUE),
    Function("not", (_VALUE,), lambda value: not comparing.truth(value), "bool"),
    Function("len", (_VALUE,), length, "int"),
    Function("index", (_VALUE, f"...{_VALUE}"), index, _VALUE),
    Function("call", (_VALUE, f"...{_VALUE}"), _call, _VALUE),
    Function("print", ("...interface{}",), fmt.sprint, "string"),
    Function("printf", ("string", "...interface{}"), fmt.sprintf, "string"),
    Function("println", ("...interface{}",), fmt.sprintln, "string"),
    Function("html", ("...interface{}",), _escaper(quoting.html), "string"),
    Function("js", ("...interface{}",), _escaper(quoting.js), "string"),
    Function("urlquery", ("...interface{}",), _escaper(quoting.query), "string"),
    Function("eq", (_VALUE, f"...{_VALUE}"), comparing.equal_any, "bool"),
    Function("ne", (_VALUE, _VALUE), lambda left, right: not comparing.equal(left, right), "bool"),
    Function("lt", (_VALUE, _VALUE), comparing.less, "bool"),
    Function("le", (_VALUE, _VALUE), comparing.less_or_equal, "bool"),
    Function("gt", (_VALUE, _VALUE), lambda left, right: not comparing.less_or_equal(left, right), "bool"),
    Function("ge", (_VALUE, _VALUE), lambda left, right: not comparing.less(left, right), "bool"),
)


def _refusal(name: str, reason: str) -> Function:
    def refused(*_: Any) -> NoReturn:
        raise RefusedFunction(f"{name} is not available: {reason}")

    return Function(name, ("...interface{}",), refused)


@cache
def functions() -> Mapping[str, Function]:
    """All of them by name. sprig is imported at the first call."""
    from tiphys.languages import sprig  # noqa: PLC0415  not needed by texts without a template

    return (
        {function.name: function for function in _BUILTINS}
        | dict(sprig.FUNCTIONS)
        | {name: _refusal(name, reason) for name, reason in sprig.REASONS.items()}
    )
