"""The misbehaving proxy does what it says: other rooms' tests lean on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.emulator.api import Api
from tests.emulator.faulty import FaultyProxy, Seen
from tests.emulator.fixtures import EmulatorProcess


@pytest.fixture
async def proxy(shared_emulator: EmulatorProcess) -> AsyncIterator[FaultyProxy]:
    async with FaultyProxy(shared_emulator.url) as found:
        yield found


@pytest.fixture
async def session(shared_emulator: EmulatorProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {shared_emulator.token}"}) as found:
        yield found


def on(session: aiohttp.ClientSession, proxy: FaultyProxy) -> Api:
    return Api(session, proxy.url, "default", real=False)


def config_map(name: str) -> dict[str, object]:
    return {"metadata": {"name": name}}


async def test_requests_pass_and_are_remembered(proxy: FaultyProxy, session: aiohttp.ClientSession) -> None:
    answer = await on(session, proxy).call(
        "GET", "/api/v1/namespaces/argo", headers={"Impersonate-User": "system:serviceaccount:a:b"}
    )

    assert answer.body["metadata"]["name"] == "argo"
    assert (proxy.requests[0].method, proxy.requests[0].path) == ("GET", "/api/v1/namespaces/argo")
    assert proxy.requests[0].headers["impersonate-user"] == "system:serviceaccount:a:b"
    assert proxy.count("GET", "namespaces/argo") == 1


async def test_answers_are_given_in_the_servers_place_as_often_as_asked(proxy: FaultyProxy, session: aiohttp.ClientSession) -> None:
    def is_post(request: Seen) -> bool:
        return request.method == "POST"

    api = on(session, proxy)
    proxy.answer(429, times=2, when=is_post, headers={"Retry-After": "3"})

    assert (await api.get("/version")).status == 200
    refused = [await api.post(api.configmaps, config_map("answers")) for _ in range(2)]
    passed = await api.post(api.configmaps, config_map("answers"))

    assert [(answer.status, answer.headers["Retry-After"]) for answer in refused] == [(429, "3")] * 2
    assert passed.status == 201


async def test_a_cut_answer_leaves_the_outcome_unknown_but_done(proxy: FaultyProxy, session: aiohttp.ClientSession) -> None:
    api = on(session, proxy)
    proxy.cut_answer()

    with pytest.raises(aiohttp.ClientError):
        await api.post(api.configmaps, config_map("cut-answer"))

    assert (await api.get(f"{api.configmaps}/cut-answer")).status == 200


async def test_a_cut_request_leaves_the_outcome_unknown_and_not_done(proxy: FaultyProxy, session: aiohttp.ClientSession) -> None:
    api = on(session, proxy)
    proxy.cut_request()

    with pytest.raises(aiohttp.ClientError):
        await api.post(api.configmaps, config_map("cut-request"))

    assert (await api.get(f"{api.configmaps}/cut-request")).status == 404


async def test_a_stream_is_cut_in_the_middle(proxy: FaultyProxy, session: aiohttp.ClientSession) -> None:
    api = on(session, proxy)
    proxy.cut_stream(after=50)

    async with api.watch("/api/v1/namespaces") as stream:
        with pytest.raises((aiohttp.ClientError, asyncio.IncompleteReadError)):
            await stream.response.content.readexactly(51)

    async with api.watch("/api/v1/namespaces") as stream:
        assert await stream.next() is not None
        proxy.cut_connections()
        with pytest.raises(aiohttp.ClientError):
            await stream.names(1000)


async def test_refused_connections_come_back_on_the_same_port(proxy: FaultyProxy, session: aiohttp.ClientSession) -> None:
    api, url = on(session, proxy), proxy.url
    await proxy.refuse()
    with pytest.raises(aiohttp.ClientConnectorError):
        await api.get("/version")

    await proxy.accept()

    assert proxy.url == url
    assert (await api.get("/version")).status == 200


async def test_silence_holds_requests_and_running_streams_until_it_ends(proxy: FaultyProxy, session: aiohttp.ClientSession) -> None:
    api = on(session, proxy)
    version = (await api.get("/api/v1/configmaps")).body["metadata"]["resourceVersion"]
    async with api.watch(api.configmaps, resourceVersion=version) as stream:
        proxy.hush()
        await Api(session, proxy.upstream, "default", real=False).made(api.configmaps, config_map("silence"))
        waiting = [asyncio.create_task(api.get("/version")), asyncio.create_task(stream.next())]
        done, _ = await asyncio.wait(waiting, timeout=0.2)
        assert not done

        proxy.speak()

        assert (await waiting[0]).status == 200
        event = await waiting[1]
    assert event is not None
    assert event[1]["metadata"]["name"] == "silence"


async def test_a_delay_and_waiting_faults_can_be_cleared(proxy: FaultyProxy, session: aiohttp.ClientSession) -> None:
    api = on(session, proxy)
    proxy.delay = 3600
    proxy.answer(500)
    proxy.clear()

    assert (await api.get("/version")).status == 200
