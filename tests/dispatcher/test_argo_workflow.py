"""The `argoWorkflow` trigger: what each operation sends, beside what Argo Workflows itself makes of the same objects.

`argo_made.jsonl` was made by running `FormulateRetryWorkflow` and `FormulateResubmitWorkflow` of argo-workflows 4.1.2 on generated
Workflows; empty values and the digits of times are left out.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from dispatcher import argo
from dispatcher.argo.nodes import nodes_of
from dispatcher.manifest import check, trigger_model
from dispatcher.program import TriggerProgram, render
from tests.clients.http_target import http_target
from tests.dispatcher.conftest import Engine
from tests.dispatcher.support import World, decided, ended, event, firing, program
from tests.emulator.faulty import FaultyProxy
from tiphys.bus.firing import FiringState, Target, TriggerKey
from tiphys.clients.http import open_http
from tiphys.clients.kube import Kube, KubeObject
from tiphys.errors import FieldError, Refused, TriggerError

ARGO = "argoproj.io/v1alpha1"
LAST = "tiphys.dev/last-firing"
PAIRS = [("a", "1"), ("b", "2=3"), ("c", ""), ("d", " x ")]
MADE = [json.loads(line) for line in Path(__file__).with_name("argo_made.jsonl").read_text("utf-8").splitlines()]


def workflow(name: str = "w1", namespace: str = "", **parts: Any) -> KubeObject:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {}) | parts.pop("metadata", {})
    return {"apiVersion": ARGO, "kind": "Workflow", "metadata": metadata, "spec": {"entrypoint": "main"}} | parts


def entry(operation: str, obj: Mapping[str, Any], beside: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    template = {"name": "build", "argoWorkflow": {"operation": operation, "source": {"resource": obj}} | more}
    return {"template": template} | dict(beside or {})


def faults(spec: Mapping[str, Any]) -> list[FieldError]:
    return check(trigger_model().model_validate(spec), frozenset({"dep"}))


async def carried_out(made: TriggerProgram, payload: Any = None) -> Target:
    request = await render(made, {"dep": event(payload)}, firing())
    return await made.trigger({}).execute(request, firing())


async def read(kube: Kube, namespace: str, name: str = "w1") -> KubeObject:
    found = await kube.get(ARGO, "Workflow", name, namespace)
    assert found is not None
    return found


def plain(value: Any) -> Any:
    """Without empty values, and of times only whether they are set."""
    if isinstance(value, dict):
        pairs = {key: "set" if item and key in ("startedAt", "finishedAt") else plain(item) for key, item in value.items()}
        return {key: item for key, item in pairs.items() if item not in (None, {}, [], "")}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", [case for case in MADE if case["operation"] == "retry"])
def test_a_retry_is_what_argo_makes_of_it(case: dict[str, Any]) -> None:
    made = argo.retried(case["workflow"], [(name, value) for name, value in case["parameters"]])

    assert plain(made.workflow) == case["made"]
    assert sorted(made.pods) == case["pods"]


@pytest.mark.parametrize("case", [case for case in MADE if case["operation"] == "resubmit"])
def test_a_resubmission_is_what_argo_makes_of_it(case: dict[str, Any]) -> None:
    options = argo.Options(parameters=[(name, value) for name, value in case["parameters"]])

    made = plain(argo.resubmitted(case["workflow"], options))

    del made["metadata"]["namespace"]
    assert made == case["made"]


def test_a_retry_leaves_the_old_workflow_as_it_is() -> None:
    for case in MADE:
        before = json.dumps(case["workflow"])
        if case["operation"] == "retry":
            argo.retried(case["workflow"], [("a", "1")])
            assert json.dumps(case["workflow"]) == before


def packed(obj: KubeObject) -> KubeObject:
    """With compressed nodes, as the controller keeps large ones."""
    nodes = orjson.dumps(obj["status"]["nodes"])
    status = {key: value for key, value in obj["status"].items() if key != "nodes"}
    return obj | {"status": status | {"compressedNodes": base64.b64encode(gzip.compress(nodes)).decode()}}


def test_compressed_nodes_are_read_and_written_compressed() -> None:
    case = MADE[0]

    made = argo.retried(packed(case["workflow"]), [])

    assert "nodes" not in made.workflow["status"]
    assert plain(nodes_of(made.workflow)) == plain(argo.retried(case["workflow"], []).workflow["status"]["nodes"])


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"offloadNodeStatusVersion": "fnv:1"}, "database of Argo Workflows"),
        ({"compressedNodes": "no base64!"}, "not compressed with gzip"),
        ({"compressedNodes": base64.b64encode(b"\x28\xb5\x2f\xfd").decode()}, "not compressed with gzip"),
        ({"nodes": {"x": {"id": "x", "name": "other", "type": "Pod", "phase": "Failed"}}}, "no parent"),
        ({"nodes": {"w1": {"id": "w1", "name": "w1", "type": "DAG", "phase": "Failed", "children": ["gone"]}}}, "lacks"),
    ],
)
def test_nodes_out_of_reach_are_a_reason_and_not_a_guess(status: dict[str, Any], why: str) -> None:
    with pytest.raises(TriggerError, match=why) as refused:
        argo.retried(workflow(status={"phase": "Failed"} | status), [])

    assert refused.value.reason == "NodesOutOfReach"


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (["-p", "a=1", "-pb=2=3", "--parameter", "c=", "--parameter=d= x "], {"parameters": PAIRS}),
        (["-l", "a=b,c=d", "--annotations=e=f"], {"labels": {"a": "b", "c": "d"}, "annotations": {"e": "f"}}),
        (["--name=x", "--name", "y"], {"name": "y"}),
        (["--generate-name", "x-", "--entrypoint=e"], {"generate_name": "x-", "entrypoint": "e"}),
        (["--serviceaccount", "s"], {"service_account": "s"}),
        (["--priority", "-3"], {"priority": -3}),
        (["-f", "https://x.example/p.yaml"], {"parameter_file": "https://x.example/p.yaml"}),
        ([], {}),
    ],
)
def test_arguments_are_read_as_the_command_line_reads_them(arguments: list[str], options: dict[str, Any]) -> None:
    assert argo.parse_options("submit", arguments) == argo.Options(**({"parameters": []} | options))


@pytest.mark.parametrize(
    ("operation", "arguments", "problem"),
    [
        ("submit", ["--wait"], "--wait is not supported.*policy.k8s"),
        ("submit", ["-n", "other"], "-n is not supported.*metadata.namespace"),
        ("submit", ["--dry-run"], "--dry-run is not supported"),
        ("submit", ["file.yaml"], "'file.yaml' is no option"),
        ("submit", ["--"], "'--' is no option"),
        ("submit", ["-p"], "--parameter has no value"),
        ("submit", ["-p", "1"], "NAME=VALUE, not '1'"),
        ("submit", ["-l", "a=b=c"], "'a=b=c' is not"),
        ("submit", ["--priority", "high"], "whole number"),
        ("submit", ["--priority", "2147483648"], "whole number"),
        ("submit", ["-f", "/var/run/secrets/token"], "which no manifest may read"),
        ("resubmit", ["-l", "a=b"], "--labels is not supported with resubmit; resubmit takes --priority, --parameter"),
        ("resubmit", ["--memoized"], "--memoized is not supported"),
        ("retry", ["--restart-successful"], "retry takes --parameter"),
        ("stop", ["--message=x"], "stop takes no options"),
    ],
)
def test_an_argument_that_cannot_be_honoured_is_refused_at_load_by_its_name(
    operation: str, arguments: list[str], problem: str
) -> None:
    (fault,) = faults(entry(operation, workflow(), args=arguments))

    assert fault.path == "template.argoWorkflow.args"
    with pytest.raises(TriggerError, match=problem):
        argo.parse_options(operation, arguments)


def test_every_operation_has_a_name_and_nothing_else_has() -> None:
    for operation in argo.OPERATIONS:
        obj = workflow() if operation != "submit-from" else workflow() | {"kind": "WorkflowTemplate"}
        assert faults(entry(operation, obj)) == []
    for wrong in ("", "Submit", "delete"):
        with pytest.raises(ValueError, match="operation"):
            trigger_model().model_validate(entry(wrong, workflow()))


@pytest.mark.parametrize(
    ("operation", "obj", "path"),
    [
        ("submit", workflow() | {"kind": "WorkflowTemplate"}, "kind"),
        ("submit-from", workflow(), "kind"),
        ("submit", workflow(name=""), "metadata"),
        ("resume", workflow(name="", metadata={"generateName": "x-"}), "metadata"),
        ("stop", workflow() | {"apiVersion": ""}, "apiVersion"),
    ],
)
def test_an_object_that_does_not_fit_the_operation_is_refused_at_load(operation: str, obj: KubeObject, path: str) -> None:
    assert [fault.path for fault in faults(entry(operation, obj))] == [f"template.argoWorkflow.source.resource.{path}"]


async def test_a_submission_is_the_object_with_its_arguments_name_and_labels(kube: Kube, namespace: str) -> None:
    arguments = {"parameters": [{"name": "rev", "value": "main"}, {"name": "repo", "value": "r"}]}
    obj = workflow(name="", metadata={"generateName": "ci-"}, spec={"entrypoint": "main", "arguments": arguments})
    obj["metadata"]["namespace"] = namespace
    args = ["-p", "rev=9f1c", "-l", "team=blue", "--serviceaccount=runner", "--priority", "7", "--entrypoint", "other"]

    target = await carried_out(program(entry("submit", obj, args=args), World(kube)))

    made = await read(kube, namespace, target.name)
    assert target.name == f"ci-{firing().id}"
    assert made["spec"]["arguments"]["parameters"] == [{"name": "rev", "value": "9f1c"}, {"name": "repo", "value": "r"}]
    assert (made["spec"]["serviceAccountName"], made["spec"]["priority"], made["spec"]["entrypoint"]) == ("runner", 7, "other")
    assert made["metadata"]["labels"]["team"] == "blue"
    assert made["metadata"]["labels"]["events.argoproj.io/trigger"] == "build"


async def test_a_file_of_parameters_is_fetched_from_its_url(kube: Kube, namespace: str) -> None:
    async with http_target() as target, open_http() as client:
        target.body = b"rev: main\ncount: 3\nmap: {a: 1}\n"
        args = ["-f", f"{target.url}/params.yaml", "-p", "x=y"]
        made = await carried_out(program(entry("submit", workflow(namespace=namespace), args=args), World(kube, http=client)))

        given = (await read(kube, namespace, made.name))["spec"]["arguments"]["parameters"]
        assert [(one["name"], one["value"]) for one in given] == [("x", "y"), ("rev", "main"), ("count", "3"), ("map", '{"a":1}')]
        target.answers = [(404, {})]
        with pytest.raises(TriggerError, match=r"ParameterFile.*404"):
            await render(program(entry("submit", workflow(), args=args), World(http=client)), {"dep": event()}, firing())


GREET = {
    "apiVersion": ARGO,
    "kind": "WorkflowTemplate",
    "metadata": {"name": "greet"},
    "spec": {"entrypoint": "main", "arguments": {"parameters": [{"name": "message", "value": "default"}]}, "templates": []},
}
STRATEGY = {"atLeastOnce": True, "retryStrategy": {"steps": 3, "duration": "10ms"}}


@pytest.fixture
async def greet(kube: Kube, namespace: str) -> KubeObject:
    return await kube.create(GREET, namespace=namespace)


def named(name: str, kind: str = "WorkflowTemplate") -> KubeObject:
    return {"apiVersion": ARGO, "kind": kind, "metadata": {"name": name}}


async def fired(engine: Engine, namespace: str, spec: Mapping[str, Any], state: FiringState) -> Any:
    key = TriggerKey(namespace, "hello", "run")
    engine.dispatcher.set_trigger(key, program(spec, engine.world, key))
    (made,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    return await ended(engine.bus.ledger, made, state)


@pytest.mark.usefixtures("greet")
async def test_argo_events_3033_a_submission_from_a_template_is_one_workflow_and_one_attempt(
    engine: Engine, kube: Kube, namespace: str
) -> None:
    spec = entry("submit-from", named("greet"), STRATEGY, args=["-p", "message=hi"])

    record = await fired(engine, namespace, spec, FiringState.SUCCEEDED)

    (made,) = (await kube.list(ARGO, "Workflow", namespace)).items
    assert len(record.history) == 1
    assert made["spec"]["workflowTemplateRef"] == {"name": "greet"}
    assert made["spec"]["arguments"]["parameters"] == [{"name": "message", "value": "hi"}]
    assert made["metadata"]["labels"]["workflows.argoproj.io/workflow-template"] == "greet"
    assert made["metadata"]["name"].startswith("greet-")


async def test_argo_events_3033_from_a_cron_workflow_its_spec_runs(engine: Engine, kube: Kube, namespace: str) -> None:
    cron = named("nightly", "CronWorkflow") | {
        "spec": {
            "schedules": ["0 2 * * *"],
            "workflowSpec": {"entrypoint": "main", "templates": []},
            "workflowMetadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
        }
    }
    owner = await kube.create(cron, namespace=namespace)

    await fired(engine, namespace, entry("submit-from", named("nightly", "cronworkflow")), FiringState.SUCCEEDED)

    (made,) = (await kube.list(ARGO, "Workflow", namespace)).items
    assert made["spec"] == {"entrypoint": "main", "templates": []}
    assert made["metadata"]["labels"]["workflows.argoproj.io/cron-workflow"] == "nightly"
    assert made["metadata"]["labels"]["a"] == "b"
    assert made["metadata"]["annotations"]["c"] == "d"
    assert made["metadata"]["annotations"]["workflows.argoproj.io/scheduled-time"]
    assert made["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]


async def test_argo_events_3033_a_template_that_is_not_there_is_a_dead_letter_that_names_it(
    engine: Engine, kube: Kube, namespace: str
) -> None:
    record = await fired(engine, namespace, entry("submit-from", named("no-such"), STRATEGY), FiringState.DEAD)

    assert len(record.history) == 3
    assert f"WorkflowTemplate {namespace}/no-such" in record.last.message
    assert (await kube.list(ARGO, "Workflow", namespace)).items == []


async def test_argo_events_3033_a_cluster_workflow_template_is_submitted_as_well(
    engine: Engine, kube: Kube, namespace: str
) -> None:
    name = f"greet-{namespace}"
    await kube.create(GREET | {"kind": "ClusterWorkflowTemplate", "metadata": {"name": name}})

    await fired(engine, namespace, entry("submit-from", named(name, "ClusterWorkflowTemplate")), FiringState.SUCCEEDED)

    (made,) = (await kube.list(ARGO, "Workflow", namespace)).items
    assert made["spec"]["workflowTemplateRef"] == {"name": name, "clusterScope": True}
    assert made["metadata"]["labels"]["workflows.argoproj.io/cluster-workflow-template"] == name


async def test_argo_events_3033_arguments_that_a_parameter_breaks_are_the_reason(engine: Engine, namespace: str) -> None:
    parameter = {"src": {"dependencyName": "dep", "dataKey": "body.n"}, "dest": "argoWorkflow.args.1"}
    spec = entry("submit-from", named("greet"), STRATEGY | {"parameters": [parameter]}, args=["-p", "message=hi"])

    record = await fired(engine, namespace, spec, FiringState.DEAD)

    assert "NAME=VALUE" in record.last.message


async def test_a_parameter_of_the_template_without_a_value_is_said_before_anything_is_made(kube: Kube, namespace: str) -> None:
    spec = {"entrypoint": "main", "arguments": {"parameters": [{"name": "message"}]}, "templates": []}
    await kube.create(GREET | {"spec": spec}, namespace=namespace)
    obj = named("greet")
    obj["metadata"]["namespace"] = namespace

    with pytest.raises(TriggerError, match="WorkflowTemplate greet needs a value for message"):
        await carried_out(program(entry("submit-from", obj), World(kube)))


async def test_a_resubmission_is_a_new_object_that_says_what_it_repeats(kube: Kube, namespace: str) -> None:
    await kube.create(workflow(namespace=namespace, metadata={"labels": {"team": "blue", "tiphys.dev/firing": "older"}}))

    target = await carried_out(program(entry("resubmit", workflow(namespace=namespace), args=["-p", "a=1"]), World(kube)))

    made = await read(kube, namespace, target.name)
    assert target.name == f"w1-{firing().id}"
    assert made["metadata"]["labels"]["workflows.argoproj.io/resubmitted-from-workflow"] == "w1"
    assert (made["metadata"]["labels"]["team"], made["metadata"]["labels"]["tiphys.dev/firing"]) == ("blue", firing().id)
    assert made["spec"]["arguments"]["parameters"] == [{"name": "a", "value": "1"}]


async def test_suspend_holds_a_workflow_and_resume_lets_it_go_on(kube: Kube, api: FaultyProxy, namespace: str) -> None:
    nodes = {
        "w1": {"id": "w1", "name": "w1", "type": "Steps", "phase": "Running"},
        "a": {
            "id": "a",
            "name": "w1[0].approve",
            "type": "Suspend",
            "phase": "Running",
            "outputs": {"parameters": [{"name": "ok", "valueFrom": {"supplied": {}, "default": "yes"}}]},
        },
        "b": {"id": "b", "name": "w1[1].again", "type": "Suspend", "phase": "Succeeded"},
    }
    actor = {"workflows.argoproj.io/actor": "somebody", "team": "blue"}
    await kube.create(workflow(namespace=namespace, metadata={"labels": actor}, status={"phase": "Running", "nodes": nodes}))

    await carried_out(program(entry("suspend", workflow(namespace=namespace)), World(kube)))
    held = await read(kube, namespace)
    await carried_out(program(entry("resume", workflow(namespace=namespace)), World(kube)))
    gone_on = await read(kube, namespace)

    assert held["spec"]["suspend"] is True
    assert held["metadata"]["labels"] == {"team": "blue"}
    assert "suspend" not in gone_on["spec"]
    approved = gone_on["status"]["nodes"]["a"]
    assert (approved["phase"], approved["outputs"]["parameters"]) == ("Succeeded", [{"name": "ok", "value": "yes"}])
    assert approved["finishedAt"]
    assert {key: gone_on["status"]["nodes"][key] for key in ("w1", "b")} == {key: nodes[key] for key in ("w1", "b")}
    patches = [orjson.loads(request.body) for request in api.requests if request.method == "PATCH"]
    assert all(patch["metadata"]["resourceVersion"] for patch in patches)


async def test_what_is_so_already_is_not_written(kube: Kube, api: FaultyProxy, namespace: str) -> None:
    await kube.create(workflow(namespace=namespace))

    await carried_out(program(entry("resume", workflow(namespace=namespace)), World(kube)))

    assert not any(request.method in ("PATCH", "PUT") for request in api.requests)


def test_a_step_that_waits_for_an_output_without_a_default_cannot_be_resumed() -> None:
    outputs = {"parameters": [{"name": "ok", "valueFrom": {"supplied": {}}}]}
    node = {"id": "a", "name": "a", "type": "Suspend", "phase": "Running", "outputs": outputs}

    with pytest.raises(TriggerError, match=r"OutputMissing.*'ok'"):
        argo.resume(workflow(status={"nodes": {"a": node}}))


def test_resuming_compressed_nodes_writes_them_compressed() -> None:
    node = {"id": "a", "name": "a", "type": "Suspend", "phase": "Running"}
    patch = argo.resume(packed(workflow(status={"nodes": {"a": node, "b": {"id": "b", "type": "Pod"}}})))

    assert patch is not None
    nodes = nodes_of({"status": patch["status"]})
    assert (nodes["a"]["phase"], nodes["b"]) == ("Succeeded", {"id": "b", "type": "Pod"})


@pytest.mark.parametrize(("operation", "strategy"), [("stop", "Stop"), ("terminate", "Terminate")])
async def test_stop_and_terminate_set_how_a_workflow_shuts_down(operation: str, strategy: str, kube: Kube, namespace: str) -> None:
    await kube.create(workflow(namespace=namespace))

    target = await carried_out(program(entry(operation, workflow(namespace=namespace)), World(kube)))

    found = await read(kube, namespace)
    assert found["spec"]["shutdown"] == strategy
    assert found["metadata"]["annotations"][LAST] == firing().id
    assert target.operation == "patch"


@pytest.mark.parametrize(
    ("operation", "obj", "reason"),
    [
        ("stop", workflow(status={"phase": "Succeeded"}), "WorkflowCompleted"),
        ("suspend", workflow(metadata={"labels": {"workflows.argoproj.io/completed": "true"}}), "WorkflowCompleted"),
        ("retry", workflow(status={"phase": "Running"}), "WorkflowNotFailed"),
    ],
)
async def test_what_argo_refuses_is_refused_and_nothing_is_written(
    operation: str, obj: KubeObject, reason: str, kube: Kube, namespace: str
) -> None:
    await kube.create(obj, namespace=namespace)

    with pytest.raises(TriggerError) as refused:
        await carried_out(program(entry(operation, workflow(namespace=namespace)), World(kube)))

    assert refused.value.reason == reason
    assert not refused.value.transient


async def test_a_workflow_that_is_not_there_is_named(kube: Kube, namespace: str) -> None:
    with pytest.raises(Refused, match=f"Workflow {namespace}/w1.*no such Workflow"):
        await carried_out(program(entry("stop", workflow(namespace=namespace)), World(kube)))


async def test_a_retry_deletes_the_pods_of_failed_steps_and_sets_the_workflow_going(kube: Kube, namespace: str) -> None:
    nodes = {
        "w1": {"id": "w1", "name": "w1", "type": "Steps", "phase": "Failed", "children": ["w1-1"], "templateName": "main"},
        "w1-1": {"id": "w1-1", "name": "w1[0]", "type": "StepGroup", "phase": "Failed", "boundaryID": "w1", "children": ["w1-2"]},
        "w1-2": {
            "id": "w1-2",
            "name": "w1[0].build",
            "type": "Pod",
            "phase": "Failed",
            "boundaryID": "w1",
            "templateName": "build",
        },
    }
    status = {"phase": "Failed", "message": "child failed", "nodes": nodes}
    completed = {"workflows.argoproj.io/completed": "true"}
    await kube.create(workflow(namespace=namespace, metadata={"labels": completed}, spec={"shutdown": "Stop"}, status=status))
    made = program(entry("retry", workflow(namespace=namespace)), World(kube))
    request = await render(made, {"dep": event()}, firing())
    (pod,) = request.preview["deletedPods"]
    containers = [{"name": "main", "image": "busybox"}]
    pod_object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod}, "spec": {"containers": containers}}
    await kube.create(pod_object, namespace=namespace)

    await made.trigger({}).execute(request, firing())

    found = await read(kube, namespace)
    assert pod.startswith("w1-build-")
    assert await kube.get("v1", "Pod", pod, namespace) is None
    assert "phase" not in found["status"]
    assert "shutdown" not in found["spec"]
    assert {key: node["phase"] for key, node in found["status"]["nodes"].items()} == {"w1": "Running", "w1-1": "Running"}
    assert await made.trigger({}).look(request.target, firing()) == request.target


async def test_a_retry_whose_answer_was_lost_is_recognised(engine: Engine, kube: Kube, api: FaultyProxy, namespace: str) -> None:
    case = next(case for case in MADE if case["operation"] == "retry")
    obj = case["workflow"] | {"metadata": {"name": "wf", "namespace": namespace}}
    await kube.create(obj)
    api.cut_answer(times=1, when=lambda request: request.method == "PUT")

    record = await fired(engine, namespace, entry("retry", workflow(name="wf"), STRATEGY), FiringState.SUCCEEDED)

    assert record.last.reason == "Found"
    assert len([request for request in api.requests if request.method == "PUT"]) == 1
