"""The ingress: ports, live changes, limits, TLS, and what is no request at all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from typing import Any

import pytest
import trustme
from hypothesis import example, given
from hypothesis import strategies as st

from eventsource.ingress import Ingress, IngressSettings, Limits
from eventsource.ingress.alarm import Alarm
from tests.eventsource.parts import Reply, house, read_reply, send, talk, until
from tiphys.errors import SettingsError

JSON = [("Content-Type", "application/json")]


def hook(endpoint: str = "/push", port: str = "12000", event: str = "example", **settings: Any) -> dict[str, Any]:
    return {"webhook": {event: {"endpoint": endpoint, "port": port, "method": "POST", **settings}}}


async def status(port: int, path: str) -> int:
    return (await send(port, path, "{}", JSON)).status


async def test_health_is_answered_to_any_method_and_other_paths_are_404() -> None:
    async with house() as h:
        port = h.ingress.bound(12000)
        for method in ("GET", "POST", "HEAD"):
            reply = await send(port, "/health", None, method=method)
            assert (reply.status, reply.text) == (200, "" if method == "HEAD" else "OK")
        assert (await send(port, "/health/", None, method="GET")).text == "404 page not found\n"
        assert h.counted.reasons == ["health"] * 3 + ["no-route"]


async def test_until_the_manifests_are_loaded_an_unknown_path_is_503_with_retry_after() -> None:
    async with Ingress(IngressSettings(host="127.0.0.1", bind=lambda _port: 0)) as ingress:
        port = ingress.bound(12000)
        reply = await send(port, "/push", "{}")
        assert (reply.status, reply.headers["retry-after"]) == (503, "2")
        assert (await send(port, "/health", None, method="GET")).status == 200
        ingress.ready()
        assert (await send(port, "/push", "{}")).status == 404


async def test_every_event_is_served_at_its_own_path_of_the_shared_port_as_well() -> None:
    async with house() as h:
        await h.apply(hook(port="12001"))
        assert await status(h.ingress.bound(12001), "/push") == 200
        assert await status(h.ingress.bound(12000), "/argo/hooks/example") == 200
        assert await status(h.ingress.bound(12000), "/push") == 404
        assert await status(h.ingress.bound(12001), "/argo/hooks/example") == 404


async def test_a_path_is_matched_after_its_escapes_are_undone() -> None:
    async with house() as h:
        await h.apply(hook("/a b/{x}"))
        assert await status(h.ingress.bound(12000), "/a%20b/%C3%A9") == 200
        assert await status(h.ingress.bound(12000), "/a%2520b/x") == 404


async def test_a_clash_is_in_the_younger_objects_health_and_its_own_path_is_served() -> None:
    async with house() as h:
        await h.apply(hook(), "old", creationTimestamp="2026-01-01T00:00:00Z")
        await h.apply(hook(), "young", creationTimestamp="2026-02-01T00:00:00Z")
        port = h.ingress.bound(12000)
        assert await status(port, "/push") == 200
        assert h.log.events[-1].source == "old"
        assert "belongs to the older argo/old/example" in h.problem(name="young")
        assert h.problem(name="old") == ""
        assert await status(port, "/argo/young/example") == 200
        await h.room.remove("argo", "old")
        assert h.problem(name="young") == ""
        assert await status(port, "/push") == 200
        assert h.log.events[-1].source == "young"


async def test_a_changed_manifest_serves_at_once_and_a_request_in_flight_ends_as_it_began() -> None:
    async with house() as h:
        await h.apply(hook("/one", metadata={"version": "1"}))
        port = h.ingress.bound(12000)
        h.log.gate.clear()
        sending = asyncio.create_task(send(port, "/one", "{}", JSON), name="send")
        await until(lambda: h.ingress.in_flight == 1)
        await h.apply(hook("/two", metadata={"version": "2"}))
        h.log.gate.set()
        assert (await sending).status == 200
        assert h.log.events[0].payload["metadata"] == {"version": "1"}
        assert await status(port, "/one") == 404
        assert await status(port, "/two") == 200
        assert h.log.events[1].payload["metadata"] == {"version": "2"}


async def test_no_request_is_lost_while_manifests_change() -> None:
    async with house() as h:
        await h.apply(hook())
        port, done = h.ingress.bound(12000), asyncio.Event()
        replies: list[Reply] = []

        async def post() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while not done.is_set():
                writer.write(b"POST /push HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}")
                replies.append(await read_reply(reader))
            writer.close()

        posting = [asyncio.create_task(post(), name=f"post-{number}") for number in range(4)]
        for version in range(50):
            await h.apply(hook(metadata={"version": str(version)}))
            await h.apply(hook("/other", port=str(12001 + version % 2)), "other")
            await asyncio.sleep(0)
        done.set()
        async with asyncio.timeout(20):
            await asyncio.gather(*posting)
        assert {reply.status for reply in replies} == {200}
        assert len(replies) == len(h.log.events)


async def test_a_port_opens_with_its_first_route_and_closes_with_its_last_while_a_request_there_is_finished() -> None:
    async with house() as h:
        await h.apply(hook(port="12001"))
        port = h.ingress.bound(12001)
        h.log.gate.clear()
        sending = asyncio.create_task(send(port, "/push", "{}", JSON), name="send")
        await until(lambda: h.ingress.in_flight == 1)
        await h.room.remove("argo", "hooks")
        assert h.ingress.bound(12001) == 0
        with pytest.raises(ConnectionRefusedError):
            await send(port, "/push", "{}")
        h.log.gate.set()
        assert (await sending).status == 200


async def test_a_port_that_is_in_use_is_the_trouble_of_those_that_want_it_and_opens_later() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        async with house(bind=lambda port: number if port == 12001 else 0, upkeep=0.02) as h:
            await h.apply(hook(port="12001"))
            await h.apply(hook("/fine", event="fine"), "fine")
            assert "port 12001 is not open" in h.problem()
            assert await status(h.ingress.bound(12000), "/fine") == 200
            assert await status(h.ingress.bound(12000), "/argo/hooks/example") == 200
            taken.close()
            await until(lambda: h.problem() == "")
            assert await status(number, "/push") == 200


async def test_a_shared_port_in_use_is_one_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {number} cannot be opened"):
            async with Ingress(IngressSettings(host="127.0.0.1", bind=lambda _port: number)):
                pass


async def test_an_ingress_that_ends_finishes_what_it_began() -> None:
    async with house() as h:
        await h.apply(hook())
        h.log.gate.clear()
        sending = asyncio.create_task(send(h.ingress.bound(12000), "/push", "{}", JSON), name="send")
        await until(lambda: h.ingress.in_flight == 1)
        asyncio.get_running_loop().call_later(0.05, h.log.gate.set)
    assert (await sending).status == 200
    assert len(h.log.events) == 1


async def test_connections_that_send_no_request_are_ended() -> None:
    async with house(limits=Limits(header=0.05)) as h:
        port = h.ingress.bound(12000)
        assert await talk(port, b"") == b""
        assert await talk(port, b"POST /push HTTP/1.1\r\nHost: h\r\n") == b""
        assert h.counted.reasons == ["no-request", "no-request"]


async def test_a_body_that_does_not_arrive_is_408() -> None:
    async with house(limits=Limits(body=0.05)) as h:
        await h.apply(hook())
        answer = await talk(h.ingress.bound(12000), b"POST /push HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert h.counted.reasons == ["too-slow"]


async def test_an_idle_connection_is_ended_after_its_time() -> None:
    async with house(limits=Limits(keep_alive=0.05)) as h:
        answer = await talk(h.ingress.bound(12000), b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
        assert answer.endswith(b"OK")


async def test_a_log_that_stalls_is_503_and_nothing_is_written_later() -> None:
    async with house(limits=Limits(publish=0.01)) as h:
        await h.apply(hook())
        h.log.gate.clear()
        reply = await send(h.ingress.bound(12000), "/push", "{}", JSON)
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert "in time" in h.problem()
        h.log.gate.set()
        assert await status(h.ingress.bound(12000), "/push") == 200
        assert len(h.log.events) == 1
        assert h.problem() == ""


async def test_what_is_in_flight_is_bounded_in_requests_and_in_bytes() -> None:
    async with house(limits=Limits(requests=1, memory=10)) as h:
        await h.apply(hook())
        port = h.ingress.bound(12000)
        assert (await send(port, "/push", '{"a":"12345"}', JSON)).status == 503
        h.log.gate.clear()
        sending = asyncio.create_task(send(port, "/push", "{}", JSON), name="send")
        await until(lambda: h.ingress.in_flight == 1)
        reply = await send(port, "/push", "{}", JSON)
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        h.log.gate.set()
        assert (await sending).status == 200
        assert await status(port, "/push") == 200
        assert h.counted.reasons.count("busy") == 2


async def test_a_sender_that_leaves_in_the_middle_of_a_body_leaves_nothing_behind() -> None:
    async with house() as h:
        await h.apply(hook())
        _, writer = await asyncio.open_connection("127.0.0.1", h.ingress.bound(12000))
        writer.write(b"POST /push HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{")
        await until(lambda: h.ingress.in_flight == 1)
        writer.transport.abort()
        await until(lambda: h.ingress.in_flight == 0)
        assert h.counted.reasons == ["cut-off"]
        assert h.log.events == []


async def test_requests_in_one_packet_are_answered_in_order() -> None:
    async with house() as h:
        await h.apply(hook())
        one = b"POST /push HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n"
        last = b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        answer = await talk(h.ingress.bound(12000), one + b'{"a":1}' + one + b'{"a":2}' + last)
        assert answer.count(b"success") == 2
        assert answer.endswith(b"OK")
        assert [event.payload["body"]["a"] for event in h.log.events] == [1, 2]


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_an_old_client_gets_its_answer_and_the_end(version: bytes) -> None:
    async with house() as h:
        answer = await talk(h.ingress.bound(12000), b"GET /health HTTP/%b\r\nHost: h\r\nConnection: close\r\n\r\n" % version)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Connection: close\r\n" in answer
        kept = b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        old = b"GET /health HTTP/1.0\r\n\r\n"
        answers = await talk(h.ingress.bound(12000), kept + old)
        assert answers.count(b"200 OK") == 2
        assert answers.count(b"Connection: keep-alive\r\n") == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"hello\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"post /push HTTP/1.1\r\nHost: h\r\n\r\n",
        b"POST /push HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
        b"POST /push HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /health HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_request_gets_400_in_plain_words_and_is_counted(data: bytes) -> None:
    async with house() as h:
        await h.apply(hook())
        answer = await talk(h.ingress.bound(12000), data)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.endswith(b"malformed request")
        assert h.counted.reasons == ["malformed"]
        assert h.log.events == []


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [
                    b"POST /push HTTP/1.1\r\n",
                    b"Host: h\r\n",
                    b"Content-Length: 4\r\n",
                    b"Transfer-Encoding: chunked\r\n",
                    b"Expect: 100-continue\r\n",
                    b"\r\n",
                    b"{}",
                    b"2\r\n{}\r\n0\r\n\r\n",
                ]
            ),
        ),
        max_size=8,
    )
)
@example([b"POST /push HTTP/1.1\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n", b"2\r\n{}\r\n0\r\n\r\n"])
def test_whatever_arrives_the_next_request_is_served(parts: list[bytes]) -> None:
    async def scenario() -> None:
        async with house(limits=Limits(header=0.04, body=0.04, keep_alive=0.04)) as h:
            await h.apply(hook())
            with contextlib.suppress(TimeoutError, ConnectionError):
                await talk(h.ingress.bound(12000), b"".join(parts), wait=0.2)
            before = len(h.log.events)
            assert await status(h.ingress.bound(12000), "/push") == 200
            assert h.log.events[-1].payload["body"] == {}
            assert len(h.log.events) == before + 1
            assert "error" not in h.counted.reasons

    asyncio.run(scenario())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    ),
    st.sampled_from([None, 2]),
)
def test_any_json_body_arrives_as_it_was_sent(value: Any, indent: int | None) -> None:
    body = json.dumps(value, indent=indent)

    async def scenario() -> None:
        async with house() as h:
            await h.apply(hook())
            reply = await send(h.ingress.bound(12000), "/push", body, JSON)
            assert reply.status == 200
            (event,) = h.log.events
            assert event.data is not None
            assert json.loads(event.data)["body"] == value

    asyncio.run(scenario())


# -- TLS


def pem(authority: trustme.CA, name: str = "hooks.example") -> dict[str, bytes]:
    made = authority.issue_cert(name)
    return {"tls/crt": b"".join(blob.bytes() for blob in made.cert_chain_pems), "tls/key": made.private_key_pem.bytes()}


TLS = {"serverCertSecret": {"name": "tls", "key": "crt"}, "serverKeySecret": {"name": "tls", "key": "key"}}


async def served_certificate(port: int, authority: trustme.CA) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="hooks.example")
    writer.write(b"POST /push HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
    async with asyncio.timeout(10):
        assert (await read_reply(reader)).status == 200
    certificate = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.close()
    await writer.wait_closed()
    assert isinstance(certificate, bytes)
    return certificate


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_a_port_serves_tls_with_the_certificate_of_its_secrets_and_a_renewed_one_without_a_restart(
    authority: trustme.CA,
) -> None:
    async with house(pem(authority), upkeep=0.02) as h:
        await h.apply(hook(port="12001", **TLS))
        port = h.ingress.bound(12001)
        before = await served_certificate(port, authority)
        h.secrets.values.update(pem(authority))
        async with asyncio.timeout(20):
            while await served_certificate(port, authority) == before:
                await asyncio.sleep(0.02)
        assert h.ingress.bound(12001) == port
        h.secrets.values["tls/crt"] = b"no certificate"
        await until(lambda: "cannot be renewed" in h.problem())
        await served_certificate(port, authority)


async def test_a_certificate_that_is_missing_is_waited_for(authority: trustme.CA) -> None:
    async with house(upkeep=0.02) as h:
        await h.apply(hook(port="12001", **TLS))
        assert "port 12001 is not open" in h.problem()
        assert "tls" in h.problem()
        h.secrets.values.update(pem(authority))
        await until(lambda: h.problem() == "")
        await served_certificate(h.ingress.bound(12001), authority)


async def test_one_port_is_with_tls_or_without_as_its_oldest_object_says(authority: trustme.CA) -> None:
    async with house(pem(authority)) as h:
        await h.apply(hook(port="12001"), "plain")
        await h.apply(hook("/other", port="12001", **TLS), "secure")
        assert "without TLS" in h.problem(name="secure")
        assert await status(h.ingress.bound(12001), "/push") == 200
        await h.room.remove("argo", "plain")
        assert h.problem(name="secure") == ""
        await h.apply(hook("/push", port="12001", **TLS), "secure")
        await served_certificate(h.ingress.bound(12001), authority)
        await h.apply(hook("/third", port="12001"), "third")
        assert "with TLS" in h.problem(name="third")


# -- the clock of many limits


async def test_the_alarm_cancels_only_what_is_late_and_a_block_that_completes_returns() -> None:
    alarm = Alarm()
    with pytest.raises(TimeoutError), alarm.within(0.0):
        await asyncio.Event().wait()
    with alarm.within(60.0):
        await asyncio.sleep(0)

    async def shielded() -> str:
        with alarm.within(0.0):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "completed"
        return "never"

    assert await asyncio.create_task(shielded(), name="shielded") == "completed"


async def test_a_cancelled_task_is_cancelled_and_not_late() -> None:
    alarm = Alarm()

    async def watched() -> None:
        with alarm.within(60.0):
            await asyncio.Event().wait()

    task = asyncio.create_task(watched(), name="watched")
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
