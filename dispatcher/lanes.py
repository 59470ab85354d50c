"""Who may start among firings that share a key (`order: key`, `concurrency`: ours).

A firing whose turn it is not is shelved: the ledger does not offer it again until its lane is asked for, so that others pass it, and a long
queue of one key costs the others nothing. That it is shelved is nowhere written: after a restart all are offered again, in order.

`replace` ends the oldest that run, and starts when they have ended. Of several firings that wait for that the newest is carried out.
"""

from __future__ import annotations

import asyncio
import enum
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from dispatcher.gates import ANY_NUMBER, Gate
from dispatcher.live import Live, Running
from dispatcher.naming import lane_label
from dispatcher.program import TriggerProgram
from tiphys.bus.firing import Claim, Firing, Outcome, OutcomeKind, Target, TriggerKey
from tiphys.bus.ledger import Ledger
from tiphys.errors import Refused, TriggerError, shorten
from tiphys.schema.limits import Concurrency

__all__ = ["Admission", "ConcurrencyGate", "Lanes"]


_NONE: frozenset[str] = frozenset()


class Admission(enum.Enum):
    """What becomes of a claim whose trigger has a place: it is carried out, shelved, or ends without having been carried out."""

    RUN = enum.auto()
    SHELVE = enum.auto()
    SKIP = enum.auto()


class ConcurrencyGate(Gate):
    """`concurrency` as far as it is about the whole trigger: nothing starts before it is known what runs, and with `queue` and without a
    key none starts while as many run as may. One that was tried before may be claimed all the same: what runs may be its own."""

    retries = True

    def __init__(self, key: TriggerKey, concurrency: Concurrency, lanes: Lanes) -> None:
        self._key, self.concurrency, self._lanes = key, concurrency, lanes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConcurrencyGate) and (other._key, other.concurrency) == (self._key, self.concurrency)

    def __hash__(self) -> int:
        return hash(self._key)

    def room(self, now: float) -> int:
        """As `Gate.room`."""
        if not self._lanes.live.synced:
            return 0
        if self.concurrency.key is not None or self.concurrency.policy != "queue":
            return ANY_NUMBER
        return self._lanes.free(lane_label(self._key, ""), self.concurrency)

    def why(self, now: float) -> tuple[str, float]:
        """As `Gate.why`."""
        live = self._lanes.live
        if not live.synced:
            return f"the list of running Workflows ({live.problem or 'it is being read'})", math.inf
        return self._lanes.why(lane_label(self._key, ""), self.concurrency, ""), math.inf


