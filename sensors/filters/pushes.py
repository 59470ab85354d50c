"""What a forge tells of a push or a pull request, whatever the forge: the ref, the files, the message of the newest commit.

| told by | looks like |
|---|---|
| the git source, GitHub, Gitea, Forgejo, Gogs, GitLab: a push | `body.ref` (`refs/…`), `body.commits[]` with lists of files |
| GitHub, Gitea: a branch or tag is created or deleted | `body.ref` with `body.ref_type` |
| GitHub, Gitea, Forgejo, Gogs: a pull request | `body.pull_request.base.ref` |
| GitLab: a merge request | `body.object_attributes.target_branch` |
| Bitbucket Cloud | `body.push.changes[]`; `body.pullrequest.destination.branch.name` |
| Bitbucket Data Center | `body.changes[].ref`; `body.pullRequest.toRef.displayId` |

Only the first of these has files, and not always all of them: forges cut long lists. What is missing is said, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Change", "changes_of"]

_MOST_COMMITS: Final = 2048
_MOST_POLLED: Final = 20
_MOST_FILES: Final = 3000
_EVENT_HEADERS: Final = ("X-Github-Event", "X-Gitea-Event", "X-Forgejo-Event", "X-Gogs-Event")
_FILE_LISTS: Final = ("added", "modified", "removed")


@dataclass(frozen=True, slots=True)
class Change:
    """One ref that moved, or the branch that a pull request is for.

    `kind` is `branch` or `tag`, `name` the short name. `files` are those that are known to have changed; `missing` says why there may be
    more (empty: these are all). `message` is that of the newest commit, empty where it is not told.
    """

    kind: str
    name: str
    deleted: bool = False
    files: frozenset[str] = frozenset()
    missing: str = ""
    message: str = ""


def changes_of(payload: Any, event_type: str) -> list[Change]:
    """What an event's data tells; empty if that is no push and no pull request. `event_type` is the kind of source."""
    body = _map(_map(payload).get("body"))
    if (ref := _text(body.get("ref"))) and (found := _named(ref, _text(body.get("ref_type")))):
        return [_pushed(body, payload, event_type, *found)]
    return list(_requests(body)) or list(_bitbucket(body))


def _named(ref: str, ref_type: str) -> tuple[str, str] | None:
    if ref_type in ("branch", "tag"):
        return ref_type, ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    if ref.startswith("refs/heads/"):
        return "branch", ref.removeprefix("refs/heads/")
    if ref.startswith("refs/tags/"):
        return "tag", ref.removeprefix("refs/tags/")
    return None


def _pushed(body: Mapping[str, Any], payload: Any, event_type: str, kind: str, name: str) -> Change:
    after = _text(body.get("after"))
    deleted = body.get("deleted") is True or (after != "" and not after.strip("0")) or _event_name(body, payload) == "delete"
    commits = [one for one in _list(body.get("commits")) if isinstance(one, Mapping)]
    files = frozenset(
        path for commit in commits for field in _FILE_LISTS for path in _list(commit.get(field)) if isinstance(path, str)
    )
    return Change(kind, name, deleted, files, _missing(body, commits, event_type), _message(body, commits))


def _missing(body: Mapping[str, Any], commits: list[Mapping[str, Any]], event_type: str) -> str:
    """Why more files may have changed than are listed."""
    if not commits:
        return "no commits are listed"
    if body.get("forced") is True:
        return "it was forced, and what it dropped is not listed"
    total = max(_number(body.get(name)) for name in ("total_commits_count", "total_commits", "size"))
    if total > len(commits):
        return f"only {len(commits)} of {total} commits are listed"
    most = _MOST_POLLED if event_type == "git" else _MOST_COMMITS
    if len(commits) >= most:
        return f"at most {most} commits are listed"
    for commit in commits:
        lists = [commit.get(field) for field in _FILE_LISTS]
        if not all(isinstance(one, list) for one in lists):
            return "its commits come without lists of files"
        if sum(len(_list(one)) for one in lists) >= _MOST_FILES:
            return f"at most {_MOST_FILES} files of a commit are listed"
    return ""


def _message(body: Mapping[str, Any], commits: list[Mapping[str, Any]]) -> str:
    """The newest commit's: `head_commit`, or the one that the ref is at now, or the last one."""
    if isinstance(head := body.get("head_commit"), Mapping):
        return _text(head.get("message"))
    at = _text(body.get("checkout_sha")) or _text(body.get("after"))
    newest = next((one for one in commits if at and one.get("id") == at), commits[-1] if commits else {})
    return _text(newest.get("message"))


def _event_name(body: Mapping[str, Any], payload: Any) -> str:
    if name := _text(body.get("X-GitHub-Event")):
        return name
    headers = _map(_map(payload).get("header") or _map(payload).get("headers"))
    return next((_text(values[0]) for name in _EVENT_HEADERS if (values := _list(headers.get(name)))), "")


def _requests(body: Mapping[str, Any]) -> Iterator[Change]:
    """Pull and merge requests, by the branch that they are to go into."""
    missing = "a pull request comes without its files"
    merge = _map(body.get("object_attributes"))
    branches = (
        _path(body, "pull_request", "base", "ref"),
        _text(merge.get("target_branch")),
        _path(body, "pullrequest", "destination", "branch", "name"),
        _path(body, "pullRequest", "toRef", "displayId"),
    )
    if branch := next(filter(None, branches), ""):
        yield Change("branch", branch, missing=missing, message=_path(merge, "last_commit", "message"))


def _bitbucket(body: Mapping[str, Any]) -> Iterator[Change]:
    missing = "Bitbucket does not list files"
    for change in map(_map, _list(_map(body.get("push")).get("changes"))):
        new, old = change.get("new"), change.get("old")
        ref = _map(new or old)
        if name := _text(ref.get("name")):
            kind = "tag" if ref.get("type") == "tag" else "branch"
            yield Change(kind, name, new is None, missing=missing, message=_path(ref, "target", "message"))
    for change in map(_map, _list(body.get("changes"))):
        if found := _named(_path(change, "ref", "id"), ""):
            yield Change(*found, change.get("type") == "DELETE", missing=missing)


def _path(value: Any, *keys: str) -> str:
    for key in keys:
        value = _map(value).get(key)
    return _text(value)


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
