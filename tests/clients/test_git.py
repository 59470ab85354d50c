"""The git client: what it refuses, where secrets go, how it ends; and the shapes that it reads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.eventsource.repositories import Repository, Server
from tiphys.clients.git import ZERO, Change, Credentials, Git, Patterns, faults, parse
from tiphys.clients.git.commits import parse_files, parse_log
from tiphys.clients.git.process import failure
from tiphys.errors import ClientError, PatternError, Refused, Unreachable


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Git]:
    client = Git(tmp_path / "cache", allow_file=True)
    yield client
    client.close()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "remote")


def command_lines(word: str) -> dict[int, str]:
    """The processes of this machine whose command line has a word."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if word in text and int(entry.name) != os.getpid():
                    found[int(entry.name)] = text
    return found


async def until_gone(word: str) -> None:
    async with asyncio.timeout(20):
        while await asyncio.to_thread(command_lines, word):
            await asyncio.sleep(0.02)


# -- addresses


@pytest.mark.parametrize(
    "url",
    [
        "",
        " https://host/x",
        "https://host/x\n",
        "ext::sh -c id",
        "ext::ssh://x/y",
        "--upload-pack=id",
        "-oProxyCommand=id@host:x",
        "ssh://-oProxyCommand=id/x",
        "ssh://-x@host/y",
        "git://host/x",
        "ftp://host/x",
        "fd::17/x",
        "https://user@host/x",
        "https://user:word@host/x",
        "ssh://user:word@host/x",
        "https:///x",
        "https://host:port/x",
        "https://host/x?y=z",
        "file://host/x",
        "/srv/x",
        "../x",
        "x",
    ],
)
async def test_an_address_that_is_not_plainly_a_repository_is_refused_before_git_sees_it(client: Git, url: str) -> None:
    assert faults(url) is not None
    with pytest.raises(Refused):
        await client.ls_remote(url)


@given(st.text())
def test_any_text_is_an_address_or_has_a_fault(text: str) -> None:
    if faults(text) is None:
        assert not parse(text).url.startswith("-")
    else:
        with pytest.raises(ValueError, match="the address"):
            parse(text)


@pytest.mark.parametrize(
    ("url", "full_name"),
    [
        ("https://host/acme/shop.git", "acme/shop"),
        ("git@host:acme/shop.git", "acme/shop"),
        ("ssh://git@host:22/acme/shop", "acme/shop"),
        ("file:///srv/a%20b.git/", "srv/a b"),
    ],
)
def test_the_name_of_a_repository_is_its_path_without_git(url: str, full_name: str) -> None:
    assert (parse(url).full_name, parse(url).name) == (full_name, full_name.rsplit("/", 1)[-1])


async def test_files_are_read_only_where_that_is_allowed(tmp_path: Path, repository: Repository) -> None:
    client = Git(tmp_path / "cache")
    with pytest.raises(Refused, match="the protocol file is not allowed here"):
        await client.ls_remote(repository.url)
    client.close()


async def test_a_redirect_to_another_protocol_is_not_followed(client: Git, repository: Repository) -> None:
    repository.commit_and_push()
    async with Server(repository.bare.parent).serving() as server:
        server.redirect = repository.url
        with pytest.raises(ClientError):
            await client.ls_remote(f"{server.url}/shop.git")


