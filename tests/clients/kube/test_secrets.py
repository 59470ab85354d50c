"""Secrets from memory: read once, kept while the API is away, and new as soon as they are rotated."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tests.clients.kube.stand_in import StandIn, listing, stand_in, status, until
from tests.clients.kube.test_calls import QUICK
from tiphys.clients.kube import KubeSecrets, connect
from tiphys.errors import SecretError
from tiphys.schema.secret import ConfigMapRef, SecretRef


def secret(name: str, version: int = 1, **values: str) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "argo", "uid": name, "resourceVersion": str(version)},
        "data": data,
    }


class Store:
    """The far end: serves lists and watches of objects that a test changes. `allowed` decides by the field selector."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 1
        self.log: list[tuple[int, str, dict[str, Any]]] = []
        self.changed = asyncio.Condition()
        self.allowed = lambda selector: True
        self.down = False
        self.open = 0
        self.fetched = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()

    async def put(self, name: str, **content: Any) -> None:
        self.version += 1
        kind = content.pop("kind", "Secret")
        before = self.objects.get(name)
        obj = {**secret(name, self.version), "kind": kind, **content}
        self.objects[name] = obj
        await self._tell("MODIFIED" if before else "ADDED", obj)

    async def remove(self, name: str) -> None:
        self.version += 1
        await self._tell("DELETED", self.objects.pop(name))

    async def _tell(self, kind: str, obj: dict[str, Any]) -> None:
        self.log.append((self.version, kind, obj))
        async with self.changed:
            self.changed.notify_all()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        selector = request.query.get("fieldSelector", "")
        wanted = selector.removeprefix("metadata.name=")
        if self.down:
            return web.json_response(status(503), status=503)
        if not self.allowed(selector):
            return web.json_response(status(403, "Forbidden", "not yours"), status=403)
        if (name := request.path.rpartition("/")[2]) not in ("secrets", "configmaps"):
            found = self.objects.get(name)
            self.fetched.set()
            await self.answering.wait()
            return web.json_response(found or status(404, "NotFound", name=name), status=200 if found else 404)
        if "watch" not in request.query:
            return web.json_response(listing(*(o for n, o in self.objects.items() if wanted in ("", n)), version=self.version))
        response = web.StreamResponse()
        await response.prepare(request)
        place = int(request.query["resourceVersion"])
        self.open += 1
        try:
            while not self.down:
                for version, kind, obj in self.log:
                    if version > place and wanted in ("", obj["metadata"]["name"]):
                        await response.write(json.dumps({"type": kind, "object": obj}).encode() + b"\n")
                place = self.version
                async with self.changed:
                    await self.changed.wait()
        finally:
            self.open -= 1
        return response


@asynccontextmanager
async def serving(folder, **options):
    store = Store()
    async with AsyncExitStack() as stack:
        server: StandIn = await stack.enter_async_context(stand_in(store.handle))
        kube = await stack.enter_async_context(connect(server.kubeconfig(folder), settings=QUICK))
        yield store, await stack.enter_async_context(KubeSecrets(kube, **options)), server


def ref(name: str = "gh", key: str = "secret", **more: Any) -> SecretRef:
    return SecretRef(name=name, key=key, **more)


def encoded(**values: str) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}


async def settled(secrets: KubeSecrets, expected: bytes | None, reference: SecretRef | None = None) -> None:
    """Poll until the value is as expected; `None`: absent."""
    async with asyncio.timeout(10):
        while True:
            try:
                if await secrets.secret("argo", reference or ref()) == expected:
                    return
            except SecretError as error:
                if expected is None and error.known:
                    return
            await asyncio.sleep(0.01)


async def test_a_value_is_given_as_stored(tmp_path) -> None:
    async with serving(tmp_path) as (store, secrets, server):
        await store.put("gh", data={"secret": "czNjcjN0Cg=="})
        assert await secrets.secret("argo", ref()) == b"s3cr3t\n"
        await secrets.secret("argo", ref())
    assert all(query["fieldSelector"] == "metadata.name=gh" for _, _, query, _, _ in server.asked), "the least privilege"
    assert len(server.asked) <= 2, "the second read is from memory"


