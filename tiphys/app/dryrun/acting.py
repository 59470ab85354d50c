"""Firings on the stage: what each would do, and which others follow from it. Nothing is done, and nothing is fetched."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from dispatcher import retry
from dispatcher.artifact import Source, chosen
from dispatcher.program import TriggerProgram
from dispatcher.trigger import Trigger, Work
from tiphys.app.dryrun.outcomes import Act
from tiphys.app.dryrun.world import FileKube, FileServices, NotAmongFiles, NotFetched
from tiphys.bus.firing import Claim, Firing, FiringState, Outcome, OutcomeKind, Target, TriggerKey
from tiphys.bus.identity import firing_id
from tiphys.bus.ledger import Ledger
from tiphys.errors import TiphysError, shorten
from tiphys.schema.model import Model

__all__ = ["Acting"]

_MOST: Final = 1000
_SUSPENDED: Final = {
    "replay": "the trigger is suspended: it is done when it is resumed",
    "latest": "the trigger is suspended: it is done when it is resumed, unless something newer has come up by then",
    "drop": "the trigger is suspended: it is not done",
}
_AMONG_FILES: Final = ("inline", "resource", "configmap")
"""Artifacts that the manifests hold."""


class Acting:
    """Takes the firings of a ledger. `programs` are the triggers; `sources` are the texts that the sources of triggers (`SENSOR/TRIGGER`)
    would fetch; `clock` gives Unix seconds."""

    def __init__(
        self,
        ledger: Ledger,
        epoch: int,
        programs: Mapping[TriggerKey, TriggerProgram],
        services: FileServices,
        kube: FileKube,
        sources: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        self._ledger, self._epoch, self._programs, self._clock = ledger, epoch, programs, clock
        self._services, self._kube, self._sources = services, kube, sources

    async def acts(self) -> list[tuple[int, Act]]:
        """What all firings that are due would do, and those that follow from them, each with the position of its last event."""
        acts = []
        while claims := await self._ledger.claim(64):
            for claim in claims:
                act, following = await self._act(claim)
                if (resumed := self._programs[claim.firing.key].suspended) is not None and not claim.firing.dlq:
                    act = replace(act, notes=(*act.notes, _SUSPENDED[resumed]))
                acts.append((max(event.position for event in claim.firing.every()), act))
                await self._ledger.resolve(self._epoch, claim, Outcome(OutcomeKind.SUCCEEDED, "DryRun"), following)
        return acts

    async def next_due(self) -> float:
        """When the next firing is due that waits for its time (Unix seconds), `inf` if none does."""
        pending = await self._ledger.firings(states=[FiringState.PENDING], limit=_MOST)
        return min((one.not_before for one in pending), default=math.inf)

    async def _act(self, claim: Claim) -> tuple[Act, tuple[Firing, ...]]:
        """What a firing would do, and which firings follow from it."""
        firing = claim.firing
        program = self._programs[firing.key]
        act = Act(firing.key.sensor, firing.key.trigger, firing.id, firing.completed_by, dlq=firing.dlq)
        try:
            try:
                return await self._rendered(act, program, claim)
            except NotAmongFiles as missing:
                return await self._unseen(act, program, claim, missing)
        except (NotAmongFiles, NotFetched) as missing:
            return replace(act, error=str(missing), unknown=True), ()
        except TiphysError as error:
            if not self._is_final(error, program):
                return replace(act, error=str(error)), ()
            return replace(act, error=str(error)), () if firing.dlq else program.instead(firing)
        except Exception as error:  # noqa: BLE001  the service makes an outcome of it as well, and the other firings are shown
            return replace(act, error=f"an error of Tiphys itself, please report it: {error!r}"), ()

    def _is_final(self, error: TiphysError, program: TriggerProgram) -> bool:
        """Whether the service would give the firing up at once; else it tries again, and something may heal it."""
        now = self._clock()
        decided = retry.decide(error, program.policy, attempt=1, first_attempt=now, now=now, draw=0.0, standing=False)
        return decided.kind is OutcomeKind.DEAD

    async def _unseen(
        self, act: Act, program: TriggerProgram, claim: Claim, missing: NotAmongFiles
    ) -> tuple[Act, tuple[Firing, ...]]:
        """As well as can be said without the object that is missing."""
        self._services.kube = None
        try:
            found, following = await self._rendered(act, program, claim)
        except TiphysError as error:
            raise missing from error
        else:
            return replace(found, notes=(str(missing),)), following
        finally:
            self._services.kube = self._kube

    async def _rendered(self, act: Act, program: TriggerProgram, claim: Claim) -> tuple[Act, tuple[Firing, ...]]:
        current, warnings = program.of(claim.firing), list[str]()
        trigger = current.trigger(claim.events, warnings)
        trigger = _without_fetching(trigger, f"{act.sensor}/{act.trigger}", self._sources)
        request = await trigger.render(Work(claim.firing, claim.events, trigger=current.name))
        warnings += request.warnings
        does = _does(request.target, request.preview)
        made = replace(act, does=does, preview=request.preview, warnings=tuple(warnings))
        return made, _next_document(claim.firing, request.documents)


def _without_fetching(trigger: Trigger[Any], name: str, sources: Mapping[str, str]) -> Trigger[Any]:
    """The trigger with a given text in place of what its source would fetch. Raises `NotFetched` where none is given."""
    source = getattr(trigger.settings, "source", None)
    if not isinstance(source, Source):
        return trigger
    artifact, value = chosen(source)
    if artifact.key in _AMONG_FILES:
        return trigger
    if (text := sources.get(name)) is None:
        where = value.model_dump_json(by_alias=True, exclude_defaults=True) if isinstance(value, Model) else shorten(value)
        raise NotFetched(f"source.{artifact.key} {where}", name)
    settings = trigger.settings.model_copy(update={"source": type(source)(inline=text)})
    return type(trigger)(settings, trigger.namespace, trigger.services, impersonate=trigger.impersonate)


def _next_document(firing: Firing, documents: int) -> tuple[Firing, ...]:
    """The firing of the next object of its source."""
    if firing.document + 1 >= documents:
        return ()
    ids = {name: seen.id for name, seen in firing.events.items()}
    number = firing_id(*firing.key, ids, replay=firing.replay, dlq=firing.dlq, document=firing.document + 1)
    return (replace(firing, id=number, document=firing.document + 1),)


def _does(target: Target, preview: Mapping[str, object]) -> str:
    if target.api_version:
        return f"{target.operation or 'create'} {target}"
    return f"{preview['method']} {preview['url']}" if "url" in preview else f"{target.kind}"
