"""Ids are derived, not drawn: the same thing seen twice has the same id (DESIGN section 3)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Final

__all__ = ["event_id", "firing_id", "random_key"]

# Crockford's base 32 in lower case: all of it may stand in a Kubernetes name, and no two letters are mistaken for each other.
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)


def event_id(namespace: str, source: str, subject: str, key: str) -> str:
    """32 lower-case hex digits for what the outside world calls `key`, within one event of one EventSource.

    The parts are separated by `/`, which no Kubernetes name contains; `key` comes last and may contain anything.
    """
    return hashlib.sha256(f"{namespace}/{source}/{subject}/{key}".encode()).hexdigest()[:32]


def random_key() -> str:
    """A key for an event that the outside world did not identify: 128 random bits in hex."""
    return secrets.token_hex(16)


def firing_id(
    namespace: str,
    sensor: str,
    trigger: str,
    events: Mapping[str, str],
    *,
    once: str | None = None,
    replay: int = 0,
    dlq: bool = False,
    document: int = 0,
) -> str:
    """13 characters of Crockford base 32 (65 bits), usable at the end of a Kubernetes name.

    `events` maps dependency names to event ids; `once` (a rendered key) stands in their place if given. `replay` is the number
    of the replay (0 = none), `dlq` marks the firing of a `dlqTrigger`, `document` the index within a multi-document source.
    """
    if once is not None:
        what = f"once={once}"
    elif len(events) == 1:
        ((name, event),) = events.items()
        what = f"{name}={event}"
    else:
        what = ",".join([f"{name}={events[name]}" for name in sorted(events)])
    text = f"{namespace}/{sensor}/{trigger}/{what}"
    if replay:
        text += f"/{replay}"
    if dlq:
        text += "/dlq"
    if document:
        # with its name, so that no document of a firing has the id of a replay
        text += f"/document {document}"
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:9], "big") >> 7
    pairs = _PAIRS
    return (
        f"{_ALPHABET[number >> 60]}{pairs[number >> 50 & 1023]}{pairs[number >> 40 & 1023]}{pairs[number >> 30 & 1023]}"
        f"{pairs[number >> 20 & 1023]}{pairs[number >> 10 & 1023]}{pairs[number & 1023]}"
    )
