"""Waits between attempts, and amounts written in several ways."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tiphys.schema.backoff import LONGEST_WAIT, Backoff
from tiphys.schema.model import field_errors


def read(**fields: Any) -> Backoff:
    return Backoff.model_validate(fields)


def test_the_defaults_are_argo_events() -> None:
    backoff = read()
    assert (backoff.duration, backoff.factor, backoff.jitter, backoff.attempts) == (1_000_000_000, 1.0, 1.0, 5)


@pytest.mark.parametrize("duration", ["1m30s", 90_000_000_000])
def test_a_duration_is_text_or_nanoseconds(duration: object) -> None:
    assert read(duration=duration, jitter=0).delay(1, 0.5) == 90.0


@pytest.mark.parametrize(("factor", "waits"), [(2, [1.0, 2.0, 4.0]), ("1.5", [1.0, 1.5, 2.25]), (1.0, [1.0, 1.0, 1.0])])
def test_waits_grow_by_the_factor(factor: object, waits: list[float]) -> None:
    backoff = read(factor=factor, jitter="0")
    assert [backoff.delay(attempt, 0.9) for attempt in (1, 2, 3)] == waits


def test_jitter_adds_up_to_that_part_of_the_wait() -> None:
    backoff = read(duration="10s", jitter=0.5)
    assert [backoff.delay(1, drawn) for drawn in (0.0, 0.5, 1.0)] == [10.0, 12.5, 15.0]


def test_steps_are_attempts_in_all() -> None:
    assert [read(steps=steps).attempts for steps in (-1, 0, 1, 7)] == [5, 5, 1, 7]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"duration": "1d"}, "unknown unit"),
        ({"factor": "x"}, "must be a number"),
        ({"jitter": "nan"}, "must be a number"),
        ({"duration": "-1s"}, "greater than"),
        ({"steps": "3"}, "whole number"),
        ({"factor": True}, "number"),
        ({"jitter": "1_0"}, "must be a number"),
    ],
)
def test_what_is_no_amount_is_refused_with_its_path(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(**fields)
    (error,) = field_errors(caught.value, "spec.backoff")
    assert problem in error.problem
    assert error.path == f"spec.backoff.{next(iter(fields))}"


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(0, 1e6), st.integers(0, 2**63 - 1))
def test_no_wait_is_negative_or_endless(attempt: int, drawn: float, factor: float, duration: int) -> None:
    assert 0 <= read(duration=duration, factor=factor).delay(attempt, drawn) <= LONGEST_WAIT