async def test_no_configuration_leads_to_a_protocol_that_is_not_allowed(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(f'[url "{repository.bare.parent}/"]\n\tinsteadOf = https://host/\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    client = Git(tmp_path / "cache")
    with pytest.raises(Refused, match="transport 'file' not allowed"):
        await client.ls_remote("https://host/shop.git")
    client.close()


# -- refs and commits


async def test_refs_come_with_the_commit_behind_a_tag_and_the_default_branch(client: Git, repository: Repository) -> None:
    commit = repository.commit_and_push()
    repository.run("tag", "-a", "v1", "-m", "one")
    repository.push("v1", "HEAD:refs/heads/a/b", "HEAD:refs/notes/x", "HEAD:refs/pull/1/head")
    refs = await client.ls_remote(repository.url)
    assert refs.head == "refs/heads/main"
    assert set(refs.targets) == {"refs/heads/main", "refs/heads/a/b", "refs/tags/v1"}
    assert refs.targets["refs/tags/v1"].commit == commit
    assert refs.targets["refs/tags/v1"].object == repository.run("rev-parse", "v1")


async def test_a_long_push_is_described_by_its_newest_twenty_commits(client: Git, repository: Repository) -> None:
    before = repository.commit_and_push("before")
    for number in range(40):
        repository.commit(f"c{number}")
    after = repository.push()
    details = (await client.describe(repository.url, [Change("refs/heads/main", before, after)]))["refs/heads/main"]
    assert [commit.message for commit in details.commits] == [f"c{number}" for number in range(20, 40)]
    assert details.head.id == after
    assert details.forced is False


async def test_a_merge_lists_what_it_brought_to_its_first_parent(client: Git, repository: Repository) -> None:
    before = repository.commit_and_push("base", "a")
    repository.run("checkout", "-q", "-b", "side")
    repository.commit("on the side", "b")
    repository.run("checkout", "-q", "main")
    repository.commit("on main", "c")
    repository.run("merge", "-q", "--no-ff", "-m", "merge", "side")
    after = repository.push()
    details = (await client.describe(repository.url, [Change("refs/heads/main", before, after)]))["refs/heads/main"]
    assert (details.head.message, details.head.added, len(details.head.parents)) == ("merge", ("b",), 2)
    assert {commit.message for commit in details.commits} == {"on the side", "on main", "merge"}


async def test_a_commit_that_went_away_does_not_hide_the_others(client: Git, repository: Repository) -> None:
    after = repository.commit_and_push("here")
    changes = [
        Change("refs/heads/gone", ZERO, "1" * 40),
        Change("refs/heads/main", ZERO, after),
        Change("refs/heads/x", after, ZERO),
    ]
    details = await client.describe(repository.url, changes)
    assert set(details) == {"refs/heads/main"}
    assert details["refs/heads/main"].head.message == "here"


async def test_a_damaged_cache_is_made_anew(client: Git, repository: Repository, tmp_path: Path) -> None:
    one = repository.commit_and_push("one")
    await client.describe(repository.url, [Change("refs/heads/main", ZERO, one)])
    two = repository.commit_and_push("two")
    for pack in (tmp_path / "cache").rglob("objects/*/*"):
        pack.chmod(0o600)
        pack.write_bytes(b"")
    details = await client.describe(repository.url, [Change("refs/heads/main", one, two)])
    assert details["refs/heads/main"].head.message == "two"


async def test_a_lock_that_a_killed_process_left_does_not_stop_the_next(
    client: Git, repository: Repository, tmp_path: Path
) -> None:
    one = repository.commit_and_push("one")
    await client.describe(repository.url, [Change("refs/heads/main", ZERO, one)])
    (next((tmp_path / "cache").iterdir()) / "shallow.lock").touch()
    two = repository.commit_and_push("two")
    details = await client.describe(repository.url, [Change("refs/heads/x", ZERO, two)])
    assert details["refs/heads/x"].head.message == "two"


async def test_a_repository_with_sha256_names_is_read_as_well(client: Git, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "remote", form="sha256")
    after = repository.commit_and_push("long names")
    details = await client.describe(repository.url, [Change("refs/heads/main", ZERO, after)])
    assert (len(after), details["refs/heads/main"].head.message) == (64, "long names")


# -- secrets and processes


async def test_a_password_is_on_no_command_line_and_the_process_ends_with_its_task(client: Git, repository: Repository) -> None:
    async with Server(repository.bare.parent, "robot", "s3cr3t").serving() as server:
        server.silent = True
        where = f"{server.url}/shop.git"
        task = asyncio.create_task(client.ls_remote(where, Credentials("robot", "s3cr3t")))
        async with asyncio.timeout(20):
            while not server.requests:
                await asyncio.sleep(0.02)
        running = await asyncio.to_thread(command_lines, where)
        assert running
        for text in running.values():
            assert "s3cr3t" not in text
            assert "Basic" not in text
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until_gone(where)


async def test_a_server_that_says_nothing_meets_a_time_limit(tmp_path: Path, repository: Repository) -> None:
    client = Git(tmp_path / "cache", timeout=0.5)
    async with Server(repository.bare.parent).serving() as server:
        server.silent = True
        with pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
            await client.ls_remote(f"{server.url}/shop.git")
        await until_gone(server.url)
    client.close()


async def test_a_wrong_password_is_refused_and_not_shown(client: Git, repository: Repository) -> None:
    async with Server(repository.bare.parent, "robot", "right").serving() as server:
        with pytest.raises(Refused) as caught:
            await client.ls_remote(f"{server.url}/shop.git", Credentials("robot", "wr0ng"))
    assert caught.value.status == 401
    assert "wr0ng" not in str(caught.value)
    assert "wr0ng" not in repr(Credentials("robot", "wr0ng"))


async def test_an_ssh_key_lives_in_a_private_file_as_long_as_the_call(
    client: Git, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit_and_push()
    programs, seen = tmp_path / "bin", tmp_path / "seen"
    programs.mkdir()
    ssh = programs / "ssh"  # stands for a whole SSH connection: notes what it was given, and runs the command here
    ssh.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{seen}\nwhile [ "$1" != -i ]; do shift; done\n'
        f'stat -c "%a" "$2" >>{seen}; cat "$2" >>{seen}\nfor last; do :; done\nexec sh -c "$last"\n'
    )
    ssh.chmod(0o700)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    refs = await client.ls_remote(f"ssh://git@host{repository.bare}", Credentials(ssh_key=b"-----BEGIN KEY-----\r\n"))
    assert refs.targets["refs/heads/main"].commit == commit
    lines = seen.read_text().splitlines()
    assert lines[-2:] == ["600", "-----BEGIN KEY-----"]
    assert "BatchMode=yes" in lines
    key = Path(lines[lines.index("-i") + 1])
    assert not key.exists()
    assert not key.parent.exists()
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


async def test_a_git_that_is_not_installed_is_one_clear_line(client: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClientError, match="git: is not installed or not on PATH; install it"):
        await client.ls_remote("https://127.0.0.1:1/x.git")


async def test_only_one_process_works_on_a_repository_at_a_time(client: Git, repository: Repository) -> None:
    repository.commit_and_push()
    async with Server(repository.bare.parent).serving() as server:
        await asyncio.gather(*(client.ls_remote(f"{server.url}/shop.git") for _ in range(5)))
        assert server.most_at_once == 1


@pytest.mark.parametrize(
    ("words", "kind", "status"),
    [
        ("fatal: unable to access 'https://h/': Could not resolve host: h", Unreachable, None),
        ("fatal: Authentication failed for 'https://h/'", Refused, 401),
        ("remote: Repository not found.\nfatal: repository 'https://h/' not found", Refused, 404),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 403", Refused, 403),
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.", Refused, 401),
        ("fatal: write error: No space left on device", ClientError, None),
        ("", ClientError, None),
    ],
)
def test_what_git_says_becomes_the_error_that_it_means(words: str, kind: type[ClientError], status: int | None) -> None:
    error = failure("https://h/", words)
    assert type(error) is kind
    assert getattr(error, "status", None) == status


# -- shapes


@given(st.binary())
def test_any_output_is_read_without_a_crash(raw: bytes) -> None:
    parse_log(raw)
    parse_files(raw)


@pytest.mark.parametrize(
    ("patterns", "inside", "outside"),
    [
        (["**"], ["main", "a/b/c"], []),
        (["*"], ["main"], ["a/b"]),
        (["main", "release/**"], ["main", "release/1/x"], ["mainline", "release"]),
        (["**", "!wip/**"], ["main"], ["wip/a"]),
        (["!wip/**"], ["main"], ["wip/a"]),
        (["**", "!wip/**", "wip/keep"], ["wip/keep"], ["wip/a"]),
        (["v?.[0-9]", "v[!0-9]"], ["v1.2", "vx"], ["v12", "v1.x", "v1", "v/"]),
        (["a.b+c", "x\\*"], ["a.b+c", "x*"], ["aXbbc", "xx"]),
        ([], [], ["main", ""]),
    ],
)
def test_patterns_are_globs_over_whole_names(patterns: list[str], inside: list[str], outside: list[str]) -> None:
    compiled = Patterns(patterns)
    assert [name for name in inside + outside if name in compiled] == inside


@given(st.text(min_size=1))
def test_any_pattern_is_compiled_or_refused(text: str) -> None:
    try:
        compiled = Patterns([text])
    except PatternError:
        return
    assert isinstance("main" in compiled, bool)


@given(
    st.text(st.characters(exclude_characters="\\*?[]!", exclude_categories=["Cs"]), min_size=1).filter(
        lambda t: not t.startswith("refs/")
    )
)
def test_a_name_without_special_characters_matches_itself_only(name: str) -> None:
    assert name in Patterns([name])
    assert name + "x" not in Patterns([name])
