"""Several objects in one source of a `k8s` trigger: each a firing of its own, in order, through kills, failures and replays."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from dispatcher.artifact import _Parsed, objects_of, parse_objects
from dispatcher.manifest import check, trigger_model
from dispatcher.naming import FIRING_LABEL
from dispatcher.program import render
from tests.dispatcher.conftest import Engine
from tests.dispatcher.support import World, decided, ended, event, firing, program, until
from tests.emulator.faulty import FaultyProxy
from tests.emulator.fixtures import EmulatorProcess
from tiphys.bus.crashpoints import VARIABLE
from tiphys.bus.firing import Firing, FiringState, TriggerKey
from tiphys.bus.identity import firing_id
from tiphys.bus.ledger import FiringRecord
from tiphys.clients.kube import Kube
from tiphys.emulator.kubeconfig import kubeconfig
from tiphys.errors import TriggerError

THREE = """\
apiVersion: v1
kind: ConfigMap
metadata: {generateName: first-}
data: {value: ""}
---
apiVersion: v1
kind: Secret
metadata: {generateName: second-}
---
apiVersion: v1
kind: ConfigMap
metadata: {generateName: third-}
data: {value: ""}
"""


def source(inline: str = THREE, *parameters: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {"template": {"name": "build", "k8s": {"source": {"inline": inline}, "parameters": list(parameters)}}} | beside


def to(dest: str, key: str = "body.n") -> dict[str, Any]:
    return {"src": {"dependencyName": "dep", "dataKey": key}, "dest": dest}


def document(first: Firing, number: int) -> Firing:
    """The firing of a later object of the same source."""
    ids = {name: seen.id for name, seen in first.events.items()}
    return Firing(firing_id(*first.key, ids, replay=first.replay, document=number), first.key, first.events, document=number)


async def done(engine: Engine, one: Firing, state: FiringState = FiringState.SUCCEEDED) -> FiringRecord:
    """The record of a firing that is still to come, once it has ended."""
    await until(lambda: one.id in {number for number, _ in engine.seen.outcomes})
    return await ended(engine.bus.ledger, one, state)


def faults(entry: dict[str, Any]) -> list[str]:
    return [str(fault) for fault in check(trigger_model().model_validate(entry), frozenset({"dep"}))]


@pytest.fixture
def key(namespace: str) -> TriggerKey:
    return TriggerKey(namespace, "ci", "build")


async def names(kube: Kube, namespace: str) -> list[str]:
    found = [await kube.list("v1", kind, namespace) for kind in ("ConfigMap", "Secret")]
    return sorted(item["metadata"]["name"] for listing in found for item in listing.items)


async def test_each_object_of_a_source_is_made_by_a_firing_of_its_own_in_order(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    engine.dispatcher.set_trigger(key, program(source(THREE, to("2.data.value"), to("0.data.value")), engine.world, key))

    (first,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: len(engine.seen.outcomes) == 3)
    firings = [first, document(first, 1), document(first, 2)]

    assert [number for number, _ in engine.seen.outcomes] == [one.id for one in firings]
    assert await names(kube, key.namespace) == sorted(
        [f"first-{firings[0].id}", f"second-{firings[1].id}", f"third-{firings[2].id}"]
    )
    third = await kube.get("v1", "ConfigMap", f"third-{firings[2].id}", key.namespace)
    assert third is not None
    assert third["data"] == {"value": "1"}
    assert third["metadata"]["labels"][FIRING_LABEL] == firings[2].id


@pytest.mark.parametrize(
    "crash",
    [
        "begin:before-commit",
        "begin:after-commit",
        "execute:before",
        "execute:after",
        "resolve:before-commit",
        "resolve:after-commit",
    ],
)
async def test_a_kill_at_any_step_of_the_second_object_neither_repeats_nor_loses_one(
    crash: str, shared_emulator: EmulatorProcess, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    config = tmp_path / "child"
    config.write_text(kubeconfig(shared_emulator.url, shared_emulator.token))
    arguments = ["-m", "tests.dispatcher.document_child", str(tmp_path / "killed"), str(config), namespace, json.dumps(source())]

    async def run(**more: str) -> int:
        child = await asyncio.create_subprocess_exec(sys.executable, *arguments, env={**os.environ, **more})
        async with asyncio.timeout(60):
            return await child.wait()

    assert await run(**{VARIABLE: f"{crash}:2"}) == -9
    assert await run() == 0

    made = await names(kube, namespace)
    assert [name.partition("-")[0] for name in made] == ["first", "second", "third"]


async def test_a_lost_answer_for_one_object_is_looked_up_and_the_next_one_follows(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    api.cut_answer(when=lambda request: request.method == "POST" and "secrets" in request.path)
    engine.dispatcher.set_trigger(key, program(source(retryStrategy={"steps": 3, "duration": "10ms"}), engine.world, key))

    (first,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: len(engine.seen.outcomes) == 4)

    assert [outcome.reason for _, outcome in engine.seen.outcomes] == ["", "OutcomeUnknown", "Found", ""]
    assert len(await names(kube, key.namespace)) == 3
    assert (await done(engine, document(first, 2))).attempts == 1


async def test_an_object_that_is_a_dead_letter_holds_the_later_ones_back_until_it_is_replayed(
    engine: Engine, kube: Kube, key: TriggerKey
) -> None:
    taken = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "second"}}
    await kube.create(taken, namespace=key.namespace)
    text = THREE.replace("generateName: second-", "name: second")
    letter = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "letter-"}}
    dlq = {"template": {"name": "bury", "k8s": {"source": {"inline": json.dumps(letter) + "\n---\n" + json.dumps(letter)}}}}
    engine.dispatcher.set_trigger(key, program(source(text, dlqTrigger=dlq), engine.world, key))

    (first,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: len(engine.seen.outcomes) == 4)
    dead = await done(engine, document(first, 1), FiringState.DEAD)

    assert [name.partition("-")[0] for name in await names(kube, key.namespace)] == ["first", "letter", "letter", "second"]

    await kube.delete("v1", "Secret", "second", key.namespace)
    again = await engine.bus.ledger.replay_firing(dead.firing.id, "somebody")
    await done(engine, document(again, 2))

    assert [name.partition("-")[0] for name in await names(kube, key.namespace)][-2:] == ["second", "third"]


async def test_an_object_that_somebody_else_made_is_passed_over_with_on_conflict_skip(
    engine: Engine, kube: Kube, key: TriggerKey
) -> None:
    await kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "second"}}, namespace=key.namespace)
    text = THREE.replace("generateName: second-", "name: second")
    engine.dispatcher.set_trigger(key, program(source(text, onConflict="skip"), engine.world, key))

    (first,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await done(engine, document(first, 2))

    assert len(await names(kube, key.namespace)) == 3


async def test_objects_are_deleted_one_by_one_as_well(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    text = THREE.replace("generateName", "name")
    for kind, name in (("ConfigMap", "first-"), ("Secret", "second-"), ("ConfigMap", "third-")):
        await kube.create({"apiVersion": "v1", "kind": kind, "metadata": {"name": name[:-1]}}, namespace=key.namespace)
    template = {"name": "build", "k8s": {"operation": "delete", "source": {"inline": text.replace("-}", "}")}}}
    engine.dispatcher.set_trigger(key, program({"template": template}, engine.world, key))

    (first,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await done(engine, document(first, 2))

    assert await names(kube, key.namespace) == []


async def test_a_parameter_that_cannot_be_set_in_a_later_object_makes_none_at_all() -> None:
    made = program(source(THREE, to("2.data.value", "body.missing")), World())

    with pytest.raises(TriggerError, match="missing"):
        await render(made, {"dep": event()}, firing())


async def test_an_object_that_is_no_longer_in_the_source_is_said_so() -> None:
    with pytest.raises(TriggerError, match="holds 3 objects now"):
        await render(program(source(), World()), {"dep": event()}, firing(document=3))


@pytest.mark.parametrize("dest", ["data.value", "3.data.value", "-1.data.value", "01.data.value", "#.data.value"])
def test_a_parameter_says_which_of_several_objects_it_is_for(dest: str) -> None:
    (fault,) = faults(source(THREE, to(dest)))

    assert fault.startswith("template.k8s.parameters[0].dest: names none of the 3 objects")


def test_what_an_object_lacks_is_said_with_its_number_unless_a_parameter_sets_it() -> None:
    text = THREE.replace("{generateName: second-}", "{}")

    (fault,) = faults(source(text))
    assert fault.startswith("template.k8s.source.inline[1].metadata: has no name")
    assert len(faults(source(text, to("0.metadata.name")))) == 1
    assert faults(source(text, to("1.metadata.name"))) == []
    assert faults(source(text, to("1"))) == []


def test_items_of_a_list_are_objects_of_the_source() -> None:
    items = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}, {"kind": "Secret", "metadata": {"name": "b"}}]

    (fault,) = faults(source(json.dumps({"apiVersion": "v1", "kind": "List", "items": items})))

    assert fault.startswith("template.k8s.source.inline[1].apiVersion: is missing")


def test_a_source_has_a_bound() -> None:
    text = "---\n".join(f"apiVersion: v1\nkind: A\nmetadata: {{name: a{number}}}\n" for number in range(101))

    (fault,) = faults(source(text))

    assert "holds 101 objects; put at most 100" in fault


def test_the_operations_of_argo_workflow_are_about_one_object() -> None:
    (fault,) = faults({"template": {"name": "build", "argoWorkflow": {"operation": "submit", "source": {"inline": THREE}}}})

    assert fault.startswith("template.argoWorkflow.source.inline: holds 3 objects")


async def test_a_long_text_is_parsed_off_the_loop_and_once() -> None:
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: long}}\ndata: {{v: {'x' * 100_000!r}}}\n"

    first = await objects_of(text, "here")
    again = await objects_of(text, "here")

    assert first is again
    assert parse_objects(text)[0] is first


def test_what_texts_hold_is_kept_while_there_is_room() -> None:
    kept = _Parsed(10)
    for text in ("aaaa", "bbbb", "cccc"):
        kept.put(text, ((text.encode(),), ()))

    assert kept.get("aaaa") is None
    assert kept.get("bbbb") == ((b"bbbb",), ())
    kept.put("dddd", ((), ()))
    assert (kept.get("cccc"), kept.get("bbbb")) == (None, ((b"bbbb",), ()))
    kept.put("x" * 11, ((), ()))
    assert kept.get("x" * 11) is None
