"""How one value is printed for one verb of Go's `fmt`: flags, width and precision (https://pkg.go.dev/fmt#hdr-Printing)."""

from __future__ import annotations

from typing import Any, Final

from tiphys.languages import duration
from tiphys.languages.golang import times
from tiphys.languages.golang.numbers import decimal_text, format_float
from tiphys.languages.golang.quoting import can_backquote, from_bytes, quote, quote_rune, to_bytes
from tiphys.languages.golang.values import (
    Duration,
    Ints,
    LimitError,
    Lists,
    NilList,
    NilStrings,
    StringMap,
    Strings,
    Struct,
    Time,
    Uint8,
    Uint64,
)

__all__ = ["MAX_PRINTED", "Printer", "type_name"]

MAX_PRINTED: Final = 4 << 20
"""Characters that one call may print, whatever widths and lists it is given."""
_PIECE: Final = 16

_TYPES: Final[dict[type, str]] = {
    type(None): "<nil>",
    bool: "bool",
    int: "int",
    float: "float64",
    complex: "complex128",
    str: "string",
    bytes: "[]uint8",
    list: "[]interface {}",
    NilList: "[]interface {}",
    NilStrings: "[]string",
    Lists: "[][]interface {}",
    Ints: "[]int",
    dict: "map[string]interface {}",
    Strings: "[]string",
    StringMap: "map[string]string",
    Time: "time.Time",
}
_CONTAINERS: Final = (list, tuple, dict)
_BASES: Final = {"d": 10, "v": 10, "b": 2, "o": 8, "O": 8, "x": 16, "X": 16}


def type_name(value: Any) -> str:
    """What `%T` prints: `string`, `float64`, `[]interface {}`, `map[string]interface {}`, `<nil>`."""
    kind = type(value)
    return _TYPES.get(kind) or getattr(kind, "go", "") or kind.__name__


def string_of(value: Any) -> str | None:
    """What the value's own method `String` gives, if its type has one."""
    if isinstance(value, Time):
        return times.string(value)
    if isinstance(value, Duration):
        return duration.format(value)
    if isinstance(value, Struct):
        return str(value)
    if isinstance(value, times.Month | times.Weekday):
        return value.text()
    return None


