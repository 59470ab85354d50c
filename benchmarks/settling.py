"""The same load as `benchmarks.ingest` on the whole service, with one sensor that judges and settles every event, beside a bare handler."""

from __future__ import annotations

import statistics
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.ingest import ROUNDS, child, load
from benchmarks.load import SECRET
from benchmarks.running import embedded, service

__all__ = ["measure"]

GOAL: Final = 0.50
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
metadata: {name: tags, namespace: argo}
spec:
  dependencies:
  - name: push
    eventSourceName: gh
    eventName: push
    filters:
      data:
      - {path: body.ref, type: string, value: ["^refs/tags/"]}
  triggers:
  - template: {name: log, log: {}}
"""


async def measure() -> list[dict[str, Any]]:
    bare: list[float] = []
    ours: list[float] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiphys-bench-", ignore_cleanup_errors=True)))
        manifests = folder / "manifests.yaml"
        manifests.write_text(_MANIFESTS)
        url, token, kube = await stack.enter_async_context(embedded(folder / "cluster"))
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gh"}, "stringData": {"secret": SECRET.decode()}}
        session = await stack.enter_async_context(aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}))
        async with session.post(f"{url}/api/v1/namespaces/argo/secrets", json=secret) as answer:
            answer.raise_for_status()
        bare_port = await stack.enter_async_context(child("benchmarks.bare"))
        running = await stack.enter_async_context(service(folder / "data", kube, manifests))
        for port in (bare_port, running.ingress):
            await load(port, "warm", seconds=0.5)
        for number in range(ROUNDS):
            for port, rates in ((bare_port, bare), (running.ingress, ours)):
                measured = await load(port, f"r{number}")
                rates.append(measured["good"] / measured["seconds"])
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, bare, strict=True))
    return [
        {
            "measure": "the same on the whole service, one sensor settling (requests/s)",
            "ours": round(statistics.median(ours)),
            "compared_with": f"bare aiohttp handler, nothing stored: {statistics.median(bare):.0f}",
            "ratio": round(ratio, 3),
            "goal": GOAL,
            "met": ratio >= GOAL,
        }
    ]
