"""What every ledger must do: subclass `LedgerConformance` in a driver's tests and give it a `place`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bus.samples import DONE, KEY, Clock, Place, event, fire, fired, holding, in_place_of, take, target
from tiphys.bus import Decision, FiringState, Stored, TriggerKey, Verdict, VerdictKind
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

    async def test_a_redelivery_is_seen_while_somebody_reads_as_well(self, place: Place) -> None:
        async with place.open() as opened:
            epoch = await opened.ledger.open_epoch()
            reader = opened.log.read()
            await opened.log.publish(event(0))
            await anext(reader)
            position = await opened.log.publish(event(1))
            await opened.ledger.settle(epoch, position, [Decision(event(0).id, position - 1), Decision(event(1).id, position)])
            await opened.log.publish(event(1))

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
