"""Kill the service at named steps and at random instants, again and again, and then count."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from tests.running import Cluster, Tiphys
from tests.soak.balance import Balance, balance, quiet
from tests.soak.traffic import MANIFESTS, SECRET_OBJECT, Traffic

LONGEST = 0.8
STEP_SECONDS = 15.0


async def run(folder: Path, *, kills: int, seed: int, points: Sequence[str] = ()) -> Balance:
    """`points` are crash points, each once; then random instants until `kills` kills were made. Returns the balance after a clean run."""
    chance = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    manifests = folder / "manifests.yaml"
    async with Cluster(folder / "cluster").run() as cluster:
        await cluster.create("/api/v1/namespaces/argo/secrets", SECRET_OBJECT)
        tiphys = Tiphys(folder / "data", cluster.kubeconfig, manifests)
        traffic = Traffic(tiphys.ingress_port, seed)
        try:
            for number in range(kills):
                # each start with a new version of one manifest, so that there is something to keep
                manifests.write_text(MANIFESTS.replace("RUN", str(number)))
                if number < len(points):
                    await _at_point(tiphys, traffic, _arrival(points[number], chance))
                    if number % 3 == 2:
                        # a row that was first at each start of a process which never gets to work is suspected, and in the end set aside
                        await _at_random(tiphys, traffic, chance, at_least=1.0)
                else:
                    await _at_random(tiphys, traffic, chance)
            manifests.write_text(_without_clock(MANIFESTS))
            await tiphys.start()
            if not await tiphys.ready():
                raise AssertionError(f"the service does not start: {tiphys.log.read_text()[-2000:]}")
            await quiet(tiphys)
            result = await balance(tiphys, cluster, traffic.sent)
            code = await tiphys.stop()
            if code != 0:
                raise AssertionError(f"the service ended with {code}: {tiphys.log.read_text()[-2000:]}")
            return result
        finally:
            if tiphys.running:
                await tiphys.kill()


def _without_clock(manifests: str) -> str:
    """No more ticks: what is counted must stand still while it is counted."""
    return "---\n".join(text for text in manifests.split("---\n") if "metadata: {name: clock," not in text)


def _arrival(point: str, chance: random.Random) -> str:
    """The first arrivals at a point are as good as any; a version is kept only once a start, and a batch closes seldom."""
    return f"{point}:{1 if point.startswith(('keep', 'advance', 'close')) else chance.randint(1, 3)}"


async def _at_point(tiphys: Tiphys, traffic: Traffic, point: str) -> None:
    await tiphys.start(crash_at=point)
    await tiphys.ready()
    flow = asyncio.create_task(traffic.flow())
    assert tiphys.process is not None
    try:
        async with asyncio.timeout(STEP_SECONDS):
            await tiphys.process.wait()
    except TimeoutError:
        await tiphys.kill()
        raise AssertionError(f"the crash point {point} was never reached") from None
    finally:
        await _end(flow)


async def _at_random(tiphys: Tiphys, traffic: Traffic, chance: random.Random, at_least: float = 0.0) -> None:
    await tiphys.start()
    if not at_least and chance.random() < 0.15:
        await asyncio.sleep(chance.random() * 0.6)
        await tiphys.kill()
        return
    if not await tiphys.ready():
        raise AssertionError(f"the service ended by itself: {tiphys.log.read_text()[-2000:]}")
    flow = asyncio.create_task(traffic.flow())
    await asyncio.sleep(at_least + chance.random() * LONGEST)
    await tiphys.kill()
    await _end(flow)


async def _end(flow: asyncio.Task[None]) -> None:
    """The senders end by themselves when nobody answers; what they raise is the test's."""
    try:
        async with asyncio.timeout(15):
            await flow
    except TimeoutError:
        flow.cancel()
