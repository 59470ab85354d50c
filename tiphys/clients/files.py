"""Files of this machine that a manifest may name: those below the folders that the settings list, and no others.

The roof says which folders (`use`). A path is followed to where it really leads before it is judged, so that no link leads out.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from tiphys.errors import ClientError, Refused

__all__ = ["read_file", "use"]

_roots: list[Path] = []


def use(roots: Sequence[Path]) -> None:
    """Make these the folders whose files may be read, in the place of those before."""
    _roots[:] = roots


async def read_file(path: str, most: int) -> bytes:
    """The content of a file of at most so many bytes.

    Raises `Refused`: 400 `Place` for a path that may not be read, 404, 413 `TooLarge`; `ClientError` for what the system says.
    """
    return await asyncio.to_thread(_read, path, most)


def _read(path: str, most: int) -> bytes:
    if "\0" in path or not path.startswith("/"):
        raise Refused("file", 400, "Place", f"{path!r} is no absolute path")
    real = Path(os.path.realpath(path))
    if not any(real.is_relative_to(os.path.realpath(root)) for root in _roots):
        allowed = f"of {', '.join(map(str, _roots))}" if _roots else "of no folder"
        raise Refused(path, 400, "Place", f"files {allowed} may be read here; see the setting file-sources")
    try:
        # a pipe or a device would never end; without blocking it can be told from a file
        with os.fdopen(os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Refused(path, 400, "Place", "is no file")
            content = file.read(most + 1)
    except FileNotFoundError as error:
        raise Refused(path, 404, "NotFound", "there is no such file") from error
    except OSError as error:
        raise ClientError(path, error.strerror or str(error)) from error
    if len(content) > most:
        raise Refused(path, 413, "TooLarge", f"is larger than {most:,} bytes, which is the most that is read")
    return content
