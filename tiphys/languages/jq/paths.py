"""Reading and replacing at a path: indices, slices, `getpath`, `setpath`, `delpaths`."""

from __future__ import annotations

import math
from typing import Any, Final

from tiphys.languages.jq.numbers import integer_of
from tiphys.languages.jq.values import JqError, compare, is_number, preview, shown

__all__ = ["Owned", "delete_paths", "get_path", "index", "indices", "set_path", "slice_of"]

_LARGEST_INDEX: Final = 0x20000000
_GONE: Final = object()


class Owned:
    """The lists and objects made during one assignment: nobody else has them, so they are changed in place."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[int, Any] = {}  # the value keeps its id from being used again

    def has(self, value: Any) -> bool:
        """Whether it was made here."""
        return id(value) in self._held

    def take(self, value: Any) -> Any:
        """It is made here."""
        self._held[id(value)] = value
        return value


def index(value: Any, key: Any) -> Any:
    """`value[key]`. Raises `JqError`."""
    kind = type(key)
    if kind is str:
        if type(value) is dict:
            return value.get(key)
        if value is None:
            return None
        raise JqError(f"expected an object but got: {shown(value)}")
    if kind is int or kind is float:
        if type(value) is list or type(value) is str:
            at = _clamp(integer_of(key), -1, len(value))
            return value[at] if 0 <= at < len(value) else None
        if value is None:
            return None
        raise JqError(f"expected an array but got: {shown(value)}")
    if kind is list:
        if type(value) is list:
            return indices(value, key)
        if value is None:
            return None
        raise JqError(f"expected an array but got: {shown(value)}")
    if kind is dict:
        if value is None:
            return None
        start, end = _ends(key)
        return slice_of(value, start, end)
    if type(value) is list:
        raise JqError(f"expected a number for indexing an array but got: {shown(key)}")
    if type(value) is str:
        raise JqError(f"expected a number for indexing a string but got: {shown(key)}")
    raise JqError(f"expected a string for object key but got: {shown(key)}")


def indices(items: list[Any], wanted: list[Any]) -> list[int]:
    """Where one list occurs in another."""
    size = len(wanted)
    if not size:
        return []
    return [at for at in range(len(items) - size + 1) if compare(items[at : at + size], wanted) == 0]


def slice_of(value: Any, start: Any, end: Any) -> Any:
    """`value[start:end]`. Raises `JqError`."""
    if value is None:
        return None
    if type(value) is not list and type(value) is not str:
        raise JqError(f"expected an array but got: {shown(value)}")
    first, last = _range(start, end, len(value), "an array" if type(value) is list else "a string")
    return value[first:last]


def get_path(value: Any, path: Any) -> Any:
    """`getpath`. Raises `JqError`."""
    if type(path) is not list:
        raise JqError(f"getpath({preview(path)}) cannot be applied to: {shown(value)}")
    found = value
    for key in path:
        if found is not None and type(found) is not list and type(found) is not dict:
            raise JqError(f"getpath({preview(path)}) cannot be applied to: {shown(value)}")
        try:
            found = index(found, key)
        except JqError as error:
            raise JqError(f"getpath({preview(path)}) cannot be applied to {preview(value)}: {error}") from error
    return found


def set_path(value: Any, path: Any, new: Any, owned: Owned | None = None) -> Any:
    """`setpath`. Raises `JqError`."""
    if type(path) is not list:
        raise JqError(f"setpath({preview(path)}) cannot be applied to: {shown(value)}")
    try:
        return _update(value, path, 0, new, owned or Owned())
    except JqError as error:
        raise JqError(f"setpath({preview(path)}; {preview(new)}) cannot be applied to {preview(value)}: {error}") from error


def delete_paths(value: Any, paths: Any, owned: Owned | None = None) -> Any:
    """`delpaths`: places are marked first and taken out at the end, so that no index moves meanwhile. Raises `JqError`."""
    if type(paths) is not list:
        raise JqError(f"delpaths({preview(paths)}) cannot be applied to: {shown(value)}")
    if not paths:
        return value
    owned = owned or Owned()
    found = value
    for path in paths:
        try:
            found = _update(found, _keys(path), 0, _GONE, owned)
        except JqError as error:
            raise JqError(f"delpaths({preview(paths)}) cannot be applied to {preview(value)}: {error}") from error
    return _swept(found)


def _keys(path: Any) -> list[Any]:
    if type(path) is not list:
        raise JqError(f"expected an array but got: {shown(path)}")
    return path


def _clamp(at: int, least: int, most: int) -> int:
    if at < 0:
        at += most
    return least if at < least else min(at, most)


def _ends(key: dict[str, Any]) -> tuple[Any, Any]:
    if "start" not in key or "end" not in key:
        raise JqError(f'expected "start" and "end" for slicing but got: {shown(key)}')
    return key["start"], key["end"]


def _range(start: Any, end: Any, size: int, what: str = "an array") -> tuple[int, int]:
    first, last = 0, size
    if start is not None:
        if not is_number(start):
            raise JqError(f"expected a number for indexing {what} but got: {shown(start)}")
        first = _clamp(integer_of(start), 0, size)
    if end is not None:
        if not is_number(end):
            raise JqError(f"expected a number for indexing {what} but got: {shown(end)}")
        whole = math.ceil(end) if type(end) is float and math.isfinite(end) else end
        last = _clamp(integer_of(whole), first, size)
    return first, last


def _update(value: Any, path: list[Any], depth: int, new: Any, owned: Owned) -> Any:
    if depth == len(path):
        return new
    if value is _GONE:
        return value
    key = path[depth]
    if type(key) is str:
        if value is not None and type(value) is not dict:
            raise JqError(f"expected an object but got: {shown(value)}")
        return _update_object(value, key, path, depth, new, owned)
    if is_number(key):
        if value is not None and type(value) is not list:
            raise JqError(f"expected an array but got: {shown(value)}")
        return _update_place(value, integer_of(key), path, depth, new, owned)
    if type(key) is dict:
        if value is not None and type(value) is not list:
            raise JqError(f"expected an array but got: {shown(value)}")
        return _update_slice(value, key, path, depth, new, owned)
    if type(value) is list:
        raise JqError(f"expected a number for indexing an array but got: {shown(key)}")
    raise JqError(f"expected a string for object key but got: {shown(key)}")


def _update_object(value: Any, key: str, path: list[Any], depth: int, new: Any, owned: Owned) -> Any:
    if new is _GONE and (value is None or key not in value):
        return value
    inner = _update(None if value is None else value.get(key), path, depth + 1, new, owned)
    found = value if owned.has(value) else owned.take(dict(value or {}))
    found[key] = inner
    return found


def _update_place(value: Any, at: int, path: list[Any], depth: int, new: Any, owned: Owned) -> Any:
    size = 0 if value is None else len(value)
    place = _clamp(at, -1, size)
    if new is _GONE and not 0 <= place < size:
        return value
    if place < 0:
        raise JqError(f"array index should not be negative: {at}")
    if place == size:
        if at >= _LARGEST_INDEX:
            raise JqError(f"array index too large: {at}")
        place = at
    inner = _update(value[place] if place < size else None, path, depth + 1, new, owned)
    found = value if owned.has(value) else owned.take(list(value or ()))
    if place >= size:
        found.extend([None] * (place + 1 - size))
    found[place] = inner
    return found


def _update_slice(value: Any, key: dict[str, Any], path: list[Any], depth: int, new: Any, owned: Owned) -> Any:
    start, end = _ends(key)
    first, last = _range(start, end, 0 if value is None else len(value))
    if new is _GONE and first == last:
        return value
    inner = _update(None if value is None else value[first:last], path, depth + 1, new, owned)
    found = value if owned.has(value) else owned.take(list(value or ()))
    if inner is _GONE:
        found[first:last] = [_GONE] * (last - first)
    elif type(inner) is list:
        found[first:last] = inner
    else:
        raise JqError(f"expected an array but got: {shown(inner)}")
    return found


def _swept(value: Any) -> Any:
    """Without the marked places."""
    if value is _GONE:
        return None
    if type(value) is dict:
        return {key: _swept(item) for key, item in value.items() if item is not _GONE}
    if type(value) is list:
        return [_swept(item) for item in value if item is not _GONE]
    return value
