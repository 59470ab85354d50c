"""Signed webhook ingest: a GitHub push of 8 KB, verified, decoded and in the log, fsync included, beside a bare aiohttp handler.

Both servers run in processes of their own and take turns under the same load from a third, so that what the machine does meanwhile falls on
both. `python -m benchmarks.ingest` prints the rows; `--serve FOLDER` is the child that listens.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import structlog
import uvloop

from benchmarks.load import SECRET
from eventsource.ingress import Ingress, IngressSettings
from eventsource.manifest import parse
from eventsource.room import Room
from tiphys.bus.sqlite import SqliteBus, SqliteSettings
from tiphys.errors import SecretError
from tiphys.schema.secret import ConfigMapRef, SecretRef

__all__ = ["measure"]

ROUNDS: Final = 5
SECONDS: Final = 2.0
CONNECTIONS: Final = (16, 64)
GOAL: Final = 0.70
ARGO_EVENTS: Final[Mapping[int, float]] = {16: 1224.0, 64: 1326.0}
"""Requests per second of argo-events with JetStream and `sync_interval: always` by connections, on a like machine (24 Nov 2026)."""

_ROOT = Path(__file__).parent.parent
_MANIFEST: Final[Mapping[str, Any]] = {
    "metadata": {"name": "gh", "namespace": "bench"},
    "spec": {
        "github": {
            "push": {
                "repositories": [{"owner": "acme", "names": ["shop"]}],
                "webhook": {"endpoint": "/push", "port": "12000", "method": "POST"},
                "webhookSecret": {"name": "gh", "key": "secret"},
            }
        }
    },
}


class OneSecret:
    """Knows the load's secret."""

    async def secret(self, namespace: str, ref: SecretRef) -> bytes:
        return SECRET

    async def configmap(self, namespace: str, ref: ConfigMapRef) -> bytes:
        raise SecretError(namespace, ref.name, ref.key, "does not exist", known=True)


async def serve(folder: Path) -> None:
    """Listen on a free port of the loopback, print it, and end with the standard input. Nothing settles here, so the bound on unfinished
    work is lifted."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    gc.set_threshold(20_000, 20, 50)
    settings = IngressSettings(host="127.0.0.1", bind=lambda _port: 0)
    async with (
        SqliteBus.open(folder, SqliteSettings(unfinished_bytes=1 << 40)) as bus,
        Ingress(settings) as ingress,
        Room(bus.log, bus.ledger, OneSecret(), ingress) as room,
    ):
        await room.apply(parse(_MANIFEST).manifest)
        ingress.ready()
        print(ingress.bound(12000), flush=True)
        await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def child(*command: str) -> AsyncIterator[int]:
    """A server in a process of its own; its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *command,
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            port = int(await process.stdout.readline())
        yield port
    finally:
        process.stdin.close()
        async with asyncio.timeout(30):
            await process.wait()


async def load(port: int, run: str, connections: int = 64, seconds: float = SECONDS) -> dict[str, float]:
    """One load of some seconds, from another process: what `benchmarks.load` prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.load",
        *("--port", str(port), "--run", run, "--connections", str(connections), "--seconds", str(seconds)),
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(seconds + 30):
        output, _ = await process.communicate()
    measured: dict[str, float] = json.loads(output)
    if measured["bad"]:
        raise RuntimeError(f"{measured['bad']} requests were not answered with 200")
    return measured


async def measure() -> list[dict[str, Any]]:
    """The rows of the table, for few and for many connections: what, ours, compared with, their ratio, the goal, and whether it is met."""
    rows: list[dict[str, Any]] = []
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tiphys-bench-", ignore_cleanup_errors=True))
        bare_port = await stack.enter_async_context(child("benchmarks.bare"))
        our_port = await stack.enter_async_context(child("benchmarks.ingest", "--serve", folder))
        for connections in CONNECTIONS:
            rows += await _measure(bare_port, our_port, connections)
    return rows


async def _measure(bare_port: int, our_port: int, connections: int) -> list[dict[str, Any]]:
    bare: list[float] = []
    ours: list[float] = []
    for port in (bare_port, our_port):
        await load(port, f"warm{connections}", connections, seconds=0.5)
    for number in range(ROUNDS):
        for port, rates in ((bare_port, bare), (our_port, ours)):
            measured = await load(port, f"c{connections}r{number}", connections)
            rates.append(measured["good"] / measured["seconds"])
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
    rate = statistics.median(ours)
    argo_events = ARGO_EVENTS[connections]
    return [
        {
            "measure": f"signed webhook ingest, 8 KB, fsync, {connections} connections (requests/s)",
            "ours": round(rate),
            "compared_with": f"bare aiohttp handler, nothing stored: {statistics.median(bare):.0f}",
            "ratio": round(ratio, 3),
            "goal": GOAL,
            "met": ratio >= GOAL,
        },
        {
            "measure": "the same beside argo-events with fsync (another day, a like machine)",
            "ours": round(rate),
            "compared_with": f"argo-events 1.9.11: {argo_events:.0f}",
            "ratio": round(rate / argo_events, 2),
            "goal": 5.0,
            "met": rate >= 5.0 * argo_events,
        },
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    if asked.serve:
        uvloop.run(serve(asked.serve))
    else:
        print(json.dumps(asyncio.run(measure()), indent=2))


if __name__ == "__main__":
    main()
