"""The event: what every source makes, every log keeps and every sensor reads.

An immutable CloudEvents 1.0 event. As in argo-events `source` is the EventSource's name, `subject` the event's name within it
and `type` the kind of source. Its `data` is bytes, exactly as they were published; `payload` decodes them on first use.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import orjson

from tiphys.errors import JsonError, TriggerError
from tiphys.languages import gjson, gojson, gotemplate_names

__all__ = ["ALL", "DEFAULT_BUS", "NOT_JSON", "Event", "Events", "every", "rfc3339", "rfc3339_now", "template_root"]

DEFAULT_BUS: Final = "default"
_JSON: Final = "application/json"
_NO_EXTENSIONS: Final[Mapping[str, str]] = {}
ALL: Final = "all"
"""Under which templates find the lists of all events."""


class _NotJson:
    """The payload of data that is not JSON (or of an event without data)."""

    def __repr__(self) -> str:
        return "NOT_JSON"


NOT_JSON: Final = _NotJson()
_DECODED_BYTES: Final = 2 << 20
_UNPARSED: Final[Any] = object()
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
    datacontenttype: str = _JSON
    bus: str = DEFAULT_BUS
    extensions: Mapping[str, str] = field(default_factory=lambda: _NO_EXTENSIONS, hash=False)
    _payload: Any = field(default=_UNPARSED, init=False, repr=False, compare=False)
    _document: gjson.Document | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def payload(self) -> Any:
        """The data decoded as JSON, or `NOT_JSON`. Integers beyond 64 bits become floats. Kept for a while: do not modify."""
        if self._payload is _UNPARSED:
            try:
                parsed = NOT_JSON if self.data is None else orjson.loads(self.data)
            except orjson.JSONDecodeError:
                parsed = _as_go_would(self.data or b"")
            object.__setattr__(self, "_payload", parsed)
            _decoded.add(self)
        return self._payload

    @property
    def document(self) -> gjson.Document:
        """The data and its payload, for paths; made once and kept."""
        document = self._document
        if document is None:
            document = gjson.Document(self.payload, self.data or b"")
            object.__setattr__(self, "_document", document)
        return document

    def transformed(self, data: bytes | None) -> Event:
        """The event as a dependency with a transform sees it, with `data` (JSON) in place of its own (reference 1.2); itself for `None`."""
        return self if data is None else replace(self, data=data, datacontenttype=_JSON)

    def forget(self) -> None:
        """Let go of the decoded payload, which is many times as large as its text: nobody is expected to ask for it soon. What the next
        event is decoded to then finds its memory still in the processor's cache, which is a third of what decoding costs."""
        object.__setattr__(self, "_payload", _UNPARSED)
        object.__setattr__(self, "_document", None)


class Events(dict[str, Event]):
    """The events of a firing by dependency: the latest of each. `earlier` has, where there are several (`hold: all`), those before it,
    oldest first; those of `too_large` were left out, since they have so many bytes."""

    __slots__ = ("earlier", "too_large")

    def __init__(
        self,
        latest: Mapping[str, Event],
        earlier: Mapping[str, Sequence[Event]] | None = None,
        too_large: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(latest)
        self.earlier: Mapping[str, Sequence[Event]] = earlier or {}
        self.too_large: Mapping[str, int] = too_large or {}


def every(events: Mapping[str, Event], name: str) -> tuple[Event, ...]:
    """All events of a dependency, oldest first; none if it has none. Raises `TriggerError` `EventsTooLarge`."""
    latest = events.get(name)
    if latest is None:
        return ()
    if not isinstance(events, Events):
        return (latest,)
    if size := events.too_large.get(name):
        text = f"all events of dependency {name} are asked for, and they have {size >> 20} MiB"
        raise TriggerError("EventsTooLarge", f"{text}; keep what matters of each by a transform, or fewer of them by within")
    return (*events.earlier.get(name, ()), latest)


def template_root(events: Mapping[str, Event], *, all_too: bool = False) -> dict[str, Any]:
    """What templates over several events see: each dependency's data by its name, and by the name that a template can write (`_` for
    every `-`). A dependency whose event is not JSON is absent.

    With `all_too`, `all` has by the same names the list of the data of all its events, oldest first (`null` for one that is not JSON),
    unless a dependency is called so. Raises `TriggerError` then as `every` does.
    """
    root: dict[str, Any] = {}
    for name, event in events.items():
        if event.payload is not NOT_JSON:
            root[gotemplate_names.field_name(name)] = root[name] = event.payload
    if all_too and ALL not in root:
        lists: dict[str, Any] = {}
        for name in events:
            found = [None if event.payload is NOT_JSON else event.payload for event in every(events, name)]
            lists[gotemplate_names.field_name(name)] = lists[name] = found
        root[ALL] = lists
    return root


class _Decoded:
    """The newest events whose payload was decoded, bounded by the bytes of their data: those beyond forget theirs."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._bytes = 0

    def add(self, event: Event) -> None:
        self._events.append(event)
        self._bytes += len(event.data or b"")
        while self._bytes > _DECODED_BYTES and len(self._events) > 1:
            oldest = self._events.popleft()
            self._bytes -= len(oldest.data or b"")
            oldest.forget()


_decoded: Final = _Decoded()


def _as_go_would(data: bytes) -> Any:
    try:
        return gojson.loads(data)
    except JsonError:
        return NOT_JSON
