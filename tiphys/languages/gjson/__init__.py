"""gjson paths, as tidwall/gjson 1.19 has them: dots, wildcards, indices, `#`, queries, pipes, modifiers, multipaths, literals, lines.

A path is compiled once and looks at JSON text, never at a decoded copy of it, since what it finds keeps its text: `1.50`, `1e21`,
`9007199254740993`, the spaces inside an object. Text that is no JSON gets gjson's answer too, which is rarely an error.

    path = gjson.compile("body.commits.#(author.name==\"Ada\")#.id")
    path.get(event.data).raw

Where gjson would use up memory, time or stack, this does not, since a path is a tenant's and the process serves them all. A search that
goes through the document more than 16 times (8 MiB, if it is small) or more than 200 levels deep raises `PathError`. A wildcard always gets
its right answer, where gjson gives up on hostile ones. An index of more than 18 digits finds nothing, where gjson's wraps around.
"""

from __future__ import annotations

from typing import Any, Final

from tiphys.errors import PathError
from tiphys.languages.gjson.budget import MAX_NESTING, MIN_WORK, PASSES, Budget
from tiphys.languages.gjson.document import NO_VALUE, UNSURE, Document, Trail, bool_of, float_of, floats
from tiphys.languages.gjson.plain import Plain
from tiphys.languages.gjson.result import NOTHING, Result, Text, Type, decode, format_float
from tiphys.languages.gjson.result import parse as parse_text
from tiphys.languages.gjson.search import search
from tiphys.languages.gjson.syntax import Route
from tiphys.languages.gjson.validity import valid
from tiphys.languages.gjson.values import elements, members

__all__ = [
    "MAX_NESTING",
    "MAX_PATH",
    "MIN_WORK",
    "NOTHING",
    "NO_VALUE",
    "PASSES",
    "UNSURE",
    "Document",
    "Path",
    "Result",
    "Text",
    "Type",
    "bool_of",
    "compile",
    "decode",
    "elements",
    "float_of",
    "format_float",
    "members",
    "parse",
    "valid",
]

MAX_PATH: Final = 16_384
"""Bytes of the longest path."""


class Path:
    """A compiled path. `text` is as it was written."""

    __slots__ = ("_plain", "_route", "_trail", "text")

    def __init__(self, text: str) -> None:
        encoded = text.encode("utf-8", "surrogatepass")
        if len(encoded) > MAX_PATH:
            raise PathError(text, f"is longer than {MAX_PATH:,} bytes", "make it shorter")
        self.text = text
        self._route = Route(encoded)
        self._plain = Plain.of(encoded)
        self._trail = Trail.of(encoded)

    def get(self, data: bytes) -> Result:
        """What is at this path in JSON text. Raises `PathError` if that takes too much work; see `MIN_WORK`, `PASSES` and `MAX_NESTING`."""
        return search(Text.of(data), self._route, Budget(self._route.text, len(data)))

    def get_from(self, payload: Any, data: bytes) -> Result:
        """The same, quicker where it can be, for `payload` = the decoded `data` (anything else if it is no JSON, for instance `NOT_JSON`).

        A path of plain keys and indices that leads to a string, a boolean, null or a whole number is followed in `payload`. Where that
        could give another answer (a key that occurs twice, a fraction, an object, whose text counts) the text is searched.
        """
        if self._plain is not None:
            found = self._plain.follow(payload, data)
            if found is not None:
                return found
        return self.get(data)

    def decoded_in(self, document: Document) -> Any:
        """What the decoded document has at this path, in a microsecond, where it is sure to have what `get` finds.

        `NO_VALUE` for nothing, `UNSURE` where `get` must be asked. An `int` is a number that is written as one, within 64 bits. Of an
        object or list only that it is there is sure, and its content if the document is `distinct`.
        """
        return UNSURE if self._trail is None else self._trail.find(document)

    def value_in(self, document: Document) -> Any:
        """The decoded value of what `get` finds, with floats for all numbers; `NO_VALUE` for nothing. Raises `PathError`."""
        value = UNSURE if self._trail is None else self._trail.find(document)
        kind = type(value)
        if kind is str or kind is bool or kind is float or value is None or value is NO_VALUE:
            return value
        if kind is int and value:
            return float(value)
        if value is not UNSURE and b"-0" not in document.data and (kind is int or document.distinct):
            return floats(value)
        found = self.get_from(document.payload, document.data)
        return found.value if found.exists else NO_VALUE

    @property
    def flaw(self) -> str:
        """What makes this path another than was meant, empty for most: a query or multipath that is never closed. gjson says nothing and
        finds something else."""
        return self._route.flaw

    def __repr__(self) -> str:
        return f"Path({self.text!r})"


def parse(data: bytes) -> Result:
    """The first value in JSON text, without a path. An object or array takes everything to the end, as it stands."""
    return parse_text(Text.of(data))


def compile(text: str) -> Path:  # noqa: A001  callers write `gjson.compile`, as with `re.compile`
    """Compile a path. Any text is a path in gjson; raises `PathError` only for one that is longer than `MAX_PATH`."""
    return Path(text)
