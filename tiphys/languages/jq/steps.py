"""What a program runs as: steps, each a function of a value that gives any number of values.

A step gets the value, the path and the environment, and yields pairs of value and path. The path is `None` but within `path(…)` and the
left side of an assignment: there it is the keys so far and the value that they lead to. A step that is no path (`length`, `1`) leaves it
as it is; the next one that goes on from there finds that the value is another, and errs.

The environment is a chain of pairs `(entry, outer)`. An entry is the value of a variable, or a step with its own environment where a
function was given as an argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from tiphys.languages.jq import matching, paths
from tiphys.languages.jq.numbers import float_of
from tiphys.languages.jq.operators import add
from tiphys.languages.jq.values import BreakError, JqError, is_number, same, shown

__all__ = [
    "Environment",
    "Found",
    "Path",
    "Step",
    "alternative",
    "assign",
    "extended",
    "first",
    "is_empty",
    "iterate",
    "last",
    "limit",
    "modify",
    "numbers",
    "outer",
    "paths_of",
    "products",
    "repeat",
    "skip",
    "splits",
    "spread",
    "substitute",
    "tried",
    "true",
]

Path: TypeAlias = tuple[tuple[Any, ...], Any] | None
Environment: TypeAlias = Any
Found: TypeAlias = Iterator[tuple[Any, Path]]
Step: TypeAlias = Callable[[Any, Path, Environment], Found]


def true(value: Any) -> bool:
    """Everything but `null` and `false`."""
    return value is not None and value is not False


def outer(environment: Environment, steps: int) -> Environment:
    """The environment so many entries further out."""
    while steps:
        environment = environment[1]
        steps -= 1
    return environment


def extended(path: Path, value: Any, key: Any, inner: Any) -> Path:
    """The path one key further. Raises `JqError` where the value is not what the path leads to."""
    if path is None:
        return None
    if not same(value, path[1]):
        raise JqError(f"invalid path against: {shown(value)}")
    return (*path[0], key), inner


def iterate(value: Any, path: Path) -> Found:
    """`.[]`."""
    if type(value) is list:
        keys: Sequence[Any] = range(len(value))
    elif type(value) is dict:
        keys = sorted(value)
    else:
        raise JqError(f"cannot iterate over: {shown(value)}")
    if path is None:
        for key in keys:
            yield value[key], None
        return
    if not same(value, path[1]):
        raise JqError(f"invalid path on iterating against: {shown(value)}")
    for key in keys:
        yield value[key], ((*path[0], key), value[key])


def paths_of(step: Step, value: Any, environment: Environment) -> Iterator[list[Any]]:
    """`path(step)`."""
    for found, path in step(value, ((), value), environment):
        keys, there = path or ((), value)
        if not same(found, there):
            raise JqError(f"invalid path against: {shown(found)}")
        yield list(keys)


def products(steps: Sequence[Step], value: Any, environment: Environment) -> Iterator[list[Any]]:
    """A value of each, in all combinations; those of the first change fastest."""
    if not steps:
        yield []
        return
    *before, final = steps
    for item, _ in final(value, None, environment):
        for rest in products(before, value, environment):
            yield [*rest, item]


def alternative(left: Step, right: Step, value: Any, path: Path, environment: Environment) -> Found:
    """`left // right`."""
    found = False
    for item in left(value, path, environment):
        if true(item[0]):
            found = True
            yield item
    if not found:
        yield from right(value, path, environment)


def tried(body: Step, handler: Step | None, value: Any, path: Path, environment: Environment) -> Found:
    """`try body catch handler`: what comes after is not tried."""
    items = body(value, path, environment)
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except JqError as error:
            caught = error.value
        else:
            yield item
            continue
        if handler is not None:
            yield from handler(caught, path, environment)
        return


def assign(left: Step, value: Any, new: Any, environment: Environment) -> Any:
    """`left = new`."""
    owned = paths.Owned()
    found = value
    for path in paths_of(left, value, environment):
        found = paths.set_path(found, path, new, owned)
    return found


def modify(left: Step, change: Callable[[Any], Iterator[Any]], value: Any, environment: Environment) -> Any:
    """`left |= change`: the first output is taken, and a place without one is deleted."""
    owned = paths.Owned()
    found, gone = value, []
    for path in paths_of(left, value, environment):
        for new in change(paths.get_path(found, path)):
            found = paths.set_path(found, path, new, owned)
            break
        else:
            gone.append(path)
    return paths.delete_paths(found, gone, owned)


def spread(level: Callable[[Any, Path], Iterator[tuple[bool, Any, Path]]], value: Any, path: Path) -> Found:
    """A recursion without Python's: `level` gives what to yield (`True`) and what to go down into."""
    stack = [level(value, path)]
    while stack:
        for emitted, item, at in stack[-1]:
            if emitted:
                yield item, at
            else:
                stack.append(level(item, at))
                break
        else:
            stack.pop()


