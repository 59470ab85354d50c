"""The dispatcher's writes: a store that takes none is waited for, holding what was done, so that no outcome is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from tiphys.errors import StoreUnavailable

__all__ = ["Storing"]

_log = structlog.get_logger(__name__)
ResultT = TypeVar("ResultT")


class Storing:
    """How the store is, said once when it turns ill and once when it is well again."""

    def __init__(self) -> None:
        self._well = True

    async def durably(self, write: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """A write, again and again while the store takes none."""
        while True:
            try:
                result = await write()
            except StoreUnavailable as error:
                await self.ill(error)
            else:
                self.well()
                return result

    async def ill(self, error: StoreUnavailable) -> None:
        """It took nothing: wait as long as it asks for."""
        if self._well:
            self._well = False
            _log.warning("the store takes no writes; firings wait", action="dispatcher-store-ill", reason=error.reason)
        await asyncio.sleep(error.retry_after)

    def well(self) -> None:
        """It took something."""
        if not self._well:
            self._well = True
            _log.info("the store takes writes again", action="dispatcher-store-well")
