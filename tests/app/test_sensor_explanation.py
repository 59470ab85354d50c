"""`explain sensor/NAME`: what a sensor waits for, whether that comes at all, and what became of what came."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.tree import Tree

from eventsource.filter import Filtered
from eventsource.health import EntryHealth
from eventsource.source import Address
from tests.app.test_catalog import Parts, running
from tests.sensors.matching import Clock
from tiphys.app.cli.trees import sensor_tree
from tiphys.app.offers import Offers
from tiphys.app.sensor_explanation import Sight, explain_sensor
from tiphys.bus.event import Event
from tiphys.errors import SettingsError, UnknownRecord

SOURCES = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: hooks, namespace: argo}
spec:
  webhook:
    build: {endpoint: /build, port: "12000", method: POST}
    approval: {endpoint: /approval, port: "12000", method: POST}
"""
SENSOR = """\
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: deploy, namespace: argo}
spec:
  dependencies:
  - {name: build, eventSourceName: hooks, eventName: build}
  - {name: approval, eventSourceName: hooks, eventName: approval}
  triggers:
  - template: {name: both, log: {}}
"""


async def explained(parts: Parts, name: str = "deploy", namespace: str = "", last: int = 10, **sight: Any) -> dict[str, Any]:
    seen = Sight(parts.bus.ledger, parts.matcher, lambda: parts.catalog.entries, parts.room.health, **sight)
    return await explain_sensor(seen, name, namespace, last)


async def send(parts: Parts, subject: str, event_id: str, data: bytes = b"{}", source: str = "hooks") -> None:
    await parts.bus.log.publish(Event(event_id, source, "webhook", subject, "argo", data))
    async with asyncio.timeout(10):
        while not (await parts.bus.ledger.event(event_id)).decided:
            await asyncio.sleep(0.005)


def texts(tree: Tree) -> list[str]:
    return [f"{tree.label}", *(text for child in tree.children for text in texts(child))]


async def test_a_trigger_says_what_it_holds_and_what_is_missing_now(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SOURCES)
        await parts.put(SENSOR.replace("name: both", "name: both, within: 1h"))
        await send(parts, "build", "1" * 32)
        shown = await explained(parts)

        (trigger,) = shown["triggers"]
        (group,) = trigger["held"]
        (held,) = group["events"]
        assert (held["dependency"], held["event"], held["until"] > held["arrived"]) == ("build", "1" * 32, True)
        assert (group["missing"], group["completes"]) == (["approval"], ["approval"])
        assert "holds build; the next event of approval fires it" in trigger["state"]
        (event,) = shown["events"]
        nothing, state = shown["findings"]
        assert nothing.startswith("dependency approval: no event of hooks/approval is in the journal; its source is ")
        assert nothing.endswith(f"; the last of hooks was build at {event['stored']}")
        assert state == f"trigger both: {trigger['state']}; its last event: held"
        assert (event["id"], event["verdicts"][0]["since"]) == ("1" * 32, "it is held still, and waits for approval")
        said = texts(sensor_tree(shown))
        for text in (*shown["findings"], "has no approval", "it is held still, and waits for approval"):
            assert text in said


async def test_a_suspended_trigger_says_so_first(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SENSOR.replace("name: both, log: {}}", "name: both, log: {}}\n    suspend: true"))
        shown = await explained(parts, suspended=parts.dispatcher.suspended)

        assert shown["triggers"][0]["suspended"] == "suspended by its manifest"
        assert "trigger both: suspended by its manifest, onResume: " in shown["findings"][-1]


