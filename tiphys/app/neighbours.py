"""Which object among files a manifest means by a name, where several could be meant.

Files are taken as one installation. But a repository often has an object more than once (overlays, examples side by side), and many
manifests name no namespace, since `kubectl -n` does. So the nearest is taken: of the namespace, then of the same file, then of the
folder that they have most in common. Where two are equally near nothing is said about either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from dispatcher.pipelines import DeclaredRun, declared_run
from dispatcher.trigger import Declared
from dispatcher.workflowtemplates import declared_by, kind_of
from tiphys.app.admission import identity
from tiphys.app.templates import is_template
from tiphys.schema.loader import Document

__all__ = ["NeighbouringTemplates", "Neighbours"]


class Neighbours:
    """The documents of an installation by kind and name; `namespace` is for those that name none."""

    def __init__(self, documents: Iterable[Document], namespace: str) -> None:
        self._namespace = namespace
        self._by: dict[tuple[str, str], list[Document]] = defaultdict(list)
        self._declared: dict[int, Declared] = {}
        for document in documents:
            kind, _, name = identity(document.object, namespace)
            if name:
                self._by[kind, name].append(document)

    def find(self, kind: str, namespace: str, name: str, near: Document, *, strictly: bool = False) -> Document | None:
        """The one that a document means; `None` if there is none, or several are as near. `namespace` is empty for kinds without one.

        `strictly`: of two documents in different folders both must write their namespace, or neither: else they may be strangers.
        """
        known = self._by.get((kind, name), ())
        found = [one for one in known if not namespace or identity(one.object, self._namespace)[1] == namespace]
        found = found or [one for one in known if not _written(one)]
        if len(found) > 1:
            nearness = [_nearness(one.origin, near.origin) for one in found]
            best = max(nearness)
            found = [one for one, how in zip(found, nearness, strict=True) if how == best]
        if len(found) != 1 or (strictly and _written(found[0]) is not _written(near) and _folder(found[0]) != _folder(near)):
            return None
        return found[0]

    def alike(self, kind: str, name: str, near: Document) -> str:
        """A name of an object in the same folder that is one letter apart; empty if there is none, or one of this very name anywhere."""
        if (kind, name) in self._by:
            return ""
        there = [
            one for (other, one), found in self._by.items() if other == kind and any(_folder(d) == _folder(near) for d in found)
        ]
        return next((one for one in there if _one_letter_apart(name, one)), "")

    def declared(self, document: Document) -> Declared:
        """What a template declares, read once."""
        key = id(document)
        if key not in self._declared:
            self._declared[key] = declared_by(document.object)
        return self._declared[key]

    def templates(self, near: Document) -> NeighbouringTemplates:
        """The templates as a document sees them."""
        return NeighbouringTemplates(self, near)


class NeighbouringTemplates:
    """`dispatcher.trigger.Templates` and `dispatcher.pipelines.KnownRuns` among files, for one document."""

    def __init__(self, neighbours: Neighbours, near: Document) -> None:
        self._neighbours, self._near = neighbours, near

    def document(self, namespace: str, name: str, cluster_scope: bool) -> Document | None:
        """The template's own document."""
        return self._neighbours.find(kind_of(cluster_scope), "" if cluster_scope else namespace, name, self._near)

    def declared(self, namespace: str, name: str, cluster_scope: bool) -> Declared | None:
        """See `Templates`."""
        found = self.document(namespace, name, cluster_scope)
        return self._neighbours.declared(found) if found is not None else None

    def declared_run(self, kind: str, namespace: str, name: str) -> DeclaredRun | None:
        """See `dispatcher.pipelines.KnownRuns`."""
        found = self._neighbours.find(kind, namespace, name, self._near)
        ours = found is not None and is_template(kind, found.object)
        return declared_run(found.object) if found is not None and ours else None


def _written(document: Document) -> bool:
    metadata: Any = document.object.get("metadata")
    return isinstance(metadata, Mapping) and bool(metadata.get("namespace"))


def _one_letter_apart(one: str, other: str) -> bool:
    """Whether a letter is missing, too much, another, or has changed places with its neighbour."""
    short, long = sorted((one, other), key=len)
    start = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(long) - len(short) == 1:
        return short[start:] == long[start + 1 :]
    swapped = long[:start] + long[start + 1 : start + 2] + long[start : start + 1] + long[start + 2 :]
    return len(long) == len(short) and (short[start + 1 :] == long[start + 1 :] or short == swapped)


def _folder(document: Document) -> PurePath:
    return PurePath(document.origin).parent


def _nearness(one: str, other: str) -> int:
    """The number of folders that two files have in common; more than any for the same file."""
    if one == other:
        return 1 << 30
    folders = zip(PurePath(one).parts[:-1], PurePath(other).parts[:-1], strict=False)
    count = 0
    for mine, its in folders:
        if mine != its:
            break
        count += 1
    return count
