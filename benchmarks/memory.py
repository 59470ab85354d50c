"""Memory of one process with 1,000 EventSource/Sensor pairs (PSS, the Kubernetes client included), before and after 10,000 bodies of 1 MiB.

Compared with argo-events' 37 MiB for one pair (18.1 + 19.0 MiB PSS, 24 Nov 2026, a like machine).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.running import embedded, service

__all__ = ["measure"]

PAIRS: Final = 1000
BODIES: Final = int(os.environ.get("TIPHYS_BENCH_BODIES", "10000"))
GOAL: Final = 200.0
ARGO_PAIR: Final = 37.1
_PAIR: Final = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {{name: hooks-{n}, namespace: argo}}
spec:
  webhook:
    in: {{endpoint: /in-{n}, port: "12000", method: POST, maxPayloadSize: 2097152}}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: sensor-{n}, namespace: argo}}
spec:
  dependencies:
  - name: in
    eventSourceName: hooks-{n}
    eventName: in
    filters:
      data:
      - {{path: body.kind, type: string, value: ["^build$"]}}
  triggers:
  - template:
      name: ci
      workflow:
        templateRef: {{name: ci}}
        arguments: {{revision: "{{{{ .in.body.after }}}}", branch: {{from: in, path: body.ref, default: main}}}}
"""


async def _bodies(port: int) -> None:
    """Bodies that no filter passes, so that storing and deciding is all there is."""
    body = b'{"kind":"other","filling":"' + b"x" * (1 << 20) + b'"}'
    numbers = iter(range(BODIES))

    async def send(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            headers = {"Content-Type": "application/json"}
            url = f"http://127.0.0.1:{port}/in-{number % PAIRS}"
            while True:
                async with session.post(url, data=body, headers=headers) as answer:
                    await answer.read()
                    if answer.status == 200:
                        break
                await asyncio.sleep(0.2)

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(send(session))


async def measure() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifests = folder / "manifests.yaml"
        manifests.write_text("---\n".join(_PAIR.format(n=number) for number in range(PAIRS)))
        async with embedded(folder / "cluster") as (_, _, kube), service(folder / "data", kube, manifests) as process:
            before = process.pss()
            await _bodies(process.ingress)
            after = process.pss()
    beside = f"argo-events {ARGO_PAIR * PAIRS / 1024:.1f} GiB"
    return [
        {
            "measure": what,
            "ours": mib,
            "compared_with": beside,
            "ratio": mib / (ARGO_PAIR * PAIRS),
            "goal": f"< {GOAL:g} MiB",
            "met": mib < GOAL,
        }
        for what, mib in ((f"{PAIRS} pairs, PSS in MiB", before), (f"the same after {BODIES} bodies of 1 MiB", after))
    ]