async def test_the_last_events_come_newest_first_with_each_filter_and_no_more_than_asked_for(tmp_path: Path) -> None:
    filtered = SENSOR.replace(
        "eventName: build}", 'eventName: build, filters: {data: [{path: count, type: number, comparator: ">", value: ["5"]}]}}'
    )
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SOURCES)
        await parts.put(filtered)
        for number in range(4):
            await send(parts, "build", f"{number}" * 32, f'{{"count":{number}}}'.encode())
        await send(parts, "build", "a" * 32, source="others")
        shown = await explained(parts, last=2)

        assert [one["id"][0] for one in shown["events"]] == ["3", "2"]
        clause = shown["events"][0]["verdicts"][0]["filters"]["children"][0]["children"][0]
        assert (clause["judgement"], clause["found"]) == ("failed", "'3'")
        assert shown["events"][0]["verdicts"][0]["outcome"] == "filtered"
        assert shown["findings"][-1].endswith("; of its last 2 events: 2 filtered")
        assert sensor_tree(shown).children


async def test_an_event_that_was_held_says_in_which_firing_it_went_or_that_another_took_its_place(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SOURCES)
        await parts.put(SENSOR)
        for subject, event_id in (("build", "1"), ("build", "2"), ("approval", "3")):
            await send(parts, subject, event_id * 32)
        shown = await explained(parts)

        fired, used, replaced = shown["events"]
        (firing,) = fired["firings"]
        assert fired["verdicts"][0]["outcome"] == "fired"
        assert f"in {firing['id']}, completed by approval" in used["verdicts"][0]["since"]
        assert replaced["verdicts"][0]["since"] == "it is held no longer: a later event of build took its place"
        assert firing["id"] in shown["triggers"][0]["state"]


async def test_an_event_that_was_held_and_dropped_says_when_and_why(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SOURCES)
        await parts.put(SENSOR)
        await send(parts, "build", "1" * 32)
        await parts.put(SENSOR.replace("eventName: build}", "eventName: build, filters: {context: {type: webhook}}}"))
        (event,) = (await explained(parts))["events"]
        (loss,) = (await parts.bus.ledger.event("1" * 32)).losses

        since = event["verdicts"][0]["since"]
        assert since.startswith("it was dropped at ")
        assert since.endswith(": the dependency, or when the trigger fires, was changed")
        assert loss.reason == "changed"


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ("", "there is no EventSource 'hooks' in namespace argo"),
        (SOURCES.replace("name: hooks", "name: hoks"), "in namespace argo; did you mean hoks?"),
        (SOURCES.replace("name: hooks", "name: github"), "in namespace argo; github has an event 'build'"),
        (SOURCES.replace("namespace: argo", "namespace: other"), "there is one in other, and a sensor sees only those of its own"),
        (SOURCES.replace("    build:", "    biuld:"), "EventSource hooks has no event 'build'; did you mean biuld?"),
        (SOURCES.replace("    build:", "    push:"), "EventSource hooks has no event 'build'; its events are approval, push"),
        (SOURCES.replace("spec:", "spec:\n  eventBusName: second"), "is on event bus second, and the sensor on default"),
        (SOURCES.replace("method: POST", "method: 5"), "EventSource hooks is refused: m.yaml:"),
    ],
)
async def test_where_nothing_comes_it_says_what_comes_nearest(tmp_path: Path, sources: str, said: str) -> None:
    async with running(tmp_path, grace=60) as parts:
        if sources:
            await parts.put(sources)
        await parts.put(SENSOR)
        shown = await explained(parts)

        assert shown["events"] == []
        assert said in shown["findings"][0]
        assert shown["findings"][0].startswith("dependency build: ")
        assert "no event has concerned it yet" in texts(sensor_tree(shown))


async def test_events_before_the_sensor_are_named_and_how_to_decide_them(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SOURCES)
        await send(parts, "build", "1" * 32)
        await parts.put(SENSOR)
        shown = await explained(parts)

        assert shown["events"] == []
        assert "before the sensor was first accepted" in shown["findings"][0]
        assert f"tiphys replay {'1' * 32}" in shown["findings"][0]


