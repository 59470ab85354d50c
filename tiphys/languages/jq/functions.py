"""Functions that take values and give one value: by name and number of arguments."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any, Final

from tiphys.languages.jq import clock, formats, matching, paths
from tiphys.languages.jq.mathematics import MATHEMATICS, number_in
from tiphys.languages.jq.numbers import float_of, integer_of
from tiphys.languages.jq.operators import total
from tiphys.languages.jq.values import Halt, JqError, compare, dumps, is_number, kind_of, order, preview, shown

__all__ = ["FUNCTIONS", "values_of"]


def _refuse(name: str, value: Any) -> JqError:
    return JqError(f"{name} cannot be applied to: {shown(value)}")


def _refuse_with(name: str, value: Any, *arguments: Any) -> JqError:
    return JqError(f"{name}({'; '.join(map(preview, arguments))}) cannot be applied to: {shown(value)}")


def values_of(name: str, value: Any) -> list[Any]:
    """The items of a list, or of an object in the order of its keys. Raises `JqError`."""
    if type(value) is list:
        return value
    if type(value) is dict:
        return [value[key] for key in sorted(value)]
    raise _refuse(name, value)


def _list(name: str, value: Any) -> list[Any]:
    if type(value) is not list:
        raise _refuse(name, value)
    return value


def _text(name: str, value: Any, *arguments: Any) -> str:
    if type(value) is not str or not all(type(argument) is str for argument in arguments):
        raise _refuse_with(name, value, *arguments) if arguments else _refuse(name, value)
    return value


def _length(value: Any) -> Any:
    if value is None:
        return 0
    if is_number(value):
        return abs(value)
    if type(value) is bool:
        raise _refuse("length", value)
    return len(value)


def _absolute(value: Any) -> Any:
    if not is_number(value):
        raise _refuse("abs", value)
    return abs(value)


def _keys(value: Any) -> list[Any]:
    if type(value) is list:
        return list(range(len(value)))
    if type(value) is dict:
        return sorted(value)
    raise _refuse("keys", value)


def _has(value: Any, key: Any) -> bool:
    if type(value) is list and is_number(key):
        return 0 <= integer_of(key) < len(value)
    if type(value) is dict and type(key) is str:
        return key in value
    if value is None:
        return False
    raise _refuse_with("has", value, key)


def _contains(value: Any, wanted: Any) -> bool:
    if is_number(value) and is_number(wanted):
        return bool(value == wanted)
    if type(value) is type(wanted):
        if type(value) is str:
            return wanted in value
        if type(value) is list:
            return all(any(_holds(item, want) for item in value) for want in wanted)
        if type(value) is dict:
            return len(value) >= len(wanted) and all(key in value and _holds(value[key], want) for key, want in wanted.items())
        if value == wanted:
            return True
    raise _refuse_with("contains", value, wanted)


def _holds(value: Any, wanted: Any) -> bool:
    try:
        return _contains(value, wanted)
    except JqError:
        return False


def _found(name: str, value: Any, wanted: Any) -> list[int] | None:
    if value is None:
        return None
    if type(value) is list:
        return paths.indices(value, wanted if type(wanted) is list else [wanted])
    if type(value) is str and type(wanted) is str:
        found = []
        at = value.find(wanted) if wanted else -1
        while at >= 0:
            found.append(at)
            at = value.find(wanted, at + 1)
        return found
    raise _refuse_with(name, value, wanted)


def _index(value: Any, wanted: Any) -> int | None:
    found = _found("index", value, wanted)
    return found[0] if found else None


def _last_index(value: Any, wanted: Any) -> int | None:
    found = _found("rindex", value, wanted)
    return found[-1] if found else None


def _implode(value: Any) -> str:
    found = []
    for item in _list("implode", value):
        if not is_number(item):
            raise _refuse("implode", value)
        code = integer_of(item)
        found.append(chr(code) if 0 <= code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "\ufffd")
    return "".join(found)


def _split(value: Any, separator: Any) -> list[str]:
    text, by = _text("split", value), _text("split", separator)
    return text.split(by) if by else list(text)


def _join(value: Any, separator: Any) -> Any:
    if type(value) not in (list, dict):
        raise _refuse_with("join", value, separator)
    items = values_of("join", value)
    if not items:
        return ""
    parts: list[Any] = []
    for place, item in enumerate(items):
        parts.append(separator if place else "")
        parts.append(dumps(item) if is_number(item) or type(item) is bool else item)
    return total(parts)


def _flatten(value: Any, depth: Any = None) -> list[Any]:
    items = values_of("flatten", value)
    levels = math.inf if depth is None else number_in("flatten", depth)
    if not levels >= 0:
        raise JqError(f"flatten depth should not be negative: {preview(depth)}")
    found: list[Any] = []
    stack = [(iter(items), levels)]
    while stack:
        remaining, level = stack[-1]
        for item in remaining:
            if type(item) is list and level != 0:
                stack.append((iter(item), level - 1))
                break
            found.append(item)
        else:
            stack.pop()
    return found


def _keyed(name: str, value: Any, keys: Any) -> list[tuple[Any, Any]]:
    if type(value) is not list:
        raise _refuse_with(name, value, keys) if name.endswith("_by") else _refuse(name, value)
    return sorted(zip(keys, value, strict=True), key=lambda pair: order(pair[0]))


def _grouped(name: str, value: Any, keys: Any) -> list[list[Any]]:
    found: list[list[Any]] = []
    last: Any = None
    for key, item in _keyed(name, value, keys):
        if not found or compare(last, key):
            found.append([])
            last = key
        found[-1].append(item)
    return found


def _extreme(value: Any, keys: Any, *, least: bool) -> Any:
    items = _list("min" if least else "max", value)
    if not items:
        return None
    best = 0
    for place in range(1, len(items)):
        if (compare(keys[best], keys[place]) > 0) is least:
            best = place
    return items[best]


def _transposed(value: Any) -> list[Any]:
    rows = _list("transpose", value)
    if not all(type(row) is list for row in rows):
        raise _refuse("transpose", value)
    width = max(map(len, rows), default=0)
    return [[row[place] if place < len(row) else None for row in rows] for place in range(width)]


def _searched(value: Any, wanted: Any) -> int:
    if type(value) is not list:
        raise _refuse_with("bsearch", value, wanted)
    place = bisect_left(value, order(wanted), key=order)
    return place if place < len(value) and compare(value[place], wanted) == 0 else -place - 1


def _boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    if type(value) is str:
        raise JqError(f"toboolean cannot be applied to {preview(value)}: invalid boolean")
    raise _refuse("toboolean", value)


def _error(value: Any, *given: Any) -> Any:
    raise JqError(given[0] if given else value)


def _halt(_value: Any, *_given: Any) -> Any:
    raise Halt


def _form(value: Any, name: Any) -> str:
    form = formats.FORMATS.get(f"@{_text('format', name)}")
    if form is None:
        raise JqError(f"format not defined: @{name}")
    return form(value)


def _not_loaded(value: Any) -> Any:
    raise JqError(f"cannot load module: {preview(_text('modulemeta', value))}")


def _is_not_a_number(value: Any) -> bool:
    return False if value is None else math.isnan(number_in("isnan", value))


def _is_normal(value: Any) -> bool:
    return is_number(value) and math.isfinite(number := float_of(value)) and abs(number) >= 2.2250738585072014e-308


_SPACES: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_DOWN: Final = {code: code + 32 for code in range(65, 91)}
_UP: Final = {code: code - 32 for code in range(97, 123)}

FUNCTIONS: Final[Mapping[tuple[str, int], Callable[..., Any]]] = {
    ("abs", 0): _absolute,
    ("length", 0): _length,
    ("utf8bytelength", 0): lambda value: len(_text("utf8bytelength", value).encode("utf-8", "replace")),
    ("keys", 0): _keys,
    ("has", 1): _has,
    ("add", 0): lambda value: total(values_of("add", value)),
    ("toboolean", 0): _boolean,
    ("tonumber", 0): formats.to_number,
    ("tostring", 0): formats.to_string,
    ("type", 0): kind_of,
    ("reverse", 0): lambda value: _list("reverse", value)[::-1],
    ("contains", 1): _contains,
    ("inside", 1): lambda value, other: _contains(other, value),
    ("indices", 1): lambda value, wanted: _found("indices", value, wanted),
    ("index", 1): _index,
    ("rindex", 1): _last_index,
    ("startswith", 1): lambda value, part: _text("startswith", value, part).startswith(part),
    ("endswith", 1): lambda value, part: _text("endswith", value, part).endswith(part),
    ("ltrimstr", 1): lambda value, part: _text("ltrimstr", value, part).removeprefix(part),
    ("rtrimstr", 1): lambda value, part: _text("rtrimstr", value, part).removesuffix(part),
    ("trimstr", 1): lambda value, part: _text("trimstr", value, part).removeprefix(part).removesuffix(part),
    ("ltrim", 0): lambda value: _text("ltrim", value).lstrip(_SPACES),
    ("rtrim", 0): lambda value: _text("rtrim", value).rstrip(_SPACES),
    ("trim", 0): lambda value: _text("trim", value).strip(_SPACES),
    ("explode", 0): lambda value: list(map(ord, _text("explode", value))),
    ("implode", 0): _implode,
    ("split", 1): _split,
    ("join", 1): _join,
    ("ascii_downcase", 0): lambda value: _text("ascii_downcase", value).translate(_DOWN),
    ("ascii_upcase", 0): lambda value: _text("ascii_upcase", value).translate(_UP),
    ("tojson", 0): dumps,
    ("fromjson", 0): formats.from_json,
    ("format", 1): _form,
    ("flatten", 0): _flatten,
    ("flatten", 1): lambda value, depth: _flatten(value, "null" if depth is None else depth),
    ("min", 0): lambda value: _extreme(value, value, least=True),
    ("max", 0): lambda value: _extreme(value, value, least=False),
    ("_min_by", 1): lambda value, keys: _extreme(value, keys, least=True),
    ("_max_by", 1): lambda value, keys: _extreme(value, keys, least=False),
    ("sort", 0): lambda value: sorted(_list("sort", value), key=order),
    ("_sort_by", 1): lambda value, keys: [item for _, item in _keyed("sort_by", value, keys)],
    ("_group_by", 1): lambda value, keys: _grouped("group_by", value, keys),
    ("unique", 0): lambda value: [group[0] for group in _grouped("unique", value, value)],
    ("_unique_by", 1): lambda value, keys: [group[0] for group in _grouped("unique_by", value, keys)],
    ("infinite", 0): lambda _: math.inf,
    ("nan", 0): lambda _: math.nan,
    ("isfinite", 0): lambda value: is_number(value) and not math.isinf(float_of(value)),
    ("isinfinite", 0): lambda value: is_number(value) and math.isinf(float_of(value)),
    ("isnan", 0): _is_not_a_number,
    ("isnormal", 0): _is_normal,
    ("setpath", 2): paths.set_path,
    ("delpaths", 1): paths.delete_paths,
    ("transpose", 0): _transposed,
    ("bsearch", 1): _searched,
    ("gmtime", 0): lambda value: clock.broken_down("gmtime", value, local=False),
    ("localtime", 0): lambda value: clock.broken_down("localtime", value, local=True),
    ("mktime", 0): lambda value: clock.seconds_of("mktime", value),
    ("strftime", 1): lambda value, template: clock.formatted("strftime", value, template, local=False),
    ("strflocaltime", 1): lambda value, template: clock.formatted("strflocaltime", value, template, local=True),
    ("strptime", 1): clock.parsed,
    ("now", 0): lambda _: time.time(),
    ("test", 1): lambda value, pattern: matching.test(value, pattern, None),
    ("test", 2): matching.test,
    ("_captures", 0): matching.captures,
    ("error", 0): _error,
    ("error", 1): _error,
    ("halt", 0): _halt,
    ("halt_error", 0): _halt,
    ("halt_error", 1): _halt,
    ("modulemeta", 0): _not_loaded,
    ("env", 0): lambda _: {},
    **MATHEMATICS,
}
"""What is called with the input first, then the arguments."""
