"""`suspend` of a trigger or a Sensor (ours), in its manifest or by a command.

Events are taken and decided as ever; what is suspended is carrying out. What becomes of it is said beforehand (`onResume`), and happens as
it comes up, so that a trigger may be suspended for weeks without keeping the events of weeks: with `drop` each firing ends as cancelled
when its turn comes; with `latest` each does when a newer one has come, and the newest waits; with `replay` all wait in the ledger. What
had begun before is finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dispatcher.gates import instant
from tiphys.bus.firing import Claim, Firing, Outcome, OutcomeKind, TriggerKey
from tiphys.bus.ledger import Suspension

__all__ = ["Suspended", "Suspensions"]

_CAREFUL: Final = {"replay": 2, "latest": 1, "drop": 0}


@dataclass(frozen=True, slots=True)
class Suspended:
    """How a trigger is suspended; `why` is for people."""

    on_resume: str
    why: str

    def ripe(self, claims: Sequence[Claim]) -> bool:
        """Whether the first of the claims that were given for a trigger (oldest first) is to be seen to now: to be finished, or ended."""
        if claims[0].target is not None and self.on_resume != "replay":
            return True
        return self.on_resume == "drop" or (self.on_resume == "latest" and len(claims) > 1)

    def end(self, newer: Firing | None) -> Outcome:
        """The end of a firing that comes up meanwhile; `newer` came after it."""
        text = f"its trigger was {self.why}, onResume: {self.on_resume}"
        if self.on_resume == "latest" and newer is not None:
            text += f"; a newer one is {newer.id}"
        return Outcome(OutcomeKind.CANCELLED, "Suspended", text)


class Suspensions:
    """Which triggers are suspended, by whom. Of several reasons the one counts that keeps most."""

    def __init__(self) -> None:
        self._manifests: dict[TriggerKey, Suspended] = {}
        self._commands: dict[TriggerKey, Suspension] = {}

    def by_manifest(self, key: TriggerKey, on_resume: str | None) -> None:
        """What a trigger's manifest says (`None`: that it is not suspended)."""
        if on_resume is None:
            self._manifests.pop(key, None)
        else:
            self._manifests[key] = Suspended(on_resume, "suspended by its manifest")

    def by_command(self, suspension: Suspension) -> None:
        """Somebody has suspended a trigger or a Sensor."""
        self._commands[TriggerKey(suspension.namespace, suspension.sensor, suspension.trigger)] = suspension

    def resumed(self, key: TriggerKey) -> None:
        """Somebody has resumed it; an empty trigger: the Sensor."""
        self._commands.pop(key, None)

    def of(self, key: TriggerKey) -> Suspended | None:
        """How a trigger is suspended; `None` if it is not."""
        found = [self._manifests[key]] if key in self._manifests else []
        asked = (self._commands.get(key), self._commands.get(key._replace(trigger="")))
        found += (Suspended(one.on_resume, f"suspended by {one.actor} at {instant(one.since)}") for one in asked if one is not None)
        return max(found, key=lambda one: _CAREFUL.get(one.on_resume, 2)) if found else None
