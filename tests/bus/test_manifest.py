"""The EventBus manifest: what argo-events refuses is refused, and what it accepts and cannot use is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.bus.manifest import examine
from tiphys.errors import FaultKind


def bus(spec: Any) -> dict[str, Any]:
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "EventBus", "metadata": {"name": "default"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "asks"),
    [
        ({"nats": {"native": {"replicas": 3, "auth": "token", "persistence": {"volumeSize": "10Gi"}}}}, "NATS Streaming"),
        ({"nats": {"exotic": {"url": "nats://n:4222", "clusterID": "c"}}}, "an existing NATS Streaming"),
        ({"jetstream": {"version": "latest", "replicas": 1, "persistence": {"volumeSize": 1}}}, "NATS JetStream"),
        ({"jetstreamExotic": {"url": "nats://n:4222", "streamConfig": ""}}, "an existing NATS JetStream"),
        ({"kafka": {"url": "a:9092,b:9092", "sasl": {"mechanism": "PLAIN"}}}, "an existing Kafka"),
        ({"jetstream": {"version": "latest"}, "nats": {"native": {}}}, "NATS Streaming"),
    ],
)
def test_a_bus_that_argo_events_accepts_is_accepted_and_says_which_servers_it_asks_for(spec: dict[str, Any], asks: str) -> None:
    found = examine(bus(spec), "argo")
    assert found.errors == ()
    assert found.manifest is not None
    assert (found.manifest.namespace, found.manifest.name, found.manifest.asks_for) == ("argo", "default", asks)


@pytest.mark.parametrize(
    ("spec", "path", "kind"),
    [
        ({}, "spec", FaultKind.MISSING),
        (None, "spec", FaultKind.MISSING),
        ([], "spec", FaultKind.WRONG_TYPE),
        ({"nats": {}}, "spec.nats", FaultKind.INVALID),
        ({"nats": {"native": {}, "exotic": {"url": "u", "clusterID": "c"}}}, "spec.nats", FaultKind.INVALID),
        ({"nats": {"exotic": {"url": "u"}}}, "spec.nats.exotic", FaultKind.MISSING),
        ({"nats": {"exotic": {"clusterID": "c"}}}, "spec.nats.exotic", FaultKind.MISSING),
        ({"jetstream": {}}, "spec.jetstream", FaultKind.MISSING),
        ({"jetstream": {"version": "l", "replicas": 2}}, "spec.jetstream.replicas", FaultKind.INVALID),
        ({"jetstream": {"version": "l", "replicas": "3"}}, "spec.jetstream.replicas", FaultKind.WRONG_TYPE),
        ({"jetstream": {"version": "l", "persistence": {"volumeSize": "ten"}}}, "spec.jetstream.persistence.volumeSize", FaultKind.INVALID),
        ({"jetstreamExotic": {}}, "spec.jetstreamExotic", FaultKind.MISSING),
        ({"kafka": {}}, "spec.kafka", FaultKind.MISSING),
    ],
)  # fmt: skip
def test_what_argo_events_refuses_is_refused_with_its_path(spec: Any, path: str, kind: FaultKind) -> None:
    found = examine(bus(spec))
    assert found.manifest is None
    assert [(one.path, one.kind) for one in found.errors] == [(path, kind)]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"kafka": {"url": "u", "tls": {}}}, "spec.kafka.tls"),
        ({"kafka": {"url": "u", "tls": {"clientCertSecret": {"name": "a", "key": "b"}}}}, "spec.kafka.tls"),
        ({"kafka": {"url": "u", "sasl": {}}}, "spec.kafka.sasl"),
        ({"kafka": {"url": "u", "partitioner": "sticky"}}, "spec.kafka.partitioner"),
        ({"jetstreamExotic": {"url": "u", "streamConfig": "- a"}}, "spec.jetstreamExotic.streamConfig"),
        ({"jetstreamExotic": {"url": "u", "streamConfig": "a: [", "tls": {}}}, "spec.jetstreamExotic.streamConfig"),
        ({"jetstream": {"version": "l", "streamConfig": "retention: 3"}}, "spec.jetstream.streamConfig"),
        ({"jetstream": {"version": "l", "streamConfig": "maxMsg: 3"}}, "spec.jetstream.streamConfig"),
        ({"jetstream": {"version": "l"}, "kafka": {"url": "u"}}, "spec.kafka"),
    ],
)
def test_what_argo_events_accepts_and_cannot_use_is_told(spec: dict[str, Any], path: str) -> None:
    found = examine(bus(spec))
    assert found.errors == ()
    assert found.notices[0].path == path
    assert {one.kind for one in found.notices} == {FaultKind.UNUSABLE_BUS}


@pytest.mark.parametrize(
    "spec",
    [
        {"kafka": {"url": "u", "tls": {"insecureSkipVerify": True}}},
        {"kafka": {"url": "u", "tls": {"enabled": True}, "partitioner": "hash"}},
        {"jetstream": {"version": "l", "streamConfig": "maxAge: 24h\nretention: 0\ndiscard: 1\n"}},
        {"jetstreamExotic": {"url": "u", "streamConfig": "# nothing"}},
    ],
)
def test_of_what_can_be_used_nothing_is_said(spec: dict[str, Any]) -> None:
    assert examine(bus(spec)).notices == ()


def test_a_field_that_nobody_knows_is_found_with_the_one_that_is_meant() -> None:
    found = examine(bus({"nats": {"native": {"resources": {}, "replica": 3}}}))
    assert [(one.path, one.nearest, one.elsewhere) for one in found.unknown] == [
        ("spec.nats.native.resources", "", "spec.nats.native.containerTemplate.resources"),
        ("spec.nats.native.replica", "replicas", ""),
    ]


names = st.sampled_from(
    ["nats", "native", "exotic", "jetstream", "jetstreamExotic", "kafka", "url", "tls", "sasl", "replicas", "streamConfig"]
)
shapes = st.recursive(
    st.none() | st.integers() | st.booleans() | st.sampled_from(["", "a: [", "{{", "10Gi"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


@given(shapes, shapes)
def test_any_shape_is_read_or_refused(spec: Any, metadata: Any) -> None:
    found = examine({"kind": "EventBus", "metadata": metadata, "spec": spec})
    assert (found.manifest is None) is bool(found.errors)
