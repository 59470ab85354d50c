"""Commits as git prints them, NUL-separated so that no name and no message can be mistaken for another field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

__all__ = ["FILES", "FORMAT", "Commit", "Person", "parse_files", "parse_log"]

FORMAT: Final = "%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
FILES: Final = 300
"""File names kept per commit and kind of change; a commit may touch a hundred thousand."""
_FIELDS: Final = 10


@dataclass(frozen=True, slots=True)
class Person:
    """`when` is ISO 8601 with the person's own offset."""

    name: str
    email: str
    when: str


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. Files are those changed against the first parent, at most `FILES` of each kind; a rename is one removed, one added."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()

    def touching(self, files: Mapping[str, Mapping[str, Sequence[str]]]) -> Commit:
        """This commit with its files, of what `parse_files` returned."""
        mine = files.get(self.id, {})
        added, removed, modified = (tuple(mine.get(kind, ())) for kind in ("added", "removed", "modified"))
        return replace(self, added=added, removed=removed, modified=modified)


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def parse_log(raw: bytes) -> list[Commit]:
    """What `git log -z --format=FORMAT` prints, in its order. The final newline of a message is left out."""
    fields = raw.split(b"\0")
    commits = []
    for start in range(0, len(fields) - _FIELDS + 1, _FIELDS):
        sha, tree, parents, *rest = (_text(field) for field in fields[start : start + _FIELDS])
        author, committer = Person(*rest[0:3]), Person(*rest[3:6])
        commits.append(Commit(sha, tree, tuple(parents.split()), author, committer, rest[6].rstrip("\n")))
    return commits


def parse_files(raw: bytes) -> dict[str, dict[str, list[str]]]:
    """What `git diff-tree --stdin -z --name-status` prints: commit → `added`, `removed`, `modified` → paths."""
    found: dict[str, dict[str, list[str]]] = {}
    tokens = iter(raw.split(b"\0"))
    current: dict[str, list[str]] | None = None
    for token in tokens:
        if len(token) >= 40:
            current = found.setdefault(_text(token), {"added": [], "removed": [], "modified": []})
        elif token and current is not None:
            kind = {b"A": "added", b"D": "removed"}.get(token[:1], "modified")
            path = _text(next(tokens, b""))
            if len(current[kind]) < FILES:
                current[kind].append(path)
    return found
