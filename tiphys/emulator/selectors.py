"""Label and field selectors, compiled to predicates.

Labels follow k8s.io/apimachinery `pkg/labels`: `a=b`, `a==b`, `a!=b`, `a in (x, y)`, `a notin (x)`, `a`, `!a`, `a>1`, `a<1`; `!=` and
`notin` hold where the label is absent. Fields know `=`, `==` and `!=` over the fields that a kind allows; any other is a 400, as in
Kubernetes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from tiphys.emulator.kinds import Kind
from tiphys.emulator.statuses import bad_request

__all__ = ["Predicate", "at_path", "compile_selectors"]

Predicate = Callable[[Mapping[str, Any]], bool]
_Labels = Callable[[Mapping[str, str]], bool]

_REQUIREMENT: Final = re.compile(
    r"""\s*(?:
        !\s*(?P<absent>[^\s,=!()<>]+)
      | (?P<set>[^\s,=!()<>]+)\s+(?P<how>in|notin)\s*\((?P<values>[^()]*)\)
      | (?P<key>[^\s,=!()<>]+)\s*(?P<op>==|=|!=|>|<)\s*(?P<value>[^\s,=!()<>]*)
      | (?P<present>[^\s,=!()<>]+)
    )\s*(?:,|$)""",
    re.VERBOSE,
)
_FIELD: Final = re.compile(r"\s*(?P<path>[^=!,]+?)\s*(?P<op>!=|==|=)(?P<value>(?:[^,\\=]|\\.)*)(?:,|$)")
_LABEL_KEY: Final = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?")


def compile_selectors(kind: Kind, labels: str, fields: str) -> Predicate | None:
    """A predicate over objects, or `None` where everything matches. Raises `ApiError` 400."""
    label_tests = _labels(labels)
    field_tests = _fields(kind, fields)
    if not label_tests and not field_tests:
        return None

    def matches(obj: Mapping[str, Any]) -> bool:
        found = obj["metadata"].get("labels") or {}
        return all(test(found) for test in label_tests) and all(test(obj) for test in field_tests)

    return matches


def at_path(obj: Any, path: str) -> Any:
    """The value at a dotted path, or `None`."""
    for part in path.split("."):
        if not isinstance(obj, Mapping):
            return None
        obj = obj.get(part)
    return obj


def _labels(text: str) -> list[_Labels]:
    tests: list[_Labels] = []
    position = 0
    while position < len(text) and text.strip():
        match = _REQUIREMENT.match(text, position)
        if match is None or (match.end() == len(text) and text.endswith(",")):
            raise bad_request(f'unable to parse requirement: found "{text[position:]}" in label selector "{text}"')
        tests.append(_requirement(match))
        position = match.end()
    return tests


def _requirement(match: re.Match[str]) -> _Labels:
    if key := match["absent"]:
        _check_key(key)
        return lambda labels: key not in labels
    if key := match["present"]:
        _check_key(key)
        return lambda labels: key in labels
    if key := match["set"]:
        _check_key(key)
        values = frozenset(map(_checked, (value.strip() for value in match["values"].split(","))))
        if match["how"] == "in":
            return lambda labels: key in labels and labels[key] in values
        return lambda labels: key not in labels or labels[key] not in values
    return _comparison(match["key"], match["op"], match["value"])


def _comparison(key: str, op: str, value: str) -> _Labels:
    _check_key(key)
    if op in {">", "<"}:
        if re.fullmatch(r"[+-]?\d+", value) is None:
            raise bad_request(
                f"values[0][{key}]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
            )
        bound = int(value)
        over = op == ">"

        def compare(labels: Mapping[str, str]) -> bool:
            found = labels.get(key, "")
            return re.fullmatch(r"[+-]?\d+", found) is not None and (int(found) > bound if over else int(found) < bound)

        return compare
    _checked(value)
    if op == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: labels.get(key) == value


def _check_key(key: str) -> None:
    if _LABEL_KEY.fullmatch(key) is None or len(key.rpartition("/")[2]) > 63:
        raise bad_request(
            f'unable to parse requirement: <nil>: Invalid value: "{key}": name part must consist of alphanumeric characters'
        )


def _checked(value: str) -> str:
    if _LABEL_VALUE.fullmatch(value) is None or len(value) > 63:
        raise bad_request(
            f'unable to parse requirement: values: Invalid value: "{value}": a valid label must be an empty string or alphanumeric'
        )
    return value


def _fields(kind: Kind, text: str) -> list[Predicate]:
    tests: list[Predicate] = []
    position = 0
    while position < len(text):
        match = _FIELD.match(text, position)
        if match is None:
            raise bad_request(f"invalid selector: '{text[position:]}'; can't understand '{text[position:]}'")
        path = match["path"]
        if path not in {"metadata.name", "metadata.namespace", *kind.fields}:
            raise bad_request(f"field label not supported: {path}")
        tests.append(_field(path, re.sub(r"\\(.)", r"\1", match["value"]), equal=match["op"] != "!="))
        position = match.end()
    return tests


def _field(path: str, value: str, *, equal: bool) -> Predicate:
    return lambda obj: (_text(at_path(obj, path)) == value) is equal


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
