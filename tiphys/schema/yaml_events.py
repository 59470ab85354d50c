"""One YAML document from its parser's events: a plain value and the line of everything in it.

It is built without recursion and with bounds, since a manifest may come from anybody: depth, the number of nodes, and the nodes that
aliases add (a few lines of aliases of aliases would otherwise become gigabytes). A key that occurs twice is refused with both lines; merge
keys (`<<`) work as in go-yaml v2, which kubectl uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from tiphys.schema import scalars

__all__ = ["MAX_ALIASED", "MAX_DEPTH", "MAX_NODES", "Built", "YamlProblem", "build"]

MAX_DEPTH: Final = 100
"""Levels of maps and lists."""
MAX_NODES: Final = 500_000
"""Scalars, maps and lists of one document."""
MAX_ALIASED: Final = 50_000
"""Nodes that aliases and merges may add to a document."""

Path = tuple[str | int, ...]
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlProblem(Exception):  # noqa: N818  it becomes a FieldError in the loader
    """What is wrong with a document: `line` from 1, `path` of the field, `problem`, `remedy`."""

    def __init__(self, line: int, path: Path, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.line, self.path, self.problem, self.remedy = line, path, problem, remedy


@dataclass(frozen=True, slots=True)
class Built:
    """A document: its value, and the line (from 1) of each path if asked for."""

    value: Any
    lines: dict[Path, int]


@dataclass(slots=True)
class _Open:
    """A map or list that is being read: `key` is the key whose value comes next (`waiting`), `keys` the line of each, `merging` says
    that the value of a `<<` comes next."""

    value: Any
    path: Path
    anchor: str | None
    started: int
    line: int
    key: str | None = None
    waiting: bool = False
    merging: bool = False
    keys: dict[str, int] = field(default_factory=dict)


_COMPLEX: Final = "a map or list cannot be a key"


def build(text: str, *, first: int = 1, marks: bool = False) -> Iterator[Built]:
    """The documents of a text, one after another. `first` is the number of its first line; `marks` also collects the lines.
    Raises `YamlProblem`."""
    builder: _Builder | None = None
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                builder = _Builder(first, marks)
            elif builder is not None and isinstance(event, yaml.DocumentEndEvent):
                yield Built(builder.root, builder.lines)
                builder = None
            elif builder is not None:
                builder.take(event)
    except yaml.YAMLError as error:
        raise _syntax_problem(error, text, first) from error


class _Builder:
    """Turns the events of one document into its value."""

    def __init__(self, first: int, marks: bool) -> None:
        self._first = first
        self.root: Any = None
        self.lines: dict[Path, int] = {}
        self._marks = marks
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._incomplete: set[str] = set()
        self._nodes = 0
        self._aliased = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + self._first
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._start(event, line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(str(event.anchor), line)
        else:
            self._scalar(event, line)

    def _start(self, event: Any, line: int) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise YamlProblem(line, self._path(), f"is nested deeper than {MAX_DEPTH} levels", "make it flatter")
        self._count(1, line)
        if self._wants_key():
            raise YamlProblem(line, self._open[-1].path, _COMPLEX, "write a text before ':'")
        path = self._path()
        self._mark(path, line)
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._open.append(_Open(value, path, event.anchor, self._nodes, line))
        if event.anchor:
            self._incomplete.add(event.anchor)

    def _end(self) -> None:
        done = self._open.pop()
        if done.anchor:
            self._incomplete.discard(done.anchor)
            self._anchors[done.anchor] = (done.value, self._nodes - done.started + 1)
        self._put(done.value, done.line)

    def _alias(self, name: str, line: int) -> None:
        if name in self._incomplete:
            raise YamlProblem(line, self._path(), f"the alias *{name} stands within what it names", "write the value out")
        if name not in self._anchors:
            raise YamlProblem(line, self._path(), f"there is no anchor &{name} above", "write it with & where it is defined")
        value, size = self._anchors[name]
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            raise YamlProblem(line, self._path(), f"its aliases stand for more than {MAX_ALIASED:,} values", "write fewer of them")
        self._count(size, line)
        if self._wants_key():
            if not isinstance(value, str):
                raise YamlProblem(
                    line, self._open[-1].path, "an alias that stands for a key must stand for a text", "write the key out"
                )
            self._key(value, line)
            return
        self._mark(self._path(), line)
        self._put(_copy(value), line)

    def _scalar(self, event: Any, line: int) -> None:
        self._count(1, line)
        plain = bool(event.implicit[0])
        try:
            if self._wants_key():
                if event.value == "<<" and (plain or event.tag == f"{scalars.TAG_PREFIX}merge"):
                    self._open[-1].merging = self._open[-1].waiting = True
                    return
                self._key(scalars.key_text(event.value, tag=event.tag, plain=plain), line)
                if event.anchor:
                    self._anchors[event.anchor] = (scalars.resolve(event.value, tag=event.tag, plain=plain), 1)
                return
            value = scalars.resolve(event.value, tag=event.tag, plain=plain)
        except scalars.ScalarError as error:
            raise YamlProblem(line, self._path(), error.problem, error.remedy) from error
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._mark(self._path(), line)
        self._put(value, line)

    def _wants_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and not self._open[-1].waiting

    def _key(self, key: str, line: int) -> None:
        top = self._open[-1]
        if key in top.keys:
            problem = f"is written twice, in line {top.keys[key]} and in line {line}"
            raise YamlProblem(line, (*top.path, key), problem, "keep one of them")
        top.keys[key] = line
        top.key, top.waiting = key, True

    def _put(self, value: Any, line: int) -> None:
        if not self._open:
            self.root = value
            return
        top = self._open[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.merging:
            self._merge(top, value, line)
        else:
            top.value[top.key] = value
            top.key, top.waiting = None, False

    def _merge(self, top: _Open, value: Any, line: int) -> None:
        """As go-yaml v2 does: in the order of the text, so what follows `<<` wins over it, and it over what precedes; of several
        maps the first wins."""
        top.merging = top.waiting = False
        maps = value if isinstance(value, list) else [value]
        if not all(isinstance(item, dict) for item in maps):
            raise YamlProblem(
                line, top.path, "<< wants a map or a list of maps", "write an alias of a map after it, or put << in quotes"
            )
        for item in reversed(maps):
            top.value.update(item)

    def _path(self) -> Path:
        if not self._open:
            return ()
        top = self._open[-1]
        if isinstance(top.value, list):
            return (*top.path, len(top.value))
        return top.path if top.key is None else (*top.path, top.key)

    def _mark(self, path: Path, line: int) -> None:
        top = self._open[-1] if self._open else None
        if self._marks and not (top is not None and top.merging):
            # A field is where its key is, not where its value begins (which may be lines below).
            self.lines[path] = top.keys.get(top.key, line) if top is not None and top.key is not None else line

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise YamlProblem(line, (), f"has more than {MAX_NODES:,} values", "split it into several documents")


def _copy(value: Any) -> Any:
    """An alias's own copy, so that what changes one place does not change the other."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value


