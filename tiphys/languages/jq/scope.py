"""What names mean while a program is compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tiphys.languages.jq.steps import Environment, Found, Path, Step

__all__ = ["Function", "Scope"]


def _undefined(_value: Any, _path: Path, _environment: Environment) -> Found:
    yield from ()


@dataclass(slots=True)
class Function:
    """A definition. `step` is set once the body is compiled, which may call it; `depth` is that of the environment around it."""

    parameters: tuple[str, ...]
    depth: int
    step: Step = _undefined


@dataclass(frozen=True, slots=True)
class Scope:
    """What a name means. A function has no entry in the environment, a variable or an argument has one."""

    outer: Scope | None = None
    name: str = ""
    function: Function | None = None
    depth: int = 0

    def entry(self, name: str) -> Scope:
        """The scope further in, with a variable or an argument."""
        return Scope(self, name, None, self.depth + 1)

    def define(self, name: str, function: Function) -> Scope:
        """The scope further in, with a function."""
        return Scope(self, name, function, self.depth)

    def find(self, name: str, count: int) -> Scope | None:
        """Where a name with so many arguments comes from."""
        scope: Scope | None = self
        while scope is not None:
            if scope.name == name and (len(scope.function.parameters) if scope.function else 0) == count and scope.name:
                return scope
            scope = scope.outer
        return None
