"""Go's `encoding/json` of Go's values: `Marshal` with its order, numbers and escapes, and `Unmarshal` into `interface{}`.

Go sorts the keys of maps, writes `<`, `>`, `&`, U+2028 and U+2029 as escapes, `10.0` as `10` and `1e21` as `1e+21`.
"""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any, Final

import orjson

from tiphys.errors import JsonError
from tiphys.languages import gojson
from tiphys.languages.golang import times
from tiphys.languages.golang.numbers import format_float
from tiphys.languages.golang.quoting import replaced, to_bytes
from tiphys.languages.golang.values import GoError, NilList, NilStrings, Struct, Time

__all__ = ["MAX_WRITTEN", "TooLongError", "marshal", "unmarshal"]

MAX_WRITTEN: Final = 1 << 20
"""Characters of the longest text that `marshal` makes, about: a list of lists of the same list has no end in practice."""

_quote: Final = json.JSONEncoder(ensure_ascii=False).encode
_PLAIN: Final = re.compile(r'[^"\\<>&\x00-\x1f\u2028\u2029\ud800-\udfff]*')
_RAW: Final = re.compile("[\u2028\u2029\ud800-\udfff]")
_HTML: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


class TooLongError(GoError):
    """The text would be longer than `MAX_WRITTEN`, or has no end."""


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return "\\ufffd" if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"


def _quoted(text: str, escape_html: bool) -> str:
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    quoted = _quote(text)
    if escape_html:
        quoted = replaced(quoted, _HTML)
    return quoted if text.isascii() else _RAW.sub(_escape, quoted)


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise GoError(f"json: unsupported value: {format_float(value, 'g', -1)}")
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value)) if value or math.copysign(1, value) > 0 else "-0"
    if 1e-6 <= abs(value) < 1e21:
        return format_float(value, "f", -1)
    # Go writes 1e-09 as 1e-9, but keeps two digits after a plus.
    text = format_float(value, "e", -1)
    return text[:-2] + text[-1] if text[-4:-1] == "e-0" else text


class _Writer:
    """One run of `marshal`. Nested structures are written with `indent` where there is one."""

    __slots__ = ("_escape_html", "_indent", "_parts", "_room")

    def __init__(self, escape_html: bool, indent: str) -> None:
        self._escape_html, self._indent = escape_html, indent
        self._parts: list[str] = []
        self._room = MAX_WRITTEN

    def text(self, value: Any) -> str:
        """The whole text."""
        try:
            self._value(value, "\n" if self._indent else "")
        except RecursionError as error:
            raise TooLongError("json: the value is nested too deeply, or contains itself") from error
        return "".join(self._parts)

    def _write(self, text: str) -> None:
        self._room -= len(text)
        if self._room < 0:
            raise TooLongError(f"json: the text would be longer than {MAX_WRITTEN:,} characters")
        self._parts.append(text)

    def _value(self, value: Any, line: str) -> None:
        if isinstance(value, str):
            self._write(_quoted(value, self._escape_html))
        elif value is None or isinstance(value, NilList | NilStrings):
            self._write("null")
        elif isinstance(value, bool):
            self._write("true" if value else "false")
        elif isinstance(value, float):
            self._write(_number(value))
        elif isinstance(value, int):
            self._write(str(int(value)))
        elif isinstance(value, dict):
            self._object(value, line)
        elif isinstance(value, list):
            self._array(value, line)
        else:
            self._other(value, line)

    def _other(self, value: Any, line: str) -> None:
        if isinstance(value, bytes):
            self._write(f'"{base64.b64encode(value).decode()}"')
        elif isinstance(value, Time):
            if not 0 <= times.year(value) <= 9999:
                raise GoError("json: error calling MarshalJSON for type time.Time: year outside of range [0,9999]")
            self._write(f'"{times.format(value, "2006-01-02T15:04:05.999999999Z07:00")}"')
        elif isinstance(value, Struct) and value.kind == "ptr":
            self._write(_quoted(str(value), self._escape_html))  # semver's versions, which write themselves
        elif isinstance(value, Struct):
            self._object(dict(value.fields), line, in_order=True)
        else:
            raise GoError("json: unsupported type: func")

    def _array(self, items: list[Any], line: str) -> None:
        if not items:
            self._write("[]")
            return
        inner = line + self._indent
        self._write("[" + inner)
        for number, item in enumerate(items):
            if number:
                self._write("," + inner)
            self._value(item, inner)
        self._write(line + "]")

    def _object(self, items: dict[str, Any], line: str, in_order: bool = False) -> None:
        if not items:
            self._write("{}")
            return
        inner, colon = line + self._indent, ": " if self._indent else ":"
        self._write("{" + inner)
        keys = list(items) if in_order else sorted(items, key=None if all(map(str.isascii, items)) else to_bytes)
        for number, key in enumerate(keys):
            self._write(("," + inner if number else "") + _quoted(key, self._escape_html) + colon)
            self._value(items[key], inner)
        self._write(line + "}")


def marshal(value: Any, *, escape_html: bool = True, indent: str = "") -> str:
    """The JSON text. Raises `GoError` for NaN, infinities and functions, `TooLongError` for a value that contains itself."""
    return _Writer(escape_html, indent).text(value)


def unmarshal(text: str, *, lenient: bool = False) -> Any:
    """The decoded value, all numbers as floats. Raises `GoError` for text that Go refuses.

    A number beyond a double is such an error too, but what Go has decoded by then has nil in its place: `lenient` gives that.
    """
    data = to_bytes(text)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = _unmarshal_slowly(data)
    try:
        return _floats(value, lenient)
    except RecursionError as error:
        raise GoError("json: nested too deeply") from error


def _unmarshal_slowly(data: bytes) -> Any:
    try:
        return gojson.loads(data)
    except JsonError as error:
        raise GoError(f"json: {error.problem}") from error


def _floats(value: Any, lenient: bool) -> Any:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is dict:
        return {key: _floats(item, lenient) for key, item in value.items()}
    if kind is list:
        return [_floats(item, lenient) for item in value]
    number = float(value)
    if not math.isinf(number):
        return number
    if lenient:
        return None
    raise GoError("json: cannot unmarshal a number beyond a float64 into Go value of type float64")
