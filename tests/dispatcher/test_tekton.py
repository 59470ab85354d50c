"""The `tekton` trigger: the run that is made, what is checked before it is, and how an API server takes it."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.manifest import check, trigger_model
from dispatcher.pipelines import DeclaredRun, declared_run
from dispatcher.program import TriggerProgram, render
from dispatcher.trigger import Declared
from dispatcher.triggers.tekton import TektonSpec
from tests.dispatcher.conftest import Engine
from tests.dispatcher.support import World, decided, ended, event, firing, program, until
from tiphys.bus.firing import FiringState, TriggerKey
from tiphys.clients.kube import Kube
from tiphys.errors import TriggerError
from tiphys.schema.model import unknown_fields

PIPELINE: dict[str, Any] = {
    "apiVersion": "tekton.dev/v1",
    "kind": "Pipeline",
    "metadata": {"name": "build"},
    "spec": {
        "params": [
            {"name": "revision"},
            {"name": "branch", "type": "string", "default": "main"},
            {"name": "level", "default": "low", "enum": ["low", "high"]},
            {"name": "platforms", "type": "array", "default": ["linux/amd64"]},
            {"name": "image", "type": "object", "properties": {"name": {}, "tag": {}}, "default": {"tag": "latest"}},
        ],
        "workspaces": [{"name": "source"}, {"name": "cache", "optional": True}],
        "tasks": [],
    },
}
SOURCE = {"source": {"emptyDir": {}}}


class Known:
    """What the roof knows."""

    def declared(self, namespace: str, name: str, cluster_scope: bool) -> Declared | None:
        return None

    def declared_run(self, kind: str, namespace: str, name: str) -> DeclaredRun | None:
        return declared_run(PIPELINE) if (kind, name) == ("Pipeline", "build") else None


def entry(params: dict[str, Any] | None = None, **tekton: Any) -> dict[str, Any]:
    body = {"pipelineRef": {"name": "build"}, "params": params or {}, "workspaces": SOURCE} | tekton
    return {"template": {"name": "build", "tekton": {key: value for key, value in body.items() if value is not None}}}


def short(params: dict[str, Any] | None = None, world: World | None = None, **tekton: Any) -> TriggerProgram:
    return program(entry(params, **tekton), world or World())


async def sent(made: TriggerProgram, payload: Any = None) -> Any:
    """The run as it would be sent."""
    return (await render(made, {"dep": event(payload)}, firing())).preview


def faults(tekton: dict[str, Any], known: Known | None = None) -> list[str]:
    found = check(trigger_model().model_validate(tekton), frozenset({"dep"}), "argo", known)
    return [str(one).removeprefix("template.tekton.") for one in found]


def refused(tekton: dict[str, Any]) -> str:
    with pytest.raises(ValueError, match=r".+") as error:
        trigger_model().model_validate(tekton)
    return str(error.value)


async def test_a_pipeline_is_run_with_params_from_the_event_and_workspaces() -> None:
    made = short(
        {"revision": "{{ .dep.body.after }}", "branch": {"from": "dep", "path": "body.ref", "pattern": "git-ref"}, "retries": 3},
        serviceAccountName="builder",
        timeout="1h",
        labels={"team": "blue"},
    )

    run = await sent(made, {"body": {"after": "9f1c2d", "ref": "refs/heads/main"}})

    assert (run["apiVersion"], run["kind"]) == ("tekton.dev/v1", "PipelineRun")
    assert run["metadata"]["generateName"] == "build-"
    assert run["metadata"]["name"] == f"build-{firing().id}"
    assert run["metadata"]["labels"]["team"] == "blue"
    assert run["spec"] == {
        "pipelineRef": {"name": "build"},
        "params": [
            {"name": "revision", "value": "9f1c2d"},
            {"name": "branch", "value": "refs/heads/main"},
            {"name": "retries", "value": "3"},
        ],
        "workspaces": [{"name": "source", "emptyDir": {}}],
        "taskRunTemplate": {"serviceAccountName": "builder"},
        "timeouts": {"pipeline": "1h"},
    }


async def test_a_task_is_run_as_well() -> None:
    made = short(
        {"a": "b"}, pipelineRef=None, taskRef={"name": "test"}, workspaces=None, serviceAccountName="builder", timeout="5m"
    )

    run = await sent(made)

    assert run["kind"] == "TaskRun"
    assert run["spec"] == {
        "taskRef": {"name": "test", "kind": "Task"},
        "params": [{"name": "a", "value": "b"}],
        "serviceAccountName": "builder",
        "timeout": "5m",
    }


async def test_params_may_be_lists_and_objects() -> None:
    made = short(
        {"platforms": ["linux/amd64", "{{ .dep.body.arch }}"], "image": {"object": {"name": {"from": "dep", "path": "body.name"}}}}
    )

    run = await sent(made, {"body": {"arch": "linux/arm64", "name": "shop"}})

    assert run["spec"]["params"] == [
        {"name": "platforms", "value": ["linux/amd64", "linux/arm64"]},
        {"name": "image", "value": {"name": "shop"}},
    ]


async def test_a_resolver_fetches_what_is_run_at_the_commit_of_the_event() -> None:
    ref = {"resolver": "git", "params": {"url": "https://host/x.git", "revision": "{{ .dep.body.after }}", "pathInRepo": "p.yaml"}}

    run = await sent(short(pipelineRef=ref, generateName="shop-"))

    assert run["spec"]["pipelineRef"] == {
        "resolver": "git",
        "params": [
            {"name": "url", "value": "https://host/x.git"},
            {"name": "revision", "value": "9f1c2d"},
            {"name": "pathInRepo", "value": "p.yaml"},
        ],
    }


async def test_newlines_quotes_and_dollars_of_an_event_stay_a_value() -> None:
    text = 'a"b\\c\n$(params.x) {{y}}'

    run = await sent(short({"revision": {"from": "dep", "path": "body.t"}}), {"body": {"t": text}})

    assert run["spec"]["params"] == [{"name": "revision", "value": text}]


# -- at load


@pytest.mark.parametrize(
    ("tekton", "said"),
    [
        ({"pipelineRef": None}, "must name one thing to run"),
        ({"taskRef": {"name": "a"}}, "must name one thing to run"),
        ({"pipelineRef": {}}, "must have either name or resolver"),
        ({"pipelineRef": {"name": "a", "resolver": "git"}}, "must have either name or resolver"),
        ({"pipelineRef": {"name": "a", "params": {"b": "c"}}}, "params, which are for a resolver"),
        ({"pipelineRef": {"resolver": "git"}}, "needs generateName"),
        ({"timeout": "soon"}, "no duration"),
        ({"params": {"a": None, "b": [None]}}, "must be a text"),
        ({"params": {"a": [["b"]]}}, "must be a text"),
    ],
)
def test_what_says_nothing_sensible_is_refused(tekton: dict[str, Any], said: str) -> None:
    assert said in refused(entry(**tekton))


@pytest.mark.parametrize(
    ("tekton", "path"),
    [
        ({"params": {"a": "{{ .push.x }}"}}, "params.a"),
        ({"params": {"a": "{{ .dep.x"}}, "params.a"),
        ({"params": {"a": ["x", {"from": "push", "path": "y"}]}}, "params.a[1].from"),
        ({"params": {"a": {"object": {"b": {"from": "dep", "path": "y", "pattern": "("}}}}}, "params.a.object.b.pattern"),
        ({"workspaces": {"source": {}}}, "workspaces.source"),
        ({"workspaces": {"source": {"emptyDir": {}, "secret": {"secretName": "a"}}}}, "workspaces.source"),
        ({"workspaces": {"source": {"name": "x", "emptyDir": {}}}}, "workspaces.source.name"),
    ],
)
def test_what_cannot_be_right_is_refused_with_its_path(tekton: dict[str, Any], path: str) -> None:
    assert [one.partition(":")[0] for one in faults(entry(**tekton))] == [path]


def test_a_field_that_nobody_knows_is_found_in_every_form_of_a_param() -> None:
    params = {
        "single": {"from": "dep", "pth": "x"},
        "list": [{"from": "dep", "path": "x", "defalt": "y"}],
        "object": {"object": {"a": {"value": "x", "patern": "y"}}},
        "good": {"from": "dep", "path": "x", "default": "y", "pattern": "word"},
    }

    found = unknown_fields(TektonSpec, {"pipelineRef": {"name": "build"}, "params": params})

    assert [(one.path, one.nearest) for one in found] == [
        ("params.single.pth", "path"),
        ("params.list[0].defalt", "default"),
        ("params.object.object.a.patern", "pattern"),
    ]


def test_params_and_workspaces_are_held_against_what_the_pipeline_declares() -> None:
    known = Known()

    assert faults(entry({"revision": "a"}), known) == []
    assert faults(entry({"revision": "a"}, pipelineRef={"name": "other"}), known) == []
    assert [one.partition(":")[0] for one in faults(entry({"revison": "a"}), known)] == ["params.revison", "params.revision"]
    wrong = faults(entry({"revision": "a"}, workspaces={"sources": {"emptyDir": {}}}), known)
    assert [one.partition(":")[0] for one in wrong] == ["workspaces.sources", "workspaces.source"]
    assert "it declares cache, source" in wrong[0]


# -- at the server


@pytest.fixture
def key(namespace: str) -> TriggerKey:
    return TriggerKey(namespace, "ci", "build")


@pytest.fixture
async def world(kube: Kube, namespace: str) -> World:
    await kube.create(PIPELINE, namespace=namespace)
    return World(kube)


async def made_of(params: dict[str, Any], world: World, key: TriggerKey, payload: Any = None, **tekton: Any) -> Any:
    made = program(entry({"revision": "a"} | params, **tekton), world, key)
    run = (await render(made, {"dep": event(payload)}, firing(key))).preview
    return {one["name"]: one["value"] for one in run["spec"]["params"]}


async def test_the_text_of_a_list_is_a_list_where_that_is_declared(world: World, key: TriggerKey) -> None:
    params = {"platforms": {"from": "dep", "path": "body.archs"}, "image": {"from": "dep", "path": "body.image"}}

    found = await made_of(params, world, key, {"body": {"archs": ["a", 1], "image": {"name": "shop", "tag": 7}}})

    assert found["platforms"] == ["a", "1"]
    assert found["image"] == {"name": "shop", "tag": "7"}


@pytest.mark.parametrize(
    ("params", "reason", "transient", "said"),
    [
        ({"nope": "a"}, "ArgumentsDisagree", True, "params.nope is not declared by Pipeline build"),
        ({"branch": ["a"]}, "ArgumentsDisagree", True, "params.branch is of the type array, and string is declared"),
        ({"platforms": "a"}, "ArgumentRefused", False, "params.platforms: 'a' is no JSON list"),
        ({"platforms": {"object": {"a": "b"}}}, "ArgumentsDisagree", True, "is of the type object"),
        ({"image": "[]"}, "ArgumentRefused", False, "is no JSON object"),
        ({"image": {"object": {"tag": "b"}}}, "ArgumentsDisagree", True, "params.image lacks name"),
        ({"level": "medium"}, "ArgumentRefused", False, "'medium' is not one of 'low', 'high'"),
    ],
)
async def test_what_the_pipeline_does_not_take_makes_no_run(
    params: dict[str, Any], reason: str, transient: bool, said: str, world: World, key: TriggerKey
) -> None:
    with pytest.raises(TriggerError) as error:
        await made_of(params, world, key)

    assert (error.value.reason, error.value.transient) == (reason, transient)
    assert said in str(error.value)


async def test_a_firing_becomes_one_run_and_a_missing_pipeline_is_waited_for(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    strategy = {"retryStrategy": {"steps": 50, "duration": "50ms", "factor": 1}}
    engine.dispatcher.set_trigger(key, program(entry({"revision": "{{ .dep.body.n }}"}) | strategy, engine.world, key))
    (one,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: bool(engine.seen.outcomes))

    await kube.create(PIPELINE, namespace=key.namespace)
    record = await ended(engine.bus.ledger, one, FiringState.SUCCEEDED)

    assert "there is no such Pipeline" in record.history[0].outcome.message
    run = await kube.get("tekton.dev/v1", "PipelineRun", f"build-{one.id}", key.namespace)
    assert run is not None
    assert run["spec"]["params"] == [{"name": "revision", "value": "1"}]


async def test_a_pipeline_that_was_changed_is_read_again_before_a_run_is_refused(world: World, kube: Kube, key: TriggerKey) -> None:
    made = program(entry({"revision": "a"}), world, key)
    await render(made, {"dep": event()}, firing(key))
    patch = {"spec": {"params": [{"name": "commit"}]}}
    await kube.patch("tekton.dev/v1", "Pipeline", "build", key.namespace, patch)
    changed = program(entry({"commit": "a"}), world, key)
    changed.trigger({})._pipelines = made.trigger({})._pipelines

    run = (await render(changed, {"dep": event()}, firing(key))).preview

    assert run["spec"]["params"] == [{"name": "commit", "value": "a"}]


def test_parts_of_a_pipeline_that_have_the_wrong_shape_count_as_absent() -> None:
    spec = {"params": [None, {}, {"name": 1}, {"name": "a", "type": 7, "enum": 3}], "workspaces": {"a": 1}}

    found = declared_run({"spec": spec})

    assert list(found.params) == ["a"]
    assert found.params["a"].type == "string"
    assert found.workspaces == {}
    assert declared_run({"spec": []}) == DeclaredRun()
