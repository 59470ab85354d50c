"""What a filter found: the judgement that a verdict records, and the tree that `explain` shows."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["PASSED", "FilterError", "Finding", "Judged", "Judgement"]


class Judgement(enum.Enum):
    """How an event fared: it passed, it did not, or a clause could not be evaluated (which drops it as well)."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"


class FilterError(Exception):
    """A clause cannot be evaluated on this event. Never leaves the room: it becomes a recorded verdict."""


class Judged(NamedTuple):
    """A judgement, the number of the clause that decided (-1: none did), and the data after the dependency's transform (`None`: as it
    came)."""

    judgement: Judgement
    clause: int = -1
    transformed: bytes | None = None


PASSED: Final = Judged(Judgement.PASSED)
"""The judgement of what asks for nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One node: what was asked, what was found, how it was judged, and why. `clause` is the number that verdicts record (-1: none)."""

    asked: str
    judgement: Judgement
    found: str = ""
    why: str = ""
    clause: int = -1
    children: tuple[Finding, ...] = ()
