"""Set a value in JSON text, as tidwall/sjson 1.2.5 does: everything else keeps its bytes.

A path has keys and indices with dots between. A number is an index, `-1` appends to an array, `:7` is the key `"7"`, a backslash takes
the meaning from what follows. What is missing on the way is made: an array for an index (filled up with null), else an object; a value that
is neither object nor array is replaced by one. A path with a wildcard, a `#`, a modifier or a pipe (`p.#(name=="x").value`) is one of
gjson's: what it finds in the document is replaced, and where it finds nothing, nothing changes.

Three things differ, for the sake of what comes out:

* an array is filled up with at most `MAX_PADDING` nulls, where sjson goes on until the memory is used up;
* a path has at most `MAX_KEYS` parts;
* what a pipe or a nested `#` collects is left alone. sjson writes to places that it has miscounted, and breaks the document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tiphys.errors import PathError
from tiphys.languages import gjson
from tiphys.languages.gjson.quoting import quote
from tiphys.languages.gjson.scan import trim

__all__ = ["MAX_KEYS", "MAX_PADDING", "Place", "compile"]

MAX_PADDING: Final = 10_000
"""Nulls that an array is filled up with at most."""

MAX_KEYS: Final = 100
"""Parts of a path at most."""


@dataclass(frozen=True, slots=True)
class _Key:
    """A part of a path: `text` without escapes, `search` to find it with, `index` if it is a number, `last` if it is `-1`."""

    text: bytes
    search: gjson.Path
    index: int | None
    last: bool


class Place:
    """A compiled path to set at. `text` is as it was written."""

    __slots__ = ("_keys", "_search", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        if not text:
            raise PathError(text, "is empty", "name the field to set")
        self._search = gjson.compile(text)
        self._keys = _keys(text)

    @property
    def searches(self) -> bool:
        """Whether this is one of gjson's paths, which replaces what it finds and adds nothing."""
        return self._keys is None

    @property
    def flaw(self) -> str:
        """See `gjson.Path.flaw`."""
        return self._search.flaw

    def current(self, document: bytes) -> gjson.Result:
        """What stands here now."""
        return self._search.get(document)

    def set(self, document: bytes, value: bytes) -> bytes:
        """The document with `value`, UTF-8, as a JSON string here. Raises `PathError` if it does not fit (a key in an array)."""
        return self.set_raw(document, _quoted(value))

    def set_raw(self, document: bytes, value: bytes) -> bytes:
        """The document with `value`, JSON text, here. Raises `PathError` if it does not fit."""
        if self._keys is None:
            return self._replace_found(document, value)
        return self._set(document, self._keys, value)

    def _replace_found(self, document: bytes, value: bytes) -> bytes:
        found = self.current(document)
        if not found.exists:
            return document
        if found.index:
            places = [(found.index, found)]
        else:
            places = list(zip(found.indexes or (), (item for _, item in gjson.members(found)), strict=False))
            if len(places) != len(found.indexes or ()):
                return document
        parts, end = [], 0
        for index, item in sorted(places, key=lambda place: place[0]):
            if index < end or not document.startswith(item.raw, index):
                return document  # what was found is not where it is said to be
            parts.append(document[end:index])
            end = index + len(item.raw)
        return value.join([*parts, document[end:]])

    def _set(self, document: bytes, keys: list[_Key], value: bytes) -> bytes:
        """One level after the other is opened where it exists, and the rest is built at the last."""
        before: list[bytes] = []
        after: list[bytes] = []
        text = document
        for number, key in enumerate(keys):
            found = key.search.get(text)
            if not found.index:
                made = self._add(text, keys[number:], value)
                break
            before.append(text[: found.index])
            after.append(text[found.index + len(found.raw) :])
            text = found.raw
        else:
            made = value
        return b"".join(before) + made + b"".join(reversed(after))

    def _add(self, text: bytes, keys: list[_Key], value: bytes) -> bytes:
        """The object or array in `text` with a member for `keys`."""
        key = keys[0]
        holder = gjson.parse(text)
        if holder.type is not gjson.Type.JSON:
            holder = gjson.parse(b"{}" if key.index is None else b"[]")
        raw = holder.raw
        filled = raw[1:].lstrip(_SPACE)[:1] not in (b"", b"}", b"]")
        comma = b"," if filled else b""
        if raw[:1] == b"{":
            end = max(raw.rfind(b"}"), 0)
            return b"%b%b%b}" % (raw[:end], comma, self._build(keys, value, in_array=False))
        built = self._build(keys, value, in_array=True)
        if key.last:
            return b"%b%b%b]" % (trim(raw).removesuffix(b"]"), comma, built)
        if key.index is None:
            raise PathError(
                self.text, f"asks for the key {key.text.decode('utf-8', 'replace')!r} of an array", "write an index, or -1"
            )
        items = [item.raw for item in gjson.elements(holder)]
        nulls = [b"null"] * self._padding(key.index - len(items))
        if not items:
            return b"[%b]" % b",".join([*nulls, built])
        return b"[%b%b%b]" % (b",".join(items + nulls), comma, built)

    def _build(self, keys: list[_Key], value: bytes, *, in_array: bool) -> bytes:
        """What is put in for `keys`, from the inside out."""
        for outer, key in zip(reversed([None, *keys[:-1]]), reversed(keys), strict=True):
            as_element = in_array if outer is None else key.index is not None or key.last
            built = value if as_element else b"%b:%b" % (_quoted(key.text), value)
            if outer is None:
                return built
            value = b"[%b%b]" % (b"null," * self._padding(key.index or 0), built) if as_element else b"{%b}" % built
        return value

    def _padding(self, nulls: int) -> int:
        if nulls > MAX_PADDING:
            raise PathError(
                self.text, f"would fill an array up with {nulls:,} nulls", f"use an index below {MAX_PADDING:,}, or -1 to append"
            )
        return max(nulls, 0)

    def __repr__(self) -> str:
        return f"Place({self.text!r})"


