"""What every ledger must do with claims and attempts: beside `LedgerConformance`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bus.samples import DONE, KEY, Clock, Place, event, fire, fired, firing, target
from tiphys.bus import Decision, FiringState, Outcome, OutcomeKind, Stored, TriggerKey
from tiphys.errors import StaleClaim

OTHER = TriggerKey("argo", "ci", "deploy")


class ActingConformance(ABC):
    """The suite of a ledger's acting half."""

    @pytest.fixture
    @abstractmethod
    def place(self, tmp_path: Path) -> Place:
        """A place of the driver's, empty."""

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

    async def test_no_more_of_a_trigger_is_claimed_than_there_is_room_for(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, *[event(number) for number in range(5)], keys=[KEY, OTHER])

            claims = await opened.ledger.claim(10, room={KEY: 2})
            none = await opened.ledger.claim(10, room={KEY: 0})

            assert Counter(claim.firing.key for claim in claims) == {KEY: 2, OTHER: 5}
            assert none == []
            assert len(await opened.ledger.claim(10)) == 3

    async def test_in_order_nothing_overtakes_a_firing_that_waits_for_its_next_attempt(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            first, second = await fire(opened, epoch, event(1), event(2))
            (claim,) = await opened.ledger.claim(1, in_order={KEY})
            later = Outcome(OutcomeKind.RELEASED, "Unreachable", retry_at=clock.now + 60)
            await opened.ledger.resolve(epoch, claim, later)

            assert await opened.ledger.claim(5, in_order={KEY}) == []
            clock.now += 61
            again = await opened.ledger.claim(1, in_order={KEY})
            await opened.ledger.resolve(epoch, again[0], DONE)
            (next_one,) = await opened.ledger.claim(5, in_order={KEY})

        assert [one.firing.events["push"].id for one in (*again, next_one)] == [first.event.id, second.event.id]

    async def test_of_a_trigger_that_may_only_try_again_no_new_firing_is_claimed(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            first, _ = await fire(opened, epoch, event(1), event(2))
            (claim,) = await opened.ledger.claim(1)
            assert await opened.ledger.claim(5, retried={KEY}) == []
            await opened.ledger.resolve(epoch, claim, Outcome(OutcomeKind.RETRY, "OutcomeUnknown", retry_at=clock.now + 1))
            clock.now += 2

            claims = await opened.ledger.claim(5, retried={KEY})

        assert [one.firing.events["push"].id for one in claims] == [first.event.id]

    async def test_in_order_nothing_overtakes_across_a_restart(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, event(1), event(2))
            (claim,) = await opened.ledger.claim(1, in_order={KEY})
            await opened.ledger.resolve(epoch, claim, Outcome(OutcomeKind.RELEASED, "Unreachable", retry_at=clock.now + 60))

        async with place.open(clock) as opened:
            assert await opened.ledger.claim(5, in_order={KEY}) == []
            assert len(await opened.ledger.claim(5)) == 1

    async def test_when_attempts_began_is_remembered_where_it_is_asked_for(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await fire(opened, epoch, *[event(number) for number in range(4)], keys=[KEY])
            await fire(opened, epoch, event("o"), keys=[OTHER])
            for claim in await opened.ledger.claim(10):
                remember = 60.0 if claim.firing.key == KEY else 0.0
                await opened.ledger.begin(epoch, claim, target(claim.firing.id), remember=remember)
                clock.now += 25

        clock.now -= 15
        async with place.open(clock) as opened:
            ages = await opened.ledger.begun(KEY, 60)
            others = await opened.ledger.begun(OTHER, 60)
            unknown = await opened.ledger.begun(TriggerKey("argo", "ci", "none"), 60)

        assert len(ages) in (2, 3)
        assert ages == sorted(ages, reverse=True)
        assert all(0 <= age < 60 for age in ages)
        assert (others, unknown) == ([], [])

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
