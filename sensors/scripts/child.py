"""The worker process: takes one call after another from a socket, runs it, answers.

It is started by its path with `-I -S`, so that nothing but the modules below is imported: the packages of the service would take longer
to load than the interpreter itself. It has no environment but the time zone, no open files but the socket, and limits set by the kernel
before the first call:

    RLIMIT_AS      what it has once started, plus the memory of a call
    RLIMIT_CPU     the processor's time of a call, and a second: also where the parent is gone
    RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_NPROC   0
    RLIMIT_NOFILE  3: nothing can be opened

The time of a call is an ITIMER_PROF, whose signal ends the process also within C code that never comes back to an interpreter.

A request is `SIZE` (of what follows), `CALL` (kind, slot, length of the text), the text where the slot is to be filled, the data. An
answer is `SIZE`, one byte, and what belongs to it.
"""

from __future__ import annotations

import gc
import json
import math
import os
import resource
import signal
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

SIZE: Final = struct.Struct("!I")
CALL: Final = struct.Struct("!BHi")
KINDS: Final = ("lua-filter", "lua-transform", "jq")
FAILS, PASSES, JSON, ERROR, OVER, READY, BROKEN = range(7)

_SOCKET: Final = 0
_SPARE: Final = 64 << 20
_STACK: Final = 256 << 20
_DEEPEST: Final = 50_000


def main() -> None:
    """Serve until the parent closes the socket, in a thread whose stack bears deep recursion: its pages are taken when they are used."""
    sys.setrecursionlimit(_DEEPEST)
    threading.stack_size(_STACK)
    thread = threading.Thread(target=_serve, name="calls")
    thread.start()
    thread.join()


def _serve() -> None:
    settings = json.loads(sys.argv[1])
    sys.path[:] = settings["path"]
    try:
        runners = _runners(settings["memory"])
        _limit(settings["memory"])
    except Exception as error:  # noqa: BLE001  whatever it is, the parent alone can tell it
        _answer(BROKEN, f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
        return
    _answer(READY, b"")
    texts: dict[int, str] = {}
    while request := _request():
        kind, slot, length = CALL.unpack_from(request)
        start = CALL.size
        if length >= 0:
            texts[slot] = request[start : start + length].decode("utf-8", "surrogateescape")
            start += length
        status, payload = _run(runners[kind], texts[slot], bytes(request[start:]), settings)
        del request
        _answer(status, payload)
        if status == OVER:
            return


def _runners(memory: int) -> list[Callable[[str, bytes], bool | bytes]]:
    """The functions by kind, each run once: afterwards no file can be opened."""
    from tiphys.languages import jq, lua  # noqa: PLC0415  the path is known only now

    runners: list[Callable[[str, bytes], bool | bytes]] = [
        lambda text, data: lua.filter(text, data, memory=memory),
        lambda text, data: lua.transform(text, data, memory=memory),
        jq.transform,
    ]
    runners[0]("return os.date('%c') ~= string.upper('\u00e4')", b"{}")
    runners[2]('.a |= 1 | {b: (now | localtime | mktime | todate), c: (.a | tostring | test("1"))}', b"{}")
    return runners


def _limit(memory: int) -> None:
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123  pathlib would be imported for this alone
            pages = int(statm.read().split()[0])
        bound = pages * resource.getpagesize() + memory + _SPARE
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    for name in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC):
        resource.setrlimit(name, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def _run(run: Callable[[str, bytes], bool | bytes], text: str, data: bytes, settings: dict[str, Any]) -> tuple[int, bytes]:
    from tiphys.errors import ScriptError  # noqa: PLC0415  the path is known only now

    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + settings["time"] + 1)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    signal.setitimer(signal.ITIMER_PROF, settings["time"])
    try:
        found = run(text, data)
    except ScriptError as error:
        return OVER if error.killed else ERROR, json.dumps([error.problem, error.remedy]).encode()
    except (MemoryError, RecursionError):
        return OVER, json.dumps(["it needs more memory than it may have", ""]).encode()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if isinstance(found, bool):
        return PASSES if found else FAILS, b""
    if len(found) > settings["output"]:
        return OVER, json.dumps([f"its output has {len(found):,} bytes, more than {settings['output']:,}", ""]).encode()
    return JSON, found


def _request() -> bytearray | None:
    head = _read(SIZE.size)
    return None if head is None else _read(SIZE.unpack(head)[0])


def _read(size: int) -> bytearray | None:
    """So many bytes, or `None` where the parent has closed."""
    found = bytearray()
    while len(found) < size:
        part = os.read(_SOCKET, min(size - len(found), 1 << 18))
        if not part:
            return None
        found += part
    return found


def _answer(status: int, payload: bytes) -> None:
    rest = memoryview(SIZE.pack(1 + len(payload)) + bytes((status,)) + payload)
    while rest:
        rest = rest[os.write(_SOCKET, rest) :]


if __name__ == "__main__":
    main()