class Lanes:
    """What is under way and what is shelved, by label. `changed` is called when something may start that might not before."""

    def __init__(self, ledger: Ledger, live: Live, changed: Callable[[], None]) -> None:
        self._ledger, self.live, self._changed = ledger, live, changed
        # the firings that are under way by label, and the label of each claim
        self._under_way: dict[str, set[str]] = defaultdict(set)
        self._places: dict[int, str] = {}
        self._shelved: dict[str, tuple[TriggerKey, str | None]] = {}
        self._recalled: set[str] = set()
        self._turns: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._replacing: dict[str, list[Firing]] = defaultdict(list)
        self._pulse = asyncio.Event()

    # -- how many

    def free(self, label: str, concurrency: Concurrency) -> int:
        """How many more may start; not below 0."""
        return max(0, concurrency.max - self._number(label))

    def _number(self, label: str) -> int:
        """How many run or start. The watch may have told of one before its create was answered."""
        starting = self._under_way.get(label, _NONE)
        return len(starting) + sum(1 for one in self.live.running(label) if one.firing not in starting)

    def why(self, label: str, concurrency: Concurrency, lane: str) -> str:
        """What a firing waits for that would be one too many."""
        running = self.live.running(label)
        names = ", ".join(map(str, running[:3])) + (", …" if len(running) > 3 else "")
        of = f" with the key {shorten(lane)}" if lane else ""
        return f"concurrency: {self._number(label)} of {concurrency.max} Workflows{of} run{f' ({names})' if names else ''}"

    # -- one firing

    def admit(self, program: TriggerProgram, claim: Claim) -> Admission:
        """Whether a claim may be carried out now. One whose earlier attempt may have made its Workflow always may: it is looked for."""
        firing, concurrency = claim.firing, program.concurrency
        if firing.dlq:
            return Admission.RUN
        if claim.behind and program.order == "key":
            self._shelved[lane_label(program.key, firing.lane)] = (program.key, firing.lane)
            return Admission.SHELVE
        if concurrency is None or claim.target is not None:
            return Admission.RUN
        label = program.lane_label(firing)
        if self.live.synced and (concurrency.policy == "replace" or self.free(label, concurrency) > 0):
            return Admission.RUN
        if self.live.synced and concurrency.policy == "skip":
            return Admission.SKIP
        self._shelved[label] = (program.key, firing.lane if concurrency.key is not None else None)
        return Admission.SHELVE

    def skipped(self, program: TriggerProgram, claim: Claim) -> Outcome:
        """The end of a firing that is one too many."""
        concurrency = program.concurrency
        assert concurrency is not None  # noqa: S101  only such a trigger skips
        running = ", ".join(map(str, self.live.running(program.lane_label(claim.firing))[:3]))
        text = f"{concurrency.max} run already{f' ({running})' if running else ''}; concurrency.policy is skip"
        return Outcome(OutcomeKind.CANCELLED, "Skipped", text)

    def waits(self, program: TriggerProgram, firing: Firing) -> str:
        """What a firing waits for within its lane, for people; empty if for nothing."""
        if firing.lane and program.order == "key" and lane_label(program.key, firing.lane) in self._shelved:
            return f"the one before it with the key {shorten(firing.lane)} (order: key)"
        label = program.lane_label(firing)
        if label and program.concurrency is not None and label in self._shelved:
            return self.why(label, program.concurrency, firing.lane)
        return ""

    def started(self, program: TriggerProgram, claim: Claim) -> None:
        """It is being carried out."""
        if program.concurrency is not None and program.concurrency.policy != "replace":
            self._place(claim, program.lane_label(claim.firing))

    def _place(self, claim: Claim, label: str) -> None:
        if label:
            self._places[claim.token] = label
            self._under_way[label].add(claim.firing.id)

    def ended(self, program: TriggerProgram, claim: Claim, outcome: Outcome | None) -> None:
        """It is over. With its outcome what it made counts as running."""
        firing = claim.firing
        label = program.lane_label(firing)
        if label and outcome is not None and outcome.kind is OutcomeKind.SUCCEEDED and outcome.result is not None:
            self._made(label, outcome.result)
        if place := self._places.pop(claim.token, ""):
            self._under_way[place].discard(firing.id)
            if not self._under_way[place]:
                del self._under_way[place]
            self.moved(place)
            self.pulse()
        if firing.lane and program.order == "key" and outcome is not None and outcome.kind in _ENDS:
            self.moved(lane_label(program.key, firing.lane))

    def _made(self, label: str, made: Target) -> None:
        if made.kind == "Workflow":
            self.live.made(label, made.namespace, made.name)

    def moved(self, label: str) -> None:
        """Something that counted under a label does so no more: what is shelved there is offered again. An empty label: under any."""
        if not label and self._shelved:
            self._recalled.update(self._shelved)
            self._changed()
        elif label in self._shelved:
            self._recalled.add(label)
            self._changed()

    async def recall(self, programs: Callable[[TriggerKey], TriggerProgram | None]) -> None:
        """Have the ledger offer again what may start now."""
        while self._recalled:
            label = self._recalled.pop()
            if (shelved := self._shelved.get(label)) is None:
                continue
            key, lane = shelved
            program = programs(key)
            count = 1
            if program is not None and program.concurrency is not None and program.lane_label(_of(key, lane or "")) == label:
                count = self.free(label, program.concurrency)
                if count == 0:
                    continue
            if not await self._ledger.unshelve(key, lane, count):
                self._shelved.pop(label, None)

    def forget(self, key: TriggerKey) -> None:
        """All that was shelved of a trigger is offered again by the ledger: its limits have changed."""
        for label in [label for label, shelved in self._shelved.items() if shelved[0] == key]:
            del self._shelved[label]

    # -- in place of others

    async def make_room(self, program: TriggerProgram, claim: Claim, seconds: float) -> Outcome | None:
        """With `replace`: end the oldest that run, and wait until there is room, for so many seconds. An outcome if another firing takes
        this one's place. Raises `ClientError`, and `TriggerError` `StillRunning` where they have not ended in time."""
        concurrency, firing = program.concurrency, claim.firing
        label = program.lane_label(firing)
        if not label or concurrency is None or concurrency.policy != "replace":
            return None
        waiting = self._replacing[label]
        waiting.append(firing)
        try:
            async with asyncio.timeout(seconds), self._turns[label]:
                while True:
                    if firing not in waiting[-concurrency.max :]:
                        return Outcome(OutcomeKind.CANCELLED, "Replaced", f"a newer one takes its place: {waiting[-1].id}")
                    excess = self._number(label) + 1 - concurrency.max
                    if excess <= 0:
                        break
                    for one in self.live.running(label)[:excess]:
                        await self._terminate(program, one)
                    await self._pulse.wait()
                self._place(claim, label)
                return None
        except TimeoutError:
            names = ", ".join(map(str, self.live.running(label)[:3]))
            raise TriggerError(
                "StillRunning", f"what it replaces has not ended in {seconds:g} s: {names}", transient=True
            ) from None
        finally:
            waiting.remove(firing)
            if not waiting:
                del self._replacing[label]
                self._turns.pop(label, None)

    def replacing(self, firing: Firing) -> str:
        """What a firing that is under way waits for in `make_room`, for people; empty if for nothing."""
        for label, waiting in self._replacing.items():
            if any(one.id == firing.id for one in waiting):
                return f"what it replaces to end: {', '.join(map(str, self.live.running(label)[:3]))}"
        return ""

    async def _terminate(self, program: TriggerProgram, running: Running) -> None:
        """As `argo terminate` does. Raises `ClientError`."""
        if running.ending or program.services.kube is None:
            return
        patch = {"spec": {"shutdown": "Terminate"}}
        where = ("argoproj.io/v1alpha1", "Workflow", running.name, running.namespace)
        try:
            await program.services.kube.patch(*where, patch, impersonate=program.account)
        except Refused as error:
            if error.status != 404:
                raise
        running.ending = True

    def pulse(self) -> None:
        """Something has ended: those that wait for it look again."""
        self._pulse.set()
        self._pulse = asyncio.Event()


_ENDS: Final = (OutcomeKind.SUCCEEDED, OutcomeKind.DEAD, OutcomeKind.CANCELLED)


def _of(key: TriggerKey, lane: str) -> Firing:
    return Firing("", key, {}, lane=lane)