def repeat(step: Step, value: Any, path: Path, environment: Environment) -> Found:
    """`repeat(f)`, which in gojq gives the outputs of `f` on the same input again and again."""
    while True:
        yield from step(value, path, environment)


def first(step: Step, value: Any, path: Path, environment: Environment) -> Found:
    """`first(f)`."""
    for item in step(value, path, environment):
        yield item
        return


def last(step: Step, value: Any, path: Path, environment: Environment) -> Found:
    """`last(f)`, which is no path."""
    found = [item for item, _ in _latest(step(value, path, environment))]
    for item in found:
        yield item, path


def _latest(items: Found) -> Found:
    item = None
    for item in items:  # noqa: B007  the last one is wanted
        pass
    if item is not None:
        yield item


def is_empty(step: Step, value: Any, environment: Environment) -> bool:
    """`isempty(f)`."""
    return next(iter(step(value, None, environment)), None) is None


def _count(name: str, count: Any) -> float:
    if not is_number(count):
        raise JqError(f"cannot subtract: {shown(count)} and number (1)")
    if count < 0:
        raise JqError(f"{name} doesn't support negative count")
    return float_of(count)


def limit(count: Any, step: Step, value: Any, path: Path, environment: Environment) -> Found:
    """`limit(count; f)`."""
    left = _count("limit", count)
    if left <= 0:
        return
    for item in step(value, path, environment):
        left -= 1
        yield item
        if left <= 0:
            return


def skip(count: Any, step: Step, value: Any, path: Path, environment: Environment) -> Found:
    """`skip(count; f)`."""
    left = _count("skip", count)
    for item in step(value, path, environment):
        left -= 1
        if left < 0:
            yield item


def numbers(start: Any, end: Any, by: Any) -> Iterator[Any]:
    """`range(start; end; by)`."""
    for bound in (start, end, by):
        if not is_number(bound):
            raise JqError(f"range cannot be applied to: {shown(bound)}")
    if any(type(bound) is float and math.isnan(bound) for bound in (start, end, by)):
        return
    while (by > 0 and start < end) or (by < 0 and start > end):
        yield start
        start = add(start, by)


def splits(value: Any, pattern: Any, flags: Any) -> Iterator[str]:
    """`splits(pattern; flags)`."""
    start = 0
    for match in matching.matches(value, pattern, f"{flags or ''}g"):
        yield value[start : match["offset"]]
        start = match["offset"] + match["length"]
    yield value[start:]


def substitute(value: Any, pattern: Any, flags: Any, text: Step, environment: Environment) -> Iterator[Any]:
    """`sub(pattern; text; flags)`: of several texts for one match each gives a value of its own."""
    results: list[Any] = []
    start = 0
    for match in matching.matches(value, pattern, flags):
        between = value[start : match["offset"]]
        for place, (new, _) in enumerate(text(matching.captures(match), None, environment)):
            if place == len(results):
                results.append("")
            results[place] = add(results[place], add(between, new))
        start = match["offset"] + match["length"]
    if not results:
        yield value
    for result in results:
        yield add(result, value[start:])


def labelled(label: object, items: Found) -> Found:
    """The items up to the `break` of this label."""
    try:
        yield from items
    except BreakError as error:
        if error.label is not label:
            raise
