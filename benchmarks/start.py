"""Seconds from the start of the process until it is ready, bytecode in place, beside an interpreter that does nothing."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.running import embedded, service

__all__ = ["measure"]

ROUNDS: Final = 5
GOAL: Final = 1.5
_MANIFEST: Final = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: hooks, namespace: argo}
spec:
  webhook:
    in: {endpoint: /in, port: "12000", method: POST}
"""


async def measure() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifests = folder / "manifests.yaml"
        manifests.write_text(_MANIFEST)
        ours, bare = [], []
        async with embedded(folder / "cluster") as (_, _, kube):
            for number in range(ROUNDS + 1):
                async with service(folder / "data", kube, manifests) as process:
                    if number:  # the first start writes bytecode
                        ours.append(process.seconds)
                began = time.monotonic()
                await (await asyncio.create_subprocess_exec(sys.executable, "-c", "")).wait()
                bare.append(time.monotonic() - began)
    mine, least = statistics.median(ours), statistics.median(bare)
    row = {"measure": "start to ready, s", "ours": mine, "compared_with": f"python -c '' {least:.2f} s", "ratio": mine / least}
    return [{**row, "goal": f"< {GOAL} s", "met": mine < GOAL}]
