"""`k8s` with update, patch and delete: what is sent, on which precondition, and that a lost answer is not a second change."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.changes import merged
from dispatcher.program import TriggerProgram, render
from tests.dispatcher.conftest import Engine
from tests.dispatcher.support import World, decided, ended, event, firing, program, until
from tests.emulator.faulty import FaultyProxy, Seen
from tiphys.bus.firing import Target, TriggerKey
from tiphys.clients.kube import Kube, KubeObject
from tiphys.errors import OutcomeUnknown, Refused, TriggerError

LAST = "tiphys.dev/last-firing"
QUICK = {"retryStrategy": {"steps": 5, "duration": "10ms", "jitter": 0}}


def config_map(namespace: str = "", **data: str) -> dict[str, Any]:
    metadata = {"name": "web"} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def changes(operation: str, obj: dict[str, Any], world: World, **more: Any) -> TriggerProgram:
    template = {"name": "build", "k8s": {"operation": operation, "source": {"resource": obj}} | more}
    return program({"template": template}, world)


async def carried_out(made: TriggerProgram, number: int = 1) -> Target:
    """Render and execute for one firing."""
    one = firing(number=number)
    request = await render(made, {"dep": event({"body": {"n": number}})}, one)
    return await made.trigger({}).execute(request, one)


async def there(kube: Kube, namespace: str) -> KubeObject:
    found = await kube.get("v1", "ConfigMap", "web", namespace)
    assert found is not None
    return found


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(json_values, json_values)
def test_what_is_merged_over_an_object_is_in_it_and_what_it_does_not_name_stays(old: Any, new: Any) -> None:
    result = merged({"o": old, "kept": 1}, {"o": new})

    assert result["kept"] == 1
    assert merged(result, {"o": new}) == result
    if not isinstance(new, dict) or not isinstance(old, dict):
        assert result["o"] == new
    else:
        assert result["o"].keys() == old.keys() | new.keys()


async def test_an_update_merges_maps_replaces_lists_and_carries_the_version_that_was_read(
    kube: Kube, api: FaultyProxy, namespace: str
) -> None:
    await kube.create(config_map(namespace, a="1", b="2"))

    target = await carried_out(changes("update", config_map(namespace, b="3", c=""), World(kube)))

    found = await there(kube, namespace)
    assert found["data"] == {"a": "1", "b": "3", "c": ""}
    assert found["metadata"]["annotations"] == {LAST: firing().id}
    assert (target.operation, target.uid) == ("update", found["metadata"]["uid"])
    (put,) = [request for request in api.requests if request.method == "PUT"]
    assert orjson.loads(put.body)["metadata"]["resourceVersion"]


async def test_an_update_of_what_somebody_changed_meanwhile_is_refused_and_the_next_attempt_reads_anew(
    engine: Engine, kube: Kube, api: FaultyProxy, namespace: str
) -> None:
    await kube.create(config_map(namespace, a="1"))
    key = TriggerKey(namespace, "ci", "build")
    template = {"name": "build", "k8s": {"operation": "update", "source": {"resource": config_map(b="2")}}}
    api.answer(409, times=1, when=lambda request: request.method == "PUT")
    engine.dispatcher.set_trigger(key, program({"template": template} | QUICK, engine.world, key))

    (made,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, made)

    assert len(record.history) == 2
    assert (await there(kube, namespace))["data"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize("operation", ["update", "patch"])
async def test_what_is_to_be_changed_and_is_not_there_is_made(operation: str, kube: Kube, namespace: str) -> None:
    target = await carried_out(changes(operation, config_map(namespace, a="1"), World(kube)))

    found = await there(kube, namespace)
    assert found["data"] == {"a": "1"}
    assert found["metadata"]["labels"] == {"tiphys.dev/firing": firing().id}
    assert target.operation == ""


async def test_a_patch_is_the_object_itself_and_null_takes_away(kube: Kube, api: FaultyProxy, namespace: str) -> None:
    made = await kube.create(config_map(namespace, a="1", b="2"))
    patch = config_map(namespace, c="3")
    patch["data"]["a"] = None

    await carried_out(changes("patch", patch, World(kube)))

    assert (await there(kube, namespace))["data"] == {"b": "2", "c": "3"}
    (sent,) = [request for request in api.requests if request.method == "PATCH"]
    assert sent.headers["content-type"] == "application/merge-patch+json"
    assert orjson.loads(sent.body)["metadata"]["uid"] == made["metadata"]["uid"]


async def test_a_patch_never_meets_another_object_of_the_same_name(kube: Kube, namespace: str) -> None:
    await kube.create(config_map(namespace, a="1"))
    trigger = changes("patch", config_map(namespace, a="2"), World(kube))
    request = await render(trigger, {"dep": event()}, firing())
    await kube.delete("v1", "ConfigMap", "web", namespace)
    await kube.create(config_map(namespace, a="other"))

    with pytest.raises(Refused) as refused:
        await trigger.trigger({}).execute(request, firing())

    assert refused.value.status == 409
    assert (await there(kube, namespace))["data"] == {"a": "other"}


async def test_a_strategic_merge_knows_the_keys_of_lists(kube: Kube, namespace: str) -> None:
    def deployment(*containers: dict[str, str]) -> dict[str, Any]:
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": list(containers)}}
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        metadata = {"name": "web", "namespace": namespace}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}

    await kube.create(deployment({"name": "web", "image": "web:1"}, {"name": "side", "image": "side:1"}))
    made = changes(
        "patch",
        deployment({"name": "web", "image": "web:2"}),
        World(kube),
        patchStrategy="application/strategic-merge-patch+json",
    )

    await carried_out(made)

    found = await kube.get("apps/v1", "Deployment", "web", namespace)
    assert found is not None
    images = {one["name"]: one["image"] for one in found["spec"]["template"]["spec"]["containers"]}
    assert images == {"web": "web:2", "side": "side:1"}


def steps(namespace: str, *listed: dict[str, Any]) -> dict[str, Any]:
    return config_map(namespace) | {"patch": list(listed)}


async def test_a_json_patch_is_the_list_of_steps_in_the_object_and_parameters_reach_it(kube: Kube, namespace: str) -> None:
    await kube.create(config_map(namespace, a="1"))
    parameter = {"src": {"dependencyName": "dep", "dataKey": "body.n"}, "dest": "patch.0.value"}
    made = changes(
        "patch",
        steps(namespace, {"op": "add", "path": "/data/n", "value": ""}, {"op": "remove", "path": "/data/a"}),
        World(kube),
        patchStrategy="application/json-patch+json",
        parameters=[parameter],
    )

    await carried_out(made, number=7)

    found = await there(kube, namespace)
    assert found["data"] == {"n": "7"}
    assert found["metadata"]["annotations"][LAST] == firing(number=7).id


async def test_a_json_patch_on_a_version_that_is_gone_is_a_conflict_and_not_applied(kube: Kube, namespace: str) -> None:
    await kube.create(config_map(namespace, a="1"))
    made = changes(
        "patch",
        steps(namespace, {"op": "replace", "path": "/data/a", "value": "2"}),
        World(kube),
        patchStrategy="application/json-patch+json",
    )
    request = await render(made, {"dep": event()}, firing())
    await kube.patch("v1", "ConfigMap", "web", namespace, {"data": {"b": "mine"}})

    with pytest.raises(Refused) as refused:
        await made.trigger({}).execute(request, firing())

    assert refused.value.status == 409
    assert (await there(kube, namespace))["data"] == {"a": "1", "b": "mine"}


async def test_a_json_patch_that_the_server_refuses_for_itself_says_so(kube: Kube, namespace: str) -> None:
    await kube.create(config_map(namespace, a="1"))
    made = changes(
        "patch",
        steps(namespace, {"op": "remove", "path": "/data/nothing"}),
        World(kube),
        patchStrategy="application/json-patch+json",
    )

    with pytest.raises(Refused) as refused:
        await carried_out(made)

    assert refused.value.status == 422


async def test_a_json_patch_of_what_is_not_there_waits_for_it(kube: Kube, namespace: str) -> None:
    made = changes("patch", steps(namespace), World(kube), patchStrategy="application/json-patch+json")

    with pytest.raises(TriggerError, match=r"NotFound.*ConfigMap .*web") as refused:
        await carried_out(made)

    assert refused.value.transient


async def test_a_deletion_is_of_the_very_object_that_was_read(kube: Kube, api: FaultyProxy, namespace: str) -> None:
    await kube.create(config_map(namespace))
    trigger = changes("delete", config_map(namespace), World(kube))
    request = await render(trigger, {"dep": event()}, firing())
    await kube.delete("v1", "ConfigMap", "web", namespace)
    await kube.create(config_map(namespace, a="other"))

    with pytest.raises(Refused) as refused:
        await trigger.trigger({}).execute(request, firing())

    assert refused.value.status == 409
    assert (await there(kube, namespace))["data"] == {"a": "other"}
    assert await trigger.trigger({}).look(request.target, firing()) == request.target, "the one that was meant is gone"


async def test_what_is_not_there_is_deleted_already(kube: Kube, api: FaultyProxy, namespace: str) -> None:
    await carried_out(changes("delete", config_map(namespace), World(kube)))

    assert [request.method for request in api.requests if "configmaps" in request.path] == ["GET"]


def writes(method: str) -> Any:
    def matches(request: Seen) -> bool:
        return request.method == method and "configmaps" in request.path

    return matches


@pytest.mark.parametrize(("operation", "method"), [("update", "PUT"), ("patch", "PATCH"), ("delete", "DELETE")])
async def test_a_change_whose_answer_was_lost_is_recognised_and_not_made_again(
    engine: Engine, kube: Kube, api: FaultyProxy, namespace: str, operation: str, method: str
) -> None:
    await kube.create(config_map(namespace, a="1"))
    key = TriggerKey(namespace, "ci", "build")
    template = {"name": "build", "k8s": {"operation": operation, "source": {"resource": config_map(a="2")}}}
    api.cut_answer(times=1, when=writes(method))
    engine.dispatcher.set_trigger(key, program({"template": template} | QUICK, engine.world, key))

    (made,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, made)

    assert record.last is not None
    assert record.last.reason == "Found"
    assert len([request for request in api.requests if writes(method)(request)]) == 1


async def test_a_change_that_never_arrived_is_made_by_the_next_attempt(
    engine: Engine, kube: Kube, api: FaultyProxy, namespace: str
) -> None:
    await kube.create(config_map(namespace, a="1"))
    key = TriggerKey(namespace, "ci", "build")
    template = {"name": "build", "k8s": {"operation": "patch", "source": {"resource": config_map(a="2")}}}
    api.cut_request(times=1, when=writes("PATCH"))
    engine.dispatcher.set_trigger(key, program({"template": template} | QUICK, engine.world, key))

    (made,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await ended(engine.bus.ledger, made)

    assert (await there(kube, namespace))["data"] == {"a": "2"}


async def test_a_lost_answer_is_an_unknown_outcome(kube: Kube, api: FaultyProxy, namespace: str) -> None:
    await kube.create(config_map(namespace, a="1"))
    api.cut_answer(times=1, when=writes("PUT"))

    with pytest.raises(OutcomeUnknown):
        await carried_out(changes("update", config_map(namespace, a="2"), World(kube)))


async def test_a_live_object_gets_the_parameters_and_is_replaced_on_the_version_that_was_read(kube: Kube, namespace: str) -> None:
    await kube.create(config_map(namespace, a="1", n="0"))
    parameter = {"src": {"dependencyName": "dep", "dataKey": "body.n"}, "dest": "data.n", "operation": "append"}
    bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": namespace}}
    made = changes("update", bare, World(kube), liveObject=True, parameters=[parameter])

    await carried_out(made, number=5)

    assert (await there(kube, namespace))["data"] == {"a": "1", "n": "05"}


async def test_a_live_object_that_is_not_there_is_waited_for(kube: Kube, namespace: str) -> None:
    made = changes("update", config_map(namespace), World(kube), liveObject=True)

    with pytest.raises(TriggerError, match="NotFound") as refused:
        await carried_out(made)

    assert refused.value.transient


async def test_all_of_it_is_done_as_the_account_of_the_sensor(kube: Kube, api: FaultyProxy, namespace: str) -> None:
    await kube.create(config_map(namespace, a="1"))
    account = f"system:serviceaccount:{namespace}:maker"
    template = {"name": "build", "k8s": {"operation": "update", "source": {"resource": config_map(namespace, a="2")}}}
    made = program({"template": template}, World(kube), impersonate=account)
    before = len(api.requests)

    await carried_out(made)

    accounts = {request.headers.get("impersonate-user") for request in api.requests[before:] if "configmaps" in request.path}
    assert accounts == {account}


async def test_a_dry_run_without_a_cluster_shows_the_change() -> None:
    made = changes("patch", config_map("argo", a="1"), World())

    shown = (await render(made, {"dep": event()}, firing())).preview

    assert shown["operation"] == "patch"
    assert shown["target"] == "ConfigMap argo/web"
    assert shown["patch"]["data"] == {"a": "1"}


async def test_a_trigger_that_became_a_deletion_does_not_take_an_update_for_one(
    engine: Engine, kube: Kube, api: FaultyProxy, namespace: str
) -> None:
    await kube.create(config_map(namespace, a="1"))
    key = TriggerKey(namespace, "ci", "build")
    template = {"name": "build", "k8s": {"operation": "update", "source": {"resource": config_map(a="2")}}}
    api.cut_request(times=1, when=writes("PUT"))
    engine.dispatcher.set_trigger(key, program({"template": template}, engine.world, key))
    (made,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: bool(engine.seen.outcomes))
    deletion = {"name": "build", "k8s": {"operation": "delete", "source": {"resource": config_map()}}}
    engine.dispatcher.set_trigger(key, program({"template": deletion} | QUICK, engine.world, key))

    await ended(engine.bus.ledger, made)

    assert await kube.get("v1", "ConfigMap", "web", namespace) is None
