"""A decoded payload is kept while it is likely to be asked for again, and no longer."""

from __future__ import annotations

from tiphys.bus.event import Event, rfc3339, rfc3339_now


def event(number: int, data: bytes) -> Event:
    return Event(f"{number}", "s", "t", "e", "n", data)


def test_a_payload_is_decoded_once_until_it_is_forgotten() -> None:
    one = event(1, b'{"a":1}')
    payload, document = one.payload, one.document
    assert one.payload is payload
    assert one.document is document
    one.forget()
    assert one.document is not document
    assert one.payload == {"a": 1}
    assert one.payload is not payload


def test_only_the_newest_payloads_are_kept() -> None:
    data = b'["' + b"x" * 100_000 + b'"]'
    events = [event(number, data) for number in range(60)]
    payloads = [one.payload for one in events]
    assert events[-1].payload is payloads[-1]
    assert events[0].payload is not payloads[0]


def test_the_newest_is_kept_however_large_it_is() -> None:
    one = event(1, b"[" + b" " * 3_000_000 + b"]")
    payload = one.payload
    assert one.payload is payload


def test_the_present_is_written_as_any_other_instant() -> None:
    from datetime import UTC, datetime

    before = rfc3339(datetime.now(UTC))
    now = rfc3339_now()
    assert before <= now <= rfc3339(datetime.now(UTC))
    assert len(now) == len("2026-11-25T08:00:00.000000Z")
