"""`tiphys import`: what each object becomes, and what is said about it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.docs.pages import ROOT
from tests.running import Cluster
from tiphys.app.cli.main import app
from tiphys.app.lint import lint_documents, lint_paths
from tiphys.app.moving import Moved, plan_move, read_cluster, read_files, write_manifests
from tiphys.errors import ManifestError, SettingsError
from tiphys.schema.loader import Document, load_documents

EXAMPLE = ROOT / "examples/from-argo"


def planned(*objects: dict[str, Any], account: str = "") -> tuple[list[Moved], list[dict[str, Any]]]:
    text = "---\n".join(json.dumps({"apiVersion": "argoproj.io/v1alpha1", **obj}) + "\n" for obj in objects)
    return plan_move(load_documents(text.encode(), "given.yaml").documents, "argo", account)


def cron(name: str = "nightly", **spec: Any) -> dict[str, Any]:
    given = {"schedules": ["30 2 * * *"], "workflowSpec": {"workflowTemplateRef": {"name": "echo"}}}
    return {"kind": "CronWorkflow", "metadata": {"name": name}, "spec": given | spec}


def binding(selector: str, name: str = "consumer", **submit: Any) -> dict[str, Any]:
    submit = {"workflowTemplateRef": {"name": "echo"}} | submit
    return {"kind": "WorkflowEventBinding", "metadata": {"name": name}, "spec": {"event": {"selector": selector}, "submit": submit}}


def argument(expression: str) -> dict[str, Any]:
    return {"parameters": [{"name": "message", "valueFrom": {"event": expression}}]}


def lines(moved: Moved, weight: str) -> list[str]:
    return [f"{one.path}: {one.text}" for one in moved.remarks if one.weight == weight]


def admitted(objects: list[dict[str, Any]]) -> list[str]:
    """Errors that lint finds in what is written."""
    text = "\n---\n".join(json.dumps(obj) for obj in objects)
    return [
        f"{one.path}: {one.text}" for one in lint_documents(load_documents(text.encode()).documents, "argo") if one.level == "error"
    ]


# What argo-events has


def test_a_sensor_and_a_source_stay_as_they_are_but_for_the_label_and_what_servers_keep() -> None:
    # given objects as `kubectl get -o yaml` shows them
    spec = {"webhook": {"example": {"port": "13000", "endpoint": "/x", "method": "POST"}}}
    metadata = {
        "name": "hooks", "namespace": "ci", "uid": "u", "resourceVersion": "7", "generation": 3, "managedFields": [{"manager": "kubectl"}],
        "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"team": "a"},
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "note": "kept"},
    }  # fmt: skip
    # when
    (moved,), shared = planned({"kind": "EventSource", "metadata": metadata, "spec": spec, "status": {"conditions": []}})
    # then
    assert shared == []
    assert moved.objects == [
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "EventSource",
            "metadata": {
                "name": "hooks",
                "namespace": "ci",
                "labels": {"team": "a", "tiphys.dev/adopt": "true"},
                "annotations": {"note": "kept"},
            },
            "spec": spec,
        }
    ]
    assert lines(moved, "note") == ["spec.webhook.example: port 13000 is opened by Tiphys' own pod"]


def test_what_lint_finds_is_said_with_the_line_of_the_object_that_it_is_of() -> None:
    # given two Sensors in one file, the second with a fault
    trigger = {"template": {"name": "t", "log": {}}}
    good = {"dependencies": [{"name": "a", "eventSourceName": "s", "eventName": "e"}], "triggers": [trigger]}
    bad = {**good, "triggers": [{"template": {"name": "t", "conditions": "a && nobody", "log": {}}}]}
    # when
    (first, second), _ = planned(
        {"kind": "Sensor", "metadata": {"name": "one"}, "spec": good}, {"kind": "Sensor", "metadata": {"name": "two"}, "spec": bad}
    )
    # then
    assert first.ready
    assert not second.ready
    (remark,) = [one for one in second.remarks if one.weight == "by hand"]
    assert (remark.path, remark.where) == ("spec.triggers[0].template.conditions", "given.yaml:3")


def test_a_sensor_says_what_is_surer_here() -> None:
    trigger = {"template": {"name": "t", "log": {}}}
    spec = {"dependencies": [{"name": "a", "eventSourceName": "s", "eventName": "e"}], "triggers": [trigger]}
    (moved,), _ = planned({"kind": "Sensor", "metadata": {"name": "one"}, "spec": spec})
    assert [text.partition(": ")[2].split(" (")[0] for text in lines(moved, "differs")] == [
        "fires at least once",
        "is tried for 24 hours while its target is away",
    ]
    said = {**spec, "triggers": [{**trigger, "atLeastOnce": False, "retryStrategy": {"steps": 3}}]}
    (moved,), _ = planned({"kind": "Sensor", "metadata": {"name": "one"}, "spec": said})
    assert lines(moved, "differs") == []


def test_an_event_bus_needs_no_object() -> None:
    (moved,), _ = planned({"kind": "EventBus", "metadata": {"name": "default"}, "spec": {"jetstream": {"version": "latest"}}})
    assert moved.objects == []
    assert moved.ready


def test_other_kinds_are_none_of_its_business() -> None:
    moved, _ = planned(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}, {"kind": "Workflow", "metadata": {"name": "w"}}
    )
    assert moved == []


def test_the_finalizers_of_argo_events_do_not_come_along() -> None:
    finalizers = ["sensor-controller", "somebody-elses"]
    spec = {
        "dependencies": [{"name": "a", "eventSourceName": "s", "eventName": "e"}],
        "triggers": [{"template": {"name": "t", "log": {}}}],
    }
    (moved,), _ = planned({"kind": "Sensor", "metadata": {"name": "one", "finalizers": finalizers}, "spec": spec})
    assert moved.objects[0]["metadata"]["finalizers"] == ["somebody-elses"]
    assert "metadata.finalizers" in [text.partition(":")[0] for text in lines(moved, "differs")]


# CronWorkflows


def test_a_cron_workflow_becomes_a_calendar_and_a_sensor_that_are_admitted() -> None:
    (moved,), _ = planned(
        cron(
            timezone="Europe/Berlin", startingDeadlineSeconds=3600, concurrencyPolicy="Replace", suspend=True,
            workflowMetadata={"labels": {"a": "b"}},
        ),
        account="cron",
    )  # fmt: skip
    source, sensor = moved.objects
    assert source["spec"]["calendar"]["tick"] == {
        "schedule": "30 2 * * *",
        "timezone": "Europe/Berlin",
        "persistence": {"catchup": {"enabled": True, "maxDuration": "3600s"}},
    }
    spec = sensor["spec"]
    assert (spec["suspend"], spec["onResume"], spec["template"]) == (True, "drop", {"serviceAccountName": "cron"})
    assert spec["triggers"][0]["concurrency"] == {"max": 1, "policy": "replace"}
    workflow = spec["triggers"][0]["template"]["k8s"]["source"]["resource"]
    assert workflow["metadata"]["generateName"] == "nightly-"
    assert workflow["metadata"]["labels"] == {"a": "b"}
    assert admitted(moved.objects) == []
    assert moved.ready


@pytest.mark.parametrize(
    ("schedule", "entry"),
    [
        ("@daily", {"schedule": "0 0 * * *"}),
        ("@weekly", {"schedule": "0 0 * * 0"}),
        ("@hourly", {"schedule": "0 * * * *"}),
        ("@every 90s", {"interval": "90s"}),
        ("CRON_TZ=Asia/Tokyo 0 6 * * 1-5", {"schedule": "0 6 * * 1-5", "timezone": "Asia/Tokyo"}),
        ("TZ=UTC */5 * * * *", {"schedule": "*/5 * * * *", "timezone": "UTC"}),
    ],
)
def test_every_way_to_write_a_schedule_is_read(schedule: str, entry: dict[str, Any]) -> None:
    (moved,), _ = planned(cron(schedules=[schedule]))
    assert moved.objects[0]["spec"]["calendar"] == {"tick": entry}
    assert admitted(moved.objects) == []


def test_the_old_field_for_a_schedule_and_several_schedules() -> None:
    (moved,), _ = planned(cron(schedules=None, schedule="0 1 * * *"))
    assert moved.objects[0]["spec"]["calendar"] == {"tick": {"schedule": "0 1 * * *"}}
    (moved,), _ = planned(cron(schedules=["0 1 * * *", "0 13 * * *"]))
    source, sensor = moved.objects
    assert list(source["spec"]["calendar"]) == ["tick", "tick-2"]
    assert sensor["spec"]["triggers"][0]["template"]["conditions"] == "tick || tick-2"
    assert admitted(moved.objects) == []


def test_what_cannot_be_carried_over_is_for_a_person() -> None:
    (moved,), _ = planned(
        cron(when="{{= cronworkflow.failed < 3 }}", stopStrategy={"expression": "true"}, successfulJobsHistoryLimit=1)
    )
    assert [text.partition(":")[0] for text in lines(moved, "by hand")] == ["spec.when", "spec.stopStrategy"]
    assert "spec.successfulJobsHistoryLimit" in [text.partition(":")[0] for text in lines(moved, "differs")]
    (moved,), _ = planned(cron(schedules=[]))
    assert not moved.ready
    assert moved.objects == []


def test_a_name_that_is_taken_is_left_to_whom_it_belongs() -> None:
    source = {"kind": "EventSource", "metadata": {"name": "nightly"}, "spec": {"calendar": {"x": {"interval": "1h"}}}}
    moved, _ = planned(source, cron())
    assert [obj["metadata"]["name"] for obj in moved[1].objects] == ["nightly-schedule", "nightly-schedule"]


# WorkflowEventBindings


def test_a_binding_keeps_its_url_its_selector_and_its_arguments() -> None:
    selector = 'payload.message != "" && metadata["x-argo-e2e"] == ["true"] && discriminator == "mine" && namespace == "argo"'
    (moved,), (source, secret) = planned(binding(selector, arguments=argument("payload.message")))
    assert source["spec"]["webhook"] == {
        "mine": {
            "endpoint": "/api/v1/events/argo/mine",
            "port": "12000",
            "method": "POST",
            "authSecret": {"name": "workflow-events", "key": "token"},
            "filter": {
                "expression": 'body.message != "" && header["X-Argo-E2e"] == ["true"] && "mine" == "mine" && "argo" == "argo"'
            },
        }
    }
    assert secret["stringData"] == {"token": "CHANGE-ME"}
    (sensor,) = moved.objects
    assert sensor["spec"]["triggers"][0]["template"]["workflow"]["arguments"] == {
        "message": {"from": "event", "path": "body.message"}
    }
    assert admitted([source, *moved.objects]) == []
    assert moved.ready


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("payload.a.b[0].c", {"from": "event", "path": "body.a.b.0.c"}),
        ('payload["a.b"]?.c', {"from": "event", "path": "body.a\\.b.c"}),
        ('metadata["x-github-event"][0]', {"from": "event", "path": "header.X-Github-Event.0"}),
        ('"fixed"', "fixed"),
        ('"v" + payload.tag + "-rc"', "v{{ .event.body.tag }}-rc"),
        ('payload["a-b"] + "!"', '{{ index .event "body" "a-b" }}!'),
    ],
)
def test_values_from_events_are_said_in_our_words(expression: str, value: Any) -> None:
    (moved,), (source, _) = planned(binding("true", arguments=argument(expression)))
    (sensor,) = moved.objects
    assert sensor["spec"]["triggers"][0]["template"]["workflow"]["arguments"] == {"message": value}
    assert admitted([source, sensor]) == []


@pytest.mark.parametrize(
    "expression", ["len(payload.items)", "payload.a ? 1 : 2", "toJson(payload)", '"{{x}}"', "payload.a +", "discriminator"]
)
def test_a_value_that_is_computed_is_for_a_person(expression: str) -> None:
    (moved,), _ = planned(binding("true", arguments=argument(expression)))
    assert [text.partition(":")[0] for text in lines(moved, "by hand")] == ["spec.submit.arguments.parameters[0].valueFrom.event"]


def test_several_bindings_of_one_url_have_one_entry_and_filters_of_their_own() -> None:
    moved, (source, _) = planned(
        binding('payload.action == "opened" && payload.number > 3', "opened"),
        binding('!(payload.action startsWith "o") || metadata["x-a"] == ["b"]', "other"),
        binding("payload.items | len() > 2", "computed"),
    )
    assert list(source["spec"]["webhook"]) == ["all"]
    assert "filter" not in source["spec"]["webhook"]["all"]
    opened, other, computed = moved
    assert opened.objects[0]["spec"]["dependencies"][0]["filters"]["exprs"] == [
        {
            "expr": '(value1 == "opened") && (value2 > 3)',
            "fields": [{"path": "body.action", "name": "value1"}, {"path": "body.number", "name": "value2"}],
        }
    ]
    assert other.objects[0]["spec"]["dependencies"][0]["filters"]["exprs"][0]["expr"] == '(!(value1 =~ "^o")) || (value2 == "b")'
    assert computed.objects == []
    assert not computed.ready
    assert admitted([source, *opened.objects, *other.objects]) == []


@pytest.mark.parametrize(
    "selector",
    [
        'discriminator startsWith "a"',
        'discriminator == "a" || discriminator == "b"',
        "metadata == {}",
        "payload.x ==",
        'metadata[payload.x] == ["y"]',
    ],
)
def test_a_selector_that_has_no_counterpart_is_for_a_person(selector: str) -> None:
    (moved,), shared = planned(binding(selector))
    assert [text.partition(":")[0] for text in lines(moved, "by hand")] == ["spec.event.selector"]
    assert moved.objects == shared == []


def test_metadata_that_the_event_decides_is_for_a_person() -> None:
    (moved,), _ = planned(
        binding(
            "true", metadata={"labels": {"a": '"fixed"', "b": "payload.b"}, "annotations": {"c": '"d"'}, "generateName": '"run-"'}
        )
    )
    workflow = moved.objects[0]["spec"]["triggers"][0]["template"]["workflow"]
    assert workflow["labels"] == {"workflows.argoproj.io/workflow-event-binding": "consumer", "a": "fixed"}
    assert workflow["generateName"] == "run-"
    assert [text.partition(":")[0] for text in lines(moved, "by hand")] == [
        "spec.submit.metadata.labels.b",
        "spec.submit.metadata.annotations",
    ]


def test_two_objects_of_one_name_are_said() -> None:
    sensor = {"kind": "Sensor", "metadata": {"name": "consumer"}, "spec": {"dependencies": [], "triggers": []}}
    moved, _ = planned(sensor, binding("true"))
    assert "Sensor consumer takes the place of Sensor consumer as well" in lines(moved[1], "by hand")[-1]


# Reading and writing


def test_what_is_written_is_what_lint_takes(tmp_path: Path) -> None:
    moved, shared = plan_move(read_files([EXAMPLE]), "argo", "sensors")
    written = write_manifests(tmp_path / "moved", moved, shared)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in written) == [
        "moved/argo/eventsource-nightly.yaml",
        "moved/argo/eventsource-webhook.yaml",
        "moved/argo/eventsource-workflow-events.yaml",
        "moved/argo/secret-workflow-events.template.yaml",
        "moved/argo/sensor-event-consumer.yaml",
        "moved/argo/sensor-nightly.yaml",
        "moved/argo/sensor-webhook.yaml",
    ]
    assert [one for one in lint_paths([tmp_path / "moved"], "argo") if one.level == "error"] == []
    assert all(one["metadata"]["labels"]["tiphys.dev/adopt"] == "true" for one in shared if one["kind"] != "Secret")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(SettingsError, match="is there already"):
        write_manifests(tmp_path, [], [])


def test_a_file_that_is_no_yaml_and_a_path_that_is_not_there_end_it(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(ManifestError):
        read_files([tmp_path])
    with pytest.raises(SettingsError, match="is no file"):
        read_files([tmp_path / "nothing"])


@pytest.fixture
def example() -> list[Document]:
    return read_files([EXAMPLE])


async def test_a_cluster_gives_the_same_as_its_files(tmp_path: Path, example: list[Document]) -> None:
    # given a cluster that does not serve one of the kinds
    example = [document for document in example if document.object["kind"] != "WorkflowEventBinding"]
    files = plan_move(example, "argo", "")
    async with Cluster(tmp_path / "cluster").run() as cluster:
        for document in example:
            plural = {"EventBus": "eventbus"}.get(document.object["kind"], document.object["kind"].lower() + "s")
            await cluster.create(f"/apis/argoproj.io/v1alpha1/namespaces/argo/{plural}", document.object)
        # when
        documents = await asyncio.to_thread(read_cluster, cluster.kubeconfig, "", ())
        elsewhere = await asyncio.to_thread(read_cluster, cluster.kubeconfig, "", ["default"])
    # then
    found = plan_move(documents, "argo", "")

    def written(plan: tuple[list[Moved], list[dict[str, Any]]]) -> dict[tuple[str, str], Any]:
        return {(obj["kind"], obj["metadata"]["name"]): obj for obj in [*plan[1], *(obj for one in plan[0] for obj in one.objects)]}

    assert written(found) == written(files)
    assert {remark.where.partition(":")[0] for one in found[0] for remark in one.remarks} <= {
        f"{one.kind}/argo/{one.name}" for one in found[0]
    }
    assert elsewhere == []


@pytest.mark.parametrize(("when", "code"), [(None, 0), ("true", 3)])
def test_it_ends_with_3_where_something_is_left_to_do(tmp_path: Path, when: str | None, code: int) -> None:
    (tmp_path / "cron.yaml").write_text(json.dumps({"apiVersion": "argoproj.io/v1alpha1", **cron(when=when)}))
    done = CliRunner().invoke(app, ["import", str(tmp_path), "-o", "json"])
    assert done.exit_code == code
    (item,) = json.loads(done.stdout)["items"]
    assert (item["ready"], len(item["becomes"])) == (code == 0, 2)
