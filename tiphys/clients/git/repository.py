"""Questions to a repository that somebody else holds: where its refs stand, and what a change consists of.

Nothing is checked out. Commits come by a shallow fetch without file contents into a bare cache, one per repository, which may be
deleted at any time. Only one git process works on a repository at a time, and only so many in all; each has a time limit and dies
with the task that waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from tiphys.clients.git.address import Address, parse
from tiphys.clients.git.commits import FORMAT, Commit, parse_files, parse_log
from tiphys.clients.git.credentials import Credentials
from tiphys.clients.git.pinning import configuration_of, pin
from tiphys.clients.git.process import Process
from tiphys.clients.git.reading import LARGEST_FILE, File, Files, flaw_in_path, flaw_in_ref
from tiphys.clients.targets import ANYWHERE, Targets
from tiphys.errors import ClientError, Refused, Unreachable

__all__ = ["COMMITS", "ZERO", "Change", "Details", "Git", "Refs", "Target"]

T = TypeVar("T")

ZERO: Final = "0" * 40
"""The commit that is not there: `after` of a deleted ref, `before` of a new one."""
COMMITS: Final = 20
"""Commits described per change, as many as GitHub sends."""
_GONE: Final = "NoSuchCommit"
_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NEAR: Final = ("--depth=30",)
_FAR: Final = ("--depth=1000", "--filter=tree:0")
_AT_ONCE: Final = 100


class Target(NamedTuple):
    """What a ref names: the object, and for an annotated tag the commit behind it (else the same)."""

    object: str
    commit: str


@dataclass(frozen=True, slots=True)
class Refs:
    """The branches and tags of a repository by full name, and the ref that is its default branch (empty if it has none)."""

    targets: Mapping[str, Target]
    head: str = ""


class Change(NamedTuple):
    """A ref that moved from one commit to another; `ZERO` stands for none. `base` is what a new ref's commits are counted from."""

    ref: str
    before: str
    after: str
    base: str = ZERO


@dataclass(frozen=True, slots=True)
class Details:
    """The commits of a change, oldest first, the newest `COMMITS` of them; `forced`: the old commit is no ancestor of the new one
    (`None`: too far apart to tell)."""

    head: Commit
    commits: tuple[Commit, ...]
    forced: bool | None


def _default_cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path(tempfile.gettempdir()) / f"tiphys-{os.getuid()}") / "tiphys" / "git"


