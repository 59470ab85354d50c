"""The plain webhook, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Any

import pytest

from tests.eventsource.parts import data_of, house, read_reply, send, talk, until

JSON = [("Content-Type", "application/json")]
FORM = [("Content-Type", "application/x-www-form-urlencoded")]


def hook(**settings: Any) -> dict[str, Any]:
    return {"webhook": {"example": {"endpoint": "/push", "port": "12000", "method": "POST", **settings}}}


async def test_a_json_body_becomes_an_event_with_its_headers_and_metadata() -> None:
    async with house() as h:
        await h.apply(hook(metadata={"team": "a"}))
        reply = await send(
            h.ingress.bound(12000), "/push", ' {"a": [1.50, 12345678901234567890]} ', [*JSON, ("x-one", "1"), ("X-ONE", "2")]
        )
        assert (reply.status, reply.text, reply.headers["content-type"]) == (200, "success", "text/plain; charset=utf-8")
        (event,) = h.log.events
        assert (event.namespace, event.source, event.subject, event.type, event.bus) == (
            "argo",
            "hooks",
            "example",
            "webhook",
            "default",
        )
        assert event.datacontenttype == "application/json"
        assert event.time.endswith("Z")
        assert event.data is not None
        assert b'"body": {"a": [1.50, 12345678901234567890]} ,' in event.data
        data = data_of(event)
        assert data["header"] == {"Content-Type": ["application/json"], "X-One": ["1", "2"], "Content-Length": ["37"]}
        assert data["metadata"] == {"team": "a"}
        assert h.counted.answers[-1][1:] == (200, "published")


async def test_a_body_cannot_break_out_of_its_place_in_the_event() -> None:
    async with house() as h:
        await h.apply(hook())
        reply = await send(h.ingress.bound(12000), "/push", '1},"header":{"X-Forged":["1"]', JSON)
        assert reply.status == 400
        assert h.log.events == []


async def test_two_equal_requests_are_two_events_unless_dedupe_names_a_header() -> None:
    async with house({"t/t": b"x"}) as h:
        auth = {"name": "t", "key": "t"}
        await h.apply(
            {
                "webhook": {
                    **hook()["webhook"],
                    "safe": hook(endpoint="/safe", authSecret=auth, dedupe={"header": "x-delivery-id"})["webhook"]["example"],
                }
            }
        )
        port = h.ingress.bound(12000)
        for _ in range(2):
            await send(port, "/push", "{}", [*JSON, ("X-Delivery-Id", "d1")])
        assert len({event.id for event in h.log.events}) == 2
        assert not any(event.extensions for event in h.log.events)
        h.log.events.clear()
        for body in ("{}", '{"a":1}'):
            await send(port, "/safe", body, [*JSON, ("X-Delivery-Id", "d1"), ("Authorization", "Bearer x")])
        assert len({event.id for event in h.log.events}) == 1
        assert h.log.events[0].extensions == {"worldid": "d1"}


async def test_where_anybody_may_send_an_id_of_ones_choice_cannot_suppress_anothers_event() -> None:
    async with house() as h:
        await h.apply(hook(dedupe={"header": "X-Delivery-Id"}))
        for body in ("{}", '{"a":1}', "{}"):
            await send(h.ingress.bound(12000), "/push", body, [*JSON, ("X-Delivery-Id", "d1")])
        first, forged, again = (event.id for event in h.log.events)
        assert first == again
        assert first != forged


async def test_argo_events_4189_the_size_limit_holds_for_every_kind_of_body() -> None:
    async with house() as h:
        await h.apply(hook(maxPayloadSize=16))
        port = h.ingress.bound(12000)
        assert (await send(port, "/push", "name=abcdefghijklmnop", FORM)).status == 413
        assert (await send(port, "/push", '{"a":"12345678"}x', JSON)).status == 413
        assert h.log.events == []
        assert (await send(port, "/push", '{"a":"12345678"}', JSON)).status == 200
        assert (await send(port, "/push", "name=abcdefghijk", FORM)).status == 200
        assert [data_of(event)["body"] for event in h.log.events] == [{"a": "12345678"}, {"name": ["abcdefghijk"]}]


async def test_argo_events_4189_a_chunked_body_over_the_limit_is_cut_off_with_one_answer() -> None:
    async with house() as h:
        await h.apply(hook(maxPayloadSize=16))
        head = b"POST /push HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n"
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in b"name=abcdefghijklmnop")
        answer = await talk(h.ingress.bound(12000), head + chunks + b"0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert h.log.events == []


async def test_argo_events_4189_a_chunked_body_that_never_ends_is_cut_off() -> None:
    async with house() as h:
        await h.apply(hook(maxPayloadSize=1000))
        reader, writer = await asyncio.open_connection("127.0.0.1", h.ingress.bound(12000))
        writer.write(b"POST /push HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")

        async def pour() -> None:
            while True:
                writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0)

        pouring = asyncio.create_task(pour(), name="pour")
        async with asyncio.timeout(20):
            reply = await read_reply(reader)
            with pytest.raises((ConnectionError, TimeoutError)):
                async with asyncio.timeout(15):
                    await pouring
        assert reply.status == 413
        assert h.log.events == []
        writer.transport.abort()


async def test_adnanh_webhook_330_json_is_json_whatever_its_label_says() -> None:
    async with house() as h:
        await h.apply(hook())
        port = h.ingress.bound(12000)
        body = '{"Type": "Notification", "MessageId": "m-1", "Message": "{\\"job\\": \\"nightly\\"}"}'
        labelled = [("Content-Type", "text/plain; charset=UTF-8"), ("x-amz-sns-message-type", "Notification")]
        assert (await send(port, "/push", body, labelled)).status == 200
        refused = await send(port, "/push", "hello", [("Content-Type", "text/plain")])
        assert refused.status == 400
        assert "not JSON" in refused.text
        assert (await send(port, "/push", '{"a": 1}')).status == 200
        notification, plain = (data_of(event) for event in h.log.events)
        assert notification["body"]["Message"] == '{"job": "nightly"}'
        assert notification["header"]["X-Amz-Sns-Message-Type"] == ["Notification"]
        assert plain["body"] == {"a": 1}


@pytest.mark.parametrize("body", ["", " ", "NaN", "{'a':1}", '{"a":', '{"a":1}{"b":2}', "plain", "[" * 2000 + "]" * 2000])
async def test_what_is_not_json_is_refused_with_a_reason(body: str) -> None:
    async with house() as h:
        await h.apply(hook())
        reply = await send(h.ingress.bound(12000), "/push", body, JSON)
        assert reply.status == 400
        assert h.counted.reasons == ["not-json"]
        assert h.log.events == []


async def test_a_large_body_that_only_go_understands_is_read_too() -> None:
    async with house() as h:
        await h.apply(hook())
        body = '{"a": "\\ud800", "b": "' + "x" * 100_000 + '"}'
        assert (await send(h.ingress.bound(12000), "/push", body, JSON)).status == 200
        assert h.log.events[0].payload["body"]["a"] == "\ufffd"


async def test_openings_are_counted_before_anything_is_parsed() -> None:
    async with house() as h:
        await h.apply(hook())
        port = h.ingress.bound(12000)
        assert (await send(port, "/push", "[" + ",".join(["[]"] * 100_000) + "]", JSON)).status == 400
        assert h.counted.reasons == ["too-many-openings"]
        assert (await send(port, "/push", "[" + ",".join(["[]"] * 99_999) + "]", JSON)).status == 200


async def test_a_compressed_body_is_not_unpacked() -> None:
    import gzip

    async with house() as h:
        await h.apply(hook())
        reply = await send(
            h.ingress.bound(12000), "/push", gzip.compress(b"[]" * 10_000_000), [*JSON, ("Content-Encoding", "gzip")]
        )
        assert reply.status == 400
        assert h.counted.reasons == ["not-json"]


async def test_a_get_hands_over_its_query() -> None:
    async with house() as h:
        await h.apply(hook(method="GET"))
        port = h.ingress.bound(12000)
        assert (await send(port, "/push?a=1&a=2&b=x+y&c=%zz", None, method="GET")).status == 200
        assert data_of(h.log.events[0])["body"] == {"a": ["1", "2"], "b": ["x y"]}
        assert (await send(port, "/push", "{}", JSON)).text == "http method does not match"


async def test_a_bearer_token_is_asked_for_before_anything_else() -> None:
    async with house({"t/t": b"s3cr3t\n"}) as h:
        await h.apply(hook(authSecret={"name": "t", "key": "t"}, maxPayloadSize=4))
        port = h.ingress.bound(12000)
        for headers, text in (([], "Invalid Authorization Header"), ([("Authorization", "Bearer wrong")], "Invalid Auth token")):
            for method, body in (("POST", "not json, too long"), ("GET", None)):
                reply = await send(port, "/push", body, headers, method)
                assert (reply.status, reply.text) == (401, text)
        assert (await send(port, "/push", "[]", [("Authorization", "Bearer s3cr3t")])).status == 200
        assert data_of(h.log.events[0])["header"]["Authorization"] == ["*** Masked Auth Secret ***"]
        assert h.counted.reasons == ["no-token"] * 2 + ["wrong-token"] * 2 + ["published"]


async def test_a_secret_that_cannot_be_read_now_is_503_and_one_that_does_not_exist_is_500() -> None:
    async with house({"t/t": b"x"}) as h:
        await h.apply(hook(authSecret={"name": "t", "key": "t"}))
        port, headers = h.ingress.bound(12000), [("Authorization", "Bearer x")]
        h.secrets.away = True
        reply = await send(port, "/push", "{}", headers)
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert "the API is away" in h.problem()
        h.secrets.away = False
        del h.secrets.values["t/t"]
        assert (await send(port, "/push", "{}", headers)).status == 500
        assert "secret argo/t, key t" in h.problem()
        h.secrets.values["t/t"] = b"x"
        assert (await send(port, "/push", "{}", headers)).status == 200
        assert h.problem() == ""


async def test_any_webhook_can_ask_for_a_signature() -> None:
    async with house({"g/s": b"s3cr3t"}) as h:
        await h.apply(hook(signature={"scheme": "gitea", "secret": {"name": "g", "key": "s"}}))
        port = h.ingress.bound(12000)
        signature = hmac.new(b"s3cr3t", b"{}", hashlib.sha256).hexdigest()
        assert (await send(port, "/push", "{}", [("X-Gitea-Signature", signature)])).status == 200
        assert (await send(port, "/push", "{} ", [("X-Gitea-Signature", signature)])).status == 400
        assert (await send(port, "/push", "not json")).status == 400
        assert h.counted.reasons == ["published", "signature", "signature"]


async def test_a_full_store_is_503_with_retry_after_and_heals() -> None:
    async with house() as h:
        await h.apply(hook())
        port = h.ingress.bound(12000)
        h.log.refusing = True
        reply = await send(port, "/push", "{}", JSON)
        assert (reply.status, reply.text, reply.headers["retry-after"]) == (503, "failed to record event", "3")
        assert "disk full" in h.problem()
        h.log.refusing = False
        assert (await send(port, "/push", "{}", JSON)).status == 200
        assert h.problem() == ""
        assert h.counted.reasons == ["store", "published"]


async def test_expect_100_continue_is_answered_before_the_body_and_not_if_it_is_refused() -> None:
    async with house() as h:
        await h.apply(hook(maxPayloadSize=16))
        head = b"POST /push HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", h.ingress.bound(12000))
        writer.write(head % 2)
        async with asyncio.timeout(10):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"{}")
            assert (await read_reply(reader)).status == 200
            writer.write(head % 17)
            assert (await read_reply(reader)).status == 413
        writer.close()


async def test_the_event_is_in_the_log_before_the_sender_hears_of_it() -> None:
    async with house() as h:
        await h.apply(hook())
        h.log.gate.clear()
        sending = asyncio.create_task(send(h.ingress.bound(12000), "/push", "{}", JSON), name="send")
        await until(lambda: h.ingress.in_flight == 1)
        assert not sending.done()
        h.log.gate.set()
        assert (await sending).status == 200
        assert h.ingress.in_flight == 0


async def test_an_endpoint_that_fails_is_500_its_own_trouble_and_heals() -> None:
    async with house() as h:
        await h.apply(hook())
        port = h.ingress.bound(12000)
        h.log.breaking = True
        assert (await send(port, "/push", "{}", JSON)).text == "internal error"
        assert "RuntimeError" in h.problem()
        h.log.breaking = False
        assert (await send(port, "/push", "{}", JSON)).status == 200
        assert h.problem() == ""
        assert h.counted.reasons == ["error", "published"]
