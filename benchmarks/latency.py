"""From the request's first byte to the object in the embedded API, at 100 events a second, beside the cost of one fsync.

The object's creation is seen by a watch, which adds its own way; the request is signed and carries 8 KB.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from benchmarks.running import embedded, service

__all__ = ["measure"]

RATE: Final = 100
SECONDS: Final = 15
WARM: Final = 200
_SECRET: Final = b"benchmark"
_MANIFESTS: Final = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: gh, namespace: argo}
spec:
  github:
    push:
      repositories: [{owner: acme, names: [shop]}]
      webhook: {endpoint: /push, port: "12000", method: POST}
      webhookSecret: {name: gh, key: secret}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: ci, namespace: argo}
spec:
  dependencies:
  - {name: push, eventSourceName: gh, eventName: push}
  triggers:
  - template:
      name: ci
      k8s:
        operation: create
        source:
          resource:
            apiVersion: argoproj.io/v1alpha1
            kind: Workflow
            metadata: {generateName: ci-}
            spec:
              workflowTemplateRef: {name: ci}
              arguments: {parameters: [{name: number, value: ""}, {name: ref, value: ""}]}
        parameters:
        - {src: {dependencyName: push, dataKey: body.number}, dest: spec.arguments.parameters.0.value}
        - {src: {dependencyName: push, dataKey: body.ref}, dest: spec.arguments.parameters.1.value}
"""


def fsync_seconds(folder: Path, rounds: int = 200) -> float:
    """The median of a 4 KiB append and its fsync."""
    took = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(rounds):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took)


class _Lines(asyncio.Protocol):
    """A watch, read without a client's own cost: each line's time is that of the read that brought it."""

    def __init__(self, request: bytes, seen: dict[str, float], until: int, done: asyncio.Future[None]) -> None:
        self._request, self._seen, self._until, self._done = request, seen, until, done
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b'{"type":"ADDED"'):
                number = orjson.loads(line)["object"]["spec"]["arguments"]["parameters"][0]["value"]
                self._seen[number] = now
        if len(self._seen) >= self._until and not self._done.done():
            self._done.set_result(None)


class _Sender(asyncio.Protocol):
    """A kept connection of a sender; the time that counts begins when the whole request is handed to the kernel."""

    def __init__(self) -> None:
        self.free = True
        self.refused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes) -> float:
        self.free = False
        began = time.perf_counter()
        self._transport.write(request)
        return began

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self.free = True
        self.refused += not data.startswith(b"HTTP/1.1 2")


def _request(number: int) -> bytes:
    body = orjson.dumps({"number": number, "ref": "refs/heads/main", "filling": "x" * 8000})
    signature = hmac.new(_SECRET, body, hashlib.sha256).hexdigest()
    return (
        f"POST /push HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-GitHub-Event: push\r\nX-GitHub-Delivery: delivery-{number}\r\nX-Hub-Signature-256: sha256={signature}\r\n\r\n"
    ).encode() + body


async def _play(url: str, token: str, port: int, total: int, sent: dict[str, float], seen: dict[str, float]) -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    host, _, watched = url.removeprefix("http://").partition(":")
    watch = (
        "GET /apis/argoproj.io/v1alpha1/namespaces/argo/workflows?watch=true HTTP/1.1\r\n"
        f"Host: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    watching, _ = await loop.create_connection(lambda: _Lines(watch, seen, total, done), host, int(watched))
    senders: list[_Sender] = []
    begin = loop.time()
    for number in range(total):
        request = _request(number)
        await asyncio.sleep(max(0.0, begin + number / RATE - loop.time()))
        sender = next((one for one in senders if one.free), None)
        if sender is None:
            _, sender = await loop.create_connection(_Sender, "127.0.0.1", port)
            senders.append(sender)
        sent[str(number)] = sender.send(request)
    async with asyncio.timeout(60):
        await done
    watching.close()
    if refused := sum(sender.refused for sender in senders):
        raise RuntimeError(f"{refused} requests were refused")
    for sender in senders:
        sender.close()


async def measure() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "manifests.yaml").write_text(_MANIFESTS)
        sync = fsync_seconds(folder)
        total = WARM + RATE * SECONDS
        sent: dict[str, float] = {}
        seen: dict[str, float] = {}
        async with embedded(folder / "cluster") as (url, token, kube), aiohttp.ClientSession() as session:
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gh"}, "stringData": {"secret": _SECRET.decode()}}
            headers = {"Authorization": f"Bearer {token}"}
            async with session.post(f"{url}/api/v1/namespaces/argo/secrets", json=secret, headers=headers) as answer:
                answer.raise_for_status()
            async with service(folder / "data", kube, folder / "manifests.yaml") as process:
                await _play(url, token, process.ingress, total, sent, seen)
    took = sorted(seen[number] - sent[number] for number in sent if int(number) >= WARM)
    p50, p99 = took[len(took) // 2] * 1000, took[len(took) * 99 // 100] * 1000
    beside = f"one fsync {sync * 1000:.2f} ms"
    return [
        {
            "measure": "event to object p50, ms",
            "ours": p50,
            "compared_with": beside,
            "ratio": p50 / sync / 1000,
            "goal": "< 3 ms",
            "met": p50 < 3,
        },
        {
            "measure": "event to object p99, ms",
            "ours": p99,
            "compared_with": beside,
            "ratio": p99 / sync / 1000,
            "goal": "< 15 ms",
            "met": p99 < 15,
        },
    ]
