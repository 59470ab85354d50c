"""sprig's maps. `set`, `unset` and the merges change the map that they are given, as in Go.

Go goes over a map in any order, so that `keys` and `values` come out differently each time; here they come sorted by key.
"""

from __future__ import annotations

from typing import Any, Final

from tiphys.languages.golang import fmt
from tiphys.languages.golang.values import Function, GoError, NilList, NilStrings, Strings
from tiphys.languages.sprig.bounds import Walk, check_items
from tiphys.languages.sprig.kinds import empty, strval

__all__ = ["FUNCTIONS"]

_Map = dict[str, Any]


def _dict(*pairs: Any) -> _Map:
    """Keys and values in turns; a key at the end has an empty text."""
    made: _Map = {}
    for at in range(0, len(pairs), 2):
        made[strval(pairs[at])] = pairs[at + 1] if at + 1 < len(pairs) else ""
    return made


def _get(given: _Map | None, key: str) -> Any:
    return given.get(key, "") if given else ""


def _set(given: _Map | None, key: str, value: Any) -> _Map:
    if given is None:
        raise GoError("assignment to entry in nil map")
    given[key] = value
    return given


def _unset(given: _Map | None, key: str) -> _Map:
    if given is None:
        return {}
    given.pop(key, None)
    return given


def _has_key(given: _Map | None, key: str) -> bool:
    return given is not None and key in given


def _pluck(key: str, *given: _Map | None) -> list[Any]:
    return [each[key] for each in given if each and key in each]


def _keys(*given: _Map | None) -> Strings:
    check_items("keys", sum(len(each or ()) for each in given))
    return Strings([key for each in given for key, _ in fmt.sorted_items(each or {})])


def _values(given: _Map | None) -> list[Any]:
    return [value for _, value in fmt.sorted_items(given or {})]


def _pick(given: _Map | None, *keys: str) -> _Map:
    return {key: given[key] for key in keys if key in given} if given else {}


def _omit(given: _Map | None, *keys: str) -> _Map:
    out = frozenset(keys)
    return {key: value for key, value in (given or {}).items() if key not in out}


def _merged(given: _Map | None, sources: tuple[_Map | None, ...], overwrite: bool) -> _Map:
    walk = Walk("merge")
    given = {} if given is None else given
    try:
        for source in sources:
            if source is not None:
                _merge(given, source, overwrite, walk)
    except RecursionError as error:
        raise GoError("merge: the maps are nested too deeply, or contain themselves") from error
    return given


def _merge(target: _Map, source: _Map, overwrite: bool, walk: Walk) -> None:
    """mergo's `Merge`: what is missing or empty in the target comes from the source, with `overwrite` all the rest as well.

    Maps within maps are merged in place. A nil of the source counts only with `overwrite`; its empty values then overwrite too.
    """
    walk.step(len(source))
    for key, value in list(source.items()):
        if value is None:
            if overwrite:
                target[key] = None
            continue
        present = target.get(key)
        if isinstance(value, dict) and isinstance(present, dict):
            if type(value) is not type(present) and value:
                raise GoError(f"reflect.Set: value of type {fmt.type_name(value)} is not assignable to {fmt.type_name(present)}")
            _merge(present, value, overwrite, walk)
            if present:
                continue
        if overwrite or _vacant(present):
            target[key] = value


def _vacant(value: Any) -> bool:
    return value is None or empty(value)


def _merge_keeping(given: _Map | None, *sources: _Map | None) -> _Map:
    return _merged(given, sources, overwrite=False)


def _merge_overwriting(given: _Map | None, *sources: _Map | None) -> _Map:
    return _merged(given, sources, overwrite=True)


def _deep_copy(value: Any) -> Any:
    if value is None:
        raise GoError("reflect: call of reflect.Value.Type on zero Value")
    try:
        return _copied(value, Walk("deepCopy"))
    except RecursionError as error:
        raise GoError("deepCopy: the value is nested too deeply, or contains itself") from error


def _copied(value: Any, walk: Walk) -> Any:
    if isinstance(value, NilList | NilStrings):
        return value
    if isinstance(value, dict):
        walk.step(len(value))
        return type(value)({key: _copied(item, walk) for key, item in value.items()})
    if isinstance(value, list):
        walk.step(len(value))
        return type(value)([_copied(item, walk) for item in value])
    return value


def _dig(*arguments: Any) -> Any:
    """`dig "a" "b" default map`: what is at `map.a.b`, or the default where a key is missing."""
    if len(arguments) < 3:
        raise GoError("dig needs at least three arguments")
    *keys, default, value = arguments
    _assert(value, _MAP_TYPE)
    for key in keys:
        _assert(key, "string")
    for key in keys:
        _assert(value, _MAP_TYPE)
        if key not in value:
            return default
        value = value[key]
    return value


_MAP_TYPE: Final = "map[string]interface {}"


def _assert(value: Any, wanted: str) -> None:
    """Go's type assertion."""
    found = fmt.type_name(value)
    if found != wanted:
        raise GoError(f"interface conversion: interface {{}} is {'nil' if value is None else found}, not {wanted}")


_MAP: Final = "map[string]interface{}"
_KEYED: Final = (_MAP, "string")

FUNCTIONS: Final = (
    Function("dict", ("...interface{}",), _dict, _MAP),
    Function("get", _KEYED, _get),
    Function("set", (_MAP, "string", "interface{}"), _set, _MAP),
    Function("unset", _KEYED, _unset, _MAP),
    Function("hasKey", _KEYED, _has_key, "bool"),
    Function("pluck", ("string", "..." + _MAP), _pluck, "[]interface{}"),
    Function("keys", ("..." + _MAP,), _keys, "[]string"),
    Function("values", (_MAP,), _values, "[]interface{}"),
    Function("pick", (_MAP, "...string"), _pick, _MAP),
    Function("omit", (_MAP, "...string"), _omit, _MAP),
    Function("merge", (_MAP, "..." + _MAP), _merge_keeping),
    Function("mustMerge", (_MAP, "..." + _MAP), _merge_keeping),
    Function("mergeOverwrite", (_MAP, "..." + _MAP), _merge_overwriting),
    Function("mustMergeOverwrite", (_MAP, "..." + _MAP), _merge_overwriting),
    Function("deepCopy", ("interface{}",), _deep_copy),
    Function("mustDeepCopy", ("interface{}",), _deep_copy),
    Function("dig", ("...interface{}",), _dig),
)
