"""How records become rows and rows become records again, each with a checksum over all that it means.

The checksum is CRC-32: it finds damage, not malice. Everything that makes up a record goes into it, also what stands in another
table (an event's origin), so that a damaged row cannot lend its records to somebody else. `Damaged` is raised on any record that
does not agree with its checksum or cannot be decoded; the caller sets it aside.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson

from tiphys.bus.event import Event
from tiphys.bus.firing import DependencyEvent, Firing, Outcome, OutcomeKind, Target, TriggerKey
from tiphys.bus.ledger import Deferred, Held, Verdict, VerdictKind

__all__ = [
    "Damaged",
    "Origin",
    "attributes_of",
    "deferred_crc",
    "event_crc",
    "event_from_row",
    "firing_crc",
    "firing_from_row",
    "firing_text",
    "held_crc",
    "id_key",
    "id_range",
    "manifest_crc",
    "once_key",
    "outcome_from_text",
    "outcome_text",
    "pack_verdicts",
    "seal",
    "target_from_text",
    "target_text",
    "unpack_verdicts",
    "unseal",
]

_JSON: Final = "application/json"
_HEX_ID: Final = re.compile(r"[0-9a-f]{32}\Z")
_HEX: Final = re.compile(r"[0-9a-f]{1,32}\Z")
_VERDICT: Final = struct.Struct("<IHHBh")
_NO_EXTENSIONS: Final[Mapping[str, str]] = {}


class Damaged(Exception):  # noqa: N818  it names what the record is; never leaves the driver
    """A record that disagrees with its checksum or cannot be decoded."""


class Origin(NamedTuple):
    """What many events have in common."""

    namespace: str
    source: str
    subject: str
    type: str
    bus: str


def id_key(event_id: str) -> bytes:
    """An id as a key: 16 bytes for 32 hex digits, else its text and a zero, two where it would be 16 bytes long as well."""
    if _HEX_ID.match(event_id):
        return bytes.fromhex(event_id)
    key = event_id.encode() + b"\0"
    return key + b"\0" if len(key) == 16 else key


def id_range(prefix: str) -> list[tuple[bytes, bytes]]:
    """The ranges of keys in which ids with that prefix lie."""
    text = prefix.encode()
    ranges = [(text, text + b"\xff")]
    if _HEX.match(prefix):
        ranges.append((bytes.fromhex(prefix.ljust(32, "0")), bytes.fromhex(prefix.ljust(32, "f"))))
    return ranges


# -- events

_PIECE: Final = 5120
_AT_ONCE: Final = 64 * 1024


def attributes_of(event: Event) -> str | None:
    """What an event has beside the columns, as JSON text; `None` for the usual."""
    if event.datacontenttype == _JSON and not event.extensions:
        return None
    return orjson.dumps([event.datacontenttype, dict(event.extensions)]).decode()


def event_crc(event_id: str, origin: Origin, time: str, attributes: str | None, data: bytes | None) -> int:
    """The checksum of an event's record."""
    head = "\0".join((event_id, *origin, time, attributes or "")).encode()
    if data is None:
        return crc32(head + b"\0\0")
    crc = crc32(head + b"\0\1")
    if len(data) > _AT_ONCE:
        return crc32(data, crc)
    # in pieces for which zlib keeps the interpreter's lock: getting it back from another thread takes longer than the sum
    view = memoryview(data)
    for start in range(0, len(data), _PIECE):
        crc = crc32(view[start : start + _PIECE], crc)
    return crc


def event_from_row(row: Sequence[Any], origins: Mapping[int, Origin], *, check: bool = True) -> Event:
    """The event in a row `position, stored, id, origin, size, crc, time, attributes, data`. Listings come without data: unchecked."""
    _position, _stored, event_id, number, _size, crc, time, attributes, data = row
    origin = origins.get(number)
    if origin is None:
        raise Damaged("its origin is lost")
    try:
        if check and event_crc(event_id, origin, time, attributes, data) != crc:
            raise Damaged("its checksum disagrees")
        content_type, extensions = (_JSON, _NO_EXTENSIONS) if attributes is None else orjson.loads(attributes)
        return Event(
            id=event_id,
            source=origin.source,
            type=origin.type,
            subject=origin.subject,
            namespace=origin.namespace,
            data=data,
            time=time,
            datacontenttype=content_type,
            bus=origin.bus,
            extensions=extensions,
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"it cannot be decoded ({error})") from error


# -- verdicts


def pack_verdicts(verdicts: Sequence[Verdict]) -> bytes:
    """Eleven bytes for each."""
    return b"".join([_VERDICT.pack(*verdict) for verdict in verdicts])


def unpack_verdicts(packed: bytes | None) -> tuple[Verdict, ...]:
    """Verdicts of a row; what cannot be read of a damaged one is left out."""
    if not packed:
        return ()
    whole = len(packed) - len(packed) % _VERDICT.size
    known = VerdictKind._value2member_map_
    return tuple(
        Verdict(revision, trigger, dependency, VerdictKind(kind), clause)
        for revision, trigger, dependency, kind, clause in _VERDICT.iter_unpack(packed[:whole])
        if kind in known
    )


