"""Where requests may go: the open Internet, and what the settings add to it."""

from __future__ import annotations

import pytest

from tests.clients.http_target import http_target
from tiphys.clients.http import HttpRequest, HttpSettings, open_http
from tiphys.clients.targets import ANYWHERE, Targets, flaw_in_target
from tiphys.errors import NotAllowed

PUBLIC = Targets(public_only=True)
SOME = Targets(public_only=True, allowed=["10.20.0.0/16", "fd00::/8", "192.168.1.7", "gitea.internal", ".svc.cluster.local"])


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "::1", "169.254.169.254", "::ffff:10.0.0.1", "fe80::1%eth0", "224.0.0.1", "0.0.0.0"]
)
def test_addresses_inside_are_kept_from(address: str) -> None:
    assert not PUBLIC.address(address)
    assert not SOME.address(address)
    assert ANYWHERE.address(address)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:21f::1", "10.20.255.1", "::ffff:10.20.0.1", "fd12::1", "192.168.1.7"]
)
def test_public_addresses_and_those_that_are_named_are_gone_to(address: str) -> None:
    assert SOME.address(address)


def test_a_host_that_is_named_is_gone_to_whatever_its_addresses_are() -> None:
    for name in ("gitea.internal", "GITEA.internal.", "jobs.ci.svc.cluster.local"):
        assert SOME.host(name)
        assert not PUBLIC.host(name)
    for name in ("evil-gitea.internal", "gitea.internal.evil.example", "svc.cluster.local", "xsvc.cluster.local"):
        assert not SOME.host(name)


@pytest.mark.parametrize(
    "text", ["10.20.0.0/16", "fd00::/8", "127.0.0.1", "::1", "gitea", "gitea.internal", ".svc.cluster.local", "my_host"]
)
def test_networks_addresses_and_hosts_may_be_named(text: str) -> None:
    assert flaw_in_target(text) == ""


@pytest.mark.parametrize("text", ["", ".", "10.20.0.1/16", "10.0.0.0/33", "http://host", "host:80", "*.internal", "a..b"])
def test_what_is_neither_is_refused(text: str) -> None:
    assert flaw_in_target(text)


async def test_requests_follow_the_settings() -> None:
    async with http_target() as target:
        port = target.url.rpartition(":")[2]
        async with open_http(HttpSettings(targets=Targets(public_only=True, allowed=["localhost"]))) as client:
            assert (await client.send(HttpRequest("GET", f"http://localhost:{port}/"))).status == 200
            with pytest.raises(NotAllowed, match=r"http-targets, http-allowed"):
                await client.send(HttpRequest("GET", f"http://127.0.0.1:{port}/"))
        async with open_http(HttpSettings(targets=PUBLIC)) as client:
            with pytest.raises(NotAllowed, match="localhost has no public address"):
                await client.send(HttpRequest("GET", f"http://localhost:{port}/"))

    assert len(target.requests) == 1
