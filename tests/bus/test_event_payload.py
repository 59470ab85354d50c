"""A payload that a source remembered: a saving, and bounded."""

from __future__ import annotations

from tiphys.bus.event import Event, rfc3339, rfc3339_now


def event(number: int, data: bytes) -> Event:
    return Event(f"{number}", "s", "t", "e", "n", data)


def test_a_remembered_payload_is_the_very_object() -> None:
    payload = {"a": 1}
    one = event(1, b'{"a":1}')
    one.remember(payload)
    assert one.payload is payload


def test_only_the_newest_payloads_are_kept_and_the_others_are_decoded_again() -> None:
    data = b'["' + b"x" * 100_000 + b'"]'
    events = [event(number, data) for number in range(60)]
    payloads: list[list[str]] = [["remembered"] for _ in events]
    for one, payload in zip(events, payloads, strict=True):
        one.remember(payload)
    assert events[-1].payload is payloads[-1]
    assert events[0].payload is not payloads[0]
    assert events[0].payload == ["x" * 100_000]


def test_the_newest_is_kept_however_large_it_is() -> None:
    payload: list[str] = []
    one = event(1, b"[" + b" " * 2_000_000 + b"]")
    one.remember(payload)
    assert one.payload is payload


def test_the_present_is_written_as_any_other_instant() -> None:
    from datetime import UTC, datetime

    before = rfc3339(datetime.now(UTC))
    now = rfc3339_now()
    assert before <= now <= rfc3339(datetime.now(UTC))
    assert len(now) == len("2026-11-25T08:00:00.000000Z")
