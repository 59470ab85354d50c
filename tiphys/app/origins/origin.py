"""The contract of an origin: where manifests come from (DESIGN section 4).

An origin tells of changes for ever. What it must never do is take "I cannot see it now" for "it is gone": a list that failed, a file
that is broken, a folder that is away leave what was told before as it is, and stand in `faults` until they are well again.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from tiphys.schema.loader import Document

__all__ = ["Change", "Faults", "Origin"]

_log: Final = structlog.get_logger(__name__)


class Change(NamedTuple):
    """An object is there in this form, or is gone (`document` is `None`).

    `namespace` is the object's, or the origin's default where it names none; empty for kinds that live in no namespace. `where` is
    `file:line`, or the object's address in a cluster.
    """

    kind: str
    namespace: str
    name: str
    document: Document | None
    where: str


class Faults(Mapping[str, tuple[str, ...]]):
    """What is wrong with an origin now: sentences by place (a file, a watch). Each is logged once, and its end once."""

    def __init__(self, origin: str, on_change: Callable[[], None] | None = None) -> None:
        self._origin = origin
        self._on_change = on_change
        self._found: dict[str, tuple[str, ...]] = {}

    def __getitem__(self, place: str) -> tuple[str, ...]:
        return self._found[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def put(self, place: str, sentences: Sequence[str], *, logged: bool = False) -> None:
        """What is wrong there now; nothing where it is well. `logged`: whoever found it has logged it."""
        before, now = self._found.get(place, ()), tuple(sentences)
        if before == now:
            return
        if now:
            self._found[place] = now
        else:
            del self._found[place]
        if not logged:
            self._tell(place, now)
        if self._on_change is not None:
            self._on_change()

    def _tell(self, place: str, now: tuple[str, ...]) -> None:
        if now:
            _log.warning("manifests: trouble", action="origin_trouble", origin=self._origin, place=place, problems=list(now))
        else:
            _log.info("manifests: recovered", action="origin_recovered", origin=self._origin, place=place)


class Origin(ABC):
    """Where manifests come from. `label` names it for people, `faults` has what is wrong with it now.

    `synced` is set once it has answered completely and whoever reads `changes` has taken all of that: what was not told by then is
    not there.
    """

    def __init__(self, label: str, on_fault: Callable[[], None] | None = None) -> None:
        self.label = label
        self.synced = asyncio.Event()
        self.faults = Faults(label, on_fault)

    @abstractmethod
    def changes(self) -> AsyncGenerator[Change, None]:
        """What is there, then what changes, until closed. Read by one reader, once."""
