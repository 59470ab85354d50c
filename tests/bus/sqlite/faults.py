"""A disk that fails as it is told: an SQLite VFS over the platform's own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw

_numbers = itertools.count()


class Disk(apsw.VFS):
    """`fault` is empty (all is well) or one of `full`, `short` (half of a write, then full), `read-only`, `write-error`, `sync-error`,
    `read-error`. It takes effect at the next write, sync or read; reads are let through but for `read-error`."""

    def __init__(self) -> None:
        self.fault = ""
        self.syncs = 0
        self.name = f"faulty-{next(_numbers)}"
        super().__init__(self.name, "", 0)

    def excepthook(self, *_: Any) -> None:
        """The faults are meant; SQLite gets their codes."""

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        super().__init__("", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:
        fault = self._disk.fault
        if fault == "short":
            super().xWrite(bytes(data)[: len(data) // 2], offset)
        if fault in ("full", "short"):
            raise apsw.FullError("the disk is full")
        if fault == "read-only":
            raise apsw.ReadOnlyError("the disk is read-only")
        if fault == "write-error":
            raise _io_error(apsw.SQLITE_IOERR_WRITE)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._disk.syncs += 1
        if self._disk.fault == "sync-error":
            raise _io_error(apsw.SQLITE_IOERR_FSYNC)
        super().xSync(flags)

    def xRead(self, amount: int, offset: int) -> bytes:
        if self._disk.fault == "read-error":
            raise _io_error(apsw.SQLITE_IOERR_READ)
        return super().xRead(amount, offset)


def _io_error(code: int) -> apsw.IOError:
    error = apsw.IOError("the disk is broken")
    error.extendedresult = code
    return error


@contextmanager
def disk() -> Iterator[Disk]:
    """A registered disk."""
    made = Disk()
    try:
        yield made
    finally:
        made.unregister()
