"""What Tekton's Pipelines and Tasks declare, and whether params and workspaces agree with it (`tekton.dev/v1`).

Tekton makes a run whose params do not agree and lets it fail a moment later, or passes over one that nobody declared; with a short form
that is ours to define, both are errors before there is a run. Only `Pipelines.fetch` does I/O.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, cast, runtime_checkable

from dispatcher.trigger import Services
from tiphys.errors import Refused

__all__ = ["API_VERSION", "DeclaredParam", "DeclaredRun", "KnownRuns", "ParamType", "Pipelines", "declared_run", "run_disagreement"]

API_VERSION: Final = "tekton.dev/v1"
_FRESH: Final = 30.0

ParamType = Literal["string", "array", "object"]


@dataclass(frozen=True, slots=True)
class DeclaredParam:
    """A param: its `type`, whether it has no default, the values that are allowed (empty: any), and the keys of an object."""

    type: ParamType = "string"
    required: bool = True
    enum: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DeclaredRun:
    """What a Pipeline or a Task declares: params by name, and of workspaces whether they are required."""

    params: Mapping[str, DeclaredParam] = field(default_factory=dict)
    workspaces: Mapping[str, bool] = field(default_factory=dict)


@runtime_checkable
class KnownRuns(Protocol):
    """Pipelines and Tasks that the roof knows."""

    def declared_run(self, kind: str, namespace: str, name: str) -> DeclaredRun | None:
        """What one declares; `None` if it is not known here (which does not say that it does not exist)."""


def declared_run(obj: Mapping[str, Any]) -> DeclaredRun:
    """What a Pipeline or a Task (the whole object) declares. Parts of the wrong shape count as absent."""
    spec = _mapping(obj.get("spec"))
    params = {}
    for entry in _entries(spec.get("params")):
        properties = _mapping(entry.get("properties"))
        default = entry.get("default")
        shown = "array" if isinstance(default, list) else "object" if properties or isinstance(default, Mapping) else "string"
        written = entry.get("type")
        kind = cast("ParamType", written if written in ("string", "array", "object") else shown)
        allowed = entry.get("enum")
        enum = tuple(value for value in allowed if isinstance(value, str)) if isinstance(allowed, list) else ()
        given = frozenset(default) if isinstance(default, Mapping) else frozenset()
        params[entry["name"]] = DeclaredParam(kind, default is None, enum, frozenset(properties) - given)
    workspaces = {entry["name"]: entry.get("optional") is not True for entry in _entries(spec.get("workspaces"))}
    return DeclaredRun(params, workspaces)


def run_disagreement(
    declared: DeclaredRun, title: str, params: Iterable[str], workspaces: Iterable[str]
) -> list[tuple[str, str, str]]:
    """Why a run with these params and workspaces could not be made of it, whatever their values: (`params.x`, problem, remedy)."""
    found = []
    for what, given, known, needed in (
        ("params", set(params), declared.params.keys(), {name for name, one in declared.params.items() if one.required}),
        ("workspaces", set(workspaces), declared.workspaces.keys(), {name for name, one in declared.workspaces.items() if one}),
    ):
        names = ", ".join(sorted(known)) or "none"
        found += [(f"{what}.{name}", f"is not declared by {title}", f"it declares {names}") for name in sorted(given - known)]
        found += [
            (f"{what}.{name}", f"is required by {title} and not given", f"add it to {what}") for name in sorted(needed - given)
        ]
    return found


class Pipelines:
    """Looks Pipelines and Tasks up at the server; answers are kept for half a minute."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._kept: dict[tuple[str, str, str], tuple[float, DeclaredRun]] = {}

    async def fetch(self, kind: str, namespace: str, name: str, *, fresh: bool = False) -> DeclaredRun | None:
        """What it declares; `fresh` asks the server again. `None` where there is no server to ask.

        Raises `Refused` 404 if there is none, and whatever else `Kube.get` raises.
        """
        kube, place = self._services.kube, (kind, namespace, name)
        if kube is None:
            return None
        kept = self._kept.get(place)
        if not fresh and kept is not None and time.monotonic() - kept[0] < _FRESH:
            return kept[1]
        found = await kube.get(API_VERSION, kind, name, namespace)
        if found is None:
            self._kept.pop(place, None)
            raise Refused(
                f"{kind} {namespace}/{name}", 404, "NotFound", f"there is no such {kind}; create it or correct the reference"
            )
        declared = declared_run(found)
        self._kept[place] = (time.monotonic(), declared)
        return declared


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _entries(value: Any) -> list[Mapping[str, Any]]:
    """Those entries of a list that have a name."""
    entries = [_mapping(one) for one in value] if isinstance(value, list) else []
    return [one for one in entries if isinstance(one.get("name"), str) and one["name"]]