class Git:
    """A client for any number of repositories.

    `cache` is a folder of its own (created with mode 0700 when first needed; default: `$XDG_CACHE_HOME/tiphys/git`, or below the
    temporary folder). `allow_file` lets `file://` through: whoever writes manifests can then read every repository of this machine
    that this process can. `processes` bounds git processes in all; `timeout` is for one of them, in seconds. `targets` says
    where `read` may go (behind a proxy it is the proxy's to judge).

    Methods raise `Unreachable`, `Refused` (with the status that HTTP has for it), or plain `ClientError` for the rest, among it a
    git that is not installed.
    """

    def __init__(
        self,
        cache: Path | None = None,
        *,
        allow_file: bool = False,
        targets: Targets = ANYWHERE,
        processes: int = 8,
        timeout: float = 60.0,
    ) -> None:
        self._cache = cache if cache is not None else _default_cache()
        self._allowed = ("https", "http", "ssh", "file") if allow_file else ("https", "http", "ssh")
        self._timeout = timeout
        self._targets = targets
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="git")
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._files = Files(self._cache, self._remote, self._local)

    def close(self) -> None:
        """Start no more processes; those under way end by their time limit."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def ls_remote(self, url: str, credentials: Credentials | None = None) -> Refs:
        """Where the branches and tags of a repository stand. An empty repository has none."""
        address = self._address(url)
        arguments = ["ls-remote", "--quiet", "--symref", "--", url, "HEAD", "refs/heads/*", "refs/tags/*"]
        async with self._alone(address):
            return await self._remote(address, credentials, arguments, _parse_refs)

    async def describe(self, url: str, changes: Sequence[Change], credentials: Credentials | None = None) -> dict[str, Details]:
        """The commits of changes by ref. A deleted ref has none; a commit that the server no longer has is left out."""
        address = self._address(url)
        found: dict[str, Details] = {}
        alive = [change for change in changes if change.after != ZERO]
        async with self._alone(address):
            for start in range(0, len(alive), _AT_ONCE):
                batch = alive[start : start + _AT_ONCE]
                try:
                    found |= await self._describe(address, credentials, batch)
                except (Unreachable, Refused):
                    raise
                except ClientError:  # the cache itself: begin again with an empty one
                    await asyncio.get_running_loop().run_in_executor(self._threads, self._clear, address)
                    found |= await self._describe(address, credentials, batch)
        return found

    async def read(
        self, url: str, ref: str, path: str, credentials: Credentials | None = None, *, most: int = LARGEST_FILE
    ) -> File:
        """One file at a full ref (`refs/heads/main`), a commit, or (empty) the branch `master` or else the default branch.

        `most` is the bytes of the largest file. Nothing is checked out; see `tiphys.clients.git.reading`.
        """
        address = self._address(url)
        for flaw in (flaw_in_path(path), flaw_in_ref(ref) if ref else ""):
            if flaw:
                raise Refused(url, 400, "Place", f"the ref {ref!r} or the path {path!r} {flaw}")
        if self._targets.public_only:
            address = await asyncio.get_running_loop().run_in_executor(self._threads, pin, address, self._targets)
        return await self._files.read(address, ref, path, credentials, most)

    # -- one repository, one process

    def _address(self, url: str) -> Address:
        try:
            address = parse(url)
        except ValueError as error:
            raise Refused("git", 400, "Address", str(error)) from None
        if address.protocol not in self._allowed:
            raise Refused(
                url, 400, "Protocol", f"the protocol {address.protocol} is not allowed here; allowed: {', '.join(self._allowed)}"
            )
        return address

    @contextlib.asynccontextmanager
    async def _alone(self, address: Address) -> AsyncIterator[None]:
        lock = self._locks.get(address.url)
        if lock is None:
            lock = self._locks[address.url] = asyncio.Lock()
        async with lock:
            yield

    async def _call(self, process: Process, read: Callable[[bytes], T]) -> T:
        """Run a process and read what it printed, both in a thread."""
        work = asyncio.get_running_loop().run_in_executor(self._threads, lambda: read(process.run()))
        try:
            return await work
        except asyncio.CancelledError:
            process.end()
            raise

    def _folder(self, address: Address) -> Path:
        return self._cache / hashlib.sha256(address.url.encode()).hexdigest()[:32]

    async def _remote(
        self,
        address: Address,
        credentials: Credentials | None,
        arguments: Sequence[str],
        read: Callable[[bytes], T],
        configuration: Mapping[str, str] = {},
        *,
        most_written: int = 0,
    ) -> T:
        """A command that talks to the server."""
        who = credentials or Credentials()

        @contextlib.contextmanager
        def surroundings() -> Iterator[Mapping[str, str]]:
            with self._made(), who.ssh(address, self._cache / "known_hosts") as command:
                yield {"GIT_SSH_COMMAND": command}

        process = Process(
            arguments,
            target=address.url,
            protocols=self._allowed,
            configuration={**configuration, **who.configuration(address), **configuration_of(address)},
            surroundings=surroundings,
            timeout=self._timeout,
            most_written=most_written,
        )
        return await self._call(process, read)

    async def _local(
        self,
        address: Address,
        arguments: Sequence[str],
        read: Callable[[bytes], T],
        *,
        stdin: bytes = b"",
        accepted: Sequence[int] = (0,),
        folder: Path | None = None,
    ) -> T:
        """A command on the cache, or on the repository in `folder`; it may reach no server, not even to fetch an object that it lacks."""
        process = Process(
            [f"--git-dir={folder or self._folder(address)}", *arguments],
            target=address.url,
            stdin=stdin,
            timeout=self._timeout,
            accepted=accepted,
            surroundings=self._made,
        )
        try:
            return await self._call(process, read)
        except Refused as error:
            raise ClientError(address.url, f"the cache of commits: {error.problem}") from error

    @contextlib.contextmanager
    def _made(self) -> Iterator[Mapping[str, str]]:
        self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield {}

    def _clear(self, address: Address) -> None:
        shutil.rmtree(self._folder(address), ignore_errors=True)

    # -- commits

    async def _describe(self, address: Address, credentials: Credentials | None, batch: Sequence[Change]) -> dict[str, Details]:
        gone = await self._fetch(address, credentials, batch)
        present = await self._present(address, batch)
        return {
            change.ref: await self._details(address, credentials, change, present, gone)
            for change in batch
            if change.after in present
        }

    async def _fetch(self, address: Address, credentials: Credentials | None, batch: Sequence[Change]) -> set[str]:
        """Bring the commits of changes into the cache; returns those of `before` that the server says it does not have any more.

        The first fetch is shallow. Once the old commit is here, the server sends only what lies between.
        """
        form = "sha256" if len(batch[0].after) == 64 else "sha1"
        await self._local(address, ["init", "--quiet", "--bare", "--template=", f"--object-format={form}"], bytes)
        present = await self._present(address, batch)
        limits = _NEAR if any(_start(change) not in present for change in batch) else ()
        wanted = {f"+{change.after}:{_kept(change.ref)}": change for change in batch if change.after not in present}
        bases = {change.base for change in batch} - present - {ZERO}
        wants = [*wanted, *(f"+{base}:{_kept(base)}" for base in bases)]
        try:
            if wants:
                await self._fetch_commits(address, credentials, wants, limits)
        except Refused as error:
            if error.reason != _GONE:
                raise
            for want in wants:  # one that went away meanwhile must not hide the others
                with contextlib.suppress(Refused):
                    await self._fetch_commits(address, credentials, [want], limits)
        return await self._fetch_old(address, credentials, batch)

    async def _fetch_old(self, address: Address, credentials: Credentials | None, batch: Sequence[Change]) -> set[str]:
        """The old commits that did not come with the new ones: further back, or forced away."""
        present, gone = await self._present(address, batch), set()
        for change in batch:
            if change.before not in (ZERO, *present) and change.after in present:
                try:
                    await self._fetch_commits(address, credentials, [f"+{change.before}:{_kept(change.ref)}-old"], _NEAR)
                except Refused as error:
                    if error.reason == _GONE and "not our ref" in error.problem:
                        gone.add(change.before)
        return gone

    async def _fetch_commits(
        self, address: Address, credentials: Credentials | None, wants: Sequence[str], limits: Sequence[str]
    ) -> None:
        remote = {
            "remote.origin.url": address.url,
            "remote.origin.promisor": "true",
            "remote.origin.partialclonefilter": "blob:none",
        }
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", *limits]
        arguments = [f"--git-dir={self._folder(address)}", "fetch", *options, "--", "origin", *wants]
        await self._remote(address, credentials, arguments, bytes, remote)

    async def _present(self, address: Address, batch: Sequence[Change]) -> set[str]:
        """Those commits of changes that the cache has."""
        shas = sorted({sha for change in batch for sha in (change.before, change.after, change.base)} - {ZERO})
        asked = "".join(f"{sha}^{{commit}}\n" for sha in shas).encode()
        out = await self._local(address, ["cat-file", "--batch-check=%(objecttype)"], bytes, stdin=asked)
        return {sha for sha, answer in zip(shas, out.splitlines(), strict=True) if answer == b"commit"}

    async def _details(
        self, address: Address, credentials: Credentials | None, change: Change, present: set[str], gone: set[str]
    ) -> Details:
        forced = change.before in gone or await self._forced(address, credentials, change, present)
        start = _start(change)
        log = ["log", "-z", f"--format={FORMAT}", "--no-show-signature", "--encoding=UTF-8"]
        if start in present:
            commits = await self._local(address, [*log, f"-n{COMMITS}", change.after, f"^{start}", "--"], parse_log)
        else:  # all of its history is not what was pushed
            commits = await self._local(address, [*log, "-n1", change.after, "--"], parse_log)
        head = commits[0] if commits else (await self._local(address, [*log, "-n1", change.after, "--"], parse_log))[0]
        ids = "\n".join(dict.fromkeys([head.id, *(commit.id for commit in commits)])).encode() + b"\n"
        diff = ["diff-tree", "--stdin", "-z", "-r", "--root", "--diff-merges=first-parent", "--no-renames", "--name-status"]
        files = await self._local(address, diff, parse_files, stdin=ids)
        pushed = tuple(commit.touching(files) for commit in reversed(commits))
        return Details(head.touching(files), pushed, forced)

    async def _forced(self, address: Address, credentials: Credentials | None, change: Change, present: set[str]) -> bool | None:
        if change.before == ZERO:
            return False
        if change.before not in present:
            return None
        common, whole = await self._common(address, change)
        if not common and not whole:  # further apart than what was fetched: look further back, at bare commits
            await self._fetch_commits(address, credentials, [f"+{change.after}:{_kept(change.ref)}"], _FAR)
            common, whole = await self._common(address, change)
        if common:
            return common != change.before
        return True if whole else None

    async def _common(self, address: Address, change: Change) -> tuple[str, bool]:
        """The newest commit that both sides of a change have, empty if none is here, and whether all of history is here."""
        common = await self._local(address, ["merge-base", change.before, change.after], _line, accepted=(0, 1))
        shallow = "" if common else await self._local(address, ["rev-parse", "--is-shallow-repository"], _line)
        return common, shallow == "false"


def _line(raw: bytes) -> str:
    return raw.strip().decode(errors="replace")


def _start(change: Change) -> str:
    """What the commits of a change are counted from."""
    return change.base if change.before == ZERO else change.before


def _kept(name: str) -> str:
    """The ref that keeps a commit in the cache, so that the next fetch can say what it has."""
    return f"refs/tiphys/{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _parse_refs(raw: bytes) -> Refs:
    targets: dict[str, Target] = {}
    head = ""
    for line in raw.decode(errors="replace").splitlines():
        value, _, ref = line.partition("\t")
        if value.startswith("ref: ") and ref == "HEAD":
            head = value.removeprefix("ref: ")
        elif _SHA.fullmatch(value) and ref.startswith(("refs/heads/", "refs/tags/")):
            if ref.endswith("^{}"):
                name = ref.removesuffix("^{}")
                targets[name] = targets[name]._replace(commit=value)
            else:
                targets[ref] = Target(value, value)
    return Refs(targets, head)
