"""A connection: how requests arrive, on asyncio's loop and on uvloop, and what ends it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from eventsource.ingress import Limits
from tests.eventsource.parts import House, house, read_reply, send, talk, until

Scenario = Callable[[House, int], Awaitable[None]]
HEAD = b"POST /push HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
HOOK = {"webhook": {"example": {"endpoint": "/push", "port": "12000", "method": "POST"}}}
WAIT = 20.0


def post(body: bytes, *headers: bytes) -> bytes:
    return HEAD % (len(body), b"".join(line + b"\r\n" for line in headers)) + body


async def in_pieces_of_one_byte(h: House, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for byte in post(b'{"a":1}', b"X-Two: a", b"x-two: b"):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    async with asyncio.timeout(WAIT):
        assert (await read_reply(reader)).status == 200
    writer.close()
    assert h.log.events[0].payload["header"]["X-Two"] == ["a", "b"]


async def thirty_in_one_packet(h: House, port: int) -> None:
    requests = b"".join(post(b'{"n":%d}' % n) for n in range(30))
    answers = await talk(port, requests + b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", wait=WAIT)
    assert answers.count(b"200 OK") == 31
    assert [event.payload["body"]["n"] for event in h.log.events] == list(range(30))


async def a_large_body_while_the_log_is_slow(h: House, port: int) -> None:
    h.log.gate.clear()
    large = b'{"t":"%b"}' % (b"x" * 900_000)
    sending = asyncio.create_task(send(port, "/push", large, [("Content-Type", "application/json")]), name="large")
    await until(lambda: h.ingress.in_flight == 1)
    h.log.gate.set()
    assert (await sending).status == 200
    assert len(h.log.events[0].payload["body"]["t"]) == 900_000


async def in_chunks_with_a_trailer(h: House, port: int) -> None:
    head = b"POST /push HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answer = await talk(port, head + b'4\r\n{"a"\r\n3\r\n:1}\r\n0\r\nX-Late: 1\r\n\r\n', wait=WAIT)
    assert b" 200 OK\r\n" in answer
    assert h.log.events[0].payload["body"] == {"a": 1}
    assert "X-Late" not in h.log.events[0].payload["header"]


async def refused_before_the_body_is_there(h: House, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD % (50_000_000, b""))
    async with asyncio.timeout(WAIT):
        reply = await read_reply(reader)
        assert (reply.status, reply.headers["connection"]) == (413, "close")
        # the sender is in the middle of it, and reads its answer all the same
        for _ in range(100):
            writer.write(b"x" * 10_000)
            await asyncio.sleep(0)
        assert await reader.read() == b""
    writer.close()
    assert h.counted.reasons == ["too-large"]


async def an_upgrade_is_answered_as_any_other_request(h: House, port: int) -> None:
    offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
    answer = await talk(port, post(b'{"a":1}', *offer), wait=WAIT)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close\r\n" in answer
    assert len(h.log.events) == 1


async def a_sender_that_closes_its_side_gets_its_answer(h: House, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    h.log.gate.clear()
    writer.write(post(b'{"a":1}'))
    await until(lambda: h.ingress.in_flight == 1)
    writer.write_eof()
    await asyncio.sleep(0.05)  # the end has arrived before the answer is known
    h.log.gate.set()
    async with asyncio.timeout(WAIT):
        assert (await read_reply(reader)).status == 200
        assert await reader.read() == b""
    writer.close()


async def a_head_without_end(h: House, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(WAIT):
        writer.write(b"POST /push HTTP/1.1\r\nX: ")
        for _ in range(40):
            writer.write(b"x" * 10_000)
            await asyncio.sleep(0)
        assert (await read_reply(reader)).status == 400
    writer.close()
    assert h.counted.reasons == ["malformed"]


async def too_many_headers(h: House, port: int) -> None:
    lines = [b"X-%d: y" % n for n in range(200)]
    assert (await talk(port, post(b"{}", *lines), wait=WAIT)).startswith(b"HTTP/1.1 400 ")


async def two_lengths_are_no_request(h: House, port: int) -> None:
    for extra in (b"Transfer-Encoding: chunked", b"Content-Length: 5"):
        assert (await talk(port, post(b"{}", extra), wait=WAIT)).startswith(b"HTTP/1.1 400 ")
    assert h.log.events == []


async def what_follows_a_request_is_no_http(h: House, port: int) -> None:
    answers = await talk(port, post(b'{"a":1}') + b"\x00\x01\x02", wait=WAIT)
    assert answers.count(b"HTTP/1.1 200 OK") == 1
    assert answers.count(b"HTTP/1.1 400 ") == 1
    assert len(h.log.events) == 1


async def the_sender_waits_to_be_told(h: House, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(WAIT):
        writer.write(HEAD % (7, b"Expect: 100-continue\r\n"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b'{"a":1}')
        assert (await read_reply(reader)).status == 200
        writer.write(post(b'{"a":2}', b"Expect: 100-continue"))
        assert (await read_reply(reader)).status == 200, "whose body is there is not told to send it"
    writer.close()


async def a_target_that_is_too_long(h: House, port: int) -> None:
    answer = await talk(port, b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n" % (b"x" * 20_000), wait=WAIT)
    assert answer.startswith(b"HTTP/1.1 400 ")


async def an_answer_before_the_end_of_the_body_ends_the_connection(h: House, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{")
    async with asyncio.timeout(WAIT):
        reply = await read_reply(reader)
        assert (reply.status, reply.headers["connection"]) == (404, "close")
        assert await reader.read() == b""
    writer.close()


async def whoever_goes_on_sending_after_a_refusal_is_cut_off(h: House, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD % (50_000_000, b""))
    async with asyncio.timeout(WAIT):
        assert (await read_reply(reader)).status == 413
        with pytest.raises(ConnectionError):
            await go_on(writer)
    writer.close()


async def go_on(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def many_requests_and_a_part_of_the_next_in_one_read(h: House, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    one = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
    writer.write(one * 5000 + one[:20])
    writer.write(one[20:])
    async with asyncio.timeout(WAIT):
        for _ in range(5001):
            assert (await read_reply(reader)).status == 200
    writer.close()


async def stalls(writer: asyncio.StreamWriter, data: bytes, most: int = 40 << 20) -> bool:
    """Whether the other side stops reading before it has had `most` bytes."""
    for _ in range(most // len(data)):
        writer.write(data)
        try:
            async with asyncio.timeout(1):
                await writer.drain()
        except TimeoutError:
            return True
    return False


async def a_body_that_nobody_takes_yet_is_not_read_on(h: House, port: int) -> None:
    h.log.gate.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post(b'{"a":1}') + b"POST /push HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert await stalls(writer, b"%x\r\n%b\r\n" % (1 << 20, bytes(1 << 20)))
    writer.transport.abort()
    h.log.gate.set()


async def requests_that_wait_for_the_one_before_are_not_read_on(h: House, port: int) -> None:
    h.log.gate.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post(b'{"a":1}'))
    assert await stalls(writer, b"GET /health HTTP/1.1\r\nHost: h\r\nX: %b\r\n\r\n" % (b"x" * 16_000))
    writer.transport.abort()
    h.log.gate.set()


async def answers_that_nobody_reads_stop_the_requests_that_follow(h: House, port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    assert await stalls(writer, b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n" * 1000)
    writer.transport.abort()


SCENARIOS: list[Scenario] = [
    in_pieces_of_one_byte,
    thirty_in_one_packet,
    a_large_body_while_the_log_is_slow,
    in_chunks_with_a_trailer,
    refused_before_the_body_is_there,
    an_upgrade_is_answered_as_any_other_request,
    a_sender_that_closes_its_side_gets_its_answer,
    a_head_without_end,
    too_many_headers,
    two_lengths_are_no_request,
    what_follows_a_request_is_no_http,
    the_sender_waits_to_be_told,
    a_target_that_is_too_long,
    an_answer_before_the_end_of_the_body_ends_the_connection,
    whoever_goes_on_sending_after_a_refusal_is_cut_off,
    many_requests_and_a_part_of_the_next_in_one_read,
    a_body_that_nobody_takes_yet_is_not_read_on,
    requests_that_wait_for_the_one_before_are_not_read_on,
    answers_that_nobody_reads_stop_the_requests_that_follow,
]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_connection(scenario: Scenario, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def run() -> None:
        async with house() as h:
            await h.apply(HOOK)
            await scenario(h, h.ingress.bound(12000))

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


async def test_a_half_sent_head_on_a_kept_connection_has_a_time_limit_too() -> None:
    async with house(limits=Limits(header=0.05, keep_alive=60.0)) as h:
        answer = await talk(h.ingress.bound(12000), b"GET /health HTTP/1.1\r\nHost: h\r\n\r\nGET /health HTTP/1.1\r\nHo", wait=WAIT)
        assert answer.endswith(b"OK")
        assert h.counted.reasons == ["health", "no-request"]


async def test_a_request_that_does_not_end_is_cut_off_when_the_ingress_ends() -> None:
    async with house(stop=0.05) as h:
        await h.apply(HOOK)
        h.log.gate.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", h.ingress.bound(12000))
        writer.write(post(b'{"a":1}'))
        await until(lambda: h.ingress.in_flight == 1)
    async with asyncio.timeout(WAIT):
        with contextlib.suppress(ConnectionResetError):  # the usual way of being cut off
            assert await reader.read() == b""
    writer.close()
