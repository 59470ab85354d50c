"""What is run, and within which limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["Kind", "Program", "Runner", "ScriptSettings"]

Kind = Literal["lua-filter", "lua-transform", "jq"]


@dataclass(frozen=True, slots=True)
class Program:
    """A text and what it is: a Lua filter gives a boolean, a Lua transform and a jq program give JSON."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """Limits of one call and size of the pool.

    `time` is seconds of the processor for one call: a busy machine kills no script that would have been done in time. `wall` seconds is
    what a call may last in any case. `memory` and `output` are bytes; an event of 1 MiB takes about 20 MiB while it is a table.
    `workers` are started as soon as they are all busy, more, up to `most`, when a call has waited a tenth of a second. One that had
    nothing to do for `idle` seconds ends. `queue` calls may wait.
    """

    time: float = 1.0
    wall: float = 10.0
    memory: int = 128 << 20
    output: int = 8 << 20
    workers: int = 2
    most: int = 8
    idle: float = 60.0
    queue: int = 10_000


class Runner(Protocol):
    """What runs programs: `Scripts`, or a test's own."""

    async def run(self, program: Program, data: bytes) -> bytes | bool:
        """Whether the filter passes, or the JSON that the transform made. Raises `ScriptError`."""
