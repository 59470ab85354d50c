"""The HTTP client: what goes out, what comes back, and what may be concluded."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme

from tests.clients.http_target import HttpTarget, http_target
from tiphys.clients.http import (
    HttpClient,
    HttpRequest,
    HttpSettings,
    TlsMaterial,
    flaw_in_header,
    flaw_in_url,
    open_http,
)
from tiphys.clients.targets import Targets
from tiphys.errors import OutcomeUnknown, Unreachable


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    async with open_http(HttpSettings(answer=1000)) as opened:
        yield opened


@pytest.fixture
async def target() -> AsyncIterator[HttpTarget]:
    async with http_target() as served:
        yield served


async def test_a_request_goes_out_as_it_is_written(client: HttpClient, target: HttpTarget) -> None:
    headers = [("x-lower", "1"), ("X_Under", "2"), ("Content-Type", "text/plain")]

    answer = await client.send(HttpRequest("PUT", f"{target.url}/a%2Fb?q=a%20b+c", headers, b"\x00body"))

    (came,) = target.requests
    assert (came.method, came.path, came.body) == ("PUT", "/a%2Fb?q=a%20b+c", b"\x00body")
    assert set(headers) <= set(came.headers)
    assert answer.status == 200


async def test_nothing_is_added_but_a_user_agent_and_the_framing(client: HttpClient, target: HttpTarget) -> None:
    await client.send(HttpRequest("POST", target.url))

    (came,) = target.requests
    assert {name.lower() for name, _ in came.headers} == {"host", "user-agent", "content-length"}
    assert came.header("content-length") == "0"


async def test_headers_of_the_framing_are_left_out_and_host_has_its_own_field(client: HttpClient, target: HttpTarget) -> None:
    headers = [("Content-Length", "3"), ("host", "other.example"), ("Transfer-Encoding", "chunked"), ("Trailer", "X")]

    await client.send(HttpRequest("POST", target.url, headers, b"longer", host="virtual.example"))

    (came,) = target.requests
    assert came.header("content-length") == "6"
    assert came.header("host") == "virtual.example"
    assert came.header("transfer-encoding") is None


async def test_blanks_and_letters_that_no_request_line_has_are_escaped(client: HttpClient, target: HttpTarget) -> None:
    await client.send(HttpRequest("GET", f"{target.url}/straße x"))

    assert target.requests[0].path == "/stra%C3%9Fe%20x"


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_redirected_post_becomes_a_get_without_body_and_content_headers(
    client: HttpClient, target: HttpTarget, status: int
) -> None:
    target.answers = [(status, {"Location": "/there"})]

    await client.send(HttpRequest("POST", f"{target.url}/here", [("Content-Type", "a/b"), ("X-A", "1")], b"body"))

    second = target.requests[1]
    assert (second.method, second.path, second.body) == ("GET", "/there", b"")
    assert second.header("content-type") is None
    assert second.header("x-a") == "1"


@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_that_keeps_the_method_keeps_the_body(client: HttpClient, target: HttpTarget, status: int) -> None:
    target.answers = [(status, {"Location": "/there"})]

    await client.send(HttpRequest("POST", f"{target.url}/here", [("Content-Type", "a/b")], b"body"))

    second = target.requests[1]
    assert (second.method, second.path, second.body) == ("POST", "/there", b"body")
    assert second.header("content-type") == "a/b"


async def test_credentials_do_not_follow_to_another_host(client: HttpClient, target: HttpTarget) -> None:
    elsewhere = target.url.replace("127.0.0.1", "localhost")
    target.answers = [(307, {"Location": "/same"}), (307, {"Location": f"{elsewhere}/other"})]
    headers = [("Authorization", "Bearer t0ps3cret"), ("cookie", "a=b"), ("X-A", "1")]

    await client.send(HttpRequest("POST", target.url, headers))

    _, same, other = target.requests
    assert same.header("authorization") == "Bearer t0ps3cret"
    assert (other.header("authorization"), other.header("cookie"), other.header("x-a")) == (None, None, "1")


async def test_a_redirect_without_a_location_is_the_answer(client: HttpClient, target: HttpTarget) -> None:
    target.answers = [(301, {})]

    assert (await client.send(HttpRequest("POST", target.url))).status == 301


async def test_a_circle_of_redirects_ends(client: HttpClient, target: HttpTarget) -> None:
    target.answers = [(307, {"Location": "/again"})] * 20

    with pytest.raises(OutcomeUnknown, match="more than 10 times"):
        await client.send(HttpRequest("POST", target.url))

    assert len(target.requests) == 11


@pytest.mark.parametrize("location", ["ftp://elsewhere.example/", "http://a{b/", "/%zz"])
async def test_a_location_that_is_no_place_to_go_is_not_gone_to(client: HttpClient, target: HttpTarget, location: str) -> None:
    target.answers = [(307, {"Location": location})]

    with pytest.raises(OutcomeUnknown, match="Location"):
        await client.send(HttpRequest("POST", target.url))


async def test_no_connection_means_that_nothing_was_done(client: HttpClient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
            await client.send(HttpRequest("POST", f"http://127.0.0.1:{port}/path?token=t0ps3cret"))


async def test_errors_name_the_host_and_neither_path_nor_query(client: HttpClient, target: HttpTarget) -> None:
    target.cut = 1

    with pytest.raises(OutcomeUnknown) as unknown:
        await client.send(HttpRequest("POST", f"{target.url}/hooks/t0ps3cret?key=t0ps3cret"))

    assert "t0ps3cret" not in str(unknown.value)
    assert "POST http://127.0.0.1" in str(unknown.value)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
async def test_a_cut_answer_is_an_unknown_outcome_and_the_request_is_sent_once(
    client: HttpClient, target: HttpTarget, method: str
) -> None:
    await client.send(HttpRequest(method, target.url))  # so that a connection is in the pool
    target.cut = 1

    with pytest.raises(OutcomeUnknown):
        await client.send(HttpRequest(method, target.url))

    assert len(target.requests) == 2


async def test_the_time_limit_is_for_the_whole_exchange(client: HttpClient, target: HttpTarget) -> None:
    target.delay = 5.0

    with pytest.raises(OutcomeUnknown, match="time limit"):
        await client.send(HttpRequest("POST", target.url, timeout=0.1))


async def test_a_target_that_goes_away_behind_a_redirect_leaves_the_outcome_unknown(client: HttpClient, target: HttpTarget) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        target.answers = [(307, {"Location": f"http://127.0.0.1:{taken.getsockname()[1]}/"})]

        with pytest.raises(OutcomeUnknown, match="redirected"):
            await client.send(HttpRequest("POST", target.url))


async def test_of_an_answer_no_more_is_read_than_was_set(client: HttpClient, target: HttpTarget) -> None:
    target.body = b"x" * 1_000_000

    answer = await client.send(HttpRequest("GET", target.url))

    assert (len(answer.body), answer.complete) == (1000, False)
    target.body = b"y" * 1000
    answer = await client.send(HttpRequest("GET", target.url))
    assert (answer.body, answer.complete) == (b"y" * 1000, True)


async def test_an_answer_says_how_long_to_wait(client: HttpClient, target: HttpTarget) -> None:
    target.answers = [(503, {"Retry-After": "7"})]

    answer = await client.send(HttpRequest("GET", target.url))

    assert (answer.status, answer.retry_after) == (503, 7.0)


async def test_credentials_of_the_url_count_where_no_header_gives_any(client: HttpClient, target: HttpTarget) -> None:
    url = target.url.replace("://", "://user:pass@")

    await client.send(HttpRequest("GET", url))
    await client.send(HttpRequest("GET", url, [("authorization", "Bearer x")]))

    assert [came.header("authorization") for came in target.requests] == ["Basic dXNlcjpwYXNz", "Bearer x"]


async def test_an_environment_s_proxy_is_used_but_for_the_machine_itself(
    client: HttpClient, target: HttpTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", target.url)

    await client.send(HttpRequest("POST", "http://target.example/hook", body=b"x"))

    assert target.requests[0].path == "http://target.example/hook"
    assert target.requests[0].header("host") == "target.example"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def serving(authority: trustme.CA, *, asks: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if asks:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_an_authority_of_our_own_is_trusted_where_it_is_named(client: HttpClient, authority: trustme.CA) -> None:
    async with http_target(serving(authority)) as target:
        tls = TlsMaterial(authorities=authority.cert_pem.bytes())

        assert (await client.send(HttpRequest("GET", target.url, tls=tls))).status == 200
        with pytest.raises(Unreachable, match="certificate"):
            await client.send(HttpRequest("GET", target.url))
        assert (await client.send(HttpRequest("GET", target.url, tls=TlsMaterial(verify=False)))).status == 200


async def test_our_own_certificate_is_shown_to_who_asks(client: HttpClient, authority: trustme.CA) -> None:
    mine = authority.issue_cert("tiphys")
    chain = b"".join(part.bytes() for part in mine.cert_chain_pems)
    tls = TlsMaterial(authority.cert_pem.bytes(), chain, mine.private_key_pem.bytes())

    async with http_target(serving(authority, asks=True)) as target:
        assert (await client.send(HttpRequest("GET", target.url, tls=tls))).status == 200


@pytest.mark.parametrize("material", [{"certificate": b"x", "key": b"y"}, {"authorities": b"\xff"}])
async def test_certificates_that_cannot_be_used_say_so(client: HttpClient, material: dict[str, Any]) -> None:
    with pytest.raises(Unreachable, match="cannot be used"):
        await client.send(HttpRequest("GET", "https://127.0.0.1:1/", tls=TlsMaterial(**material)))


def test_keys_are_not_shown() -> None:
    assert "t0ps3cret" not in repr(TlsMaterial(key=b"t0ps3cret"))
    assert "t0ps3cret" not in repr(HttpRequest("GET", "http://x", [("Authorization", "t0ps3cret")], b"t0ps3cret"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"])
async def test_private_addresses_are_out_of_reach_where_only_public_ones_are_allowed(host: str) -> None:
    async with open_http(HttpSettings(targets=Targets(public_only=True))) as client:
        with pytest.raises(Unreachable, match="public address"):
            await client.send(HttpRequest("GET", f"http://{host}:1/"))


async def test_a_redirect_leads_to_no_private_address_either(target: HttpTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", target.url)
    target.answers = [(307, {"Location": "http://169.254.169.254/latest/meta-data"})]
    async with open_http(HttpSettings(targets=Targets(public_only=True))) as client:
        with pytest.raises(OutcomeUnknown, match="public address"):
            await client.send(HttpRequest("GET", "http://target.example/"))

    assert len(target.requests) == 1


@pytest.mark.parametrize(
    ("url", "flaw"),
    [
        ("http://target.example/%zz", "invalid escape"),
        ("http://target.example/a%2", "invalid escape"),
        ("ftp://target.example/", "http://"),
        ("target.example/hook", "http://"),
        ("http://", "no host"),
        ("http://a b/", "no host"),
        ("http://x:port/", ""),
        ("http://x/\n", "control"),
        ("http://[::1/", ""),
    ],
)
def test_what_is_no_url_is_told_apart(url: str, flaw: str) -> None:
    assert flaw_in_url(url)
    assert flaw in flaw_in_url(url)


@pytest.mark.parametrize("url", ["https://x.example:8443/a?b=%zz#c", "http://[::1]:80/", "http://user:p@x/", "http://x"])
def test_what_is_a_url_has_no_flaw(url: str) -> None:
    assert flaw_in_url(url) == ""


@pytest.mark.parametrize(
    ("name", "value"), [("", "x"), ("a b", "x"), ("ä", "x"), ("A:", "x"), ("A", "a\r\nB: c"), ("A", "\x00"), ("A", "\x7f")]
)
def test_what_cannot_be_a_header_is_told_apart_and_its_value_not_shown(name: str, value: str) -> None:
    assert flaw_in_header(name, value)
    assert flaw_in_header("X-Ok", "any text\t, ü") == ""
