"""Acting on firings: `claim`, `renew`, `begin`, `resolve`, `hasten` and `cancel` over `Claims` and the file.

A firing whose own record is damaged is set aside. One whose events are damaged or gone ends as dead (`EventLost`), since no later
attempt can do better. Neither keeps others waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tiphys.bus.event import Event
from tiphys.bus.firing import Claim, Firing, Outcome, OutcomeKind, Target, TriggerKey
from tiphys.bus.sqlite.acting import Begin, Resolve, cancel_some, end_firing
from tiphys.bus.sqlite.claims import Claimed, Claims, Permits, Waiting
from tiphys.bus.sqlite.deciding import Numbered
from tiphys.bus.sqlite.firing_events import Large, events_from, positions_of, too_large
from tiphys.bus.sqlite.gathering import close
from tiphys.bus.sqlite.log import SqliteLog
from tiphys.bus.sqlite.records import Damaged, firing_from_row, lane_key, target_from_text
from tiphys.bus.sqlite.store import Reader, Store
from tiphys.bus.sqlite.transaction import Transaction, rows_text
from tiphys.errors import StaleClaim

__all__ = ["Acting"]

_STEP: Final = 256
_DEAD: Final = 3


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a claim says of a firing beside its events."""

    firing: Firing
    decided: float
    attempts: int = 0
    first_attempt: float = 0.0
    target: Target | None = None
    behind: bool = False
    gathers: bool = False


