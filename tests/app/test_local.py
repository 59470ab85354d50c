"""The embedded Kubernetes API as the service's child: it starts, comes back when it dies, and ends with the service."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
from pathlib import Path

import aiohttp
import pytest
import yaml
from structlog.testing import capture_logs

from tests.demonstration import children, linux
from tests.running import free_port
from tiphys.app.local import embedded_kubernetes, read_kubeconfig, write_secretly
from tiphys.errors import SettingsError

SECONDS = 40.0


async def version(kubeconfig: Path) -> bool:
    """Does the server of this kubeconfig answer, with its credentials, what a client may ask?"""
    server = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    async with aiohttp.ClientSession() as session:
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(f"{server}/api/v1/namespaces") as answer:
                return answer.status == 200
    return False


async def test_it_answers_as_long_as_it_is_needed(tmp_path: Path) -> None:
    async with embedded_kubernetes(tmp_path, 0) as path:
        assert await version(path)
        assert await asyncio.to_thread(read_kubeconfig, tmp_path) == path.read_text()
    assert not await version(path)


async def test_the_next_start_has_the_same_token(tmp_path: Path) -> None:
    port = free_port()
    texts = []
    for _ in range(2):
        async with embedded_kubernetes(tmp_path, port) as path:
            texts.append(path.read_text())
    assert texts[0] == texts[1]


async def test_what_it_writes_is_read_by_its_owner_only(tmp_path: Path) -> None:
    async with embedded_kubernetes(tmp_path, 0) as path:
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in (path, tmp_path / "kubernetes-token")}
    assert modes == {"kubeconfig": 0o600, "kubernetes-token": 0o600}


@linux
async def test_one_that_was_killed_comes_back_at_the_same_port_and_both_are_told_once(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with embedded_kubernetes(tmp_path, 0) as path, asyncio.timeout(SECONDS):
            # given
            (pid,) = await asyncio.to_thread(children, tmp_path)
            # when
            os.kill(pid, signal.SIGKILL)
            # then
            while not any(line["action"] == "embedded-kubernetes-back" for line in logs):
                await asyncio.sleep(0.05)
            assert await version(path)
            assert pid not in await asyncio.to_thread(children, tmp_path)
    assert [line["action"] for line in logs] == ["embedded-kubernetes-died", "embedded-kubernetes-back"]
    assert logs[0]["code"] == -signal.SIGKILL


@linux
async def test_one_that_cannot_come_back_yet_is_tried_again(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with embedded_kubernetes(tmp_path, 0) as path, asyncio.timeout(SECONDS):
            port = int(yaml.safe_load(path.read_text())["clusters"][0]["cluster"]["server"].rsplit(":", 1)[1])
            # given somebody who takes the port as soon as it is killed
            (pid,) = await asyncio.to_thread(children, tmp_path)
            os.kill(pid, signal.SIGKILL)
            taker = await taken(port)
            while not any(line["action"] == "embedded-kubernetes-start" for line in logs):
                await asyncio.sleep(0.05)
            # when it is free again
            taker.close()
            await taker.wait_closed()
            # then
            while not await version(path):
                await asyncio.sleep(0.1)
    actions = [line["action"] for line in logs]
    assert actions == ["embedded-kubernetes-died", "embedded-kubernetes-start", "embedded-kubernetes-back"]
    assert str(port) in logs[1]["reason"]


async def taken(port: int) -> asyncio.Server:
    """A server at this port, as soon as it can be had."""
    while True:
        with contextlib.suppress(OSError):
            return await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
        await asyncio.sleep(0)


@linux
async def test_no_child_is_left_behind_when_the_start_is_cancelled(tmp_path: Path) -> None:
    # given
    async def open_it() -> None:
        async with embedded_kubernetes(tmp_path, 0):
            raise AssertionError("it was to be cancelled before")

    opening = asyncio.create_task(open_it())
    async with asyncio.timeout(SECONDS):
        while not await asyncio.to_thread(children, tmp_path):
            await asyncio.sleep(0.001)
    # when
    opening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await opening
    # then
    assert await asyncio.to_thread(children, tmp_path) == []


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    # given
    server = await taken(port := free_port())
    # then
    with pytest.raises(SettingsError, match=rf"^--kubernetes-port: .*127\.0\.0\.1:{port}"):
        async with embedded_kubernetes(tmp_path, port):
            pass
    server.close()
    await server.wait_closed()


def test_without_an_embedded_api_the_kubeconfig_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="start `tiphys demo` or `tiphys serve --local` first"):
        read_kubeconfig(tmp_path)


def test_a_secret_file_is_replaced_in_one_step_whoever_could_read_the_old_one(tmp_path: Path) -> None:
    # given a file for all, and one that a crash left behind
    path = tmp_path / "token"
    path.write_text("old")
    path.with_name("token.new").write_text("half")
    # when
    write_secretly(path, "new")
    # then
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
