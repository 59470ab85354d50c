"""GitHub's deliveries, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Any

import pytest

from tests.eventsource.parts import Reply, data_of, house, send, until

SECRET = {"webhookSecret": {"name": "gh", "key": "secret"}}
FORM = "application/x-www-form-urlencoded"


def source(**settings: Any) -> dict[str, Any]:
    entry = {
        "repositories": [{"owner": "acme", "names": ["shop"]}],
        "events": ["push"],
        "contentType": "json",
        "webhook": {"endpoint": "/gh", "port": "12000", "method": "POST"},
        **settings,
    }
    return {"github": {"repo": entry}}


async def deliver(
    port: int, body: bytes | str, signature: str = "", delivery: str = "d1", event: str = "push", kind: str = "application/json"
) -> Reply:
    headers = [("Content-Type", kind), ("X-GitHub-Event", event), ("X-GitHub-Delivery", delivery)]
    if signature:
        headers.append(("X-Hub-Signature-256", f"sha256={signature}"))
    return await send(port, "/gh", body, headers)


def signed(secret: bytes, body: bytes) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


async def test_the_event_and_the_delivery_stand_in_the_body_and_the_rest_keeps_its_bytes() -> None:
    async with house() as h:
        await h.apply(source(metadata={"team": "x"}))
        await deliver(h.ingress.bound(12000), ' {"n": 1.0, "big": 12345678901234567890123} ')
        (event,) = h.log.events
        assert event.type == "github"
        assert event.data is not None
        assert b'"n": 1.0, "big": 12345678901234567890123} ' in event.data
        data = data_of(event)
        assert data["body"]["X-GitHub-Event"] == "push"
        assert data["body"]["X-GitHub-Delivery"] == "d1"
        assert data["headers"]["X-Github-Event"] == ["push"]
        assert data["metadata"] == {"team": "x"}


@pytest.mark.parametrize("body", ["{}", " { } ", '{"X-GitHub-Event":"forged","x":1}', '{"a":{"X-GitHub-Event":"inner"}}'])
async def test_the_added_keys_win_over_what_the_body_says(body: str) -> None:
    async with house() as h:
        await h.apply(source())
        await deliver(h.ingress.bound(12000), body)
        event = h.log.events[0]
        assert event.data is not None
        assert data_of(event)["body"]["X-GitHub-Event"] == "push"
        assert event.data.count(b'"forged"') == 0


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("application/json", "[1]", "not-an-object"),
        ("application/json", "null", "not-an-object"),
        ("application/json", "bad", "not-json"),
        ("application/json", "", "not-json"),
        ("text/plain", "{}", "content-type"),
        (FORM, "other=1", "form"),
        (FORM, "payload=%zz", "form"),
        (FORM, "payload=bad", "not-json"),
    ],
)
async def test_what_is_no_delivery_is_refused_with_a_reason(kind: str, body: str, reason: str) -> None:
    async with house() as h:
        await h.apply(source())
        assert (await deliver(h.ingress.bound(12000), body, kind=kind)).status == 400
        assert h.counted.reasons == [reason]
        assert h.log.events == []


async def test_argo_events_2620_deliveries_that_arrive_together_are_one_event_each() -> None:
    async with house() as h:
        await h.apply(source(events=["release"]))
        port = h.ingress.bound(12000)
        body = '{{"action": "{}", "release": {{"id": 11, "tag_name": "v1.2.0"}}, "repository": {{"name": "shop"}}}}'
        actions = ("created", "published", "released")
        for number in range(20):
            replies = await asyncio.gather(
                *(deliver(port, body.format(action), delivery=f"{number}-{action}", event="release") for action in actions)
            )
            assert [reply.status for reply in replies] == [200, 200, 200]
        assert len({event.id for event in h.log.events}) == 60
        assert sorted(event.payload["body"]["action"] for event in h.log.events) == sorted(actions * 20)


async def test_argo_events_2620_one_delivery_id_is_one_event_and_no_error_to_the_sender() -> None:
    async with house({"gh/secret": b"s"}) as h:
        await h.apply(source(**SECRET))
        port = h.ingress.bound(12000)
        for _ in range(3):
            assert (await deliver(port, "{}", signed(b"s", b"{}"), delivery="same")).status == 200
        assert len({event.id for event in h.log.events}) == 1
        assert h.log.events[0].extensions["worldid"] == "same"


async def test_without_a_secret_a_known_delivery_id_does_not_suppress_another_body() -> None:
    async with house() as h:
        await h.apply(source())
        for body in ('{"a":1}', '{"a":2}', '{"a":1}'):
            await deliver(h.ingress.bound(12000), body, delivery="guessed")
        first, other, again = (event.id for event in h.log.events)
        assert first == again
        assert first != other


async def test_github_docs_3567_an_emoji_in_a_commit_message_is_verified_as_it_came() -> None:
    async with house({"gh/secret": b"s3cr3t"}) as h:
        await h.apply(source(**SECRET))
        port = h.ingress.bound(12000)
        body = '{"head_commit": {"message": "ship it 🚀 grüße"}, "ref": "refs/heads/main"}'
        right = "e0b626ee655d0c072fdfdb8ebe10cd6e9e10bc60fa402295b439c534b09f6e9d"
        assert (await deliver(port, body, right)).status == 200
        refused = await deliver(port, body, right[:-1] + "e")
        assert refused.status == 400
        assert right not in refused.text
        escaped = body.replace("🚀", "\\ud83d\\ude80")
        assert (
            await deliver(port, escaped, "97edab740b1167b77d0d78a903a171dbdc650365bae771fed771a1cf45043a01", delivery="d3")
        ).status == 200
        assert [event.payload["body"]["head_commit"]["message"] for event in h.log.events] == ["ship it 🚀 grüße"] * 2


@pytest.mark.parametrize(
    ("stored", "status"), [(b"s3cr3t\n", 200), (b"s3cr3t", 200), (b"s3cr3t\r\n", 400), (b"s3cr3t\n\n", 400), (b" s3cr3t", 400)]
)
async def test_fedora_coreos_663_one_trailing_newline_is_not_part_of_a_secret(stored: bytes, status: int) -> None:
    async with house({"gh/secret": stored}, upkeep=0.02) as h:
        await h.apply(source(**SECRET))
        body = '{"ref":"refs/heads/main","after":"9f1c2d"}'
        reply = await deliver(h.ingress.bound(12000), body, "a19d72eaf26d6301136d1dbcfeacb8e9f088c1a7eec62534856be1a1a8e2a68b")
        assert reply.status == status
        with_newline = "128cf2cfe6482db8638b7b2d3cb0b38e100e529e0c996584a927e2574be5fa00"
        if stored == b"s3cr3t\n":
            assert (await deliver(h.ingress.bound(12000), body, with_newline)).status == 400
        if status == 400:
            await until(lambda: "white space" in h.problem("repo"))
            assert "s3cr3t" not in h.problem("repo")
        else:
            assert h.problem("repo") == ""


async def test_kubeflow_3229_a_replaced_secret_is_used_from_then_on() -> None:
    async with house({"gh/secret": b"old-one"}) as h:
        await h.apply(source(**SECRET))
        port, body = h.ingress.bound(12000), '{"ref":"refs/heads/main","after":"aaa111"}'
        old, new = signed(b"old-one", body.encode()), signed(b"new-one", body.encode())
        assert old == "e708c07e1796bcaa7b330e3a97dac878537dbf7f4abc027f21eac00efa863d74"
        assert (await deliver(port, body, old, "1")).status == 200
        h.secrets.values["gh/secret"] = b"new-one"
        assert (await deliver(port, body, new, "3")).status == 200
        assert (await deliver(port, body, old, "4")).status == 400
        del h.secrets.values["gh/secret"]
        assert (await deliver(port, body, new, "5")).status == 400
        assert "secret argo/gh, key secret" in h.problem("repo")
        h.secrets.values["gh/secret"] = b"new-one"
        assert (await deliver(port, body, new, "6")).status == 200
        assert h.problem("repo") == ""
        assert len(h.log.events) == 3


@pytest.mark.parametrize("secrets", [{"gh/secret": b""}, {"gh/secret": b"\n"}, {}])
async def test_argo_events_1710_an_empty_or_missing_secret_is_not_no_check(secrets: dict[str, bytes]) -> None:
    async with house(secrets, upkeep=0.02) as h:
        await h.apply(source(**SECRET))
        port = h.ingress.bound(12000)
        assert (await deliver(port, "{}")).status == 400
        assert (await deliver(port, "{}", signed(b"", b"{}"))).status == 400
        assert h.log.events == []
        await until(lambda: "gh" in h.problem("repo"))


async def test_palantir_bulldozer_161_a_ping_is_an_event_like_any_other() -> None:
    async with house({"gh/secret": b"s3cr3t"}) as h:
        await h.apply(source(**SECRET))
        port = h.ingress.bound(12000)
        hook = '"hook": {"type": "Repository", "events": ["push"]}, "repository": {"name": "shop"}'
        body = '{"zen": "Small is fine.", "hook_id": 42, ' + hook + "}"
        reply = await deliver(port, body, "12fa9d7aaa2500f54d923a03ce50bffe433fc70572aabebc9d3101e299dea0b9", event="ping")
        assert (reply.status, reply.text) == (200, "success")
        refused = await deliver(port, body, "de65163af24e8ad7df6b38d2462081613262544b384c6399522bdf8d9c8ea5d1", event="ping")
        assert refused.status == 400
        assert "signature does not match" in refused.text
        (event,) = h.log.events
        assert event.payload["body"]["X-GitHub-Event"] == "ping"
        assert event.payload["body"]["X-GitHub-Delivery"] == "d1"


async def test_pipelines_as_code_2044_a_deleted_branch_is_an_event_with_its_null_commit() -> None:
    async with house() as h:
        await h.apply(source())
        body = '{"ref": "refs/heads/feature/login", "after": "%s", "deleted": true, "head_commit": null}' % ("0" * 40)
        assert (await deliver(h.ingress.bound(12000), body)).status == 200
        data = data_of(h.log.events[0])["body"]
        assert data["deleted"] is True
        assert data["head_commit"] is None


@pytest.mark.parametrize("content_type", ["form", "json"])
async def test_argo_cd_3802_a_form_is_read_whatever_the_hook_was_to_send(content_type: str) -> None:
    async with house({"gh/secret": b"s3cr3t"}) as h:
        await h.apply(source(contentType=content_type, **SECRET))
        port = h.ingress.bound(12000)
        body = (
            "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%2C%22after%22%3A%229f1c2d%22%2C%22repository%22%3A%7B%22name%22%3A%22shop%22"
            "%7D%2C%22head_commit%22%3A%7B%22message%22%3A%22a%26b%3Dc+%2B+d%25%22%7D%7D"
        )
        over_the_form = "9d0238a84d83ca0f9efd3536854df7c6893dab2b8302ce8f594ac09a5d5590af"
        over_the_json = "88440bc3b90df9bf0b37656ebe059d90b12a84fb5b3d9cf1ca25b7d3773a9c49"
        assert (await deliver(port, body, over_the_form, kind=FORM)).status == 200
        assert (await deliver(port, body, over_the_json, kind=FORM)).status == 400
        refused = await deliver(port, "a=1", "be81b21312b00663db1fed7a1e2e0ff83e25cc83e1babc9e101a46f7daa97577", kind=FORM)
        assert refused.status == 400
        assert "payload" in refused.text
        (event,) = h.log.events
        data = data_of(event)["body"]
        assert (data["ref"], data["head_commit"]["message"], data["X-GitHub-Event"]) == ("refs/heads/main", "a&b=c + d%", "push")
