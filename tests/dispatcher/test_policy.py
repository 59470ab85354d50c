"""`policy.k8s`: waiting for labels, and what becomes of a firing whose object does not get them."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.policy import K8sPolicy, confirm
from tests.dispatcher.conftest import Engine
from tests.dispatcher.support import World, creates, decided, ended, program, until
from tests.emulator.faulty import FaultyProxy, Seen
from tiphys.bus.firing import FiringState, Target, TriggerKey
from tiphys.clients.kube import Kube
from tiphys.errors import TriggerError

QUICK = {"steps": 3, "duration": "5ms", "jitter": 0}


def policy(**fields: Any) -> K8sPolicy:
    return K8sPolicy.model_validate({"labels": {"done": "yes"}, "backoff": QUICK} | fields)


async def made(kube: Kube, namespace: str, **labels: str) -> Target:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": namespace, "labels": labels}}
    await kube.create(obj)
    return Target("v1", "ConfigMap", namespace, "c")


def reads(api: FaultyProxy) -> int:
    return len([request for request in api.requests if request.method == "GET" and request.path.endswith("/configmaps/c")])


async def test_labels_that_are_there_are_seen_at_the_first_look(kube: Kube, api: FaultyProxy, namespace: str) -> None:
    target = await made(kube, namespace, done="yes", other="x")

    await confirm(kube, policy(), target, transient=False)

    assert reads(api) == 1


async def test_labels_are_looked_for_as_often_as_the_back_off_says(kube: Kube, api: FaultyProxy, namespace: str) -> None:
    target = await made(kube, namespace, done="no")

    await confirm(kube, policy(), target, transient=False)
    assert reads(api) == 3

    with pytest.raises(TriggerError, match=r"PolicyNotMet.*done=yes"):
        await confirm(kube, policy(errorOnBackoffTimeout=True), target, transient=False)


async def test_an_object_that_is_gone_is_a_failure_at_once(kube: Kube, api: FaultyProxy, namespace: str) -> None:
    with pytest.raises(TriggerError, match="is gone"):
        await confirm(kube, policy(), Target("v1", "ConfigMap", namespace, "c"), transient=False)

    assert reads(api) == 1


def test_waiting_takes_as_long_as_the_back_off_says() -> None:
    assert policy(backoff={"steps": 4, "duration": "1s", "factor": 2, "jitter": 0}).seconds == 1 + 2 + 4
    assert K8sPolicy.model_validate({"labels": {"a": "b"}}).seconds == 4 * 2, "five looks, a second apart, with jitter"


def posts(request: Seen) -> bool:
    return request.method == "POST" and request.path.partition("?")[0].endswith("/configmaps")


def waits(namespace: str, **beside: Any) -> dict[str, Any]:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-", "namespace": namespace}}
    k8s = {"labels": {"done": "yes"}, "backoff": QUICK, "errorOnBackoffTimeout": True}
    return creates(obj, policy={"k8s": k8s}, **beside)


async def test_a_policy_that_is_not_met_is_a_dead_letter_and_the_object_is_made_once(
    engine: Engine, api: FaultyProxy, namespace: str
) -> None:
    key = TriggerKey(namespace, "ci", "build")
    engine.dispatcher.set_trigger(key, program(waits(namespace), engine.world, key))

    (one,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, one, FiringState.DEAD)

    assert record.last is not None
    assert record.last.reason == "PolicyNotMet"
    assert len(list(filter(posts, api.requests))) == 1


async def test_a_retry_looks_again_and_makes_no_second_object(engine: Engine, kube: Kube, api: FaultyProxy, namespace: str) -> None:
    key = TriggerKey(namespace, "ci", "build")
    strategy = {"retryStrategy": {"steps": 200, "duration": "10ms", "jitter": 0}}
    engine.dispatcher.set_trigger(key, program(waits(namespace, **strategy), engine.world, key))

    (one,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: len(engine.seen.outcomes) >= 2)
    (obj,) = (await kube.list("v1", "ConfigMap", namespace, label_selector=f"tiphys.dev/firing={one.id}")).items
    await kube.patch("v1", "ConfigMap", obj["metadata"]["name"], namespace, {"metadata": {"labels": {"done": "yes"}}})
    await ended(engine.bus.ledger, one)

    made_objects = (await kube.list("v1", "ConfigMap", namespace, label_selector=f"tiphys.dev/firing={one.id}")).items
    assert len(made_objects) == 1


async def test_waiting_goes_on_after_an_answer_that_was_lost(engine: Engine, api: FaultyProxy, namespace: str) -> None:
    key = TriggerKey(namespace, "ci", "build")
    api.cut_answer(times=1, when=posts)
    strategy = {"retryStrategy": {"steps": 4, "duration": "10ms", "jitter": 0}}
    engine.dispatcher.set_trigger(key, program(waits(namespace, **strategy), engine.world, key))

    (one,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, one, FiringState.DEAD)

    assert [attempt.outcome.reason for attempt in record.history] == ["OutcomeUnknown", *["PolicyNotMet"] * 3]
    assert len(list(filter(posts, api.requests))) == 1


async def test_a_server_that_is_away_while_waiting_leaves_the_object_known(kube: Kube, api: FaultyProxy, namespace: str) -> None:
    target = await made(kube, namespace)
    await api.refuse()

    with pytest.raises(TriggerError, match=r"was made and cannot be looked at") as refused:
        await confirm(kube, policy(), target, transient=False)

    assert refused.value.transient


async def test_what_was_deleted_has_no_labels_to_wait_for(kube: Kube, namespace: str) -> None:
    await confirm(kube, policy(), Target("v1", "ConfigMap", namespace, "c", operation="delete"), transient=False)


async def test_without_a_cluster_there_is_nothing_to_wait_for() -> None:
    await confirm(World().kube, policy(), Target("v1", "ConfigMap", "argo", "c"), transient=False)
