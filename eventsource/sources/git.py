"""A Git repository, polled: every branch or tag that moved is an event (ours; argo-events has no such source).

One `ls-remote` tells where all refs stand; the cursor in the ledger holds where they stood. What differs is a change, and only
changes cost more than that one question. The body has the shape of a GitHub push, so that one sensor serves a hook and polling.

A round is: ask, read the commits of what changed, emit, advance. The cursor advances last, and it counts observations. A crash
before that repeats the round with the same number, so that what was emitted already gets the same id; a ref that goes to and fro
(`a`, `b`, `a`, `b`) gets a new number each time, so that no push is taken for an earlier one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson
from pydantic import Field

from eventsource.filter import EventFilter
from eventsource.source import Context, Emit, Source, register
from tiphys.bus.event import Event
from tiphys.bus.ledger import Cursor
from tiphys.clients import git
from tiphys.errors import ClientError, FaultKind, FieldError, LanguageError, SecretError, Unreachable
from tiphys.languages import duration
from tiphys.schema.model import Model
from tiphys.schema.secret import SecretRef

__all__ = ["GitCredentials", "GitSource", "GitSpec"]

_SHORTEST: Final = 1.0
_LONGEST_PAUSE: Final = 300.0
_ATTEMPTS: Final = 3
_AT_ONCE: Final = 64


class GitCredentials(Model):
    """References to Secrets: a user name and a password or token for https and http, a private key for SSH."""

    username: SecretRef | None = None
    password: SecretRef | None = None
    ssh_key_secret: SecretRef | None = None


class GitSpec(Model):
    """One repository. `branches` and `tags` are globs (`tiphys.clients.git.Patterns`); `interval` is a Go duration of 1s or more.

    `initial` says what the first sight of a repository is: `none` fires nothing of the past, `head` fires for the default branch,
    `all` for every branch and tag that is asked for.
    """

    url: str
    branches: list[str] = Field(default=["**"])
    tags: list[str] = Field(default=[])
    interval: str = "30s"
    initial: Literal["none", "head", "all"] = "none"
    credentials: GitCredentials | None = None
    metadata: dict[str, str] = Field(default={})
    filter: EventFilter | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the cursor holds: the observation's number, and each ref's target as `object` or `object commit`."""

    number: int = 0
    refs: Mapping[str, str] = field(default_factory=dict)


