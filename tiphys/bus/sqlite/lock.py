"""One process has a data folder: an advisory lock on a file in it, which the kernel releases however the process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tiphys.errors import StoreLocked

__all__ = ["held_lock"]


@contextmanager
def held_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises `StoreLocked`, naming the holder's process id, if another process (or another store of this
    process) has it. Does not wait. Network file systems are not supported."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise StoreLocked(str(folder), f"process {pid}" if pid else "") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
