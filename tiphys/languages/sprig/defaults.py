"""sprig's defaults, and JSON."""

from __future__ import annotations

from typing import Any, Final

from tiphys.languages.golang import json_text
from tiphys.languages.golang.values import Function, GoError
from tiphys.languages.sprig.kinds import empty

__all__ = ["FUNCTIONS"]


def _default(default: Any, *given: Any) -> Any:
    return default if not given or empty(given[0]) else given[0]


def _coalesce(*values: Any) -> Any:
    return next((value for value in values if not empty(value)), None)


def _all(*values: Any) -> bool:
    return not any(map(empty, values))


def _any(*values: Any) -> bool:
    return not all(map(empty, values))


def _ternary(yes: Any, no: Any, condition: bool) -> Any:
    return yes if condition else no


def _from_json(text: str) -> Any:
    """The value; nil where the text is no JSON."""
    try:
        return json_text.unmarshal(text, lenient=True)
    except GoError:
        return None


def _must_to_json(value: Any) -> str:
    return json_text.marshal(value)


def _to_json(value: Any) -> str:
    """The text; empty where Go cannot write one."""
    try:
        return json_text.marshal(value)
    except json_text.TooLongError:
        raise
    except GoError:
        return ""


def _must_to_pretty_json(value: Any) -> str:
    return json_text.marshal(value, indent="  ")


def _to_pretty_json(value: Any) -> str:
    try:
        return _must_to_pretty_json(value)
    except json_text.TooLongError:
        raise
    except GoError:
        return ""


def _to_raw_json(value: Any) -> str:
    return json_text.marshal(value, escape_html=False)


_VALUE: Final = ("interface{}",)

FUNCTIONS: Final = (
    Function("default", ("interface{}", "...interface{}"), _default),
    Function("empty", _VALUE, empty, "bool"),
    Function("coalesce", ("...interface{}",), _coalesce),
    Function("all", ("...interface{}",), _all, "bool"),
    Function("any", ("...interface{}",), _any, "bool"),
    Function("ternary", ("interface{}", "interface{}", "bool"), _ternary),
    Function("fromJson", ("string",), _from_json),
    Function("mustFromJson", ("string",), json_text.unmarshal),
    Function("toJson", _VALUE, _to_json, "string"),
    Function("mustToJson", _VALUE, _must_to_json, "string"),
    Function("toPrettyJson", _VALUE, _to_pretty_json, "string"),
    Function("mustToPrettyJson", _VALUE, _must_to_pretty_json, "string"),
    Function("toRawJson", _VALUE, _to_raw_json, "string"),
    Function("mustToRawJson", _VALUE, _to_raw_json, "string"),
)
