"""Go's `fmt`: `Sprint`, `Sprintf` and `Sprintln` of Go's values (`tiphys.languages.golang.values`).

What is printed is Go's to the letter, misuse included: `%!d(string=x)`, `%!v(MISSING)`, `%!(EXTRA int=1)`, `%!(NOVERB)`.
"""

from __future__ import annotations

import re
from typing import Any, Final

from tiphys.languages.golang.numbers import decimal_text
from tiphys.languages.golang.verbs import MAX_PRINTED, Printer, sorted_items, type_name

__all__ = ["MAX_PRINTED", "sorted_items", "sprint", "sprintf", "sprintln", "type_name"]

_FLAGS: Final = {"#": "sharp", "0": "zero", "+": "plus", "-": "minus", " ": "space"}
_DIGITS: Final = re.compile(r"[0-9]+")
_INDEX: Final = re.compile(r"\[([^\]]*)\]")
_TOO_LARGE: Final = 1_000_000


def sprint(*values: Any) -> str:
    """`fmt.Sprint`: each value as `%v` prints it, with a space between two that are no strings. Raises `LimitError` if it is huge."""
    if len(values) == 1:
        value = values[0]
        kind = type(value)
        if kind is str:
            return str(value)
        if kind is float:
            return decimal_text(value)
        if kind is bool:
            return "true" if value else "false"
        if kind is int:
            return str(value)
    printer = Printer()
    after_string = True
    for value in values:
        is_string = isinstance(value, str)
        if not is_string and not after_string:
            printer.write(" ")
        printer.argument(value, "v")
        after_string = is_string
    return "".join(printer.parts)


def sprintln(*values: Any) -> str:
    """`fmt.Sprintln`: with a space between all of them and a newline at the end."""
    printer = Printer()
    for number, value in enumerate(values):
        if number:
            printer.write(" ")
        printer.argument(value, "v")
    printer.write("\n")
    return "".join(printer.parts)


def sprintf(layout: str, *values: Any) -> str:
    """`fmt.Sprintf`. Raises `LimitError` only if it would print more than `MAX_PRINTED` characters."""
    printer = Printer()
    _Layout(printer, layout, values).run()
    return "".join(printer.parts)


class _Layout:
    """One run over a layout: where it stands, and which argument is next."""

    __slots__ = ("_after_index", "_at", "_good", "_layout", "_next", "_printer", "_reordered", "_values")

    def __init__(self, printer: Printer, layout: str, values: tuple[Any, ...]) -> None:
        self._printer, self._layout, self._values = printer, layout, values
        self._at = self._next = 0
        self._reordered = self._after_index = False
        self._good = True

    def run(self) -> None:
        printer, layout, end = self._printer, self._layout, len(self._layout)
        while self._at < end:
            percent = layout.find("%", self._at)
            if percent < 0:
                percent = end
            if percent > self._at:
                printer.write(layout[self._at : percent])
            if percent == end:
                break
            self._at = percent + 1
            if not self._directive():
                printer.write("%!(NOVERB)")
                break
        if not self._reordered and self._next < len(self._values):
            self._extra()

    def _directive(self) -> bool:
        """One `%…`; false if the layout ends within it."""
        printer, layout, end = self._printer, self._layout, len(self._layout)
        printer.clear()
        self._good, self._after_index = True, False
        while self._at < end and (flag := _FLAGS.get(layout[self._at])):
            setattr(printer, flag, True)
            self._at += 1
        if self._at < end and "a" <= layout[self._at] <= "z" and self._next < len(self._values):
            self._at += 1
            self._print(layout[self._at - 1])
            return True
        self._index()
        self._width()
        if self._at + 1 < end and layout[self._at] == ".":
            self._precision()
        if not self._after_index:
            self._index()
        if self._at >= end:
            return False
        verb = layout[self._at]
        self._at += 1
        if verb == "%":
            printer.write("%")
        elif not self._good:
            printer.write(f"%!{verb}(BADINDEX)")
        elif self._next >= len(self._values):
            printer.write(f"%!{verb}(MISSING)")
        else:
            self._print(verb)
        return True

    def _print(self, verb: str) -> None:
        printer = self._printer
        if verb in "vw":
            printer.sharp_v, printer.sharp = printer.sharp, False
            printer.plus_v, printer.plus = printer.plus, False
        printer.argument(self._values[self._next], verb)
        self._next += 1

    def _index(self) -> None:
        """`[3]`: which argument is next."""
        self._after_index = False
        if self._layout[self._at : self._at + 1] != "[":
            return
        self._reordered = True
        match = _INDEX.match(self._layout, self._at) if len(self._layout) - self._at >= 3 else None
        if match is None:
            self._good = False
            self._at += 1
            return
        self._at = match.end()
        digits = match.group(1)
        if not (digits.isascii() and digits.isdecimal()) or int(digits[:9]) > _TOO_LARGE:
            self._good = False
        else:
            self._after_index = True
            if 1 <= int(digits) <= len(self._values):
                self._next = int(digits) - 1
            else:
                self._good = False

    def _width(self) -> None:
        printer = self._printer
        if self._layout[self._at : self._at + 1] == "*":
            self._at += 1
            width = self._argument()
            if width is None:
                printer.write("%!(BADWIDTH)")
            elif width < 0:
                printer.width, printer.minus, printer.zero = -width, True, False
            else:
                printer.width = width
            self._after_index = False
        else:
            printer.width = self._number()
            if self._after_index and printer.width is not None:
                self._good = False

    def _precision(self) -> None:
        printer = self._printer
        self._at += 1
        if self._after_index:
            self._good = False
        self._index()
        if self._layout[self._at : self._at + 1] == "*":
            self._at += 1
            precision = self._argument()
            printer.precision = None if precision is None or precision < 0 else precision
            if printer.precision is None:
                printer.write("%!(BADPREC)")
            self._after_index = False
        else:
            printer.precision = self._number() or 0

    def _argument(self) -> int | None:
        """The width or precision that `*` takes from the arguments."""
        if self._next >= len(self._values):
            return None
        value = self._values[self._next]
        self._next += 1
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _TOO_LARGE:
            return None
        return int(value)

    def _number(self) -> int | None:
        match = _DIGITS.match(self._layout, self._at)
        if match is None:
            return None
        number = 0
        for digit in match.group():
            if number > _TOO_LARGE:  # asked before each digit, so that 9,999,999 passes, as in Go
                self._at = len(self._layout)
                return None
            number = number * 10 + int(digit)
        self._at = match.end()
        return number

    def _extra(self) -> None:
        printer = self._printer
        printer.clear()
        printer.write("%!(EXTRA ")
        for number, value in enumerate(self._values[self._next :]):
            if number:
                printer.write(", ")
            if value is None:
                printer.write("<nil>")
            else:
                printer.write(f"{type_name(value)}=")
                printer.argument(value, "v")
        printer.write(")")
