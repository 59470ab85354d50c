"""Keys that tell a trigger's firings apart, and completions that make one firing: what the Matcher writes down of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sensors import SensorProgram
from tests.sensors.matching import KEY, Clock, Running, running, sensor
from tiphys.bus.firing import FiringState
from tiphys.bus.ledger import FiringRecord, VerdictKind
from tiphys.errors import FieldError, ManifestError

REPO = "{{ .A.repo }}"


def limited(conditions: str = "A", names: str = "AB", once: dict[str, str] | None = None, **limits: Any) -> SensorProgram:
    return sensor(conditions, names=names, once=once, limits=limits)


async def records(now: Running) -> list[FiringRecord]:
    """Oldest first."""
    return list(reversed(await now.bus.ledger.firings(limit=1000)))


def faults(**limits: Any) -> list[FieldError]:
    with pytest.raises(ManifestError) as caught:
        limited(**limits)
    return list(caught.value.errors)


# -- lanes


@pytest.mark.parametrize("limits", [{"order": {"key": REPO}}, {"concurrency": {"key": REPO}, "order": "key"}])
async def test_a_firing_bears_the_value_of_its_key(tmp_path: Path, limits: dict[str, Any]) -> None:
    async with running(tmp_path, limited(**limits)) as now:
        await now.send("a1", data={"repo": "shop"})
        await now.send("a2", data={"repo": "cart"})
        assert [record.firing.lane for record in await records(now)] == ["shop", "cart"]


async def test_the_key_of_a_firing_of_several_events_is_made_from_all(tmp_path: Path) -> None:
    async with running(tmp_path, limited("A && B", order={"key": "{{ .A.repo }}/{{ .B.env }}"})) as now:
        await now.send("a1", data={"repo": "shop"})
        await now.send("b1", data={"env": "prod"})
        assert [record.firing.lane for record in await records(now)] == ["shop/prod"]


async def test_an_event_without_the_value_is_an_error_and_does_not_fire(tmp_path: Path) -> None:
    async with running(tmp_path, limited(order={"key": REPO})) as now:
        await now.send("a1", data={"other": 1})
        assert await now.kinds("a1") == [VerdictKind.ERRORED]
        assert await records(now) == []


async def test_without_a_key_nothing_is_rendered_and_nothing_decides_later(tmp_path: Path) -> None:
    program = limited(order="strict", debounce="10s")

    assert not program.triggers[0].keyed
    async with running(tmp_path, program) as now:
        await now.send("a1")
        assert [record.firing.lane for record in await records(now)] == [""]


# -- gathering


async def test_a_burst_is_one_firing_with_the_last_events(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, limited(debounce="30s"), clock=clock) as now:
        for number in range(1, 6):
            await now.send(f"a{number}")
            clock.now += 10
        found = await records(now)
        clock.now += 30
        claims = await now.bus.ledger.claim(10)

    assert [record.state for record in found] == [FiringState.CANCELLED] * 4 + [FiringState.PENDING]
    assert [claim.firing.events["A"].id for claim in claims] == ["a5"]


async def test_a_burst_of_each_key_is_one_firing_of_its_own(tmp_path: Path) -> None:
    clock = Clock()
    async with running(tmp_path, limited(debounce={"wait": "30s", "key": REPO}), clock=clock) as now:
        for number, repo in enumerate(("shop", "cart", "shop", "cart", "shop")):
            await now.send(f"a{number}", data={"repo": repo})
        clock.now += 31
        claims = await now.bus.ledger.claim(10)

    assert {claim.firing.lane: claim.firing.events["A"].id for claim in claims} == {"shop": "a4", "cart": "a3"}


async def test_a_batch_has_all_events_of_each_dependency_oldest_first(tmp_path: Path) -> None:
    async with running(tmp_path, limited("A && B", batch={"size": 3, "wait": "1h"})) as now:
        for number in range(1, 5):
            await now.send(f"a{number}")
            await now.send(f"b{number}")
        (claim,) = await now.bus.ledger.claim(10)
        kinds = [await now.kinds(f"b{number}") for number in range(1, 5)]

    firing = claim.firing
    for name in "AB":
        seen = [one.id for one in (*firing.more[name], firing.events[name])]
        assert seen == [f"{name.lower()}{number}" for number in range(1, 4)]
    assert kinds == [[VerdictKind.FIRED]] * 4


async def test_a_replay_that_somebody_asked_for_waits_for_no_other(tmp_path: Path) -> None:
    async with running(tmp_path, limited(batch={"size": 3, "wait": "1h"})) as now:
        await now.send("a1")
        number = await now.bus.ledger.replay_event("a1", [KEY], "somebody")
        await now.record("a1", lambda record: len(record.verdicts) == 2)
        (claim,) = await now.bus.ledger.claim(10)

    assert claim.firing.replay == number


async def test_what_once_lets_through_gathers(tmp_path: Path) -> None:
    program = limited(once={"key": "{{ .A.sha }}"}, batch={"size": 2, "wait": "1h"})
    async with running(tmp_path, program) as now:
        await now.send("a1", "a2", data={"sha": "x"})
        await now.send("a3", data={"sha": "y"})
        (claim,) = await now.bus.ledger.claim(10)

    assert [one.id for one in claim.firing.every()] == ["a3", "a1"]


# -- the manifest


@pytest.mark.parametrize(
    ("limits", "path", "words"),
    [
        ({"order": {"key": "{{ .Z.repo }}"}}, "order.key", "names no dependency"),
        ({"order": {"key": "{{ .A.repo"}}, "order.key", ""),
        ({"debounce": {"wait": "1s", "key": "same"}}, "debounce.key", "same for every event"),
        ({"order": "key"}, "order", "has none"),
        ({"order": {"key": REPO}, "concurrency": {"key": "{{ .A.sha }}"}}, "concurrency.key", "another key"),
        ({"debounce": "1s", "batch": {"size": 2, "wait": "1s"}}, "debounce", "beside batch"),
        ({"debounce": "1s", "once": {"key": REPO}}, "debounce", "once"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(limits: dict[str, Any], path: str, words: str) -> None:
    (fault,) = faults(**limits)

    assert fault.path == f"spec.triggers[0].{path}"
    assert words in fault.problem
    assert fault.remedy or not words
