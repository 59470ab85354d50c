"""What every ledger must answer about the past, and forget in time: beside `LedgerConformance`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bus.samples import DONE, KEY, Clock, Opened, Place, event, fire, fired, firing, holding, in_place_of
from tiphys.bus import Decision, FiringState, Outcome, OutcomeKind, Stored, TriggerKey, Verdict, VerdictKind
from tiphys.errors import UnknownRecord

OTHER = TriggerKey("argo", "ci", "deploy")


class JournalConformance(ABC):
    """The suite of the journal, of replays and of retention."""

    @pytest.fixture
    @abstractmethod
    def place(self, tmp_path: Path) -> Place:
        """A place of the driver's, empty."""

    # -- the journal

    async def test_a_unique_prefix_names_an_event(self, place: Place) -> None:
        async with place.open() as opened:
            for number in range(20):
                await opened.log.publish(event(number))
            await opened.log.publish(replace(event("x"), id="kafka-0-17"))

            assert (await opened.ledger.event(event(7).id[:20])).event == event(7)
            assert (await opened.ledger.event("kafka-0-17")).event.id == "kafka-0-17"
            assert (await opened.ledger.event("kafka-0")).event.id == "kafka-0-17"
            for unknown in ("", "f" * 32, "kafka-0-18", event(7).id + "0"):
                with pytest.raises(UnknownRecord):
                    await opened.ledger.event(unknown)

    async def test_events_are_listed_newest_first_without_data(self, place: Place) -> None:
        async with place.open() as opened:
            for number in range(6):
                await opened.log.publish(event(number, source="odd" if number % 2 else "even"))
            await opened.log.publish(event("else", namespace="other"))
            newest = await opened.ledger.events(limit=3)
            odd = await opened.ledger.events(namespace="argo", source="odd", limit=2)
            older = await opened.ledger.events(namespace="argo", source="odd", before=odd[-1].position)
            nobody = await opened.ledger.events(subject="nobody")

        assert [one.position for one in newest] == sorted([one.position for one in newest], reverse=True)
        assert newest[0].event.namespace == "other"
        assert {one.event.data for one in newest} == {None}
        assert [one.event.id for one in odd] == [event(number, source="odd").id for number in (5, 3)]
        assert [one.event.id for one in older] == [event(1, source="odd").id]
        assert nobody == []

    async def test_firings_are_found_by_trigger_state_and_event(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1), event(2), keys=[KEY, OTHER])
            (claim,) = await opened.ledger.claim(1, busy={OTHER})
            await opened.ledger.resolve(epoch, claim, Outcome(OutcomeKind.DEAD, "Gone"))
            ledger = opened.ledger

            assert len(await ledger.firings(limit=3)) == 3
            assert {one.firing.key for one in await ledger.firings(namespace="argo", sensor="ci", trigger="deploy")} == {OTHER}
            assert [one.firing.id for one in await ledger.firings(states=[FiringState.DEAD])] == [claim.firing.id]
            assert [one.firing.id for one in await ledger.firings(sensor="ci", states=[FiringState.DEAD])] == [claim.firing.id]
            assert len(await ledger.firings(states=[FiringState.PENDING, FiringState.SUCCEEDED])) == 3
            assert len(await ledger.firings(event_id=event(2).id)) == 2
            assert len(await ledger.firings(event_id=event(2).id, trigger="build")) == 1
            assert await ledger.firings(namespace="nowhere") == []
            with pytest.raises(UnknownRecord):
                await ledger.firing("0000000000000")

    async def test_health_counts_events(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            await opened.log.publish(event(1))
            clock.now += 5
            await opened.log.publish(event(2))
            health = await opened.ledger.health()

        assert (health.writable, health.reason, health.damaged, health.events) == (True, "", 0, 2)
        assert health.oldest == clock.now - 5

    # -- replay

    async def test_a_replay_of_an_event_is_asked_once_and_settled_once(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (stored,) = await fire(opened, epoch, event(1))
            number = await opened.ledger.replay_event(event(1).id, [OTHER], "mira")
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (request,) = await opened.ledger.replays(wait=5)
            again = replace(firing({"push": (stored.event.id, stored.position)}, OTHER), replay=number)
            verdict = Verdict(2, 1, 0, VerdictKind.FIRED)
            decision = Decision(stored.event.id, stored.position, (verdict,), firings=(again,), replay=number)
            await opened.ledger.settle(epoch, 0, [decision])
            await opened.ledger.settle(epoch, 0, [decision])
            record = await opened.ledger.event(event(1).id)
            (made,) = await opened.ledger.firings(trigger="deploy")

            assert (request.number, request.position, request.event) == (number, stored.position, event(1))
            assert (request.triggers, request.actor) == ((OTHER,), "mira")
            assert record.verdicts == (Verdict(1, 0, 0, VerdictKind.FIRED), verdict)
            assert (made.firing, made.actor) == (again, "mira")
            assert await opened.ledger.replays() == []

    async def test_a_replay_of_a_firing_has_the_same_events_and_a_new_id(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1))
            (claim,) = await opened.ledger.claim(1)
            await opened.ledger.resolve(epoch, claim, DONE)
            first = await opened.ledger.replay_firing(claim.firing.id, "mira")
            second = await opened.ledger.replay_firing(claim.firing.id, "mira")
            claims = await opened.ledger.claim(5)

            assert 0 < first.replay < second.replay
            assert len({claim.firing.id, first.id, second.id}) == 3
            assert first.events == claim.firing.events
            assert first.parent == claim.firing.id
            assert [one.firing for one in claims] == [first, second]
            assert (await opened.ledger.firing(first.id)).actor == "mira"

    async def test_what_is_unknown_cannot_be_replayed(self, place: Place) -> None:
        async with place.open() as opened:
            with pytest.raises(UnknownRecord):
                await opened.ledger.replay_event("f" * 32, [], "mira")
            with pytest.raises(UnknownRecord):
                await opened.ledger.replay_firing("0000000000000", "mira")

    async def test_replays_wait_for_a_request(self, place: Place) -> None:
        async with place.open() as opened:
            await opened.log.publish(event(1))
            waiting = asyncio.create_task(opened.ledger.replays(wait=30))
            await asyncio.sleep(0.01)
            await opened.ledger.replay_event(event(1).id, [], "mira")

            assert len(await waiting) == 1

    # -- retention

    async def test_retention_removes_old_settled_events_and_keeps_what_unfinished_work_needs(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            done, pending, kept, asked, plain = [Stored(await opened.log.publish(event(n)), event(n)) for n in range(5)]
            decisions = [fired(done), fired(pending, OTHER), holding(kept, "a"), Decision(asked.event.id, asked.position)]
            await opened.ledger.settle(epoch, plain.position, decisions)
            await opened.ledger.replay_event(asked.event.id, [], "mira")
            (claim,) = await opened.ledger.claim(1, busy={OTHER})
            await opened.ledger.resolve(epoch, claim, DONE)
            unsettled = await opened.log.publish(event("unsettled"))
            clock.now += 8 * 86400
            fresh = await opened.log.publish(event("fresh"))
            removed = await opened.ledger.retain()
            left = [one.position for one in await opened.ledger.events()]

            assert removed == 2
            assert left == [fresh, unsettled, asked.position, kept.position, pending.position]
            await self._finish(opened, epoch)
            assert await opened.ledger.retain() == 2

    async def test_what_was_replaced_or_decided_again_keeps_no_event_any_longer(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            one, two = [Stored(await opened.log.publish(event(number)), event(number)) for number in (1, 2)]
            await opened.ledger.settle(epoch, two.position, [holding(one, "a"), Decision(two.event.id, two.position)])
            number = await opened.ledger.replay_event(two.event.id, [], "mira")
            await opened.ledger.settle(epoch, 0, [Decision(two.event.id, two.position, replay=number)])
            three = Stored(await opened.log.publish(event(3)), event(3))
            await opened.ledger.settle(epoch, three.position, [in_place_of(one, holding(three, "a"))])
            clock.now += 8 * 86400

            assert await opened.ledger.retain() == 2
            assert [record.position for record in await opened.ledger.events()] == [three.position]

    async def _finish(self, opened: Opened, epoch: int) -> None:
        (claim,) = await opened.ledger.claim(1)
        await opened.ledger.resolve(epoch, claim, DONE)
        await opened.ledger.release(KEY)

    async def test_ended_firings_go_after_thirty_days_and_unfinished_ones_never(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1), keys=[KEY, OTHER])
            (claim,) = await opened.ledger.claim(1, busy={OTHER})
            await opened.ledger.resolve(epoch, claim, DONE)
            clock.now += 29 * 86400
            await opened.ledger.retain()
            before = len(await opened.ledger.firings())
            clock.now += 2 * 86400
            await opened.ledger.retain()

            assert before == 2
            assert [one.firing.key for one in await opened.ledger.firings()] == [OTHER]

    async def test_an_event_that_counts_as_decided_has_its_verdicts_whenever_one_looks(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            looking: list[str] = []
            missing: list[str] = []

            async def look() -> None:
                while looking:
                    record = await opened.ledger.event(looking[-1])
                    if record.decided and not record.verdicts:
                        missing.append(record.event.id)

            looking.append(event(0).id)
            position = await opened.log.publish(event(0))
            async with asyncio.TaskGroup() as group:
                for _ in range(4):
                    group.create_task(look())
                for number in range(1, 1000):
                    await opened.ledger.settle(epoch, position, [fired(Stored(position, event(number - 1)))])
                    position = await opened.log.publish(event(number))
                    looking.append(event(number).id)
                looking.clear()
            assert missing == []
