"""One file of a repository at a ref, and nothing else of it.

No work tree is ever made: the commit and its trees are fetched (shallow, without file contents), the file's place is looked up in the
trees, and then its content alone is fetched. So links lead nowhere, submodules are not followed, and no filter, hook or attribute of the
repository comes into effect. Every process has a time limit, and what it may write is bounded.

The repository that it is fetched into is a temporary folder. What is kept, in memory, is contents by commit: the next time, one question
tells whether the ref has moved. A content belongs to the address and the credentials with which it was read.
"""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
import re
import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

from tiphys.clients.git.address import Address
from tiphys.clients.git.credentials import Credentials
from tiphys.errors import ClientError, Refused

__all__ = ["LARGEST_FILE", "File", "Files", "flaw_in_path", "flaw_in_ref"]

T = TypeVar("T")

LARGEST_FILE: Final = 3 << 19
"""Bytes of the largest file that is read, 1.5 MiB: no Kubernetes object can be larger."""

_MOST_WRITTEN: Final = 256 << 20
_KEPT_FILES: Final = 256
_KEPT_BYTES: Final = 32 << 20
_LEFT_BEHIND: Final = 24 * 3600.0
_SHA: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_NOT_IN_REFS: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
_NOT_IN_PATHS: Final = ("..", "~", "\\")


class File(NamedTuple):
    """The commit that a file was read at, and its content."""

    commit: str
    content: bytes


class Remote(Protocol):
    """A command that talks to the server (`Git` has it)."""

    async def __call__(
        self,
        address: Address,
        credentials: Credentials | None,
        arguments: Sequence[str],
        read: Callable[[bytes], T],
        configuration: Mapping[str, str] = ...,
        *,
        most_written: int = ...,
    ) -> T:
        """Run it and read what it printed."""


class Local(Protocol):
    """A command on a repository of ours, in `folder` (`Git` has it)."""

    async def __call__(
        self,
        address: Address,
        arguments: Sequence[str],
        read: Callable[[bytes], T],
        *,
        stdin: bytes = ...,
        folder: Path | None = ...,
    ) -> T:
        """Run it and read what it printed."""


class _Entry(NamedTuple):
    """What a tree has at a path."""

    mode: str
    sha: str


def flaw_in_ref(name: str) -> str:
    """Why that is no name of a branch, tag or ref, or a commit; empty if it is one (git-check-ref-format, and no leading dash)."""
    if not name:
        return "is empty"
    if name.startswith("-"):
        return "begins with a dash, as an option does"
    bad = _NOT_IN_REFS.search(name) or name == "@" or name.startswith("/") or name.endswith(("/", "."))
    if bad or any(part.startswith(".") or part.endswith(".lock") for part in name.split("/")):
        return "is no name that Git allows"
    return ""


def flaw_in_path(path: str) -> str:
    """Why that is no path of a file in a repository; empty if it is one."""
    if not path.strip("/"):
        return "is empty"
    for part in _NOT_IN_PATHS:
        if part in path:
            return f"has {part!r} in it, which is not allowed"
    return "has a control character" if any(ord(c) < 32 or ord(c) == 127 for c in path) else ""


