"""What every ledger must do with what is decided later, held several times, or fired once: beside `LedgerConformance`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bus.samples import DONE, KEY, Clock, Opened, Place, event, fire, fired, firing, holding, later
from tiphys.bus import (
    Decision,
    DependencyEvent,
    Event,
    Loss,
    Once,
    Refusal,
    Repeat,
    Stored,
    Trial,
    TriggerKey,
    Verdict,
    VerdictKind,
)
from tiphys.errors import StaleEpoch

OTHER = TriggerKey("argo", "ci", "deploy")


async def stored(opened: Opened, one: Event) -> Stored:
    return Stored(await opened.log.publish(one), one)


async def published(opened: Opened, count: int) -> list[Stored]:
    return [await stored(opened, event(number)) for number in range(count)]


class DecidingConformance(ABC):
    """The suite of a ledger's deciding half."""

    @pytest.fixture
    @abstractmethod
    def place(self, tmp_path: Path) -> Place:
        """A place of the driver's, empty."""

    # -- deferred rows

    async def test_a_deferred_row_is_there_after_a_restart_though_the_position_has_moved_on(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            one, two = await published(opened, 2)
            await opened.ledger.settle(epoch, two.position, [later(one), later(two)])
        async with place.open() as opened:
            counts = await opened.ledger.deferring()
            rows = await opened.ledger.deferred(KEY)
            record = await opened.ledger.event(one.event.id)

        assert counts == {KEY: 2}
        assert [(row._replace(number=0), seen) for row, seen in rows] == [
            (later(stored).deferred[0], stored.event) for stored in (one, two)
        ]
        assert rows[0][0].number < rows[1][0].number
        assert (record.settled, record.decided, record.deferred, record.verdicts) == (True, False, (KEY,), ())

    async def test_a_settled_row_is_gone_and_its_verdict_stands_with_those_before_it(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (one,) = await published(opened, 1)
            await opened.ledger.settle(epoch, one.position, [replace(fired(one, OTHER), deferred=later(one).deferred)])
            ((row, _),) = await opened.ledger.deferred(KEY)
            verdict = Verdict(1, 1, 0, VerdictKind.FIRED, 3)
            decision = replace(fired(one), verdicts=(verdict,))
            await opened.ledger.settle_deferred(epoch, [(row, decision)])
            record = await opened.ledger.event(one.event.id)
            claims = await opened.ledger.claim(9)

            assert await opened.ledger.deferring() == {}
            assert await opened.ledger.deferred(KEY) == []
            assert record.verdicts == (*fired(one).verdicts, verdict)
            assert record.decided
            assert {claim.firing.key for claim in claims} == {KEY, OTHER}

    async def test_a_row_is_settled_once(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (one,) = await published(opened, 1)
            await opened.ledger.settle(epoch, one.position, [later(one)])
            ((row, _),) = await opened.ledger.deferred(KEY)
            for _ in range(2):
                await opened.ledger.settle_deferred(epoch, [(row, fired(one))])

            assert len((await opened.ledger.event(one.event.id)).verdicts) == 1
            assert len(await opened.ledger.claim(9)) == 1

    async def test_deferred_decisions_hold_and_let_go_as_others_do(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            one, two, three = await published(opened, 3)
            await opened.ledger.settle(epoch, three.position, [later(one), later(two), later(three, OTHER)])
            (first, _), (second, _) = await opened.ledger.deferred(KEY)
            await opened.ledger.settle_deferred(epoch, [(first, holding(one, "a"))])
            between = await opened.ledger.held()
            await opened.ledger.settle_deferred(epoch, [(second, replace(fired(two), released=(KEY,)))])

            assert between == list(holding(one, "a").held)
            assert await opened.ledger.held() == []
            assert await opened.ledger.deferring() == {OTHER: 1}

    async def test_a_stale_engine_cannot_settle_a_row(self, place: Place) -> None:
        async with place.open() as opened:
            old = await opened.ledger.open_epoch()
            (one,) = await published(opened, 1)
            await opened.ledger.settle(old, one.position, [later(one)])
            ((row, _),) = await opened.ledger.deferred(KEY)
            await opened.ledger.open_epoch()

            with pytest.raises(StaleEpoch):
                await opened.ledger.settle_deferred(old, [(row, fired(one))])
            assert await opened.ledger.deferring() == {KEY: 1}

    async def test_rows_come_in_pages_bounded_by_number_and_by_bytes(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            small = [await stored(opened, event(number)) for number in range(5)]
            large = [await stored(opened, event(number, b"x" * 700_000)) for number in range(5, 8)]
            await opened.ledger.settle(epoch, large[-1].position, [later(one) for one in (*small, *large)])

            def seen(rows: Sequence[tuple[object, Event | None]]) -> list[Event | None]:
                return [one for _, one in rows]

            assert seen(await opened.ledger.deferred(KEY, 3)) == [one.event for one in small[:3]]
            assert seen(await opened.ledger.deferred(KEY)) == [one.event for one in (*small, large[0])]
            rows = await opened.ledger.deferred(KEY)
            await opened.ledger.settle_deferred(epoch, [(row, Decision(row.event_id, row.position)) for row, _ in rows])
            assert seen(await opened.ledger.deferred(KEY)) == [large[1].event]

    async def test_abandoned_rows_are_gone_and_others_stay(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            one, two = await published(opened, 2)
            await opened.ledger.settle(epoch, two.position, [later(one, KEY, OTHER), later(two)])

            assert await opened.ledger.abandon(KEY) == 2
            assert await opened.ledger.deferring() == {OTHER: 1}
            assert await opened.ledger.abandon(TriggerKey("no", "such", "trigger")) == 0

    async def test_deferring_an_event_leaves_its_id_seen(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (one,) = await published(opened, 1)
            await opened.ledger.settle(epoch, one.position, [later(one)])

            assert await opened.ledger.seen([one.event.id]) == {one.event.id}

    async def test_a_replay_can_be_deferred(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (one,) = await fire(opened, epoch, event(1))
            number = await opened.ledger.replay_event(one.event.id, [], "mira")
            await opened.ledger.settle(epoch, 0, [later(one, replay=number)])
            ((row, _),) = await opened.ledger.deferred(KEY)
            await opened.ledger.settle_deferred(epoch, [(row, replace(fired(one), firings=(), replay=number))])

            assert row.replay == number
            assert await opened.ledger.replays() == []
            assert len((await opened.ledger.event(one.event.id)).verdicts) == 2

    async def test_the_journal_says_which_triggers_are_still_deciding(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            one, two = await published(opened, 2)
            await opened.ledger.settle(epoch, two.position, [later(one, KEY, OTHER), Decision(two.event.id, two.position)])

            assert [(record.deferred, record.decided) for record in await opened.ledger.events()] == [
                ((), True),
                ((KEY, OTHER), False),
            ]

    # -- several held events

    async def test_a_dependency_may_hold_several_events_by_join_key(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            one, two, three = await published(opened, 3)
            rows = [holding(stored, "a").held[0] for stored in (one, two, three)]
            rows = [row._replace(join=join) for row, join in zip(rows, ("x", "x", "y"), strict=True)]
            await opened.ledger.settle(epoch, three.position, [Decision(row.event_id, row.position, held=(row,)) for row in rows])
            held = await opened.ledger.held()
            dropped = await opened.ledger.drop(rows[1:2])
            again = await opened.ledger.drop(rows[1:2])
        async with place.open() as opened:
            assert held == rows
            assert (dropped, again) == (1, 0)
            assert await opened.ledger.held() == [rows[0], rows[2]]

    async def test_an_event_that_is_held_once_more_is_held_once(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (one,) = await published(opened, 1)
            for _ in range(2):
                await opened.ledger.settle(epoch, one.position, [holding(one, "a")])

            assert await opened.ledger.held() == list(holding(one, "a").held)

    async def test_a_firing_keeps_the_earlier_events_of_a_dependency(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            one, two = await published(opened, 2)
            seen = [DependencyEvent(stored.event.id, stored.position, data) for stored, data in ((one, b"1"), (two, None))]
            both = replace(fired(two).firings[0], events={"a": seen[1]}, more={"a": (seen[0],)})
            await opened.ledger.settle(epoch, two.position, [Decision(two.event.id, two.position, firings=(both,))])
            of_first = await opened.ledger.firings(event_id=one.event.id)
            clock.now += 8 * 86400
            removed = await opened.ledger.retain()
        async with place.open(clock) as opened:
            (claim,) = await opened.ledger.claim(1)

        assert removed == 0
        assert claim.firing == both
        assert [record.firing for record in of_first] == [both]

    # -- keys that fire once

    async def test_a_key_that_has_fired_is_remembered(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (one,) = await published(opened, 1)
            once = Once(KEY, "abc", "firing", 5.5, 105.5, 2)
            await opened.ledger.settle(epoch, one.position, [Decision(one.event.id, one.position, once=(once,))])
        async with place.open() as opened:
            assert await opened.ledger.once(KEY, ["abc", "abd"]) == {"abc": once}
            assert await opened.ledger.once(OTHER, ["abc"]) == {}

    async def test_a_verdict_once_names_the_earlier_firing(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (one,) = await published(opened, 1)
            repeat = Repeat(KEY, "0123456789abc")
            await opened.ledger.settle(epoch, one.position, [Decision(one.event.id, one.position, repeats=(repeat,))])

            assert (await opened.ledger.event(one.event.id)).repeats == (repeat,)

    async def test_a_key_is_forgotten_when_its_time_is_over_and_its_firing_is_no_longer_recorded(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            (one,) = await published(opened, 1)
            decision = fired(one)
            key = Once(KEY, "abc", decision.firings[0].id, clock.now, clock.now + 60)
            await opened.ledger.settle(
                epoch, one.position, [replace(decision, once=(key, key._replace(key="other", firing="no such firing")))]
            )
            clock.now += 61
            await opened.ledger.retain()
            while_recorded = set(await opened.ledger.once(KEY, ["abc", "other"]))
            (claim,) = await opened.ledger.claim(1)
            await opened.ledger.resolve(epoch, claim, DONE)
            clock.now += 31 * 86400
            await opened.ledger.retain()
            await opened.ledger.retain()

            assert while_recorded == {"abc"}
            assert await opened.ledger.once(KEY, ["abc", "other"]) == {}

    # -- retention

    @pytest.mark.parametrize("ended", ["settled", "abandoned"])
    async def test_a_deferred_row_keeps_its_event_until_it_ends(self, place: Place, ended: str) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            one, two = await published(opened, 2)
            await opened.ledger.settle(epoch, two.position, [later(one), Decision(two.event.id, two.position)])
            clock.now += 8 * 86400
            removed = await opened.ledger.retain()
            ((row, seen),) = await opened.ledger.deferred(KEY)
            if ended == "settled":
                await opened.ledger.settle_deferred(epoch, [(row, Decision(row.event_id, row.position))])
            else:
                await opened.ledger.abandon(KEY)

            assert (removed, seen) == (1, one.event)
            assert await opened.ledger.retain() == 1

    async def test_an_event_that_is_held_and_then_fired_is_kept_until_the_firing_ends(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            one, two = await published(opened, 2)
            await opened.ledger.settle(epoch, one.position, [holding(one, "a")])
            both = firing({"a": (one.event.id, one.position), "b": (two.event.id, two.position)})
            decision = Decision(two.event.id, two.position, released=(KEY,), firings=(both,))
            await opened.ledger.settle(epoch, two.position, [decision])
            clock.now += 8 * 86400
            while_pending = await opened.ledger.retain()
            (claim,) = await opened.ledger.claim(1)
            await opened.ledger.resolve(epoch, claim, DONE)

            assert while_pending == 0
            assert await opened.ledger.retain() == 2

    # -- refusals and losses

    async def test_a_refusal_is_recorded_with_what_was_held_and_a_later_one_replaces_it(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            one, two = await published(opened, 2)
            (held,) = holding(one, "a", transformed=b'{"t":1}').held
            refusal = Refusal(KEY, "b", "ArgumentRefused", "argument 'x': no\udc80", 5.5, (held,), heals=True)
            for reason in ("ArgumentMissing", "ArgumentRefused"):
                written = refusal._replace(reason=reason)
                await opened.ledger.settle(epoch, two.position, [Decision(two.event.id, two.position, refusals=(written,))])
        async with place.open() as opened:
            wanted = [refusal._replace(message="argument 'x': no?")]
            assert list((await opened.ledger.event(two.event.id)).refusals) == wanted
            assert await opened.ledger.refusals(two.position) == wanted
            assert await opened.ledger.refusals(one.position) == []

    async def test_refusals_that_may_heal_are_asked_for_once_and_oldest_first(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            for stored, heals in zip(await published(opened, 3), (True, False, True), strict=True):
                refusal = Refusal(KEY, "a", "ArgumentsDisagree", "no", 10.0 + stored.position, heals=heals)
                decision = Decision(stored.event.id, stored.position, refusals=(refusal,))
                await opened.ledger.settle(epoch, stored.position, [decision])

            assert await opened.ledger.reconsider(OTHER, 0.0, "me") == 0
            assert await opened.ledger.reconsider(KEY, 0.0, "me") == 2
            assert await opened.ledger.reconsider(KEY, 0.0, "me") == 0
            requests = await opened.ledger.replays()
            assert [(one.event.id, one.triggers, one.actor) for one in requests] == [
                (event(number).id, (KEY,), "me") for number in (0, 2)
            ]

    @pytest.mark.parametrize("way", ["decided", "dropped", "released"])
    async def test_what_was_held_and_lost_is_recorded_with_its_event(self, place: Place, way: str) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            one, two = await published(opened, 2)
            decision = holding(one, "a")
            await opened.ledger.settle(epoch, one.position, [decision])
            loss = Loss(KEY, "a", one.position, "late", clock.now)
            if way == "decided":
                later_one = Decision(two.event.id, two.position, dropped=decision.held, losses=(loss,))
                await opened.ledger.settle(epoch, two.position, [later_one])
            elif way == "dropped":
                assert await opened.ledger.drop(decision.held, [loss]) == 1
            else:
                assert await opened.ledger.release(KEY, "a", reason="late") == 1
        async with place.open(clock) as opened:
            assert (await opened.ledger.event(one.event.id)).losses == (loss,)
            assert (await opened.ledger.event(two.event.id)).losses == ()
            assert await opened.ledger.held() == []

    async def test_refusals_and_losses_go_with_their_event(self, place: Place) -> None:
        clock = Clock()
        async with place.open(clock) as opened:
            epoch = await opened.ledger.open_epoch()
            (one,) = await published(opened, 1)
            refusal, loss = Refusal(KEY, "a", "R", "no"), Loss(KEY, "a", one.position, "late", clock.now)
            decision = Decision(one.event.id, one.position, refusals=(refusal,), losses=(loss,))
            await opened.ledger.settle(epoch, one.position, [decision])
            clock.now += 8 * 86400
            assert await opened.ledger.retain() == 1
            assert await opened.ledger.refusals(one.position) == []

    # -- what was first when processes began

    async def test_each_start_counts_for_the_first_row_of_each_trigger_and_the_first_replay(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            one, two, three = await published(opened, 3)
            await opened.ledger.settle(epoch, three.position, [later(one), later(two), later(three, OTHER)])
            asked = [await opened.ledger.replay_event(one.event.id, [KEY], "me") for _ in range(2)]
            (first, _), (second, _) = await opened.ledger.deferred(KEY)
            ((other, _),) = await opened.ledger.deferred(OTHER)
            wanted = [(None, asked[0]), (KEY, first.number), (OTHER, other.number)]

            for starts in (1, 2):
                assert await opened.ledger.trials() == [Trial(*trial, starts) for trial in wanted]
            await opened.ledger.settle_deferred(epoch, [(first, Decision(one.event.id, one.position))])
            await opened.ledger.settle(epoch, 0, [Decision(one.event.id, one.position, replay=asked[0])])
        async with place.open() as opened:
            assert await opened.ledger.trials() == [
                Trial(None, asked[1], 1),
                Trial(KEY, second.number, 1),
                Trial(OTHER, other.number, 3),
            ]

    @pytest.mark.parametrize("replay", [False, True])
    async def test_a_row_that_was_tried_alone_is_known_for_it_unless_that_was_broken_off(self, place: Place, replay: bool) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            (one,) = await published(opened, 1)
            await opened.ledger.settle(epoch, one.position, [later(one)])
            number = await opened.ledger.replay_event(one.event.id, [KEY], "me")
            ((row, _),) = await opened.ledger.deferred(KEY)
            tried = number if replay else row.number
            await opened.ledger.try_alone(tried, replay=replay)
            await opened.ledger.try_alone(tried, replay=replay, begun=False)
            await opened.ledger.try_alone(tried, replay=replay)
        async with place.open() as opened:
            alone = {(trial.number, trial.trigger is None): trial.alone for trial in await opened.ledger.trials()}
            assert alone == {(row.number, False): int(not replay), (number, True): int(replay)}
