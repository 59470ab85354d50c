"""What every ledger must do: subclass `LedgerConformance` in a driver's tests and give it a `place`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bus.samples import DONE, KEY, Clock, Opened, Place, event, fire, fired, firing, holding, in_place_of, take, target
from tiphys.bus import Decision, FiringState, Outcome, OutcomeKind, Stored, TriggerKey, Verdict, VerdictKind
from tiphys.errors import StaleClaim, StaleEpoch, StoreError, UnknownRecord

OTHER = TriggerKey("argo", "ci", "deploy")


class LedgerConformance(ABC):
    """The suite of a ledger."""

    @pytest.fixture
    @abstractmethod
    def place(self, tmp_path: Path) -> Place:
        """A place of the driver's, empty."""

    # -- settle

    async def test_settle_records_verdicts_and_firings_and_moves_the_position(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (stored,) = await fire(opened, epoch, event(1))
            await opened.acknowledge(stored.position)
        async with place.open() as opened:
            await opened.log.publish(event(2))
            record = await opened.ledger.event(event(1).id)
            (only,) = await opened.ledger.firings()
            (after,) = await take(opened.log.read(), 1)

        assert record.settled
        assert record.verdicts == (Verdict(1, 0, 0, VerdictKind.FIRED),)
        assert only.firing == fired(stored).firings[0]
        assert only.state is FiringState.PENDING
        assert after.event == event(2)

    async def test_an_event_is_not_settled_before_it_is(self, place: Place) -> None:
        async with place.open() as opened:
            await opened.log.publish(event(1))

            assert not (await opened.ledger.event(event(1).id)).settled

    async def test_an_id_is_seen_once_it_was_settled_and_not_before(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            position = await opened.log.publish(event(1))
            before = await opened.ledger.seen([event(1).id])
            await opened.ledger.settle(epoch, position, [Decision(event(1).id, position)])
            settled = await opened.ledger.seen([event(1).id, event(2).id])
        async with place.open() as opened:
            reopened = await opened.ledger.seen([event(1).id, event(2).id])

        assert (before, settled, reopened) == (set(), {event(1).id}, {event(1).id})

    async def test_an_id_that_another_log_has_is_seen_once_it_was_settled(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await opened.ledger.settle(epoch, 7, [Decision("kafka-0-7", 7)])

            assert await opened.ledger.seen(["kafka-0-7", "kafka-0-8"]) == {"kafka-0-7"}

    async def test_a_redelivery_of_an_event_is_seen_while_its_first_arrival_is_not(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await opened.log.publish(event(1))
            await opened.log.publish(event(1))
            first, *_ = await take(opened.log.read(), 1)
            unseen = await opened.ledger.seen([first.event.id])
            await opened.ledger.settle(epoch, first.position, [Decision(first.event.id, first.position)])

            assert unseen == set()
            assert await opened.ledger.seen([event(1).id]) == {event(1).id}

    async def test_a_firing_whose_id_exists_is_left_as_it_is(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (stored,) = await fire(opened, epoch, event(1))
            (claim,) = await opened.ledger.claim(1)
            await opened.ledger.resolve(epoch, claim, DONE)
            await opened.ledger.settle(epoch, stored.position, [fired(stored)])

            assert await opened.ledger.claim(1) == []
            assert [one.state for one in await opened.ledger.firings()] == [FiringState.SUCCEEDED]

    async def test_the_position_never_goes_back(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            first, second = [Stored(await opened.log.publish(event(number)), event(number)) for number in (1, 2)]
            await opened.ledger.settle(epoch, second.position, [])
            await opened.ledger.settle(epoch, first.position, [])
            await opened.acknowledge(second.position)
            await opened.log.publish(event(3))

            assert [one.event for one in await take(opened.log.read(), 1)] == [event(3)]

    # -- epochs

    async def test_a_stale_engine_can_neither_settle_nor_begin_nor_resolve(self, place: Place) -> None:
        async with place.open() as opened:
            old = await opened.ledger.open_epoch()
            (stored,) = await fire(opened, old, event(1))
            new = await opened.ledger.open_epoch()
            (claim,) = await opened.ledger.claim(1)

            with pytest.raises(StaleEpoch):
                await opened.ledger.settle(old, stored.position + 1, [])
            with pytest.raises(StaleEpoch):
                await opened.ledger.begin(old, claim, target())
            with pytest.raises(StaleEpoch):
                await opened.ledger.resolve(old, claim, DONE)
            assert new > old
            assert (await opened.ledger.firing(claim.firing.id)).state is FiringState.PENDING

    async def test_a_new_epoch_voids_the_claims_before_it(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1))
            (old,) = await opened.ledger.claim(1)
            epoch = await opened.ledger.open_epoch()
            (new,) = await opened.ledger.claim(1)

            with pytest.raises(StaleClaim):
                await opened.ledger.resolve(epoch, old, DONE)
            await opened.ledger.resolve(epoch, new, DONE)

    async def test_the_epoch_grows_over_restarts(self, place: Place) -> None:
        epochs = []
        for _ in range(3):
            async with place.open() as opened:
                epochs.append(await opened.ledger.open_epoch())

        assert epochs == sorted(set(epochs))

    # -- held events

    async def test_held_events_survive_a_restart_with_their_transformed_data(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            stored = Stored(await opened.log.publish(event(1)), event(1))
            await opened.ledger.settle(epoch, stored.position, [holding(stored, "push", transformed=b'{"t":2}')])
        async with place.open() as opened:
            (held,) = await opened.ledger.held()
            seen = await opened.ledger.held_event(held)

        assert held == holding(stored, "push", transformed=b'{"t":2}').held[0]
        assert seen == replace(event(1), data=b'{"t":2}')

    async def test_an_event_takes_the_place_of_one_that_is_dropped_and_a_release_lets_all_go(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            one, two, three = [Stored(await opened.log.publish(event(number)), event(number)) for number in (1, 2, 3)]
            await opened.ledger.settle(epoch, two.position, [holding(one, "a"), in_place_of(one, holding(two, "a"))])
            newest = await opened.ledger.held()
            await opened.ledger.settle(epoch, three.position, [replace(fired(three), released=(KEY,))])

            assert [held.event_id for held in newest] == [two.event.id]
            assert await opened.ledger.held() == []

    async def test_an_event_held_and_released_within_one_settle_is_not_held(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            one, two, three = [Stored(await opened.log.publish(event(number)), event(number)) for number in (1, 2, 3)]
            decisions = [holding(one, "a"), replace(fired(two), released=(KEY,)), holding(three, "b")]
            await opened.ledger.settle(epoch, three.position, decisions)

            assert [(held.dependency, held.event_id) for held in await opened.ledger.held()] == [("b", three.event.id)]

    async def test_one_dependency_of_a_trigger_is_released(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            one, two = [Stored(await opened.log.publish(event(number)), event(number)) for number in (1, 2)]
            await opened.ledger.settle(epoch, two.position, [holding(one, "a"), holding(two, "b")])

            assert await opened.ledger.release(KEY, "a") == 1
            assert [held.dependency for held in await opened.ledger.held()] == ["b"]
            assert await opened.ledger.release(KEY) == 1
            assert await opened.ledger.release(KEY) == 0

    # -- claims

    async def test_a_claim_brings_the_events_by_dependency(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            one, two = [Stored(await opened.log.publish(event(number)), event(number)) for number in (1, 2)]
            both = firing({"a": (one.event.id, one.position), "b": (two.event.id, two.position)})
            both = replace(both, events={**both.events, "b": replace(both.events["b"], transformed=b"[]")})
            await opened.ledger.settle(epoch, two.position, [Decision(two.event.id, two.position, firings=(both,))])
            (claim,) = await opened.ledger.claim(5)

        assert claim.firing == both
        assert dict(claim.events) == {"a": event(1), "b": replace(event(2), data=b"[]")}
        assert (claim.attempt, claim.target, claim.first_attempt) == (1, None, 0.0)

    async def test_claims_of_a_trigger_come_in_the_order_of_their_decisions(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            stored = await fire(opened, epoch, *[event(number) for number in range(20)])
            claims = [(await opened.ledger.claim(1))[0] for _ in range(20)]

        assert [claim.firing.id for claim in claims] == [fired(one).firings[0].id for one in stored]

    async def test_claims_are_fair_over_triggers(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, *[event(number) for number in range(30)], keys=[KEY])
            await fire(opened, epoch, *[event(f"o{number}") for number in range(3)], keys=[OTHER])
            claims = await opened.ledger.claim(6)

        assert [claim.firing.key for claim in claims].count(OTHER) == 3

    async def test_a_busy_trigger_gets_no_claims_and_the_others_do(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1), event(2), keys=[KEY, OTHER])

            claims = await opened.ledger.claim(10, busy={KEY})

            assert {claim.firing.key for claim in claims} == {OTHER}
            assert len(await opened.ledger.claim(10)) == 2

    async def test_a_firing_is_claimed_once(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1))

            assert len(await opened.ledger.claim(10)) == 1
            assert await opened.ledger.claim(10) == []

    async def test_a_claim_waits_for_a_firing(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            waiting = asyncio.create_task(opened.ledger.claim(1, wait=30))
            await asyncio.sleep(0.01)
            await fire(opened, epoch, event(1))

            assert len(await waiting) == 1

    async def test_a_claim_that_runs_out_goes_to_the_next_and_its_token_is_stale(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1))
            (old,) = await opened.ledger.claim(1, lease=0.01)
            (new,) = await opened.ledger.claim(1, wait=30)

            with pytest.raises(StaleClaim):
                await opened.ledger.begin(epoch, old, target())
            with pytest.raises(StaleClaim):
                await opened.ledger.resolve(epoch, old, DONE)
            with pytest.raises(StaleClaim):
                await opened.ledger.renew(old)
            assert new.token != old.token
            await opened.ledger.resolve(epoch, new, DONE)

    async def test_a_renewed_claim_lasts(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1))
            (claim,) = await opened.ledger.claim(1, lease=5)
            renewed = await opened.ledger.renew(claim, lease=500)

            assert renewed.deadline > claim.deadline
            assert await opened.ledger.claim(1, wait=0.02) == []
            await opened.ledger.resolve(epoch, renewed, DONE)

    async def test_a_claim_is_resolved_once(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1))
            (claim,) = await opened.ledger.claim(1)
            await opened.ledger.resolve(epoch, claim, DONE)

            with pytest.raises(StaleClaim):
                await opened.ledger.resolve(epoch, claim, DONE)

    async def test_claims_of_a_backlog_all_come_after_a_restart(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, *[event(number) for number in range(1200)])
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, *[event(f"new{number}") for number in range(50)])
            claimed: list[str] = []
            while claims := await opened.ledger.claim(100):
                claimed += [claim.firing.id for claim in claims]

        assert len(claimed) == len(set(claimed)) == 1250

    # -- attempts

    async def test_what_begun_stands_after_a_crash_until_its_outcome_is_known(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1))
            (claim,) = await opened.ledger.claim(1)
            await opened.ledger.begin(epoch, claim, target())
        clock.now += 60
        async with place.open(clock) as opened:
            await opened.ledger.open_epoch()
            record = await opened.ledger.firing(claim.firing.id)
            (again,) = await opened.ledger.claim(1)

        assert record.state is FiringState.STARTED
        assert (again.target, again.attempt, again.first_attempt) == (target(), 2, clock.now - 60)

    async def test_a_retry_waits_and_its_target_stands(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1))
            (claim,) = await opened.ledger.claim(1)
            await opened.ledger.begin(epoch, claim, target())
            await opened.ledger.resolve(epoch, claim, Outcome(OutcomeKind.RETRY, "Unreachable", "later", clock.now + 10))
            early = await opened.ledger.claim(1)
            clock.now += 11
            (again,) = await opened.ledger.claim(1)

        assert early == []
        assert (again.target, again.attempt) == (target(), 2)

    async def test_a_retry_is_still_due_after_a_restart(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1), event(2))
            for number, claim in enumerate(await opened.ledger.claim(2)):
                await opened.ledger.resolve(epoch, claim, Outcome(OutcomeKind.RETRY, retry_at=clock.now + 10 + 100 * number))
        async with place.open(clock) as opened:
            await opened.ledger.open_epoch()
            early = await opened.ledger.claim(2)
            clock.now += 20
            due = await opened.ledger.claim(2)
            clock.now += 200
            later = await opened.ledger.claim(2)

        assert [len(early), len(due), len(later)] == [0, 1, 1]

    async def test_an_old_firing_that_is_due_again_goes_before_newer_ones(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, *[event(number) for number in range(5)])
            (first,) = await opened.ledger.claim(1)
            await opened.ledger.resolve(epoch, first, Outcome(OutcomeKind.RETRY, retry_at=clock.now + 1))
            clock.now += 2
            (again,) = await opened.ledger.claim(1)

        assert again.firing.id == first.firing.id

    async def test_a_definite_refusal_releases_the_target(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1))
            (claim,) = await opened.ledger.claim(1)
            await opened.ledger.begin(epoch, claim, target())
            await opened.ledger.resolve(epoch, claim, Outcome(OutcomeKind.RELEASED, "Forbidden", "no"))
            record = await opened.ledger.firing(claim.firing.id)
            (again,) = await opened.ledger.claim(1)

        assert (record.state, record.target) == (FiringState.PENDING, None)
        assert (again.target, again.attempt) == (None, 2)

    async def test_every_attempt_is_in_the_history(self, place: Place) -> None:
        clock = Clock()
        outcomes = [Outcome(OutcomeKind.RETRY, "Timeout", "slow"), Outcome(OutcomeKind.DEAD, "NameTaken", "é", result=target("x"))]
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1))
            for outcome in outcomes:
                (claim,) = await opened.ledger.claim(1)
                clock.now += 3
                await opened.ledger.resolve(epoch, claim, outcome)
        async with place.open(clock) as opened:
            record = await opened.ledger.firing(claim.firing.id)

        assert [(one.number, one.ended - one.started, one.outcome) for one in record.history] == [
            (1, 3.0, outcomes[0]),
            (2, 3.0, outcomes[1]),
        ]
        assert (record.state, record.last, record.attempts, record.ended) == (FiringState.DEAD, outcomes[1], 2, clock.now)

    async def test_follow_ups_come_with_the_outcome(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (stored,) = await fire(opened, epoch, event(1))
            (claim,) = await opened.ledger.claim(1)
            letter = firing({"push": (stored.event.id, stored.position)}, dlq=True, parent=claim.firing.id)
            await opened.ledger.resolve(epoch, claim, Outcome(OutcomeKind.DEAD, "Gone"), [letter])
            (follow,) = await opened.ledger.claim(5)

        assert follow.firing == letter
        assert dict(follow.events) == {"push": event(1)}

    async def test_cancelling_a_trigger_ends_what_has_not_begun(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, *[event(number) for number in range(4)])
            await fire(opened, epoch, event("other"), keys=[OTHER])
            begun, claimed = await opened.ledger.claim(2, busy={OTHER})
            await opened.ledger.begin(epoch, begun, target())

            assert await opened.ledger.cancel(KEY, "sensor deleted") == 3
            with pytest.raises(StaleClaim):
                await opened.ledger.begin(epoch, claimed, target())
            await opened.ledger.resolve(epoch, begun, DONE)
            assert [claim.firing.key for claim in await opened.ledger.claim(10)] == [OTHER]
            cancelled = await opened.ledger.firings(states=[FiringState.CANCELLED])
            assert {one.last.message for one in cancelled if one.last} == {"sensor deleted"}
            assert await opened.ledger.cancel(KEY, "again") == 0

    async def test_hastening_a_trigger_makes_due_what_waits_and_leaves_what_may_have_been_done(self, place: Place) -> None:
        clock = Clock()
        later = clock.now + 3600
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, *[event(number) for number in range(3)])
            refused, also_refused, unknown = await opened.ledger.claim(3)
            await opened.ledger.begin(epoch, unknown, target())
            await opened.ledger.resolve(epoch, unknown, Outcome(OutcomeKind.RETRY, retry_at=later))
            for claim in (refused, also_refused):
                await opened.ledger.resolve(epoch, claim, Outcome(OutcomeKind.RELEASED, retry_at=later))
            assert await opened.ledger.claim(3) == []

            assert await opened.ledger.hasten(KEY) == 2

            due = await opened.ledger.claim(3)
            assert [claim.firing.id for claim in due] == [refused.firing.id, also_refused.firing.id]
            assert await opened.ledger.hasten(OTHER) == 0

    # -- cursors

    async def test_a_cursor_keeps_its_last_value(self, place: Place) -> None:
        async with place.open() as opened:
            cursor = await opened.ledger.cursor("argo/repo/push")
            none = cursor.value
            await cursor.advance(b"1")
            await cursor.advance(b"\x00\xff")
        async with place.open() as opened:
            again = (await opened.ledger.cursor("argo/repo/push")).value
            another = (await opened.ledger.cursor("argo/repo/tag")).value

        assert (none, cursor.value, again, another) == (None, b"\x00\xff", b"\x00\xff", None)

    async def test_a_cursor_has_one_owner(self, place: Place) -> None:
        async with place.open() as opened:
            old = await opened.ledger.cursor("k")
            await old.advance(b"1")
            new = await opened.ledger.cursor("k")

            with pytest.raises(StoreError):
                await old.advance(b"2")
            assert (old.value, new.value) == (b"1", b"1")
            await new.advance(b"3")

    # -- manifests

    async def test_an_equal_manifest_keeps_its_revision_and_a_changed_one_gets_the_next(self, place: Place) -> None:
        async with place.open() as opened:
            first = await opened.ledger.keep("Sensor", "argo", "ci", b"{}", "file:a")
            await opened.log.publish(event(1))
            equal = await opened.ledger.keep("Sensor", "argo", "ci", b"{}", "file:b")
            changed = await opened.ledger.keep("Sensor", "argo", "ci", b'{"a":1}', "file:b")
        async with place.open() as opened:
            kept = await opened.ledger.kept("Sensor")
            old = await opened.ledger.revision(first.revision)

        assert equal == replace(first, origin="file:b")
        assert changed.revision > first.revision
        assert changed.since == first.since == 0
        assert kept == [changed]
        assert old.body == b"{}"

    async def test_a_new_sensor_starts_at_the_logs_end(self, place: Place) -> None:
        async with place.open() as opened:
            end = await opened.log.publish(event(1))

            assert (await opened.ledger.keep("Sensor", "argo", "ci", b"{}", "cluster")).since == end

    @pytest.mark.parametrize(("away", "same"), [(599, True), (601, False)])
    async def test_a_manifest_that_comes_back_within_the_grace_is_the_same(self, place: Place, away: float, same: bool) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            first = await opened.ledger.keep("Sensor", "argo", "ci", b"{}", "cluster")
            end = await opened.log.publish(event(1))
            await opened.ledger.forget("Sensor", "argo", "ci")
            gone = await opened.ledger.kept()
            (marked,) = await opened.ledger.kept(deleted=True)
            clock.now += away
            back = await opened.ledger.keep("Sensor", "argo", "ci", b"{}", "cluster")

        assert gone == []
        assert marked.deleted == clock.now - away
        assert back.since == (first.since if same else end)
        assert back.deleted == 0.0

    async def test_manifests_are_listed_by_kind_namespace_and_name(self, place: Place) -> None:
        names = [("Sensor", "b", "x"), ("EventSource", "a", "y"), ("Sensor", "a", "z"), ("Sensor", "a", "b")]
        async with place.open() as opened:
            for kind, namespace, name in names:
                await opened.ledger.keep(kind, namespace, name, b"{}", "cluster")
            kept = await opened.ledger.kept()

        assert [(one.kind, one.namespace, one.name) for one in kept] == sorted(names)

    async def test_a_revision_that_never_was_is_unknown(self, place: Place) -> None:
        async with place.open() as opened:
            with pytest.raises(UnknownRecord):
                await opened.ledger.revision(99)

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
