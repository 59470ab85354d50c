"""A dispatcher in a process of its own, to be killed: `python -m tests.dispatcher.document_child DATA KUBECONFIG NAMESPACE MANIFEST`.

It decides one firing, unless there is one already, and ends when nothing is left to do.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from dispatcher.queue import Dispatcher
from tests.dispatcher.support import World, decided, program
from tiphys.bus.firing import TriggerKey
from tiphys.bus.sqlite.bus import SqliteBus
from tiphys.clients.kube import connect


async def main(data: str, kubeconfig: str, namespace: str, manifest: str) -> None:
    key = TriggerKey(namespace, "ci", "build")
    async with SqliteBus.open(Path(data)) as bus, connect(kubeconfig) as kube:
        epoch = await bus.ledger.open_epoch()
        dispatcher = Dispatcher(bus.ledger, epoch)
        dispatcher.set_trigger(key, program(json.loads(manifest), World(kube), key))
        if not await bus.ledger.firings(limit=1):
            await decided(bus.log, bus.ledger, epoch, key)
        running = asyncio.create_task(dispatcher.run())
        while not all(record.ended for record in await bus.ledger.firings(limit=100)):
            await asyncio.sleep(0.01)
        await dispatcher.stop()
        await running


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
