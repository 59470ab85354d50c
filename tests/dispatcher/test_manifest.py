"""One entry of `triggers`: what is accepted, what is refused, with which path and hint."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dispatcher.manifest import TriggerSpec, check, chosen_type, notices, trigger_model
from tiphys.errors import FieldError
from tiphys.schema.model import field_errors, unknown_fields

RESOURCE = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "note-"}}
K8S = {"name": "note", "k8s": {"operation": "create", "source": {"resource": RESOURCE}}}
DEPENDENCIES = frozenset({"dep"})


def load(entry: Any) -> TriggerSpec:
    return trigger_model().model_validate(entry)


def faults(entry: Any, dependencies: frozenset[str] = DEPENDENCIES) -> list[FieldError]:
    try:
        return check(load(entry), dependencies)
    except ValidationError as error:
        return field_errors(error)


def only(entry: Any) -> FieldError:
    (fault,) = faults(entry)
    return fault


def source(**artifacts: Any) -> dict[str, Any]:
    return {"template": {"name": "note", "k8s": {"source": artifacts}}}


def test_a_trigger_that_creates_an_object_is_accepted() -> None:
    assert faults({"template": K8S, "retryStrategy": {"steps": 3, "duration": "1s"}, "atLeastOnce": True}) == []


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({}, "template"),
        (None, ""),
        ({"template": None}, "template"),
        ({"template": {"name": "x"}}, "template"),
        ({"template": {"name": "x", "k8s": {}}}, "template.k8s.source"),
        ({"template": {"k8s": K8S["k8s"]}}, "template.name"),
    ],
)
def test_argo_events_1377_an_empty_trigger_is_refused_with_the_path_of_what_is_expected_there(entry: Any, path: str) -> None:
    fault = only(entry)

    assert fault.path == path
    assert fault.remedy


@pytest.mark.parametrize(
    "kind",
    [
        "awsLambda",
        "azureEventHubs",
        "azureServiceBus",
        "kafka",
        "pulsar",
        "nats",
        "slack",
        "openWhisk",
        "custom",
        "email",
    ],
)
def test_a_kind_of_trigger_that_argo_events_knows_and_we_do_not_have_yet_is_refused_with_a_hint(kind: str) -> None:
    fault = only({"template": {"name": "x", kind: {"url": "http://x"}}})

    assert fault.path == f"template.{kind}"
    assert "not supported yet" in fault.problem
    assert "argo-events knows it" in fault.remedy


def test_a_label_policy_names_labels_and_a_status_policy_statuses() -> None:
    assert only({"template": K8S, "policy": {"k8s": {}}}).path == "policy.k8s.labels"
    hook = {"name": "x", "http": {"url": "http://target.example"}}
    assert only({"template": hook, "policy": {"status": {"allow": []}}}).path == "policy.status.allow"


def test_a_policy_of_another_kind_of_trigger_is_a_notice() -> None:
    (notice,) = notices(load({"template": K8S, "policy": {"status": {"allow": [200]}}}))

    assert notice.path == "policy.status"
    assert "no effect on k8s" in notice.text


def test_a_reset_of_conditions_has_a_time() -> None:
    assert only({"template": K8S | {"conditionsReset": [{}]}}).path == "template.conditionsReset[0].byTime"


@pytest.mark.parametrize("operation", ["Create", "replace"])
def test_an_operation_that_does_not_exist_is_refused(operation: str) -> None:
    assert (
        only({"template": {"name": "x", "k8s": {"operation": operation, "source": {"resource": RESOURCE}}}}).path
        == "template.k8s.operation"
    )


def test_of_several_kinds_the_first_in_argo_events_order_is_used_and_a_notice_says_so() -> None:
    spec = load({"template": K8S | {"log": {}}})

    assert chosen_type(spec.template)[0].key == "k8s"
    (notice,) = notices(spec)
    assert "log ignored" in notice.text


def test_of_several_artifacts_inline_is_used_and_a_notice_says_so() -> None:
    spec = load(source(resource=RESOURCE, inline="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}"))

    assert [notice.path for notice in notices(spec)] == ["template.k8s.source"]


def test_the_short_form_beside_another_kind_is_refused() -> None:
    assert "keep one" in only({"template": K8S | {"workflow": {"templateRef": {"name": "ci"}}}}).remedy


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        (
            {"template": K8S, "parameters": [{"src": {"dependencyName": "depp"}, "dest": "k8s.x"}]},
            "parameters[0].src.dependencyName",
        ),
        (
            {
                "template": {
                    "name": "x",
                    "k8s": {"source": {"resource": RESOURCE}, "parameters": [{"src": {"dependencyName": "depp"}, "dest": "a"}]},
                }
            },
            "template.k8s.parameters[0].src.dependencyName",
        ),
        (
            {
                "template": {
                    "name": "x",
                    "workflow": {"templateRef": {"name": "ci"}, "arguments": {"a": {"from": "depp", "path": "b"}}},
                }
            },
            "template.workflow.arguments.a.from",
        ),
        (
            {"template": {"name": "x", "workflow": {"templateRef": {"name": "ci"}, "arguments": {"a": "{{ .depp.b }}"}}}},
            "template.workflow.arguments.a",
        ),
    ],
)
def test_an_unknown_dependency_is_refused_and_the_known_ones_are_named(entry: Any, path: str) -> None:
    fault = only(entry)

    assert (fault.path, fault.shown) == (path, "'depp'")
    assert "dep" in fault.remedy


@pytest.mark.parametrize(
    ("inline", "problem"),
    [("a: [b", "line 1"), ("", "no object"), ("- a", "list"), ("a: 1\na: 2", "twice")],
)
def test_an_inline_object_that_cannot_be_read_is_refused_at_load(inline: str, problem: str) -> None:
    fault = faults(source(inline=inline or "---\n"))[0]

    assert fault.path == "template.k8s.source.inline"
    assert problem in fault.problem


def test_an_object_that_can_have_no_name_or_kind_is_refused_at_load() -> None:
    assert [fault.path for fault in faults(source(resource={"spec": {}}))] == [
        "template.k8s.source.resource.apiVersion",
        "template.k8s.source.resource.kind",
        "template.k8s.source.resource.metadata",
    ]


@pytest.mark.parametrize("dest", ["metadata.name", "metadata", "metadata.generateName", "@this"])
def test_a_name_that_a_parameter_may_set_need_not_stand_in_the_object(dest: str) -> None:
    k8s = {
        "source": {"resource": {"apiVersion": "v1", "kind": "Namespace"}},
        "parameters": [{"src": {"dependencyName": "dep"}, "dest": dest}],
    }

    assert faults({"template": {"name": "x", "k8s": k8s}}) == []


def test_a_name_that_a_template_parameter_may_set_need_not_stand_in_the_object() -> None:
    k8s = {"source": {"resource": {"apiVersion": "v1", "kind": "Namespace"}}}
    parameters = [{"src": {"dependencyName": "dep"}, "dest": "k8s.source.resource.metadata.name"}]

    assert faults({"template": {"name": "x", "k8s": k8s}, "parameters": parameters}) == []


def test_a_dead_letter_trigger_is_checked_like_any_other_and_cannot_have_one_itself() -> None:
    log = {"template": {"name": "dead", "log": {}}}

    assert faults({"template": K8S, "dlqTrigger": log}) == []
    assert [one.path for one in faults({"template": K8S, "dlqTrigger": {"template": {"name": "dead"}}})] == ["dlqTrigger.template"]
    assert [one.path for one in faults({"template": K8S, "dlqTrigger": log | {"dlqTrigger": log}})] == ["dlqTrigger.dlqTrigger"]
    assert [one.path for one in faults({"template": K8S, "dlqTrigger": log, "atLeastOnce": False})] == ["dlqTrigger"]
    assert [one.path for one in faults({"template": K8S, "dlqTrigger": log | {"once": {"key": "{{ .a.b }}"}}})] == [
        "dlqTrigger.once"
    ]


def test_a_misspelt_field_is_found_with_the_nearest_known_one() -> None:
    (unknown,) = unknown_fields(trigger_model(), {"template": K8S, "retryStrategi": {"steps": 3}})

    assert (unknown.path, unknown.nearest) == ("retryStrategi", "retryStrategy")
