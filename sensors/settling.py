"""Making decisions durable: with the same decisions until the store takes them, however long it takes no writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from tiphys.errors import StoreUnavailable

__all__ = ["until_taken"]

_log = structlog.get_logger(__name__)
T = TypeVar("T")


async def until_taken(write: Callable[[], Awaitable[T]]) -> T:
    """Write, again and again while the store is unavailable: said once, and once more when it goes on. Other errors are raised."""
    refused = False
    while True:
        try:
            result = await write()
        except StoreUnavailable as error:
            if not refused:
                _log.warning("nothing can be decided: the store takes no writes", action="settle-refused", reason=error.reason)
            refused = True
            await asyncio.sleep(error.retry_after)
        else:
            if refused:
                _log.info("deciding goes on: the store takes writes again", action="settle-resumed")
            return result
