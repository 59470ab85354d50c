"""The one YAML loader: it reads as kubectl does, and knows the line of everything.

A text is cut at its `---` lines, and each part is read on its own, so that a mistake in one document does not hide the others:
`load_documents` returns the good ones *and* the errors. What a scalar means is in `tiphys.schema.scalars`; the bounds on depth, size and
aliases in `tiphys.schema.yaml_events`. JSON is read as well, including what YAML does not know of it.

Lines are not kept: a document keeps its text, and reads it once more when a line is asked for, which is when something is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from tiphys.errors import FieldError, ManifestError
from tiphys.schema.model import join_path
from tiphys.schema.yaml_events import Path, YamlProblem, build

__all__ = ["MAX_DOCUMENT", "MAX_TEXT", "Document", "Loaded", "iter_documents", "load_documents", "parse_path"]

MAX_TEXT: Final = 64 << 20
"""Characters of the longest file."""
MAX_DOCUMENT: Final = 4 << 20
"""Characters of the longest document; etcd takes objects of 1.5 MiB."""

_SEPARATOR: Final = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_DIRECTIVES: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?(?:\n|\Z)|%[^\n]*(?:\n|\Z))*\Z")
_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[]+(?:\[(?!\d+\])[^.\[]*)*)|\.")


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file. `object` is a plain dict of JSON-like values; `origin` names the file, empty if there is none."""

    object: dict[str, Any]
    origin: str = ""
    _text: str = field(default="", repr=False, compare=False)
    _first: int = field(default=1, repr=False, compare=False)
    _index: int = field(default=0, repr=False, compare=False)
    _prefix: Path = field(default=(), repr=False, compare=False)

    def line(self, path: Sequence[str | int] = ()) -> int:
        """The line, from 1, of a field, or of its nearest ancestor that is written."""
        lines = _lines(self._text, self._first, self._index)
        full = (*self._prefix, *path)
        while full and full not in lines:
            full = full[:-1]
        return lines.get(full, self._first)

    def where(self, path: Sequence[str | int] | str = ()) -> str:
        """`file:line` of a field; `path` may be as in a `FieldError` (`spec.triggers[0].template`). Without an origin: `line N`."""
        steps = parse_path(path, self.object) if isinstance(path, str) else tuple(path)
        return f"{self.origin}:{self.line(steps)}" if self.origin else f"line {self.line(steps)}"

    def locate(self, errors: Sequence[FieldError]) -> list[FieldError]:
        """The same errors with `where` filled in, in the order of the text."""
        found = [(self.line(parse_path(error.path, self.object)), error) for error in errors]
        found.sort(key=lambda pair: pair[0])
        return [error if error.where else replace(error, where=self.where(error.path)) for _, error in found]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a text holds: the documents that could be read, and what is wrong with the others."""

    documents: tuple[Document, ...]
    errors: tuple[FieldError, ...]

    def all(self) -> tuple[Document, ...]:
        """The documents, if all of them could be read; raises `ManifestError` otherwise."""
        if self.errors:
            raise ManifestError(self.errors)
        return self.documents


def load_documents(text: str | bytes, origin: str = "") -> Loaded:
    """Read every document of a text; an item of a `List` is a document of its own, an empty document none. Raises nothing: what is
    wrong stands in `errors`."""
    documents: list[Document] = []
    errors: list[FieldError] = []
    for item in iter_documents(text, origin):
        if isinstance(item, Document):
            documents.append(item)
        else:
            errors.append(item)
    return Loaded(tuple(documents), tuple(errors))


def iter_documents(text: str | bytes, origin: str = "") -> Iterator[Document | FieldError]:
    """As `load_documents`, one at a time, for a caller that must not hold up an event loop over a large file."""
    try:
        whole = _decode(text)
        parts = list(_split(whole))
    except YamlProblem as problem:
        yield _error(problem, origin)
        return
    for part, first in parts:
        try:
            yield from _read(part, first, origin)
        except YamlProblem as problem:
            yield _error(problem, origin)


def parse_path(path: str, within: Any = None) -> Path:
    """A path of a `FieldError` as steps: `spec.triggers[0].x` as `("spec", "triggers", 0, "x")`.

    Keys with dots (`metadata.labels.app.kubernetes.io/name`) cannot be told from nested ones by the text; where the object is given,
    the longest key that it has is taken.
    """
    if within is None:
        return tuple(int(match[1]) if match[1] else match[2] for match in _STEP.finditer(path) if match[1] or match[2])
    steps: list[str | int] = []
    rest, here = path, within
    while rest:
        step, rest = _next_step(rest, here)
        steps.append(step)
        here = _child(here, step)
    return tuple(steps)


def _next_step(path: str, here: Any) -> tuple[str | int, str]:
    path = path.removeprefix(".")
    if isinstance(here, dict):
        known = [key for key in here if path == key or path.startswith((f"{key}.", f"{key}["))]
        if known:
            key = max(known, key=len)
            return key, path[len(key) :]
    if match := re.match(r"\[(\d{1,9})\]", path):
        return int(match[1]), path[match.end() :]
    match = re.match(r".[^.\[]*", path, re.DOTALL)
    return (match[0], path[match.end() :]) if match else (path, "")


def _child(here: Any, step: str | int) -> Any:
    if isinstance(here, dict):
        return here.get(step)
    if isinstance(here, list) and isinstance(step, int) and step < len(here):
        return here[step]
    return None


def _decode(text: str | bytes) -> str:
    whole = _from_bytes(text) if isinstance(text, bytes) else text
    if not _is_unicode(whole):
        raise YamlProblem(1, (), "is not Unicode text", "save the file as UTF-8")
    if len(whole) > MAX_TEXT:
        raise YamlProblem(1, (), f"is longer than {MAX_TEXT:,} characters", "split the file")
    return whole.removeprefix("\ufeff")


def _from_bytes(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise YamlProblem(line, (), f"is not {encoding.upper()} text", "save the file as UTF-8") from error


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _split(text: str) -> Iterator[tuple[str, int]]:
    """The documents' texts with the number of their first line. A part of directives (`%YAML 1.1`) belongs to the next."""
    cuts = [0, *(match.start() for match in _SEPARATOR.finditer(text) if match.start()), len(text)]
    start, line = 0, 1
    for end in cuts[1:]:
        part = text[start:end]
        if end < len(text) and "%" in part and _DIRECTIVES.match(part):
            continue
        yield part, line
        line += part.count("\n")
        start = end


