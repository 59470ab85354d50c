"""The one thread that writes, and how its work is grouped.

Callers put jobs into a queue. The thread takes all that wait, applies them in one transaction and commits once: while that commit's
fsync runs, the next jobs gather, so that batches grow by themselves and a single caller never waits for company. A job is pure but
for the database: if one of a batch goes wrong, the batch is rolled back and each of its jobs runs again in a transaction of its own.

Three kinds of trouble:

* the disk is full or read-only: the transaction is rolled back, its callers get `StoreUnavailable`, new jobs are refused at once, and
  the thread tries a small write every second until one succeeds;
* an I/O error or a damaged page: what a commit did is then unknown, so nobody is told anything about it but that the store is
  broken; `on_fatal` ends the process, and recovery at the next start is the healing;
* anything else is the job's own error, and its caller's.

A batch of nothing but decisions is committed without a sync of its own; the log in front of the file keeps the order, so the next
commit that is synced covers it.

The thread holds the interpreter's lock while it is in Python and gives it up in each step of a statement, so jobs of a kind go into a
batch together and are applied by few statements over `json_each`, never row by row: a busy event loop would otherwise make the
thread wait for the lock at every row.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, Final, Generic, TypeVar

import apsw
import structlog

from tiphys.bus.crashpoints import reach
from tiphys.bus.sqlite.transaction import Transaction
from tiphys.errors import StoreError, StoreUnavailable

__all__ = ["Job", "Task", "Writer"]

_log = structlog.get_logger(__name__)

T = TypeVar("T")
JobT = TypeVar("JobT", bound="Job[Any]")

_BATCH_BYTES: Final = 16 << 20
_BATCH_JOBS: Final = 4096
_CHECKPOINT_PAGES: Final = 4000
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


class Job(ABC, Generic[T]):
    """One piece of work for the writer. `apply` treats the jobs of a kind in a batch together and leaves in each its `result`, or
    its `error` if the job alone was refused without having changed anything. `point` names the step for the crash tests."""

    point: ClassVar[str] = ""
    size: int = 0
    synced: bool = True
    """Whether its commit is synced to the disk. One that is not is so with the next that is: only for what nobody outside is told of."""

    def __init__(self) -> None:
        self.result: T
        self.error: BaseException | None = None
        self.done: asyncio.Future[T]
        self._token = [True]

    def take(self) -> bool:
        """Either the writer takes a job or its caller withdraws it: the first to ask gets true (a list's `pop` is atomic)."""
        try:
            return self._token.pop()
        except IndexError:
            return False

    @classmethod
    def single(cls: type[JobT], tx: Transaction, jobs: list[JobT]) -> bool:
        """Whether `apply` will change the file by one statement only, so that a batch of nothing else needs no transaction around it."""
        return False

    @classmethod
    @abstractmethod
    def apply(cls: type[JobT], tx: Transaction, jobs: list[JobT]) -> None:
        """Runs in the writer's thread, within a transaction; may run again after a rollback."""

    def committed(self) -> None:
        """Runs on the event loop once the result is durable, before the caller goes on."""


class Task(Job[T]):
    """A job that is a function of the transaction; the jobs before it are applied first."""

    def __init__(self, function: Callable[[Transaction], T], point: str = "") -> None:
        super().__init__()
        self.function = function
        self.step = point

    @classmethod
    def apply(cls, tx: Transaction, jobs: list[Task[T]]) -> None:
        """Call each function."""
        for job in jobs:
            job.result = job.function(tx)


class Writer:
    """Owns the connection that writes. Made and closed by the store; `submit` is for the event loop it was made on."""

    def __init__(
        self,
        connection: apsw.Connection,
        transaction: Transaction,
        *,
        probe_interval: float,
        on_fatal: Callable[[BaseException], None],
        after_batch: Callable[[Transaction], None],
    ) -> None:
        self._connection = connection
        self._transaction = transaction
        self._probe_interval = probe_interval
        self._on_fatal = on_fatal
        self._after_batch = after_batch
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Job[Any]] = deque()
        # C all through: a wait of threading's own conditions takes the interpreter's lock several times
        self._signal: SimpleQueue[None] = SimpleQueue()
        self._idle = False
        self._closing = False
        self._wal_pages = 0
        self.refusing = ""
        self.broken: BaseException | None = None
        self.commits = 0
        self.waiting = 0
        self.waiting_bytes = 0
        connection.set_wal_hook(self._wal_grew)
        self._thread = threading.Thread(target=self._run, name="tiphys-store-writer", daemon=True)
        self._thread.start()

    # -- the event loop's side

    async def submit(self, job: Job[T]) -> T:
        """Have a job done and return its result once that is durable.

        If the caller is cancelled while the job still waits, the job is withdrawn. If the writer has it already, the outcome is
        awaited: a success is returned (and the cancellation delivered at the caller's next wait), so that nobody who was told of a
        failure is wrong about it. Raises `StoreUnavailable` if nothing was written.
        """
        if self.broken is not None:
            raise StoreError(f"the store is broken: {self.broken}")
        if self._closing:
            raise StoreError("the store is closed")
        if self.refusing:
            raise StoreUnavailable(self.refusing, self._probe_interval)
        job.done = self._loop.create_future()
        self.waiting += 1
        self.waiting_bytes += job.size
        self._queue.append(job)
        if self._idle:
            self._wake()
        cancelled = False
        while True:
            try:
                await job.done
            except asyncio.CancelledError:
                if job.take():
                    self._left(job)
                    raise
                cancelled = True
                if job.done.cancelled():
                    job.done = self._loop.create_future()
            except BaseException:
                if cancelled:
                    raise asyncio.CancelledError from None
                raise
            else:
                break
        if cancelled and (task := asyncio.current_task()) is not None:
            self._loop.call_soon(_cancel_again, task)
        return job.result

    def _wake(self) -> None:
        self._idle = False
        self._signal.put(None)

    def _left(self, job: Job[Any]) -> None:
        self.waiting -= 1
        self.waiting_bytes -= job.size

    def _settle(self, jobs: list[Job[Any]], *, committed: bool) -> None:
        """On the event loop: give each caller of a batch its answer."""
        for job in jobs:
            self._left(job)
            if job.error is None and committed:
                job.committed()
            if job.done.done():
                # the caller was cancelled in this very turn and will ask again
                job.done = self._loop.create_future()
            if job.error is not None:
                job.done.set_exception(job.error)
            else:
                job.done.set_result(job.result)

    def fail(self, error: BaseException) -> None:
        """A reader found the file broken: take nothing more."""
        self._break(error, [])
        self._wake()

    async def close(self) -> None:
        """Do what waits, checkpoint and close the connection."""
        self._closing = True
        self._wake()
        await self._loop.run_in_executor(None, self._thread.join)

    # -- the thread's side

    def _wal_grew(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _run(self) -> None:
        try:
            while self.broken is None:
                jobs = self._next_batch()
                if jobs:
                    self._do(jobs)
                elif self._closing:
                    break
                elif self.refusing:
                    self._probe()
                if self._wal_pages > _CHECKPOINT_PAGES:
                    self._checkpoint(apsw.SQLITE_CHECKPOINT_PASSIVE)
            if self.broken is None:
                self._checkpoint(apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except BaseException as error:  # noqa: BLE001  the thread's last act is to say so; nothing is swallowed
            self._break(error, [])
        finally:
            self._connection.close()
            self._refuse_rest()

    def _next_batch(self) -> list[Job[Any]]:
        self._idle = True
        if not self._wanted():  # asked after it said that it is idle: what came before was not signalled
            with suppress(Empty):
                self._signal.get(timeout=self._probe_interval if self.refusing else None)
        self._idle = False
        jobs: list[Job[Any]] = []
        size = 0
        queue = self._queue
        while queue and size < _BATCH_BYTES and len(jobs) < _BATCH_JOBS:
            job = queue.popleft()
            if job.take():
                jobs.append(job)
                size += job.size
        return jobs

    def _wanted(self) -> bool:
        return bool(self._queue) or self._closing or self.broken is not None

    def _do(self, jobs: list[Job[Any]]) -> None:
        if self.refusing:
            self._answer_refused(jobs)
            return
        try:
            self._commit(jobs)
        except apsw.Error as error:
            if not self._survives(error, jobs):
                return
            self._one_by_one(jobs, error)
        except Exception as error:  # noqa: BLE001  it becomes the error of the job that caused it
            self._rollback()
            self._one_by_one(jobs, error)
        else:
            self._answer(jobs)

    def _one_by_one(self, jobs: list[Job[Any]], error: BaseException) -> None:
        if len(jobs) == 1:
            jobs[0].error = _own(error)
            self._answer(jobs)
            return
        for number, job in enumerate(jobs):
            job.error = None
            try:
                self._commit([job])
            except apsw.Error as single:
                if not self._survives(single, jobs[number:]):
                    return
                job.error = _own(single)
            except Exception as single:  # noqa: BLE001  as above
                self._rollback()
                job.error = single
            self._answer([job])

    def _commit(self, jobs: list[Job[Any]]) -> None:
        tx = self._transaction
        points = _points(jobs)
        groups = list(_groups(jobs))
        kind, group = groups[0]
        tx.sync(any(job.synced for job in jobs))
        if len(groups) == 1 and kind.single(tx, group):
            tx.begin(single=True)
            for point in points:
                reach(f"{point}:before-commit")
            kind.apply(tx, group)
        else:
            tx.begin()
            for kind, group in groups:
                kind.apply(tx, group)
            for point in points:
                reach(f"{point}:before-commit")
            tx.commit()
        self.commits += 1
        for point in points:
            reach(f"{point}:after-commit")
        self._after_batch(tx)

    def _survives(self, error: apsw.Error, jobs: list[Job[Any]]) -> bool:
        """Roll back and say whether the error is a job's own; otherwise the jobs are answered here."""
        reason = self._unavailable(error)
        if reason:
            self._rollback()
            self.refusing = reason
            _log.error("the store takes no writes", action="store-refuses", reason=reason)
            self._answer_refused(jobs)
            return False
        if isinstance(error, apsw.IOError | apsw.CorruptError | apsw.NotADBError | apsw.CantOpenError | apsw.ProtocolError):
            self._break(error, jobs)
            return False
        self._rollback()
        return True

    def _unavailable(self, error: apsw.Error) -> str:
        if isinstance(error, apsw.FullError):
            return "the disk is full"
        if isinstance(error, apsw.ReadOnlyError | apsw.PermissionsError):
            return "the data folder is read-only"
        if isinstance(error, apsw.IOError | apsw.CantOpenError) and self._connection.system_errno in _NO_SPACE:
            return "the disk is full or read-only"
        return ""

    def _rollback(self) -> None:
        try:
            self._transaction.rollback()
        except apsw.Error as error:
            self._break(error, [])

    def _probe(self) -> None:
        try:
            self._transaction.sync(True)
            self._transaction.begin()
            self._transaction.run("probe")
            self._transaction.commit()
        except apsw.Error as error:
            if self._unavailable(error):
                self._rollback()
            else:
                self._break(error, [])
            return
        self.refusing = ""
        _log.info("the store takes writes again", action="store-heals")

    def _checkpoint(self, mode: int) -> None:
        try:
            self._connection.wal_checkpoint(mode=mode)
            self._wal_pages = 0
        except (apsw.BusyError, apsw.LockedError):
            self._wal_pages = 0  # a reader is in the way: the next one will do it
        except apsw.Error as error:
            if reason := self._unavailable(error):
                self.refusing = reason
                _log.error("the store takes no writes", action="store-refuses", reason=reason)
            else:
                self._break(error, [])

    def _break(self, error: BaseException, jobs: list[Job[Any]]) -> None:
        if self.broken is None:
            self.broken = error
            _log.critical("the store is broken", action="store-breaks", error=str(error))
            self._call(self._on_fatal, error)
        for job in jobs:
            job.error = StoreError(f"the store broke while it wrote; what it did is known after the next start: {error}")
        self._answer(jobs, committed=False)

    def _refuse_rest(self) -> None:
        rest = [job for job in self._queue if job.take()]
        self._queue.clear()
        for job in rest:
            job.error = StoreError("the store is closed")
        self._answer(rest, committed=False)

    def _answer_refused(self, jobs: list[Job[Any]]) -> None:
        for job in jobs:
            job.error = StoreUnavailable(self.refusing, self._probe_interval)
        self._answer(jobs, committed=False)

    def _answer(self, jobs: list[Job[Any]], *, committed: bool = True) -> None:
        if jobs:
            self._call(lambda: self._settle(jobs, committed=committed))

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            # the loop is closed: nobody is left to be told
            self._closing = True


def _own(error: BaseException) -> BaseException:
    """A job's own error, in terms of the tree."""
    if not isinstance(error, apsw.Error):
        return error
    wrapped = StoreError(f"the store refused it: {error}")
    wrapped.__cause__ = error
    return wrapped


def _groups(jobs: list[Job[Any]]) -> Iterable[tuple[type[Job[Any]], list[Job[Any]]]]:
    """The jobs by kind. Jobs that may share a batch are independent of each other, since each caller waits for its own; a `Task` is
    not moved past the jobs before it."""
    groups: dict[type[Job[Any]], list[Job[Any]]] = {}
    for job in jobs:
        kind = type(job)
        if kind is Task:
            yield from groups.items()
            groups = {}
            yield Task, [job]
        else:
            groups.setdefault(kind, []).append(job)
    yield from groups.items()


def _points(jobs: list[Job[Any]]) -> list[str]:
    points = {job.step if isinstance(job, Task) else job.point: None for job in jobs}
    return [point for point in points if point]


def _cancel_again(task: asyncio.Task[Any]) -> None:
    """Deliver a cancellation that came while an outcome was awaited, unless its owner (a time limit) took it back."""
    if task.cancelling() and not task.done():
        task.uncancel()
        task.cancel()
