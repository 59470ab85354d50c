"""`rateLimit`: the number holds in every window of the unit, whatever came before."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dispatcher.manifest import check, notices, trigger_model
from dispatcher.rates import RateGate, RateLimit
from tests.dispatcher.support import firing
from tiphys.bus.firing import Claim
from tiphys.schema.model import field_errors

MINUTE = RateLimit(unit="Minute", requests_per_unit=3)


def claim(token: int) -> Claim:
    return Claim(firing(number=token), token, 0.0, 1)


def entry(limit: Any, **beside: Any) -> dict[str, Any]:
    return {"template": {"name": "x", "log": {}}, "rateLimit": limit} | beside


def faults(limit: Any) -> list[str]:
    try:
        trigger_model().model_validate(entry(limit))
    except ValidationError as error:
        return [str(fault) for fault in field_errors(error)]
    return []


def send(gate: RateGate, token: int, at: float, seconds: float = 0.0) -> None:
    gate.started(claim(token), at)
    gate.ended(claim(token), at + seconds, began=True)


# -- the manifest


@pytest.mark.parametrize("number", [0, -3])
def test_argo_events_2851_a_limit_that_lets_nothing_through_is_refused(number: int) -> None:
    (fault,) = faults({"unit": "Minute", "requestsPerUnit": number})

    assert "rateLimit.requestsPerUnit" in fault
    assert "at least 1" in fault


def test_a_limit_without_a_number_is_refused() -> None:
    (fault,) = faults({"unit": "Minute"})

    assert "rateLimit.requestsPerUnit" in fault


@pytest.mark.parametrize(
    ("unit", "seconds", "said"),
    [
        (None, 1, ""),
        ("Second", 1, ""),
        ("Minute", 60, ""),
        ("Hour", 3600, ""),
        ("Day", 86400, "argo-events"),
        ("minute", 60, "argo-events"),
        ("Fortnight", 1, "no unit"),
    ],
)
def test_a_unit_is_what_it_says_and_what_nobody_knows_is_a_second_and_said(unit: str | None, seconds: float, said: str) -> None:
    limit = {"requestsPerUnit": 1} | ({"unit": unit} if unit else {})
    loaded = trigger_model().model_validate(entry(limit))
    assert loaded.rate_limit is not None
    found = [notice for notice in notices(loaded) if notice.path == "rateLimit.unit"]

    assert check(loaded, frozenset({"dep"})) == []
    assert loaded.rate_limit.span == seconds
    assert bool(found) is bool(said)
    assert all(said in notice.text for notice in found)


def test_a_limit_of_a_dlq_trigger_has_no_effect_and_that_is_said() -> None:
    dead = entry({"requestsPerUnit": 1})
    loaded = trigger_model().model_validate({"template": {"name": "x", "log": {}}, "dlqTrigger": dead})

    assert [notice.path for notice in notices(loaded)] == ["dlqTrigger.rateLimit"]


# -- the gate


def test_argo_events_2851_a_quiet_time_saves_nothing_up() -> None:
    gate = RateGate(MINUTE)

    for token in range(3):
        assert gate.room(1000.0) == 1
        send(gate, token, 1000.0)

    assert gate.room(1000.0) == 0
    assert gate.room(1059.9) == 0
    assert gate.opens(1059.9) == pytest.approx(1060.0, abs=0.1)
    for token in range(3, 6):
        assert gate.room(1060.1) == 1
        send(gate, token, 1060.1)
    assert gate.room(1060.1) == 0


def test_an_attempt_counts_from_its_answer() -> None:
    gate = RateGate(RateLimit(unit="Minute", requests_per_unit=1))

    send(gate, 1, 100.0, seconds=4.0)

    assert gate.room(163.9) == 0
    assert gate.room(164.2) == 1


def test_an_attempt_that_takes_long_counts_from_a_tenth_of_the_unit_after_it_started() -> None:
    gate = RateGate(RateLimit(unit="Minute", requests_per_unit=1))

    gate.started(claim(1), 100.0)

    assert gate.opens(150.0) == pytest.approx(166.0, abs=0.1)
    gate.ended(claim(1), 165.0, began=True)
    assert gate.room(166.2) == 1


def test_an_attempt_that_sent_nothing_does_not_count() -> None:
    gate = RateGate(RateLimit(unit="Hour", requests_per_unit=1))

    gate.started(claim(1), 100.0)
    gate.ended(claim(1), 101.0, began=False)

    assert gate.room(101.0) == 1


def test_at_a_slow_pace_each_waits_for_the_answer_to_the_one_before_and_not_for_long() -> None:
    gate = RateGate(MINUTE)

    gate.started(claim(1), 100.0)

    assert gate.room(100.5) == 0
    assert gate.opens(100.5) == 102.0
    assert gate.room(102.0) == 1
    gate.ended(claim(1), 100.6, began=True)
    assert gate.room(100.6) == 1


def test_at_a_quick_pace_none_waits_for_another() -> None:
    gate = RateGate(RateLimit(requests_per_unit=50))

    gate.started(claim(1), 100.0)

    assert gate.room(100.0) == 49


def test_equal_limits_are_one_gate() -> None:
    assert RateGate(MINUTE) == RateGate(RateLimit(unit="Minute", requests_per_unit=3))
    assert RateGate(MINUTE) != RateGate(RateLimit(unit="Minute", requests_per_unit=4))


@given(
    st.integers(1, 5),
    st.sampled_from(["Second", "Minute", "Hour"]),
    st.lists(st.tuples(st.floats(0, 2), st.floats(0, 0.09)), max_size=60),
)
def test_no_window_of_the_unit_has_more_answers_than_the_limit(number: int, unit: str, arrivals: list[tuple[float, float]]) -> None:
    """Each arrives some units after the one before, is sent as soon as there is room, and is answered within a tenth of a unit."""
    gate = RateGate(RateLimit(unit=unit, requests_per_unit=number))
    span, now = gate.limit.span, 5000.0
    under_way: list[tuple[float, int]] = []
    answers: list[float] = []

    def finish(until: float) -> None:
        for at, token in sorted(under_way):
            if at <= until:
                gate.ended(claim(token), at, began=True)
                under_way.remove((at, token))

    for token, (pause, seconds) in enumerate(arrivals):
        now += pause * span
        finish(now)
        while gate.room(now) <= 0:
            opens = gate.opens(now)
            assert opens > now
            now = min([opens, *[at for at, _ in under_way if at > now]])
            finish(now)
        gate.started(claim(token), now)
        answers.append(now + seconds * span)
        under_way.append((answers[-1], token))

    answers.sort()
    for first, last in zip(answers, answers[number:], strict=False):
        assert last - first >= span * 0.999