def _read(text: str, first: int, origin: str) -> Iterator[Document | FieldError]:
    if len(text) > MAX_DOCUMENT:
        raise YamlProblem(first, (), f"is longer than {MAX_DOCUMENT:,} characters", "split the document")
    for index, value in enumerate(_values(text, first)):
        if value is None:
            continue
        if not isinstance(value, dict):
            kind = "a list" if isinstance(value, list) else "a single value"
            yield _error(YamlProblem(first, (), f"a manifest must be a map, this is {kind}", "begin with 'apiVersion: …'"), origin)
            continue
        yield from _objects(Document(value, origin, text, first, index))


def _values(text: str, first: int) -> Iterator[Any]:
    try:
        yield from [built.value for built in build(text, first=first)]
    except YamlProblem as problem:
        # JSON that YAML does not know: surrogate pairs, long keys on one line.
        if problem.path or not text.lstrip().startswith(("{", "[")):
            raise
        yield _json(text, first, problem)


def _json(text: str, first: int, otherwise: YamlProblem) -> Any:
    """The text as JSON; if it is none, what YAML had to say about it is said."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
            raise YamlProblem(first, (twice,), "is written twice in one object", "keep one of them")
        return found

    def finite(constant: str) -> Any:
        raise YamlProblem(first, (), f"{constant} is no JSON", "write a finite number")

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=finite)
    except (json.JSONDecodeError, RecursionError):
        raise otherwise from None


def _objects(document: Document) -> Iterator[Document | FieldError]:
    """The document itself, or the items of a `List`."""
    value = document.object
    kind, items = value.get("kind"), value.get("items")
    if not (isinstance(kind, str) and kind.endswith("List") and isinstance(items, list)):
        yield document
        return
    for number, item in enumerate(items):
        path: Path = ("items", number)
        if isinstance(item, dict):
            yield replace(document, object=item, _prefix=path)
        else:
            yield FieldError(join_path("", path), "must be a map", "write an object here", where=document.where(path))


def _error(problem: YamlProblem, origin: str) -> FieldError:
    where = f"{origin}:{problem.line}" if origin else f"line {problem.line}"
    return FieldError(join_path("", problem.path) or "document", problem.problem, problem.remedy, where=where)


@lru_cache(maxsize=8)
def _lines(text: str, first: int, index: int) -> dict[Path, int]:
    """The lines of a document that could be read once; none for JSON that is no YAML."""
    try:
        for number, built in enumerate(build(text, first=first, marks=True)):
            if number == index:
                return built.lines
    except YamlProblem:
        return {}
    return {}