class Printer:
    """Prints values into `parts`, with the flags of one verb at a time. Raises `LimitError` above `MAX_PRINTED` characters."""

    __slots__ = (
        "_erroring",
        "_room",
        "minus",
        "parts",
        "plus",
        "plus_v",
        "precision",
        "sharp",
        "sharp_v",
        "space",
        "width",
        "zero",
    )

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._room = MAX_PRINTED
        self._erroring = False
        self.clear()

    def clear(self) -> None:
        """No flags."""
        self.minus = self.plus = self.sharp = self.space = self.zero = self.plus_v = self.sharp_v = False
        self.width: int | None = None
        self.precision: int | None = None

    def write(self, text: str) -> None:
        """Text as it is. Each piece counts as some characters, for a list of many short items takes its time as well."""
        self._spend(len(text) + _PIECE)
        self.parts.append(text)

    def _pad(self, text: str, *, zeros: bool = True) -> None:
        missing = (self.width or 0) - len(text)
        if missing > 0:
            if missing > self._room:
                raise LimitError(f"it would print more than {MAX_PRINTED:,} characters")
            text = text + " " * missing if self.minus else ("0" if self.zero and zeros else " ") * missing + text
        self.write(text)

    def argument(self, value: Any, verb: str) -> None:
        """An argument of `Printf`, or one that `Print` prints with `v`."""
        if value is None:
            if verb in "Tv":
                self._pad("<nil>")
            else:
                self._bad(value, verb)
        elif verb == "T":
            self._text(type_name(value), "s")
        elif verb == "p":
            self._pointer(value)
        elif verb == "w":
            self._bad(value, verb)
        elif verb == "v" and self.width is None and self.precision is None and not self._flagged():
            self.parts.append(self._plain(value))
        else:
            self._value(value, verb, top=True)

    def _flagged(self) -> bool:
        return self.minus or self.plus or self.sharp or self.space or self.zero or self.plus_v or self.sharp_v

    def _plain(self, value: Any) -> str:
        """`%v` without flags, the quick way."""
        kind = type(value)
        if kind is str:
            self._spend(len(value))
            return str(value)
        if kind is float:
            return decimal_text(value)
        if kind is bool:
            return "true" if value else "false"
        if kind is dict:
            self._spend(_PIECE * len(value) + sum(map(len, value)))
            return "map[" + " ".join([f"{key}:{self._plain(item)}" for key, item in sorted_items(value)]) + "]"
        if isinstance(value, list):
            self._spend(_PIECE * len(value))
            return "[" + " ".join([self._plain(item) for item in value]) + "]"
        if value is None:
            return "<nil>"
        if kind is int:
            return str(value)
        printer = Printer()
        printer._value(value, "v", top=True)
        return "".join(printer.parts)

    def _spend(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise LimitError(f"it would print more than {MAX_PRINTED:,} characters")

    def _value(self, value: Any, verb: str, *, top: bool = False) -> None:
        kind = type(value)
        if kind is str:
            self._text(value, verb)
        elif kind is bool:
            if verb in "tv":
                self._pad("true" if value else "false")
            else:
                self._bad(value, verb)
        elif kind is float:
            self._float(value, verb)
        elif kind is int:
            self._integer(value, verb, value)
        elif value is None:
            self.write("interface {}(nil)" if self.sharp_v else "<nil>")
        elif isinstance(value, _CONTAINERS):
            self._container(value, verb)
        elif kind is bytes:
            self._bytes(value, verb, "[]byte" if top else "[]uint8")
        elif kind is complex:
            self._complex(value, verb)
        elif not self._stringer(value, verb):
            if isinstance(value, int):
                self._integer(int(value), verb, value)
            else:
                self._opaque(value, verb)

    def _stringer(self, value: Any, verb: str) -> bool:
        if self._erroring or verb not in "vsxXq":
            return False
        if self.sharp_v:
            if not isinstance(value, Time):
                return False
            self._pad(_go_string(value))
            return True
        text = string_of(value)
        if text is None:
            return False
        self._text(text, verb)
        return True

    def _opaque(self, value: Any, verb: str) -> None:
        """A struct whose fields are not ours to show: its text, as `%v` has it."""
        text = string_of(value)
        self.write(text if text is not None else f"{{{type_name(value)}}}" if verb == "v" else f"%!{verb}({type_name(value)})")

    def _bad(self, value: Any, verb: str) -> None:
        if value is None:
            self.write(f"%!{verb}(<nil>)")
            return
        self._erroring = True
        self.write(f"%!{verb}({type_name(value)}=")
        self._value(value, "v")
        self.write(")")
        self._erroring = False

    def _text(self, value: str, verb: str) -> None:
        if verb == "v":
            verb = "q" if self.sharp_v else "s"
        if verb in "xX":
            self._hexadecimal(to_bytes(value), verb)
            return
        if verb not in "sq":
            self._bad(value, verb)
            return
        if self.precision is not None:
            value = value[: self.precision]
        if verb == "q":
            backquoted = self.sharp and can_backquote(value)
            value = f"`{value}`" if backquoted else quote(value, ascii_only=self.plus)
        self._pad(value)

    def _hexadecimal(self, data: bytes, verb: str) -> None:
        if self.precision is not None:
            data = data[: self.precision]
        prefix = ("0x" if verb == "x" else "0X") if self.sharp else ""
        digits = data.hex() if verb == "x" else data.hex().upper()
        text = prefix + digits if digits else ""
        if self.space:
            text = " ".join(prefix + digits[at : at + 2] for at in range(0, len(digits), 2))
        self._pad(text)

    def _bytes(self, value: bytes, verb: str, name: str) -> None:
        if verb in "sq":
            self._text(from_bytes(value), verb)
        elif verb in "xX":
            self._hexadecimal(value, verb)
        elif verb == "v" and self.sharp_v:
            self.write(name + "{" + ", ".join(f"{item:#x}" for item in value) + "}")
        else:
            self._items([Uint8(item) for item in value], verb)

    def _integer(self, value: int, verb: str, shown: Any) -> None:
        if verb == "v" and self.sharp_v and isinstance(shown, Uint8 | Uint64):
            self._pad(f"{value:#x}")
        elif verb in _BASES:
            self._based(value, verb)
        elif verb == "c":
            self._pad(_rune(value))
        elif verb == "q":
            self._pad(quote_rune(_rune(value), ascii_only=self.plus))
        elif verb == "U":
            code = value & ((1 << 64) - 1)
            text = f"U+{code:0{max(self.precision or 0, 4)}X}"
            if self.sharp and code <= 0x10FFFF and chr(code).isprintable():
                text += f" '{chr(code)}'"
            self._pad(text, zeros=False)
        else:
            self._bad(shown, verb)

    def _based(self, value: int, verb: str) -> None:
        base = _BASES[verb]
        sign = "-" if value < 0 else "+" if self.plus else " " if self.space else ""
        least = 0
        if self.precision is not None:
            least = self.precision
            if not least and not value:
                self._pad("", zeros=False)
                return
        elif self.zero and not self.minus and self.width is not None:
            least = self.width - len(sign)
        size = abs(value)
        digits = str(size) if base == 10 else format(size, {2: "b", 8: "o", 16: "X" if verb == "X" else "x"}[base])
        if least - len(digits) > self._room:
            raise LimitError(f"it would print more than {MAX_PRINTED:,} characters")
        digits = digits.rjust(least, "0")
        if self.sharp:
            if base == 8:
                digits = digits if digits[0] == "0" else "0" + digits
            elif base != 10:
                digits = {"b": "0b", "x": "0x", "X": "0X"}[verb] + digits
        if verb == "O":
            digits = "0o" + digits
        self._pad(sign + digits, zeros=False)

    def _float(self, value: float, verb: str) -> None:
        if verb == "v":
            self._decimal(value, "g", -1)
        elif verb in "bgGxX":
            self._decimal(value, verb, -1)
        elif verb in "feEF":
            self._decimal(value, "f" if verb == "F" else verb, 6)
        else:
            self._bad(value, verb)

    def _decimal(self, value: float, verb: str, precision: int) -> None:
        if self.precision is not None:
            precision = self.precision
        text = format_float(value, verb, precision)
        if text[0] not in "+-":
            text = "+" + text
        if self.space and text[0] == "+" and not self.plus:
            text = " " + text[1:]
        if text[1] in "IN":
            if text[1] == "N" and not self.space and not self.plus:
                text = text[1:]
            self._pad(text, zeros=False)  # an infinity keeps its plus
            return
        if self.sharp and verb != "b":
            text = _with_point(text, verb, precision)
        if not self.plus and text[0] == "+":
            self._pad(text[1:])
        elif self.zero and not self.minus and self.width is not None and self.width > len(text):
            self.write(text[0] + text[1:].rjust(self.width - 1, "0"))
        else:
            self._pad(text)

    def _complex(self, value: complex, verb: str) -> None:
        if verb not in "vbgGxXfFeE":
            self._bad(value, verb)
            return
        plus = self.plus
        self.write("(")
        self._float(value.real, verb)
        self.plus = True
        self._float(value.imag, verb)
        self.plus = plus
        self.write("i)")

    def _container(self, value: Any, verb: str) -> None:
        if isinstance(value, dict):
            self._map(value, verb)
        elif self.sharp_v:
            self.write(type_name(value))
            if isinstance(value, NilList | NilStrings):
                self.write("(nil)")
            else:
                self._items(value, verb, "{", ", ", "}")
        else:
            self._items(value, verb)

    def _items(self, items: Any, verb: str, opening: str = "[", between: str = " ", closing: str = "]") -> None:
        self.write(opening)
        for number, item in enumerate(items):
            if number:
                self.write(between)
            self._value(item, verb)
        self.write(closing)

    def _map(self, value: dict[Any, Any], verb: str) -> None:
        self.write(type_name(value) + "{" if self.sharp_v else "map[")
        for number, (key, item) in enumerate(sorted_items(value)):
            if number:
                self.write(", " if self.sharp_v else " ")
            self._value(key, verb)
            self.write(":")
            self._value(item, verb)
        self.write("}" if self.sharp_v else "]")

    def _pointer(self, value: Any) -> None:
        if isinstance(value, list | dict | bytes):
            self.sharp = not self.sharp
            self._based(id(value), "x")
        else:
            self._bad(value, "p")


def sorted_items(value: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """The items of a map in the order in which Go prints and ranges: sorted by key, texts by their bytes."""
    try:
        if all(map(str.isascii, value)):
            return sorted(value.items(), key=_key)
        return sorted(value.items(), key=_key_bytes)
    except TypeError:  # keys that are no texts; only functions of ours could make such a map
        return sorted(value.items(), key=lambda item: (type_name(item[0]), str(item[0])))


def _key(item: tuple[str, Any]) -> str:
    return item[0]


def _key_bytes(item: tuple[str, Any]) -> bytes:
    return to_bytes(item[0])


def _rune(value: int) -> str:
    return chr(value) if 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF else "\ufffd"


def _with_point(text: str, verb: str, precision: int) -> str:
    """The flag `#`: always a point, and for `%g` the zeros that it would cut."""
    digits = (6 if precision == -1 else precision) if verb in "gGx" else 0
    marks = "pP" if verb in "xX" else "eEpP"
    cut = next((at for at, character in enumerate(text) if character in marks), len(text))
    body, tail = text[:cut], text[cut:]
    significant = False
    for character in body[1:]:
        if character == ".":
            continue
        significant = significant or character != "0"
        digits -= significant
    if "." not in body:
        digits -= body[1:] == "0"
        body += "."
    return body + "0" * max(digits, 0) + tail


def _go_string(time: Time) -> str:
    at = time.instant
    name = at.tzname() or ""
    zone = "time.UTC" if name == "UTC" else f"time.Location({quote(name)})"
    nanoseconds = at.microsecond * 1_000 + time.nanoseconds
    month = times.Month(at.month).text()
    return f"time.Date({times.year(time)}, time.{month}, {at.day}, {at.hour}, {at.minute}, {at.second}, {nanoseconds}, {zone})"
