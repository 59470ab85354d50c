"""`once`: what has the same key fires once, whoever told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sensors import SensorProgram
from tests.sensors.matching import KEY, Clock, Running, running, sensor
from tiphys.bus.ledger import VerdictKind
from tiphys.errors import ManifestError


def once(conditions: str = "A", key: str = "{{ .A.sha }}", names: str = "AB", **fields: Any) -> SensorProgram:
    return sensor(conditions, names=names, once={"key": key, **fields})


async def ids(now: Running) -> list[str]:
    return [record.firing.id for record in reversed(await now.bus.ledger.firings())]


async def test_a_second_event_with_the_same_key_is_a_verdict_that_names_the_firing(tmp_path: Path) -> None:
    async with running(tmp_path, once()) as now:
        await now.send("a1", "a2", data={"sha": "x"})
        await now.send("a3", data={"sha": "y"})
        assert await now.firings() == [{"A": "a1"}, {"A": "a3"}]
        assert await now.kinds("a2") == [VerdictKind.ONCE]
        (repeat,) = (await now.bus.ledger.event("a2")).repeats
        assert repeat == (KEY, (await ids(now))[0])


async def test_a_key_has_fired_also_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, once()) as now:
        await now.send("a1", data={"sha": "x"})
    async with running(tmp_path, once()) as now:
        await now.send("a2", data={"sha": "x"})
        assert await now.firings() == [{"A": "a1"}]


async def test_later_than_its_span_a_key_fires_again(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, once(**{"for": "1h"}), clock=clock) as now:
        await now.send("a1", data={"sha": "x"})
        clock.now += 3599
        await now.send("a2", data={"sha": "x"})
        clock.now += 1
        await now.send("a3", data={"sha": "x"})
        clock.now += 3599
        await now.send("a4", data={"sha": "x"})
        assert await now.firings() == [{"A": "a1"}, {"A": "a3"}]
        assert len(set(await ids(now))) == 2


async def test_the_id_comes_from_the_key_and_not_from_the_event(tmp_path: Path) -> None:
    found = []
    for number, name in enumerate(("a1", "a2")):
        async with running(tmp_path / str(number), once()) as now:
            await now.send(name, data={"sha": "x"})
            found += await ids(now)
    assert found[0] == found[1]


async def test_keys_are_a_triggers_own(tmp_path: Path) -> None:
    other = sensor("A", "other", names="A", once={"key": "{{ .A.sha }}"})
    async with running(tmp_path, once(), other) as now:
        await now.send("a1", data={"sha": "x"})
        assert len(await now.firings()) == 2


async def test_the_template_sees_every_event_of_the_firing_also_held_ones(tmp_path: Path) -> None:
    async with running(tmp_path, once("A && B", "{{ .A.sha }}/{{ .B.sha }}")) as now:
        await now.send("a1", data={"sha": "x"})
        await now.send("b1", data={"sha": "y"})
        await now.send("b2", data={"sha": "y"})
        await now.send("a2", data={"sha": "x"})
        assert await now.firings() == [{"A": "a1", "B": "b1"}]
        assert await now.kinds("a2") == [VerdictKind.ONCE]
        assert now.held() == {}


async def test_a_template_that_fails_is_an_error_of_the_event(tmp_path: Path) -> None:
    async with running(tmp_path, once()) as now:
        await now.send("a1")
        await now.send("a2", data={"sha": ""})
        assert await now.kinds("a1") == [VerdictKind.ERRORED]
        assert await now.kinds("a2") == [VerdictKind.ERRORED]
        assert await now.firings() == []


async def test_a_replay_fires_whatever_the_key_says(tmp_path: Path) -> None:
    async with running(tmp_path, once()) as now:
        await now.send("a1", data={"sha": "x"})
        await now.bus.ledger.replay_event("a1", [], "mira")
        await now.record("a1", lambda record: len(record.verdicts) == 2)
        assert len(await now.firings()) == 2


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("{{ .A.sha", "once.key"),
        ("always", "is the same for every event"),
        ("{{ .push.sha }}", "names no dependency of this trigger"),
    ],
)
def test_a_key_that_cannot_work_is_refused_at_load(key: str, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        once(key=key)


@pytest.mark.parametrize("span", ["", "0s", "-1h", "tomorrow", 5])
def test_a_span_that_is_none_is_refused(span: Any) -> None:
    with pytest.raises(ValueError, match=r"once\.for|duration"):
        once(**{"for": span})
