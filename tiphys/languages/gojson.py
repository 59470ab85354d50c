"""JSON as Go's encoding/json takes it, for the few texts that orjson refuses.

argo-events embeds a body as it came if Go finds it well-formed. Three kinds of text are well-formed there and no JSON to orjson: a lone
surrogate (`"\\ud800"`), bytes that are not UTF-8, and a number beyond a double (`1e400`). Here the first two read as U+FFFD, as in Go,
and the third as infinity. It is the slow way: ask orjson first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from tiphys.errors import JsonError

__all__ = ["loads"]


_DEEPEST: Final = 1024
_STRUCTURE: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
"""A string, one that never ends as well: it would be looked for anew at each of its escaped quotes."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _deeper(text: str, levels: int) -> bool:
    """Whether brackets nest deeper than so many levels, those within strings left out."""
    depth = 0
    for match in _STRUCTURE.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth > levels:
                return True
        elif match[0] in "]}":
            depth -= 1
    return False


def loads(data: bytes, *, parse_int: Callable[[str], int | float] | None = None) -> Any:
    """The decoded value. Integers beyond 64 bits become floats, as with orjson, unless `parse_int` reads them. Raises `JsonError` for
    text that Go refuses, and for nesting beyond 1,024 levels, orjson's own bound (a little earlier before Python 3.12, whose decoder
    recurses)."""
    text = data.decode("utf-8", "replace")
    if _deeper(text, _DEEPEST):
        raise JsonError(text, "is nested too deeply")
    try:
        value = json.loads(text, parse_int=parse_int or _integer, parse_constant=_no_constant)
        return _mended(value) if "\\u" in text else value
    except json.JSONDecodeError as error:
        raise JsonError(text, error.msg, offset=error.pos) from error
    except RecursionError as error:
        raise JsonError(text, "is nested too deeply") from error


def _no_constant(name: str) -> NoReturn:
    raise JsonError(name, "is no JSON value", "JSON has no NaN and no infinity")


def _integer(digits: str) -> int | float:
    if len(digits) > 20:
        return float(digits)
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(number)


def _mended(value: Any) -> Any:
    """Lone surrogates replaced, in keys as well."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)  # the decoder has joined those that are pairs
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return value
