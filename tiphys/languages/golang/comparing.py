"""How `text/template` compares: `eq`, `ne`, `lt`, `le`, `gt`, `ge` by basic kind, and what counts as true."""

from __future__ import annotations

from typing import Any, Final

from tiphys.languages.golang.quoting import to_bytes
from tiphys.languages.golang.values import INVALID, GoError, NilList, NilStrings, Sized, Struct, Time, Uint8, Uint64
from tiphys.languages.golang.verbs import type_name

__all__ = ["equal", "equal_any", "less", "less_or_equal", "truth"]

_KINDS: Final[dict[type, str]] = {bool: "bool", int: "int", float: "float", complex: "complex", str: "string"}
_BAD: Final = "invalid type for comparison"


def truth(value: Any) -> bool:
    """Whether a value is not the zero one of its type: nil, false, 0, an empty text, list or map are not. A struct always is."""
    return bool(value) or isinstance(value, Struct)


def _kind(value: Any) -> str:
    """text/template's basicKind; empty for what has none."""
    found = _KINDS.get(type(value))
    if found is None:
        found = "uint" if isinstance(value, Uint8 | Uint64) else "int" if isinstance(value, Sized) else ""
    return found


def equal_any(first: Any, *others: Any) -> bool:
    """`eq`: whether the first is equal to one of the others. Raises `GoError` for types that cannot be compared."""
    if not others:
        raise GoError("missing argument for comparison")
    return any(equal(first, other) for other in others)


def equal(left: Any, right: Any) -> bool:
    """Whether two values are equal. A number of one kind is never compared with one of another, but signed and unsigned ones are."""
    kind, other = _kind(left), _kind(right)
    if kind != other:
        if kind in ("int", "uint") and other in ("int", "uint"):
            return int(left) == int(right)
        if _is_nothing(left) or _is_nothing(right):
            return False
        raise GoError(f"incompatible types for comparison: {type_name(left)} and {type_name(right)}")
    if kind:
        return bool(left == right)
    return _equal_others(left, right)


def _equal_others(left: Any, right: Any) -> bool:
    """Values without a basic kind: nil, lists, maps and structs."""
    if not (_is_nothing(left) or _is_nothing(right) or _shape(left) == _shape(right)):
        raise GoError(f"non-comparable types: {type_name(left)} and {type_name(right)}")
    if _is_nil(left) or _is_nil(right):
        return _is_nil(left) == _is_nil(right)
    if not isinstance(right, Time | Struct):
        raise GoError(f"non-comparable type: {type_name(right)}")
    return bool(left == right)


def less(left: Any, right: Any) -> bool:
    """`lt`. Raises `GoError` unless both are numbers of one kind, or texts."""
    kind, other = _kind(left), _kind(right)
    if not kind or not other:
        raise GoError(_BAD)
    if kind != other and not (kind in ("int", "uint") and other in ("int", "uint")):
        raise GoError(f"incompatible types for comparison: {type_name(left)} and {type_name(right)}")
    if kind in ("bool", "complex"):
        raise GoError(_BAD)
    if kind == "string" and not (left.isascii() and right.isascii()):
        return to_bytes(left) < to_bytes(right)
    return bool(left < right)


def less_or_equal(left: Any, right: Any) -> bool:
    """`le`, which is `lt` or `eq`."""
    return less(left, right) or equal(left, right)


def _is_nothing(value: Any) -> bool:
    return value is None or value is INVALID


def _is_nil(value: Any) -> bool:
    return _is_nothing(value) or isinstance(value, NilList | NilStrings)


def _shape(value: Any) -> str:
    """`reflect.Kind`, as far as values without a basic kind differ in it."""
    if isinstance(value, dict):
        return "map"
    if isinstance(value, list | bytes):
        return "slice"
    return value.kind if isinstance(value, Struct) else "struct"
