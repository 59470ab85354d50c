"""A small service for the kill tests: `python -m tests.bus.crash_child OBJECTS EVENTS MODULE:FUNCTION ARGUMENT…`.

It opens the place, does every step of the way of an event, and tells each promise on its standard output at the moment that it holds
it: what stands there must be true after any crash. Its outside world is the folder OBJECTS: one file for each object that was made,
with a line for each time. Run again after a crash it goes on, as the service does.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from dataclasses import replace
from pathlib import Path

from tests.bus.samples import DONE, KEY, Place, event, fired, later, take
from tiphys.bus import Decision, Stored, Target
from tiphys.bus.crashpoints import reach
from tiphys.bus.firing import Gather


def say(*words: object) -> None:
    print(*words, flush=True)


def make(folder: Path, name: str) -> None:
    with (folder / name).open("a") as file:
        file.write("made\n")


def _gathering(decision: Decision) -> Decision:
    """Its firings could gather others with their keys, which nobody shares; who claims them closes them."""
    return replace(decision, firings=tuple(replace(one, lane=one.id, gather=Gather(wait=0.0)) for one in decision.firings))


async def run(objects: Path, count: int, place: Place) -> None:
    async with place.open() as opened:
        log, ledger = opened.log, opened.ledger
        epoch = await ledger.open_epoch()
        kept = await ledger.keep("Sensor", "argo", "ci", b'{"version":2}', "file")
        say("kept", kept.revision)
        suspension = await ledger.suspend(*KEY, on_resume="drop", actor="test")
        say("suspended", suspension.since)
        cursor = await ledger.cursor("argo/hooks/push")
        for number in range(int(cursor.value or b"0"), count):
            position = await log.publish(event(number))
            say("published", event(number).id, position)
            await cursor.advance(str(number + 1).encode())
            say("advanced", number + 1)

        end, settled = await log.end(), 0
        unread = [record for record in await ledger.events(limit=10 * count) if not record.settled]
        reader = log.read()
        while unread and settled < end:
            for stored in await take(reader, 1):
                seen = await ledger.seen([stored.event.id])
                decision = later(stored) if stored.position % 2 == 0 else _gathering(fired(stored))
                await ledger.settle(epoch, stored.position, [] if seen else [decision])
                await opened.acknowledge(stored.position)
                settled = stored.position
                say("settled", stored.event.id)

        while rows := await ledger.deferred(KEY, 1):
            for row, seen_event in rows:
                assert seen_event is not None
                reach("deferred:judged")
                await ledger.settle_deferred(epoch, [(row, _gathering(fired(Stored(row.position, seen_event))))])
                say("decided", row.event_id)

        while claims := await ledger.claim(2):
            for claim in claims:
                name = claim.firing.id
                if claim.target is None:
                    await ledger.begin(epoch, claim, Target("v1", "ConfigMap", "argo", name))
                    say("begun", name)
                if claim.target is None or not (objects / name).exists():
                    reach("execute:before")
                    make(objects, name)
                    reach("execute:after")
                await ledger.resolve(epoch, claim, DONE)
                say("resolved", name)
    say("end")


def main() -> None:
    objects, count, spec, *arguments = sys.argv[1:]
    module, _, name = spec.partition(":")
    place: Place = getattr(importlib.import_module(module), name)(*arguments)
    asyncio.run(run(Path(objects), int(count), place))


if __name__ == "__main__":
    main()
