"""What a template may use: its functions, and how much of everything (the other half of `tiphys.languages.gotemplate`).

A template runs on the event loop, so its cost has to be bounded, whoever wrote it. Four bounds work together:

* gotpl's own budget counts iterations, calls, the depth of `template` and what is written;
* before a function runs whose result can be far larger than its arguments (`repeat`, `until`, `replace` …), the result is estimated;
* after each function what it made is weighed (characters and items, shared parts as often as they would be printed), so that
  neither doubling a string nor a list of lists of lists grows beyond the bound, and no map contains itself;
* processor time: gotpl compares each count with its limit, and the limit looks at the clock as it is compared.

This module imports gotpl, which takes 0.2 s; `gotemplate` imports it at the first template.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Final

import gotpl
from gotpl.funcs import sprig
from gotpl.runtime.results import FunctionResult

# The names of the built-in functions and their implementations are not public; gotpl is pinned, so they cannot move unseen.
from gotpl.runtime.sync_vm import _builtin_functions
from gotpl.runtime.values import INVALID, UNTYPED_NIL

from tiphys.languages import gotemplate_regex

__all__ = ["MAX_WEIGHT", "TIME_LIMIT", "environment", "metered", "remedy"]

MAX_ITERATIONS: Final = 20_000
MAX_CALLS: Final = 20_000
MAX_DEPTH: Final = 50
MAX_WEIGHT: Final = 4 << 20
"""What one function may make, and characters that the template may write: an item weighs as much as 16 characters."""
_ITEM: Final = 16
TIME_LIMIT: Final = 0.5
"""Seconds of processor time for one rendering."""

_REFUSED: Final[Mapping[str, str]] = {
    "env": "it would show the environment of a process that serves every tenant",
    "expandenv": "it would show the environment of a process that serves every tenant",
    "getHostByName": "it would ask the network in the middle of a decision",
}
_SLOW: Final = frozenset({
    "bcrypt", "buildCustomCert", "decryptAES", "encryptAES", "genCA", "genCAWithKey", "genPrivateKey", "genSelfSignedCert",
    "genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey", "htpasswd",
})  # fmt: skip
_ALL_MAPS: Final = frozenset({"keys", "merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite"})
_MAPS: Final = _ALL_MAPS | {"get", "hasKey", "omit", "pick", "set", "unset", "values"}
_started: ContextVar[float] = ContextVar("template_started", default=float("inf"))


class LimitExceeded(Exception):  # noqa: N818  what it is; it becomes a TemplateError at the seam
    """A template went over one of the limits."""


class _Refused(Exception):  # noqa: N818  likewise
    """A template called a function that is refused."""


@contextlib.contextmanager
def metered() -> Iterator[None]:
    """One rendering: its time is counted from here."""
    token = _started.set(time.thread_time())
    try:
        yield
    finally:
        _started.reset(token)


def remedy(error: BaseException) -> str:
    """What to do about an error of a template."""
    causes: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and len(causes) < 10:
        causes.append(link)
        link = link.__cause__
    if any(isinstance(cause, LimitExceeded | gotpl.BudgetExceededError) for cause in causes):
        return "do this work in the Workflow, and pass it the part of the event that it needs"
    if any(isinstance(cause, _Refused) for cause in causes):
        return "pass the value in the event, in the manifest or in a Secret"
    return ""


class _Ticking(int):
    """A limit that looks at the clock as well: `count > limit` asks this class first, since it is a subclass of `int`."""

    def __lt__(self, count: int) -> bool:
        if time.thread_time() - _started.get() > TIME_LIMIT:
            raise LimitExceeded(f"took more than {TIME_LIMIT:g} s")
        return int(self) < count


def weight(value: object, limit: int = MAX_WEIGHT) -> int:
    """What a value weighs, shared parts counted as often as they occur; stops counting above `limit`."""
    total, waiting = 0, [value]
    while waiting and total <= limit:
        item = waiting.pop()
        if isinstance(item, str | bytes):
            total += len(item)
        elif isinstance(item, dict):
            total += _ITEM * len(item)
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            total += _ITEM * len(item)
            waiting.extend(item)
        elif isinstance(item, int) and item.bit_length() > 64:
            total += item.bit_length()
        else:
            total += 1
    return total


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) and abs(value) < 1e18 else 0


def _length(value: object) -> int:
    return len(value) if isinstance(value, str | bytes | list | tuple | dict) else 1


def _between(start: object, stop: object, step: object = 1) -> int:
    return abs(_number(stop) - _number(start)) // max(abs(_number(step)), 1)


def _printed(layout: object, *values: object) -> int:
    wide = sum(int(digits) for digits in gotemplate_regex.numbers(str(layout)))
    verbs = str(layout).count("%")
    return (
        _length(layout)
        + wide
        + verbs * max((weight(value) for value in values), default=0)
        + sum(map(_number, values)) * ("*" in str(layout))
    )


# For each function whose result may be far larger than its arguments: an estimate from the arguments.
_ESTIMATES: Final[Mapping[str, Callable[..., int]]] = {
    "repeat": lambda count, text: _number(count) * _length(text),
    "indent": lambda spaces, text: _number(spaces) * (str(text).count("\n") + 1),
    "nindent": lambda spaces, text: _number(spaces) * (str(text).count("\n") + 1),
    "until": lambda count: abs(_number(count)),
    "untilStep": _between,
    "seq": lambda *ends: (
        20 * (_between(ends[0], ends[-1], ends[1] if len(ends) == 3 else 1) if len(ends) > 1 else abs(_number(ends[0])))
    ),
    "randAlpha": _number,
    "randAlphaNum": _number,
    "randAscii": _number,
    "randNumeric": _number,
    "randBytes": _number,
    "replace": lambda old, new, text: _length(text) + _length(new) * (str(text).count(str(old)) if old else _length(text) + 1),
    "join": lambda separator, items: _length(separator) * _length(items) + weight(items),
    "wrapWith": lambda _width, separator, text: _length(separator) * _length(text),
    "regexReplaceAll": lambda _pattern, text, new: _length(text) + _length(new) * (_length(text) + 1),
    "mustRegexReplaceAll": lambda _pattern, text, new: _length(text) + _length(new) * (_length(text) + 1),
    "regexReplaceAllLiteral": lambda _pattern, text, new: _length(text) + _length(new) * (_length(text) + 1),
    "mustRegexReplaceAllLiteral": lambda _pattern, text, new: _length(text) + _length(new) * (_length(text) + 1),
    "uniq": lambda items: _length(items) ** 2,
    "mustUniq": lambda items: _length(items) ** 2,
    "without": lambda items, *out: _length(items) * len(out),
    "mustWithout": lambda items, *out: _length(items) * len(out),
    "printf": _printed,
}


def _absent(value: object) -> bool:
    return value is None or value is INVALID or value is UNTYPED_NIL


def _arguments(name: str, arguments: tuple[object, ...]) -> tuple[object, ...]:
    """Arguments as Go passes them: a key that is not there as nil, and as an empty map where a function takes a map."""
    given = tuple(None if value is INVALID else value for value in arguments)
    if name in _MAPS and given:
        maps = len(given) if name in _ALL_MAPS else 1
        given = tuple({} if position < maps and _absent(value) else value for position, value in enumerate(given))
        if not all(isinstance(value, Mapping) for value in given[:maps]):
            raise TypeError("wants a map")
    return given


def _compare(name: str, function: Callable[..., object]) -> Callable[..., object]:
    """`eq` and `ne` of nil, which is equal to nil only."""

    @functools.wraps(function)
    def compare(*arguments: object) -> object:
        if len(arguments) > 1 and any(map(_absent, arguments)):
            equal = any(_absent(arguments[0]) and _absent(other) for other in arguments[1:])
            if equal or _absent(arguments[0]) or all(map(_absent, arguments[1:])):
                return equal if name == "eq" else not equal
            arguments = tuple(value for value in arguments if not _absent(value))
        return function(*arguments)

    return compare


def _guard(name: str, function: Callable[..., object]) -> Callable[..., object]:
    estimate = _ESTIMATES.get(name)

    @functools.wraps(function)
    def guarded(*given: object) -> object:
        arguments = _arguments(name, given)
        if estimate is not None:
            try:
                expected = estimate(*arguments)
            except TypeError:  # a wrong number of arguments: gotpl says so
                expected = 0
            if expected > MAX_WEIGHT:
                raise LimitExceeded(f"{name} would make more than {MAX_WEIGHT:,} characters or items")
        result = function(*arguments)
        made = result.value if isinstance(result, FunctionResult) else result
        if isinstance(made, str | list | dict | tuple | int) and weight(made) > MAX_WEIGHT:
            raise LimitExceeded(f"{name} made more than {MAX_WEIGHT:,} characters or items")
        return result

    return guarded


def _refuse(name: str, reason: str) -> Callable[..., object]:
    def refused(*_: object) -> object:
        raise _Refused(f"{name} is not available: {reason}")

    return refused


@functools.cache
def environment(missing_key: gotpl.MissingKeyMode = "default") -> gotpl.Environment:
    """gotpl, with the functions and limits of this house; made once for each way to treat a name that a map lacks."""
    functions: dict[str, Callable[..., object]] = {**_builtin_functions("go"), **sprig.text_func_map()}
    functions.pop("call")
    functions.update(gotemplate_regex.FUNCTIONS)
    functions.update({name: _compare(name, functions[name]) for name in ("eq", "ne")})
    guarded = {name: _guard(name, function) for name, function in functions.items()}
    guarded.update({name: _refuse(name, reason) for name, reason in _REFUSED.items()})
    guarded.update({name: _refuse(name, "keys and certificates are not made on the way of an event") for name in _SLOW})
    budget = gotpl.ExecutionBudget(
        max_output_chars=_Ticking(MAX_WEIGHT),
        max_iterations=_Ticking(MAX_ITERATIONS),
        max_template_depth=MAX_DEPTH,
        max_function_calls=_Ticking(MAX_CALLS),
    )
    # The sandbox keeps fields to maps: without it `.Input.name.format` would be Python's method of that string.
    version = ("Major", "Minor", "Patch")
    methods = ("Prerelease", "Metadata", "Original", "Compare")
    policy = gotpl.SandboxPolicy.strict(
        allow_attributes=version,
        allow_properties=version,
        allow_methods=methods,
        allow_functions=guarded,
        default_budget=budget,
    )
    return gotpl.Environment(functions=guarded, sandbox=policy, missing_key=missing_key)
