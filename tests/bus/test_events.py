"""Events, ids and firings: what they are whatever keeps them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.bus import NOT_JSON, Event, Target, event_id, firing_id
from tiphys.bus.event import rfc3339
from tiphys.bus.identity import random_key

names = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
keys = st.text(st.characters(codec="utf-8"), max_size=40)
dependencies = st.dictionaries(names, names, min_size=1, max_size=4)


def event(data: bytes | None) -> Event:
    return Event("1", "hooks", "webhook", "push", "argo", data)


@given(names, names, names, keys)
def test_an_event_id_is_derived_from_what_the_world_calls_it(namespace: str, source: str, subject: str, key: str) -> None:
    one = event_id(namespace, source, subject, key)

    assert re.fullmatch("[0-9a-f]{32}", one)
    assert one == event_id(namespace, source, subject, key)
    assert one != event_id(namespace, source, subject, key + "x")
    assert one != event_id(namespace + "x", source, subject, key)


def test_a_name_cannot_take_over_anothers_ids() -> None:
    ids = {event_id("a", "b", "c", "d"), event_id("a", "b", "c/d", ""), event_id("ab", "", "c", "d"), event_id("a", "bc", "", "d")}

    assert len(ids) == 4


@given(names, names, names, dependencies)
def test_a_firing_id_may_end_a_kubernetes_name(namespace: str, sensor: str, trigger: str, events: dict[str, str]) -> None:
    one = firing_id(namespace, sensor, trigger, events)

    assert re.fullmatch("[0-9a-hjkmnp-tv-z]{13}", one)
    assert one == firing_id(namespace, sensor, trigger, dict(reversed(events.items())))


@given(dependencies)
def test_everything_that_makes_a_firing_makes_its_id(events: dict[str, str]) -> None:
    ids = [
        firing_id("a", "s", "t", events),
        firing_id("a", "s", "t", {**events, "more": "x"}),
        firing_id("a", "s", "u", events),
        firing_id("a", "s", "t", events, replay=1),
        firing_id("a", "s", "t", events, replay=2),
        firing_id("a", "s", "t", events, dlq=True),
        firing_id("a", "s", "t", events, document=1),
        firing_id("a", "s", "t", events, once="k"),
    ]

    assert len(set(ids)) == len(ids)


def test_once_puts_a_key_in_place_of_the_events() -> None:
    assert firing_id("a", "s", "t", {"d": "1"}, once="k") == firing_id("a", "s", "t", {"e": "2"}, once="k")


def test_random_keys_differ() -> None:
    assert len({random_key() for _ in range(100)}) == 100


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 2**53) | keys, lambda x: st.lists(x) | st.dictionaries(keys, x), max_leaves=8
    )
)
def test_the_payload_is_the_data_parsed_once(value: object) -> None:
    one = event(orjson.dumps(value))

    assert one.payload == value
    assert one.payload is one.payload


@pytest.mark.parametrize("data", [None, b"", b"plain", b"{", b"\xff", b"[" * 100_000])
def test_data_that_is_not_json_has_no_payload(data: bytes | None) -> None:
    assert event(data).payload is NOT_JSON


def test_a_parsed_event_equals_an_unparsed_one() -> None:
    one, two = event(b"[1]"), event(b"[1]")

    assert one.payload == [1]
    assert one == two
    assert hash(one) == hash(two)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.integers(-14, 14))
def test_instants_as_text_sort_as_they_do_in_time(instant: datetime, hours: int) -> None:
    one = instant.replace(tzinfo=timezone(timedelta(hours=hours)))
    later = one + timedelta(microseconds=1)

    assert rfc3339(one) < rfc3339(later)
    assert datetime.fromisoformat(rfc3339(one)) == one.astimezone(UTC)


def test_a_target_names_itself() -> None:
    assert str(Target("v1", "Pod", "argo", "x")) == "Pod argo/x"
    assert str(Target("", "http", "", "key")) == "http key"
