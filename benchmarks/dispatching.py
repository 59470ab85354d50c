"""How fast a backlog becomes objects: the dispatcher alone, over a ledger full of decided firings, against an API that answers at once.

Beside it a plain client that sends the same number of objects as fast as it can, and keeps no record of anything. A larger backlog
shows that the rate does not depend on it; the process' memory is read before and after.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import uvloop
import yaml
from yarl import URL

from dispatcher.manifest import trigger_model
from dispatcher.observer import Observer
from dispatcher.program import TriggerProgram
from dispatcher.queue import Dispatcher, DispatcherSettings
from dispatcher.trigger import Services, Templates
from tiphys.bus.event import Event
from tiphys.bus.firing import Claim, DependencyEvent, Firing, Outcome, OutcomeKind, TriggerKey
from tiphys.bus.identity import firing_id
from tiphys.bus.ledger import Decision
from tiphys.bus.sqlite import SqliteBus
from tiphys.clients.http import HttpClient
from tiphys.clients.kube import Kube, connect
from tiphys.emulator.kubeconfig import kubeconfig
from tiphys.errors import SecretError
from tiphys.schema.secret import ConfigMapRef, SecretRef, Secrets

__all__ = ["ActingServices", "measure"]

SMALL: Final = 5_000
LARGE: Final = 100_000
TRIGGERS: Final = 16
AT_ONCE: Final = 256
REAL: Final = 3_000
_WORKFLOW: Final[dict[str, Any]] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"generateName": "ci-"},
    "spec": {"workflowTemplateRef": {"name": "ci"}, "arguments": {"parameters": [{"name": "number", "value": ""}]}},
}
_CONFIG_MAP: Final[dict[str, Any]] = {
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "ci-"}, "data": {"number": "", "ref": "refs/heads/main"},
}  # fmt: skip


def _trigger(obj: dict[str, Any]) -> dict[str, Any]:
    dest = "data.number" if obj is _CONFIG_MAP else "spec.arguments.parameters.0.value"
    parameters = [{"src": {"dependencyName": "push", "dataKey": "body.number"}, "dest": dest}]
    return {"template": {"name": "build", "k8s": {"source": {"resource": obj}, "parameters": parameters}}}


class _NoSecrets:
    async def secret(self, namespace: str, ref: SecretRef) -> bytes:
        raise SecretError(namespace, ref.name, ref.key, "there are none", known=True)

    async def configmap(self, namespace: str, ref: ConfigMapRef) -> bytes:
        raise SecretError(namespace, ref.name, ref.key, "there are none", known=True)


@dataclass
class ActingServices(Services):
    """What the triggers of a benchmark use."""

    kube: Kube | None = None
    secrets: Secrets = field(default_factory=_NoSecrets)
    templates: Templates | None = None
    http: HttpClient | None = None


class _Counting(Observer):
    def __init__(self, until: int) -> None:
        self.left = until
        self.done = asyncio.Event()

    def attempted(self, program: TriggerProgram, claim: Claim, outcome: Outcome, seconds: float) -> None:
        if outcome.kind is not OutcomeKind.SUCCEEDED:
            raise RuntimeError(f"a firing did not succeed: {outcome}")
        self.left -= 1
        if not self.left:
            self.done.set()


@contextlib.asynccontextmanager
async def fast_api() -> AsyncIterator[str]:
    """The stand-in as a process; its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.fast_api", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    if process.stdout is None or process.stdin is None:
        raise RuntimeError("the stand-in has no streams")
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.stdin.close()
        await process.wait()


async def _fill(bus: SqliteBus, epoch: int, keys: list[TriggerKey], count: int) -> None:
    """Decided firings, as a backlog has them."""
    for first in range(0, count, 500):
        events = [
            Event(
                id=f"{number:032x}", source="hooks", type="webhook", subject="in", namespace="argo", time="2026-11-25T08:00:00.000000Z",
                data=orjson.dumps({"body": {"number": number, "text": "x" * 200}}),
            )
            for number in range(first, first + 500)
        ]  # fmt: skip
        positions = await asyncio.gather(*(bus.log.publish(event) for event in events))
        decisions = []
        for number, (event, position) in enumerate(zip(events, positions, strict=True)):
            key = keys[number % len(keys)]
            seen = {"push": DependencyEvent(event.id, position)}
            firing = Firing(firing_id(*key, {"push": event.id}), key, seen, completed_by="push")
            decisions.append(Decision(event.id, position, firings=(firing,)))
        await bus.ledger.settle(epoch, positions[-1], decisions)


