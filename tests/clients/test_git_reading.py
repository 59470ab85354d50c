"""One file of a repository, over real smart HTTP: what is read, what is refused, what it costs."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.eventsource.repositories import Repository, Server, git
from tiphys.clients.git import LARGEST_FILE, Credentials, Git, flaw_in_path, flaw_in_ref
from tiphys.clients.git.address import parse
from tiphys.clients.git.pinning import configuration_of
from tiphys.clients.git.reading import Files
from tiphys.clients.targets import Targets
from tiphys.errors import ClientError, NotAllowed, Refused, Unreachable


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Git]:
    client = Git(tmp_path / "cache")
    yield client
    client.close()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "remote")
    git("config", "uploadpack.allowFilter", "true", folder=made.bare)
    made.commit("first", "ci/build.yaml", "kind: A\n")
    made.push()
    return made


@pytest.fixture
async def server(repository: Repository) -> AsyncIterator[Server]:
    async with Server(repository.bare.parent).serving() as serving:
        yield serving


@pytest.fixture
def url(server: Server) -> str:
    return f"{server.url}/shop.git"


async def refusal(client: Git, url: str, ref: str, path: str, most: int = LARGEST_FILE) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        await client.read(url, ref, path, most=most)
    return refused.value.status, refused.value.reason


async def test_a_file_is_read_at_a_branch_a_tag_a_ref_and_a_commit(client: Git, repository: Repository, url: str) -> None:
    def changes() -> str:
        first = repository.run("rev-parse", "HEAD")
        repository.run("tag", "-a", "v1", "-m", "one")
        repository.run("push", "-q", "origin", "v1", "HEAD:refs/pull/1/head")
        repository.commit("second", "ci/build.yaml", "kind: B\n")
        repository.push()
        return first

    first = await asyncio.to_thread(changes)

    assert (await client.read(url, "refs/heads/main", "ci/build.yaml")).content == b"kind: B\n"
    for ref in ("refs/tags/v1", "refs/pull/1/head", first):
        assert await client.read(url, ref, "/ci//./build.yaml") == (first, b"kind: A\n")


async def test_without_a_ref_it_is_master_and_where_there_is_none_the_default_branch(
    client: Git, repository: Repository, url: str
) -> None:
    assert (await client.read(url, "", "ci/build.yaml")).content == b"kind: A\n"

    def make_master() -> None:
        repository.run("checkout", "-q", "-b", "master")
        repository.commit("on master", "ci/build.yaml", "kind: M\n")
        repository.push()

    await asyncio.to_thread(make_master)

    assert (await client.read(url, "", "ci/build.yaml")).content == b"kind: M\n"


async def test_a_ref_that_did_not_move_costs_one_question_and_a_commit_none(client: Git, server: Server, url: str) -> None:
    read = await client.read(url, "refs/heads/main", "ci/build.yaml")
    server.requests.clear()

    await client.read(url, "refs/heads/main", "ci/build.yaml")
    asked = len(server.requests)
    await client.read(url, read.commit, "ci/build.yaml")

    assert asked == 2  # the capabilities and the refs
    assert len(server.requests) == asked


async def test_only_the_file_that_is_asked_for_is_fetched(client: Git, repository: Repository, url: str, tmp_path: Path) -> None:
    def add_large() -> None:
        (repository.tree / "large").write_bytes(os.urandom(5 << 20))
        repository.commit("large", "other", "x")
        repository.push()

    await asyncio.to_thread(add_large)
    seen = 0

    async def watch() -> None:
        nonlocal seen
        while True:
            seen = max(seen, await asyncio.to_thread(written, tmp_path / "cache"))
            await asyncio.sleep(0.001)

    watching = asyncio.create_task(watch())
    await client.read(url, "refs/heads/main", "ci/build.yaml")
    watching.cancel()

    assert 0 < seen < 1 << 20
    assert written(tmp_path / "cache") == 0


def written(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:
            continue
    return total


async def test_a_server_that_knows_no_filters_serves_as_well(client: Git, repository: Repository, url: str) -> None:
    await asyncio.to_thread(git, "config", "uploadpack.allowFilter", "false", folder=repository.bare)

    assert (await client.read(url, "refs/heads/main", "ci/build.yaml")).content == b"kind: A\n"


async def test_a_repository_with_longer_names_of_commits_serves_as_well(client: Git, tmp_path: Path) -> None:
    def make() -> Repository:
        made = Repository(tmp_path / "long", form="sha256")
        made.commit("first", "a.yaml", "kind: A\n")
        made.push()
        return made

    made = await asyncio.to_thread(make)
    async with Server(made.bare.parent).serving() as server:
        read = await client.read(f"{server.url}/shop.git", "refs/heads/main", "a.yaml")

    assert (len(read.commit), read.content) == (64, b"kind: A\n")


# -- hostile repositories


async def test_links_lead_nowhere(client: Git, repository: Repository, url: str) -> None:
    def add_links() -> None:
        (repository.tree / "passwd.yaml").symlink_to("/etc/passwd")
        (repository.tree / "near.yaml").symlink_to("ci/build.yaml")
        (repository.tree / "etc").symlink_to("/etc")
        repository.commit("links", "x", "x")
        repository.push()

    await asyncio.to_thread(add_links)

    for path in ("passwd.yaml", "near.yaml", "etc/passwd"):
        assert await refusal(client, url, "refs/heads/main", path) == (403, "SymbolicLink")


async def test_submodules_are_not_fetched_whatever_they_would_run(
    client: Git, repository: Repository, url: str, tmp_path: Path
) -> None:
    def add_submodule() -> None:
        commit = repository.run("rev-parse", "HEAD")
        module = f'[submodule "sub"]\n\tpath = sub\n\turl = ext::sh -c "touch {tmp_path}/ran"\n'
        (repository.tree / ".gitmodules").write_text(module)
        repository.run("add", ".gitmodules")
        repository.run("update-index", "--add", "--cacheinfo", f"160000,{commit},sub")
        repository.run("commit", "-q", "-m", "submodule")
        repository.push()

    await asyncio.to_thread(add_submodule)

    assert await refusal(client, url, "refs/heads/main", "sub/build.yaml") == (403, "Submodule")
    assert (await client.read(url, "refs/heads/main", "ci/build.yaml")).content == b"kind: A\n"
    assert not (tmp_path / "ran").exists()


async def test_attributes_and_their_filters_have_no_effect(client: Git, repository: Repository, url: str) -> None:
    def add_attributes() -> None:
        repository.commit("attributes", ".gitattributes", "*.yaml text eol=crlf ident filter=evil\n")
        repository.push()

    await asyncio.to_thread(add_attributes)

    assert (await client.read(url, "refs/heads/main", "ci/build.yaml")).content == b"kind: A\n"


async def test_a_file_over_the_limit_is_refused_before_it_is_read(client: Git, repository: Repository, url: str) -> None:
    def add_bomb() -> None:
        (repository.tree / "bomb").write_bytes(b"\0" * (40 << 20))  # 40 kB on the way
        repository.commit("bomb", "x", "x")
        repository.push()

    await asyncio.to_thread(add_bomb)

    assert await refusal(client, url, "refs/heads/main", "bomb") == (413, "TooLarge")
    assert await refusal(client, url, "refs/heads/main", "ci/build.yaml", most=7) == (413, "TooLarge")
    assert (await client.read(url, "refs/heads/main", "ci/build.yaml", most=8)).content == b"kind: A\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets one process bound what another writes")
async def test_what_is_written_while_fetching_is_bounded(client: Git, repository: Repository, url: str) -> None:
    def add_large() -> None:
        (repository.tree / "large").write_bytes(os.urandom(3 << 20))
        repository.commit("large", "x", "x")
        repository.push()

    await asyncio.to_thread(add_large)
    files = client._files
    bounded = Files(files._cache, files._remote, files._local, most_written=1 << 20)

    with pytest.raises(Refused, match="1,048,576 bytes would have to be fetched"):
        await bounded.read(parse(url), "refs/heads/main", "large", None)
    assert not list(files._cache.glob("read-*"))


@pytest.mark.parametrize(
    ("ref", "path"),
    [
        ("--upload-pack=touch /tmp/x", "a"),
        ("-c", "a"),
        ("refs/heads/../x", "a"),
        ("refs/heads/a b", "a"),
        ("refs/heads/*", "a"),
        ("refs/heads/a:b", "a"),
        ("refs/heads/main", "../a"),
        ("refs/heads/main", "~/a"),
        ("refs/heads/main", "a\\b"),
        ("refs/heads/main", "a\nb"),
        ("refs/heads/main", "/"),
    ],
)
async def test_a_ref_or_a_path_that_is_none_never_reaches_git(client: Git, server: Server, url: str, ref: str, path: str) -> None:
    assert await refusal(client, url, ref, path) == (400, "Place")
    assert server.requests == []


async def test_a_path_that_looks_like_an_option_or_a_pattern_is_a_path(client: Git, repository: Repository, url: str) -> None:
    def add() -> None:
        for name in ("--name-only", "[ab]*", ":(top)x"):
            repository.commit(name, name, f"kind: {name}")
        repository.push()

    await asyncio.to_thread(add)

    for name in ("--name-only", "[ab]*", ":(top)x"):
        assert (await client.read(url, "refs/heads/main", name)).content == f"kind: {name}".encode()
    assert await refusal(client, url, "refs/heads/main", "c*/build.yaml") == (404, "NoSuchFile")


@given(st.text(st.characters(max_codepoint=300), max_size=12))
def test_what_git_refuses_as_a_ref_is_refused(name: str) -> None:
    accepted = not flaw_in_ref(name)

    if accepted:
        assert git_accepts(f"refs/heads/{name}"), name


def git_accepts(ref: str) -> bool:
    try:
        git("check-ref-format", ref, folder=Path("/"))
    except AssertionError:
        return False
    return True


@given(st.text())
def test_a_path_is_judged_whatever_it_is(path: str) -> None:
    if not flaw_in_path(path):
        assert ".." not in path


# -- what is not there, and who may see it


async def test_what_is_not_there_is_said(client: Git, url: str) -> None:
    assert await refusal(client, url, "refs/heads/nope", "ci/build.yaml") == (404, "NoSuchRef")
    assert await refusal(client, url, "refs/heads/main", "ci") == (404, "NoSuchFile")
    assert await refusal(client, url, "refs/heads/main", "ci/build.yaml/x") == (404, "NoSuchFile")
    assert await refusal(client, url.replace("shop", "nope"), "refs/heads/main", "x") == (404, "NotFound")
    with pytest.raises(ClientError):
        await client.read(url, "1" * 40, "ci/build.yaml")


async def test_what_was_read_with_credentials_is_not_given_to_who_has_none(client: Git, server: Server, url: str) -> None:
    server.user, server.password = "ada", "t0ps3cret"
    read = await client.read(url, "refs/heads/main", "ci/build.yaml", Credentials("ada", "t0ps3cret"))

    for ref in (read.commit, "refs/heads/main"):
        assert await refusal(client, url, ref, "ci/build.yaml") == (401, "Unauthorized")
    assert await client.read(url, read.commit, "ci/build.yaml", Credentials("ada", "t0ps3cret")) == read


async def test_a_server_that_says_nothing_is_given_up_and_nothing_is_left_behind(tmp_path: Path, server: Server, url: str) -> None:
    client = Git(tmp_path / "cache", timeout=0.5)
    server.silent = True

    with pytest.raises(Unreachable, match=r"0\.5 s"):
        await client.read(url, "refs/heads/main", "ci/build.yaml")

    client.close()
    assert not list((tmp_path / "cache").glob("read-*"))


# -- where it may go


async def test_with_public_targets_only_a_private_address_is_refused(tmp_path: Path, server: Server, url: str) -> None:
    client = Git(tmp_path / "cache", targets=Targets(public_only=True))

    for address in (url, url.replace("127.0.0.1", "localhost"), "git@127.0.0.1:a/b.git", "ssh://git@localhost/a/b"):
        with pytest.raises(NotAllowed, match="no public address"):
            await client.read(address, "refs/heads/main", "ci/build.yaml")

    client.close()
    assert server.requests == []


@pytest.mark.parametrize("allowed", ["127.0.0.0/8", "127.0.0.1"])
async def test_what_the_settings_allow_beside_public_addresses_is_gone_to(tmp_path: Path, url: str, allowed: str) -> None:
    client = Git(tmp_path / "cache", targets=Targets(public_only=True, allowed=(allowed,)))

    assert (await client.read(url, "refs/heads/main", "ci/build.yaml")).content == b"kind: A\n"

    client.close()


async def test_a_name_that_was_looked_up_once_is_not_looked_up_again_by_git(client: Git, server: Server) -> None:
    port = server.url.rpartition(":")[2]
    address = parse(f"http://shop.example:{port}/shop.git")
    pinned = type(address)(address.url, address.protocol, address.host, address.path, "127.0.0.1")

    read = await client._files.read(pinned, "refs/heads/main", "ci/build.yaml", None)

    assert read.content == b"kind: A\n"
    assert configuration_of(address) == {}


async def test_a_redirect_is_not_followed_from_a_pinned_address(
    client: Git, repository: Repository, server: Server, url: str
) -> None:
    address = parse(url)
    pinned = type(address)(address.url, address.protocol, address.host, address.path, "127.0.0.1")
    async with Server(repository.bare.parent).serving() as elsewhere:
        server.redirect = f"{elsewhere.url}/shop.git"
        await client.read(url, "refs/heads/main", "ci/build.yaml")
        followed = len(elsewhere.requests)

        with pytest.raises(ClientError):
            await client._files.read(pinned, "refs/heads/main", "ci/build.yaml", None)

    assert followed > 0
    assert len(elsewhere.requests) == followed


def test_ssh_goes_to_the_pinned_address_and_knows_the_host_by_its_name() -> None:
    address = parse("git@shop.example:a/b.git")
    pinned = type(address)(address.url, address.protocol, address.host, address.path, "203.0.113.7")

    with Credentials().ssh(pinned, Path("/known")) as command:
        assert "HostName=203.0.113.7 -o HostKeyAlias=shop.example" in command
    with Credentials(any_host_key=True).ssh(address, Path("/known")) as command:
        assert "StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null" in command
    with Credentials().ssh(address, Path("/known")) as command:
        assert "StrictHostKeyChecking=accept-new -o UserKnownHostsFile=/known" in command


def test_credentials_are_told_apart_and_not_told() -> None:
    one, other = Credentials("a", "b"), Credentials("a", "c")

    assert one.digest != other.digest
    assert base64.b64encode(b"b").decode() not in one.digest
