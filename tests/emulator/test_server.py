"""The emulator's own promises: persistence, bounded history, access, its process."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml

from tests.emulator.api import Api, open_emulator
from tests.emulator.fixtures import EmulatorProcess
from tiphys.emulator.kubeconfig import kubeconfig


@pytest.fixture
def forgetful(tmp_path: Path):
    """An emulator that keeps 50 changes and sends bookmarks often."""
    process = EmulatorProcess(tmp_path / "forgetful", history=50, bookmarks=0.2)
    process.start()
    yield process
    process.stop()


async def fill(api: Api, count: int) -> None:
    for index in range(count):
        await api.patch(f"{api.widgets}/filler", {"spec": {"size": index}})


@pytest.mark.kill
async def test_what_was_answered_is_there_after_sigkill(emulator: EmulatorProcess, own_api: Api) -> None:
    answered: list[str] = []

    async def write(worker: int) -> None:
        for index in range(10_000):
            try:
                answer = await own_api.post(own_api.widgets, own_api.widget(f"w{worker}-{index}"))
            except aiohttp.ClientError:
                return
            assert answer.status == 201
            answered.append(f"w{worker}-{index}")

    writers = [asyncio.create_task(write(worker)) for worker in range(4)]
    while len(answered) < 100:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(emulator.restart)
    await asyncio.gather(*writers)

    answer = await own_api.get(own_api.widgets)
    found = {item["metadata"]["name"] for item in answer.body["items"]}
    assert set(answered) <= found
    assert len(found) <= len(answered) + 4  # what was under way may be there


@pytest.mark.kill
async def test_versions_definitions_and_watches_go_on_after_a_restart(emulator: EmulatorProcess, own_api: Api) -> None:
    made = await own_api.made(own_api.widgets, own_api.widget("a"))
    await own_api.made(own_api.widgets, own_api.widget("b"))
    await own_api.delete(f"{own_api.widgets}/a")

    await asyncio.to_thread(emulator.restart)

    async with own_api.watch(own_api.widgets, resourceVersion=made["metadata"]["resourceVersion"]) as stream:
        assert await stream.names(2) == [("ADDED", "b"), ("DELETED", "a")]
        again = await own_api.made(own_api.widgets, own_api.widget("c"))
        assert await stream.names(1) == [("ADDED", "c")]
    assert int(again["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


async def test_a_watch_from_a_forgotten_version_is_told_410(forgetful: EmulatorProcess) -> None:
    async with open_emulator(forgetful.url, forgetful.token) as api:
        made = await api.made(api.widgets, api.widget("filler"))
        await fill(api, 300)

        async with api.watch(api.widgets, resourceVersion=made["metadata"]["resourceVersion"]) as stream:
            event = await stream.next()
            assert await stream.next() is None

    assert event is not None
    assert event[0] == "ERROR"
    assert (event[1]["kind"], event[1]["reason"], event[1]["code"]) == ("Status", "Expired", 410)


async def test_a_forgotten_continue_token_is_410_and_offers_an_inconsistent_one(forgetful: EmulatorProcess) -> None:
    async with open_emulator(forgetful.url, forgetful.token) as api:
        for name in ("a", "b", "filler"):
            await api.made(api.widgets, api.widget(name))
        first = await api.get(api.widgets, limit=1)
        await fill(api, 300)

        late = await api.get(api.widgets, limit=1, **{"continue": first.body["metadata"]["continue"]})
        rest = await api.get(api.widgets, **{"continue": late.body["metadata"]["continue"]})

    assert (late.status, late.body["reason"]) == (410, "Expired")
    assert [item["metadata"]["name"] for item in rest.body["items"]] == ["b", "filler"]


async def test_forgetting_keeps_every_object_as_it_is_now(forgetful: EmulatorProcess) -> None:
    async with open_emulator(forgetful.url, forgetful.token) as api:
        for name in ("filler", "old", "gone"):
            await api.made(api.widgets, api.widget(name))
        await api.delete(f"{api.widgets}/gone")
        await fill(api, 400)

        found = {item["metadata"]["name"]: item["spec"] for item in (await api.get(api.widgets)).body["items"]}

    assert found == {"filler": {"size": 399}, "old": {}}


async def test_a_quiet_watch_gets_bookmarks_that_move_on(forgetful: EmulatorProcess) -> None:
    async with open_emulator(forgetful.url, forgetful.token) as api:
        await api.made(api.widgets, api.widget("filler"))
        version = (await api.get(api.plain)).body["metadata"]["resourceVersion"]
        async with api.watch(api.plain, resourceVersion=version, allowWatchBookmarks="true") as stream:
            await fill(api, 300)
            newest = int((await api.get(api.widgets)).body["metadata"]["resourceVersion"])
            reached = 0
            while reached < newest:
                event = await stream.next(bookmarks=True)
                assert event is not None
                assert event[0] == "BOOKMARK"
                reached = int(event[1]["metadata"]["resourceVersion"])


async def test_an_exact_list_of_the_past_shows_the_past_until_it_is_forgotten(forgetful: EmulatorProcess) -> None:
    async with open_emulator(forgetful.url, forgetful.token) as api:
        made = await api.made(api.widgets, api.widget("filler", size=-1))
        past = {"resourceVersion": made["metadata"]["resourceVersion"], "resourceVersionMatch": "Exact"}
        await fill(api, 10)

        assert (await api.get(api.widgets, **past)).body["items"][0]["spec"] == {"size": -1}
        await fill(api, 300)
        assert (await api.get(api.widgets, **past)).status == 410


async def test_a_version_of_the_future_is_a_timeout_that_says_when_to_try_again(own_api: Api) -> None:
    answer = await own_api.get(own_api.widgets, resourceVersion=10_000_000)

    assert (answer.status, answer.headers["Retry-After"]) == (504, "1")
    assert answer.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_a_streaming_list_is_refused_as_by_a_server_without_it(own_api: Api) -> None:
    answer = await own_api.get(own_api.widgets, watch="true", sendInitialEvents="true", resourceVersionMatch="NotOlderThan")

    assert (answer.status, answer.body["details"]["causes"][0]["field"]) == (422, "sendInitialEvents")


async def test_only_the_token_opens_the_door(shared_emulator: EmulatorProcess) -> None:
    basic = base64.b64encode(f"anyone:{shared_emulator.token}".encode()).decode()
    cases = [
        ("", 401),
        ("Bearer wrong", 401),
        ("Bearer ", 401),
        ("Basic !!!", 401),
        ("Basic " + base64.b64encode(b"\xff:\xff").decode(), 401),
        (f"Digest {shared_emulator.token}", 401),
        (f"Bearer {shared_emulator.token}", 200),
        (f"Basic {basic}", 200),
    ]
    async with aiohttp.ClientSession() as session:
        for header, expected in cases:
            headers = {"Authorization": header} if header else {}
            async with session.get(f"{shared_emulator.url}/api/v1/pods", headers=headers) as answer:
                assert answer.status == expected, header
                if expected == 401:
                    body = await answer.json()
                    assert (body["kind"], body["reason"], body["code"]) == ("Status", "Unauthorized", 401)
        for path in ("/healthz", "/readyz", "/livez", "/version"):
            async with session.get(shared_emulator.url + path) as answer:
                assert answer.status == 200


async def test_an_object_that_etcd_would_not_take_is_refused(own_api: Api) -> None:
    answer = await own_api.post(own_api.widgets, own_api.widget("big", text="x" * 1_600_000))

    assert (answer.status, answer.body["message"]) == (500, "etcdserver: request is too large")
    assert (await own_api.get(f"{own_api.widgets}/big")).status == 404


async def test_the_namespaces_and_the_kinds_of_argo_are_there_at_first_start(own_api: Api) -> None:
    names = {item["metadata"]["name"] for item in (await own_api.get("/api/v1/namespaces")).body["items"]}
    kinds = {row["kind"] for row in (await own_api.get("/apis/argoproj.io/v1alpha1")).body["resources"]}

    assert {"default", "argo", "kube-system"} <= names
    assert kinds == {
        "ClusterWorkflowTemplate",
        "CronWorkflow",
        "EventBus",
        "EventSource",
        "Sensor",
        "Workflow",
        "WorkflowTemplate",
    }
    assert (await own_api.delete("/api/v1/namespaces/default")).status == 403


def test_a_second_process_on_the_same_folder_is_refused_with_a_sentence(emulator: EmulatorProcess) -> None:
    data = emulator.folder / "data"
    command = [
        sys.executable,
        "-m",
        "tiphys.emulator",
        "--data",
        str(data),
        "--port",
        "0",
        "--token-file",
        str(emulator.folder / "token"),
    ]

    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert second.returncode == 4
    assert f"the data folder {data} is in use" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_in_use_is_one_clear_line(emulator: EmulatorProcess, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tiphys.emulator", "--data", str(tmp_path / "x"), "--port", str(emulator.port)]

    second = subprocess.run(
        [*command, "--token-file", str(tmp_path / "t")], capture_output=True, text=True, timeout=30, check=False
    )

    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert "--port" in second.stderr


def test_it_ends_cleanly_on_sigterm_and_when_its_parent_goes(tmp_path: Path) -> None:
    process = EmulatorProcess(tmp_path / "e")
    process.start()
    assert process.stop() == 0
    process.start()
    assert process.close_stdin() == 0


async def test_sigterm_ends_open_watches(emulator: EmulatorProcess, own_api: Api) -> None:
    async with own_api.watch(own_api.widgets) as stream:
        stopping = threading.Thread(target=emulator.stop)
        stopping.start()
        assert await stream.next() is None
    await asyncio.to_thread(stopping.join)
    await asyncio.to_thread(emulator.start)


def test_a_missing_token_is_made_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    process = EmulatorProcess(tmp_path / "e")
    (process.folder / "token").unlink()
    process.start()
    made = process.folder / "token"

    assert len(made.read_text()) >= 32
    assert made.stat().st_mode & 0o777 == 0o600
    assert (process.folder / "data").stat().st_mode & 0o777 == 0o700
    process.stop()


async def test_kubernetes_asyncio_reaches_it_with_the_kubeconfig(shared_emulator: EmulatorProcess) -> None:
    from kubernetes_asyncio import client, config

    settings = client.Configuration()
    await config.load_kube_config(str(shared_emulator.kubeconfig), client_configuration=settings)
    async with client.ApiClient(settings) as connection:
        found = await client.CoreV1Api(connection).read_namespace("argo")

    assert found.metadata.name == "argo"


def test_the_kubeconfig_carries_a_token_with_any_characters() -> None:
    found = yaml.safe_load(kubeconfig("http://127.0.0.1:1", 'a/b:c@"d', "argo"))

    server = found["clusters"][0]["cluster"]["server"]
    assert urlsplit(server).password == "a%2Fb%3Ac%40%22d"
    assert found["contexts"][0]["context"]["namespace"] == "argo"
    assert json.dumps(found["users"]) == '[{"name": "tiphys", "user": {}}]'
