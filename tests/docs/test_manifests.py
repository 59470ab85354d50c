"""Every manifest that the documentation and the examples show is admitted."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks
from tiphys.app.casefiles import belongs_to_case
from tiphys.app.lint import lint_documents
from tiphys.schema.loader import Document, load_documents

EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*.yaml") if not belongs_to_case(path, ROOT / "examples"))
BLOCKS = list(blocks("yaml"))
SENSOR = """\
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: shown, namespace: argo}
spec:
  dependencies:
  - {name: push, eventSourceName: repository, eventName: push}
  - {name: dep, eventSourceName: hooks, eventName: message}
  - {name: up, eventSourceName: store, eventName: uploads}
"""
TRIGGER = """\
  triggers:
  - template:
      name: shown
      k8s:
        operation: create
        source: {resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: shown-}, data: {}}}
"""


def objects(text: str, origin: object) -> list[Document]:
    loaded = load_documents(text.encode(), str(origin))
    assert not loaded.errors
    assert loaded.documents
    return list(loaded.documents)


def templates() -> list[Document]:
    """The quickstart's WorkflowTemplates: what the pages refer to."""
    return objects((ROOT / "examples/quickstart/02-workflows.yaml").read_text(), "quickstart")


def errors(documents: list[Document]) -> list[str]:
    return [f"{one.where}: {one.path}: {one.text}" for one in lint_documents(documents, "argo") if one.level == "error"]


def test_there_is_something_to_check() -> None:
    assert EXAMPLES
    assert len({block.page for block in BLOCKS}) >= 5


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.text.startswith("apiVersion:")], ids=str)
def test_a_manifest_of_the_documentation_is_admitted(block: Block) -> None:
    assert errors(objects(block.text, block) + templates()) == []


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.text.startswith("triggers:")], ids=str)
def test_a_trigger_of_the_documentation_is_admitted_in_a_sensor(block: Block) -> None:
    text = SENSOR + textwrap.indent(block.text, "  ")
    assert errors(objects(text, block) + templates()) == []


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.text.startswith("parameters:")], ids=str)
def test_a_parameter_of_the_documentation_is_admitted_in_a_trigger(block: Block) -> None:
    text = SENSOR + TRIGGER + textwrap.indent(block.text, "        ")
    assert errors(objects(text, block) + templates()) == []


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.text.startswith(("filters:", "transform:"))], ids=str)
def test_a_filter_or_transform_of_the_documentation_is_admitted_in_a_dependency(block: Block) -> None:
    head, _, tail = SENSOR.partition("  - {name: dep, eventSourceName: hooks, eventName: message}\n")
    dependency = "  - name: dep\n    eventSourceName: hooks\n    eventName: message\n" + textwrap.indent(block.text, "    ")
    assert errors(objects(head + dependency + tail + TRIGGER, block) + templates()) == []


def test_every_other_fragment_is_yaml() -> None:
    known = ("apiVersion:", "triggers:", "parameters:", "filters:", "transform:")
    for block in BLOCKS:
        if not block.text.startswith(known):
            objects(block.text, block)


@pytest.mark.parametrize("folder", sorted({path.parent for path in EXAMPLES}), ids=lambda path: path.name)
def test_an_example_is_admitted_as_one_installation(folder: Path) -> None:
    documents = [one for path in sorted(folder.glob("*.yaml")) for one in objects(path.read_text(), path)]
    assert errors(documents) == []


def test_every_sensor_of_an_example_listens_to_an_event_that_is_there() -> None:
    for folder in {path.parent for path in EXAMPLES}:
        found = [one.object for path in sorted(folder.glob("*.yaml")) for one in objects(path.read_text(), path)]
        offered = {
            (one["metadata"]["name"], event)
            for one in found
            if one["kind"] == "EventSource"
            for entries in one["spec"].values()
            for event in entries
        }
        asked = {
            (dependency["eventSourceName"], dependency["eventName"])
            for one in found
            if one["kind"] == "Sensor"
            for dependency in one["spec"]["dependencies"]
        }
        assert asked <= offered
