"""The options of `argo submit`, `resubmit` and `retry` that have an effect here; others are refused by name.

Written as pflag reads them: `--name value`, `--name=value`, `-p value`, `-p=value`, `-pvalue`; of an option that is given twice the last
one counts, but every `-p`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tiphys.errors import TriggerError, shorten

__all__ = ["OPERATIONS", "Options", "parse_options"]

OPERATIONS: Final = ("submit", "submit-from", "resubmit", "resume", "retry", "suspend", "terminate", "stop")

_SUBMITS: Final = frozenset(("submit", "submit-from"))
_WITH_PRIORITY: Final = _SUBMITS | {"resubmit"}
_WITH_PARAMETERS: Final = _WITH_PRIORITY | {"retry"}
_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "name": _SUBMITS,
    "generate-name": _SUBMITS,
    "entrypoint": _SUBMITS,
    "serviceaccount": _SUBMITS,
    "labels": _SUBMITS,
    "annotations": _SUBMITS,
    "parameter-file": _SUBMITS,
    "priority": _WITH_PRIORITY,
    "parameter": _WITH_PARAMETERS,
}
_SHORT: Final = {"p": "parameter", "l": "labels", "f": "parameter-file"}
_HINTS: Final = {
    "n": "the namespace is metadata.namespace of the source",
    "namespace": "the namespace is metadata.namespace of the source",
    "w": "to wait for the Workflow use policy.k8s with its labels",
    "wait": "to wait for the Workflow use policy.k8s with its labels",
    "watch": "to wait for the Workflow use policy.k8s with its labels",
    "log": "the Workflow's log is read with argo logs",
    "from": "what is submitted from is the source",
    "memoized": "retry keeps what succeeded",
}
_INT32: Final = 2**31


@dataclass(frozen=True, slots=True)
class Options:
    """What the arguments ask for; an empty text is an option that was not given. `parameter_file` is a URL."""

    name: str = ""
    generate_name: str = ""
    entrypoint: str = ""
    service_account: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    parameters: Sequence[tuple[str, str]] = ()
    parameter_file: str = ""
    priority: int | None = None


def parse_options(operation: str, arguments: Sequence[str]) -> Options:
    """The options among `arguments` of an operation. Raises `TriggerError` `InvalidArguments`, which names what is wrong."""
    values: dict[str, list[str]] = {}
    rest = list(arguments)
    while rest:
        name, value = _next(rest)
        if operation not in _KNOWN.get(name, frozenset()):
            hint = _HINTS.get(name) or f"{operation} takes {_listed(operation)}"
            raise _wrong(f"{'-' if len(name) == 1 else '--'}{name} is not supported with {operation}; {hint}")
        if value is None:
            if not rest:
                raise _wrong(f"--{name} has no value")
            value = rest.pop(0)
        values.setdefault(name, []).append(value)
    last = {name: found[-1] for name, found in values.items()}
    return Options(
        name=last.get("name", ""),
        generate_name=last.get("generate-name", ""),
        entrypoint=last.get("entrypoint", ""),
        service_account=last.get("serviceaccount", ""),
        labels=_pairs("labels", last.get("labels")),
        annotations=_pairs("annotations", last.get("annotations")),
        parameters=[_parameter(text) for text in values.get("parameter", ())],
        parameter_file=_file(last.get("parameter-file", "")),
        priority=_priority(last.get("priority")),
    )


def _next(rest: list[str]) -> tuple[str, str | None]:
    """The next option's long name, and its value if it is in the same argument."""
    word = rest.pop(0)
    if word.startswith("--") and len(word) > 2:
        name, given, value = word[2:].partition("=")
        return name, value if given else None
    if word.startswith("-") and len(word) > 1 and word != "--":
        name, value = word[1], word[2:].removeprefix("=")
        return _SHORT.get(name, name), value if len(word) > 2 else None
    raise _wrong(f"{shorten(word)} is no option")


def _listed(operation: str) -> str:
    known = [f"--{name}" for name, operations in _KNOWN.items() if operation in operations]
    return ", ".join(known) or "no options"


def _parameter(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not given:
        raise _wrong(f"--parameter must be NAME=VALUE, not {shorten(text)}")
    return name, value


def _pairs(option: str, text: str | None) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for part in text.split(",") if text else ():
        name, given, value = part.partition("=")
        if not given or not name or "=" in value:
            raise _wrong(f"--{option} must be NAME=VALUE,…, and {shorten(part)} is not")
        pairs[name] = value
    return pairs


def _file(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise _wrong(
            f"--parameter-file {shorten(text)} would be a file of this service, which no manifest may read; give a URL, or use --parameter"
        )
    return text


def _priority(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        number = int(text, 0)
    except ValueError:
        number = _INT32
    if not -_INT32 <= number < _INT32:
        raise _wrong(f"--priority must be a whole number of 32 bits, not {shorten(text)}")
    return number


def _wrong(problem: str) -> TriggerError:
    return TriggerError("InvalidArguments", problem)
