"""Objects and their history in one SQLite file.

The model is etcd's: one counter, the `revision`, numbers all changes; each change is a row; the newest row of a key is the object; reads
name the revision that they want to see. So a list can be paged consistently, a watch can start in the past, and both survive a
restart. `compacted` is the revision below which history is gone.

All that reads and writes runs on the event loop: a commit puts some pages into the write-ahead log, in tens of microseconds. The mutations
of one turn of the loop share a commit. What was answered survives any end of this process, `kill -9` too. No commit waits for the
disk: a thread brings what was written there within 20 ms, so that only a power cut can take back a laptop's last moments. Moving the log
into the file is that thread's work as well, over a connection of its own.

A mutation is a function over a `Transaction`. It reads, decides and stages writes; if it raises, nothing of it is written and only its
own caller hears of it. It must be pure otherwise: no waiting, no input or output.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import apsw
import orjson

from tiphys.emulator.statuses import ApiError
from tiphys.errors import StoreError, StoreLocked

__all__ = ["ADDED", "DELETED", "MODIFIED", "Change", "Key", "Store", "Stored", "Transaction"]

ADDED: Final = 0
MODIFIED: Final = 1
DELETED: Final = 2

_LOG: Final = logging.getLogger(__name__)

_T = TypeVar("_T")
_SLICE: Final = 100  # revisions that are compacted at once: half a millisecond
_CHECKPOINT: Final = 1000  # pages of the write-ahead log after which it is moved into the file
_CHECKPOINT_NOW: Final = 5000  # pages after which writers wait for that: while they write the log cannot begin anew
_SYNC: Final = 0.02  # seconds after which what was written is brought to the disk
_LAYOUT: Final = 1
_LARGEST: Final = 1_572_864  # bytes of one object: etcd's limit


def _statements() -> dict[str, str]:
    text = resources.files(__package__).joinpath("store.sql").read_text("utf-8")
    return {head.strip(): body for head, _, body in (part.partition("\n") for part in text.split("-- name:")[1:])}


_SQL: Final = _statements()


class Key(NamedTuple):
    """Where an object is kept. `namespace` is empty for cluster-scoped kinds."""

    storage: str
    namespace: str
    name: str


class Stored(NamedTuple):
    """An object as it is kept: its revision and its JSON."""

    revision: int
    value: bytes


class Change(NamedTuple):
    """One row of history. `before` is the object's JSON before it, where there was one."""

    revision: int
    key: Key
    type: int
    value: bytes
    before: bytes | None


class Transaction:
    """What a mutation sees: the newest state, its batch's earlier mutations included."""

    def __init__(self, connection: apsw.Connection, revision: int) -> None:
        self._connection = connection
        self.revision = revision
        self.staged: list[Change] = []
        self._previous: list[int | None] = []

    def get(self, key: Key) -> Stored | None:
        """The object now, or `None`."""
        return _get(self._connection, key, self.revision)

    def put(self, key: Key, obj: dict[str, Any], replaces: Stored | None = None) -> bytes:
        """Stage an object with the next resourceVersion; `replaces` is what `get` gave for it. Returns its JSON.

        Raises `ApiError` for an object that etcd would not take.
        """
        return self._stage(key, obj, MODIFIED if replaces else ADDED, replaces)

    def delete(self, key: Key, obj: dict[str, Any], replaces: Stored) -> bytes:
        """Stage a deletion; `obj` is the object's last state. Returns its JSON with the deletion's resourceVersion."""
        return self._stage(key, obj, DELETED, replaces)

    def names(self, storage: str, namespace: str | None = None) -> Sequence[Key]:
        """All objects of a storage; `namespace` `None` is all of them."""
        return [Key(storage, *row) for row in self._connection.execute(_SQL["live"], (storage, namespace))]

    def _stage(self, key: Key, obj: dict[str, Any], kind: int, replaces: Stored | None) -> bytes:
        revision = self.revision + len(self.staged) + 1
        obj["metadata"]["resourceVersion"] = str(revision)
        value = orjson.dumps(obj)
        if len(value) > _LARGEST and kind != DELETED:
            raise ApiError("", "etcdserver: request is too large", code=500)
        self.staged.append(Change(revision, key, kind, value, replaces.value if replaces else None))
        self._previous.append(replaces.revision if replaces else None)
        return value

    def forget(self) -> None:
        """Drop what is staged: a dry run."""
        self.staged.clear()
        self._previous.clear()

    def write(self) -> None:
        """Write what is staged into the open SQLite transaction."""
        self._connection.executemany(
            _SQL["put"],
            [
                (change.revision, *change.key, change.type, previous, change.value)
                for change, previous in zip(self.staged, self._previous, strict=True)
            ],
        )