class Acting:
    """The acting half of the ledger. Used on the event loop; `load` first."""

    def __init__(self, store: Store, log: SqliteLog) -> None:
        self._store = store
        self._log = log
        self._claims = Claims()
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()

    async def load(self) -> None:
        """Void all claims and find the triggers that have unfinished firings."""
        self._claims.void(await self._store.read(_waiting_triggers))
        self._wake.set()

    def added(self, numbered: Iterable[Numbered], decided: float) -> None:
        """New firings are durable."""
        triggers = self._store.transaction.triggers
        for number, firing in numbered:
            self._claims.add(number, firing, triggers[firing.key], decided)
            self._wake.set()

    # -- claiming

    async def claim(self, limit: int, permits: Permits, wait: float, lease: float) -> list[Claim]:
        """As `Ledger.claim`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:
            async with self._turn:
                self._wake.clear()
                claims = await self._claim_now(limit, permits, lease)
            left = end - loop.time()
            if claims or left <= 0:
                return claims
            alarm = self._claims.next_alarm() - self._store.clock()
            pause = min(left, max(alarm, 0.001), max(self._claims.next_lease() - loop.time(), 0.001))
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _claim_now(self, limit: int, permits: Permits, lease: float) -> list[Claim]:
        loop, claims = asyncio.get_running_loop(), self._claims
        given: list[Claimed] = []
        try:
            while True:
                now = self._store.clock()
                claims.expire(loop.time())
                claims.wake(now)
                given = []
                permits.begin()
                while len(given) < limit:
                    chosen, lacking = claims.pick(limit - len(given), permits, now)
                    deadline = loop.time() + lease
                    given += [claims.give(number, waiting, deadline, now) for number, waiting in chosen]
                    if not lacking:
                        break
                    for waiting in lacking:
                        await self._load_pages(waiting, now)
                found = await self._with_rows(given, now)
                if found or not given:
                    return found
        except BaseException:
            for claimed in given:
                if claims.claimed.get(claimed.number) is claimed:
                    claims.end(claimed)
                    claims.put_back(claimed.waiting, claimed.number, 0.0)
            raise

    async def _load_pages(self, waiting: Waiting, now: float) -> None:
        waiting.reading = True
        try:
            if waiting.needs_ready():
                additions, emptied, after = waiting.additions, waiting.emptied, waiting.loaded_to
                numbers = await self._store.read(
                    lambda reader: reader.all("ready_page", trigger=waiting.number, after=after, limit=waiting.page)
                )
                self._claims.loaded_ready(waiting, [number for (number,) in numbers], additions, emptied)
            if waiting.needs_delayed(now):
                emptied, (time, number) = waiting.emptied, waiting.delayed_from
                rows = await self._store.read(
                    lambda reader: reader.all("delayed_page", trigger=waiting.number, time=time, number=number, limit=waiting.page)
                )
                self._claims.loaded_delayed(waiting, rows, emptied)
        finally:
            waiting.reading = False

    async def _with_rows(self, given: Sequence[Claimed], now: float) -> list[Claim]:
        claims = self._claims
        ready: dict[int, _Ready] = {}
        missing: list[int] = []
        for claimed in given:
            if (fresh := claims.fresh.get(claimed.number)) is not None:
                ready[claimed.number] = _Ready(*fresh)
            else:
                missing.append(claimed.number)
        if missing:
            ready |= await self._rows(missing, now)
            if gathering := [number for number, one in ready.items() if one.gathers]:
                await self._close(gathering)
                ready |= await self._rows(gathering, now)
        large = await too_large(self._store, [one.firing for one in ready.values()])
        events = await self._log.events_at(positions_of([one.firing for one in ready.values()], large))
        found: list[Claim] = []
        for claimed in given:
            one = ready.get(claimed.number)
            if one is None:
                # finished, put off or set aside since its number was read
                claims.end(claimed)
            elif any(event.position not in events for event in one.firing.events.values()):
                await self._lose(claimed, one.firing)
            elif claims.claimed.get(claimed.number) is claimed:
                found.append(_claim(claimed, one, events, large))
        return found

    async def _close(self, numbers: list[int]) -> None:
        """What is carried out gathers no more."""
        await self._store.write(lambda tx: close(tx, numbers), "close")

    async def _rows(self, numbers: list[int], now: float) -> dict[int, _Ready]:
        def load(reader: Reader) -> tuple[dict[int, _Ready], list[tuple[int | str, str, str]]]:
            ready: dict[int, _Ready] = {}
            damaged: list[tuple[int | str, str, str]] = []
            lanes = {number: lane for number, *lane in reader.all("lanes_of", numbers=rows_text(numbers))}
            for row in reader.all("firings_by_number", numbers=rows_text(numbers)):
                (
                    number,
                    firing_id,
                    namespace,
                    sensor,
                    trigger,
                    state,
                    decided,
                    not_before,
                    attempts,
                    first,
                    _ended,
                    crc,
                    record,
                    target,
                    _,
                ) = row
                if state >= 2 or not_before > now:
                    continue
                try:
                    firing = firing_from_row(firing_id, TriggerKey(namespace, sensor, trigger), crc, record)
                    behind, gathered = lanes.get(number, (0, 0))
                    ready[number] = _Ready(
                        firing, decided, attempts, first, target_from_text(target), bool(firing.lane and behind), gathered > 0
                    )
                except Damaged as reason:
                    damaged.append((number, str(firing_id), str(reason)))
            return ready, damaged

        ready, damaged = await self._store.read(load)
        if damaged:
            await self._store.set_aside("firing", damaged)
            aside = {number for number, _, _ in damaged}
            for waiting in [one.waiting for one in self._claims.claimed.values() if one.number in aside]:
                self._again(waiting.key, waiting.number)  # others of its lane may have waited for it
        return ready

    async def _lose(self, claimed: Claimed, firing: Firing) -> None:
        outcome = Outcome(OutcomeKind.DEAD, "EventLost", "an event of this firing is damaged or gone; it cannot be carried out")
        claimed.writes += 1
        try:
            await self._store.write(lambda tx: end_firing(tx, claimed.number, firing, _DEAD, outcome))
        finally:
            claimed.writes -= 1
            self._claims.end(claimed)
        if firing.lane:
            await self.unshelve(firing.key, firing.lane, 1)

    # -- what follows a claim

    def _valid(self, claim: Claim) -> Claimed:
        claimed = self._claims.by_token.get(claim.token)
        if claimed is None or not (claimed.writes or claimed.deadline > asyncio.get_running_loop().time()):
            raise StaleClaim(claim.firing.id)
        return claimed

    async def renew(self, claim: Claim, lease: float) -> Claim:
        """As `Ledger.renew`."""
        claimed = self._valid(claim)
        self._claims.renewed(claimed, asyncio.get_running_loop().time() + lease)
        return replace(claim, deadline=claimed.deadline)

    async def begin(self, epoch: int, claim: Claim, target: Target, remember: float) -> None:
        """As `Ledger.begin`."""
        claimed = self._valid(claim)
        remembered = (claimed.waiting.number, remember) if remember else None
        claimed.writes += 1
        try:
            await self._store.submit(Begin(epoch, claimed.number, claim, target, claimed.started, remembered))
        finally:
            claimed.writes -= 1

    async def begun(self, key: TriggerKey, within: float) -> list[float]:
        """As `Ledger.begun`."""
        trigger, now = self._store.transaction.triggers.get(key), self._store.clock()
        if trigger is None:
            return []
        rows = await self._store.read(lambda reader: reader.all("starts_of", trigger=trigger, after=now - within))
        return [max(0.0, now - at) for (at,) in rows]

    async def resolve(self, epoch: int, claim: Claim, outcome: Outcome, follow_ups: Sequence[Firing]) -> None:
        """As `Ledger.resolve`."""
        claimed = self._valid(claim)

        def committed(job: Resolve) -> None:
            self._claims.end(claimed)
            if outcome.kind in (OutcomeKind.RETRY, OutcomeKind.RELEASED):
                self._claims.put_back(claimed.waiting, claimed.number, job.not_before)
            self.added(job.result, job.decided)
            # also where nothing was put back: a caller's `busy` may be a set that shrinks while it waits
            self._wake.set()

        claimed.writes += 1
        try:
            await self._store.submit(Resolve(epoch, claimed.number, claim, outcome, follow_ups, claimed.started, committed))
        finally:
            claimed.writes -= 1

    def shelve(self, claim: Claim) -> None:
        """As `Ledger.shelve`."""
        claimed = self._claims.by_token.get(claim.token)
        if claimed is not None:
            self._claims.end(claimed)
            if claimed.recalled:
                self._claims.put_back(claimed.waiting, claimed.number, 0.0)
                self._wake.set()

    async def unshelve(self, key: TriggerKey, lane: str | None, count: int) -> int:
        """As `Ledger.unshelve`."""
        trigger = self._store.transaction.triggers.get(key)
        if trigger is None:
            return 0
        if lane is None:
            self._again(key, trigger)
            return 0
        now, stored = self._store.clock(), lane_key(lane)
        rows = await self._store.read(lambda reader: reader.all("head_of_lane", trigger=trigger, lane=stored, limit=count))
        waiting = self._claims.trigger(key, trigger)
        for number, not_before in rows:
            if (claimed := self._claims.claimed.get(number)) is not None:
                claimed.recalled = True
            elif not_before <= now:
                self._claims.put_back(waiting, number, 0.0)
                self._wake.set()
        return len(rows)

    def _again(self, key: TriggerKey, trigger: int) -> None:
        """All of a trigger's firings are looked for in the file anew, those that were shelved as well."""
        for claimed in self._claims.claimed.values():
            if claimed.waiting.key == key:
                claimed.recalled = True
        self._claims.in_file(key, trigger)
        self._wake.set()

    async def hasten(self, key: TriggerKey) -> int:
        """As `Ledger.hasten`, in steps."""
        trigger = self._store.transaction.triggers.get(key)
        if trigger is None:
            return 0
        hastened = 0

        def step(tx: Transaction) -> int:
            return tx.changed("hasten_firings", trigger=trigger, limit=_STEP)

        while some := await self._store.write(step):
            hastened += some
        if hastened:
            self._claims.in_file(key, trigger)
            self._wake.set()
        return hastened

    async def cancel(self, key: TriggerKey, reason: str) -> int:
        """As `Ledger.cancel`, in steps."""
        trigger = self._store.transaction.triggers.get(key)
        if trigger is None:
            return 0
        outcome = Outcome(OutcomeKind.CANCELLED, "Cancelled", reason)
        cancelled = 0

        def step(tx: Transaction) -> tuple[int, list[tuple[int | str, str, str]]]:
            return cancel_some(tx, trigger, outcome, _STEP)

        while True:
            some, damaged = await self._store.write(step)
            await self._store.set_aside("firing", damaged)
            cancelled += some
            if not some and not damaged:
                break
        if key in self._claims.waiting:
            self._claims.in_file(key, trigger)
        return cancelled


def _claim(claimed: Claimed, one: _Ready, events: dict[int, Event], large: Large) -> Claim:
    mine = events_from(one.firing, events, large)
    return Claim(
        firing=one.firing,
        token=claimed.token,
        deadline=claimed.deadline,
        attempt=one.attempts + 1,
        events=mine,
        target=one.target,
        first_attempt=one.first_attempt,
        decided=one.decided,
        earlier=mine.earlier,
        behind=one.behind,
    )


def _waiting_triggers(reader: Reader) -> list[tuple[TriggerKey, int]]:
    keys: list[tuple[TriggerKey, int]] = []
    after = 0
    while (row := reader.one("waiting_triggers_after", after=after)) is not None:
        after = row[0]
        keys.append((TriggerKey(*reader.one("trigger", number=after)), after))
    return keys
