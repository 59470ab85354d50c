"""Trouble is logged once and its recovery once, however many calls and watches meet it.

An API server that is away is one trouble, not one for every watch: it stands under the server's name. What the server refuses to
one watch (a missing CRD, a missing right) stands under that watch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from tiphys.errors import ClientError, Refused

__all__ = ["OnTrouble", "Trouble", "Troubles"]

_log: Final = structlog.get_logger(__name__)


class Trouble(NamedTuple):
    """`subject` (the server, or a watch) is in trouble for `error`; `None`: it recovered."""

    subject: str
    error: ClientError | None


OnTrouble = Callable[[Trouble], None]


def kind_of(error: ClientError) -> str:
    """What makes two errors the same trouble, whatever their texts say: a refusal's status, or that the server is not well."""
    return str(error.status) if isinstance(error, Refused) else "away"


class Troubles:
    """The troubles of one connection."""

    def __init__(self, on_trouble: OnTrouble | None = None) -> None:
        self._on_trouble = on_trouble
        self._open: dict[str, str] = {}

    def begin(self, subject: str, error: ClientError) -> None:
        """Report a trouble, unless the same one of the subject is known."""
        kind = kind_of(error)
        if self._open.get(subject) == kind:
            return
        self._open[subject] = kind
        _log.warning(
            "Kubernetes API: trouble, trying again with back-off", action="kube_trouble", subject=subject, error=str(error)
        )
        if self._on_trouble is not None:
            self._on_trouble(Trouble(subject, error))

    def end(self, subject: str) -> None:
        """The subject is well; reported if it was not."""
        if self._open.pop(subject, None) is None:
            return
        _log.info("Kubernetes API: recovered", action="kube_recovered", subject=subject)
        if self._on_trouble is not None:
            self._on_trouble(Trouble(subject, None))

    def drop(self, subject: str) -> None:
        """Nobody asks about the subject any more."""
        self._open.pop(subject, None)
