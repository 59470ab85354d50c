"""Named places at which the crash tests kill the process.

`reach("publish:before-commit")` does nothing unless the environment variable `TIPHYS_CRASH_AT` names that place when this module
is imported: `TIPHYS_CRASH_AT=publish:before-commit:3` kills the process with SIGKILL when it arrives there for the third time.
Nothing is flushed and no handler runs, which is what a kill from outside does at the worst moment.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Final

from tiphys.errors import SettingsError

__all__ = ["POINTS", "VARIABLE", "reach"]

VARIABLE: Final = "TIPHYS_CRASH_AT"

_STEPS: Final = ("publish", "settle", "settle-deferred", "close", "begin", "resolve", "advance", "keep", "suspend")
POINTS: Final = (
    *[f"{step}:{place}" for step in _STEPS for place in ("before-commit", "after-commit")],
    "deferred:judged",
    "execute:before",
    "execute:after",
)


def _pass(_point: str) -> None:
    """Nobody asked for a crash."""


def _bind(asked: str) -> Callable[[str], None]:
    """The function that `reach` is in this process."""
    if not asked:
        return _pass
    head, _, tail = asked.rpartition(":")
    wanted, left = (head, int(tail)) if tail.isdecimal() else (asked, 1)
    if wanted not in POINTS:
        raise SettingsError(VARIABLE, f"{wanted!r} is no crash point", f"use one of {', '.join(POINTS)}")

    def arrive(point: str) -> None:
        nonlocal left
        if point == wanted:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return arrive


reach: Final = _bind(os.environ.get(VARIABLE, ""))
