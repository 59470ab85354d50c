"""Suspending and resuming triggers and Sensors by a command: written down first, so that it holds over a restart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, get_args

import structlog

from dispatcher.queue import Dispatcher
from tiphys.app.describing import instant
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Ledger, Suspension
from tiphys.errors import SettingsError, UnknownRecord
from tiphys.schema.limits import OnResume

__all__ = ["Suspending"]

_log = structlog.get_logger(__name__)


class Suspending:
    """`triggers` are those of the running Sensors."""

    def __init__(self, ledger: Ledger, dispatcher: Dispatcher, triggers: Callable[[], Sequence[TriggerKey]]) -> None:
        self._ledger, self._dispatcher, self._triggers = ledger, dispatcher, triggers

    async def load(self) -> None:
        """What was suspended stays so."""
        for suspension in await self._ledger.suspensions():
            self._dispatcher.suspend(suspension)

    async def suspend(self, key: TriggerKey, on_resume: str, actor: str) -> dict[str, Any]:
        """Suspend a trigger, or with an empty one the Sensor. Raises `UnknownRecord` where there is none, `SettingsError`."""
        if on_resume not in get_args(OnResume):
            raise SettingsError("on-resume", f"must be one of {', '.join(get_args(OnResume))} (found {on_resume[:40]!r})")
        self._concerned(key)
        suspension = await self._ledger.suspend(*key, on_resume=on_resume, actor=actor)
        self._dispatcher.suspend(suspension)
        _log.info("a trigger is suspended", action="trigger-suspended", **key._asdict(), actor=actor, on_resume=on_resume)
        return _described(suspension)

    async def resume(self, key: TriggerKey, actor: str) -> dict[str, Any]:
        """Resume what was suspended by a command; `was` says whether it was, `still` by what else it is suspended. Raises `UnknownRecord`
        if there is neither a suspension nor such a trigger."""
        was = await self._ledger.resume(*key)
        self._dispatcher.resume(key)
        still = [
            one for one in (self._dispatcher.suspended(name) for name in self._concerned(key, known=not was)) if one is not None
        ]
        if was:
            _log.info("a trigger is resumed", action="trigger-resumed", **key._asdict(), actor=actor)
        return key._asdict() | {"was": was, "still": still[0].why if still else ""}

    async def all(self) -> list[dict[str, Any]]:
        """What is suspended by commands."""
        return [_described(one) for one in await self._ledger.suspensions()]

    def _concerned(self, key: TriggerKey, *, known: bool = True) -> list[TriggerKey]:
        found = [one for one in self._triggers() if key in (one, one._replace(trigger=""))]
        if known and not found:
            raise UnknownRecord(
                "trigger" if key.trigger else "sensor", _name(key), "it may be misspelt, or in another namespace (-n)"
            )
        return found


def _name(key: TriggerKey) -> str:
    return "/".join(part for part in key if part)


def _described(suspension: Suspension) -> dict[str, Any]:
    return asdict(suspension) | {"since": instant(suspension.since)}
