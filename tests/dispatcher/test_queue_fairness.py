"""Dead targets, however many triggers have them, hold up no trigger whose target is alive."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dispatcher.queue import DispatcherSettings
from tests.dispatcher.acting import SendingProgram, Sent, acting
from tests.dispatcher.support import KEY
from tiphys.bus.firing import TriggerKey

pytestmark = pytest.mark.looptime


def never_answers() -> Sent:
    async def act(number: int) -> None:
        await asyncio.Event().wait()

    return Sent(act=act)


async def test_a_live_target_is_served_while_all_places_are_with_dead_ones(tmp_path: Path) -> None:
    dead = [(TriggerKey("argo", "dead", f"t{number}"), never_answers()) for number in range(12)]
    alive = Sent()
    settings = DispatcherSettings(per_trigger=4, in_all=8, attempt_seconds=3600.0)
    async with acting(tmp_path, settings) as engine:
        for key, sent in dead:
            engine.dispatcher.set_trigger(key, SendingProgram(sent, key))
            await engine.decide(range(1, 11), key)
        engine.dispatcher.set_trigger(KEY, SendingProgram(alive))
        await engine.until(lambda: sum(len(sent.calls) for _, sent in dead) == 12 + 8, seconds=60)
        began = asyncio.get_running_loop().time()
        await engine.decide(range(1, 51))
        await engine.until(lambda: len(alive.calls) == 50, seconds=60)
        under_way = engine.dispatcher.stats().under_way

    assert alive.times[-1] - began < 60
    assert sorted(alive.numbers) == list(range(1, 51))
    assert under_way == 12 + 8


async def test_each_trigger_has_its_own_bound_as_ever(tmp_path: Path) -> None:
    sent = never_answers()
    async with acting(tmp_path, DispatcherSettings(per_trigger=3, in_all=100)) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent))
        await engine.decide(range(1, 11))
        await asyncio.sleep(30)

    assert len(sent.calls) == 3
