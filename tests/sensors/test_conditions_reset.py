"""`conditionsReset` (reference 5.3): when what is held is dropped."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.conditions import Reset
from tiphys.errors import FieldError
from tiphys.schema.conditions import ByTime, ConditionsReset


def entries(*criteria: tuple[str, str]) -> list[ConditionsReset]:
    return [ConditionsReset(by_time=ByTime(cron=cron, timezone=zone)) for cron, zone in criteria]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def faults(*criteria: tuple[str, str]) -> list[FieldError]:
    return list(Reset.faults(entries(*criteria), "template.conditionsReset"))


def test_argo_events_1381_ten_in_the_evening_in_berlin_is_nine_in_winter() -> None:
    reset = Reset(entries(("0 22 * * *", "Europe/Berlin")))
    assert reset.previous(at("2026-01-13T07:00:00Z")) == at("2026-01-12T21:00:00Z")
    assert reset.next(at("2026-01-13T20:59:59Z")) == at("2026-01-13T21:00:00Z")
    assert reset.previous(at("2026-07-13T20:00:01Z")) == at("2026-07-13T20:00:00Z")


def test_the_default_zone_is_utc() -> None:
    assert Reset(entries(("0 22 * * *", ""))).previous(at("2026-01-13T07:00:00Z")) == at("2026-01-12T22:00:00Z")


def test_of_several_criteria_the_nearest_counts() -> None:
    reset = Reset(entries(("0 6 * * *", ""), ("0 22 * * *", "Europe/Berlin")))
    assert reset.previous(at("2026-01-13T07:00:00Z")) == at("2026-01-13T06:00:00Z")
    assert reset.next(at("2026-01-13T07:00:00Z")) == at("2026-01-13T21:00:00Z")


def test_without_criteria_there_is_no_reset() -> None:
    reset = Reset([])
    assert reset.previous(at("2026-01-13T07:00:00Z")) is None
    assert reset.next(at("2026-01-13T07:00:00Z")) is None
    assert reset.since(0.0) == -math.inf
    assert reset.until(0.0) == math.inf


@given(st.lists(st.integers(0, 14 * 86_400), min_size=1, max_size=20))
def test_the_latest_reset_at_or_before_an_instant_is_found_in_any_order_of_questions(seconds: list[int]) -> None:
    start = at("2026-03-22T00:00:00Z")  # the clocks change on the 29th
    reset, fresh = (Reset(entries(("30 2 * * *", "Europe/Berlin"), ("0 */7 * * *", ""))) for _ in range(2))
    for second in seconds:
        instant = start + timedelta(seconds=second)
        last = fresh.previous(instant + timedelta(microseconds=1))
        following = fresh.next(instant)
        assert last is not None
        assert following is not None
        assert reset.since(instant.timestamp()) == last.timestamp()
        assert reset.until(instant.timestamp()) == following.timestamp()


def test_a_reset_in_the_hour_that_the_clocks_skip_comes_at_the_first_instant_after_it() -> None:
    reset = Reset(entries(("30 2 * * *", "Europe/Berlin")))
    assert reset.previous(at("2026-03-29T12:00:00Z")) == at("2026-03-29T01:00:00Z")


def test_a_reset_of_a_day_that_february_lacks_comes_when_there_is_one() -> None:
    reset = Reset(entries(("0 0 29 2 *", "")))
    assert reset.previous(datetime(2026, 11, 25, tzinfo=UTC)) == at("2024-02-29T00:00:00Z")


@pytest.mark.parametrize(
    ("criterion", "path"),
    [
        (("61 * * * *", ""), "cron"),
        (("0 22 * *", ""), "cron"),
        (("0 0 30 2 *", ""), "cron"),
        (("nightly", ""), "cron"),
        (("0 22 * * *", "Europe/Berlim"), "timezone"),
    ],
)
def test_argo_events_1381_a_bad_schedule_or_zone_is_refused_with_its_path(criterion: tuple[str, str], path: str) -> None:
    (fault,) = faults(("0 6 * * *", ""), criterion)
    assert fault.path == f"template.conditionsReset[1].byTime.{path}"
    assert fault.problem
    assert fault.remedy


def test_all_faults_come_at_once() -> None:
    assert [fault.path for fault in faults(("nightly", "Nowhere"), ("later", ""))] == [
        "template.conditionsReset[0].byTime.timezone",
        "template.conditionsReset[0].byTime.cron",
        "template.conditionsReset[1].byTime.cron",
    ]


@given(st.text(max_size=20), st.text(max_size=12))
def test_any_text_is_a_schedule_or_a_fault(cron: str, zone: str) -> None:
    criteria: Any = entries((cron or "x", zone))
    found = list(Reset.faults(criteria, "r"))
    if not found:
        assert Reset(criteria).next(at("2026-01-01T00:00:00Z")) is not None
