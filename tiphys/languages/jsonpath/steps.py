"""What the tokens of a path do: each takes a value, and hands what it finds to those that follow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tiphys.languages.golang.quoting import to_bytes
from tiphys.languages.golang.values import GoError, Int64
from tiphys.languages.jsonpath.purse import Purse

__all__ = [
    "Expression",
    "Filter",
    "Index",
    "Key",
    "Length",
    "Range",
    "Recursive",
    "Root",
    "Script",
    "Step",
    "Union",
    "Wildcard",
    "integer",
]


class Compiled(Protocol):
    """An expression within a path."""

    def evaluate(self, purse: Purse, root: Any, current: Any) -> Any:
        """Its value. Raises `GoError`."""


class Step(ABC):
    """One token."""

    @abstractmethod
    def apply(self, purse: Purse, root: Any, current: Any, following: Sequence[Step]) -> Any:
        """What this and the following tokens find in `current`. Raises `GoError`."""


def _on(purse: Purse, root: Any, value: Any, following: Sequence[Step]) -> Any:
    return following[0].apply(purse, root, value, following[1:]) if following else value


def _passed(purse: Purse, root: Any, value: Any, following: Sequence[Step]) -> Any:
    """What the following find; nil where they fail."""
    try:
        return _on(purse, root, value, following)
    except GoError:
        return None


def _wrong(step: str, value: Any) -> GoError:
    return GoError(f"jsonpath: {step} has no use for {'nil' if value is None else type(value).__name__}")


def integer(value: Any) -> int | None:
    """A whole number; `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None


def _children(purse: Purse, value: Any, step: str) -> Iterable[Any]:
    if isinstance(value, dict):
        purse.spend(len(value))
        return [value[key] for key in sorted(value)]
    if isinstance(value, list):
        purse.spend(len(value))
        return value
    raise _wrong(step, value)


@dataclass(frozen=True, slots=True)
class Root(Step):
    """`$`, or `@` if `current`."""

    current: bool = False

    def apply(self, purse: Purse, root: Any, current: Any, following: Sequence[Step]) -> Any:
        """From the root, or from where we are."""
        purse.spend(1)
        return _on(purse, root, current if self.current else root, following)


@dataclass(frozen=True, slots=True)
class Key(Step):
    """`.name` and `['name']`."""

    name: str

    def apply(self, purse: Purse, root: Any, current: Any, following: Sequence[Step]) -> Any:
        """The value of the key, which must be there."""
        purse.spend(1)
        if not isinstance(current, dict):
            raise _wrong(f"the key {self.name!r}", current)
        if self.name not in current:
            raise GoError(f"jsonpath: there is no key {self.name!r}")
        return _on(purse, root, current[self.name], following)


@dataclass(frozen=True, slots=True)
class Length(Step):
    """`.length`, which a map can have as a key too."""

    def apply(self, purse: Purse, root: Any, current: Any, following: Sequence[Step]) -> Any:
        """How many."""
        purse.spend(1)
        if isinstance(current, dict) and "length" in current:
            return _on(purse, root, current["length"], following)
        if not isinstance(current, dict | list | str):
            raise _wrong("length", current)
        return _on(purse, root, Int64(len(to_bytes(current) if isinstance(current, str) else current)), following)


@dataclass(frozen=True, slots=True)
class Index(Step):
    """`[0]`, from the end if negative."""

    index: int

    def apply(self, purse: Purse, root: Any, current: Any, following: Sequence[Step]) -> Any:
        """The element, which must be there."""
        purse.spend(1)
        if not isinstance(current, list):
            raise _wrong("an index", current)
        at = self.index + len(current) if self.index < 0 else self.index
        if not 0 <= at < len(current):
            raise GoError("jsonpath: the index is out of range")
        return _on(purse, root, current[at], following)


@dataclass(frozen=True, slots=True)
class Wildcard(Step):
    """`*`."""

    def apply(self, purse: Purse, root: Any, current: Any, following: Sequence[Step]) -> Any:
        """All below."""
        found = [_passed(purse, root, value, following) for value in _children(purse, current, "*")]
        return [value for value in found if value is not None] if following else found


@dataclass(frozen=True, slots=True)
class Recursive(Step):
    """`..`."""

    def apply(self, purse: Purse, root: Any, current: Any, following: Sequence[Step]) -> Any:
        """What the following find here and anywhere below."""
        return list(self._walk(purse, root, current, following))

    def _walk(self, purse: Purse, root: Any, current: Any, following: Sequence[Step]) -> Iterator[Any]:
        if current is None:
            return
        purse.spend(1)
        result = _passed(purse, root, current, following)
        if following and isinstance(result, list):
            purse.spend(len(result))
            yield from result
        elif result is not None:
            yield result
        if isinstance(current, dict | list):
            for value in _children(purse, current, ".."):
                yield from self._walk(purse, root, value, following)


@dataclass(frozen=True, slots=True)
class Filter(Step):
    """`[?(…)]`."""

    text: str
    expression: Compiled

    def apply(self, purse: Purse, root: Any, current: Any, following: Sequence[Step]) -> Any:
        """The elements for which the expression holds; one for which it fails is none of them."""
        if not self.text:
            raise GoError("jsonpath: the expression is empty")
        found = [element for element in _children(purse, current, "a filter") if self._holds(purse, root, element)]
        if not following:
            return found
        if isinstance(following[0], Index):
            return following[0].apply(purse, current, found, following[1:])
        results = [_passed(purse, root, element, following) for element in found]
        return [result for result in results if result is not None]

    def _holds(self, purse: Purse, root: Any, element: Any) -> bool:
        try:
            value = self.expression.evaluate(purse, root, element)
        except GoError:
            return False
        if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            return len(value) > 2
        return bool(value)


@dataclass(frozen=True, slots=True)
class Script(Step):
    """`[(…)]`."""

    text: str
    expression: Compiled

    def apply(self, purse: Purse, root: Any, current: Any, following: Sequence[Step]) -> Any:
        """The key or element that the expression gives."""
        if not self.text:
            raise GoError("jsonpath: the expression is empty")
        value = self.expression.evaluate(purse, root, current)
        if isinstance(value, str):
            return Key(value).apply(purse, root, current, following)
        index = integer(value)
        if index is None:
            raise GoError("jsonpath: the expression gives neither a key nor an index")
        return Index(index).apply(purse, root, current, following)


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression as a bound of a slice or as a part of a union."""

    text: str
    expression: Compiled

    def value(self, purse: Purse, root: Any, current: Any) -> Any:
        """What it gives. Raises `GoError`."""
        if not self.text:
            raise GoError("jsonpath: the expression is empty")
        return self.expression.evaluate(purse, root, current)


def _valued(purse: Purse, root: Any, current: Any, argument: Any) -> Any:
    return argument.value(purse, root, current) if isinstance(argument, Expression) else argument


def _gathered(purse: Purse, root: Any, found: list[Any], following: Sequence[Step]) -> Any:
    """What the following find in each, but for an index, which is of the list of all."""
    if not following:
        return found
    if isinstance(following[0], Index):
        return following[0].apply(purse, root, found, following[1:])
    results = [_passed(purse, root, value, following) for value in found]
    return [result for result in results if result is not None]


@dataclass(frozen=True, slots=True)
class Union(Step):
    """`[0,2]` and `['a','b']`."""

    arguments: tuple[Any, ...]

    def apply(self, purse: Purse, root: Any, current: Any, following: Sequence[Step]) -> Any:
        """Those that are there."""
        keys: list[str] = []
        indices: list[int] = []
        for argument in self.arguments:
            value = _valued(purse, root, current, argument)
            if isinstance(value, str):
                keys.append(value)
            elif (index := integer(value)) is not None:
                indices.append(index)
            else:
                raise GoError("jsonpath: a union has keys or indices")
            if keys and indices:
                raise GoError("jsonpath: a union has either keys or indices")
        purse.spend(len(self.arguments))
        if keys and isinstance(current, dict):
            found = [current[key] for key in keys if key in current]
        elif keys or not isinstance(current, list):
            raise _wrong("a union", current)
        else:
            positions = [index + len(current) if index < 0 else index for index in indices]
            found = [current[at] for at in positions if 0 <= at < len(current)]
        return _gathered(purse, root, found, following)


@dataclass(frozen=True, slots=True)
class Range(Step):
    """`[start:stop:step]`."""

    start: Any
    stop: Any
    step: Any

    def apply(self, purse: Purse, root: Any, current: Any, following: Sequence[Step]) -> Any:
        """The elements between the bounds, which are cut to those of the list."""
        if not isinstance(current, list):
            raise _wrong("a slice", current)
        count = len(current)
        start = self._bound(purse, root, current, self.start, 0)
        stop = self._bound(purse, root, current, self.stop, count)
        step = self._number(purse, root, current, self.step, 1)
        if not step:
            raise GoError("jsonpath: the step of a slice is zero")
        positions = range(stop - 1, start - 1, step) if step < 0 else range(start, stop, step)
        purse.spend(len(positions))
        return _gathered(purse, root, [current[at] for at in positions], following)

    def _bound(self, purse: Purse, root: Any, current: list[Any], argument: Any, default: int) -> int:
        value = self._number(purse, root, current, argument, default)
        return min(max(value + len(current) if value < 0 else value, 0), len(current))

    @staticmethod
    def _number(purse: Purse, root: Any, current: Any, argument: Any, default: int) -> int:
        if argument is None:
            return default
        value = integer(_valued(purse, root, current, argument))
        if value is None:
            raise GoError("jsonpath: the bounds of a slice are integers")
        return value
