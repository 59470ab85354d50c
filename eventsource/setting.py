"""The `Context` that a source gets: how it makes events and reads secrets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from eventsource.source import Address, Health
from tiphys.bus.event import Event, rfc3339, rfc3339_now
from tiphys.bus.identity import event_id, random_key
from tiphys.schema.secret import SecretRef, Secrets

__all__ = ["Setting"]


class Setting:
    """Where one source stands: its address, its type, its health, its namespace's secrets."""

    def __init__(self, address: Address, event_type: str, health: Health, secrets: Secrets) -> None:
        self.address = address
        self.health = health
        self._type = event_type
        self._secrets = secrets

    def event(
        self,
        data: bytes,
        *,
        key: str | None = None,
        worldid: str | None = None,
        time: datetime | None = None,
        extensions: Mapping[str, str] = {},
    ) -> Event:
        """An event of this address, its id derived from the world's key."""
        namespace, source, subject, bus = self.address
        known = worldid if worldid is not None else key
        return Event(
            id=event_id(namespace, source, subject, key if key is not None else random_key()),
            source=source,
            type=self._type,
            subject=subject,
            namespace=namespace,
            data=data,
            time=rfc3339_now() if time is None else rfc3339(time),
            bus=bus,
            extensions={"worldid": known, **extensions} if known is not None else extensions,
        )

    async def secret(self, ref: SecretRef) -> bytes:
        """As stored but for one trailing newline, as in argo-events."""
        return (await self._secrets.secret(self.address.namespace, ref)).removesuffix(b"\n")
