"""Members, elements and slices of values, and calls of Go's functions (antonmedv/expr 1.15.5, `vm/runtime`).

A text is bytes in Go: its length, its elements and its slices count them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from tiphys.languages.expr.operators import misfit, pair_key, to_int
from tiphys.languages.expr.types import METHODS
from tiphys.languages.expression.frame import Fault, Frame
from tiphys.languages.expression.values import Int, Pairs, go_type, inward, outward, size
from tiphys.languages.golang.costs import PRICES
from tiphys.languages.golang.quoting import from_bytes, to_bytes
from tiphys.languages.golang.values import Function, GoError, StringMap, Struct, Uint8

__all__ = ["Invoke", "call", "fetch", "invocation", "length", "sliced"]

_TEXTUAL: Final = frozenset(("string", "interface{}"))
_CALL: Final = 20
"""Steps that a call of a Go function costs, beside what it is given."""


def fetch(frame: Frame, value: Any, key: Any) -> Any:
    """`value.key` and `value[key]`. A map without the key gives nil; whatever has no members is a `Fault`."""
    kind = type(value)
    if kind is dict or kind is StringMap:
        if key is None:
            key = ""
        if type(key) is not str:
            raise Fault(f"a map's keys are strings, and no {go_type(key)} is one", "use string(…)")
        return value.get(key) if kind is dict else value.get(key, "")
    if isinstance(value, list | range | bytes | str):
        return _element(frame, value, key)
    if kind is Pairs:
        return value.get(pair_key(key), value.missing)
    if type(key) is str:
        method = METHODS.get(go_type(value), {}).get(key)
        if isinstance(value, Struct):
            method = value.methods.get(key)
            if method is None and key in value.fields:
                return inward(frame, value.fields[key])
        if method is not None:
            return _bound(method, value)
    raise Fault(f"there is no {key if type(key) is str else go_type(key)} in {go_type(value)}", _hint(value))


def _hint(value: Any) -> str:
    return "ask for it with ?. where it may be missing" if value is None else ""


def _bound(method: Function, value: Any) -> Function:
    return Function(method.name, method.parameters, lambda *arguments: method.call(value, *arguments), method.result)


def _element(frame: Frame, value: Sequence[Any], key: Any) -> Any:
    if type(key) is str and isinstance(value, list):
        raise Fault(f"{go_type(value)} has elements, and no {key!r}", "take one with [0], or ask any(list, .name == …)")
    index = to_int(key)
    data: Sequence[Any] = value
    if isinstance(value, str):
        frame.spend(len(value) >> 6)
        data = to_bytes(value)
    if index < 0:
        index += len(data)
    if not 0 <= index < len(data):
        raise Fault(f"there is no element {index}, only {len(data)}", "ask for the length first, or use get(list, index)")
    found = data[index]
    if isinstance(data, range):
        return Int(found)
    return Uint8(found) if isinstance(data, bytes) else found


def length(frame: Frame, value: Any) -> int:
    """Go's `len`. Raises `Fault` for what has none."""
    if isinstance(value, str):
        return size(frame, value)
    if isinstance(value, list | dict | range | bytes):
        return len(value)
    raise Fault(f"{go_type(value)} has no length", "use ?? where it may be missing" if value is None else "")


def sliced(frame: Frame, value: Any, start: Any, stop: Any) -> Any:
    """`value[start:stop]`; bounds beyond the ends are cut."""
    if not isinstance(value, str | list | range | bytes):
        raise misfit("a slice", value)
    data = to_bytes(value) if isinstance(value, str) and not value.isascii() else value
    low, high, count = to_int(start), to_int(stop), len(data)
    low, high = max(low + count if low < 0 else low, 0), min(max(high + count if high < 0 else high, 0), count)
    frame.spend(max(high - low, 0) >> (10 if isinstance(data, str | bytes) else 4))
    found = data[min(low, high) : high]
    if isinstance(value, str) and isinstance(found, bytes):
        return from_bytes(found)
    return type(value)(found) if isinstance(value, list) and type(value) is not list else found


Invoke = Callable[[Frame, Sequence[Any]], Any]


def call(frame: Frame, function: Any, arguments: Sequence[Any]) -> Any:
    """Call a Go function as `reflect.Value.Call` does: each argument must be of the parameter's very type, or the parameter takes any."""
    if type(function) is not Function:
        if function is None:
            raise Fault("there is no such function", "expr has len, any, trim and others; those of sprig are written sprig.name")
        raise Fault(f"{go_type(function)} is no function")
    return invocation(function, len(arguments))(frame, arguments)


def invocation(function: Function, count: int) -> Invoke:
    """What calls a function with so many arguments. Raises `Fault` if it does not take so many."""
    parameters = function.parameters
    rest = parameters[-1][3:] if parameters and parameters[-1].startswith("...") else None
    fixed = parameters[:-1] if rest else parameters
    if count < len(fixed) or (rest is None and count > len(fixed)):
        wanted = f"{len(fixed)} or more" if rest else str(len(fixed))
        raise Fault(f"{function.name} takes {wanted} arguments, and not {count}")
    asked = (*fixed, *(rest or "" for _ in range(count - len(fixed))))
    run, name = function.call, function.name
    price = PRICES.get(name)

    def invoke(frame: Frame, arguments: Sequence[Any]) -> Any:
        values = []
        for value, parameter in zip(arguments, asked, strict=True):
            if type(value) is str and parameter in _TEXTUAL:
                values.append(value)
                continue
            if not _fits(value, parameter):
                remedy = {"int": "use int(…)", "string": "use string(…)"}.get(parameter, "")
                raise Fault(f"argument {len(values) + 1} of {name} is of type {parameter}, and not {go_type(value)}", remedy)
            values.append(outward(frame, value))
        frame.spend(_CALL)
        if price is not None:
            price(frame, values)
        try:
            found = run(*values)
        except GoError as error:
            raise Fault(f"{name}: {error}") from error
        return found if type(found) is bool or type(found) is str else inward(frame, found)

    return invoke


def _fits(value: Any, parameter: str) -> bool:
    return parameter == "interface{}" or (value is not None and go_type(value).replace("interface {}", "interface{}") == parameter)
