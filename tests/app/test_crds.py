"""The CRDs: structural, and open to whatever argo-events accepts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from eventsource.manifest import ARGO_SOURCES
from eventsource.source import registered as registered_sources
from tests.app.structural import flaws, pruned, refusals
from tiphys.app.crds import crd, crds, crds_text
from tiphys.app.schemas import KINDS
from tiphys.schema.loader import load_documents

ROOT = Path(__file__).parents[2]
ANNOTATION_LIMIT = 256 << 10


def schema(kind: str) -> Any:
    return crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def valid_cases() -> Iterator[dict[str, Any]]:
    for line in (ROOT / "tests/golden/validate.jsonl").read_text().splitlines():
        case = json.loads(line)
        if case["expect"].get("valid"):
            yield case


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((ROOT / "examples").rglob("*.yaml")):
        for document in load_documents(file.read_bytes(), str(file)).documents:
            if document.object.get("kind") in KINDS:
                yield document.where(""), document.object


def test_a_schema_that_is_not_structural_is_found() -> None:
    broken = {
        "type": "object",
        "properties": {"a": {}, "b": {"type": "array"}, "c": {"type": "string", "default": "x"}, "metadata": {"type": "string"}},
        "additionalProperties": {"type": "string"},
        "required": ["d"],
    }
    assert len(list(flaws(broken))) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_is_structural(kind: str) -> None:
    assert list(flaws(schema(kind))) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_crd_fits_into_the_annotation_of_kubectl_apply(kind: str) -> None:
    assert len(orjson.dumps(crd(kind))) < ANNOTATION_LIMIT


@pytest.mark.parametrize("case", list(valid_cases()), ids=lambda case: case["id"])
def test_what_argo_events_accepts_is_accepted(case: dict[str, Any]) -> None:
    manifest = case["input"]["manifest"]
    found = schema(manifest["kind"])
    assert list(refusals(found, manifest)) == []
    assert list(pruned(found, manifest)) == []


def test_every_example_is_accepted_whole() -> None:
    found = list(examples())
    assert len(found) > 3
    for where, manifest in found:
        assert list(refusals(schema(manifest["kind"]), manifest)) == [], where
        assert list(pruned(schema(manifest["kind"]), manifest)) == [], where


def test_a_field_that_nobody_knows_reaches_the_service_from_every_depth() -> None:
    # given
    manifest = {
        "kind": "Sensor",
        "metadata": {"name": "s"},
        "spec": {
            "unknown": {"a": 1},
            "dependencies": [
                {"name": "d", "eventSourceName": "e", "eventName": "v", "no": 1, "filters": {"x": 1, "data": [{"y": [1]}]}}
            ],
            "triggers": [{"template": {"name": "t", "z": 1, "log": {"w": 1}, "kafka": {"url": 7}}}],
        },
    }
    # then
    assert list(pruned(schema("Sensor"), manifest)) == []
    assert list(refusals(schema("Sensor"), manifest)) == []


@pytest.mark.parametrize("key", sorted(ARGO_SOURCES | registered_sources().keys()))
def test_every_source_of_argo_events_and_of_ours_has_a_place(key: str) -> None:
    assert schema("EventSource")["properties"]["spec"]["properties"][key]["type"] == "object"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dependencies": []}, "spec.dependencies is too short"),
        ({"triggers": None}, "spec.triggers is required"),
        ({"dependencies": [{"name": "", "eventSourceName": "e", "eventName": "v"}]}, "dependencies[0].name is too short"),
        ({"dependencies": [{"name": "d", "eventSourceName": "e"}]}, "dependencies[0].eventName is required"),
        ({"triggers": [{"template": {"k8s": {}}}]}, "template.name is required"),
        ({"replicas": "2"}, "must be of type integer"),
    ],
)
def test_what_argo_events_refuses_or_cannot_decode_is_refused(change: dict[str, Any], told: str) -> None:
    # given
    spec = {
        "dependencies": [{"name": "d", "eventSourceName": "e", "eventName": "v"}],
        "triggers": [{"template": {"name": "t", "log": {}}}],
    }
    # when
    found = list(refusals(schema("Sensor"), {"metadata": {"name": "s"}, "spec": spec | change}))
    # then
    assert len(found) == 1
    assert told in found[0]


@pytest.mark.parametrize(("kind", "short"), [("EventBus", "eb"), ("EventSource", "es"), ("Sensor", "sn")])
def test_names_and_columns_are_those_that_users_type(kind: str, short: str) -> None:
    # given
    made = crd(kind)
    version = made["spec"]["versions"][0]
    # then
    assert made["spec"]["names"]["shortNames"] == [short]
    assert made["metadata"]["name"] == f"{made['spec']['names']['plural']}.argoproj.io"
    assert version["subresources"] == {"status": {}}
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    assert columns[-1] == "Age"
    assert len(columns) >= 3


def test_the_text_is_the_same_each_time_and_reads_back() -> None:
    assert crds_text("yaml") == crds_text("yaml")
    assert list(yaml.safe_load_all(crds_text("yaml"))) == crds()
    assert json.loads(crds_text("json"))["items"] == crds()
    assert "&id" not in crds_text("yaml")


def test_a_dead_letter_handler_is_described_once_and_open_below() -> None:
    trigger = schema("Sensor")["properties"]["spec"]["properties"]["triggers"]["items"]["properties"]
    assert trigger["dlqTrigger"]["x-kubernetes-preserve-unknown-fields"] is True
    assert "properties" not in trigger["dlqTrigger"]