class _Mutation(NamedTuple):
    run: Callable[[Transaction], Any]
    future: asyncio.Future[Any]


class _Outcome(NamedTuple):
    future: asyncio.Future[Any]
    value: Any
    error: BaseException | None


def _number(connection: apsw.Connection, statement: str) -> int:
    for (value,) in connection.execute(_SQL[statement]):
        return int(value)
    raise StoreError(f"the store has no {statement}: its file is not one of the embedded API")


def _get(connection: apsw.Connection, key: Key, at: int) -> Stored | None:
    row = connection.execute(_SQL["get"], (*key, at)).fetchone()
    return Stored(row[0], row[2]) if row is not None and row[1] != DELETED else None


class Store:
    """The store, open from construction to `close`, both of which block; all else is called on the event loop `loop`.

    `folder` is made where it is missing; `history` is how many revisions of the past are kept. `on_changes` is called on the event loop
    after each commit that changed something, with the changes in order, before their callers hear. Raises `StoreLocked` when
    another process has the folder.
    """

    def __init__(
        self, folder: Path, *, loop: asyncio.AbstractEventLoop, history: int, on_changes: Callable[[Sequence[Change]], None]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._loop = loop
        self._on_changes = on_changes
        self._history = history
        self._lock = _lock(folder)
        path = str(folder / "objects.sqlite")
        self._waiting: list[_Mutation] = []
        self._syncing = False
        self._closed = False
        self._writer = apsw.Connection(path)
        self._writer.set_busy_timeout(5000)
        self._writer.pragma("journal_mode", "wal")
        self._writer.pragma("synchronous", "normal")
        self._writer.pragma("wal_autocheckpoint", 0)
        self._writer.execute(_SQL["schema"])
        layout = _number(self._writer, "layout")
        if layout != _LAYOUT:
            raise StoreError(f"{path} has layout {layout}, this version reads {_LAYOUT}; use the version that wrote it")
        self._written = _number(self._writer, "newest")
        self.compacted = _number(self._writer, "compacted")
        self.revision: int = self._written  # committed, and told to the event loop
        self._forgotten = self.compacted
        self._log_pages = 0
        self._writer.set_wal_hook(self._count_pages)
        self._reader = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        self._checkpointer = apsw.Connection(path)
        self._log = os.open(f"{path}-wal", os.O_RDONLY)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="emulator-disk")

    async def change(self, mutation: Callable[[Transaction], _T]) -> _T:
        """Run a mutation; returns what it returned once that is written. Raises what it raised, or `ApiError` 500 when the disk
        refuses."""
        future: asyncio.Future[_T] = self._loop.create_future()
        if not self._waiting:
            self._loop.call_soon(self._run)
        self._waiting.append(_Mutation(mutation, future))
        return await future

    def get(self, key: Key) -> Stored | None:
        """The object as of the newest commit that the event loop knows of, or `None`."""
        return _get(self._reader, key, self.revision)

    def page(
        self, storage: str, namespace: str | None, *, at: int, after: tuple[str, str] = ("", ""), limit: int
    ) -> list[tuple[str, str, bytes]]:
        """A page of objects as of revision `at`: (namespace, name, JSON), in this order, behind `after`; `namespace` `None` is all."""
        if namespace is None:
            return list(self._reader.execute(_SQL["list_all"], (storage, *after, at, limit)))
        return list(self._reader.execute(_SQL["list_namespace"], (storage, namespace, after[1], at, limit)))

    def changes(self, storage: str, *, after: int, upto: int, limit: int) -> list[Change]:
        """A page of history: the changes of a storage with `after` < revision <= `upto`. Complete only if `compacted` <= `after` still
        holds when it is here."""
        rows = self._reader.execute(_SQL["changes"], (after, upto, storage, limit))
        return [
            Change(revision, Key(place, namespace, name), kind, value, before)
            for revision, place, namespace, name, kind, value, before in rows
        ]

    def close(self) -> None:
        """Bring all to the disk and close. Called when nothing is served any more."""
        self._closed = True  # closing brings all to the disk itself
        self._disk.shutdown()
        os.close(self._log)
        for connection in (self._checkpointer, self._reader, self._writer):
            connection.close()
        self._lock.close()

    def _run(self) -> None:
        batch, self._waiting = self._waiting, []
        self._deliver(*self._commit(batch))
        self._tidy()

    def _commit(self, batch: Sequence[_Mutation]) -> tuple[list[Change], list[_Outcome]]:
        written, changes, outcomes = self._written, list[Change](), list[_Outcome]()
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for mutation in batch:
                transaction = Transaction(self._writer, written)
                try:
                    value = mutation.run(transaction)
                except apsw.Error:
                    raise
                except Exception as error:  # noqa: BLE001  it belongs to the mutation's own caller, who gets it
                    outcomes.append(_Outcome(mutation.future, None, error))
                    continue
                transaction.write()
                changes += transaction.staged
                written += len(transaction.staged)
                outcomes.append(_Outcome(mutation.future, value, None))
            self._writer.execute("COMMIT")
        except apsw.Error as error:
            if not self._writer.get_autocommit():
                self._writer.execute("ROLLBACK")
            return [], [_Outcome(m.future, None, ApiError("InternalError", f"the store takes no writes: {error}")) for m in batch]
        self._written = written
        return changes, outcomes

    def _deliver(self, changes: Sequence[Change], outcomes: Sequence[_Outcome]) -> None:
        if changes:
            self.revision = changes[-1].revision
            self._on_changes(changes)
        for future, value, error in outcomes:
            if future.done():  # its caller went away; what was written stays written
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)

    def _tidy(self) -> None:
        """After a commit: forget old history in small slices, and see that what was written comes to the disk."""
        try:
            while self._written - self._forgotten >= self._history + _SLICE:
                self.compacted = upto = self._forgotten + _SLICE  # said first: who reads history looks at it afterwards
                with self._writer:
                    self._writer.execute(_SQL["compact_replaced"], (self._forgotten, upto))
                    self._writer.execute(_SQL["compact_deleted"], (self._forgotten, upto))
                    self._writer.execute(_SQL["set_compacted"], (upto,))
                self._forgotten = upto
            if self._log_pages >= _CHECKPOINT_NOW:
                self._log_pages = 0
                self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error:  # a full disk: the next mutation meets it as well, and its caller is told
            return
        if not self._syncing:
            self._syncing = True
            self._loop.call_later(_SYNC, self._sync)

    def _sync(self) -> None:
        if not self._closed:
            self._disk.submit(self._bring_to_disk)

    def _bring_to_disk(self) -> None:
        """In a thread of its own."""
        self._syncing = False  # said first: what is written from now on has a turn of its own
        try:
            if self._log_pages < _CHECKPOINT:
                os.fsync(self._log)
            else:
                self._log_pages = 0
                self._checkpointer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (apsw.Error, OSError) as error:
            _LOG.error("what was written is not on the disk yet: %s", error, extra={"action": "emulator.disk"})

    def _count_pages(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK


def _lock(folder: Path) -> apsw.Connection:
    """Hold the folder: an exclusive lock that goes with the process, on every platform."""
    lock = apsw.Connection(str(folder / "lock"))
    try:
        lock.pragma("journal_mode", "memory")
        lock.execute("BEGIN EXCLUSIVE")
    except apsw.BusyError as error:
        lock.close()
        raise StoreLocked(str(folder)) from error
    return lock


def pages(
    store: Store, storage: str, namespace: str | None, *, at: int, after: tuple[str, str] = ("", ""), size: int = 500
) -> Iterator[list[tuple[str, str, bytes]]]:
    """All pages of a list, so that the caller can let others run between them."""
    while rows := store.page(storage, namespace, at=at, after=after, limit=size):
        yield rows
        after = rows[-1][:2]
        if len(rows) < size:
            return
