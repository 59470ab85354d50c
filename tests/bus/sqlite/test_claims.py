"""Waiting firings: bounded memory, and none forgotten whatever comes between."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.bus.samples import KEY, Clock, Opened, event, fire
from tiphys.bus import Outcome, OutcomeKind, TriggerKey
from tiphys.bus.sqlite import SqliteBus
from tiphys.bus.sqlite.claims import PAGE, Claims, Permits, Waiting


def opened(bus: SqliteBus) -> Opened:
    return Opened(bus.log, bus.ledger, bus.log.ack)


async def test_a_backlog_is_not_loaded_at_once(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path) as bus:
        epoch = await bus.ledger.open_epoch()
        await fire(opened(bus), epoch, *[event(number) for number in range(4 * PAGE)])
    async with SqliteBus.open(tmp_path) as bus:
        await bus.ledger.open_epoch()
        await bus.ledger.claim(3)
        waiting = bus.ledger._acting._claims.waiting[KEY]

        assert len(waiting.ready) < PAGE


async def test_a_storm_of_retries_is_claimed_whole_and_in_order_of_decision(tmp_path: Path) -> None:
    clock = Clock()
    count = 3 * PAGE
    async with SqliteBus.open(tmp_path, clock=clock) as bus:
        epoch = await bus.ledger.open_epoch()
        await fire(opened(bus), epoch, *[event(number) for number in range(count)])
        shuffled = random.Random(7)
        while claims := await bus.ledger.claim(256):
            for claim in claims:
                delay = shuffled.randrange(1, 50)
                await bus.ledger.resolve(epoch, claim, Outcome(OutcomeKind.RETRY, retry_at=clock.now + delay))
        waiting = bus.ledger._acting._claims.waiting[KEY]
        assert len(waiting.delayed) <= 2 * PAGE
        clock.now += 60
        again: list[str] = []
        while claims := await bus.ledger.claim(100):
            again += [claim.firing.id for claim in claims]

    assert len(again) == len(set(again)) == count


async def test_a_cancelled_claim_gives_back_what_it_had_taken(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path) as bus:
        epoch = await bus.ledger.open_epoch()
        await fire(opened(bus), epoch, *[event(number) for number in range(10)])
    async with SqliteBus.open(tmp_path) as bus:
        await bus.ledger.open_epoch()
        for turns in range(6):
            task = asyncio.create_task(bus.ledger.claim(10))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            outcome = (await asyncio.gather(task, return_exceptions=True))[0]
            assert isinstance(outcome, asyncio.CancelledError)

        assert len(await bus.ledger.claim(20)) == 10


async def test_a_number_of_an_old_page_is_not_claimed_before_its_time(tmp_path: Path) -> None:
    clock = Clock()
    async with SqliteBus.open(tmp_path, clock=clock) as bus:
        epoch = await bus.ledger.open_epoch()
        await fire(opened(bus), epoch, event(1))
        (claim,) = await bus.ledger.claim(1)
        await bus.ledger.resolve(epoch, claim, Outcome(OutcomeKind.RETRY, retry_at=clock.now + 60))
        claims = bus.ledger._acting._claims
        claims.put_back(claims.waiting[KEY], 1, 0.0)  # as a page that was read before the outcome has it

        assert await bus.ledger.claim(1) == []
        clock.now += 61
        assert len(await bus.ledger.claim(1)) == 1


def waiting_in_file(claims: Claims) -> Waiting:
    claims.in_file(KEY, 1)
    return claims.waiting[KEY]


def test_what_is_put_back_while_a_page_is_read_is_not_forgotten() -> None:
    claims = Claims()
    waiting = waiting_in_file(claims)
    waiting.reading = True
    claims.put_back(waiting, 7, 5.0)
    claims.loaded_delayed(waiting, [], waiting.emptied)
    waiting.reading = False
    waiting.advance(6.0)

    assert waiting.take() == 7


def test_a_page_that_was_asked_for_before_all_was_forgotten_is_of_no_use() -> None:
    claims = Claims()
    waiting = waiting_in_file(claims)
    before = waiting.emptied
    waiting.forget()
    claims.loaded_ready(waiting, [8, 9], waiting.additions, before)
    claims.loaded_delayed(waiting, [(1.0, 3)], before)

    assert waiting.needs_ready()
    assert waiting.needs_delayed(0.0)
    assert (waiting.loaded_to, waiting.delayed) == (0, [])


def test_what_is_decided_while_a_page_is_read_is_read_next() -> None:
    claims = Claims()
    waiting = waiting_in_file(claims)
    additions = waiting.additions
    waiting.add_ready(3)
    claims.loaded_ready(waiting, [1, 2], additions, waiting.emptied)

    assert [waiting.take(), waiting.take(), waiting.take()] == [1, 2, None]
    assert waiting.needs_ready()


def test_every_trigger_has_its_turn() -> None:
    claims = Claims()
    keys = [TriggerKey("argo", "s", str(number)) for number in range(5)]
    for number, key in enumerate(keys):
        waiting = claims.trigger(key, number)
        for firing in range(10):
            claims.put_back(waiting, 100 * number + firing, 0.0)

    chosen, _ = claims.pick(7, Permits(), 0.0)

    assert [waiting.number for _, waiting in chosen] == [0, 1, 2, 3, 4, 0, 1]


def test_a_busy_trigger_keeps_its_place() -> None:
    claims = Claims()
    for number in range(3):
        claims.put_back(claims.trigger(TriggerKey("argo", "s", str(number)), number), number, 0.0)

    first, _ = claims.pick(5, Permits({TriggerKey("argo", "s", "1")}), 0.0)
    second, _ = claims.pick(5, Permits(), 0.0)

    assert [number for number, _ in first] == [0, 2]
    assert [number for number, _ in second] == [1]


_SMALL = 4


class TriggerWaits(RuleBasedStateMachine):
    """The memory of one trigger against a model of the file: whatever is interleaved, each firing is taken once, when it is due."""

    def __init__(self) -> None:
        super().__init__()
        self.claims = Claims(_SMALL)
        self.waiting: Waiting = self.claims.trigger(KEY, 1)
        self.file: dict[int, float] = {}
        self.taken: set[int] = set()
        self.now = 0.0
        self.next = 1

    @rule(count=st.integers(1, _SMALL + 3))
    def decide(self, count: int) -> None:
        for _ in range(count):
            self.file[self.next] = 0.0
            self.waiting.add_ready(self.next)
            self.next += 1

    @rule(count=st.integers(1, 3 * _SMALL), delays=st.randoms(use_true_random=False))
    def put_back(self, count: int, delays: random.Random) -> None:
        for number in sorted(self.taken)[:count]:
            self.taken.discard(number)
            self.file[number] = self.now + delays.randrange(1, 40)
            self.waiting.put_back(number, self.file[number])

    @rule(count=st.integers(1, 3 * _SMALL), finish=st.booleans(), between=st.booleans())
    def take(self, count: int, finish: bool, between: bool) -> None:
        for _ in range(count):
            self.waiting.advance(self.now)
            self._read(between)
            self.waiting.advance(self.now)
            number = self.waiting.take()
            if number is None:
                break
            assert number not in self.taken
            if number not in self.file or self.file[number] > self.now:
                continue  # an old page; the row says no
            if finish:
                del self.file[number]
            else:
                self.taken.add(number)

    def _read(self, between: bool) -> None:
        """Read the pages that are missing; with `between`, something is put back, or all is made due, while a page is on its way."""
        for _ in range(100):
            ready, delayed = self.waiting.needs_ready(), self.waiting.needs_delayed(self.now)
            if not ready and not delayed:
                return
            self.waiting.reading = True
            additions, emptied = self.waiting.additions, self.waiting.emptied
            free = {number: at for number, at in self.file.items() if number not in self.taken}
            numbers = sorted(n for n, at in free.items() if at == 0 and n > self.waiting.loaded_to)[:_SMALL]
            rows = sorted((at, n) for n, at in free.items() if at > 0 and (at, n) >= self.waiting.delayed_from)[:_SMALL]
            if between and self.taken:
                number = min(self.taken)
                self.taken.discard(number)
                self.file[number] = self.now + 5
                self.waiting.put_back(number, self.now + 5)
            elif between and any(self.file.values()):
                self.hasten()
            if ready:
                self.claims.loaded_ready(self.waiting, numbers, additions, emptied)
            if delayed:
                self.claims.loaded_delayed(self.waiting, rows, emptied)
            self.waiting.reading = False
            between = False
        raise AssertionError("reading goes in a circle")

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def hasten(self) -> None:
        for number in self.file.keys() - self.taken:
            self.file[number] = 0.0
        self.waiting.forget()

    @rule()
    def restart(self) -> None:
        self.taken.clear()
        self.waiting.forget()

    @rule()
    def drain(self) -> None:
        """All that is due can be taken."""
        due = {number for number, at in self.file.items() if at <= self.now and number not in self.taken}
        before = set(self.taken)
        self.take(len(self.file) * 2 + 10, finish=False, between=False)
        assert self.taken - before == due

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.waiting.ready) <= _SMALL


TestTriggerWaits = TriggerWaits.TestCase
TestTriggerWaits.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 100)), max_size=60), st.floats(0, 120))
def test_nothing_is_claimed_before_its_time(firings: list[tuple[int, float]], now: float) -> None:
    claims = Claims()
    for number, (trigger, not_before) in enumerate(firings):
        claims.put_back(claims.trigger(TriggerKey("argo", "s", str(trigger)), trigger), number, not_before)
    claims.wake(now)

    chosen, lacking = claims.pick(1000, Permits(), now)

    assert not lacking
    assert {number for number, _ in chosen} == {number for number, (_, not_before) in enumerate(firings) if not_before <= now}


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_no_more_are_picked_than_asked_for(limit: int) -> None:
    claims = Claims()
    for number in range(5):
        claims.put_back(claims.trigger(KEY, 1), number, 0.0)

    assert len(claims.pick(limit, Permits(), 0.0)[0]) == limit
