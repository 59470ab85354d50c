"""The examples that users copy: what they need is there, lint has nothing to say, and every object is what its API takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT
from tests.examples.schemas import ARGO, EVENTS, OFFICIAL, official_problems, problems, values_named
from tiphys.app.lint import lint_paths
from tiphys.schema.loader import load_documents

EXAMPLES = ROOT / "examples"
WHOLE = sorted(path.parent for path in EXAMPLES.glob("*/secrets.template.yaml"))
FILES = ("01-source.yaml", "02-workflow.yaml", "03-sensor.yaml", "04-rbac.yaml", "secrets.template.yaml")


def objects(folder: Path) -> list[dict[str, Any]]:
    return [
        document.object
        for path in sorted(folder.glob("*.yaml"))
        if not path.name.endswith(".case.yaml")
        for document in load_documents(path.read_bytes(), str(path)).documents
    ]


def of_kind(folder: Path, *kinds: str) -> list[dict[str, Any]]:
    return [obj for obj in objects(folder) if obj["kind"] in kinds]


def name(obj: dict[str, Any]) -> str:
    return f"{obj['kind']} {obj['metadata']['name']}"


every_example = pytest.mark.parametrize("folder", WHOLE, ids=lambda path: path.name)
every_folder = pytest.mark.parametrize(
    "folder", sorted({path.parent for path in EXAMPLES.glob("*/*.yaml")}), ids=lambda path: path.name
)


def test_the_three_that_the_issue_names_are_there() -> None:
    assert {path.name for path in WHOLE} >= {"push-to-image", "nightly-report", "upload-pipeline"}


@every_example
def test_a_folder_has_every_part(folder: Path) -> None:
    assert set(FILES) <= {path.name for path in folder.iterdir()}
    assert {"EventSource", "Sensor", "WorkflowTemplate", "ServiceAccount", "Role", "RoleBinding", "Secret"} <= {
        obj["kind"] for obj in objects(folder)
    }
    assert (ROOT / f"docs/examples/{folder.name}.md").exists()


@every_example
def test_lint_has_nothing_to_say_about_an_example(folder: Path) -> None:
    assert lint_paths([folder], "argo") == []


@every_folder
def test_every_object_is_what_the_schemas_ask(folder: Path) -> None:
    found = {name(obj): problems(obj) for obj in objects(folder) if obj["kind"] not in EVENTS}
    assert {key: texts for key, texts in found.items() if texts} == {}


@every_folder
@pytest.mark.skipif(not OFFICIAL, reason="ARGO_WORKFLOWS_SCHEMA does not name a copy of Argo Workflows' api/jsonschema/schema.json")
def test_every_argo_object_is_what_argo_workflows_own_schema_asks(folder: Path) -> None:
    found = {
        name(obj): official_problems(obj) for obj in objects(folder) if obj["apiVersion"] == ARGO and obj["kind"] != "EventBus"
    }
    assert {key: texts for key, texts in found.items() if texts} == {}


def test_the_schemas_see_a_field_that_is_not_there() -> None:
    """A check that lets everything through would let the examples rot."""
    (template,) = of_kind(EXAMPLES / "push-to-image", "WorkflowTemplate")
    template["spec"]["templates"][1]["container"]["imagePulPolicy"] = "Always"
    assert [text for text in problems(template) if "imagePulPolicy" in text]
    (role, *_) = of_kind(EXAMPLES / "push-to-image", "Role")
    role["rules"][0]["verb"] = ["get"]
    assert problems(role)
    if OFFICIAL:
        assert [text for text in official_problems(template) if "imagePulPolicy" in text]


@every_example
def test_every_secret_that_is_used_is_in_the_template_with_its_key(folder: Path) -> None:
    # given
    offered = {(secret["metadata"]["name"], key) for secret in of_kind(folder, "Secret") for key in secret["stringData"]}
    # when
    asked: set[tuple[str, str]] = set()
    others = [obj for obj in objects(folder) if obj["kind"] != "Secret"]
    for field in ("webhookSecret", "secretKeyRef", "accessKey", "secretKey", "accessKeySecret", "secretKeySecret"):
        asked |= {(one["name"], one["key"]) for obj in others for one in values_named(obj, field)}
    mounted = {one["secretName"] for obj in others for one in values_named(obj, "secret")}
    # then
    assert asked <= offered
    assert mounted <= {secret for secret, _ in offered}
    assert {secret for secret, _ in offered} == {secret for secret, _ in asked} | mounted


@every_example
def test_no_secret_has_a_value_that_somebody_could_use(folder: Path) -> None:
    for secret in of_kind(folder, "Secret"):
        assert all("CHANGE-ME" in value for value in secret["stringData"].values()), name(secret)


@every_example
def test_the_accounts_that_are_named_are_there_and_may_only_what_they_must(folder: Path) -> None:
    accounts = {obj["metadata"]["name"] for obj in of_kind(folder, "ServiceAccount")}
    named = {sensor["spec"]["template"]["serviceAccountName"] for sensor in of_kind(folder, "Sensor")}
    named |= {template["spec"]["serviceAccountName"] for template in of_kind(folder, "WorkflowTemplate")}
    assert named == accounts
    for role in of_kind(folder, "Role"):
        for rule in role["rules"]:
            assert not {"*"} & {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert "secrets" not in rule["resources"]


@every_example
def test_everything_is_in_one_namespace(folder: Path) -> None:
    assert len({obj["metadata"]["namespace"] for obj in objects(folder)}) == 1


@every_example
def test_images_are_pinned_and_every_container_says_what_it_needs(folder: Path) -> None:
    for template in of_kind(folder, "WorkflowTemplate"):
        containers = list(values_named(template, "container"))
        assert containers
        for container in containers:
            assert re.search(r":v?\d[\w.-]*$", container["image"]), container["image"]
            assert {"requests", "limits"} <= set(container["resources"])


@every_example
def test_the_page_of_an_example_tells_of_every_secret_and_of_the_folder(folder: Path) -> None:
    page = (ROOT / f"docs/examples/{folder.name}.md").read_text()
    assert f"(../../examples/{folder.name})" in page
    for secret in of_kind(folder, "Secret"):
        assert f"`{secret['metadata']['name']}`" in page
