"""The `k8s` trigger: what would be sent (pure), and how an API server takes it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from dispatcher.program import TriggerProgram, render
from tests.dispatcher.conftest import Engine
from tests.dispatcher.support import World, creates, decided, ended, event, firing, program, until
from tests.emulator.faulty import FaultyProxy
from tiphys.bus.firing import FiringState, TriggerKey
from tiphys.clients.kube import Kube
from tiphys.errors import TriggerError

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "note-"}}


def parameter(dest: str, **src: Any) -> dict[str, Any]:
    return {"src": {"dependencyName": "dep"} | src, "dest": dest}


def k8s(source: dict[str, Any], *parameters: dict[str, Any], **beside: Any) -> TriggerProgram:
    template = {"name": "build", "k8s": {"operation": "create", "source": source, "parameters": list(parameters)}}
    return program({"template": template} | beside, World())


async def sent(made: TriggerProgram, payload: Any = None) -> Any:
    """The object as it would be sent."""
    return (await render(made, {"dep": event(payload)}, firing())).preview


async def test_argo_events_3897_a_number_stays_a_number_with_raw_data_and_becomes_text_without() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "fanout-"}, "spec": {"completions": 1}}
    made = k8s(
        {"resource": job},
        parameter("spec.parallelism", dataKey="body.workers", useRawData=True),
        parameter("metadata.annotations.workers", dataKey="body.workers"),
    )

    obj = await sent(made, {"body": {"workers": 4}})

    assert orjson.dumps(obj["spec"]["parallelism"]) == b"4"
    assert obj["metadata"]["annotations"]["workers"] == "4"
    assert (await sent(made, {"body": {"workers": "4"}}))["spec"]["parallelism"] == "4"


async def test_argo_events_3897_a_template_gives_text_even_with_raw_data() -> None:
    made = k8s({"resource": CONFIG_MAP}, parameter("data.n", dataTemplate="{{ .Input.body.workers }}", useRawData=True))

    assert (await sent(made, {"body": {"workers": 4}}))["data"]["n"] == "4"


async def test_tektoncd_triggers_942_newlines_quotes_and_braces_survive_character_for_character() -> None:
    message = 'Revert "fix: a\\b"\n\n- item: {{x}} # $(y)\n\ttab'
    inline = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: note-\ndata: {message: "", doc: "", both: "log: "}\n'
    both = parameter("data.both", dataTemplate="{{ .Input.body.message }}") | {"operation": "append"}
    made = k8s(
        {"inline": inline}, parameter("data.message", dataKey="body.message"), parameter("data.doc", dataKey="body.doc"), both
    )

    obj = await sent(made, {"body": {"message": message, "doc": {"kind": "para", "lines": "a\nb"}}})

    assert obj["data"]["message"] == message
    assert obj["data"]["both"] == f"log: {message}"
    assert orjson.loads(obj["data"]["doc"]) == {"kind": "para", "lines": "a\nb"}


async def test_argo_events_2076_a_mistyped_key_is_an_error_that_names_it_and_shows_no_value() -> None:
    made = k8s({"resource": CONFIG_MAP}, parameter("data.revision", dataKey="body.afer"))

    with pytest.raises(TriggerError, match=r"dep.*body\.afer") as refused:
        await sent(made, {"body": {"after": "9f1c2d", "token": "t0ps3cret"}})

    assert "t0ps3cret" not in str(refused.value)


async def test_argo_events_2796_a_dest_that_matches_nothing_is_a_warning_on_record() -> None:
    workflow = CONFIG_MAP | {"spec": {"arguments": {"parameters": [{"name": "rev", "value": "main"}]}}}
    made = k8s({"resource": workflow}, parameter('spec.arguments.parameters.#(name=="gitsha").value', dataKey="body.after"))

    request = await render(made, {"dep": event()}, firing())

    assert "gitsha" in request.warnings[0]
    assert request.preview["spec"] == workflow["spec"]


async def test_an_object_without_a_namespace_gets_the_sensor_s_and_one_with_its_own_keeps_it() -> None:
    assert (await sent(k8s({"resource": CONFIG_MAP})))["metadata"]["namespace"] == "argo"
    elsewhere = CONFIG_MAP | {"metadata": {"name": "a", "namespace": "other"}}
    assert (await sent(k8s({"resource": elsewhere})))["metadata"]["namespace"] == "other"


async def test_argo_events_1219_an_object_outside_of_namespaces_is_sent_without_one() -> None:
    made = k8s({"resource": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "namespace": "ignored"}}})

    request = await render(made, {"dep": event()}, firing())

    assert "namespace" not in request.preview["metadata"]
    assert request.target.namespace == ""


async def test_labels_of_the_object_are_kept_beside_ours_and_null_ones_go() -> None:
    labelled = CONFIG_MAP | {"metadata": {"name": "a", "labels": {"team": "blue", "gone": None, "tiphys.dev/firing": "forged"}}}

    assert (await sent(k8s({"resource": labelled})))["metadata"]["labels"] == {
        "team": "blue",
        "events.argoproj.io/sensor": "ci",
        "events.argoproj.io/trigger": "build",
        "tiphys.dev/firing": firing().id,
    }


async def test_integers_keep_all_their_digits_unlike_in_argo_events() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nbig: 9007199254740993\n"

    assert (await sent(k8s({"inline": text})))["big"] == 9007199254740993


async def test_the_same_firing_gives_the_same_request_however_often_it_is_rendered() -> None:
    made = k8s({"resource": CONFIG_MAP}, parameter("data.after", dataKey="body.after"))

    first, second = [await render(made, {"dep": event()}, firing()) for _ in range(2)]

    assert first.target == second.target
    assert first.preview == second.preview


async def test_the_manifest_s_object_is_not_touched_by_rendering() -> None:
    made = k8s({"resource": CONFIG_MAP}, parameter("data.n", dataKey="body.n"))

    await sent(made, {"body": {"n": 1}})

    assert (await sent(made, {"body": {"n": 2}}))["data"] == {"n": "2"}
    assert CONFIG_MAP == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "note-"}}


async def test_template_parameters_come_first_and_may_change_the_object_and_its_parameters() -> None:
    made = k8s(
        {"resource": CONFIG_MAP},
        parameter("data.after", dataKey="body.after"),
        parameters=[
            parameter("k8s.source.resource.metadata.generateName", dataKey="body.prefix"),
            parameter("k8s.parameters.0.dest", value="data.renamed"),
        ],
    )

    obj = await sent(made, {"body": {"prefix": "pr-7-", "after": "9f1c2d"}})

    assert obj["metadata"]["generateName"] == "pr-7-"
    assert obj["data"] == {"renamed": "9f1c2d"}


@pytest.mark.parametrize(
    ("dest", "raw"), [("k8s.operation", False), ("k8s.parameters", False), ("k8s.source", False), ("k8s", True)]
)
async def test_a_template_that_makes_no_sense_with_its_parameters_is_an_error_of_the_firing(dest: str, raw: bool) -> None:
    made = k8s({"resource": CONFIG_MAP}, parameters=[parameter(dest, dataKey="body.after", useRawData=raw)])

    with pytest.raises(TriggerError, match=r"after its parameters were set: template\.k8s"):
        await sent(made, {"body": {"after": 7}})


@pytest.mark.parametrize(
    ("dest", "value", "text"),
    [
        ("kind", 7, "kind"),
        ("apiVersion", "", "apiVersion"),
        ("metadata", "x", "metadata must be a map"),
        ("metadata.labels", "x", "labels"),
        ("metadata.namespace", 7, "namespace"),
        ("metadata.name", {"a": 1}, "metadata.name"),
    ],
)
async def test_a_parameter_that_breaks_the_object_is_an_error_that_names_the_field(dest: str, value: Any, text: str) -> None:
    made = k8s({"resource": CONFIG_MAP}, parameter(dest, dataKey="body.v", useRawData=True))

    with pytest.raises(TriggerError, match=text):
        await sent(made, {"body": {"v": value}})


async def test_argo_events_1219_a_namespace_is_created_outside_of_namespaces(
    engine: Engine, kube: Kube, api: FaultyProxy, namespace: str
) -> None:
    key = TriggerKey(namespace, "tenants", "make")
    name = f"team-{namespace}"
    template = {
        "name": "make",
        "k8s": {
            "source": {"resource": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"namespace": "ignored"}}},
            "parameters": [parameter("metadata.name", value=name), parameter(r"metadata.labels.example\.com/team", value="blue")],
        },
    }
    account = f"system:serviceaccount:{namespace}:tenant-maker"
    engine.dispatcher.set_trigger(key, program({"template": template}, engine.world, key, impersonate=account))
    first, second = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key, range(1, 3))

    records = [await ended(engine.bus.ledger, one, None) for one in (first, second)]

    assert sorted(record.state for record in records) == [FiringState.DEAD, FiringState.SUCCEEDED]
    dead = next(record for record in records if record.state is FiringState.DEAD)
    assert dead.last is not None
    assert "AlreadyExists" in dead.last.message
    assert name in dead.last.message
    made = await kube.get("v1", "Namespace", name)
    assert made is not None
    assert "namespace" not in made["metadata"]
    assert made["metadata"]["labels"]["example.com/team"] == "blue"
    posts = [request for request in api.requests if request.method == "POST" and name in request.body.decode()]
    assert {request.path.partition("?")[0] for request in posts} == {"/api/v1/namespaces"}
    assert {request.headers["impersonate-user"] for request in posts} == {account}


async def test_argo_events_1219_the_server_s_refusal_of_a_name_is_the_recorded_reason(engine: Engine, namespace: str) -> None:
    key = TriggerKey(namespace, "tenants", "make")
    resource = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "Team Blue"}}
    engine.dispatcher.set_trigger(key, program(creates(resource, retryStrategy={"steps": 1}), engine.world, key))

    (made,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, made, FiringState.DEAD)

    assert record.last is not None
    assert "422" in record.last.message
    assert "metadata.name" in record.last.message


async def test_a_kind_that_the_server_does_not_know_waits_for_its_definition(engine: Engine, namespace: str) -> None:
    key = TriggerKey(namespace, "ci", "build")
    resource = {"apiVersion": "nobody.example/v1", "kind": "Thing", "metadata": {"generateName": "x-"}}
    engine.dispatcher.set_trigger(key, program(creates(resource), engine.world, key))

    (made,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: bool(engine.seen.outcomes))
    record = await engine.bus.ledger.firing(made.id)

    assert record.last is not None
    assert record.state is FiringState.PENDING
    assert "Thing" in record.last.message


async def test_without_a_cluster_a_request_can_be_rendered_and_not_executed() -> None:
    made = k8s({"resource": CONFIG_MAP})
    request = await render(made, {"dep": event()}, firing())

    with pytest.raises(TriggerError, match="NoCluster") as refused:
        await made.trigger({}).execute(request, firing())

    assert refused.value.transient
