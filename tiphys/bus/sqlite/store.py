"""The file itself: opened, brought to the present schema, read by several and written by one.

Only the writer's connection commits and checkpoints; readers open the file read-only, each in a thread of its own. Nothing is
scanned at opening: counters and the last numbers are kept in rows or found at the end of an index.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw
import structlog

from tiphys.bus.sqlite.lock import held_lock
from tiphys.bus.sqlite.queries import migrations, schema, statements
from tiphys.bus.sqlite.records import Origin
from tiphys.bus.sqlite.settings import SqliteSettings
from tiphys.bus.sqlite.transaction import Transaction
from tiphys.bus.sqlite.writer import Job, Task, Writer
from tiphys.errors import StoreError, StoreUnavailable

__all__ = ["FILE", "Reader", "Store", "migrate"]

_log = structlog.get_logger(__name__)

T = TypeVar("T")

FILE: Final = "tiphys.db"
_READERS: Final = 2
_USAGE_EVERY: Final = 0.25
_ASIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "event": ("set_event_aside", "delete_event"),
    "held": ("set_held_aside", "delete_held_row"),
    "deferred": ("set_deferred_aside", "delete_deferred_row"),
    "cursor": ("set_cursor_aside", "delete_cursor"),
    "firing": ("set_firing_aside", "delete_lane", "delete_firing"),
    "manifest": ("set_revision_aside", "delete_manifest_of", "delete_revision"),
}


class Reader:
    """A read-only connection with the named statements; used by one thread."""

    def __init__(self, path: Path, vfs: str) -> None:
        self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY, vfs=vfs or None)
        self._connection.set_busy_timeout(5000)
        # the last connection that closes would checkpoint otherwise: that is the writer's alone
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.execute("PRAGMA cache_size = -4096; PRAGMA query_only = 1")
        self._sql = statements()

    def all(self, name: str, /, **bindings: Any) -> list[Any]:
        """Every row of a named statement."""
        return self._connection.execute(self._sql[name], bindings).fetchall()

    def one(self, name: str, /, **bindings: Any) -> Any:
        """The first row or `None`."""
        return self._connection.execute(self._sql[name], bindings).fetchone()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Around statements that have to see the file at one instant."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("END")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Store:
    """The open file. `clock` gives Unix seconds. What belongs to log and ledger alike lives here: the writer, the readers, the
    interned origins, the bound on unfinished work, and setting damaged records aside."""

    def __init__(
        self,
        path: Path,
        settings: SqliteSettings,
        connection: apsw.Connection,
        transaction: Transaction,
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self.path = path
        self.settings = settings
        self.clock = transaction.clock
        self.transaction = transaction
        # what the event loop knows: the writer's own view runs ahead of it by a batch
        self.end = self.transaction.position
        self.settled = self.transaction.settled
        self.origins = {number: origin for origin, number in self.transaction.origins.items()}
        self._usage: Mapping[str, tuple[int, int, int, int]] = {}
        self._usage_at = 0.0
        self._published: dict[str, int] = {}
        self._read_usage(self.transaction)
        self.writer = Writer(
            connection,
            self.transaction,
            probe_interval=settings.probe_interval,
            on_fatal=on_fatal,
            after_batch=self._after_batch,
        )
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="tiphys-store-reader")
        self._local = threading.local()
        self._readers: list[Reader] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        settings: SqliteSettings,
        clock: Callable[[], float],
        on_fatal: Callable[[BaseException], None],
    ) -> AsyncIterator[Store]:
        """Lock the folder (made if absent) and open the file in it. Raises `StoreLocked`, `StoreUnavailable`, `StoreError`."""
        loop = asyncio.get_running_loop()
        with await loop.run_in_executor(None, partial(_locked, folder)):
            path = folder / FILE
            connection, transaction = await loop.run_in_executor(None, partial(_prepared, path, settings, clock))
            store = cls(path, settings, connection, transaction, on_fatal)
            try:
                yield store
            finally:
                await store._close()

    async def _close(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, partial(self._threads.shutdown, wait=True))
        for reader in self._readers:
            reader.close()
        await self.writer.close()

    # -- reading

    async def read(self, function: Callable[[Reader], T]) -> T:
        """Run a function with a reader, in a reader's thread. Raises `StoreError`; an I/O error or a damaged page breaks the store."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._with_reader, function)
        except apsw.Error as error:
            if isinstance(error, apsw.IOError | apsw.CorruptError | apsw.NotADBError):
                self.writer.fail(error)
            raise StoreError(f"the store cannot be read: {error}") from error

    def _with_reader(self, function: Callable[[Reader], T]) -> T:
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = Reader(self.path, self.settings.vfs)
            self._readers.append(reader)
        return function(reader)

    def known_origins(self, reader: Reader, numbers: set[int]) -> Mapping[int, Origin]:
        """The origins of those numbers; looks up what it does not know."""
        for number in numbers - self.origins.keys():
            if row := reader.one("origin", number=number):
                self.origins[number] = Origin(*row[1:])
        return self.origins

    # -- writing

    async def write(self, function: Callable[[Transaction], T], point: str = "") -> T:
        """Run a function in the writer's transaction; durable on return."""
        return await self.writer.submit(Task(function, point))

    async def submit(self, job: Job[T]) -> T:
        """Have the writer do a job."""
        return await self.writer.submit(job)

    async def set_aside(self, kind: str, records: Sequence[tuple[int | str, str, str]]) -> None:
        """Move damaged records to the table of the damaged, count them, and say so once for all of them. Each has its key (a position,
        number or row), its name for people, and what is wrong with it."""
        if not records:
            return

        def move(tx: Transaction) -> list[str]:
            return [name for key, name, reason in records if _move_aside(tx, kind, key, reason)]

        if moved := await self.write(move):
            _log.error(
                "damaged records were set aside",
                action="record-damaged",
                kind=kind,
                count=len(moved),
                records=moved[:5],
                reason=records[0][2],
            )

    # -- the bound on unfinished work

    def unfinished(self, namespace: str) -> int:
        """Bytes of a namespace's events that are not settled or that unfinished work needs; a quarter of a second old at most."""
        _events, _stored, unsettled, pinned = self._usage.get(namespace, (0, 0, 0, 0))
        return unsettled + pinned + self._published.get(namespace, 0)

    def note_published(self, namespace: str, size: int) -> None:
        """Count what was published since the counters were read."""
        self._published[namespace] = self._published.get(namespace, 0) + size

    def stored_bytes(self) -> int:
        """Bytes of all stored events."""
        return sum(stored for _events, stored, _unsettled, _pinned in self._usage.values())

    def _after_batch(self, tx: Transaction) -> None:
        if time.monotonic() - self._usage_at >= _USAGE_EVERY:
            self._read_usage(tx)

    def _read_usage(self, tx: Transaction) -> None:
        self._usage = {
            namespace: (events, stored, unsettled, pinned) for namespace, events, stored, unsettled, pinned in tx.all("usage")
        }
        self._usage_at = time.monotonic()
        self._published = {}


