"""`.name` of a value: an entry of a map, a field or a method of a struct. Nothing of Python's own is ever found."""

from __future__ import annotations

from typing import Any

from tiphys.languages.golang import times
from tiphys.languages.golang.values import INVALID, Duration, Function, GoError, Struct, Time
from tiphys.languages.golang.verbs import type_name

__all__ = ["member", "method", "methods_called"]


def method(value: Any, name: str) -> Function | None:
    """The method of that name, if the value's type has one."""
    if isinstance(value, Time):
        return times.METHODS.get(name)
    if isinstance(value, Duration):
        return times.DURATION_METHODS.get(name)
    if isinstance(value, times.Month | times.Weekday):
        return _STRING if name == "String" else None
    return value.methods.get(name) if isinstance(value, Struct) else None


_STRING = Function("String", (), lambda value: value.text(), "string")


def methods_called(name: str) -> list[Function]:
    """The methods of all types that bear a name."""
    tables = [times.METHODS, times.DURATION_METHODS, {"String": _STRING}]
    waiting = list(Struct.__subclasses__())
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        tables.append(kind.methods)
    return [table[name] for table in tables if name in table]


def member(value: Any, name: str) -> Any:
    """What `.name` gives: `INVALID` for a key that is not there, and of what is not there. Raises `GoError` for a value without names."""
    if isinstance(value, dict):
        return value.get(name, INVALID)
    if value is INVALID:
        return INVALID
    if value is None:
        raise GoError(f"nil pointer evaluating interface {{}}.{name}")
    found = method(value, name)
    if found is not None:
        if found.parameters and not found.parameters[0].startswith("..."):
            raise GoError(f"wrong number of args for {name}: want {len(found.parameters)} got 0")
        return found.call(value)
    if isinstance(value, Struct) and name in value.fields:
        return value.fields[name]
    raise GoError(f"can't evaluate field {name} in type {type_name(value)}")
