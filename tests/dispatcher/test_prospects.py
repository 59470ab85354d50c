"""What a trigger's firings would come to, told from the manifest alone: places that cannot be set, names, and what Argo would refuse."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.manifest import prospects, trigger_model
from dispatcher.rehearsal import is_stand_in, rehearse
from dispatcher.trigger import Declared
from dispatcher.workflowtemplates import declared_by
from tiphys.errors import FaultKind

TEMPLATE: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "WorkflowTemplate",
    "metadata": {"name": "ci"},
    "spec": {
        "entrypoint": "main",
        "arguments": {"parameters": [{"name": "repo"}, {"name": "branch", "value": "main"}]},
        "templates": [
            {"name": "main", "inputs": {"parameters": [{"name": "user"}]}, "container": {"args": ["{{workflow.parameters.sha}}"]}}
        ],
    },
}


class Known:
    def __init__(self, template: dict[str, Any] = TEMPLATE) -> None:
        self._declared = declared_by(template)

    def declared(self, namespace: str, name: str, cluster_scope: bool) -> Declared | None:
        return self._declared if (namespace, name, cluster_scope) == ("argo", "ci", False) else None


def workflow(spec: dict[str, Any], **metadata: str) -> dict[str, Any]:
    named = metadata or {"generateName": "ci-"}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": named, "spec": spec}


def told(
    obj: dict[str, Any],
    *dests: str,
    key: str = "k8s",
    known: Known | None = None,
    trigger: dict[str, Any] | None = None,
    **more: Any,
) -> list[tuple[str, FaultKind, bool]]:
    parameters = [{"src": {"dependencyName": "push", "dataKey": "body.x"}, "dest": dest} for dest in dests]
    asked = {"operation": "create" if key == "k8s" else "submit", "source": {"resource": obj}, "parameters": parameters, **more}
    spec = trigger_model().model_validate({"template": {"name": "t", key: asked}, **(trigger or {})})
    found = prospects(spec, "argo", known or Known())
    return [(one.path.removeprefix(f"template.{key}."), one.kind, one.fails) for one in found]


VALUE = "spec.arguments.parameters.{}.value"
REF = {"workflowTemplateRef": {"name": "ci"}}


def given(*names: str) -> dict[str, Any]:
    return {**REF, "arguments": {"parameters": [{"name": name} for name in names]}}


@pytest.mark.parametrize("key", ["k8s", "argoWorkflow"])
def test_arguments_that_agree_with_the_template_are_left_alone(key: str) -> None:
    # declared, a global that the template reads, and an input of its entrypoint
    obj = workflow(given("repo", "sha", "user"))
    assert told(obj, *(VALUE.format(n) for n in range(3)), key=key) == []


@pytest.mark.parametrize("key", ["k8s", "argoWorkflow"])
def test_an_argument_that_the_template_requires_and_nobody_gives_fails_every_firing(key: str) -> None:
    assert told(workflow(given("branch")), VALUE.format(0), key=key) == [
        ("source.resource.spec.arguments", FaultKind.TEMPLATE_MISMATCH, True)
    ]


def test_an_argument_without_a_value_fails_every_firing_also_where_the_template_has_one() -> None:
    found = told(workflow(given("repo", "branch")), VALUE.format(0))
    assert found == [("source.resource.spec.arguments.parameters[1]", FaultKind.TEMPLATE_MISMATCH, True)]


def test_an_argument_that_nobody_reads_is_told_and_fails_nothing() -> None:
    found = told(workflow(given("repo", "colour")), VALUE.format(0), VALUE.format(1))
    assert found == [("source.resource.spec.arguments", FaultKind.TEMPLATE_MISMATCH, False)]


def test_of_arguments_that_templates_elsewhere_may_read_nothing_is_said_unless_their_declaration_is_misplaced() -> None:
    spec = {
        **TEMPLATE["spec"],
        "templates": [{"name": "main", "steps": [[{"name": "a", "templateRef": {"name": "x", "template": "y"}}]]}],
    }
    obj = workflow(given("repo", "colour"))
    dests = (VALUE.format(0), VALUE.format(1))
    assert told(obj, *dests, known=Known({**TEMPLATE, "spec": spec})) == []
    misplaced = {**spec, "parameters": [{"name": "colour"}]}
    assert told(obj, *dests, known=Known({**TEMPLATE, "spec": misplaced})) == [
        ("source.resource.spec.arguments", FaultKind.TEMPLATE_MISMATCH, True)
    ]


def test_a_template_that_is_not_known_and_a_workflow_set_by_an_event_are_not_judged() -> None:
    assert told(workflow({"workflowTemplateRef": {"name": "other"}})) == []
    assert told(workflow(given("branch")), "spec.workflowTemplateRef.name", VALUE.format(0)) == []
    assert told(workflow(given("branch")), "spec.arguments") == []
    assert told(workflow(REF), "spec") == []
    assert told(workflow(given("branch")), VALUE.format(0), trigger={"parameters": [
        {"src": {"dependencyName": "push", "dataKey": "body.x"}, "dest": "k8s.source.resource.spec.arguments.parameters.0.name"}
    ]}) == []  # fmt: skip


def test_options_of_a_submission_count_as_arguments() -> None:
    obj = workflow(given("branch"))
    assert told(obj, VALUE.format(0), key="argoWorkflow", args=["-p", "repo=x"]) == []
    template = {key: TEMPLATE[key] for key in ("apiVersion", "kind", "metadata")}
    assert told(template, key="argoWorkflow", operation="submit-from") == [("args", FaultKind.TEMPLATE_MISMATCH, True)]
    assert told(template, key="argoWorkflow", operation="submit-from", args=["-p", "repo=x"]) == []
    assert told(template, key="argoWorkflow", operation="submit-from", args=["-f", "https://files.example/p.yaml"]) == []


def test_an_entrypoint_that_is_not_there_fails_every_firing() -> None:
    templates = [{"name": "main", "container": {"image": "alpine"}}]
    assert told(workflow({"entrypoint": "main", "templates": templates})) == []
    assert told(workflow({"entrypoint": "mian", "templates": templates})) == [
        ("source.resource.spec.entrypoint", FaultKind.TEMPLATE_MISMATCH, True)
    ]
    assert told(workflow({"templates": templates})) == [("source.resource.spec", FaultKind.TEMPLATE_MISMATCH, True)]
    assert told(workflow({"entrypoint": "main", "templates": templates, "arguments": {"parameters": [{"name": "x"}]}})) == [
        ("source.resource.spec.arguments.parameters[0]", FaultKind.TEMPLATE_MISMATCH, True)
    ]
    assert ("source.resource.spec.templates", FaultKind.TEMPLATE_MISMATCH, True) in told(
        workflow({**given("repo"), "templates": templates}), VALUE.format(0)
    )


def test_a_dest_past_the_objects_own_arguments_fails_every_firing() -> None:
    obj = workflow(given("repo"))
    assert told(obj, VALUE.format(0), VALUE.format(1)) == [
        ("source.resource.spec.arguments.parameters[1]", FaultKind.WRONG_PLACE, True)
    ]
    assert ("parameters[1].dest", FaultKind.WRONG_PLACE, True) in told(obj, VALUE.format(0), VALUE.format(3))
    # an argument that is made whole
    assert told(obj, VALUE.format(0), "spec.arguments.parameters.1.name", VALUE.format(1)) == []


def test_a_dest_that_cannot_be_set_or_matches_nothing_is_found() -> None:
    obj = workflow({"entrypoint": "main", "templates": [{"name": "main"}]})
    assert told(obj, "spec.templates.main.image") == [("parameters[0].dest", FaultKind.WRONG_PLACE, True)]
    assert told(obj, 'spec.templates.#(name=="other").image') == [("parameters[0].dest", FaultKind.WRONG_PLACE, False)]
    assert told(obj, 'spec.templates.#(name=="main").name') == []


def test_a_name_that_only_one_object_can_have_is_told_unless_that_is_meant() -> None:
    obj = workflow({"entrypoint": "main", "templates": [{"name": "main"}]}, name="ci")
    fixed = [("source.resource.metadata.name", FaultKind.FIXED_NAME, False)]
    assert told(obj) == fixed
    assert told(obj, key="argoWorkflow") == fixed
    assert told(obj, trigger={"onConflict": "skip"}) == []
    assert told(obj, "metadata.name") == []
    assert told(obj, operation="update") == []


def test_a_name_that_kubernetes_does_not_take_fails_every_firing() -> None:
    spec = {"entrypoint": "main", "templates": [{"name": "main"}]}
    assert told(workflow(spec, name="build-")) == [("source.resource.metadata.name", FaultKind.INVALID, True)]
    assert told(workflow(spec, generateName="My_")) == [("source.resource.metadata.generateName", FaultKind.INVALID, True)]


def test_each_of_several_objects_is_told_of_with_its_own_parameters() -> None:
    text = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n"
    )
    parameters = [{"src": {"dependencyName": "push", "dataKey": "body.x"}, "dest": "0.data.x"}]
    asked = {"source": {"inline": text}, "parameters": parameters}
    spec = trigger_model().model_validate({"template": {"name": "t", "k8s": asked}})
    assert [(one.path, one.kind) for one in prospects(spec, "argo")] == [
        ("template.k8s.source.inline[1].metadata.name", FaultKind.FIXED_NAME)
    ]


def test_what_an_event_sets_is_known_by_its_stand_in() -> None:
    obj, _ = rehearse({"a": [{"b": 1}]}, [(0, "a.0.b")])
    assert obj is not None
    assert is_stand_in(obj["a"][0]["b"])
    assert [one.kind for one in rehearse({"a": 1}, [(0, "@this")])[1]] == [FaultKind.WRONG_PLACE]
