"""Cursors: a source's place in its world. The one who took a cursor last owns it."""

from __future__ import annotations

from zlib import crc32

from tiphys.bus.ledger import Cursor
from tiphys.bus.sqlite.store import Store
from tiphys.bus.sqlite.transaction import Transaction
from tiphys.errors import StoreError

__all__ = ["Cursors"]


class _Cursor(Cursor):
    def __init__(self, cursors: Cursors, key: str, owner: int) -> None:
        self._cursors = cursors
        self._key = key
        self.owner = owner
        self.last: bytes | None = None

    @property
    def value(self) -> bytes | None:
        return self.last

    async def advance(self, value: bytes) -> None:
        await self._cursors.advance(self._key, self.owner, value)
        self.last = value


class Cursors:
    """All cursors of the ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owners: dict[str, int] = {}

    async def take(self, key: str) -> Cursor:
        """As `Ledger.cursor`. What the owner before had sent to the writer is applied before the value is read."""
        owner = self._owners[key] = self._owners.get(key, 0) + 1
        cursor = _Cursor(self, key, owner)
        row = await self._store.write(lambda tx: tx.all("cursor", key=key))
        if row:
            crc, value = row[0]
            if isinstance(value, bytes) and crc32(value, crc32(key.encode())) == crc:
                cursor.last = value
            else:
                await self._store.set_aside("cursor", [(key, key, "its checksum disagrees")])
        return cursor

    async def advance(self, key: str, owner: int, value: bytes) -> None:
        """Store a value. Raises `StoreError` if somebody took the cursor since."""
        if self._owners.get(key) != owner:
            raise StoreError(f"the cursor {key} has another owner now; this one must stop")

        def put(tx: Transaction) -> None:
            tx.run("put_cursor", {"key": key, "crc": crc32(value, crc32(key.encode())), "value": value})

        await self._store.write(put, "advance")
