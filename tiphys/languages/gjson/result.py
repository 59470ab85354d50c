"""What gjson finds: a view into JSON text, and its conversions."""

from __future__ import annotations

import builtins
import json
import re
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from tiphys.languages.gjson.scan import literal_end, number_end, parse_float, string_end, unescape

__all__ = ["NOTHING", "Result", "Text", "Type", "decode", "format_float", "parse"]


class Text(NamedTuple):
    """JSON text: `buf` from `start` to `end`. Two texts in the same `buf` share memory, which is what tells where one lies in another."""

    buf: bytes
    start: int
    end: int

    @classmethod
    def of(cls, buf: bytes) -> Text:
        """All of `buf`."""
        return cls(buf, 0, len(buf))

    def copy(self) -> bytes:
        """As bytes of their own."""
        return self.buf if self.end - self.start == len(self.buf) else self.buf[self.start : self.end]

    def offset_in(self, outer: Text) -> int:
        """Where this lies in `outer`, counted from its start; 0 also where that is not known."""
        inside = self.buf is outer.buf and self.start < self.end and outer.start <= self.start < outer.end
        return self.start - outer.start if inside else 0


class Type(StrEnum):
    """The six types. `Null` is also the type of what does not exist."""

    NULL = "Null"
    FALSE = "False"
    NUMBER = "Number"
    STRING = "String"
    TRUE = "True"
    JSON = "JSON"


_NO_TEXT: Final = Text(b"", 0, 0)
_TRUE_WORDS: Final = frozenset((b"1", b"t", b"true"))
_FALSE_WORDS: Final = frozenset((b"0", b"f", b"false"))
_INTEGER: Final = re.compile(rb"-?[0-9]*")


class Result:
    """What was found at a path. Immutable.

    `type` is its type, `text` the JSON text as a view, `index` where that text begins in what was searched (0 if that is not known, as
    for what was built), and `indexes` the same for each element of what `#` collected.
    """

    __slots__ = ("_number", "_string", "index", "indexes", "text", "type")

    def __init__(
        self,
        kind: Type = Type.NULL,
        text: Text = _NO_TEXT,
        string: bytes = b"",
        number: float | None = None,
        index: int = 0,
        indexes: list[int] | None = None,
    ) -> None:
        self.type, self.text, self.index, self.indexes = kind, text, index, indexes
        self._string, self._number = string, number

    @classmethod
    def of_string(cls, text: str) -> Result:
        """A string that comes from elsewhere, for instance from a template, with the same conversions."""
        encoded = text.encode("utf-8", "surrogatepass")
        return cls(Type.STRING, Text.of(json.dumps(text).encode()), encoded)

    def at(self, index: int, indexes: list[int] | None) -> Result:
        """The same value with other places."""
        return Result(self.type, self.text, self._string, self._number, index, indexes)

    @property
    def exists(self) -> bool:
        """Whether anything was found; a `null` was."""
        return self.type is not Type.NULL or self.text.end > self.text.start

    @property
    def raw(self) -> bytes:
        """The JSON text as it stands in the document, spaces included; empty if nothing was found."""
        return self.text.copy()

    @property
    def utf8(self) -> bytes:
        """`string` as bytes, which are not always UTF-8."""
        kind = self.type
        if kind is Type.STRING:
            return self._string
        if kind is Type.JSON:
            return self.raw
        if kind is Type.NUMBER:
            return self.raw if _INTEGER.fullmatch(*self.text) else format_float(self.number).encode()
        return b"true" if kind is Type.TRUE else b"false" if kind is Type.FALSE else b""

    @property
    def string(self) -> str:
        """The text form: of a string its content, of an object or array its JSON text, of a number its digits (`1.50` is `1.5`, while
        whole numbers of any length stay), `""` for null. Bytes that are not UTF-8 show as U+FFFD."""
        return decode(self.utf8)

    @property
    def number(self) -> float:
        """The value of a number, else 0."""
        if self._number is None:
            self._number = parse_float(self.raw) if self.type is Type.NUMBER else 0.0
        return self._number

    @property
    def float(self) -> builtins.float:
        """The number form: 1 for true, what a string says if it is a number, else 0."""
        if self.type is Type.STRING:
            return parse_float(self._string)
        return 1.0 if self.type is Type.TRUE else self.number

    @property
    def bool(self) -> builtins.bool:
        """True for `true`, for a number that is not 0, and for the strings `1`, `t` and `true` in any case."""
        if self.type is Type.STRING:
            return self._string.lower() in _TRUE_WORDS
        return self.type is Type.TRUE or (self.type is Type.NUMBER and self.number != 0)

    @property
    def truth(self) -> builtins.bool | None:
        """What `~true` and `~false` ask: `None` is neither."""
        if self.type is Type.STRING:
            word = self._string.lower()
            return True if word in _TRUE_WORDS else False if word in _FALSE_WORDS else None
        return None if self.type is Type.JSON else self.bool

    @property
    def value(self) -> Any:
        """The decoded value; all numbers are floats; of equal keys the first counts. Raises `PathError` beyond 1,000 levels."""
        match self.type:
            case Type.STRING:
                return decode(self._string)
            case Type.NUMBER:
                return self.number
            case Type.TRUE:
                return True
            case Type.FALSE:
                return False
            case Type.JSON:
                from tiphys.languages.gjson.values import decoded  # noqa: PLC0415  it is made of results

                return decoded(self.text)
            case Type.NULL:
                return None

    def __repr__(self) -> str:
        return f"Result({self.type}, {self.raw!r})" if self.exists else "Result(nothing)"


NOTHING: Final = Result()


def decode(text: bytes) -> str:
    """UTF-8 as Go reads it: each byte that is none becomes U+FFFD."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return re.sub("[\udc80-\udcff]", "�", text.decode("utf-8", "surrogateescape"))


def format_float(number: float) -> str:
    """The shortest decimal that is this number, without an exponent (`strconv.FormatFloat(n, 'f', -1, 64)`)."""
    if number != number:  # noqa: PLR0124  NaN
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "+Inf" if number > 0 else "-Inf"
    return format(Decimal(repr(number)), "f").removesuffix(".0")


_VALUE_START: Final = re.compile(rb"[^\x00-\x20]")


def parse(text: Text) -> Result:
    """The first value in a text. An object or array takes everything to the end, as it stands."""
    buf, start, end = text
    found = _VALUE_START.search(buf, start, end)
    if found is None:
        return NOTHING
    i = found.start()
    kind = buf[i]
    if kind in b"{[":
        return Result(Type.JSON, Text(buf, i, end), index=i - start)
    if kind == 0x22:
        return _string(buf, i, end).at(i - start, None)
    if kind in b"+-0123456789iIN" or (kind == 0x6E and i + 1 < end and buf[i + 1] != 0x75):
        return Result(Type.NUMBER, Text(buf, i, number_end(buf, i, end)), index=i - start)
    if literal := {0x6E: Type.NULL, 0x74: Type.TRUE, 0x66: Type.FALSE}.get(kind):
        return Result(literal, Text(buf, i, literal_end(buf, i, end)), index=i - start)
    return NOTHING


def _string(buf: bytes, i: int, end: int) -> Result:
    """The string that opens at `i`; one that is never closed goes to the end."""
    close = string_end(buf, i + 1, end)
    inside = buf[i + 1 : end if close < 0 else close - 1]
    return Result(Type.STRING, Text(buf, i, end if close < 0 else close), unescape(inside) if b"\\" in inside else inside)