def compile(text: str) -> Place:  # noqa: A001  callers write `sjson.compile`, as with `re.compile`
    """Compile a path to set at. Raises `PathError` for one that is empty or too long."""
    return Place(text)


_SPACE: Final = bytes(range(33))
_SPECIAL: Final = re.compile(rb"\\.?|[.|#@*?]", re.DOTALL)
_MUST_QUOTE: Final = re.compile(rb'[\x00-\x1f\x80-\xff"\\]')
_DIGITS: Final = re.compile(rb"[0-9]*")


def _quoted(text: bytes) -> bytes:
    """A JSON string; one that needs no escapes keeps its `<`, `>` and `&`, as there."""
    return quote(text) if _MUST_QUOTE.search(text) else b'"%b"' % text


def _keys(text: str) -> list[_Key] | None:
    """The parts, or `None` for a path that only gjson understands."""
    path = text.encode("utf-8", "surrogatepass")
    keys: list[_Key] = []
    start = 0
    while start <= len(path):
        forced = path[start : start + 1] == b":"
        start += forced
        key, i, end = bytearray(), start, len(path)
        while special := _SPECIAL.search(path, i):
            key += path[i : special.start()]
            kind, i = special.group(), special.end()
            if kind == b".":
                end = special.start()
                break
            if kind[:1] != b"\\":
                return None
            key += kind[1:]
        else:
            key += path[i:]
        keys.append(_key(bytes(key), path[start:end], forced=forced))
        if len(keys) > MAX_KEYS:
            raise PathError(text, f"has more than {MAX_KEYS} parts", "make it shorter")
        start = end + 1
    return keys


def _key(text: bytes, escaped: bytes, *, forced: bool) -> _Key:
    index = int(text[:19] or b"0") if not forced and _DIGITS.fullmatch(text) else None
    return _Key(text, gjson.compile(escaped.decode("utf-8", "surrogatepass")), index, not forced and text == b"-1")
