"""Acknowledged deliveries against verdicts, firings and objects: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field

from tests.running import Cluster, Tiphys
from tests.soak.traffic import Sent

SETTLE_SECONDS = 120.0


@dataclass
class Balance:
    """`lost` deliveries were acknowledged and left no verdict, or no object where a firing was decided; `duplicated` came twice."""

    acknowledged: int
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)


async def quiet(tiphys: Tiphys) -> None:
    """Wait until nothing is pending any more."""
    async with asyncio.timeout(SETTLE_SECONDS):
        while True:
            # in this order: what is decided has its firings by then
            decided = all(one["decided"] for one in await pages(tiphys))
            waiting = (await tiphys.ask("firings?state=pending&state=started&limit=1"))["items"]
            if decided and not waiting:
                return
            await asyncio.sleep(0.1)


async def pages(tiphys: Tiphys) -> list[dict]:
    """Every event of the journal."""
    found: list[dict] = []
    before = ""
    while True:
        items = (await tiphys.ask(f"events?limit=1000{before}"))["items"]
        found += items
        if len(items) < 1000:
            return found
        before = f"&before={items[-1]['position']}"


async def balance(tiphys: Tiphys, cluster: Cluster, sent: Sent) -> Balance:
    """Compare what the sender knows with what is in the journal and in the cluster."""
    events = await pages(tiphys)
    result = Balance(len(sent.acknowledged))
    decided: dict[str, Counter[str]] = {}
    for event in events:
        if not event["decided"]:
            result.lost.append(f"{event['worldid']} is not decided")
        outcomes = decided.setdefault(event["worldid"], Counter())
        outcomes.update({name: count for name, count in event["outcomes"].items() if name != "duplicate"})
    maps = await cluster.objects("/api/v1/configmaps")
    notes = Counter(one["data"]["delivery"] for one in maps if one["metadata"]["name"].startswith("note-"))
    scripted = Counter(one["data"]["delivery"] for one in maps if one["metadata"]["name"].startswith("script-"))
    both = [(one["data"]["push"], one["data"]["release"]) for one in maps if one["metadata"]["name"].startswith("both-")]
    ticks = Counter(one["data"]["at"] for one in maps if one["metadata"]["name"].startswith("tick-"))
    batched = Counter(
        delivery
        for one in maps
        if one["metadata"]["name"].startswith("batch-")
        for delivery in json.loads(one["data"]["deliveries"])
    )
    for delivery in sorted(sent.acknowledged):
        if not decided.get(delivery):
            result.lost.append(f"{delivery} has no verdict")
        if delivery.startswith("push-") and not notes[delivery]:
            result.lost.append(f"{delivery} has no object")
        if delivery.startswith("push-") and not scripted[delivery]:
            result.lost.append(f"{delivery} has no object of the script's")
        if delivery.startswith("push-") and not batched[delivery]:
            result.lost.append(f"{delivery} is in no batch")
    result.duplicated += [f"{delivery} is in {count} batches" for delivery, count in batched.items() if count > 1]
    result.duplicated += [f"{delivery} has {count} objects" for delivery, count in notes.items() if count > 1]
    result.duplicated += [f"{delivery} has {count} objects of the script's" for delivery, count in scripted.items() if count > 1]
    result.duplicated += [f"{delivery} was never sent" for delivery in notes if delivery not in sent.tried]
    result.duplicated += [f"the tick of {at} has {count} objects" for at, count in ticks.items() if count > 1]
    for number, side in enumerate(("push", "release")):
        for delivery, count in Counter(pair[number] for pair in both).items():
            if count > 1:
                result.duplicated.append(f"{side} {delivery} stands in {count} pairs")
    fired = sum(counts["fired"] for delivery, counts in decided.items())
    objects = len(notes) + len(scripted) + len(both) + len(ticks) + len(batched)
    if fired != objects:
        result.lost.append(f"{fired} firings were decided, {objects} objects exist")
    firings = Counter(one["metadata"]["labels"]["tiphys.dev/firing"] for one in maps if "labels" in one["metadata"])
    result.duplicated += [f"firing {firing} made {count} objects" for firing, count in firings.items() if count > 1]
    return result
