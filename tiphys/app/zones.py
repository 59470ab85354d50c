"""Time zones are files. A manifest is compiled on the event loop, so the zones that it names are read before that, in a thread, and kept.

A name that is no zone is left out here: whoever compiles the manifest says what is wrong with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from tiphys.errors import CronError
from tiphys.languages import cron

__all__ = ["named_zones", "read_zones"]


async def read_zones(obj: Any) -> None:
    """Read the files of all zones that a manifest names."""
    if names := set(named_zones(obj)):
        await asyncio.to_thread(_read, names)


def named_zones(value: Any) -> Iterator[str]:
    """What stands in a `timezone`, or as `TZ=` in front of a schedule, anywhere in a manifest."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(item, str):
                yield from named_zones(item)
            elif key == "timezone":
                yield item
            elif item.startswith(("TZ=", "CRON_TZ=")):
                yield item.partition("=")[2].partition(" ")[0]
    elif isinstance(value, list):
        for item in value:
            yield from named_zones(item)


def _read(names: Iterable[str]) -> None:
    for name in names:
        with contextlib.suppress(CronError):
            cron.load_zone(name)
