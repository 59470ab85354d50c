"""`filter` of an entry at github, git and calendar: what passes, what is dropped, what the sender and the cursor get, and what becomes of
an expression that cannot be evaluated."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from eventsource.filter import EventFilter, Filtered, Sieve, Unobserved
from eventsource.sources.git import GitSource, GitSpec
from tests.eventsource.parts import House, Reply, data_of, house, send, until
from tests.eventsource.polling import Kept, Room
from tests.eventsource.repositories import Repository
from tiphys.bus.event import Event
from tiphys.clients.git import Git

SECRET = b"s3cret"


def filtered(served: House, event: str) -> Filtered:
    (health,) = [one for one in served.room.health() if one.address.event == event]
    assert health.filtered is not None
    return health.filtered


# -- github


def github(expression: str, **settings: Any) -> dict[str, Any]:
    entry = {
        "repositories": [{"owner": "acme", "names": ["shop"]}],
        "webhook": {"endpoint": "/gh", "port": "12000", "method": "POST"},
        "webhookSecret": {"name": "gh", "key": "secret"},
        "filter": {"expression": expression},
        **settings,
    }
    return {"github": {"repo": entry}}


async def deliver(served: House, body: dict[str, Any], *, delivery: str, event: str = "push", secret: bytes = SECRET) -> Reply:
    data = orjson.dumps(body)
    headers = [
        ("Content-Type", "application/json"),
        ("X-GitHub-Event", event),
        ("X-GitHub-Delivery", delivery),
        ("X-Hub-Signature-256", "sha256=" + hmac.new(secret, data, hashlib.sha256).hexdigest()),
    ]
    return await send(served.ingress.bound(12000), "/gh", data, headers)


async def test_of_github_only_deliveries_that_pass_are_published_and_all_are_acknowledged() -> None:
    async with house({"gh/secret": SECRET}) as served:
        await served.apply(github('body["X-GitHub-Event"] == "push" && body.ref startsWith "refs/heads/" && !body.deleted'))
        told = [
            ("d1", "push", {"ref": "refs/heads/main", "deleted": False}),
            ("d2", "push", {"ref": "refs/tags/v1", "deleted": False}),
            ("d3", "push", {"ref": "refs/heads/old", "deleted": True}),
            ("d4", "issues", {"action": "opened"}),
        ]
        for delivery, event, body in told:
            reply = await deliver(served, body, delivery=delivery, event=event)
            assert (reply.status, reply.text) == (200, "success")
        assert [data_of(event)["body"]["X-GitHub-Delivery"] for event in served.log.events] == ["d1"]
        assert (filtered(served, "repo").discarded, filtered(served, "repo").failed) == (3, 0)


async def test_of_github_the_signature_is_checked_before_the_filter_is_asked() -> None:
    async with house({"gh/secret": SECRET}) as served:
        await served.apply(github("body.n > 1"))
        reply = await deliver(served, {"n": 0}, delivery="d1", secret=b"another")
        assert reply.status == 400
        assert filtered(served, "repo") == Filtered()


async def test_of_github_a_delivery_that_cannot_be_evaluated_is_acknowledged_dropped_counted_and_logged_once() -> None:
    async with house({"gh/secret": SECRET}) as served:
        await served.apply(github('body.pull_request.base.ref == "main"'))
        with capture_logs() as logs:
            for number in range(3):
                reply = await deliver(served, {"zen": "Half measures"}, delivery=f"d{number}", event="ping")
                assert (reply.status, reply.text) == (200, "success")
            assert served.log.events == []
            state = filtered(served, "repo")
            assert (state.discarded, state.failed, state.failing) == (0, 3, True)
            assert "pull_request" in state.verdict or "base" in state.verdict
            await deliver(served, {"pull_request": {"base": {"ref": "main"}}}, delivery="d9", event="pull_request")
        assert len(served.log.events) == 1
        assert not filtered(served, "repo").failing
        assert [line["action"] for line in logs if line["action"].startswith("filter-")] == ["filter-failed", "filter-well"]
        assert served.problem("repo") == ""


async def test_of_github_a_redelivery_of_what_was_dropped_is_judged_again_by_the_new_expression() -> None:
    async with house({"gh/secret": SECRET}) as served:
        await served.apply(github("body.n > 5"))
        await deliver(served, {"n": 3}, delivery="d1")
        assert served.log.events == []
        await served.apply(github("body.n > 2"))
        await deliver(served, {"n": 3}, delivery="d1")
        assert len(served.log.events) == 1
        assert filtered(served, "repo") == Filtered()


# -- git


class Sifted(Room):
    """A room whose entry has a filter."""

    def __init__(self, expression: str) -> None:
        super().__init__()
        self.sieve = Sieve(EventFilter(expression=expression), self.address, super().emit, Unobserved())

    async def emit(self, event: Event) -> None:
        await self.sieve.emit(event)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Git]:
    client = Git(tmp_path / "cache", allow_file=True)
    yield client
    client.close()


def git_source(room: Room, client: Git, url: str, **fields: Any) -> GitSource:
    return GitSource(GitSpec.model_validate({"url": url, "interval": "50ms", **fields}), room, client)


async def test_of_git_a_push_that_does_not_pass_is_dropped_and_the_cursor_goes_on(tmp_path: Path, client: Git) -> None:
    repository = Repository(tmp_path / "remote")
    repository.commit_and_push("first")
    touches = 'any(body.commits, any(.added, # startsWith "src/") or any(.modified, # startsWith "src/"))'
    room = Sifted(f'not (body.head_commit.message contains "[skip ci]") and {touches}')
    cursor = Kept()
    async with room.running(git_source(room, client, repository.url), cursor):
        await room.until(lambda: cursor.advances and room.problem is None, "no first sight")
        for number, (message, path) in enumerate(
            [("docs", "docs/a.md"), ("mend [skip ci]", "src/a.py"), ("a feature", "src/b.py")], 1
        ):
            await asyncio.to_thread(repository.commit_and_push, message, path)
            await room.until(lambda number=number: room.sieve.state.discarded + len(room.events) == number, "no push was seen")
    assert [payload["body"]["head_commit"]["message"] for payload in room.payloads] == ["a feature"]
    assert room.sieve.state.discarded == 2
    again = Sifted("true")
    advances = cursor.advances
    async with again.running(git_source(again, client, repository.url), cursor):
        await again.until(lambda: again.problem is None, "not polled again")
    assert again.events == []
    assert cursor.advances >= advances


async def test_of_git_an_expression_that_fails_drops_the_push_and_the_polling_goes_on(tmp_path: Path, client: Git) -> None:
    repository = Repository(tmp_path / "remote")
    repository.commit_and_push("first")
    room = Sifted('body.pull_request.number > 0 || body.ref == "refs/heads/main"')
    cursor = Kept()
    async with room.running(git_source(room, client, repository.url), cursor):
        await room.until(lambda: cursor.advances and room.problem is None, "no first sight")
        await asyncio.to_thread(repository.commit_and_push, "second", "file")
        await room.until(lambda: room.sieve.state.failed, "no push was seen")
        assert room.problem is None
    assert room.events == []
    assert room.sieve.state.failing
    assert room.sieve.state.verdict.startswith("the expression failed: ")


# -- calendar


def calendar(expression: str) -> dict[str, Any]:
    return {
        "calendar": {"beat": {"interval": "1s", "metadata": {"keep": "yes"}, "filter": {"expression": expression}}},
    }


async def test_of_calendar_ticks_that_do_not_pass_are_dropped_and_the_cursor_goes_on() -> None:
    async with house() as served:
        await served.apply(calendar('metadata.keep == "no"'), name="clock")
        await until(lambda: filtered(served, "beat").discarded >= 2, wait=30)
        assert served.log.events == []
        assert served.problem("beat", "clock") == ""
        before = orjson.loads(served.ledger.kept["argo/clock/beat"])["last"]
        await served.apply(calendar('metadata.keep == "yes" && int(eventTime[0:4]) > 2000'), name="clock")
        await until(lambda: served.log.events, wait=30)
        assert served.log.events[0].extensions["worldid"] > before


async def test_of_calendar_an_expression_that_fails_drops_the_tick_and_the_schedule_goes_on() -> None:
    async with house() as served:
        with capture_logs() as logs:
            await served.apply(calendar("metadata.gone.further == 1"), name="clock")
            await until(lambda: filtered(served, "beat").failed >= 2, wait=30)
        assert served.log.events == []
        assert filtered(served, "beat").failing
        assert served.problem("beat", "clock") == ""
        assert [line["action"] for line in logs if line["action"].startswith("filter-")] == ["filter-failed"]
