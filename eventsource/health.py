"""How an entry is: what a source reports, what status and metrics read. A change is logged once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from traceback import walk_tb
from typing import Literal

import structlog

from eventsource.filter import Filtered
from eventsource.source import Address
from tiphys.errors import TiphysError

__all__ = ["EntryHealth", "State", "Status", "trace"]

_log = structlog.get_logger(__name__)

State = Literal["starting", "well", "ill"]


@dataclass(frozen=True, slots=True)
class EntryHealth:
    """A snapshot: `key` is the source's kind (`webhook`), `since` when the state began (Unix seconds), `problem` empty unless `ill`,
    `failures` how often it became ill since it was applied; `filtered` is what its filter kept back, `None` without a filter."""

    address: Address
    key: str
    state: State
    problem: str
    since: float
    failures: int
    filtered: Filtered | None = None


def trace(error: BaseException) -> list[str]:
    """Where an error went through, outermost first, as `file:line function`. Unlike a formatted traceback it reads no source files, so it
    may be made on the event loop."""
    frames = walk_tb(error.__traceback__)
    return [f"{frame.f_code.co_filename}:{line} {frame.f_code.co_name}" for frame, line in frames]


class Status:
    """The `Health` of one entry."""

    __slots__ = ("_failures", "_problem", "_since", "_state", "address")

    def __init__(self, address: Address) -> None:
        self.address = address
        self._state: State = "starting"
        self._problem = ""
        self._since = time.time()
        self._failures = 0

    def well(self) -> None:
        """It listens."""
        if self._state == "ill":
            _log.info("an event source is well again", action="source-well", address=str(self.address))
        self._become("well", "")

    def ill(self, problem: str, cause: BaseException | None = None) -> None:
        """It does not, or only in part. `cause` is shown in the log with its trace if it is no error that we raise on purpose."""
        if self._state != "ill":
            self._failures += 1
            details: dict[str, object] = {}
            if cause is not None and not isinstance(cause, TiphysError):
                details = {"error": type(cause).__name__, "trace": trace(cause)}
            _log.warning("an event source is ill", action="source-ill", address=str(self.address), problem=problem, **details)
        self._become("ill", problem)

    def snapshot(self, key: str, filtered: Filtered | None = None) -> EntryHealth:
        """As it is now."""
        return EntryHealth(self.address, key, self._state, self._problem, self._since, self._failures, filtered)

    def _become(self, state: State, problem: str) -> None:
        if state != self._state:
            self._state, self._since = state, time.time()
        self._problem = problem
