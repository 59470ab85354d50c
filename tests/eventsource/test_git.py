"""The git source, on real repositories and real commits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventsource.source import registered
from eventsource.sources.git import GitSource, GitSpec
from tests.eventsource.polling import Kept, Room
from tests.eventsource.repositories import Repository, Server
from tiphys.clients.git import ZERO, Git
from tiphys.errors import StoreUnavailable

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Git]:
    client = Git(tmp_path / "cache", allow_file=True)
    yield client
    client.close()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "remote")


@pytest.fixture
def room() -> Room:
    return Room()


def source(room: Room, client: Git, url: str, **fields: Any) -> GitSource:
    """A source that polls every 50 ms: faster than a manifest may ask for, since `check` is not run here."""
    return GitSource(GitSpec.model_validate({"url": url, "interval": "50ms", **fields}), room, client)


async def in_thread(function: Any, *arguments: Any) -> Any:
    return await asyncio.to_thread(function, *arguments)


def bodies(room: Room) -> list[Any]:
    return [payload["body"] for payload in room.payloads]


async def settled(room: Room, cursor: Kept) -> None:
    await room.until(lambda: cursor.advances and room.problem is None, "no first sight")


async def test_a_push_is_one_event_shaped_like_a_github_push(room: Room, client: Git, repository: Repository) -> None:
    before = repository.commit_and_push("first")
    cursor = Kept()
    async with room.running(source(room, client, repository.url, metadata={"team": "shop"}), cursor):
        await settled(room, cursor)
        await in_thread(repository.commit, "second", "docs/a file ü.md")
        after = await in_thread(repository.commit_and_push, "third\n\nwith a body", "file")
        await room.has(1)
    event = room.events[0]
    body = event.payload["body"]
    assert event.payload["metadata"] == {"team": "shop"}
    assert (body["ref"], body["branch"], body["before"], body["after"]) == ("refs/heads/main", "main", before, after)
    assert (body["created"], body["deleted"], body["forced"]) == (False, False, False)
    assert body["repository"]["name"] == "shop"
    assert body["repository"]["clone_url"] == body["repository"]["url"] == repository.url
    assert body["repository"]["default_branch"] == "main"
    assert body["pusher"]["name"] == "Grace Hopper"
    head = body["head_commit"]
    assert (head["id"], head["message"]) == (after, "third\n\nwith a body")
    assert (head["author"]["name"], head["author"]["email"]) == ("Ada Lovelace", "ada@example.com")
    assert head["modified"] == ["file"]
    assert [commit["message"].split("\n")[0] for commit in body["commits"]] == ["second", "third"]
    assert body["commits"][0]["added"] == ["docs/a file ü.md"]
    assert event.extensions["worldid"] == after


async def test_nothing_of_the_past_is_fired_at_first_sight(room: Room, client: Git, repository: Repository) -> None:
    repository.commit_and_push()
    cursor = Kept()
    async with room.running(source(room, client, repository.url), cursor):
        await settled(room, cursor)
    assert room.events == []


@pytest.mark.parametrize(
    ("initial", "refs"), [("all", ["refs/heads/dev", "refs/heads/main", "refs/tags/v1"]), ("head", ["refs/heads/main"])]
)
async def test_initial_says_what_first_sight_fires(
    room: Room, client: Git, repository: Repository, initial: str, refs: list[str]
) -> None:
    repository.commit_and_push("first")
    repository.run("tag", "v1")
    repository.push("HEAD:refs/heads/dev", "v1")
    cursor = Kept()
    async with room.running(source(room, client, repository.url, initial=initial, tags=["v*"]), cursor):
        await room.has(len(refs))
        await settled(room, cursor)
    assert [body["ref"] for body in bodies(room)] == refs
    assert all(body["created"] and body["before"] == ZERO and body["head_commit"]["message"] == "first" for body in bodies(room))


async def test_a_push_made_while_down_is_seen_at_start(room: Room, client: Git, repository: Repository) -> None:
    before = repository.commit_and_push()
    cursor = Kept()
    async with room.running(source(room, client, repository.url), cursor):
        await settled(room, cursor)
    after = await in_thread(repository.commit_and_push)
    async with room.running(source(room, client, repository.url), cursor):
        await room.has(1)
    assert [(body["before"], body["after"]) for body in bodies(room)] == [(before, after)]


async def test_a_crash_between_emit_and_advance_repeats_the_event_with_the_same_id(
    room: Room, client: Git, repository: Repository
) -> None:
    repository.commit_and_push()
    cursor = Kept()
    async with room.running(source(room, client, repository.url), cursor):
        await settled(room, cursor)
    await in_thread(repository.commit_and_push)
    cursor.refusing = True
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(source(room, client, repository.url).run(room.emit, cursor), 30)
    cursor.refusing = False
    async with room.running(source(room, client, repository.url), cursor):
        await room.has(2)
    assert len(room.ids) == 2
    assert len(set(room.ids)) == 1


async def test_the_cursor_stays_when_the_log_refuses_one_of_several_events(room: Room, client: Git, repository: Repository) -> None:
    repository.commit_and_push()
    cursor = Kept()
    async with room.running(source(room, client, repository.url), cursor):
        await settled(room, cursor)
    advances = cursor.advances
    await in_thread(repository.push, "HEAD:refs/heads/a", "HEAD:refs/heads/b", "HEAD:refs/heads/c")
    room.refuse_after = 2
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(source(room, client, repository.url).run(room.emit, cursor), 30)
    assert cursor.advances == advances
    room.refuse_after = None
    async with room.running(source(room, client, repository.url), cursor):
        await room.until(lambda: len(set(room.ids)) == 3, "an event is missing")


async def test_a_ref_that_goes_to_and_fro_gives_a_new_event_each_time(room: Room, client: Git, repository: Repository) -> None:
    first = repository.commit_and_push()
    second = repository.commit()
    cursor = Kept()
    async with room.running(source(room, client, repository.url), cursor):
        await settled(room, cursor)
        for number, sha in enumerate([second, first, second, first], 1):
            await in_thread(repository.push, f"+{sha}:refs/heads/main")
            await room.has(number)
    assert [body["after"] for body in bodies(room)] == [second, first, second, first]
    assert [body["forced"] for body in bodies(room)] == [False, True, False, True]
    assert len(set(room.ids)) == 4
    assert bodies(room)[1]["commits"] == []
    assert bodies(room)[1]["head_commit"]["id"] == first


async def test_new_and_deleted_branches_are_pushes_from_and_to_the_zero_commit(
    room: Room, client: Git, repository: Repository
) -> None:
    repository.commit_and_push("first")
    cursor = Kept()
    async with room.running(source(room, client, repository.url), cursor):
        await settled(room, cursor)
        await in_thread(repository.commit, "on the branch")
        tip = await in_thread(repository.push, "HEAD:refs/heads/topic/one")
        await room.has(1)
        await in_thread(repository.push, ":refs/heads/topic/one")
        await room.has(2)
    created, deleted = bodies(room)
    assert (created["before"], created["after"], created["created"], created["branch"]) == (ZERO, tip, True, "topic/one")
    assert [commit["message"] for commit in created["commits"]] == ["on the branch"]
    assert (deleted["before"], deleted["after"], deleted["deleted"]) == (tip, ZERO, True)
    assert (deleted["head_commit"], deleted["commits"], deleted["forced"]) == (None, [], False)


async def test_a_rewritten_branch_is_a_forced_push(room: Room, client: Git, repository: Repository) -> None:
    repository.commit_and_push("base")
    old = repository.commit_and_push("old")
    cursor = Kept()
    async with room.running(source(room, client, repository.url), cursor):
        await settled(room, cursor)
        await in_thread(repository.run, "reset", "-q", "--hard", "HEAD~1")
        await in_thread(repository.commit, "new")
        new = await in_thread(repository.push, "+HEAD:refs/heads/main")
        await room.has(1)
    body = bodies(room)[0]
    assert (body["before"], body["after"], body["forced"]) == (old, new, True)
    assert [commit["message"] for commit in body["commits"]] == ["new"]


async def test_an_annotated_tag_names_the_commit_behind_it(room: Room, client: Git, repository: Repository) -> None:
    commit = repository.commit_and_push("release")
    cursor = Kept()
    async with room.running(source(room, client, repository.url, tags=["v*", "!*-rc*"]), cursor):
        await settled(room, cursor)
        await in_thread(repository.run, "tag", "-a", "v1", "-m", "one")
        await in_thread(repository.run, "tag", "v2-rc1")
        await in_thread(repository.push, "v1", "v2-rc1")
        await room.has(1)
        await in_thread(repository.run, "tag", "-f", "-a", "v1", "-m", "one, again")
        await in_thread(repository.push, "+v1")
        await room.has(2)
    made, moved = bodies(room)
    assert (made["ref"], made["tag"], made["after"], made["created"]) == ("refs/tags/v1", "v1", commit, True)
    assert made["head_commit"]["id"] == commit
    assert "branch" not in made
    assert (moved["before"], moved["after"]) == (commit, commit)


async def test_only_branches_that_match_fire_and_later_patterns_do_not_flood(
    room: Room, client: Git, repository: Repository
) -> None:
    repository.commit_and_push()
    cursor = Kept()
    async with room.running(source(room, client, repository.url, branches=["main", "release/*"]), cursor):
        await settled(room, cursor)
        await in_thread(repository.push, "HEAD:refs/heads/topic", "HEAD:refs/heads/release/1/x", "HEAD:refs/heads/release/2")
        await room.has(1)
    async with room.running(source(room, client, repository.url, branches=["**"], tags=["**"]), cursor):
        await in_thread(repository.push, "HEAD:refs/heads/last")
        await room.has(2)
    assert [body["branch"] for body in bodies(room)] == ["release/2", "last"]


async def test_a_renamed_default_branch_is_one_new_and_one_deleted_branch(room: Room, client: Git, repository: Repository) -> None:
    sha = repository.commit_and_push("first")
    cursor = Kept()
    async with room.running(source(room, client, repository.url), cursor):
        await settled(room, cursor)
        await in_thread(repository.run, "--git-dir", str(repository.bare), "branch", "-m", "main", "trunk")
        await room.has(2)
    made, gone = bodies(room)
    assert (made["branch"], made["after"], made["repository"]["default_branch"]) == ("trunk", sha, "trunk")
    assert (gone["branch"], gone["deleted"]) == ("main", True)


async def test_the_first_push_to_an_empty_repository_fires(room: Room, client: Git, repository: Repository) -> None:
    cursor = Kept()
    async with room.running(source(room, client, repository.url), cursor):
        await settled(room, cursor)
        sha = await in_thread(repository.commit_and_push, "first")
        await room.has(1)
    assert [(body["before"], body["after"]) for body in bodies(room)] == [(ZERO, sha)]


async def test_another_address_is_seen_for_the_first_time(room: Room, client: Git, tmp_path: Path) -> None:
    one, two = Repository(tmp_path / "one"), Repository(tmp_path / "two")
    one.commit_and_push()
    two.commit_and_push()
    cursor = Kept()
    async with room.running(source(room, client, one.url), cursor):
        await settled(room, cursor)
    async with room.running(source(room, client, two.url), cursor):
        await room.until(lambda: cursor.advances == 2, "no first sight of the second")
    assert room.events == []


async def test_ten_thousand_refs_cost_no_more_than_what_changed(room: Room, client: Git, repository: Repository) -> None:
    sha = repository.commit_and_push()
    await in_thread(repository.many_refs, 10_000, sha)
    cursor = Kept()
    async with room.running(source(room, client, repository.url), cursor):
        await settled(room, cursor)
        await in_thread(repository.commit_and_push, "one")
        await room.has(1)
    assert [body["head_commit"]["message"] for body in bodies(room)] == ["one"]


async def test_an_unreachable_repository_is_reported_and_taken_up_again(room: Room, client: Git, repository: Repository) -> None:
    repository.commit_and_push()
    hidden = repository.bare.with_name("hidden")
    cursor = Kept()
    async with room.running(source(room, client, repository.url), cursor):
        await settled(room, cursor)
        await in_thread(repository.bare.rename, hidden)
        await room.until(lambda: room.problem, "not reported")
        assert "does not appear to be a git repository" in str(room.problem)
        await in_thread(hidden.rename, repository.bare)
        sha = await in_thread(repository.commit_and_push)
        await room.has(1)
        await room.until(lambda: room.problem is None, "no recovery")
    assert bodies(room)[0]["after"] == sha


async def test_a_private_repository_over_http_is_read_with_the_password_of_the_secret(
    room: Room, client: Git, repository: Repository
) -> None:
    repository.commit_and_push()
    room.secrets = {"user": "robot", "token": "wrong"}
    credentials = {"username": {"name": "git", "key": "user"}, "password": {"name": "git", "key": "token"}}
    cursor = Kept()
    async with Server(repository.bare.parent, "robot", "s3cr3t:ü").serving() as server:
        at = source(room, client, f"{server.url}/shop.git", credentials=credentials)
        async with room.running(at, cursor):
            await room.until(lambda: "401" in str(room.problem), "a wrong password is not reported")
            room.secrets["token"] = "s3cr3t:ü"
            await settled(room, cursor)
            sha = await in_thread(repository.commit_and_push, "over http")
            await room.has(1)
    assert (bodies(room)[0]["after"], bodies(room)[0]["head_commit"]["message"]) == (sha, "over http")
    assert not any("s3cr3t" in problem or "wrong" in problem for problem in room.problems)


async def test_a_server_that_fails_does_not_lose_a_push(room: Room, client: Git, repository: Repository) -> None:
    repository.commit_and_push()
    cursor = Kept()
    async with (
        Server(repository.bare.parent).serving() as server,
        room.running(source(room, client, f"{server.url}/shop.git"), cursor),
    ):
        await settled(room, cursor)
        server.status = 503
        sha = await in_thread(repository.commit_and_push)
        await room.until(lambda: "503" in str(room.problem), "not reported")
        server.status = None
        await room.has(1)
    assert [body["after"] for body in bodies(room)] == [sha]


async def test_an_absent_secret_is_reported_and_no_question_asked(room: Room, client: Git, repository: Repository) -> None:
    cursor = Kept()
    async with Server(repository.bare.parent).serving() as server:
        at = source(room, client, f"{server.url}/shop.git", credentials={"password": {"name": "git", "key": "token"}})
        async with room.running(at, cursor):
            await room.until(lambda: "argo/git" in str(room.problem), "not reported")
        assert server.requests == []


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"url": "ext::sh -c id"}, "url"),
        ({"url": "--upload-pack=id"}, "url"),
        ({"url": "https://user:pass@host/x"}, "url"),
        ({"url": "/srv/x.git"}, "url"),
        ({"interval": "10ms"}, "interval"),
        ({"interval": "soon"}, "interval"),
        ({"branches": ["main", "[a"]}, "branches[1]"),
        ({"tags": ["refs/tags/v1"]}, "tags[0]"),
        ({"credentials": {"sshKeySecret": {"key": "k"}}}, "credentials.sshKeySecret"),
        ({"credentials": {"username": {"key": "u"}}}, "credentials.password"),
        ({"url": "git@host:x.git", "credentials": {"password": {"key": "u"}}}, "credentials"),
    ],
)
def test_a_wrong_field_is_named_when_the_manifest_loads(fields: dict[str, Any], path: str) -> None:
    spec = GitSpec.model_validate({"url": "https://host/x.git", **fields})
    assert [error.path for error in GitSource.check(spec)] == [path]


@pytest.mark.parametrize(
    "url", ["https://host/x.git", "http://host:3000/x", "git@host:x/y.git", "ssh://git@host:22/x", "file:///srv/x.git"]
)
def test_the_usual_addresses_are_accepted(url: str) -> None:
    assert GitSource.check(GitSpec(url=url)) == []


def test_the_manifest_key_is_git() -> None:
    assert registered()["git"] is GitSource
