"""What every ledger must do with firings that share a key, and with those that gather: beside `ActingConformance`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bus.samples import DONE, KEY, Clock, Opened, Place, event, fired
from tiphys.bus import Claim, Decision, FiringState, Outcome, OutcomeKind, Stored
from tiphys.bus.firing import Gather
from tiphys.bus.ledger import FiringRecord

BATCH = Gather(wait=30.0, size=3)
DEBOUNCE = Gather(wait=30.0)


async def decide(opened: Opened, epoch: int, *names: str, gather: Gather | None = None, apart: bool = True) -> list[Stored]:
    """An event for each name, `lane:what`; each fires. `apart`: each in a settle of its own."""
    found: list[Stored] = []
    decisions: list[Decision] = []
    for name in names:
        one = Stored(await opened.log.publish(event(name)), event(name))
        decision = fired(one)
        lane = name.partition(":")[0]
        decisions.append(replace(decision, firings=tuple(replace(each, lane=lane, gather=gather) for each in decision.firings)))
        found.append(one)
    for batch in [[one] for one in decisions] if apart else [decisions]:
        await opened.ledger.settle(epoch, batch[-1].position, batch)
    return found


def names(claims: Sequence[Claim]) -> list[str]:
    return [claim.events["push"].extensions["worldid"] for claim in claims]


def gathered(claim: Claim) -> list[str]:
    return [one.extensions["worldid"] for one in (*claim.earlier.get("push", ()), claim.events["push"])]


async def record(opened: Opened, one: Stored) -> FiringRecord:
    return await opened.ledger.firing(fired(one).firings[0].id)


class LanesConformance(ABC):
    """The suite of lanes and of gathering."""

    @pytest.fixture
    @abstractmethod
    def place(self, tmp_path: Path) -> Place:
        """A place of the driver's, empty."""

    # -- lanes

    async def test_a_claim_says_whether_an_unfinished_firing_of_its_lane_is_before_it(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:1", "a:2", "b:1")
            claims = await opened.ledger.claim(10)

        assert [(name, claim.behind) for name, claim in zip(names(claims), claims, strict=True)] == [
            ("a:1", False),
            ("a:2", True),
            ("b:1", False),
        ]
        assert [claim.firing.lane for claim in claims] == ["a", "a", "b"]

    async def test_a_firing_that_waits_for_its_next_attempt_is_still_before_those_of_its_lane(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:1", "a:2")
            (first,) = await opened.ledger.claim(1)
            await opened.ledger.resolve(epoch, first, Outcome(OutcomeKind.RELEASED, "Unreachable", retry_at=clock.now + 60))

        async with place.open(clock) as opened:
            (second,) = await opened.ledger.claim(5)

        assert (names([second]), second.behind) == (["a:2"], True)

    @pytest.mark.parametrize("kind", [OutcomeKind.SUCCEEDED, OutcomeKind.DEAD, OutcomeKind.CANCELLED])
    async def test_a_firing_that_has_ended_is_before_none(self, place: Place, kind: OutcomeKind) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:1", "a:2")
            (first,) = await opened.ledger.claim(1)
            await opened.ledger.resolve(epoch, first, Outcome(kind))
            (second,) = await opened.ledger.claim(1)

        assert not second.behind

    async def test_what_was_shelved_is_given_again_once_its_lane_is_asked_for(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:1", "a:2", "a:3", "b:1")
            claims = await opened.ledger.claim(10)
            for claim in claims:
                await opened.ledger.shelve(claim)

            assert await opened.ledger.claim(10) == []
            await opened.ledger.unshelve(KEY, "a", 2)
            assert names(await opened.ledger.claim(10)) == ["a:1", "a:2"]
            await opened.ledger.unshelve(KEY, "b")
            assert names(await opened.ledger.claim(10)) == ["b:1"]

    async def test_what_was_asked_for_before_it_was_shelved_is_given_again(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:1")
            (claim,) = await opened.ledger.claim(10)
            await opened.ledger.unshelve(KEY, "a")
            await opened.ledger.shelve(claim)

            assert names(await opened.ledger.claim(10)) == ["a:1"]

    async def test_what_was_shelved_is_given_again_after_a_restart(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:1", "a:2")
            for claim in await opened.ledger.claim(10):
                await opened.ledger.shelve(claim)

        async with place.open() as opened:
            await opened.ledger.open_epoch()
            assert names(await opened.ledger.claim(10)) == ["a:1", "a:2"]

    # -- firings that take each other's place

    async def test_a_firing_takes_the_place_of_one_that_is_not_due_yet_and_both_say_so(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            (one,) = await decide(opened, epoch, "a:1", gather=DEBOUNCE)
            clock.now += 20
            (two,) = await decide(opened, epoch, "a:2", gather=DEBOUNCE)
            clock.now += 20

            assert await opened.ledger.claim(5) == []
            clock.now += 11
            claims = await opened.ledger.claim(5)
            old, new = await record(opened, one), await record(opened, two)

        assert names(claims) == ["a:2"]
        assert (old.state, new.state) == (FiringState.CANCELLED, FiringState.PENDING)
        assert old.last is not None
        assert old.last.reason == "Debounced"
        assert new.firing.id in old.last.message

    async def test_it_is_due_at_the_latest_so_long_after_the_first(self, place: Place) -> None:
        clock = Clock()
        often = replace(DEBOUNCE, most=50.0)
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            for number in range(4):
                await decide(opened, epoch, f"a:{number}", gather=often)
                clock.now += 15

            claims = await opened.ledger.claim(5)

        assert names(claims) == ["a:3"]

    async def test_what_is_under_way_is_not_replaced(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:1", gather=DEBOUNCE)
            clock.now += 31
            (first,) = await opened.ledger.claim(5)
            await decide(opened, epoch, "a:2", gather=DEBOUNCE)
            await opened.ledger.resolve(epoch, first, DONE)
            clock.now += 31
            (second,) = await opened.ledger.claim(5)

        assert names([first, second]) == ["a:1", "a:2"]

    @pytest.mark.parametrize("apart", [True, False])
    async def test_each_lane_gathers_by_itself(self, place: Place, apart: bool) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:1", "b:1", ":1", "a:2", ":2", "b:2", gather=DEBOUNCE, apart=apart)
            clock.now += 31
            claims = await opened.ledger.claim(10)

        assert sorted(names(claims)) == [":2", "a:2", "b:2"]

    # -- firings that join each other

    async def test_a_batch_is_due_when_it_is_full_and_has_all_events_in_order(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            first, *_ = await decide(opened, epoch, "a:1", "a:2", gather=BATCH)
            assert await opened.ledger.claim(5) == []
            await decide(opened, epoch, "a:3", "a:4", gather=BATCH)
            claims = await opened.ledger.claim(5)

            assert [gathered(claim) for claim in claims] == [["a:1", "a:2", "a:3"]]
            assert claims[0].firing.id == fired(first).firings[0].id
            assert await opened.ledger.claim(5) == []
            clock.now += 31
            (rest,) = await opened.ledger.claim(5)

        assert gathered(rest) == ["a:4"]

    async def test_a_batch_is_due_when_its_time_is_over_however_few_it_has(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:1", gather=BATCH)
            clock.now += 29
            await decide(opened, epoch, "a:2", gather=BATCH)
            clock.now += 2
            claims = await opened.ledger.claim(5)

        assert [gathered(claim) for claim in claims] == [["a:1", "a:2"]]

    async def test_a_batch_waits_through_a_restart_and_gathers_on(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:1", gather=BATCH)

        clock.now += 10
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:2", gather=BATCH)
            assert await opened.ledger.claim(5) == []
            clock.now += 21
            claims = await opened.ledger.claim(5)

        assert [gathered(claim) for claim in claims] == [["a:1", "a:2"]]

    async def test_what_is_claimed_is_joined_no_more_also_if_it_is_given_back(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:1", gather=BATCH)
            clock.now += 31
            (claim,) = await opened.ledger.claim(5)
            await decide(opened, epoch, "a:2", gather=BATCH)
            await opened.ledger.resolve(epoch, claim, Outcome(OutcomeKind.RELEASED, "Unreachable", retry_at=clock.now + 1))
            await decide(opened, epoch, "a:3", gather=BATCH)
            clock.now += 31
            claims = await opened.ledger.claim(5)

        assert sorted(gathered(one) for one in claims) == [["a:1"], ["a:2", "a:3"]]

    async def test_events_of_a_batch_are_kept_until_it_has_ended_and_their_firing_is_found_by_each(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            stored = await decide(opened, epoch, "a:1", "a:2", "a:3", gather=BATCH)
            by_event = [await opened.ledger.firings(event_id=one.event.id) for one in stored]
            clock.now += 40 * 86400
            await opened.ledger.retain()
            (claim,) = await opened.ledger.claim(5)
            kept = gathered(claim)
            await opened.ledger.resolve(epoch, claim, DONE)
            await opened.ledger.retain()
            left = await opened.ledger.events()

        assert kept == ["a:1", "a:2", "a:3"]
        assert {found[0].firing.id for found in by_event} == {claim.firing.id}
        assert left == []

    async def test_a_batch_that_is_cancelled_lets_go_of_all_its_events(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            await decide(opened, epoch, "a:1", "a:2", gather=BATCH)
            assert await opened.ledger.cancel(KEY, "sensor deleted") == 1
            clock.now += 40 * 86400
            await opened.ledger.retain()

            assert await opened.ledger.events() == []
            await decide(opened, epoch, "a:3", gather=BATCH)
            clock.now += 31
            (claim,) = await opened.ledger.claim(5)

        assert gathered(claim) == ["a:3"]

    # -- suspensions

    async def test_a_suspension_stands_until_it_is_resumed_and_keeps_its_instant(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            first = await opened.ledger.suspend("argo", "ci", "build", on_resume="replay", actor="ann")
            await opened.ledger.suspend("argo", "ci", "", on_resume="latest", actor="bob")
            clock.now += 60
            again = await opened.ledger.suspend("argo", "ci", "build", on_resume="drop", actor="bob")

        async with place.open(clock) as opened:
            standing = await opened.ledger.suspensions()
            resumed = [await opened.ledger.resume("argo", "ci", trigger) for trigger in ("build", "build", "other")]
            left = await opened.ledger.suspensions()

        assert again.since == first.since
        assert standing == [replace(standing[0], trigger="", on_resume="latest", actor="bob"), again]
        assert resumed == [True, False, False]
        assert [one.trigger for one in left] == [""]