async def test_a_refused_sensor_says_so_whether_an_older_version_runs_or_none(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SENSOR.replace("name: both", "name: both, conditions: nobody"))
        none = await explained(parts)
        await parts.put(SENSOR)
        await parts.put(SENSOR.replace("name: both", "name: both, conditions: nobody"))
        older = await explained(parts)

        assert (none["running"], older["running"]) == (False, True)
        assert none["findings"][0].startswith("it does not run: ")
        assert "its newest version is refused" in older["findings"][0]
        for shown in (none, older):
            assert "nobody" in shown["findings"][0]
            assert shown["findings"][0] in texts(sensor_tree(shown))


async def test_a_name_that_is_not_there_names_those_that_come_near_and_one_that_is_twice_asks_which(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SENSOR)
        with pytest.raises(UnknownRecord, match="did you mean deploy"):
            await explained(parts, "deplyo")
        with pytest.raises(UnknownRecord, match="did you mean argo/deploy"):
            await explained(parts, "deploy", "other")
        await parts.put(SENSOR.replace("namespace: argo", "namespace: other"))
        with pytest.raises(SettingsError, match="argo, other; name one with --namespace"):
            await explained(parts)
        assert (await explained(parts, "deploy", "other"))["namespace"] == "other"


async def test_groups_of_correlate_and_counts_are_told_one_by_one(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SOURCES)
        await parts.put(SENSOR.replace("name: both", "name: both, conditions: count(build) >= 3 && approval, correlate: sha"))
        await send(parts, "build", "1" * 32, b'{"sha":"x"}')
        await send(parts, "approval", "2" * 32, b'{"sha":"y"}')
        (trigger,) = (await explained(parts))["triggers"]

        assert [(one["join"], one["missing"], one["counts"]) for one in trigger["held"]] == [
            ("x", ["approval"], ["count(build) is 1"]),
            ("y", ["build"], ["count(build) is 0"]),
        ]
        assert "holds events for 2 values of correlate" in trigger["state"]


# -- threads of users who asked why it did not fire


async def test_argo_events_383_a_condition_with_an_unknown_name_is_why_the_sensor_does_not_run(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SENSOR.replace("name: both", 'name: both, conditions: "build && aproval"'))
        (finding,) = (await explained(parts))["findings"]

        for said in ("it does not run", "spec.triggers[0].template.conditions", "aproval", "approval"):
            assert said in finding


async def test_argo_events_1381_what_waited_since_yesterday_says_that_the_reset_dropped_it_and_when_the_next_one_comes(
    tmp_path: Path,
) -> None:
    text = SENSOR.replace("name: both", "name: both, conditionsReset: [{byTime: {cron: 0 22 * * *, timezone: Europe/Berlin}}]")
    clock = Clock(datetime(2026, 1, 12, 7, tzinfo=UTC).timestamp())
    async with running(tmp_path, grace=60, clock=clock) as parts:
        await parts.put(SOURCES)
        await parts.put(text)
        await send(parts, "build", "1" * 32)
        (trigger,) = (await explained(parts, clock=clock))["triggers"]
        assert trigger["reset"] == "2026-01-12T21:00:00.000Z"

        clock.now += 86400
        await send(parts, "approval", "2" * 32)
        shown = await explained(parts, clock=clock)
        newest, older = shown["events"]
        assert newest["verdicts"][0]["since"] == "it is held still, and waits for build"
        assert older["verdicts"][0]["since"] == "it was dropped at 2026-01-13T07:00:00.000Z: of conditionsReset"
        assert "holds approval; the next event of build fires it" in shown["triggers"][0]["state"]


async def test_argo_events_3403_a_filter_of_the_eventsource_that_drops_every_request_is_named() -> None:
    dropped = Filtered(discarded=4, verdict='false: header["X-Codeup-Token"] is a list, and "tok-7" a text', at=5.0)
    health = EntryHealth(Address("argo", "hooks", "forge"), "webhook", "well", "", 0.0, 0, dropped)

    (problem,) = Offers([health], []).problems("argo", "default", "hooks", "forge")

    assert problem.startswith("the EventSource's own filter has kept back 4, the last: false: ")
