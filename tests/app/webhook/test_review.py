"""AdmissionReviews: what is denied, with every field; what is warned of; what is let through without a look."""

from __future__ import annotations

from typing import Any

import pytest

from tests.app.test_service import SENSOR, SOURCE
from tiphys.app.adoption import LABEL, Adoption
from tiphys.app.webhook import Reviewer
from tiphys.app.webhook.review import InvalidReview
from tiphys.schema.loader import load_documents


def manifest(text: str, **spec: Any) -> dict[str, Any]:
    (document,) = load_documents(text).documents
    made = dict(document.object)
    made["spec"] = {**made["spec"], **spec}
    return made


def review(obj: Any, operation: str = "CREATE", old: Any = None, **more: Any) -> dict[str, Any]:
    request = {"uid": "705ab4f5", "operation": operation, "namespace": "argo", "object": obj, "oldObject": old, **more}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


async def answer(reviewer: Reviewer, body: dict[str, Any]) -> dict[str, Any]:
    found = await reviewer.review(body)
    assert found["apiVersion"] == "admission.k8s.io/v1"
    assert found["kind"] == "AdmissionReview"
    response: dict[str, Any] = found["response"]
    assert response["uid"] == "705ab4f5"
    return response


async def test_a_manifest_without_a_fault_is_allowed_without_a_word() -> None:
    found = await answer(Reviewer(), review(manifest(SENSOR)))
    assert found == {"uid": "705ab4f5", "allowed": True}


async def test_a_refusal_names_every_field_with_its_remedy() -> None:
    # given two faults
    broken = manifest(SENSOR, dependencies=[{"name": "push", "eventSourceName": "hooks", "eventName": 7}], triggers=[])
    # when
    found = await answer(Reviewer(), review(broken))
    # then
    assert found["allowed"] is False
    status = found["status"]
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["message"].startswith("invalid Sensor: ")
    assert status["details"]["name"] == "ci"
    fields = {cause["field"]: cause["message"] for cause in status["details"]["causes"]}
    assert fields["spec.dependencies[0].eventName"] == "must be a string (found 7); put it in quotes"
    assert "add a trigger" in fields["spec.triggers"]


async def test_an_open_endpoint_and_an_unknown_field_are_warnings() -> None:
    # given
    hooks = {"in": {"endpoint": "/in", "port": "12000", "method": "POST", "colour": "red"}}
    # when
    found = await answer(Reviewer(), review(manifest(SOURCE, webhook=hooks)))
    # then the worse comes first
    assert found["allowed"] is True
    assert found["warnings"][0].startswith("spec.webhook.in.colour: is no field")
    assert any("authSecret" in text for text in found["warnings"])


async def test_strict_refuses_what_nobody_knows() -> None:
    hooks = {"in": {"endpoint": "/in", "port": "12000", "method": "POST", "colour": "red"}}
    found = await answer(Reviewer(strict=True), review(manifest(SOURCE, webhook=hooks)))
    assert found["allowed"] is False
    assert "spec.webhook.in.colour" in found["status"]["message"]


async def test_warnings_stay_within_what_an_api_server_passes_on() -> None:
    hooks = {f"in{number}": {"endpoint": f"/{number}", "port": "12000", "method": "POST", "x" * 300: 1} for number in range(50)}
    found = await answer(Reviewer(), review(manifest(SOURCE, webhook=hooks)))
    assert found["allowed"] is True
    assert max(map(len, found["warnings"])) <= 256
    assert sum(len(text.encode()) for text in found["warnings"]) <= 4096


@pytest.mark.parametrize(
    ("operation", "old"),
    [
        ("DELETE", manifest(SENSOR, triggers=[])),
        ("CONNECT", None),
        ("UPDATE", manifest(SENSOR, triggers=[])),
    ],
)
async def test_what_changes_nothing_of_a_specification_is_let_through(operation: str, old: Any) -> None:
    obj = {**manifest(SENSOR, triggers=[]), "status": {"x": 1}} if operation != "DELETE" else None
    assert (await answer(Reviewer(), review(obj, operation, old)))["allowed"] is True


async def test_a_changed_specification_is_judged() -> None:
    found = await answer(Reviewer(), review(manifest(SENSOR, triggers=[]), "UPDATE", manifest(SENSOR)))
    assert found["allowed"] is False


async def test_an_object_that_is_not_ours_is_not_ours_to_judge() -> None:
    adoption = Adoption(None, "labelled")  # type: ignore[arg-type]  it asks no server
    reviewer = Reviewer(ours=lambda obj: adoption.verdict(obj).ours)
    broken = manifest(SENSOR, triggers=[])
    assert (await answer(reviewer, review(broken)))["allowed"] is True
    broken["metadata"] = {**broken["metadata"], "labels": {LABEL: "true"}}
    assert (await answer(reviewer, review(broken)))["allowed"] is False


async def test_a_name_that_is_yet_to_be_drawn_is_a_name() -> None:
    drawn = manifest(SENSOR)
    drawn["metadata"] = {"generateName": "ci-"}
    assert (await answer(Reviewer(), review(drawn)))["allowed"] is True


async def test_a_dry_run_is_judged_alike() -> None:
    found = await answer(Reviewer(), review(manifest(SENSOR, triggers=[]), dryRun=True))
    assert found["allowed"] is False


@pytest.mark.parametrize(
    "obj",
    [
        {"kind": "Sensor"},
        {"kind": "Sensor", "apiVersion": "argoproj.io/v1alpha1", "metadata": None, "spec": None},
        {"kind": "EventSource", "apiVersion": "argoproj.io/v2", "metadata": {"name": 7}, "spec": []},
        {"kind": "EventBus", "apiVersion": "argoproj.io/v1alpha1", "metadata": {"name": "b"}, "spec": {}},
    ],
    ids=str,
)
async def test_objects_of_any_shape_are_answered(obj: Any) -> None:
    found = await answer(Reviewer(), review(obj))
    assert found["allowed"] is False
    assert found["status"]["details"]["causes"]


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"apiVersion": "admission.k8s.io/v1"}, {"apiVersion": "admission.k8s.io/v1beta1", "request": {"uid": "x"}}],
    ids=str,
)
async def test_what_is_no_review_is_refused(body: Any) -> None:
    with pytest.raises(InvalidReview, match=r"admission\.k8s\.io/v1"):
        await Reviewer().review(body)
