"""jq as gojq 0.12.19 runs it: what `transform.jq` is written in.

Its own engine, because jq's differs from gojq in what a user sees: the order of keys, integers beyond 2^53, what is an error, and
which functions there are. Where gojq, as argo-events calls it, rounds an integer of the event to a float, this keeps its digits.

`transform` runs a program in this process, without a time limit; it is for the worker processes of `sensors.scripts` and for tests.
"""

from __future__ import annotations

from functools import lru_cache

from tiphys.errors import JsonError, ScriptError
from tiphys.languages.jq.compiler import compile_program
from tiphys.languages.jq.formats import load
from tiphys.languages.jq.values import BreakError, Halt, JqError, dumps, kind_of

__all__ = ["fault", "transform"]

_compiled = lru_cache(256)(compile_program)


def transform(text: str, data: bytes) -> bytes:
    """The program's first output on `data`, as JSON in Go's form: keys sorted, `<`, `>` and `&` escaped.

    Raises `ScriptError` for data that is no JSON object, a program that does not compile, one that errs or has no output, and for an
    output that is no object or contains a number that is none in JSON.
    """
    try:
        value = load(data)
    except JsonError as error:
        raise ScriptError(text, f"the event's data is not JSON: {error.problem}") from error
    if value is None:
        value = {}
    if type(value) is not dict:
        raise ScriptError(text, f"the event's data is of type {kind_of(value)}, not an object", "jq transforms take objects only")
    step = _compiled(text)
    try:
        for found, _ in step(value, None, None):
            if type(found) is not dict:
                raise ScriptError(
                    text, f"its first output is of type {kind_of(found)}, not an object", "wrap it, as in {value: .body.n}"
                )
            return dumps(found, strict=True).encode("utf-8", "replace")
    except JqError as error:
        raise ScriptError(text, str(error)) from error
    except (BreakError, Halt) as error:
        raise ScriptError(text, "it stops without an output") from error
    except RecursionError as error:
        raise ScriptError(text, "it recurses too deeply") from error
    except ValueError as error:
        raise ScriptError(text, str(error)) from error
    raise ScriptError(text, "it has no output", "give one object, as in if .body.n then . else {} end")


def fault(text: str) -> ScriptError | None:
    """What is wrong with the program, or `None`. Runs nothing of it."""
    try:
        compile_program(text)
    except ScriptError as error:
        return error
    return None
