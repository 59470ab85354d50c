"""A manifest is compiled on the event loop, and some of what that takes is not for the loop: zones are files, Lua's engine is a library to
be loaded, and a long script takes its time to be checked. All of it is done before, in a thread, and kept; the loop finds it at hand.

What is wrong with a name or a script is left to whoever compiles the manifest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from tiphys.app.zones import named_zones, read_zones
from tiphys.languages import jq, lua

__all__ = ["prepare"]


async def prepare(obj: Any) -> None:
    """Read and load what compiling a manifest needs."""
    if any(named_zones(obj)):
        await read_zones(obj)
    if scripts := list(_scripts(obj)):
        await asyncio.to_thread(_check, scripts)


def _scripts(value: Any) -> Iterator[tuple[str, str]]:
    """The texts of `script` and `jq` anywhere in a manifest, with the language."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(item, str):
                yield from _scripts(item)
            elif key in ("script", "jq") and item:
                yield key, item
    elif isinstance(value, list):
        for item in value:
            yield from _scripts(item)


def _check(scripts: list[tuple[str, str]]) -> None:
    for kind, text in scripts:
        (lua if kind == "script" else jq).fault(text)