def _move_aside(tx: Transaction, kind: str, key: int | str, reason: str) -> bool:
    first, *rest = _ASIDE[kind]
    unpinned: list[int] = []
    if kind == "firing":
        unpinned = [position for (position,) in tx.all("positions_of_firing", number=key)]
        tx.changed("delete_firing_events", number=key)
        tx.changed("delete_attempts", number=key)
    elif kind in ("held", "deferred") and (position := tx.value(f"{kind}_row", key=key)) is not None:
        unpinned = [position]
    moved = tx.changed(first, key=key, reason=reason, now=tx.now)
    for statement in rest:
        tx.changed(statement, **({"number": key} if statement == "delete_firing" else {"key": key}))
    if moved:
        tx.run("count_damaged")
        if kind == "event":
            tx.run("set_last_position", {"position": key})
    tx.unpin(dict.fromkeys(unpinned, 1))
    return bool(moved)


def _locked(folder: Path) -> ExitStack:
    """The folder, made if absent, with its lock held until the stack is closed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stack = ExitStack()
    stack.enter_context(held_lock(folder))
    return stack


def _prepared(path: Path, settings: SqliteSettings, clock: Callable[[], float]) -> tuple[apsw.Connection, Transaction]:
    """The writer's connection on a file of the present schema."""
    try:
        connection = _connect(path, settings)
        try:
            migrate(connection)
            return connection, Transaction(connection, clock)
        except BaseException:
            connection.close()
            raise
    except (apsw.FullError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
        raise StoreUnavailable(f"{path} cannot be written ({error})", settings.probe_interval) from error
    except (apsw.Error, OSError) as error:
        remedy = f"if it is damaged, `sqlite3 {path} .recover` saves what can be read"
        raise StoreError(f"{path} cannot be opened: {error}; {remedy}") from error


def _connect(path: Path, settings: SqliteSettings) -> apsw.Connection:
    if not path.exists():
        # the event data may be anybody's secret
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = apsw.Connection(
        str(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE, vfs=settings.vfs or None, statementcachesize=200
    )
    connection.set_busy_timeout(5000)
    # a clean end checkpoints by itself; a broken store must not try
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; "
        "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY"
    )
    return connection


def migrate(connection: apsw.Connection) -> None:
    """Bring a file to the present schema, in one transaction. Raises `StoreError` on a file of a newer version."""
    steps = migrations()
    version: int = connection.pragma("user_version")
    if version > len(steps):
        raise StoreError(f"the data was written by a newer Tiphys (format {version}, this one knows {len(steps)}); update Tiphys")
    if version == len(steps):
        return
    with connection:
        for step in [schema()] if version == 0 else steps[version:]:
            connection.execute(step)
        connection.pragma("user_version", len(steps))
