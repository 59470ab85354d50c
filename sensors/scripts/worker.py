"""One worker process, seen from the service."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Final, cast

import tiphys
from sensors.scripts import child
from sensors.scripts.program import Program, ScriptSettings
from tiphys.errors import ScriptError, ScriptsUnavailable

__all__ = ["Worker"]

_START_LIMIT: Final = 30.0
_END_LIMIT: Final = 5.0
_PROGRAMS: Final = 1024
_OVERHEAD: Final = 64


class Worker(asyncio.Protocol):
    """A process and the socket to it. One call at a time; after `broken` it is of no use and must be ended."""

    def __init__(self, process: subprocess.Popen[bytes], settings: ScriptSettings) -> None:
        self._process, self._settings = process, settings
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._slots: OrderedDict[Program, int] = OrderedDict()
        self.broken = False

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @classmethod
    async def start(cls, settings: ScriptSettings) -> Worker:
        """Start a process and wait until it is ready. Raises `ScriptsUnavailable`."""
        near, process = await _spawned(settings)
        worker = cls(process, settings)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: worker, sock=near)
            status, payload = await worker._next(_START_LIMIT)
        except BaseException as error:
            near.close()
            await worker.end()
            if isinstance(error, (TimeoutError, ConnectionError)):
                raise ScriptsUnavailable("", f"a worker process did not start: {str(error) or 'no answer in time'}") from error
            raise
        if status != child.READY:
            await worker.end()
            raise ScriptsUnavailable("", f"a worker process did not start: {payload.decode('utf-8', 'replace')}")
        return worker

    async def call(self, program: Program, data: bytes) -> bytes | bool:
        """Run it. Raises `ScriptError`; where that is `killed`, the worker is `broken`, and so it is after a cancellation."""
        slot, text = self._slot(program)
        head = child.CALL.pack(child.KINDS.index(program.kind), slot, -1 if text is None else len(text))
        size = len(head) + len(text or b"") + len(data)
        if self._transport is None or self._transport.is_closing():
            self.broken = True
            raise ScriptError(program.text, "its worker ended before it could run", killed=True)
        self._transport.write(child.SIZE.pack(size) + head + (text or b"") + data)
        try:
            status, payload = await self._next(self._settings.wall)
        except TimeoutError as error:
            self.broken = True
            raise ScriptError(program.text, f"it did not end within {self._settings.wall:g} s", killed=True) from error
        except ConnectionError as error:
            self.broken = True
            raise ScriptError(program.text, await self._obituary(), killed=True) from error
        except BaseException:
            self.broken = True
            raise
        match status:
            case child.JSON:
                return payload
            case child.PASSES | child.FAILS:
                return status == child.PASSES
            case _:
                problem, remedy = json.loads(payload)
                self.broken = status == child.OVER
                raise ScriptError(program.text, problem, remedy, killed=self.broken)

    async def end(self) -> None:
        """Kill the process if it lives, and take its status, so that no zombie stays."""
        self.broken = True
        if self._transport is not None:
            self._transport.abort()
        if self._process.returncode is None:
            self._process.kill()
            await asyncio.shield(asyncio.to_thread(self._process.wait, _END_LIMIT))

    def _slot(self, program: Program) -> tuple[int, bytes | None]:
        """Where the process keeps it, and its text where it must be told."""
        known = self._slots.get(program)
        if known is not None:
            self._slots.move_to_end(program)
            return known, None
        slot = self._slots.popitem(last=False)[1] if len(self._slots) >= _PROGRAMS else len(self._slots)
        self._slots[program] = slot
        return slot, program.text.encode("utf-8", "surrogateescape")

    async def _next(self, limit: float) -> tuple[int, bytes]:
        self._answer = asyncio.get_running_loop().create_future()
        try:
            if self._transport is None or self._transport.is_closing():
                raise ConnectionResetError("the worker closed its socket")
            self._deliver()
            async with asyncio.timeout(limit):
                return await self._answer
        finally:
            self._answer = None

    async def _obituary(self) -> str:
        status = await asyncio.to_thread(self._process.wait, _END_LIMIT)
        if status in (-signal.SIGPROF, -signal.SIGXCPU):
            return f"it ran longer than {self._settings.time:g} s"
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        return f"its worker process ended with {how}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._received += data
        self._deliver()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.broken = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the worker closed its socket"))

    def _deliver(self) -> None:
        if len(self._received) < child.SIZE.size:
            return
        (size,) = child.SIZE.unpack_from(self._received)
        if size > self._settings.output + _OVERHEAD * 1024 and self._transport is not None:
            self._transport.abort()
        if len(self._received) < child.SIZE.size + size or self._answer is None or self._answer.done():
            return
        start = child.SIZE.size
        answer = self._received[start], bytes(self._received[start + 1 : start + size])
        del self._received[: start + size]
        self._answer.set_result(answer)


async def _spawned(settings: ScriptSettings) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """A process and our end of its socket. A caller that is cancelled meanwhile leaves neither."""
    near, far = socket.socketpair()
    near.setblocking(False)
    starting = asyncio.ensure_future(asyncio.to_thread(_spawn, far, settings))
    try:
        return near, await asyncio.shield(starting)
    except asyncio.CancelledError:
        process = await starting
        near.close()
        process.kill()
        await asyncio.to_thread(process.wait, _END_LIMIT)
        raise
    except OSError as error:
        near.close()
        raise ScriptsUnavailable("", f"a worker process cannot be started: {error}") from error
    finally:
        far.close()


def _spawn(far: socket.socket, settings: ScriptSettings) -> subprocess.Popen[bytes]:
    path = [entry for entry in (*sys.path, str(Path(tiphys.__file__).parents[1])) if entry]
    asked = {"path": path, "memory": settings.memory, "output": settings.output, "time": settings.time}
    zone = {"TZ": os.environ["TZ"]} if "TZ" in os.environ else {}
    return subprocess.Popen(  # noqa: S603  our own interpreter and our own file
        [sys.executable, "-I", "-S", child.__file__, json.dumps(asked)],
        stdin=far.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=zone,
        cwd="/",
        start_new_session=True,
    )
