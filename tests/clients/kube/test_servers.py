"""The client against whole servers: the same steps over the embedded API and, where there is one, over a real cluster."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tests.clients.kube.conftest import Cluster
from tests.clients.kube.stand_in import take, until, write_kubeconfig
from tests.emulator.faulty import FaultyProxy
from tests.emulator.fixtures import EmulatorProcess
from tiphys.clients.kube import KubeSecrets, KubeSettings, connect
from tiphys.errors import OutcomeUnknown, Refused, Unreachable
from tiphys.schema.secret import ConfigMapRef, SecretRef

QUICK = KubeSettings(retry_first=0.02, retry_most=0.2, timeout=5, silence=1.0)


def config_map(name: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_an_object_goes_through_its_life(cluster: Cluster) -> None:
    kube, namespace = cluster.kube, cluster.namespace
    made = await kube.create({**config_map("", a="1"), "metadata": {"generateName": "ci-"}}, namespace=namespace)
    name = made["metadata"]["name"]
    assert name.startswith("ci-")
    assert made["metadata"]["uid"]
    assert await kube.get("v1", "ConfigMap", name, namespace) == made
    patched = await kube.patch("v1", "ConfigMap", name, namespace, {"data": {"a": None, "b": "2"}})
    assert patched["data"] == {"b": "2"}
    with pytest.raises(Refused) as stale:
        await kube.replace({**made, "data": {"c": "3"}})
    assert (stale.value.status, stale.value.reason) == (409, "Conflict")
    replaced = await kube.replace({**patched, "data": {"c": "3"}})
    assert replaced["data"] == {"c": "3"}
    assert await kube.delete("v1", "ConfigMap", name, namespace) is True
    assert await kube.delete("v1", "ConfigMap", name, namespace) is False
    assert await kube.get("v1", "ConfigMap", name, namespace) is None


async def test_a_name_that_is_taken_is_refused(cluster: Cluster) -> None:
    await cluster.kube.create(config_map("a"), namespace=cluster.namespace)
    with pytest.raises(Refused) as caught:
        await cluster.kube.create(config_map("a"), namespace=cluster.namespace)
    assert (caught.value.status, caught.value.reason) == (409, "AlreadyExists")


async def test_kinds_know_where_they_live(cluster: Cluster) -> None:
    assert not (await cluster.kube.resource("v1", "Namespace")).namespaced
    assert (await cluster.kube.resource("v1", "Secret")).plural == "secrets"
    with pytest.raises(Refused) as caught:
        await cluster.kube.resource("nowhere.example.test/v1", "Nothing")
    assert caught.value.status == 404


async def test_lists_select_by_label_and_by_name(cluster: Cluster) -> None:
    for name in ("a", "b", "c"):
        obj = config_map(name)
        obj["metadata"]["labels"] = {"letter": name}
        await cluster.kube.create(obj, namespace=cluster.namespace)
    by_label = await cluster.kube.list("v1", "ConfigMap", cluster.namespace, label_selector="letter in (a, b)")
    by_name = await cluster.kube.list("v1", "ConfigMap", cluster.namespace, field_selector="metadata.name=c")
    assert sorted(item["metadata"]["name"] for item in by_label.items) == ["a", "b"]
    assert [item["metadata"]["name"] for item in by_name.items] == ["c"]
    assert by_name.items[0]["kind"] == "ConfigMap"


async def test_a_list_of_many_pages_has_everything(cluster: Cluster) -> None:
    await asyncio.gather(*(cluster.kube.create(config_map(f"m{n:03}"), namespace=cluster.namespace) for n in range(25)))
    async with connect(cluster.kubeconfig, settings=KubeSettings(page=10)) as kube:
        found = await kube.list("v1", "ConfigMap", cluster.namespace, field_selector="metadata.name!=kube-root-ca.crt")
    assert sorted(item["metadata"]["name"] for item in found.items) == [f"m{n:03}" for n in range(25)]


async def test_a_watch_tells_of_a_life(cluster: Cluster) -> None:
    kube, namespace = cluster.kube, cluster.namespace
    await kube.create(config_map("before"), namespace=namespace)
    async with aclosing(kube.watch("v1", "ConfigMap", namespace, field_selector="metadata.name!=kube-root-ca.crt")) as events:
        assert await take(events, 2) == [("ADDED", "before"), ("SYNCED", "")]
        await kube.create(config_map("x"), namespace=namespace)
        await kube.patch("v1", "ConfigMap", "x", namespace, {"data": {"a": "1"}})
        await kube.delete("v1", "ConfigMap", "x", namespace)
        assert await take(events, 3) == [("ADDED", "x"), ("MODIFIED", "x"), ("DELETED", "x")]


async def test_secrets_and_config_maps_are_read_and_follow_their_changes(cluster: Cluster) -> None:
    kube, namespace = cluster.kube, cluster.namespace
    await kube.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"key": "old"}}, namespace=namespace
    )
    await kube.create(config_map("c", key="text"), namespace=namespace)
    async with KubeSecrets(kube) as secrets:
        assert await secrets.secret(namespace, SecretRef(name="s", key="key")) == b"old"
        assert await secrets.configmap(namespace, ConfigMapRef(name="c", key="key")) == b"text"
        await kube.patch("v1", "Secret", "s", namespace, {"stringData": {"key": "new"}})
        async with asyncio.timeout(10):
            while await secrets.secret(namespace, SecretRef(name="s", key="key")) != b"new":
                await asyncio.sleep(0.01)


async def test_the_version_shows_that_a_server_is_there(cluster: Cluster) -> None:
    assert (await cluster.kube.version())["gitVersion"]


# The server or the way to it fails: over the embedded API only.


@pytest.fixture
def namespace() -> str:
    return "default"


async def test_a_create_whose_answer_was_lost_is_unknown_and_was_done(emulator: EmulatorProcess, tmp_path, namespace: str) -> None:
    async with FaultyProxy(emulator.url) as proxy, connect(_through(proxy, emulator, tmp_path), settings=QUICK) as kube:
        await kube.get("v1", "ConfigMap", "warm", namespace)
        proxy.cut_answer(when=lambda request: request.method == "POST")
        with pytest.raises(OutcomeUnknown):
            await kube.create(config_map("a"), namespace=namespace)
        assert await kube.get("v1", "ConfigMap", "a", namespace) is not None
        assert proxy.count("POST") == 1


async def test_a_create_over_a_hushed_connection_is_unknown(emulator: EmulatorProcess, tmp_path, namespace: str) -> None:
    quick = KubeSettings(timeout=0.5)
    async with FaultyProxy(emulator.url) as proxy, connect(_through(proxy, emulator, tmp_path), settings=quick) as kube:
        await kube.get("v1", "ConfigMap", "warm", namespace)
        proxy.hush()
        with pytest.raises(OutcomeUnknown, match="time limit"):
            await kube.create(config_map("a"), namespace=namespace)


async def test_a_replace_over_a_connection_that_was_closed_meanwhile_is_sent_once(
    emulator: EmulatorProcess, tmp_path, namespace: str
) -> None:
    """aiohttp would send a PUT again by itself, and the second is refused for what the first did."""
    async with FaultyProxy(emulator.url) as proxy, connect(_through(proxy, emulator, tmp_path), settings=QUICK) as kube:
        made = await kube.create(config_map("a"), namespace=namespace)
        proxy.cut_answer(when=lambda request: request.method == "PUT")
        with pytest.raises(OutcomeUnknown):
            await kube.replace({**made, "data": {"x": "y"}})
        assert proxy.count("PUT") == 1


async def test_a_refused_connection_is_no_unknown_outcome(emulator: EmulatorProcess, tmp_path, namespace: str) -> None:
    async with FaultyProxy(emulator.url) as proxy, connect(_through(proxy, emulator, tmp_path), settings=QUICK) as kube:
        await kube.resource("v1", "ConfigMap")
        await proxy.refuse()
        await until(
            lambda: all(not protocol.is_connected() for pool in kube._session.connector._conns.values() for protocol, _ in pool)
        )
        with pytest.raises(Unreachable):
            await kube.create(config_map("a"), namespace=namespace)
        await proxy.accept()
        assert await kube.get("v1", "ConfigMap", "a", namespace) is None


async def test_a_watch_survives_cuts_silence_refusals_and_a_restart_and_misses_nothing(
    emulator: EmulatorProcess, tmp_path, namespace: str
) -> None:
    seen: dict[str, str] = {}
    told: list[tuple[str, str]] = []
    async with (
        FaultyProxy(emulator.url) as proxy,
        connect(_through(proxy, emulator, tmp_path), settings=QUICK) as kube,
        connect(emulator.kubeconfig) as sure,
    ):

        async def watch() -> None:
            async with aclosing(kube.watch("v1", "ConfigMap", namespace)) as events:
                async for event in events:
                    if event.type != "SYNCED":
                        name = event.object["metadata"]["name"]
                        told.append((event.type, name))
                        if event.type == "DELETED":
                            del seen[name]
                        else:
                            seen[name] = event.object["data"]["n"]

        watching = asyncio.create_task(watch())

        async def write(number: int) -> None:
            await sure.create(config_map(f"c{number}", n=str(number)), namespace=namespace)
            if number:
                await sure.delete("v1", "ConfigMap", f"c{number - 1}", namespace)
            await until(lambda: seen == {f"c{number}": str(number)}, 20)

        await write(0)
        proxy.cut_connections()
        await write(1)
        proxy.hush()
        await sure.create(config_map("hushed", n="h"), namespace=namespace)
        await asyncio.sleep(0.1)
        proxy.speak()
        await sure.delete("v1", "ConfigMap", "hushed", namespace)
        await write(2)
        await proxy.refuse()
        await asyncio.sleep(0.3)
        await proxy.accept()
        await write(3)
        proxy.answer(500, times=3, when=lambda request: "watch" in request.path)
        proxy.cut_connections()
        await write(4)
        proxy.answer(
            410, times=1, when=lambda request: "watch" in request.path, body=b'{"kind":"Status","code":410,"reason":"Expired"}'
        )
        proxy.cut_connections()
        await write(5)
        await asyncio.to_thread(emulator.restart)
        await write(6)
        proxy.cut_stream(after=10, when=lambda request: "watch" in request.path)
        proxy.cut_connections()
        await write(7)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    for number in range(8):
        assert told.count(("ADDED", f"c{number}")) == 1, "each is told once"


async def test_a_half_open_connection_is_noticed(emulator: EmulatorProcess, tmp_path, namespace: str) -> None:
    async with (
        FaultyProxy(emulator.url) as proxy,
        connect(_through(proxy, emulator, tmp_path), settings=QUICK) as kube,
        connect(emulator.kubeconfig) as sure,
        aclosing(kube.watch("v1", "ConfigMap", namespace)) as events,
    ):
        await take(events, 1)
        waiting = asyncio.create_task(take(events, 1, 20))
        await until(lambda: proxy.count("GET", "watch=1") == 1)
        proxy.hush()
        await until(lambda: proxy.count("GET", "watch=1") >= 2, 20)
        proxy.speak()
        await sure.create(config_map("late"), namespace=namespace)
        assert await waiting == [("ADDED", "late")]


def _through(proxy: FaultyProxy, emulator: EmulatorProcess, folder):
    return write_kubeconfig(folder / "through", proxy.url, {"token": emulator.token})
