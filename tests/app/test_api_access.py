"""Who is answered by the HTTP API: metrics and health all, everything else this machine with the token, and others where it is opened."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from tests.running import Cluster, Tiphys
from tiphys.app.api.server import _is_near


def own_address() -> str:
    """An address of this machine that is not the loopback one. Nothing is sent: a UDP socket only chooses one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as choosing:
        try:
            choosing.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(choosing.getsockname()[0])


async def asked(tiphys: Tiphys, host: str, path: str, token: str) -> int:
    url = f"http://{host}:{tiphys.api_port}{path}"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session, session.get(url) as answer:
        return answer.status


@pytest.mark.parametrize("opened", [False, True])
async def test_other_machines_get_metrics_and_health_and_the_rest_where_it_is_opened(tmp_path: Path, opened: bool) -> None:
    if not (address := own_address()):
        pytest.skip("this machine has no address but the loopback one")
    token = tmp_path / "token"
    token.write_text("a token of the owner's\n")
    (tmp_path / "manifests").mkdir()
    async with Cluster(tmp_path / "cluster").run() as cluster:
        options = ["--api-host", "0.0.0.0", "--api-token-file", str(token), *(["--api-remote"] if opened else [])]
        tiphys = Tiphys(tmp_path / "data", cluster.kubeconfig, tmp_path / "manifests", *options)
        await tiphys.start()
        try:
            assert await tiphys.ready(), tiphys.log.read_text()
            # then the token is the file's, here and for the command line
            assert await asked(tiphys, "127.0.0.1", "/api/v1/overview", "a token of the owner's") == 200
            assert await asked(tiphys, "127.0.0.1", "/api/v1/overview", "another") == 401
            assert (tmp_path / "data/api-token").read_text() == "a token of the owner's"
            # and from elsewhere
            for path in ("/healthz", "/readyz", "/metrics"):
                assert await asked(tiphys, address, path, "") == 200
            assert await asked(tiphys, address, "/api/v1/overview", "a token of the owner's") == (200 if opened else 403)
            assert await asked(tiphys, address, "/api/v1/overview", "another") == (401 if opened else 403)
        finally:
            await tiphys.kill()


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("0.0.0.0", False),
        ("", False),
        (None, False),
        ("localhost", False),
    ],
)
def test_only_addresses_of_this_machine_are_near(address: str | None, near: bool) -> None:
    assert _is_near(address) is near


@pytest.mark.parametrize(("text", "said"), [(None, "cannot be read"), ("", "is empty"), ("\n", "is empty")])
async def test_a_token_file_without_a_token_ends_the_start(tmp_path: Path, text: str | None, said: str) -> None:
    token = tmp_path / "token"
    if text is not None:
        token.write_text(text)
    (tmp_path / "manifests").mkdir()
    async with Cluster(tmp_path / "cluster").run() as cluster:
        tiphys = Tiphys(tmp_path / "data", cluster.kubeconfig, tmp_path / "manifests", "--api-token-file", str(token))
        await tiphys.start()
        assert tiphys.process is not None
        async with asyncio.timeout(30):
            assert await tiphys.process.wait() == 2
        assert f"--api-token-file: {token} {said}" in tiphys.log.read_text()
