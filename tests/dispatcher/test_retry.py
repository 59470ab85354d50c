"""The table of `dispatcher.retry`: each row, and what must hold for all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.retry import Delays, RetryPolicy, decide, may_act_again
from tiphys.bus.firing import Outcome, OutcomeKind
from tiphys.errors import OutcomeUnknown, PathError, Refused, SecretError, TiphysError, TriggerError, Unreachable

NOW = 1_000_000.0
DAY = 86_400.0
DEFAULT = RetryPolicy()
AS_WRITTEN = RetryPolicy(steps=3, delays=Delays(0.1, 2.0, 0.0, DAY))
AWAY = Unreachable("https://api", "connection refused")
CUT = OutcomeUnknown("https://api", "connection reset")


def refused(status: int, retry_after: float | None = None) -> Refused:
    return Refused("https://api", status, "", "no", retry_after)


def outcome(
    error: TiphysError, policy: RetryPolicy = DEFAULT, *, attempt: int = 1, age: float = 0.0, standing: bool = False
) -> Outcome:
    return decide(error, policy, attempt=attempt, first_attempt=NOW - age, now=NOW, draw=0.0, standing=standing)


@pytest.mark.parametrize(
    ("error", "kind", "wait"),
    [
        (AWAY, OutcomeKind.RELEASED, 1.0),
        (CUT, OutcomeKind.RETRY, 1.0),
        (refused(429), OutcomeKind.RELEASED, 1.0),
        (refused(429, 20.0), OutcomeKind.RELEASED, 20.0),
        (refused(408), OutcomeKind.RELEASED, 1.0),
        (refused(409), OutcomeKind.RELEASED, 1.0),
        (refused(400), OutcomeKind.RELEASED, 10.0),
        (refused(401), OutcomeKind.RELEASED, 10.0),
        (refused(403), OutcomeKind.RELEASED, 10.0),
        (refused(404), OutcomeKind.RELEASED, 10.0),
        (refused(422), OutcomeKind.RELEASED, 10.0),
        (TriggerError("ArgumentsDisagree", "no", transient=True), OutcomeKind.RELEASED, 10.0),
        (SecretError("argo", "s", "k", "absent", known=True), OutcomeKind.RELEASED, 10.0),
        (SecretError("argo", "s", "k", "API away", known=False), OutcomeKind.RELEASED, 1.0),
    ],
)
def test_without_a_retry_strategy_what_may_heal_is_tried_again(error: TiphysError, kind: OutcomeKind, wait: float) -> None:
    found = outcome(error)

    assert found.kind is kind
    assert found.retry_at - NOW == pytest.approx(wait)
    assert str(error) in found.message


@pytest.mark.parametrize(
    "error", [TriggerError("NameTaken", "x is there"), TriggerError("MissingKey", "no body.x"), PathError("x", "no", "do")]
)
def test_what_the_same_events_would_meet_again_is_dead_at_once(error: TiphysError) -> None:
    assert outcome(error).kind is OutcomeKind.DEAD


def test_the_waits_double_up_to_half_a_minute_and_a_refusal_s_up_to_a_quarter_of_an_hour() -> None:
    quick = [outcome(AWAY, attempt=n).retry_at - NOW for n in range(1, 8)]
    slow = [outcome(refused(422), attempt=n).retry_at - NOW for n in range(1, 9)]

    assert quick == pytest.approx([1, 2, 4, 8, 16, 30, 30])
    assert slow == pytest.approx([10, 20, 40, 80, 160, 320, 640, 900])


@pytest.mark.parametrize("error", [AWAY, refused(422), refused(429)])
def test_without_a_retry_strategy_24_hours_are_the_end_and_the_text_says_how_often_it_was_tried(error: TiphysError) -> None:
    assert outcome(error, attempt=900, age=DAY - 1).kind is OutcomeKind.RELEASED

    end = outcome(error, attempt=900, age=DAY)

    assert end.kind is OutcomeKind.DEAD
    assert "900 attempts" in end.message
    assert str(error) in end.message


def test_argo_events_2928_a_written_strategy_is_used_as_written() -> None:
    waits = [outcome(AWAY, AS_WRITTEN, attempt=n) for n in (1, 2, 3)]

    assert [one.retry_at - NOW for one in waits[:2]] == pytest.approx([0.1, 0.2])
    assert (waits[2].kind, "3 attempts" in waits[2].message) == (OutcomeKind.DEAD, True)


def test_a_refusal_under_a_written_strategy_waits_as_written() -> None:
    found = outcome(refused(422), AS_WRITTEN)

    assert found.kind is OutcomeKind.RELEASED
    assert found.retry_at - NOW == pytest.approx(0.1)


def test_being_throttled_does_not_use_up_the_steps_of_a_written_strategy() -> None:
    assert outcome(refused(429), AS_WRITTEN, attempt=10).kind is OutcomeKind.RELEASED
    assert outcome(refused(429), AS_WRITTEN, attempt=10, age=DAY).kind is OutcomeKind.DEAD


def test_a_name_that_is_taken_counts_as_done_if_the_trigger_says_skip() -> None:
    found = outcome(TriggerError("NameTaken", "x is there"), RetryPolicy(on_conflict="skip"))

    assert (found.kind, found.reason) == (OutcomeKind.SUCCEEDED, "Skipped")


def test_an_unknown_outcome_at_the_last_attempt_keeps_the_target_for_one_more_look_that_does_not_act() -> None:
    found = outcome(CUT, AS_WRITTEN, attempt=3)

    assert found.kind is OutcomeKind.RETRY
    assert not may_act_again(AS_WRITTEN, 3, NOW, NOW)
    assert may_act_again(AS_WRITTEN, 2, NOW, NOW)


def test_a_target_whose_outcome_is_unknown_stands_while_the_server_is_away_and_is_released_by_a_refusal() -> None:
    assert outcome(AWAY, standing=True).kind is OutcomeKind.RETRY
    assert outcome(refused(422), standing=True).kind is OutcomeKind.RELEASED


def test_a_server_that_never_comes_back_ends_even_an_unknown_outcome() -> None:
    assert outcome(AWAY, standing=True, age=2 * DAY - 1).kind is OutcomeKind.RETRY
    assert outcome(AWAY, standing=True, age=2 * DAY).kind is OutcomeKind.DEAD


def test_at_most_once_forbids_a_second_act_after_an_unknown_outcome_and_nothing_else() -> None:
    at_most_once = RetryPolicy(on_unknown="dead")

    assert not may_act_again(at_most_once, 0, NOW, NOW)
    assert outcome(AWAY, at_most_once).kind is OutcomeKind.RELEASED


@given(
    st.sampled_from([AWAY, CUT, refused(404), refused(429, 3.0), TriggerError("X", "y"), TriggerError("X", "y", transient=True)]),
    st.sampled_from([DEFAULT, AS_WRITTEN, RetryPolicy(steps=1), RetryPolicy(on_unknown="dead")]),
    st.integers(1, 100_000),
    st.floats(0, 10 * DAY),
    st.floats(0, 1, exclude_max=True),
    st.booleans(),
)
def test_a_firing_that_is_put_back_is_due_later_and_within_a_day_and_the_target_of_an_unknown_outcome_is_never_forgotten(
    error: TiphysError, policy: RetryPolicy, attempt: int, age: float, draw: float, standing: bool
) -> None:
    found = decide(error, policy, attempt=attempt, first_attempt=NOW - age, now=NOW, draw=draw, standing=standing)

    assert found.reason
    if found.kind in (OutcomeKind.RETRY, OutcomeKind.RELEASED):
        assert NOW < found.retry_at <= NOW + 2 * DAY
    if error is CUT:
        assert found.kind in (OutcomeKind.RETRY, OutcomeKind.DEAD)
