"""The event: what every source makes, every log keeps and every sensor reads.

An immutable CloudEvents 1.0 event. As in argo-events `source` is the EventSource's name, `subject` the event's name within it
and `type` the kind of source. Its `data` is bytes, exactly as they were published; `payload` parses them once, on first use.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from tiphys.errors import JsonError
from tiphys.languages import gojson

__all__ = ["DEFAULT_BUS", "NOT_JSON", "UNPARSED", "Event", "rfc3339", "rfc3339_now"]

DEFAULT_BUS: Final = "default"
_NO_EXTENSIONS: Final[Mapping[str, str]] = {}


class _NotJson:
    """The payload of data that is not JSON (or of an event without data)."""

    def __repr__(self) -> str:
        return "NOT_JSON"


NOT_JSON: Final = _NotJson()
_REMEMBERED_BYTES: Final = 2 << 20
UNPARSED: Final[Any] = object()
"""Stands for a payload that nobody has decoded yet."""


def rfc3339(instant: datetime) -> str:
    """An aware instant as RFC 3339 text in UTC with microseconds (`2026-11-25T08:00:00.000000Z`), which sorts as time does."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def rfc3339_now() -> str:
    """The present as `rfc3339` writes it."""
    now = time.time_ns() // 1000
    return f"{_second(now // 1_000_000)}.{now % 1_000_000:06d}Z"


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvents 1.0 event within one namespace and one event bus.

    `id` is derived (`tiphys.bus.identity`); `time` is RFC 3339 text, empty if there is none; `data` is `None` when the event
    has no data at all; `extensions` are CloudEvents extension attributes, among them `worldid`, the id that the outside world
    gave it. Equality and hash go by every field but the cached payload.
    """

    id: str
    source: str
    type: str
    subject: str
    namespace: str
    data: bytes | None = None
    time: str = ""
    datacontenttype: str = "application/json"
    bus: str = DEFAULT_BUS
    extensions: Mapping[str, str] = field(default_factory=lambda: _NO_EXTENSIONS, hash=False)
    _payload: Any = field(default=UNPARSED, init=False, repr=False, compare=False)

    @property
    def payload(self) -> Any:
        """The data decoded as JSON, or `NOT_JSON`. Integers beyond 64 bits become floats; parsed once and kept. Do not modify."""
        if self._payload is UNPARSED:
            try:
                parsed = NOT_JSON if self.data is None else orjson.loads(self.data)
            except orjson.JSONDecodeError:
                parsed = _as_go_would(self.data or b"")
            object.__setattr__(self, "_payload", parsed)
        return self._payload

    def remember(self, payload: Any) -> None:
        """Keep what `data` decodes to, for a source that had to decode it anyway. It must be what `payload` would find. A decoded
        payload is many times as large as its text, so only those of the newest events are kept; it is but a saving."""
        object.__setattr__(self, "_payload", payload)
        _remembered.add(self)


class _Remembered:
    """The newest events with a remembered payload, bounded by the bytes of their data. Used on the event loop only."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._bytes = 0

    def add(self, event: Event) -> None:
        self._events.append(event)
        self._bytes += len(event.data or b"")
        while self._bytes > _REMEMBERED_BYTES and len(self._events) > 1:
            oldest = self._events.popleft()
            self._bytes -= len(oldest.data or b"")
            object.__setattr__(oldest, "_payload", UNPARSED)


_remembered: Final = _Remembered()


def _as_go_would(data: bytes) -> Any:
    try:
        return gojson.loads(data)
    except JsonError:
        return NOT_JSON
