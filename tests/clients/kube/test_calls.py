"""What a caller may conclude from a call: done, not done, or unknown."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.kube.stand_in import StandIn, answer, cut, hang, listing, obj, refuse, stand_in, write_kubeconfig
from tiphys.clients.kube import Kube, KubeSettings, Trouble, connect
from tiphys.errors import OutcomeUnknown, Refused, Unreachable

QUICK = KubeSettings(retry_first=0.005, retry_most=0.02, timeout=5, pause_default=0.02, renew_pause=0.0)
AV = "argoproj.io/v1alpha1"


@asynccontextmanager
async def pair(folder: Path, *handlers, settings: KubeSettings = QUICK) -> AsyncIterator[tuple[StandIn, Kube]]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(stand_in(*handlers))
        kube = await stack.enter_async_context(connect(server.kubeconfig(folder), settings=settings))
        yield server, kube


WRITES: dict[str, Callable[[Kube], Awaitable[object]]] = {
    "create": lambda kube: kube.create(obj("a")),
    "replace": lambda kube: kube.replace(obj("a")),
    "patch": lambda kube: kube.patch(AV, "Sensor", "a", "argo", {"spec": {}}),
    "delete": lambda kube: kube.delete(AV, "Sensor", "a", "argo"),
}
writes = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


async def test_a_created_object_comes_back_as_the_server_has_it(tmp_path: Path) -> None:
    async with pair(tmp_path, answer(obj("a", 7), 201)) as (server, kube):
        made = await kube.create({"apiVersion": AV, "kind": "Workflow", "metadata": {"generateName": "ci-"}})
    method, path, query, headers, body = server.asked[0]
    assert made["metadata"]["resourceVersion"] == "7"
    assert (method, path, query["fieldManager"]) == ("POST", "/apis/argoproj.io/v1alpha1/namespaces/argo/workflows", "tiphys")
    assert headers["Authorization"] == "Bearer tok"
    assert json.loads(body)["metadata"] == {"generateName": "ci-"}


async def test_a_namespace_is_the_objects_own_then_the_callers_then_the_contexts(tmp_path: Path) -> None:
    async with pair(tmp_path, answer({})) as (server, kube):
        bare = {"apiVersion": AV, "kind": "Workflow"}
        await kube.create({**bare, "metadata": {"namespace": "own"}}, namespace="given")
        await kube.create(bare, namespace="given")
        await kube.create(bare)
    assert [path.split("/")[5] for _, path, *_ in server.asked] == ["own", "given", "argo"]


async def test_a_cluster_scoped_kind_ignores_the_namespace(tmp_path: Path) -> None:
    """Thread 031."""
    async with pair(tmp_path, answer({})) as (server, kube):
        await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}, namespace="argo")
        await kube.get("v1", "Namespace", "x", "argo")
    assert [path for _, path, *_ in server.asked] == ["/api/v1/namespaces", "/api/v1/namespaces/x"]


async def test_a_service_account_is_impersonated_by_a_header(tmp_path: Path) -> None:
    async with pair(tmp_path, answer({})) as (server, kube):
        await kube.create(obj("a"), impersonate="system:serviceaccount:argo:ci")
        with pytest.raises(Refused):
            await kube.create(obj("a"), impersonate="x\r\nImpersonate-Group: system:masters")
    assert server.asked[0][3]["Impersonate-User"] == "system:serviceaccount:argo:ci"
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_an_empty_name_never_reaches_a_whole_collection(tmp_path: Path, name: str) -> None:
    async with pair(tmp_path, answer({})) as (server, kube):
        for call in (
            kube.delete(AV, "Sensor", name, "argo"),
            kube.get(AV, "Sensor", name),
            kube.patch(AV, "Sensor", name, None, {}),
        ):
            with pytest.raises(Refused, match="name is needed"):
                await call
    assert server.asked == []


async def test_a_name_is_one_segment_of_the_path_whatever_is_in_it(tmp_path: Path) -> None:
    async with pair(tmp_path, answer({})) as (server, kube):
        await kube.get(AV, "Sensor", "a/../b?x=1#%2F", "argo")
    assert server.asked[0][1].endswith("/namespaces/argo/sensors/a/../b?x=1#%2F")
    assert server.asked[0][2] == {}


@pytest.mark.parametrize(
    "broken", [{}, {"apiVersion": AV}, {"apiVersion": 1, "kind": "X"}, {**obj("a"), "x": 2**70}, {**obj("a"), "x": "\ud800"}]
)
async def test_an_object_that_cannot_be_sent_is_refused_and_not_a_crash(tmp_path: Path, broken: dict[str, object]) -> None:
    async with pair(tmp_path, answer({})) as (server, kube):
        with pytest.raises(Refused) as caught:
            await kube.create(broken)
    assert caught.value.status == 422
    assert server.asked == []


@writes
async def test_a_write_that_found_no_connection_was_not_done(tmp_path: Path, write: Callable[[Kube], Awaitable[object]]) -> None:
    async with pair(tmp_path, answer({})) as (server, kube):
        await kube.resource(AV, "Sensor")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            gone = f"http://127.0.0.1:{free.getsockname()[1]}"
        _point_to(kube, gone)
        with pytest.raises(Unreachable):
            await write(kube)
    assert server.asked == []


def _point_to(kube: Kube, server: str) -> None:
    """As if the server had moved away after discovery."""
    identity = kube._identity  # type: ignore[attr-defined]  # the connection's own
    identity._access = replace(identity._access, profile=replace(identity._access.profile, server=server))


@writes
@pytest.mark.parametrize(
    "end", [cut, refuse(500), refuse(503), refuse(504), answer("", 200, {"X": "y"})], ids=["cut", "500", "503", "504", "odd"]
)
async def test_a_write_that_left_and_has_no_full_answer_is_unknown_and_sent_once(
    tmp_path: Path, write: Callable[[Kube], Awaitable[object]], end
) -> None:
    async with pair(tmp_path, answer({}), end) as (server, kube):
        await kube.get(AV, "Sensor", "warms-a-pooled-connection")
        if end is not cut and (await _text_answer(end)):
            server.script[0] = _no_json
        with pytest.raises(OutcomeUnknown):
            await write(kube)
    assert len(server.asked) == 2


async def _text_answer(handler) -> bool:
    response = await handler(None)
    return response.status == 200


async def _no_json(_):
    from aiohttp import web

    return web.Response(text="<html>a proxy's page</html>", content_type="text/html")


@writes
async def test_a_write_past_its_time_limit_is_unknown(tmp_path: Path, write: Callable[[Kube], Awaitable[object]]) -> None:
    async with pair(tmp_path, hang, settings=replace(QUICK, timeout=1.5)) as (server, kube):
        with pytest.raises(OutcomeUnknown, match="time limit"):
            await write(kube)
    assert len(server.asked) == 1


@writes
@pytest.mark.parametrize("code", [302, 400, 401, 403, 409, 422, 429])
async def test_a_write_that_is_refused_was_not_done_and_says_why(tmp_path: Path, write, code: int) -> None:
    async with pair(tmp_path, refuse(code, "Because")) as (server, kube):
        with pytest.raises(Refused, match=f"refused with {code}") as caught:
            await write(kube)
    assert (caught.value.status, caught.value.reason) == (code, "Because")
    assert len(server.asked) == 1


@pytest.mark.parametrize("trouble", [cut, refuse(500), refuse(503), refuse(429), refuse(429, headers={"Retry-After": "0"})])
async def test_a_read_is_tried_again(tmp_path: Path, trouble) -> None:
    async with pair(tmp_path, trouble, trouble, answer(obj("a"))) as (server, kube):
        found = await kube.get(AV, "Sensor", "a")
    assert found is not None
    assert len(server.asked) == 3


async def test_a_read_is_tried_again_within_limits(tmp_path: Path) -> None:
    async with pair(tmp_path, refuse(500)) as (server, kube):
        with pytest.raises(OutcomeUnknown, match="500"):
            await kube.get(AV, "Sensor", "a")
    assert len(server.asked) == QUICK.attempts


@pytest.mark.parametrize("code", [400, 403, 409, 422])
async def test_a_refused_read_is_not_tried_again(tmp_path: Path, code: int) -> None:
    async with pair(tmp_path, refuse(code)) as (server, kube):
        with pytest.raises(Refused):
            await kube.list(AV, "Sensor")
    assert len(server.asked) == 1


async def test_an_absent_object_is_none_and_its_deletion_false(tmp_path: Path) -> None:
    async with pair(tmp_path, refuse(404, "NotFound", name="a")) as (_, kube):
        assert await kube.get(AV, "Sensor", "a") is None
        assert await kube.delete(AV, "Sensor", "a", "argo") is False


async def test_a_404_of_something_else_than_the_object_is_no_absence(tmp_path: Path) -> None:
    """A CRD that went away, or a page of a proxy, must not read as `there is no such object`."""
    async with pair(tmp_path, refuse(404, "NotFound"), answer("page not found", 404)) as (server, kube):
        for call in (kube.get(AV, "Sensor", "a"), kube.delete(AV, "Sensor", "a", "argo")):
            with pytest.raises(Refused) as caught:
                await call
            assert caught.value.status == 404
    assert len(server.discoveries) == 2, "the resource is looked up again"


async def test_retry_after_holds_back_every_call_to_the_server(tmp_path: Path) -> None:
    async with pair(tmp_path, refuse(429, headers={"Retry-After": "60"}), settings=replace(QUICK, timeout=3)) as (server, kube):
        with pytest.raises(Refused) as first:
            await kube.create(obj("a"))
        with pytest.raises(Refused) as second:
            await kube.create(obj("b"))
        with pytest.raises(Refused) as third:
            await kube.get(AV, "Sensor", "c")
    assert first.value.retry_after == 60
    for caught in (second, third):
        assert caught.value.status == 429
        assert caught.value.retry_after is not None
        assert 30 < caught.value.retry_after <= 60
    assert len(server.asked) == 1


async def test_calls_wait_for_the_gate_and_go_on(tmp_path: Path) -> None:
    async with pair(tmp_path, refuse(503, headers={"Retry-After": "1"}), answer(obj("a"))) as (server, kube):
        await kube.resource(AV, "Sensor")
        began = asyncio.get_running_loop().time()
        with pytest.raises(OutcomeUnknown):
            await kube.create(obj("a"))
        await asyncio.gather(kube.create(obj("b")), kube.get(AV, "Sensor", "a"))
        assert asyncio.get_running_loop().time() - began >= 1
    assert len(server.asked) == 3


async def test_calls_beyond_the_connections_wait_and_were_not_done_past_their_limit(tmp_path: Path) -> None:
    async with pair(tmp_path, answer({}), hang, settings=replace(QUICK, connections=1, timeout=2)) as (server, kube):
        await kube.get(AV, "Sensor", "a")
        results = await asyncio.gather(kube.create(obj("a")), kube.create(obj("b")), return_exceptions=True)
    assert [type(result) for result in results] == [OutcomeUnknown, Unreachable]
    assert len(server.asked) == 2


async def test_a_list_comes_in_pages(tmp_path: Path) -> None:
    pages = [
        answer(listing(obj("a"), version=5, token="t1")),
        answer(listing(obj("b"), version=5, token="t2")),
        answer(listing(version=5)),
    ]
    async with pair(tmp_path, *pages) as (server, kube):
        found = await kube.list(AV, "Sensor", "argo", label_selector="a=b", field_selector="metadata.name=c")
    assert [item["metadata"]["name"] for item in found.items] == ["a", "b"]
    assert found.resource_version == "5"
    assert [query.get("continue") for _, _, query, _, _ in server.asked] == [None, "t1", "t2"]
    assert all(
        query["labelSelector"] == "a=b" and query["fieldSelector"] == "metadata.name=c" for _, _, query, _, _ in server.asked
    )


async def test_a_list_that_grew_too_old_between_pages_starts_over(tmp_path: Path) -> None:
    pages = [answer(listing(obj("a"), token="t1")), refuse(410, "Expired"), answer(listing(obj("b"), obj("c")))]
    async with pair(tmp_path, *pages) as (_, kube):
        found = await kube.list(AV, "Sensor")
    assert [item["metadata"]["name"] for item in found.items] == ["b", "c"]


async def test_a_list_that_breaks_off_is_no_short_list(tmp_path: Path) -> None:
    async with pair(tmp_path, answer(listing(obj("a"), token="t1")), refuse(500)) as (_, kube):
        with pytest.raises(OutcomeUnknown):
            await kube.list(AV, "Sensor")


@pytest.mark.parametrize(
    "odd", [{}, [], {"items": []}, {"metadata": {}, "items": [1]}, {"metadata": {}, "items": [{}]}, {"metadata": {}}]
)
async def test_an_answer_that_is_no_list_is_not_an_empty_one(tmp_path: Path, odd) -> None:
    async with pair(tmp_path, answer(odd)) as (_, kube):
        with pytest.raises(OutcomeUnknown, match="no list"):
            await kube.list(AV, "Sensor")


async def test_items_of_built_in_types_get_their_kind(tmp_path: Path) -> None:
    async with pair(tmp_path, answer(listing({"metadata": {"name": "s"}}))) as (_, kube):
        found = await kube.list("v1", "Secret")
    assert (found.items[0]["apiVersion"], found.items[0]["kind"]) == ("v1", "Secret")


async def test_discovery_is_kept(tmp_path: Path) -> None:
    async with pair(tmp_path, answer({})) as (server, kube):
        for kind in ("Sensor", "Workflow", "Sensor"):
            assert (await kube.resource(AV, kind)).namespaced
    assert server.discoveries == ["/apis/argoproj.io/v1alpha1"]


async def test_an_unknown_kind_asks_again_but_not_every_time(tmp_path: Path) -> None:
    async with pair(tmp_path, answer({}), settings=replace(QUICK, rediscover=1.5)) as (server, kube):
        for _ in range(5):
            with pytest.raises(Refused, match="CustomResourceDefinition") as caught:
                await kube.resource("tekton.dev/v1", "PipelineRun")
            assert caught.value.status == 404
        assert len(server.discoveries) == 1
        server.kinds["/apis/tekton.dev/v1"] = [{"name": "pipelineruns", "kind": "PipelineRun", "namespaced": True}]
        await asyncio.sleep(1.6)
        assert (await kube.resource("tekton.dev/v1", "PipelineRun")).plural == "pipelineruns"


async def test_trouble_with_the_server_is_told_once_and_its_recovery_once(tmp_path: Path) -> None:
    told: list[Trouble] = []
    async with (
        stand_in(answer(obj("a"))) as server,
        connect(server.kubeconfig(tmp_path), settings=QUICK, on_trouble=told.append) as kube,
    ):
        await kube.get(AV, "Sensor", "a")
        _point_to(kube, "http://127.0.0.1:1")
        for _ in range(3):
            with pytest.raises(Unreachable):
                await kube.get(AV, "Sensor", "a")
        _point_to(kube, server.url)
        await kube.get(AV, "Sensor", "a")
        await kube.get(AV, "Sensor", "a")
    assert [(trouble.subject, trouble.error is None) for trouble in told] == [(server.url, False), (server.url, True)]


async def test_a_server_that_is_away_is_told_in_the_same_words_each_time(tmp_path: Path) -> None:
    config = write_kubeconfig(tmp_path / "config", "https://127.0.0.1:1", {}, **{"insecure-skip-tls-verify": True})
    async with connect(config, settings=QUICK) as kube:
        with pytest.raises(Unreachable) as away:
            await kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}, namespace="default")
    assert str(away.value).endswith("cannot connect to 127.0.0.1:1: Connect call failed ('127.0.0.1', 1)")


async def test_a_server_that_is_away_does_not_hinder_connecting(tmp_path: Path) -> None:
    config = write_kubeconfig(tmp_path / "config", "http://127.0.0.1:1", {})
    async with connect(config, settings=QUICK) as kube:
        with pytest.raises(Unreachable):
            await kube.version()
