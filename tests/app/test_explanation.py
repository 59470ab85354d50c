"""`explain`: each filter with what it found, and, where nobody was concerned, what comes nearest."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from rich.tree import Tree

from tests.app.test_catalog import SENSOR, Parts, running
from tiphys.app.cli.trees import explanation_tree
from tiphys.app.explanation import explain
from tiphys.bus.event import Event
from tiphys.bus.ledger import Decision, Verdict, VerdictKind

FILTERED = SENSOR.replace(
    "eventName: a}", 'eventName: a, filters: {data: [{path: body.n, type: number, comparator: ">", value: ["10"]}]}}'
).replace("name: both", "name: both, conditions: a")


async def explained(parts: Parts, event: Event) -> dict[str, Any]:
    await parts.bus.log.publish(event)
    async with asyncio.timeout(10):
        while not (await parts.bus.ledger.event(event.id)).decided:
            await asyncio.sleep(0.005)
    return await explain(parts.bus.ledger, event.id)


def event(data: bytes = b"{}", **changes: str) -> Event:
    values = {"id": "e" * 32, "source": "src", "type": "webhook", "subject": "a", "namespace": "argo"} | changes
    return Event(data=data, **values)


async def test_a_filter_shows_what_it_asked_what_it_found_and_how_it_judged(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(FILTERED)
        shown = await explained(parts, event(b'{"body":{"n":7}}'))
        verdict = shown["verdicts"][0]
        assert (verdict["sensor"], verdict["trigger"], verdict["outcome"]) == ("ci", "both", "filtered")
        clause = verdict["filters"]["children"][0]["children"][0]
        assert (clause["judgement"], clause["found"]) == ("failed", "'7'")
        assert shown["data"] == {"body": {"n": 7}}
        assert explanation_tree(shown).children


async def test_what_was_decided_is_explained_by_the_revision_that_decided(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(FILTERED)
        await explained(parts, event(b'{"body":{"n":7}}'))
        await parts.put(FILTERED.replace('value: ["10"]', 'value: ["5"]'))
        shown = await explain(parts.bus.ledger, "e" * 12)
        assert "'10'" in shown["verdicts"][0]["filters"]["children"][0]["children"][0]["asked"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"namespace": "other"}, "listens in namespace argo, the event is in other"),
        ({"bus": "second"}, "listens on event bus default, the event is on second"),
        ({"subject": "c"}, "listens to event 'a', this one is 'c'"),
        ({"source": "nobody"}, "no sensor has a dependency with eventSourceName 'nobody'"),
    ],
)
async def test_an_event_that_concerned_nobody_says_what_comes_nearest(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SENSOR)
        assert said in (await explained(parts, event(**changes)))["why"]


async def test_an_event_older_than_its_sensor_says_so_and_how_to_decide_it_again(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await explained(parts, event())
        await parts.put(SENSOR)
        shown = await explain(parts.bus.ledger, "e" * 32)
        assert f"tiphys replay {'e' * 32}" in shown["why"]


@pytest.mark.parametrize(
    ("data", "outcome", "said"),
    [
        (b'{"sha":"9f1c2d"}', "held", "correlated by 9f1c2d"),
        (b'{"sha":["9f1c2d"]}', "errored", "there is a list at sha, and events are correlated by a text or a number there"),
    ],
)
async def test_an_event_of_a_correlated_trigger_says_by_which_value_or_why_by_none(
    tmp_path: Path, data: bytes, outcome: str, said: str
) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SENSOR.replace("name: both", "name: both, correlate: sha"))
        shown = await explained(parts, event(data))
        assert [(verdict["outcome"], verdict["join"]) for verdict in shown["verdicts"]] == [(outcome, said)]
        assert explanation_tree(shown).children


def texts(tree: Tree) -> list[str]:
    return [f"{tree.label}", *(text for child in tree.children for text in texts(child))]


async def test_a_key_of_once_that_has_fired_names_the_firing_and_one_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    once = "{template: {name: both, conditions: a, log: {}}, once: {key: '{{ .a.sha }}', for: 1h}}"
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SENSOR.replace("- template: {name: both, log: {}}", f"- {once}"))
        first = await explained(parts, event(b'{"sha":"9f1c2d"}', id="1" * 32))
        second = await explained(parts, event(b'{"sha":"9f1c2d","again":true}', id="2" * 32))
        third = await explained(parts, event(b"{}", id="3" * 32))

        assert [shown["verdicts"][0]["outcome"] for shown in (first, second, third)] == ["fired", "once", "errored"]
        earlier = first["firings"][0]["id"]
        assert second["verdicts"][0]["why"] == f"what has this key of once has fired already: {earlier}"
        assert "sha" in third["verdicts"][0]["why"]
        for shown in (second, third):
            assert shown["verdicts"][0]["why"] in texts(explanation_tree(shown))


@pytest.mark.parametrize("limit", ["order: {key: '{{ .a.sha }}'}", "debounce: {wait: 1h, key: '{{ .a.sha }}'}"])
async def test_a_key_that_tells_firings_apart_and_cannot_be_made_says_why(tmp_path: Path, limit: str) -> None:
    trigger = f"{{template: {{name: both, conditions: a, log: {{}}}}, {limit}}}"
    async with running(tmp_path, grace=60) as parts:
        await parts.put(SENSOR.replace("- template: {name: both, log: {}}", f"- {trigger}"))
        shown = await explained(parts, event(b'{"ref":"main"}'))
        assert shown["verdicts"][0]["outcome"] == "errored"
        assert "order, concurrency, debounce or batch cannot be made" in shown["verdicts"][0]["why"]
        assert "sha" in shown["verdicts"][0]["why"]


async def test_what_the_process_ended_at_is_not_run_again_to_be_explained(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(FILTERED)
        decided = await explained(parts, event(b'{"body":{"n":7}}'))
        aside = Verdict(decided["verdicts"][0]["revision"], 0, 0, VerdictKind.SET_ASIDE)
        await parts.bus.ledger.settle(1, 0, [Decision("e" * 32, decided["position"], (aside,))])

        verdict = (await explain(parts.bus.ledger, "e" * 32))["verdicts"][-1]
        assert verdict["outcome"] == "set_aside"
        assert "not run again" in verdict["why"]
        assert "filters" not in verdict


TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: ci, namespace: argo}
spec:
  entrypoint: main
  arguments: {parameters: [{name: level, enum: [low, high]}]}
  templates: [{name: main}]
"""
SHORT = SENSOR.replace("log: {}", "workflow: {templateRef: {name: ci}, arguments: {level: '{{ .a.level }}'}}")