async def test_kubeflow_3229_a_rotated_secret_takes_effect_and_its_absence_too(tmp_path) -> None:
    """Thread 020."""
    async with serving(tmp_path) as (store, secrets, _):
        await store.put("gh", data=encoded(secret="old-one"))
        await settled(secrets, b"old-one")
        await store.put("gh", data=encoded(secret="new-one"))
        await settled(secrets, b"new-one")
        await store.remove("gh")
        await settled(secrets, None)
        with pytest.raises(SecretError, match="argo/gh, key secret: there is no such Secret"):
            await secrets.secret("argo", ref())
        await store.put("gh", data=encoded(secret="new-one"))
        await settled(secrets, b"new-one")


async def test_a_secret_once_read_stays_in_memory_while_the_api_is_away(tmp_path) -> None:
    async with serving(tmp_path) as (store, secrets, _):
        await store.put("gh", data=encoded(secret="x"))
        await settled(secrets, b"x")
        store.down = True
        await store.put("gh", data=encoded(secret="y"))
        for _ in range(5):
            assert await secrets.secret("argo", ref()) == b"x"
            await asyncio.sleep(0.02)
        store.down = False
        await settled(secrets, b"y")


async def test_one_never_read_is_not_known_and_says_so_at_once_the_second_time(tmp_path) -> None:
    async with serving(tmp_path, first_read=5.0) as (store, secrets, _):
        store.down = True
        for _ in range(2):
            async with asyncio.timeout(4):
                with pytest.raises(SecretError, match=r"cannot be read now: .*503") as caught:
                    await secrets.secret("argo", ref(optional=True))
            assert not caught.value.known
        store.down = False
        await store.put("gh", data=encoded(secret="x"))
        await settled(secrets, b"x")


async def test_a_missing_right_is_not_an_absent_secret(tmp_path) -> None:
    async with serving(tmp_path) as (store, secrets, _):
        store.allowed = lambda selector: False
        with pytest.raises(SecretError, match="not yours") as caught:
            await secrets.secret("argo", ref())
        assert not caught.value.known


async def test_absence_is_known_and_names_what_there_is(tmp_path) -> None:
    async with serving(tmp_path) as (store, secrets, _):
        await store.put("gh", data=encoded(a="1", b="2"))
        with pytest.raises(SecretError, match="no such key; its keys are: a, b") as key:
            await secrets.secret("argo", ref())
        with pytest.raises(SecretError, match="there is no such Secret") as name:
            await secrets.secret("argo", ref("other"))
        with pytest.raises(SecretError, match="names no Secret") as unnamed:
            await secrets.secret("argo", ref(""))
    assert key.value.known
    assert name.value.known
    assert unnamed.value.known


async def test_what_is_optional_and_absent_is_empty(tmp_path) -> None:
    async with serving(tmp_path) as (store, secrets, _):
        await store.put("gh", data=encoded(a="1"))
        for reference in (ref(optional=True), ref("other", optional=True), ref("", optional=True)):
            assert await secrets.secret("argo", reference) == b""


async def test_a_value_that_is_no_base64_is_a_sentence_without_the_value(tmp_path) -> None:
    async with serving(tmp_path) as (store, secrets, _):
        await store.put("gh", data={"secret": "hunter2!"})
        with pytest.raises(SecretError, match="no base64") as caught:
            await secrets.secret("argo", ref())
    assert "hunter2" not in str(caught.value)


async def test_config_maps_have_text_and_binary_values(tmp_path) -> None:
    async with serving(tmp_path) as (store, secrets, _):
        await store.put("cm", kind="ConfigMap", data={"text": "grün"}, binaryData={"bin": "AAE="})
        assert await secrets.configmap("argo", ConfigMapRef(name="cm", key="text")) == "grün".encode()
        assert await secrets.configmap("argo", ConfigMapRef(name="cm", key="bin")) == b"\x00\x01"
        assert await secrets.configmap("argo", ConfigMapRef(name="cm", key="no", optional=True)) == b""


