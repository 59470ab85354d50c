"""`correlate`: which events meet, what is no join key, and how many keys there may be."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.conditions import Correlate, HeldEvent, JoinStates, Loss, NoJoinKey
from sensors.conditions import correlation as bounds
from sensors.conditions.correlation import MOST_IN_ALL, MOST_KEYS
from tiphys.bus.event import Event

BY_SHA = Correlate({"build": "body.sha", "scan": "body.commit.id"})


def event(data: Any) -> Event:
    return Event("e1", "hooks", "webhook", "in", "argo", data if isinstance(data, bytes | None) else orjson.dumps(data))


def held(name: str, number: int, join: str = "") -> HeldEvent:
    return HeldEvent(name, f"{name}{number}", number, float(number), join)


def test_each_dependency_has_its_own_path_and_equal_values_meet() -> None:
    assert BY_SHA.key("build", event({"body": {"sha": "9f1c2d"}})) == "9f1c2d"
    assert BY_SHA.key("scan", event({"body": {"commit": {"id": "9f1c2d"}}})) == "9f1c2d"


@pytest.mark.parametrize(
    ("value", "key"),
    [("7", "7"), (7, "7"), (True, "true"), (1.5, "1.5"), (12345678901234567890, "12345678901234567890"), ("é", "é")],
)
def test_texts_numbers_and_booleans_are_join_keys_and_equal_as_texts(value: Any, key: str) -> None:
    assert BY_SHA.key("build", event({"body": {"sha": value}})) == key


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"body": {}}, "nothing"),
        ({"body": {"sha": None}}, "nothing"),
        ({"body": {"sha": ""}}, "an empty text"),
        ({"body": {"sha": {"a": 1}}}, "an object"),
        ({"body": {"sha": ["a"]}}, "a list"),
        (b"no JSON", "nothing"),
        (None, "nothing"),
    ],
)
def test_an_event_without_a_value_has_no_join_key_and_the_reason_says_where_it_was_looked_for(data: Any, found: str) -> None:
    with pytest.raises(NoJoinKey, match=rf"there is {found} at body\.sha") as refused:
        BY_SHA.key("build", event(data))
    assert refused.value.found == found


def test_a_long_value_is_kept_short_and_two_of_them_stay_two() -> None:
    one, other = (BY_SHA.key("build", event({"body": {"sha": "x" * 100_000 + end}})) for end in "ab")
    assert one != other
    assert len(one) < 100


@given(
    st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5), st.lists, max_leaves=4) | st.binary()
)
def test_any_value_is_a_join_key_or_none(value: Any) -> None:
    try:
        key = BY_SHA.key("build", event(value if isinstance(value, bytes) else {"body": {"sha": value}}))
    except NoJoinKey as error:
        key = error.found
    assert key


# -- what is held by key


def test_each_key_has_its_own_state() -> None:
    states = JoinStates()
    states.keep("x", [held("A", 1)])
    states.keep("y", [held("A", 2), held("B", 3)])
    assert [one.event_id for one in states.held("x")] == ["A1"]
    assert [one.event_id for one in states.held("y")] == ["A2", "B3"]
    assert states.held("z") == ()
    assert len(states) == 3
    assert states.keep("y", ()) == []
    assert [(join, len(events)) for join, events in states.items()] == [("x", 1)]
    assert [one.event_id for one in states] == ["A1"]


def test_of_more_keys_than_may_be_the_one_that_has_been_still_for_longest_goes_and_is_named() -> None:
    states = JoinStates()
    for number in range(MOST_KEYS):
        assert states.keep(f"k{number}", [held("A", number)]) == []
    states.keep("k0", [held("A", 0), held("B", 1)])
    assert [(one.event_id, loss) for one, loss in states.keep("new", [held("A", MOST_KEYS)])] == [("A1", Loss.FULL)]
    assert len(states.held("k0")) == 2
    assert len(states) == MOST_KEYS + 1


def test_of_more_events_than_may_be_held_whole_keys_go_but_never_the_one_that_came() -> None:
    states = JoinStates()
    half = [held("A", number) for number in range(MOST_IN_ALL // 2)]
    states.keep("x", half)
    states.keep("y", half)
    assert {one.join for one, _ in states.keep("z", [held("A", 1)])} == {""}
    assert len(states.held("x")) == 0
    assert len(states.held("y")) == MOST_IN_ALL // 2
    assert len(states) == MOST_IN_ALL // 2 + 1
    assert len(states.keep("w", half * 3)) == MOST_IN_ALL // 2 + 1
    assert [join for join, _ in states.items()] == ["w"]


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 4)), max_size=30))
def test_the_number_of_events_is_that_of_what_is_held(steps: list[tuple[str, int]]) -> None:
    states, model = JoinStates(), dict[str, int]()
    for join, number in steps:
        states.keep(join, [held("A", one) for one in range(number)])
        model[join] = number
        assert len(states) == sum(model.values()) == len(list(states))


def test_the_bounds_are_what_the_page_says() -> None:
    assert (bounds.MOST_KEYS, bounds.MOST_IN_ALL) == (10_000, 100_000)
