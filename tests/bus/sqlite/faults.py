"""A disk that fails as it is told: an SQLite VFS over the platform's own."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

_numbers = itertools.count()


class Disk(apsw.VFS):
    """`fault` is empty (all is well) or one of `full`, `short` (half of a write, then full), `read-only`, `write-error`, `sync-error`,
    `read-error`. It takes effect at the next write, sync or read; reads are let through but for `read-error`."""

    def __init__(self) -> None:
        self.fault = ""
        self.syncs = 0
        self.durable: dict[str, bytearray] = {}
        self.unsynced: dict[str, list[tuple[int, bytes | None]]] = {}
        self.name = f"faulty-{next(_numbers)}"
        super().__init__(self.name, "", 0)

    def excepthook(self, *_: Any) -> None:
        """The faults are meant; SQLite gets their codes."""

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.durable.pop(filename, None)
        self.unsynced.pop(filename, None)
        super().xDelete(filename, syncdir)

    def power_cut(self, into: Path, seed: int | None) -> None:
        """What a disk may have after the power went: all that was synced, and of the writes since then none (`seed` None) or some, each of
        them perhaps in part. The files are written into the folder `into`."""
        chance = random.Random(seed)
        into.mkdir()
        for name, content in self.durable.items():
            left = bytearray(content)
            for offset, data in self.unsynced[name] if seed is not None else []:
                if chance.random() < 0.7:
                    _put(left, offset, data if data is None or chance.random() < 0.8 else data[: chance.randrange(len(data))])
            (into / Path(name).name).write_bytes(left)


def _put(content: bytearray, offset: int, data: bytes | None) -> None:
    """Write into a file's content; `None` cuts it off at the offset."""
    if data is None:
        del content[offset:]
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        disk.durable.setdefault(self._name, bytearray())
        disk.unsynced.setdefault(self._name, [])
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
        self._disk.unsynced[self._name].append((offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self._disk.unsynced[self._name].append((size, None))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        self._disk.syncs += 1
        if self._disk.fault == "sync-error":
            raise _io_error(apsw.SQLITE_IOERR_FSYNC)
        waiting, self._disk.unsynced[self._name] = self._disk.unsynced[self._name], []
        for offset, data in waiting:
            _put(self._disk.durable[self._name], offset, data)
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