async def test_many_secrets_of_a_namespace_share_one_watch(tmp_path) -> None:
    async with serving(tmp_path, own_watches=3) as (store, secrets, _):
        for number in range(10):
            await store.put(f"s{number}", data=encoded(secret=f"v{number}"))
        for number in range(9):
            await settled(secrets, f"v{number}".encode(), ref(f"s{number}"))
        await until(lambda: store.open == 1)
        await settled(secrets, b"v9", ref("s9"))
        await store.put("s9", data=encoded(secret="new"))
        await settled(secrets, b"new", ref("s9"))
        await store.put("s1", data=encoded(secret="new"))
        await settled(secrets, b"new", ref("s1"))
        await store.remove("s2")
        await settled(secrets, None, ref("s2"))
        await until(lambda: store.open == 1)
        assert await secrets.secret("argo", ref("absent", optional=True)) == b""
        await store.put("absent", data=encoded(secret="here"))
        await settled(secrets, b"here", ref("absent"))


async def test_many_secrets_asked_for_at_once_are_one_list(tmp_path) -> None:
    async with serving(tmp_path) as (store, secrets, server):
        for number in range(50):
            await store.put(f"s{number}", data=encoded(secret=f"v{number}"))
        read = await asyncio.gather(*(secrets.secret("argo", ref(f"s{number}")) for number in range(50)))
        assert read == [f"v{number}".encode() for number in range(50)]
        await until(lambda: store.open == 1)
    assert len(server.asked) < 20


async def test_an_answer_that_comes_after_the_news_does_not_bring_back_the_old_value(tmp_path) -> None:
    async with serving(tmp_path, own_watches=0) as (store, secrets, _):
        await settled(secrets, b"", ref("any", optional=True))
        await store.put("x", data=encoded(secret="old"))
        store.answering.clear()
        reading = asyncio.create_task(secrets.secret("argo", ref("x")))
        await store.fetched.wait()
        await store.put("x", data=encoded(secret="new"))
        await settled(secrets, b"new", ref("x"))
        await reading
        store.answering.set()
        await until(lambda: secrets._shelves["Secret", "argo"].entries["x"].watch is None)
        assert await secrets.secret("argo", ref("x")) == b"new"


async def test_a_later_reference_waits_out_a_server_that_is_away(tmp_path) -> None:
    async with serving(tmp_path, own_watches=1) as (store, secrets, _):
        for name in ("a", "b", "late"):
            await store.put(name, data=encoded(secret=name))
        await settled(secrets, b"a", ref("a"))
        await settled(secrets, b"b", ref("b"))
        store.down = True
        with pytest.raises(SecretError) as caught:
            await secrets.secret("argo", ref("late"))
        assert not caught.value.known
        store.down = False
        await settled(secrets, b"late", ref("late"))
        await store.put("late", data=encoded(secret="new"))
        await settled(secrets, b"new", ref("late"))


async def test_where_the_role_names_each_secret_each_keeps_its_own_watch(tmp_path) -> None:
    async with serving(tmp_path, own_watches=1) as (store, secrets, server):
        store.allowed = lambda selector: selector != ""
        for number in range(4):
            await store.put(f"s{number}", data=encoded(secret=f"v{number}"))
            await settled(secrets, f"v{number}".encode(), ref(f"s{number}"))
        await store.put("s3", data=encoded(secret="new"))
        await settled(secrets, b"new", ref("s3"))
        await until(lambda: store.open == 4)
    refused = [query for _, _, query, _, _ in server.asked if "fieldSelector" not in query]
    assert len(refused) == 1, "it asks for the namespace once and not again"


async def test_the_least_recently_read_go_first_beyond_the_bound(tmp_path) -> None:
    async with serving(tmp_path, most=2) as (store, secrets, _):
        for number in range(4):
            await store.put(f"s{number}", data=encoded(secret="v"))
            await settled(secrets, b"v", ref(f"s{number}"))
        await until(lambda: store.open == 2)


async def test_its_watches_end_with_it(tmp_path) -> None:
    async with serving(tmp_path) as (store, secrets, _):
        await store.put("gh", data=encoded(secret="x"))
        await settled(secrets, b"x")
        await until(lambda: store.open == 1)
        await secrets.aclose()
        await until(lambda: store.open == 0)