async def _drain(config: Path, namespace: str, obj: dict[str, Any], count: int) -> dict[str, float]:
    """Firings a second, and MiB of this process before and after."""
    with tempfile.TemporaryDirectory() as name:
        async with SqliteBus.open(Path(name, "data")) as bus, connect(config) as kube:
            epoch = await bus.ledger.open_epoch()
            keys = [TriggerKey(namespace, "ci", f"build-{number}") for number in range(TRIGGERS)]
            await _fill(bus, epoch, keys, count)
            counting = _Counting(count)
            dispatcher = Dispatcher(bus.ledger, epoch, DispatcherSettings(), counting)
            spec = trigger_model().model_validate(_trigger(obj))
            for key in keys:
                dispatcher.set_trigger(key, TriggerProgram(key, spec, ActingServices(kube)))
            before = _pss()
            began = time.perf_counter()
            running = asyncio.create_task(dispatcher.run())
            await asyncio.wait({running, asyncio.ensure_future(counting.done.wait())}, return_when=asyncio.FIRST_COMPLETED)
            took = time.perf_counter() - began
            after = _pss()
            await dispatcher.stop()
            await running
            return {"rate": count / took, "before": before, "after": after}


async def _plain(config: Path, namespace: str, obj: dict[str, Any], count: int) -> dict[str, float]:
    """Objects a second of a client that only sends."""
    asked = yaml.safe_load(config.read_text())
    cluster, user = asked["clusters"][0]["cluster"], asked["users"][0]["user"]
    server = URL(cluster["server"])
    token = user.get("token") or server.password
    group = "api/v1" if obj is _CONFIG_MAP else "apis/argoproj.io/v1alpha1"
    path = server.with_user(None) / f"{group}/namespaces/{namespace}/{obj['kind'].lower()}s"
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    numbers = iter(range(count))

    async def send(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            body = orjson.dumps({**obj, "metadata": {"name": f"plain-{number}"}})
            async with session.post(path, data=body, headers=headers, ssl=False) as answer:
                orjson.loads(await answer.read())
                answer.raise_for_status()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(send(session) for _ in range(AT_ONCE)))
        return {"rate": count / (time.perf_counter() - began)}


def _pss() -> float:
    text = Path("/proc/self/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


async def _child(what: str, config: str, namespace: str, kind: str, count: int) -> None:
    obj = _CONFIG_MAP if kind == "ConfigMap" else _WORKFLOW
    result = await (_drain if what == "drain" else _plain)(Path(config), namespace, obj, count)
    print(orjson.dumps(result).decode(), flush=True)


async def _run(what: str, config: Path, namespace: str, kind: str, count: int) -> dict[str, float]:
    arguments = [what, str(config), namespace, kind, str(count)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.dispatching", *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{what} ended with {process.returncode}")
    return dict(orjson.loads(out))


async def _real(config: Path) -> list[dict[str, Any]]:
    """Against a real API server, in a namespace of its own: what it takes of the two, in turn."""
    async with connect(config) as kube:
        made = await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "benchmark-"}})
        namespace = made["metadata"]["name"]
        try:
            plain = await _run("plain", config, namespace, "ConfigMap", REAL)
            ours = await _run("drain", config, namespace, "ConfigMap", REAL)
        finally:
            await kube.delete("v1", "Namespace", namespace)
    return [
        {
            "measure": "objects/s at the API server of KUBECONFIG_TEST",
            "ours": ours["rate"],
            "compared_with": f"a plain client {plain['rate']:.0f}/s",
            "ratio": ours["rate"] / plain["rate"],
            "goal": ">= 0.90",
            "met": ours["rate"] >= 0.9 * plain["rate"],
        }
    ]


async def measure() -> list[dict[str, Any]]:
    real = os.environ.get("KUBECONFIG_TEST", "")
    rows = await _real(Path(real)) if real else []
    async with fast_api() as url:
        with tempfile.TemporaryDirectory() as name:
            config = Path(name, "kubeconfig")
            config.write_text(kubeconfig(url, "benchmark"))
            plain = await _run("plain", config, "argo", "Workflow", SMALL)
            small = await _run("drain", config, "argo", "Workflow", SMALL)
            large = await _run("drain", config, "argo", "Workflow", LARGE)
    return [
        *rows,
        {
            "measure": f"objects/s, a backlog of {SMALL:,}",
            "ours": small["rate"],
            "compared_with": f"a plain client {plain['rate']:.0f}/s",
            "ratio": small["rate"] / plain["rate"],
            "goal": ">= 2,500/s",
            "met": small["rate"] >= 2500,
        },
        {
            "measure": f"the same, a backlog of {LARGE:,}",
            "ours": large["rate"],
            "compared_with": f"a backlog of {SMALL:,}",
            "ratio": large["rate"] / small["rate"],
            "goal": "about 1",
            "met": large["rate"] >= 0.9 * small["rate"],
        },
        {
            "measure": f"MiB more after {LARGE:,} firings",
            "ours": large["after"] - large["before"],
            "compared_with": f"{large['before']:.0f} MiB before",
            "ratio": large["after"] / large["before"],
            "goal": "flat",
            "met": large["after"] - large["before"] < 64,
        },
    ]


if __name__ == "__main__":
    what, config, namespace, kind, count = sys.argv[1:]
    uvloop.run(_child(what, config, namespace, kind, int(count)))
