"""What a trigger holds, and when it fires, against a model that goes over all arrivals again for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.conditions import Condition, Gate, HeldEvent, Loss, Outcome, Reset
from sensors.conditions import compile as compile_condition
from sensors.conditions.state import MOST_HELD
from tests.sensors.condition_texts import NAMES, as_python, extended, plain
from tiphys.errors import ConditionError
from tiphys.schema.conditions import ByTime, ConditionsReset, Hold

START = datetime(2026, 1, 12, tzinfo=UTC).timestamp()
HOURLY = Reset([ConditionsReset(by_time=ByTime(cron="0 * * * *"))])


def arrived(name: str, number: int, at: float) -> HeldEvent:
    """`a1` is an event of `a`."""
    return HeldEvent(name, f"{name}{number}", number, at)


@dataclass
class Running:
    """A gate and what it holds."""

    gate: Gate
    held: Sequence[HeldEvent] = ()
    numbers: dict[str, int] = field(default_factory=dict)

    def send(self, name: str, at: float = START) -> Outcome:
        number = self.numbers[name] = self.numbers.get(name, 0) + 1
        outcome = self.gate.arrive(self.held, name, arrived(name, number, at), at)
        self.held = outcome.keep
        return outcome

    def fires(self, names: str, at: float = START) -> list[dict[str, list[str]]]:
        """What fires as these arrive: for each firing the ids by dependency."""
        fired = [self.send(name, at).fired for name in names.split()]
        return [{name: [one.event_id for one in events] for name, events in one.items()} for one in fired if one is not None]

    def ids(self) -> list[str]:
        return [one.event_id for one in self.held]


def gate(text: str, *, within: float | None = None, hold: Mapping[str, Hold] | None = None, reset: Reset | None = None) -> Running:
    return Running(Gate(compile_condition(text, ["A", "B", "C", "D"]), within=within, hold=hold, reset=reset))


# -- argo-events' rule


def test_the_latest_event_of_each_dependency_fires_once() -> None:
    now = gate("A && B")
    assert now.fires("A A B B") == [{"A": ["A2"], "B": ["B1"]}]
    assert now.ids() == ["B2"]


def test_what_the_other_branch_held_is_taken_along_and_cleared() -> None:
    now = gate("(A && B) || C")
    assert now.fires("A C B") == [{"A": ["A1"], "C": ["C1"]}]
    assert now.ids() == ["B1"]


def test_without_and_nothing_is_held_and_each_event_fires_alone() -> None:
    now = gate("A || B")
    assert not now.gate.holds
    assert now.fires("A B A") == [{"A": ["A1"]}, {"B": ["B1"]}, {"A": ["A2"]}]
    assert now.ids() == []


def test_a_replaced_event_is_named() -> None:
    now = gate("A && B")
    now.send("A")
    assert [(one.event_id, loss) for one, loss in now.send("A").dropped] == [("A1", Loss.REPLACED)]


# -- ours


def test_not_fires_when_the_other_has_not_arrived_and_is_looked_at_when_an_event_arrives() -> None:
    now = gate("A && !B")
    assert now.fires("A B A A") == [{"A": ["A1"]}]
    assert now.ids() == ["B1", "A3"]


def test_not_with_within_holds_again_once_the_other_is_too_old_but_only_when_something_arrives() -> None:
    now = gate("A && !B", within=600.0)
    now.send("B")
    assert now.send("A", START + 300).fired is None
    fired = now.send("A", START + 601).fired
    assert fired is not None
    assert [one.event_id for one in fired["A"]] == ["A2"]
    assert list(fired) == ["A"]


def test_a_count_takes_all_events_that_it_counted() -> None:
    now = gate("count(A) >= 3 && B", hold={"A": "all"})
    assert now.fires("A A B B A") == [{"A": ["A1", "A2", "A3"], "B": ["B2"]}]
    assert now.fires("B A A A A A") == [{"A": ["A4", "A5", "A6"], "B": ["B3"]}]
    assert now.ids() == ["A7", "A8"]


def test_within_fires_only_for_events_that_lie_within_the_span_its_ends_included() -> None:
    now = gate("A && B", within=600.0)
    now.send("A")
    assert [(one.event_id, loss) for one, loss in now.send("B", START + 601).dropped] == [("A1", Loss.LATE)]
    fired = now.send("A", START + 1201).fired
    assert fired is not None
    assert {name: events[0].event_id for name, events in fired.items()} == {"A": "A2", "B": "B1"}


def test_the_first_event_keeps_its_place_and_the_later_ones_are_named() -> None:
    now = gate("A && B", hold={"A": "first"})
    now.send("A")
    assert [(one.event_id, loss) for one, loss in now.send("A").dropped] == [("A2", Loss.REPEATED)]
    assert now.fires("B") == [{"A": ["A1"], "B": ["B1"]}]


def test_all_events_go_into_the_firing_oldest_first() -> None:
    now = gate("A && B", hold={"A": "all", "B": "all"})
    assert now.fires("A A A B") == [{"A": ["A1", "A2", "A3"], "B": ["B1"]}]


def test_of_more_events_than_may_be_held_the_oldest_of_the_same_dependency_goes_and_is_named() -> None:
    now = gate("A && B && C", hold={"A": "all", "C": "all"})
    now.fires("C " + "A " * MOST_HELD)
    assert [(one.event_id, loss) for one, loss in now.send("A").dropped] == [("A1", Loss.FULL)]
    (fired,) = now.fires("B")
    assert [len(fired[name]) for name in "ABC"] == [MOST_HELD, 1, 1]


def test_a_clock_that_goes_back_keeps_an_event_beside_those_that_came_before_it() -> None:
    now = gate("A && B", within=600.0)
    now.send("A")
    fired = now.send("B", START - 7200).fired
    assert fired is not None
    assert fired["B"][0].at == START


def test_an_event_from_another_machine_s_future_arrives_when_it_is_decided() -> None:
    held = gate("A && B", within=600.0).gate.arrive((), "A", arrived("A", 1, START + 86_400), START).keep
    assert held[0].at == START


def test_argo_events_1381_a_reset_clears_what_came_before_it_and_a_backlog_is_decided_as_without_one() -> None:
    reset = Reset([ConditionsReset(by_time=ByTime(cron="0 22 * * *", timezone="Europe/Berlin"))])
    events = [
        ("B", "b1", "2026-01-12T07:00:00Z"),
        ("A", "a2", "2026-01-13T05:10:00Z"),
        ("B", "b2", "2026-01-13T07:00:00Z"),
        ("A", "a3", "2026-01-13T20:59:59Z"),
        ("B", "b3", "2026-01-14T07:00:00Z"),
    ]
    decided_at_once = datetime(2026, 1, 15, tzinfo=UTC).timestamp()
    judge = Gate(compile_condition("A && B", ["A", "B"]), reset=reset)
    held: Sequence[HeldEvent] = ()
    fired, lost = [], []
    for position, (name, identity, time) in enumerate(events):
        event = HeldEvent(name, identity, position, datetime.fromisoformat(time).timestamp())
        outcome = judge.arrive(held, name, event, decided_at_once)
        held = outcome.keep
        fired += [{one: seen[0].event_id for one, seen in outcome.fired.items()}] if outcome.fired else []
        lost += [(one.event_id, loss) for one, loss in outcome.dropped]
    assert fired == [{"A": "a2", "B": "b2"}]
    assert lost == [("b1", Loss.RESET), ("a3", Loss.RESET)]
    assert [one.event_id for one in held] == ["b3"]


def test_what_arrives_in_the_instant_of_a_reset_stays() -> None:
    now = gate("A && B", reset=HOURLY)
    now.send("A", START + 3600)
    assert now.fires("B", START + 7199) == [{"A": ["A1"], "B": ["B1"]}]


def test_what_can_be_part_of_no_firing_any_more_has_lapsed() -> None:
    within, reset, plainly = gate("A && B", within=600.0), gate("A && B", reset=HOURLY), gate("A && B")
    for one in (within, reset, plainly):
        one.send("A", START + 60)
    for one, at, loss in ((within, 661, Loss.LATE), (reset, 3600, Loss.RESET)):
        assert one.gate.lapsed(one.held, START + at - 1) == ()
        assert [*one.gate.lapsed(one.held, START + at)] == [(held, loss) for held in one.held]
    assert not plainly.gate.lapsed(plainly.held, START + 10**9)
    assert [one.gate.lapses for one in (within, reset, plainly)] == [True, True, False]
    assert reset.gate.next_lapse(START + 60) == START + 3600
    assert within.gate.next_lapse(START + 60) == START + 660


def test_argo_events_1339_forty_nine_dependencies_fire_once_and_the_repeated_one_counts_once() -> None:
    names = [f"d{number:02}" for number in range(1, 50)]
    every = Running(Gate(compile_condition(" && ".join(names), names)))
    pairs = " && ".join(f"({one} || {other})" for one, other in zip(names[::2], names[1::2], strict=False))
    paired = Running(Gate(compile_condition(pairs, names)))
    assert every.fires("d01 " * 10 + " ".join(names[1:48])) == []
    (fired,) = every.fires("d49")
    assert fired["d01"] == ["d0110"]
    assert len(fired) == 49
    assert paired.fires("d01 " * 10 + " ".join(names[1:46])) == []
    assert len(paired.fires("d47")) == 1


# -- against a model


@dataclass
class Model:
    """The rules as they are written in the documentation, applied to everything that arrived since the last firing."""

    text: str
    hold: Mapping[str, Hold]
    within: float | None
    hourly: bool
    since: list[HeldEvent] = field(default_factory=list)

    def _in_time(self, one: HeldEvent, at: float) -> bool:
        if self.within is not None and at - one.at > self.within:
            return False
        return not self.hourly or one.at // 3600 == at // 3600

    def arrive(self, event: HeldEvent) -> dict[str, list[HeldEvent]] | None:
        there = [one for one in self.since if self._in_time(one, event.at)]
        same = [one for one in there if one.dependency == event.dependency]
        how = self.hold.get(event.dependency, "latest")
        if how == "first" and same:
            self.since = there
        else:
            self.since = [one for one in there if how == "all" or one not in same] + [event]
        fired = {name: [one for one in self.since if one.dependency == name] for name in NAMES}
        if as_python(self.text, {name: len(events) for name, events in fired.items()}):
            self.since = []
            return {name: events for name, events in fired.items() if events}
        return None


def compiled(text: str) -> Condition | None:
    try:
        return compile_condition(text, NAMES)
    except ConditionError:
        return None


def conditions() -> st.SearchStrategy[str]:
    return st.one_of(plain(), extended()).filter(lambda text: compiled(text) is not None)


HOLDS: st.SearchStrategy[Hold] = st.sampled_from(["latest", "first", "all"])
ARRIVALS = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 1500)), max_size=25)


@given(conditions(), st.dictionaries(st.sampled_from(NAMES), HOLDS), st.none() | st.integers(1, 4000), st.booleans(), ARRIVALS)
def test_any_gate_does_what_the_rules_say(
    text: str, hold: dict[str, Hold], within: int | None, hourly: bool, arrivals: list[tuple[str, int]]
) -> None:
    condition = compiled(text)
    assert condition is not None
    if not condition.requires_and:
        return
    judge = Gate(condition, within=within, hold=hold, reset=HOURLY if hourly else None)
    model = Model(text, hold, within, hourly)
    held: Sequence[HeldEvent] = ()
    at = START
    for number, (name, wait) in enumerate(arrivals):
        at += wait
        event = arrived(name, number, at)
        outcome = judge.arrive(held, name, event, at)
        expected = model.arrive(event)
        fired = {one: list(seen) for one, seen in outcome.fired.items()} if outcome.fired is not None else None
        assert fired == expected
        assert list(outcome.keep) == model.since
        stays = [*outcome.keep, *(one for seen in (fired or {}).values() for one in seen)]
        assert sorted(one.position for one, _ in outcome.dropped) == [one.position for one in (*held, event) if one not in stays]
        held = outcome.keep


@given(plain(), ARRIVALS)
def test_without_extensions_it_is_argo_events_own_rule(text: str, arrivals: list[tuple[str, int]]) -> None:
    condition = compile_condition(text, NAMES)
    judge = Gate(condition)
    stored: dict[str, str] = {}
    held: Sequence[HeldEvent] = ()
    for number, (name, _) in enumerate(arrivals):
        if name not in condition.names:
            continue
        outcome = judge.arrive(held, name, arrived(name, number, START), START)
        held = outcome.keep
        fired = {one: seen[-1].event_id for one, seen in outcome.fired.items()} if outcome.fired is not None else None
        if "&" not in text:
            assert fired == {name: f"{name}{number}"}
            continue
        stored = stored | {name: f"{name}{number}"}
        if as_python(text, {one: int(one in stored) for one in NAMES}):
            assert fired == stored
            stored = {}
        else:
            assert fired is None
        assert {one.dependency: one.event_id for one in held} == stored


@pytest.mark.parametrize("text", ["a", "a || d"])
def test_a_dependency_that_a_condition_without_and_does_not_name_fires_nothing(text: str) -> None:
    outcome = Gate(compile_condition(text, NAMES)).arrive((), "b-1", arrived("b-1", 1, START), START)
    assert outcome.fired is None
    assert outcome.keep == ()
