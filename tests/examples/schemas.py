"""What objects are checked against: Kubernetes' schemas, and Argo Workflows' own.

Kubernetes' come with `kubernetes-validate`. Argo's schema may not be kept here: `ARGO_WORKFLOWS_SCHEMA` names a copy of its file
`api/jsonschema/schema.json`. Without it the models of `hera`, which are generated from the same source, stand in for it.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate

ARGO = "argoproj.io/v1alpha1"
OFFICIAL = os.environ.get("ARGO_WORKFLOWS_SCHEMA", "")
WORKFLOWS = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow", "WorkflowEventBinding")
EVENTS = ("EventBus", "EventSource", "Sensor")
_EVENTS_PREFIX = "github.com.argoproj.argo_events.pkg.apis.events.v1alpha1."
_NUMBERS_AND_TEXTS = ("Amount", "Int64OrString")  # objects in Argo Workflows' copy, since it reads them by code of their own
_INT_OR_STRING = (
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString"  # a text in Argo Workflows' copy, and a number as well in Kubernetes
)
_WORKFLOWS_PREFIX = "io.argoproj.workflow.v1alpha1."


def problems(obj: dict[str, Any]) -> list[str]:
    """What is wrong with an object of Kubernetes or Argo Workflows, field by field. (Tekton's definitions say no more than that a
    specification is an object.)"""
    if obj["apiVersion"].startswith("tekton.dev/"):
        return []
    if obj["apiVersion"] == ARGO:
        return [f"{error.json_path}: {error.message}" for error in _workflow_validator(obj["kind"]).iter_errors(obj)]
    try:
        kubernetes_validate.validate(obj, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{list(error.path)}: {error.message}"]
    return []


def official_problems(obj: dict[str, Any]) -> list[str]:
    """The same by the very schema of Argo Workflows. It has EventSources and Sensors too, in which fields of ours are let
    through, and no EventBus."""
    return [f"{error.json_path}: {error.message}" for error in _official_validator(obj["kind"]).iter_errors(obj)]


@cache
def _workflow_validator(kind: str) -> jsonschema.Validator:
    model = getattr(importlib.import_module("hera.workflows.models"), kind)
    schema = model.model_json_schema(by_alias=True)
    for definition in (schema, *schema["$defs"].values()):
        _close(definition)
    return jsonschema.Draft202012Validator(schema)


@cache
def _official() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(Path(OFFICIAL).read_text())
    for name, definition in schema["definitions"].items():
        if name.startswith(_EVENTS_PREFIX):
            for field in definition.get("properties", {}).values():
                if field.get("type") == "string":
                    field["type"] = ["string", "integer"]  # protobuf's JSON has texts for int64, a manifest has numbers
        else:
            _close(definition)
    schema["definitions"][_INT_OR_STRING] = {"type": ["string", "integer"]}
    for name in _NUMBERS_AND_TEXTS:
        schema["definitions"][_EVENTS_PREFIX + name] = {"type": ["string", "number"]}
    return schema


@cache
def _official_validator(kind: str) -> jsonschema.Validator:
    prefix = _EVENTS_PREFIX if kind in EVENTS else _WORKFLOWS_PREFIX
    definitions = _official()["definitions"]
    return jsonschema.Draft7Validator({"$ref": f"#/definitions/{prefix}{kind}", "definitions": definitions})


def _close(definition: dict[str, Any]) -> None:
    """The API server drops what a definition does not name: here it is an error."""
    if "properties" in definition:
        definition.setdefault("additionalProperties", False)


def values_named(obj: Any, name: str) -> Iterator[Any]:
    """Every value that stands under a name, at any depth."""
    if isinstance(obj, dict):
        for key, value in obj.items():
            if key == name:
                yield value
            yield from values_named(value, name)
    elif isinstance(obj, list):
        for value in obj:
            yield from values_named(value, name)
