"""jq as gojq 0.12.19 runs it: what `transform.jq` is written in."""

from __future__ import annotations

import orjson

from tiphys.errors import ScriptError

__all__ = ["fault", "transform"]


def transform(text: str, data: bytes) -> bytes:
    """The program's first output on `data`, as JSON in Go's form: keys sorted, `<`, `>` and `&` escaped.

    Raises `ScriptError` for data that is no JSON object, a program that does not compile, one that errs or has no output, and for an
    output that is no object.
    """
    import jq  # noqa: PLC0415  heavy, and only the worker processes need it

    try:
        value = next(iter(jq.compile(text).input_value(orjson.loads(data))), None)
    except (ValueError, orjson.JSONDecodeError) as error:
        raise ScriptError(text, str(error)) from error
    if not isinstance(value, dict):
        raise ScriptError(text, "its first output is not an object")
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def fault(text: str) -> ScriptError | None:
    """What is wrong with the program, or `None`. Runs nothing of it."""
    import jq  # noqa: PLC0415  heavy, and only the worker processes need it

    try:
        jq.compile(text)
    except ValueError as error:
        return ScriptError(text, str(error))
    return None