@register
class GitSource(Source[GitSpec]):
    """Polls one repository, one question at a time."""

    key = "git"
    event_type = "git"
    spec = GitSpec
    members = frozenset(("body", "metadata"))

    def __init__(self, spec: GitSpec, context: Context, client: git.Git | None = None) -> None:
        super().__init__(spec, context)
        self._git = client or git.client()
        self._interval = duration.seconds(spec.interval)
        self._branches, self._tags = git.Patterns(spec.branches), git.Patterns(spec.tags)
        self._blind = 0

    @classmethod
    def check(cls, spec: GitSpec) -> list[FieldError]:
        """The address, the patterns, the interval, and credentials that fit the address."""
        found = []
        fault = git.faults(spec.url)
        if fault is not None:
            found.append(FieldError("url", *fault))
        for name, patterns in (("branches", spec.branches), ("tags", spec.tags)):
            for index, pattern in enumerate(patterns):
                try:
                    git.Patterns([pattern])
                except LanguageError as error:
                    found.append(FieldError(f"{name}[{index}]", error.problem, error.remedy, repr(pattern)))
        try:
            if duration.seconds(spec.interval) < _SHORTEST:
                found.append(FieldError("interval", "is too short", "write 1s or more", repr(spec.interval)))
        except LanguageError as error:
            found.append(FieldError("interval", error.problem, error.remedy, repr(spec.interval)))
        return found + (_credential_faults(spec.credentials, spec.url) if spec.credentials and not fault else [])

    async def run(self, emit: Emit, cursor: Cursor) -> None:
        """Poll until cancelled. A repository that cannot be reached is asked again with growing pauses, up to five minutes."""
        seen = _decode(cursor.value, self.settings.url)
        failures = 0
        while True:
            try:
                seen = await self._poll(emit, cursor, seen)
                failures = 0
            except (ClientError, SecretError) as error:
                failures += 1
                self.context.health.ill(str(error))
            pause = self._interval if not failures else max(self._interval, min(2.0**failures, _LONGEST_PAUSE))
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311  spreads polls, hides nothing

    async def _poll(self, emit: Emit, cursor: Cursor, seen: _Seen | None) -> _Seen:
        credentials = await self._credentials()
        refs = await self._git.ls_remote(self.settings.url, credentials)
        now = _Seen(seen.number + 1 if seen else 1, {ref: _written(target) for ref, target in refs.targets.items()})
        if seen is not None and now.refs == seen.refs:
            self.context.health.well()
            return seen
        changes = [change for change in self._changes(seen, now, refs) if self._asked_for(change.ref)]
        details, trouble = await self._describe(changes, credentials)
        for start in range(0, len(changes), _AT_ONCE):
            some = changes[start : start + _AT_ONCE]
            events = [self._event(change, details.get(change.ref), refs.head, now.number) for change in some]
            results = await asyncio.gather(*map(emit, events), return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        await cursor.advance(orjson.dumps({"url": self.settings.url, "number": now.number, "refs": now.refs}))
        self._blind = 0
        if trouble:
            self.context.health.ill(f"the last events went out without their commits: {trouble}")
        else:
            self.context.health.well()
        return now

    async def _credentials(self) -> git.Credentials:
        """Read each time, so that a secret that was rotated takes effect."""
        named = self.settings.credentials or GitCredentials()
        values = [
            await self.context.secret(ref) if ref is not None else b""
            for ref in (named.username, named.password, named.ssh_key_secret)
        ]
        return git.Credentials(values[0].decode(errors="replace"), values[1].decode(errors="replace"), values[2])

    # -- what changed

    def _asked_for(self, ref: str) -> bool:
        if ref.startswith("refs/tags/"):
            return ref.removeprefix("refs/tags/") in self._tags
        return ref.removeprefix("refs/heads/") in self._branches

    def _changes(self, seen: _Seen | None, now: _Seen, refs: git.Refs) -> Iterator[git.Change]:
        """Refs that moved, in the server's order, then those that are gone."""
        base = refs.targets[refs.head].commit if refs.head in refs.targets else git.ZERO
        if seen is None:
            first = {"none": (), "all": now.refs, "head": (refs.head,) if refs.head in refs.targets else ()}[self.settings.initial]
            before: Mapping[str, str] = {ref: text for ref, text in now.refs.items() if ref not in first}
        else:
            before = seen.refs
        for ref, text in now.refs.items():
            if before.get(ref) != text:
                old = _commit(before[ref]) if ref in before else git.ZERO
                yield git.Change(ref, old, refs.targets[ref].commit, git.ZERO if ref == refs.head else base)
        for ref, text in before.items():
            if ref not in now.refs:
                yield git.Change(ref, _commit(text), git.ZERO)

    async def _describe(self, changes: Sequence[git.Change], credentials: git.Credentials) -> tuple[Mapping[str, git.Details], str]:
        """The commits of the changes. A server that answers but does not give them holds a push back for a few rounds, not for ever;
        then the second part says why they are missing."""
        try:
            return await self._git.describe(self.settings.url, changes, credentials), ""
        except Unreachable:
            raise
        except ClientError as error:
            self._blind += 1
            if self._blind < _ATTEMPTS:
                raise
            return {}, str(error)

    # -- what is told

    def _event(self, change: git.Change, details: git.Details | None, head: str, number: int) -> Event:
        data: dict[str, Any] = {"body": _body(self.settings.url, change, details, head)}
        if self.settings.metadata:
            data["metadata"] = self.settings.metadata
        return self.context.event(
            orjson.dumps(data),
            key="\n".join((self.settings.url, change.ref, change.before, change.after, str(number))),
            worldid=change.before if change.after == git.ZERO else change.after,
        )


def _credential_faults(credentials: GitCredentials, url: str) -> list[FieldError]:
    protocol = git.parse(url).protocol
    if protocol == "ssh" and (credentials.username or credentials.password):
        return [FieldError("credentials", "has a password for an address that SSH serves", "name the private key in sshKeySecret")]
    if protocol in ("http", "https") and credentials.ssh_key_secret:
        return [
            FieldError(
                "credentials.sshKeySecret",
                f"does nothing with {protocol}",
                "write the address as user@host:path",
                kind=FaultKind.IGNORED,
            )
        ]
    if credentials.username and not credentials.password:
        return [
            FieldError(
                "credentials.password", "is missing", "name the Secret that holds the password or token", kind=FaultKind.MISSING
            )
        ]
    return []


def _written(target: git.Target) -> str:
    return target.object if target.object == target.commit else f"{target.object} {target.commit}"


def _commit(written: str) -> str:
    return written.rpartition(" ")[2]


def _decode(value: bytes | None, url: str) -> _Seen | None:
    """The cursor's value; `None` at first sight, also that of another address."""
    state = orjson.loads(value) if value else {}
    return _Seen(state["number"], state["refs"]) if state.get("url") == url else None


def _body(url: str, change: git.Change, details: git.Details | None, head: str) -> dict[str, Any]:
    """A push as GitHub has it, with what polling can know of it, and the short name as `branch` or `tag`."""
    address = git.parse(url)
    kind, name = (
        ("tag", change.ref.removeprefix("refs/tags/")) if change.ref.startswith("refs/tags/") else ("branch", change.ref[11:])
    )
    head_commit = _commit_body(details.head) if details else None
    return {
        "ref": change.ref,
        kind: name,
        "before": change.before,
        "after": change.after,
        "created": change.before == git.ZERO,
        "deleted": change.after == git.ZERO,
        "forced": details.forced if details else (False if git.ZERO in (change.before, change.after) else None),
        "repository": {
            "name": address.name,
            "full_name": address.full_name,
            "url": url,
            "clone_url": url,
            "default_branch": head.removeprefix("refs/heads/"),
        },
        "pusher": {"name": details.head.committer.name, "email": details.head.committer.email} if details else None,
        "head_commit": head_commit,
        "commits": [_commit_body(commit) for commit in details.commits] if details else [],
    }


def _commit_body(commit: git.Commit) -> dict[str, Any]:
    return {
        "id": commit.id,
        "tree_id": commit.tree,
        "message": commit.message,
        "timestamp": commit.committer.when,
        "author": {"name": commit.author.name, "email": commit.author.email, "date": commit.author.when},
        "committer": {"name": commit.committer.name, "email": commit.committer.email, "date": commit.committer.when},
        "added": commit.added,
        "removed": commit.removed,
        "modified": commit.modified,
    }
