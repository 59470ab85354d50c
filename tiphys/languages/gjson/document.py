"""Paths in a decoded document: the quick way to a text, a number, a boolean or null.

A decoded document says less than its text: of two members with the same name it has the last where gjson finds the first, and it no longer
knows how a number was written. So an answer is taken from it only where it is sure. The name that the path ends with stands in the text
once; or no object in it has the same name twice, which is found out once for each document, by counting names in it and in what encoding it
again makes. Everywhere else the answer is `UNSURE`, and the text must be searched.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from tiphys.languages.gjson.scan import parse_float

__all__ = ["NO_VALUE", "UNSURE", "Document", "Trail", "bool_of", "float_of", "floats"]

NO_VALUE: Final[Any] = object()
"""Stands for nothing; `None` is a null."""

UNSURE: Final[Any] = object()
"""Stands for an answer that only the text can give."""

_NAME: Final = re.compile(rb'"[ \t\r\n]*:')
_SPACED: Final = (b" :", b"\t:", b"\n:", b"\r:")
_STEP: Final = re.compile(
    rb'([A-Za-z0-9_-]+)|#\(([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*) *==? *(?:"([^"\\~][^"\\]*)"|([A-Za-z_][A-Za-z0-9_-]*))\)(?!#)'
)
_INDEX: Final = re.compile(rb"[0-9]{1,18}")
_WORDS: Final = frozenset(("1", "t", "true"))
_FEW: Final = 2


class Document:
    """JSON text and what it decodes to; `payload` is anything else if it is no JSON. It must not be modified."""

    __slots__ = ("_asked", "_canonical", "_distinct", "data", "payload")

    def __init__(self, payload: Any, data: bytes) -> None:
        self.payload, self.data = payload, data
        self._distinct: bool | None = None
        self._canonical = False
        self._asked = 0

    @property
    def distinct(self) -> bool:
        """Whether each of its objects has each name once, so that the decoded document has all that the text has."""
        if self._distinct is None:
            self._distinct = self._counted()
        return self._distinct

    def _counted(self) -> bool:
        data = self.data
        if b"\\u" in data:  # an escape may write a name, a quote, or half a character
            return False
        try:
            encoded = orjson.dumps(self.payload)
        except (TypeError, ValueError):  # too deep, or no JSON
            return False
        self._canonical = encoded == data
        if self._canonical:
            return True
        # a quote and a colon within a text are counted as well, in both alike
        if any(space in data for space in _SPACED):
            return len(_NAME.findall(data)) == len(_NAME.findall(encoded))
        return data.count(b'":') == encoded.count(b'":')

    @property
    def canonical(self) -> bool:
        """Whether it is written as orjson writes it, so that encoding a part of it again makes the part's text."""
        return self.distinct and self._canonical

    def sure_of(self, quoted: bytes) -> bool:
        """Whether a name, given in quotes, leads to the same value here as in the text. The text is searched for it at first; whoever asks
        more often has the whole document looked at, once."""
        if self._distinct:
            return True
        if self._distinct is None and quoted:
            self._asked += 1
            if self._asked <= _FEW and self._once(quoted):
                return True
        return self.distinct or (quoted != b"" and self._once(quoted))

    def _once(self, quoted: bytes) -> bool:
        """Whether it stands in the text once and cannot be written otherwise."""
        data = self.data
        place = data.find(quoted)
        return place >= 0 and data.find(quoted, place + 1) < 0 and not (b"\\" in data and b"\\u" in data)


class _Step:
    """A name, which may be an index, or a query: the element whose member is `wanted`, by the names that lead to the member."""

    __slots__ = ("index", "name", "query", "wanted")

    def __init__(self, name: str, index: int, query: tuple[str, ...] = (), wanted: str = "") -> None:
        self.name, self.index, self.query, self.wanted = name, index, query, wanted


class Trail:
    """A path of plain names, indices and queries for one text (`#(name=="x")`)."""

    __slots__ = ("_steps", "_straight")

    def __init__(self, steps: list[_Step]) -> None:
        self._steps = tuple(steps)
        plain = not any(step.query for step in steps)
        self._straight = tuple((step.name, step.index, f'"{step.name}"'.encode()) for step in steps) if plain else None

    @classmethod
    def of(cls, path: bytes) -> Trail | None:
        """`None` where the path has more to it."""
        steps: list[_Step] = []
        at = 0
        while found := _STEP.match(path, at):
            name, query, quoted, word = found.groups()
            try:
                wanted = (quoted or word or b"").decode()
            except UnicodeDecodeError:
                return None
            if name is not None:
                steps.append(_Step(name.decode(), int(name) if _INDEX.fullmatch(name) else -1))
            else:
                steps.append(_Step("", -1, tuple(query.decode().split(".")), wanted))
            at = found.end()
            if at == len(path):
                return cls(steps)
            if path[at : at + 1] != b".":
                return None
            at += 1
        return None

    def find(self, document: Document) -> Any:
        """The decoded value at the path; `NO_VALUE` for nothing; `UNSURE`. Of an object or list only that it is there is sure."""
        value, last = document.payload, b""
        if self._straight is None:
            return self._asked(value) if document.distinct else UNSURE
        for name, index, quoted in self._straight:
            kind = type(value)
            if kind is dict:
                value, last = value.get(name, NO_VALUE), quoted
                if value is NO_VALUE:
                    break
            elif kind is list and 0 <= index < len(value):
                value = value[index]
            else:
                value = NO_VALUE
                break
        if value is NO_VALUE:
            return NO_VALUE if document.distinct else UNSURE
        if not document.sure_of(last):
            return UNSURE
        return value if type(value) is not str or value.isascii() else _sure(value)

    def _asked(self, value: Any) -> Any:
        for step in self._steps:
            kind = type(value)
            if step.query:
                if kind is not list:
                    return UNSURE
                value = _first(value, step)
                if value is UNSURE or value is NO_VALUE:
                    return value
            elif kind is dict:
                value = value.get(step.name, NO_VALUE)
                if value is NO_VALUE:
                    return NO_VALUE
            elif kind is list and 0 <= step.index < len(value):
                value = value[step.index]
            else:
                return NO_VALUE
        return _sure(value)


def _first(elements: list[Any], step: _Step) -> Any:
    wanted, names = step.wanted, step.query
    for element in elements:
        answer = element
        for name in names:
            if type(answer) is not dict:
                if type(answer) is list:
                    return UNSURE
                answer = None
                break
            answer = answer.get(name)
        if type(answer) is str:
            if answer == wanted:
                return element
        elif answer is not None:
            return UNSURE
    return NO_VALUE


def _sure(value: Any) -> Any:
    """The replacement character may stand for bytes that are no text."""
    return UNSURE if type(value) is str and not value.isascii() and "�" in value else value


def floats(value: Any) -> Any:
    """A decoded value with a float for each whole number, as gjson decodes."""
    kind = type(value)
    if kind is int:
        return float(value)
    if kind is list:
        return [floats(item) for item in value]
    return {key: floats(item) for key, item in value.items()} if kind is dict else value


def float_of(value: Any) -> float:
    """The number form of a text, number, boolean or null, as `Result.float` has it."""
    return parse_float(value.encode("utf-8", "surrogatepass")) if type(value) is str else float(value or 0)


def bool_of(value: Any) -> bool:
    """The truth of a text, number, boolean or null, as `Result.bool` has it."""
    return value.lower() in _WORDS if type(value) is str else bool(value)
