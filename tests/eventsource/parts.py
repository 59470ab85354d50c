"""What the tests of this room stand on: a log in memory, secrets in a dict, and an ingress on a free port of the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from eventsource.ingress import Ingress, IngressSettings, Limits
from eventsource.manifest import parse
from eventsource.room import Restarts, Room
from eventsource.source import Address
from tiphys.bus.event import Event
from tiphys.bus.ledger import Cursor, Ledger
from tiphys.bus.log import Durability, EventLog, Stored
from tiphys.errors import SecretError, StoreUnavailable
from tiphys.schema.secret import ConfigMapRef, SecretRef


class MemoryLog(EventLog):
    """Keeps events in a list. `refusing` makes it full, `breaking` faulty, a closed `gate` makes it hang."""

    durability = Durability.SERVER_MEMORY

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.refusing = False
        self.breaking = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def publish(self, event: Event) -> int:
        await self.gate.wait()
        if self.refusing:
            raise StoreUnavailable("disk full", retry_after=3)
        if self.breaking:
            raise RuntimeError("a mistake in a driver")
        self.events.append(event)
        return len(self.events)

    async def read(self) -> AsyncIterator[Sequence[Stored]]:
        yield [Stored(position, event) for position, event in enumerate(self.events, 1)]

    async def ack(self, position: int) -> None:
        return

    async def end(self) -> int:
        return len(self.events)


class MemoryCursor(Cursor):
    def __init__(self, kept: dict[str, bytes], key: str) -> None:
        self._kept, self._key = kept, key

    @property
    def value(self) -> bytes | None:
        return self._kept.get(self._key)

    async def advance(self, value: bytes) -> None:
        self._kept[self._key] = value


class Cursors:
    """The one question that sources ask of a ledger."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.taken: list[str] = []

    async def cursor(self, key: str) -> Cursor:
        self.taken.append(key)
        return MemoryCursor(self.kept, key)


class KeptSecrets:
    """`name/key` → bytes; `away` is an API that cannot be reached."""

    def __init__(self, values: Mapping[str, bytes] | None = None) -> None:
        self.values = dict(values or {})
        self.away = False

    async def secret(self, namespace: str, ref: SecretRef) -> bytes:
        if self.away:
            raise SecretError(namespace, ref.name, ref.key, "the API is away", known=False)
        try:
            return self.values[f"{ref.name}/{ref.key}"]
        except KeyError:
            raise SecretError(namespace, ref.name, ref.key, "does not exist", known=True) from None

    async def configmap(self, namespace: str, ref: ConfigMapRef) -> bytes:
        raise SecretError(namespace, ref.name, ref.key, "does not exist", known=True)


@dataclass
class Counted:
    """The answers that were counted."""

    answers: list[tuple[Address | None, int, str]] = field(default_factory=list)

    def answered(self, address: Address | None, status: int, reason: str, seconds: float, size: int) -> None:
        assert seconds >= 0
        assert size >= 0
        self.answers.append((address, status, reason))

    @property
    def reasons(self) -> list[str]:
        return [reason for _, _, reason in self.answers]


@dataclass
class House:
    """A room with an ingress, on the loopback."""

    room: Room
    ingress: Ingress
    log: MemoryLog
    ledger: Cursors
    secrets: KeptSecrets
    counted: Counted

    async def apply(self, spec: Mapping[str, Any], name: str = "hooks", namespace: str = "argo", **metadata: Any) -> None:
        manifest = {"metadata": {"name": name, "namespace": namespace, **metadata}, "spec": spec}
        await self.room.apply(parse(manifest).manifest)

    def problem(self, event: str = "example", name: str = "hooks") -> str:
        """What is wrong with an event, empty if it is well."""
        found = [h for h in self.room.health() if h.address.event == event and h.address.eventsource == name]
        assert len(found) == 1
        assert (found[0].state == "ill") == bool(found[0].problem)
        return found[0].problem


@asynccontextmanager
async def house(
    secrets: Mapping[str, bytes] | None = None, limits: Limits | None = None, restarts: Restarts | None = None, **settings: Any
) -> AsyncIterator[House]:
    counted, kept, log, ledger = Counted(), KeptSecrets(secrets), MemoryLog(), Cursors()
    asked = IngressSettings(host="127.0.0.1", bind=settings.pop("bind", lambda _port: 0), limits=limits or Limits(), **settings)
    async with Ingress(asked, counted) as ingress:
        ledger_: Ledger = ledger  # type: ignore[assignment]  # sources ask for cursors only
        async with Room(log, ledger_, kept, ingress, restarts) as room:
            ingress.ready()
            yield House(room, ingress, log, ledger, kept, counted)


@dataclass
class Reply:
    """A response as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


async def talk(port: int, data: bytes, *, wait: float = 10.0) -> bytes:
    """Send bytes over a connection of their own and read until it is closed by the server (or `wait`)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(wait):
            return await reader.read()
    finally:
        writer.close()


async def send(
    port: int, path: str, body: bytes | str | None = b"", headers: Sequence[tuple[str, str]] = (), method: str = "POST"
) -> Reply:
    """One request over a connection of its own: just these headers, `Host`, and a `Content-Length` if there is a body."""
    raw = body.encode() if isinstance(body, str) else body
    lines = [f"{method} {path} HTTP/1.1", "Host: hooks.example", *(f"{name}: {value}" for name, value in headers)]
    if raw is not None:
        lines.append(f"Content-Length: {len(raw)}")
    message = "\r\n".join([*lines, "", ""]).encode() + (raw or b"")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(message)
        async with asyncio.timeout(20):
            return await read_reply(reader, method)
    finally:
        writer.close()


async def read_reply(reader: asyncio.StreamReader, method: str = "POST") -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    length = 0 if method == "HEAD" else int(headers.get("content-length", "0"))
    return Reply(int(head[0].split(" ")[1]), headers, await reader.readexactly(length))


def data_of(event: Event) -> Any:
    """An event's data, decoded."""
    assert event.data is not None
    return orjson.loads(event.data)


async def until(true: Any, wait: float = 10.0) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(wait):
        while not true():
            await asyncio.sleep(0.01)
