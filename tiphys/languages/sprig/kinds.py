"""What Go's `reflect` says of a value: its kind, its items, whether it is empty, and `DeepEqual`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Final

from tiphys.languages.golang import fmt
from tiphys.languages.golang.quoting import from_bytes
from tiphys.languages.golang.values import Duration, Function, GoError, NilList, NilStrings, Sized, Strings, Struct, Time, Uint8
from tiphys.languages.sprig.bounds import Walk

__all__ = ["FUNCTIONS", "NIL", "deep_equal", "distinct", "empty", "excluded", "items", "kind", "strval", "to_strings"]

NIL: Final = "runtime error: invalid memory address or nil pointer dereference"

_KINDS: Final[dict[type, str]] = {
    type(None): "invalid", str: "string", bool: "bool", int: "int", float: "float64", list: "slice", dict: "map", bytes: "slice",
    Time: "struct", Duration: "int64",
}  # fmt: skip


def kind(value: Any) -> str:
    """`reflect.ValueOf(value).Kind().String()`; `invalid` of nil."""
    found = _KINDS.get(type(value))
    if found is not None:
        return found
    if isinstance(value, Struct):
        return value.kind
    if isinstance(value, Sized):
        return value.go
    if isinstance(value, list):
        return "slice"
    return "map" if isinstance(value, dict) else "func"


def items(value: Any, problem: str) -> Sequence[Any]:
    """The items of a slice. Raises `GoError` for anything else: `problem`, with the kind after it."""
    if isinstance(value, list):
        return value
    if isinstance(value, bytes):
        return [Uint8(octet) for octet in value]
    if value is None:
        raise GoError(NIL)
    raise GoError(f"{problem} {kind(value)}")


def empty(value: Any) -> bool:
    """sprig's `empty`: nil, 0, false and whatever has no length. A struct never is."""
    if isinstance(value, Time | Struct):
        return False
    return not value  # of numbers, texts, lists and maps Go and Python think the same


def strval(value: Any) -> str:
    """sprig's `strval`: a text as it is, bytes as text, anything else as `%v` prints it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return from_bytes(value)
    return fmt.sprint(value)


def deep_equal(left: Any, right: Any) -> bool:
    """`reflect.DeepEqual`: types count (`1` and `1.0` differ), NaN is not itself, a nil slice is no empty one."""
    try:
        return _equal(left, right, Walk("deepEqual"))
    except RecursionError as error:
        raise GoError("deepEqual: the values are nested too deeply, or contain themselves") from error


def _equal(left: Any, right: Any, walk: Walk) -> bool:
    if type(left) is not type(right) and (fmt.type_name(left) != fmt.type_name(right) or _is_nil(left) != _is_nil(right)):
        return False
    if isinstance(left, list):
        if left is right:
            return True
        walk.step(len(left))
        return len(left) == len(right) and all(_equal(mine, other, walk) for mine, other in zip(left, right, strict=True))
    if isinstance(left, dict):
        if left is right:
            return True
        walk.step(len(left))
        return left.keys() == right.keys() and all(_equal(value, right[key], walk) for key, value in left.items())
    return bool(left == right)


def _is_nil(value: Any) -> bool:
    return isinstance(value, NilList | NilStrings)


def distinct(values: Sequence[Any]) -> list[Any]:
    """Each value once, in the order of its first occurrence; equal as in `deep_equal`, in linear time."""
    found: dict[Hashable, Any] = {}
    for identity, value in zip(_identities("uniq", values), values, strict=True):
        found.setdefault(identity, value)
    return list(found.values())


def excluded(values: Sequence[Any], out: Sequence[Any]) -> list[Any]:
    """The values that are not deeply equal to one of `out`."""
    leave = frozenset(_identities("without", out))
    return [value for identity, value in zip(_identities("without", values), values, strict=True) if identity not in leave]


def _identities(name: str, values: Sequence[Any]) -> list[Hashable]:
    walk = Walk(name)
    try:
        return [_identity(value, walk) for value in values]
    except RecursionError as error:
        raise GoError(f"{name}: the values are nested too deeply, or contain themselves") from error


def _identity(value: Any, walk: Walk) -> Hashable:
    """What two values share if and only if they are deeply equal."""
    cls = type(value)
    if cls is str:
        return value  # type: ignore[no-any-return]
    if isinstance(value, list):
        walk.step(len(value))
        return (fmt.type_name(value), _is_nil(value), tuple(_identity(item, walk) for item in value))
    if isinstance(value, dict):
        walk.step(len(value))
        return (fmt.type_name(value), frozenset((key, _identity(item, walk)) for key, item in value.items()))
    if value != value:  # noqa: PLR0124  NaN, which is equal to nothing
        return object()
    return (cls, value)


def _type_of(value: Any) -> str:
    return fmt.type_name(value)


def _type_is(target: str, value: Any) -> bool:
    return target == fmt.type_name(value)


def _type_is_like(target: str, value: Any) -> bool:
    return fmt.type_name(value) in (target, "*" + target)


def _kind_is(target: str, value: Any) -> bool:
    return target == kind(value)


def to_strings(value: Any) -> list[str]:
    """sprig's `strslice`: the items of a slice as texts, those that are nil left out; of anything else a list of one."""
    if isinstance(value, Strings):
        return value
    if isinstance(value, list):
        return Strings([strval(item) for item in value if item is not None])
    if isinstance(value, bytes):
        return Strings([str(octet) for octet in value])
    return Strings() if value is None else Strings([strval(value)])


FUNCTIONS: Final = (
    Function("typeOf", ("interface{}",), _type_of, "string"),
    Function("typeIs", ("string", "interface{}"), _type_is, "bool"),
    Function("typeIsLike", ("string", "interface{}"), _type_is_like, "bool"),
    Function("kindOf", ("interface{}",), kind, "string"),
    Function("kindIs", ("string", "interface{}"), _kind_is, "bool"),
    Function("deepEqual", ("interface{}", "interface{}"), deep_equal, "bool"),
)
