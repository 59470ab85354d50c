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


async def _watch(url: str, token: str, seen: dict[str, float], until: int) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    target = f"{url}/apis/argoproj.io/v1alpha1/namespaces/argo/workflows?watch=true"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(target) as answer:
        async for line in answer.content:
            now = time.perf_counter()
            event = orjson.loads(line)
            if event["type"] == "ADDED":
                seen[event["object"]["spec"]["arguments"]["parameters"][0]["value"]] = now
                if len(seen) >= until:
                    return


async def _send(session: aiohttp.ClientSession, port: int, number: int, sent: dict[str, float]) -> None:
    body = orjson.dumps({"number": number, "ref": "refs/heads/main", "filling": "x" * 8000})
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": f"delivery-{number}",
        "X-Hub-Signature-256": "sha256=" + hmac.new(_SECRET, body, hashlib.sha256).hexdigest(),
    }
    sent[str(number)] = time.perf_counter()
    async with session.post(f"http://127.0.0.1:{port}/push", data=body, headers=headers) as answer:
        answer.raise_for_status()


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
            async with service(folder / "data", kube, folder / "manifests.yaml") as process, asyncio.TaskGroup() as group:
                group.create_task(_watch(url, token, seen, total))
                begin = asyncio.get_running_loop().time()
                for number in range(total):
                    await asyncio.sleep(max(0.0, begin + number / RATE - asyncio.get_running_loop().time()))
                    group.create_task(_send(session, process.ingress, number, sent))
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