# -- firings


def firing_text(firing: Firing) -> str:
    """A firing without its id and trigger, as JSON text."""
    events = {name: _seen_text(seen) for name, seen in firing.events.items()}
    parts: list[Any] = [events, firing.completed_by, firing.replay, firing.dlq, firing.document, firing.parent]
    if firing.more or firing.lane:
        parts.append({name: [_seen_text(seen) for seen in more] for name, more in firing.more.items()})
    if firing.lane:
        parts.append(firing.lane)
    return orjson.dumps(parts).decode()


def _seen_text(seen: DependencyEvent) -> tuple[str, int, str | None]:
    return seen.id, seen.position, None if seen.transformed is None else base64.b64encode(seen.transformed).decode()


def _seen(parts: Sequence[Any]) -> DependencyEvent:
    event_id, position, data = parts
    return DependencyEvent(event_id, position, None if data is None else base64.b64decode(data))


def firing_crc(firing_id: str, key: TriggerKey, record: str) -> int:
    """The checksum of a firing's record."""
    return crc32("\0".join((firing_id, *key, record)).encode())


def firing_from_row(firing_id: str, key: TriggerKey, crc: int, record: str) -> Firing:
    """The firing of a row. Raises `Damaged`."""
    try:
        if firing_crc(firing_id, key, record) != crc:
            raise Damaged("its checksum disagrees")
        events, completed_by, replay, dlq, document, parent, *rest = orjson.loads(record)
        return Firing(
            id=firing_id,
            key=key,
            events={name: _seen(one) for name, one in events.items()},
            completed_by=completed_by,
            replay=replay,
            dlq=dlq,
            document=document,
            parent=parent,
            more={name: tuple(_seen(one) for one in more) for name, more in rest[0].items()} if rest else {},
            lane=rest[1] if len(rest) > 1 else "",
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"it cannot be decoded ({error})") from error


def seal(body: bytes) -> str:
    """What is written again and again has its checksum in its own text."""
    return f"{crc32(body):08x}{body.decode()}"


def unseal(text: str) -> bytes:
    """What `seal` was given. Raises `Damaged`."""
    body = text[8:].encode()
    if f"{crc32(body):08x}" != text[:8]:
        raise Damaged("its checksum disagrees")
    return body


def target_text(target: Target) -> str:
    """A target as JSON text."""
    parts = [target.api_version, target.kind, target.namespace, target.name, target.digest, target.operation, target.uid]
    return seal(orjson.dumps(parts))


def target_from_text(text: str | None) -> Target | None:
    """The target of a row. Raises `Damaged`."""
    if text is None:
        return None
    try:
        return Target(*orjson.loads(unseal(text)))
    except (TypeError, ValueError) as error:
        raise Damaged(f"its target cannot be decoded ({error})") from error


def outcome_text(outcome: Outcome) -> str:
    """An outcome as JSON text."""
    result = None if outcome.result is None else target_text(outcome.result)
    return seal(orjson.dumps([outcome.kind, outcome.reason, outcome.message, outcome.retry_at, result]))


def outcome_from_text(text: str | None) -> Outcome | None:
    """The outcome of a row. Raises `Damaged`."""
    if text is None:
        return None
    try:
        kind, reason, message, retry_at, result = orjson.loads(unseal(text))
        return Outcome(OutcomeKind(kind), reason, message, retry_at, target_from_text(result))
    except (TypeError, ValueError) as error:
        raise Damaged(f"its outcome cannot be decoded ({error})") from error


# -- held and deferred events, keys, manifests


def held_crc(held: Held) -> int:
    """The checksum of a held event's record."""
    parts = [*held.key, held.dependency, held.digest, held.event_id, str(held.position)]
    if held.at or held.join:  # rows of the first version have neither
        parts += [repr(held.at), held.join]
    head = "\0".join(parts).encode("utf-8", "surrogatepass")
    return crc32(head + b"\0\0") if held.transformed is None else crc32(held.transformed, crc32(head + b"\0\1"))


def deferred_crc(row: Deferred) -> int:
    """The checksum of a deferred row."""
    return crc32("\0".join((*row.key, row.event_id, str(row.position), repr(row.at), str(row.replay))).encode())


def once_key(key: str) -> bytes:
    """A rendered key of `once` as it is stored: half of its SHA-256."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16]


def lane_key(lane: str) -> bytes:
    """A firing's `lane` as it is stored: half of its SHA-256, empty for none."""
    return once_key(lane) if lane else b""


def manifest_crc(kind: str, namespace: str, name: str, body: bytes) -> int:
    """The checksum of a manifest's revision."""
    return crc32(body, crc32(f"{kind}\0{namespace}\0{name}".encode()))
