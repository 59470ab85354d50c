"""Kept manifests: the last accepted version of each, and every revision that a verdict may still name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tiphys.bus.ledger import Kept
from tiphys.bus.sqlite.records import manifest_crc
from tiphys.bus.sqlite.store import Store
from tiphys.bus.sqlite.transaction import Transaction
from tiphys.errors import UnknownRecord

__all__ = ["Manifests"]


class Manifests:
    """The manifests of the ledger."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, kind: str, namespace: str, name: str, body: bytes, origin: str) -> Kept:
        """As `Ledger.keep`. Within the grace a manifest that was deleted comes back as the same one."""
        grace = self._store.settings.deletion_grace

        def put(tx: Transaction) -> Kept:
            where = {"kind": kind, "namespace": namespace, "name": name}
            crc = manifest_crc(kind, namespace, name, body)
            here = max(tx.position, tx.settled)
            rows = tx.all("manifest", **where)
            revision, since = 0, here
            if rows:
                old, old_since, old_origin, deleted, _crc, old_body = rows[0]
                if not deleted or tx.now - deleted <= grace:
                    since = old_since
                if old_body == body:
                    revision = old
                    if deleted:
                        tx.run("restore_revision", {"number": old})
                    if not deleted and old_origin == origin:
                        return Kept(kind, namespace, name, revision, since, body, origin)
                else:
                    tx.run("retire_revision", {"number": old, "position": here})
                    tx.standing.discard(old)
            if not revision:
                revision = tx.value("insert_revision", **where, since=since, origin=origin, crc=crc, body=body)
            tx.run("put_manifest", {**where, "revision": revision, "since": since, "origin": origin})
            tx.standing.add(revision)
            return Kept(kind, namespace, name, revision, since, body, origin)

        return await self._store.write(put, "keep")

    async def forget(self, kind: str, namespace: str, name: str) -> None:
        """As `Ledger.forget`."""

        def mark(tx: Transaction) -> None:
            revision = tx.value("forget_manifest", kind=kind, namespace=namespace, name=name, now=tx.now)
            if revision is not None:
                tx.run("retire_revision", {"number": revision, "position": max(tx.position, tx.settled)})
                tx.standing.discard(revision)

        await self._store.write(mark, "keep")

    async def kept(self, kind: str | None, *, deleted: bool) -> list[Kept]:
        """As `Ledger.kept`. A damaged one is set aside; its origin brings it back."""
        rows = await self._store.read(lambda reader: reader.all("manifests", kind=kind, deleted=deleted))
        found: list[Kept] = []
        for row_kind, namespace, name, revision, since, origin, gone, crc, body in rows:
            if body is None:
                continue
            kept = Kept(row_kind, namespace, name, revision, since, body, origin, gone)
            if await self._sound(kept, crc):
                found.append(kept)
        return found

    async def revision(self, number: int) -> Kept:
        """As `Ledger.revision`."""
        rows: Sequence[Any] = await self._store.read(lambda reader: reader.all("revision", number=number))
        if rows:
            kind, namespace, name, since, origin, crc, body = rows[0]
            kept = Kept(kind, namespace, name, number, since, body, origin)
            if await self._sound(kept, crc):
                return kept
        raise UnknownRecord("manifest", str(number))

    async def _sound(self, kept: Kept, crc: int) -> bool:
        if manifest_crc(kept.kind, kept.namespace, kept.name, kept.body) == crc:
            return True
        name = f"{kept.kind} {kept.namespace}/{kept.name}"
        await self._store.set_aside("manifest", [(kept.revision, name, "its checksum disagrees")])
        return False