async def test_a_refused_argument_is_in_the_verdict_with_its_value_and_how_to_decide_it_again(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(TEMPLATE)
        await parts.put(SHORT)
        await explained(parts, event(b'{"level":"middle"}', id="1" * 32))
        shown = await explained(parts, event(subject="b", id="2" * 32))

        (verdict,) = shown["verdicts"]
        assert (verdict["outcome"], shown["firings"], shown["outcomes"]) == ("refused", [], {"refused": 1})
        for said in ("ArgumentRefused", "'level'", "'middle'", "'low', 'high'"):
            assert said in verdict["why"]
        assert verdict["events"] == {"a": "1" * 32, "b": "2" * 32}
        assert f"tiphys replay {'2' * 32} --trigger ci/both" in verdict["remedy"]
        for text in (verdict["why"], verdict["remedy"], f"with b {'2' * 32}, a {'1' * 32}"):
            assert text in texts(explanation_tree(shown))


async def test_what_was_refused_for_its_template_is_decided_again_when_that_is_corrected(tmp_path: Path) -> None:
    async with running(tmp_path, grace=60) as parts:
        await parts.put(TEMPLATE)
        await parts.put(SHORT.replace("name: both", "name: both, conditions: a"))
        await parts.put(TEMPLATE.replace("name: level", "name: grade"))
        shown = await explained(parts, event(b'{"level":"low"}'))
        assert "is no argument of WorkflowTemplate ci" in shown["verdicts"][0]["why"]

        # another template that does not help is no reason to decide again
        await parts.put(TEMPLATE.replace("name: level", "name: rank"))
        assert await parts.bus.ledger.replays() == []
        await parts.put(TEMPLATE)
        async with asyncio.timeout(10):
            while not (await parts.bus.ledger.firings()):
                await asyncio.sleep(0.005)
        shown = await explain(parts.bus.ledger, "e" * 32)
        assert [verdict["outcome"] for verdict in shown["verdicts"]] == ["refused", "fired"]
        assert shown["firings"][0]["actor"] == "Tiphys: a template was changed"


async def test_argo_events_2076_a_mistyped_path_is_refused_with_its_place_and_shows_nothing_else_of_the_event(
    tmp_path: Path,
) -> None:
    text = SENSOR.replace(
        "log: {}", "conditions: a, workflow: {templateRef: {name: ci}, arguments: {revision: {from: a, path: body.afer}}}"
    )
    data = b'{"header":{"X-Request-Token":["t0ps3cret"]},"body":{"after":"9f1c2d"}}'
    async with running(tmp_path, grace=60) as parts:
        await parts.put(text)
        (verdict,) = (await explained(parts, event(data)))["verdicts"]

        assert verdict["outcome"] == "refused"
        assert "argument 'revision': there is no body.afer in the event of dependency 'a'" in verdict["why"]
        assert "t0ps3cret" not in verdict["why"]
        assert await parts.bus.ledger.firings() == []