class Files:
    """Reads files. `cache` is a folder of ours, in which temporary ones are made; `most_written` the bytes of the largest pack of objects
    that is taken (on Linux)."""

    def __init__(self, cache: Path, remote: Remote, local: Local, most_written: int = _MOST_WRITTEN) -> None:
        self._most_written = most_written
        self._cache = cache
        self._remote = remote
        self._local = local
        self._contents: OrderedDict[tuple[str, ...], bytes] = OrderedDict()
        self._kept = 0
        self._swept = False

    async def read(self, address: Address, ref: str, path: str, credentials: Credentials | None, most: int = LARGEST_FILE) -> File:
        """The file at `path`. `ref` is a full ref, a commit, or empty for the branch `master` or else the default branch.

        Raises what `Git` does, and `Refused`: 404 `NoSuchRef` or `NoSuchFile`, 403 `SymbolicLink` or `Submodule`, 413 `TooLarge`.
        """
        place = posixpath.normpath(path.strip("/"))
        commit, name = (ref, ref) if _SHA.fullmatch(ref) else await self._resolved(address, ref, credentials)
        who = credentials.digest if credentials else ""
        kept = self._contents.get((address.url, who, commit, place))
        if kept is None:
            async with self._repository() as folder:
                form = "sha256" if len(commit) == 64 else "sha1"
                commit, kept = await self._fetched(address, folder, name, form, place, credentials, most)
            self._keep((address.url, who, commit, place), kept)
        if len(kept) > most:
            raise _too_large(address, place, len(kept), most)
        return File(commit, kept)

    async def _resolved(self, address: Address, ref: str, credentials: Credentials | None) -> tuple[str, str]:
        """The commit that a ref names now, and the ref's full name."""
        wanted = (ref,) if ref else ("refs/heads/master", "HEAD")
        patterns = [pattern for name in wanted for pattern in (name, f"{name}^{{}}")]
        found = await self._remote(address, credentials, ["ls-remote", "--quiet", "--", address.url, *patterns], _refs)
        for name in wanted:
            if commit := found.get(f"{name}^{{}}") or found.get(name):
                return commit, name
        raise Refused(address.url, 404, "NoSuchRef", f"there is no {ref}" if ref else "it has no commits")

    async def _fetched(
        self, address: Address, folder: Path, name: str, form: str, place: str, credentials: Credentials | None, most: int
    ) -> tuple[str, bytes]:
        async def local(arguments: Sequence[str], read: Callable[[bytes], T], stdin: bytes = b"") -> T:
            return await self._local(address, arguments, read, stdin=stdin, folder=folder)

        await local(["init", "--quiet", "--bare", "--template=", f"--object-format={form}"], bytes)
        await self._fetch(address, folder, credentials, f"+{name}:refs/tiphys/read", "--depth=1")
        commit = await local(["rev-parse", "--verify", "refs/tiphys/read^{commit}"], _line)
        listing = ["ls-tree", "-z", "-t", "--full-tree", commit, "--", *_ways(place)]
        entry = _found(address, place, await local(listing, _entries))
        there = await local(["cat-file", "--batch-check=%(objecttype)"], _line, f"{entry.sha}\n".encode())
        if there != "blob":  # a server that knows no filters has sent it already
            await self._fetch(address, folder, credentials, entry.sha)
        size = int(await local(["cat-file", "-s", entry.sha], _line))
        if size > most:
            raise _too_large(address, place, size, most)
        return commit, await local(["cat-file", "blob", entry.sha], bytes)

    async def _fetch(self, address: Address, folder: Path, credentials: Credentials | None, want: str, *options: str) -> None:
        configuration = {
            "remote.origin.url": address.url,
            "remote.origin.promisor": "true",
            "remote.origin.partialclonefilter": "blob:none",
            "fetch.negotiationAlgorithm": "noop",
            "fetch.unpackLimit": "1",  # keep it packed: a large file is then never in memory as a whole
            "core.bigFileThreshold": "1m",
        }
        always = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance"]
        arguments = [f"--git-dir={folder}", "fetch", *always, *options, "--", "origin", want]
        try:
            await self._remote(address, credentials, arguments, bytes, configuration, most_written=self._most_written)
        except ClientError as error:
            if await asyncio.to_thread(_largest, folder) < self._most_written:
                raise
            text = f"more than {self._most_written:,} bytes would have to be fetched"
            raise Refused(address.url, 413, "TooLarge", text) from error

    @contextlib.asynccontextmanager
    async def _repository(self) -> AsyncIterator[Path]:
        """A temporary folder."""
        folder = await asyncio.to_thread(self._make_folder)
        try:
            yield folder
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    def _make_folder(self) -> Path:
        self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._swept:  # what a process that was killed has left behind
            self._swept = True
            for old in self._cache.glob("read-*"):
                if time.time() - old.stat().st_mtime > _LEFT_BEHIND:
                    shutil.rmtree(old, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix="read-", dir=self._cache))

    def _keep(self, key: tuple[str, ...], content: bytes) -> None:
        self._contents[key] = content
        self._kept += len(content)
        while len(self._contents) > _KEPT_FILES or self._kept > _KEPT_BYTES:
            self._kept -= len(self._contents.popitem(last=False)[1])


def _found(address: Address, place: str, entries: Mapping[str, _Entry]) -> _Entry:
    """The entry of a file. Raises `Refused` for what is none, or is reached by what is no folder of this repository."""
    for here in _ways(place):
        entry = entries.get(here)
        if entry is None:
            break
        if entry.mode == "120000":
            raise Refused(address.url, 403, "SymbolicLink", f"{here} is a symbolic link, and links are not followed")
        if entry.mode == "160000":
            raise Refused(address.url, 403, "Submodule", f"{here} is a submodule, and submodules are not fetched")
        if here == place and entry.mode.startswith("100"):
            return entry
    raise Refused(address.url, 404, "NoSuchFile", f"there is no file {place}")


def _ways(place: str) -> list[str]:
    """`a/b/c` as `a`, `a/b`, `a/b/c`."""
    parts = place.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _too_large(address: Address, place: str, size: int, most: int) -> ClientError:
    return Refused(address.url, 413, "TooLarge", f"{place} has {size:,} bytes, and {most:,} is the most that is read")


def _largest(folder: Path) -> int:
    return max((file.stat().st_size for file in folder.rglob("*")), default=0)


def _line(raw: bytes) -> str:
    return raw.strip().decode(errors="replace")


def _refs(raw: bytes) -> dict[str, str]:
    lines = (line.partition("\t") for line in raw.decode(errors="replace").splitlines())
    return {name: commit for commit, _, name in lines if _SHA.fullmatch(commit)}


def _entries(raw: bytes) -> dict[str, _Entry]:
    """What `ls-tree -z` printed, by path."""
    found = {}
    for line in raw.split(b"\0"):
        head, tab, path = line.partition(b"\t")
        if tab:
            mode, _, sha = head.decode().split(" ")
            found[path.decode(errors="surrogateescape")] = _Entry(mode, sha)
    return found
