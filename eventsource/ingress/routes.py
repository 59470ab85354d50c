"""The table port → routes, and who holds a route when two want it.

A clash is the same port and the same path, and hits the younger object: it keeps its other routes and gets this one when the older goes.
Everything here is synchronous, so a manifest's routes are replaced between two requests, never in the middle of one.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

import re2

from eventsource.source import Address, Emit, Endpoint, Health, Route
from tiphys.errors import PatternError

__all__ = ["Age", "Binding", "Claim", "Owner", "PathPattern", "Table", "compile_path", "normal_path"]


class Owner(NamedTuple):
    """The object that routes belong to."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Age(NamedTuple):
    """Sorts objects, oldest first. `created` is the object's creationTimestamp (RFC 3339, UTC), empty where it has none; `arrival`
    counts the objects in the order in which they were first seen here."""

    created: str
    arrival: int


@dataclass(eq=False, slots=True)
class Binding:
    """An endpoint and what it is called with. `problems` are those of the ingress, by what they concern; `health` shows them."""

    endpoint: Endpoint[Any]
    route: Route
    address: Address
    emit: Emit
    health: Health
    age: Age
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> Owner:
        """The EventSource."""
        return Owner(self.address.namespace, self.address.eventsource)

    def trouble(self, topic: str, problem: str | None) -> None:
        """Report a problem of this topic, or (`None`) that there is none any more."""
        if self.problems.get(topic) == problem:
            return
        if problem is None:
            del self.problems[topic]
        else:
            self.problems[topic] = problem
        if self.problems:
            self.health.ill("; ".join(self.problems.values()))
        else:
            self.health.well()


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """A wish for one path of one port. A `qualified` claim (`/namespace/eventsource/event` of the shared port) that loses
    is no trouble: nobody wrote it. Neither is a `quiet` one: its owner is served on a port of its own as well."""

    port: int
    path: str
    binding: Binding
    qualified: bool = False
    quiet: bool = False

    @property
    def order(self) -> tuple[str, int]:
        """Oldest first."""
        return self.binding.age


def normal_path(endpoint: str) -> str:
    """An endpoint as a path: with its leading slash."""
    return endpoint if endpoint.startswith("/") else f"/{endpoint}"


class PathPattern:
    """A path with variables, compiled. `matches` returns their values, `None` if it does not match the whole path."""

    __slots__ = ("_names", "_pattern")

    def __init__(self, pattern: Any, names: list[str]) -> None:
        self._pattern, self._names = pattern, names

    def matches(self, path: str) -> dict[str, str] | None:
        """The variables by name."""
        match = self._pattern.fullmatch(path)
        return None if match is None else {name: match.group(f"v{index}") for index, name in enumerate(self._names)}


def compile_path(path: str) -> PathPattern | None:
    """The pattern of a path with `{name}` or `{name:regex}` variables, `None` for a path without. Raises `PatternError`."""
    if "{" not in path and "}" not in path:
        return None
    remedy = "write a variable as {name} or {name:regex}"
    pattern, rest = "", path
    names: list[str] = []
    while rest:
        literal, brace, rest = rest.partition("{")
        if "}" in literal:
            raise PatternError(path, "has a } without a {", remedy)
        pattern += re2.escape(literal)
        if brace:
            end = _closing(rest)
            if end < 0:
                raise PatternError(path, "has a { without a }", remedy)
            name, colon, expression = rest[:end].partition(":")
            if not name or name in names or (colon and not expression):
                raise PatternError(path, "has a variable without a name or pattern, or two of one name", remedy)
            pattern += f"(?P<v{len(names)}>{expression if colon else '[^/]+'})"
            names.append(name)
            rest = rest[end + 1 :]
    try:
        return PathPattern(re2.compile(pattern), names)
    except re2.error as error:
        raise PatternError(path, str(error), "use RE2 syntax: no look-around, no back-references") from error


def _closing(text: str) -> int:
    depth = 0
    for index, char in enumerate(text):
        if char == "{":
            depth += 1
        elif char == "}":
            if not depth:
                return index
            depth -= 1
    return -1


@dataclass(slots=True)
class _Port:
    exact: dict[str, Binding] = field(default_factory=dict)
    patterns: dict[str, tuple[PathPattern, Binding]] = field(default_factory=dict)


class Table:
    """Which binding answers which path of which port."""

    def __init__(self) -> None:
        self._ports: dict[int, _Port] = {}
        self._claims: dict[tuple[int, str], list[Claim]] = {}
        self._owned: dict[Owner, list[Claim]] = {}

    @property
    def ports(self) -> set[int]:
        """The ports that have a route."""
        return set(self._ports)

    def find(self, port: int, path: str) -> tuple[Binding, dict[str, str]] | None:
        """The binding and the path's variables: an exact path before a pattern, an older pattern before a younger."""
        row = self._ports.get(port)
        if row is None:
            return None
        binding = row.exact.get(path)
        if binding is not None:
            return binding, {}
        for pattern, candidate in row.patterns.values():
            params = pattern.matches(path)
            if params is not None:
                return candidate, params
        return None

    def bindings(self, port: int | None = None) -> set[Binding]:
        """Every binding, or those that claim a path of one port."""
        return {claim.binding for claims in self._owned.values() for claim in claims if port in (None, claim.port)}

    def owned(self, owner: Owner) -> set[Binding]:
        """The bindings of one object."""
        return {claim.binding for claim in self._owned.get(owner, ())}

    def bound_by(self, owner: Owner) -> list[Binding]:
        """The bindings of one object, in the order in which they were claimed."""
        return list(dict.fromkeys(claim.binding for claim in self._owned.get(owner, ())))

    def replace(self, owner: Owner, claims: Iterable[Claim]) -> None:
        """Put these claims in place of all that the owner had, and tell whoever won or lost a path by it."""
        claims = list(claims)
        before = self._owned.pop(owner, [])
        touched: dict[tuple[int, str], None] = {}
        for claim in before:
            key = (claim.port, claim.path)
            self._claims[key].remove(claim)
            touched[key] = None
        for claim in claims:
            key = (claim.port, claim.path)
            bisect.insort(self._claims.setdefault(key, []), claim, key=attrgetter("order"))
            touched[key] = None
        if claims:
            self._owned[owner] = claims
        for port, path in touched:
            self._settle(port, path)

    def _settle(self, port: int, path: str) -> None:
        claims = self._claims[port, path]
        row = self._ports.setdefault(port, _Port())
        row.exact.pop(path, None)
        row.patterns.pop(path, None)
        if not claims:
            del self._claims[port, path]
            if not row.exact and not row.patterns:
                del self._ports[port]
            return
        winner = claims[0]
        pattern = None if winner.qualified else compile_path(path)
        if pattern is None:
            row.exact[path] = winner.binding
        else:
            row.patterns[path] = (pattern, winner.binding)
            row.patterns = dict(sorted(row.patterns.items(), key=lambda item: item[1][1].age))
        for claim in claims:
            if not claim.qualified:
                claim.binding.trouble(f"clash {port}{path}", None if claim.quiet else _clash(claim, winner))


def _clash(claim: Claim, winner: Claim) -> str | None:
    if claim is winner:
        return None
    other = winner.binding.address
    if winner.binding.owner == claim.binding.owner:
        return f"port {claim.port}, path {claim.path} is used twice in this object; {other.event} has it"
    return f"port {claim.port}, path {claim.path} belongs to the older {other}; choose another endpoint, or use /{claim.binding.address}"
