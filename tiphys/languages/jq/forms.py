"""The parts of programs as steps: operators, and the functions that are no function of values.

Those run their arguments themselves, or give any number of values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

from tiphys.languages.jq import matching, paths, steps, tree
from tiphys.languages.jq.definitions import DEFINITIONS
from tiphys.languages.jq.functions import FUNCTIONS
from tiphys.languages.jq.parser import definitions
from tiphys.languages.jq.steps import Environment, Found, Path, Step

__all__ = ["FORMS", "JOINTS", "applied", "assigned", "constant", "defined", "operated", "placed", "updated"]


def constant(found: Any) -> Step:
    """Always the same value."""

    def run(_value: Any, path: Path, _environment: Environment) -> Found:
        yield found, path

    return run


@cache
def defined() -> dict[tuple[str, int], tree.Define]:
    """The functions written in jq, by name and number of arguments."""
    return {(found.name, len(found.parameters)): found for found in definitions(DEFINITIONS)}


def _both(left: Step, right: Step) -> Step:
    def run(value: Any, path: Path, environment: Environment) -> Found:
        yield from left(value, path, environment)
        yield from right(value, path, environment)

    return run


def _alternative(left: Step, right: Step) -> Step:
    return lambda value, path, environment: steps.alternative(left, right, value, path, environment)


def placed(keys: list[Any], right: Step) -> Step:
    """`.a.b = right`, with constant keys."""

    def run(value: Any, path: Path, environment: Environment) -> Found:
        for new, _ in right(value, None, environment):
            yield paths.set_path(value, keys, new), path

    return run


def assigned(left: Step, right: Step) -> Step:
    """`left = right`."""

    def run(value: Any, path: Path, environment: Environment) -> Found:
        for new, _ in right(value, None, environment):
            yield steps.assign(left, value, new, environment), path

    return run


def _modified(left: Step, right: Step) -> Step:
    def run(value: Any, path: Path, environment: Environment) -> Found:
        def change(old: Any) -> Iterator[Any]:
            for item, _ in right(old, None, environment):
                yield item

        yield steps.modify(left, change, value, environment), path

    return run


def updated(operator: Callable[[Any, Any], Any], left: Step, right: Step) -> Step:
    """`left op= right`."""

    def run(value: Any, path: Path, environment: Environment) -> Found:
        for other, _ in right(value, None, environment):

            def change(old: Any, other: Any = other) -> Iterator[Any]:
                yield operator(old, other)

            yield steps.modify(left, change, value, environment), path

    return run


def _piped(left: Step, right: Step) -> Step:
    def run(value: Any, path: Path, environment: Environment) -> Found:
        for item, where in left(value, path, environment):
            yield from right(item, where, environment)

    return run


def _logical(left: Step, right: Step, *, stop: bool) -> Step:
    def run(value: Any, path: Path, environment: Environment) -> Found:
        for one, _ in left(value, None, environment):
            if steps.true(one) is stop:
                yield stop, path
                continue
            for other, _ in right(value, None, environment):
                yield steps.true(other), path

    return run


def operated(operator: Callable[[Any, Any], Any], left: Step, right: Step) -> Step:
    """`left op right`; the values of the left change fastest."""

    def run(value: Any, path: Path, environment: Environment) -> Found:
        for other, _ in right(value, None, environment):
            for one, _ in left(value, None, environment):
                yield operator(one, other), path

    return run


JOINTS: Final[dict[str, Callable[[Step, Step], Step]]] = {
    "|": _piped,
    ",": _both,
    "//": _alternative,
    "and": lambda left, right: _logical(left, right, stop=False),
    "or": lambda left, right: _logical(left, right, stop=True),
    "|=": _modified,
}


def applied(function: Callable[..., Any], arguments: list[Step] | None = None) -> Step:
    """A function of values, with the input and a value of each argument in all combinations."""
    if not arguments:

        def plain(value: Any, path: Path, _environment: Environment) -> Found:
            yield function(value), path

        return plain

    def run(value: Any, path: Path, environment: Environment) -> Found:
        for given in steps.products(arguments, value, environment):
            yield function(value, *given), path

    return run


def _empty(_arguments: list[Step]) -> Step:
    def run(_value: Any, _path: Path, _environment: Environment) -> Found:
        yield from ()

    return run


def _path(arguments: list[Step]) -> Step:
    def run(value: Any, path: Path, environment: Environment) -> Found:
        for found in steps.paths_of(arguments[0], value, environment):
            yield found, path

    return run


def _getpath(arguments: list[Step]) -> Step:
    def run(value: Any, path: Path, environment: Environment) -> Found:
        for keys, _ in arguments[0](value, None, environment):
            found = paths.get_path(value, keys)
            if path is None:
                yield found, None
            else:
                steps.extended(path, value, None, None)
                yield found, ((*path[0], *keys), found) if keys else path

    return run


def _recurse(arguments: list[Step]) -> Step:
    (step,) = arguments

    def run(value: Any, path: Path, environment: Environment) -> Found:
        def level(item: Any, at: Path) -> Iterator[tuple[bool, Any, Path]]:
            yield True, item, at
            for inner, where in step(item, at, environment):
                yield False, inner, where

        return steps.spread(level, value, path)

    return run


def _while(arguments: list[Step]) -> Step:
    condition, update = arguments

    def run(value: Any, path: Path, environment: Environment) -> Found:
        def level(item: Any, at: Path) -> Iterator[tuple[bool, Any, Path]]:
            for goes_on, _ in condition(item, None, environment):
                if steps.true(goes_on):
                    yield True, item, at
                    for inner, where in update(item, at, environment):
                        yield False, inner, where

        return steps.spread(level, value, path)

    return run


def _until(arguments: list[Step]) -> Step:
    condition, following = arguments

    def run(value: Any, path: Path, environment: Environment) -> Found:
        def level(item: Any, at: Path) -> Iterator[tuple[bool, Any, Path]]:
            for ends, _ in condition(item, None, environment):
                if steps.true(ends):
                    yield True, item, at
                else:
                    for inner, where in following(item, at, environment):
                        yield False, inner, where

        return steps.spread(level, value, path)

    return run


def _counted(function: Callable[[Any, Step, Any, Path, Environment], Found]) -> Callable[[list[Step]], Step]:
    def form(arguments: list[Step]) -> Step:
        count, step = arguments

        def run(value: Any, path: Path, environment: Environment) -> Found:
            for number, _ in count(value, None, environment):
                yield from function(number, step, value, path, environment)

        return run

    return form


def _range(arguments: list[Step]) -> Step:
    def run(value: Any, path: Path, environment: Environment) -> Found:
        for by, end, start in steps.products(arguments[::-1], value, environment):
            for number in steps.numbers(start, end, by):
                yield number, path

    return run


def _is_empty(arguments: list[Step]) -> Step:
    def run(value: Any, path: Path, environment: Environment) -> Found:
        yield steps.is_empty(arguments[0], value, environment), path

    return run


def _match(arguments: list[Step]) -> Step:
    def run(value: Any, path: Path, environment: Environment) -> Found:
        for flags, pattern in steps.products(arguments[::-1], value, environment):
            for match in matching.matches(value, pattern, flags):
                yield match, path

    return run


def _splits(arguments: list[Step]) -> Step:
    def run(value: Any, path: Path, environment: Environment) -> Found:
        for flags, pattern in steps.products(arguments[::-1], value, environment):
            for part in steps.splits(value, pattern, flags):
                yield part, path

    return run


def _substitute(arguments: list[Step]) -> Step:
    pattern, text, flags = arguments

    def run(value: Any, path: Path, environment: Environment) -> Found:
        for marks, wanted in steps.products([flags, pattern], value, environment):
            for found in steps.substitute(value, wanted, marks, text, environment):
                yield found, path

    return run


def _builtins(_arguments: list[Step]) -> Step:
    known = {*FUNCTIONS, *FORMS, *defined()}
    return constant(sorted(f"{name}/{count}" for name, count in known if not name.startswith("_")))


def _one(function: Callable[[Step, Any, Path, Environment], Found]) -> Callable[[list[Step]], Step]:
    return lambda arguments: lambda value, path, environment: function(arguments[0], value, path, environment)


FORMS: Final[dict[tuple[str, int], Callable[[list[Step]], Step]]] = {
    ("empty", 0): _empty,
    ("path", 1): _path,
    ("getpath", 1): _getpath,
    ("recurse", 1): _recurse,
    ("while", 2): _while,
    ("until", 2): _until,
    ("repeat", 1): _one(steps.repeat),
    ("first", 1): _one(steps.first),
    ("last", 1): _one(steps.last),
    ("limit", 2): _counted(steps.limit),
    ("skip", 2): _counted(steps.skip),
    ("range", 3): _range,
    ("isempty", 1): _is_empty,
    ("match", 2): _match,
    ("splits", 2): _splits,
    ("sub", 3): _substitute,
    ("builtins", 0): _builtins,
}
