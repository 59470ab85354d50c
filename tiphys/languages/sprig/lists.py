"""sprig's lists. Those without `must` panic in sprig where the others return an error: here both raise it.

No list is changed; what comes out of an empty one is often a nil slice, which JSON writes as `null`.
"""

from __future__ import annotations

import math
from typing import Any, Final

from tiphys.languages.golang.values import Function, GoError, Lists, NilList
from tiphys.languages.sprig.bounds import check_items
from tiphys.languages.sprig.cast import to_int
from tiphys.languages.sprig.kinds import deep_equal, distinct, empty, excluded, items, kind

__all__ = ["FUNCTIONS"]


def _list(*values: Any) -> list[Any]:
    return list(values)


def _append(value: Any, item: Any) -> list[Any]:
    return [*items(value, "Cannot push on type"), item]


def _prepend(value: Any, item: Any) -> list[Any]:
    return [item, *items(value, "Cannot prepend on type")]


def _first(value: Any) -> Any:
    found = items(value, "Cannot find first on type")
    return found[0] if found else None


def _last(value: Any) -> Any:
    found = items(value, "Cannot find last on type")
    return found[-1] if found else None


def _rest(value: Any) -> list[Any]:
    found = items(value, "Cannot find rest on type")
    return list(found[1:]) if found else NilList()


def _initial(value: Any) -> list[Any]:
    found = items(value, "Cannot find initial on type")
    return list(found[:-1]) if found else NilList()


def _reverse(value: Any) -> list[Any]:
    return list(reversed(items(value, "Cannot find reverse on type")))


def _compact(value: Any) -> list[Any]:
    return [item for item in items(value, "Cannot compact on type") if not empty(item)]


def _uniq(value: Any) -> list[Any]:
    return distinct(items(value, "Cannot find uniq on type"))


def _without(value: Any, *out: Any) -> list[Any]:
    return excluded(items(value, "Cannot find without on type"), out)


def _has(needle: Any, value: Any) -> bool:
    if value is None:
        return False
    return any(deep_equal(needle, item) for item in items(value, "Cannot find has on type"))


def _slice(value: Any, *indices: Any) -> Any:
    """A part of a list, of the same type; nil of an empty one. Go lets the end reach into memory behind the list: here it may not."""
    found = items(value, "list should be type of slice or array but")
    if not found:
        return None
    start = to_int(indices[0]) if indices else 0
    end = to_int(indices[1]) if len(indices) > 1 else len(found)
    if not 0 <= start <= end <= len(found):
        raise GoError("reflect.Value.Slice: slice index out of bounds")
    part = value[start:end]
    return part if isinstance(value, bytes) else type(value)(part)


def _concat(*lists: Any) -> list[Any]:
    for value in lists:
        if value is not None and not isinstance(value, list | bytes):
            raise GoError(f"Cannot concat type {kind(value)} as list")
    joined = [item for value in lists for item in items(value, "Cannot concat type")]
    check_items("concat", len(joined))
    return joined or NilList()


def _chunk(size: int, value: Any) -> Lists:
    """Lists of `size` items, the last of what is left. With the sizes below 1 that sprig bears."""
    found = items(value, "Cannot chunk type")
    count = len(found)
    if size > 0:
        return Lists([list(found[at : at + size]) for at in range(0, count, size)])
    chunks = math.floor((count - 1) / size) + 1 if size else -1
    if chunks == 0:
        return Lists()
    if chunks != 1 or not count or math.fmod(count, size) != count:
        raise GoError("runtime error: makeslice: len out of range")
    return Lists([list(found)])


_LIST: Final = ("interface{}",)
_PAIR: Final = ("interface{}", "interface{}")
_MORE: Final = ("interface{}", "...interface{}")
_ITEMS: Final = "[]interface{}"

FUNCTIONS: Final = (
    Function("list", ("...interface{}",), _list, _ITEMS),
    Function("tuple", ("...interface{}",), _list, _ITEMS),
    Function("append", _PAIR, _append, _ITEMS),
    Function("mustAppend", _PAIR, _append, _ITEMS),
    Function("push", _PAIR, _append, _ITEMS),
    Function("mustPush", _PAIR, _append, _ITEMS),
    Function("prepend", _PAIR, _prepend, _ITEMS),
    Function("mustPrepend", _PAIR, _prepend, _ITEMS),
    Function("first", _LIST, _first),
    Function("mustFirst", _LIST, _first),
    Function("last", _LIST, _last),
    Function("mustLast", _LIST, _last),
    Function("rest", _LIST, _rest, _ITEMS),
    Function("mustRest", _LIST, _rest, _ITEMS),
    Function("initial", _LIST, _initial, _ITEMS),
    Function("mustInitial", _LIST, _initial, _ITEMS),
    Function("reverse", _LIST, _reverse, _ITEMS),
    Function("mustReverse", _LIST, _reverse, _ITEMS),
    Function("compact", _LIST, _compact, _ITEMS),
    Function("mustCompact", _LIST, _compact, _ITEMS),
    Function("uniq", _LIST, _uniq, _ITEMS),
    Function("mustUniq", _LIST, _uniq, _ITEMS),
    Function("without", _MORE, _without, _ITEMS),
    Function("mustWithout", _MORE, _without, _ITEMS),
    Function("has", _PAIR, _has, "bool"),
    Function("mustHas", _PAIR, _has, "bool"),
    Function("slice", _MORE, _slice),
    Function("mustSlice", _MORE, _slice),
    Function("concat", ("...interface{}",), _concat),
    Function("chunk", ("int", "interface{}"), _chunk, "[][]interface{}"),
    Function("mustChunk", ("int", "interface{}"), _chunk, "[][]interface{}"),
)