_REMEDIES: Final = (
    ("mapping values are not allowed", "put a value that contains ': ' in quotes, or correct the indentation"),
    ("cannot start any token", "put the value in quotes; for indentation use spaces, not tabs"),
    ("tab character", "use spaces, not tabs, for indentation"),
    ("did not find expected key", "correct the indentation of this line or the one before it"),
    ("expected <block end>", "correct the indentation of this line or the one before it"),
    ("could not find expected ':'", "write ': ' after the key, or close the quotes above"),
    ("did not find expected ','", "close the bracket, or put a comma between the items"),
    ("unexpected end of stream", "close the quotes that were opened"),
    ("block sequence entries", "put '- ' on a line of its own, below the key"),
    ("expected hexadecimal", "write \\\\ for a backslash, or use single quotes"),
    ("unknown escape", "write \\\\ for a backslash, or use single quotes"),
    ("not allowed", "take the character out"),
    ("incompatible YAML", "take the %YAML line away"),
)


def _syntax_problem(error: yaml.YAMLError, text: str, first: int) -> YamlProblem:
    """A parser's error as a problem: where, what, what to do."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    before = text[: getattr(error, "position", 0) or 0]
    line = min(mark.line, text.count("\n")) if mark is not None else before.count("\n")
    remedy = next((remedy for part, remedy in _REMEDIES if part in problem), "correct this line or the one before it")
    return YamlProblem(line + first, (), problem, remedy)
