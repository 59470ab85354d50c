"""Selectors, protobuf, ages and Accept headers as pure functions."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.emulator.definitions import Registry
from tiphys.emulator.kinds import BUILTIN, CUSTOM, kinds_of
from tiphys.emulator.protobuf import to_json
from tiphys.emulator.selectors import compile_selectors
from tiphys.emulator.statuses import ApiError
from tiphys.emulator.tables import asked_shape, human_age

KINDS = {kind.kind: kind for kind in BUILTIN}
POD = KINDS["Pod"]
LABEL = st.from_regex(r"[a-z]([-a-z0-9]{0,5}[a-z0-9])?", fullmatch=True).filter(lambda text: text not in {"in", "notin"})
LABELS = st.dictionaries(LABEL, LABEL, max_size=4)


def pod(labels: dict[str, str], **rest: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x", "labels": labels}, **rest}


@given(LABELS, LABEL, st.lists(LABEL, min_size=1, max_size=3))
def test_in_and_notin_are_opposites_and_in_means_present(labels: dict[str, str], key: str, values: list[str]) -> None:
    inside = compile_selectors(POD, f"{key} in ({', '.join(values)})", "")
    outside = compile_selectors(POD, f"{key} notin ({','.join(values)})", "")
    assert inside is not None
    assert outside is not None

    assert inside(pod(labels)) is (labels.get(key) in values)
    assert outside(pod(labels)) is not inside(pod(labels))


@given(LABELS)
def test_the_labels_of_an_object_select_it(labels: dict[str, str]) -> None:
    for text in (",".join(f"{key}={value}" for key, value in labels.items()), ", ".join(labels)):
        matches = compile_selectors(POD, text, "")
        assert matches is None or matches(pod(labels))


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_as_a_selector_is_a_predicate_or_a_bad_request(labels: str, fields: str) -> None:
    matches = None
    with contextlib.suppress(ApiError):
        matches = compile_selectors(POD, labels, fields)
    assert matches is None or matches(pod({})) in {True, False}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("status.phase=Running", True),
        ("status.phase==Running,spec.nodeName=", True),
        ("status.phase!=Running", False),
        ("metadata.name=x", True),
        (r"metadata.name=x\,y", False),
    ],
)
def test_a_field_selector_reads_the_fields_of_its_kind(selector: str, expected: bool) -> None:
    matches = compile_selectors(POD, "", selector)

    assert matches is not None
    assert matches(pod({}, status={"phase": "Running"})) is expected


# bodies recorded from kubectl 1.37
META = b'\x12\x00\x1a\x00"\x00*\x002\x008\x00B\x00'
NAMESPACE = b"k8s\x00\n\x0f\n\x02v1\x12\tNamespace\x12\x1b\n\x13\n\x03foo" + META + b'\x12\x00\x1a\x02\n\x00\x1a\x00"\x00'
SECRET = b"k8s\x00\n\x0c\n\x02v1\x12\x06Secret\x12\x1d\n\x11\n\x01s" + META + b'\x12\x06\n\x01a\x12\x01b\x1a\x00\x1a\x00"\x00'


def test_protobuf_of_kubectl_is_read() -> None:
    assert orjson.loads(to_json(KINDS["Namespace"], NAMESPACE)) == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "foo"},
        "spec": {},
    }
    assert orjson.loads(to_json(KINDS["Secret"], SECRET)) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"a": "Yg=="},
    }


def test_protobuf_of_other_kinds_is_refused_with_the_way_around() -> None:
    with pytest.raises(ApiError) as refused:
        to_json(KINDS["Deployment"], NAMESPACE)
    assert refused.value.code == 415
    assert "kubectl create -f -" in refused.value.message


@given(st.binary(max_size=60) | st.integers(0, len(SECRET) - 1).map(lambda cut: SECRET[4:cut]))
def test_damaged_protobuf_is_a_bad_request_and_never_an_error_of_ours(tail: bytes) -> None:
    for kind in ("Secret", "Namespace", "ConfigMap", "ServiceAccount"):
        with contextlib.suppress(ApiError):
            assert orjson.loads(to_json(KINDS[kind], b"k8s\x00" + tail)) is not None


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (600, "10m"),
        (3 * 3600 - 60, "179m"),
        (3 * 3600, "3h"),
        (5 * 3600 + 120, "5h2m"),
        (20 * 3600, "20h"),
        (50 * 3600, "2d2h"),
        (10 * 86400, "10d"),
        (800 * 86400, "2y"),
        (-3600, "<invalid>"),
    ],
)
def test_an_age_is_shown_as_kubectl_does(ago: int, shown: str) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_800_000_000 - ago))

    assert human_age(stamp, 1_800_000_000.5) == shown
    assert human_age("yesterday") == "<invalid>"


def test_the_first_form_that_is_served_is_taken() -> None:
    assert asked_shape("application/json;as=Table;v=v1;g=meta.k8s.io,application/json") == "table"
    assert (
        asked_shape("application/vnd.kubernetes.protobuf;as=PartialObjectMetadata, application/json;as=PartialObjectMetadata")
        == "metadata"
    )
    assert asked_shape("application/json, application/json;as=Table") == "object"
    assert asked_shape("application/vnd.kubernetes.protobuf,application/json") == "object"
    assert asked_shape("") == "object"


def test_versions_are_preferred_in_kubernetes_order() -> None:
    registry = Registry()
    crd = {**CUSTOM[0], "spec": {**CUSTOM[0]["spec"]}}
    names = ["foo1", "v1alpha1", "v2", "v1beta2", "v1", "v11", "v1beta10"]
    crd["spec"]["versions"] = [{"name": name, "served": True, "storage": name == "v1"} for name in names]
    registry.define(crd)

    assert registry.versions("argoproj.io") == ["v11", "v2", "v1", "v1beta10", "v1beta2", "v1alpha1", "foo1"]
    registry.undefine(crd)
    assert registry.versions("argoproj.io") == []


def test_the_definitions_of_argo_have_the_subresources_and_short_names_of_its_manifests() -> None:
    kinds = {kind.kind: kind for crd in CUSTOM for kind in kinds_of(crd) if kind.group == "argoproj.io"}

    assert {name for name, kind in kinds.items() if kind.status} == {"EventSource", "Sensor", "EventBus"}
    assert {name for name, kind in kinds.items() if not kind.namespaced} == {"ClusterWorkflowTemplate"}
    assert [kinds[name].short[0] for name in ("EventSource", "Sensor", "EventBus", "Workflow")] == ["es", "sn", "eb", "wf"]
