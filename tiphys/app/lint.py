"""`tiphys lint`: the errors and risks of manifests, without a cluster.

It asks what the service asks (`tiphys.app.admission`), and adds what only shows across objects: names that nobody has, events that never
come, and text of a request that becomes code.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tiphys.app.admission import KINDS, Notice, examine, identity
from tiphys.app.casefiles import belongs_to_case
from tiphys.app.findings import Finding, finding, place
from tiphys.app.injection import Injections
from tiphys.app.neighbours import Neighbours
from tiphys.app.reach import route_clashes, unreached
from tiphys.app.rules import BY_KIND
from tiphys.errors import FaultKind, FieldError, SettingsError
from tiphys.schema.loader import Document, load_documents

__all__ = ["Finding", "lint_documents", "lint_paths"]

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_MOST_NAMED: Final = 5


def lint_paths(paths: Sequence[Path], namespace: str) -> list[Finding]:
    """Every finding in these files and folders, in the order of files and lines. Raises `SettingsError` for a path that is not there."""
    documents: list[Document] = []
    findings: list[Finding] = []
    order: dict[str, int] = {}
    for file in _files(paths):
        if str(file) in order:
            continue
        order[str(file)] = len(order)
        loaded = load_documents(file.read_bytes(), str(file))
        findings += [_of_error(replace(error, kind=FaultKind.UNREADABLE)) for error in loaded.errors]
        documents += loaded.documents
    findings += lint_documents(documents, namespace)
    return sorted(findings, key=lambda one: (order.get(one.file, -1), one.line))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            files = sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
            yield from (one for one in files if not belongs_to_case(one, path))
        elif path.is_file():
            yield path
        else:
            raise SettingsError(str(path), "is no file and no folder", "name files or folders of manifests")


def lint_documents(documents: Sequence[Document], namespace: str) -> Iterator[Finding]:
    """Findings of documents, as one installation: arguments are held against the templates among them, parameters are followed from
    the EventSources among them."""
    neighbours = Neighbours(documents, namespace)
    injections = Injections(documents, namespace, neighbours)
    removed: dict[str, list[Finding]] = {}
    for document in documents:
        kind, _, _ = identity(document.object, namespace)
        if kind not in KINDS:
            continue
        examined = examine(document, namespace, neighbours.templates(document))
        told = [_of_error(error) for error in examined.errors]
        told += [_of_notice(notice) for notice in examined.notices]
        if kind == "Sensor":
            told += [_of_notice(replace(one, where=document.where(one.path))) for one in unreached(document, namespace, neighbours)]
        misspelt = [one.path for one in told if one.rule == BY_KIND[FaultKind.MISSPELT_PROTECTION].id]
        for one in told:
            if one.rule == BY_KIND[FaultKind.OPEN_ROUTE].id:
                injections.open_route(document, one.path)
                if any(path.startswith(f"{one.path}.") for path in misspelt):
                    continue  # it is open since its protection is misspelt, which is said
            if one.rule == BY_KIND[FaultKind.HARMLESS].id:
                removed.setdefault(one.file, []).append(one)
            else:
                yield one
    yield from (_summary(fields) for fields in removed.values())
    yield from _repeated(documents, namespace)
    for document, notice in route_clashes(documents, namespace):
        yield _of_notice(replace(notice, where=document.where(notice.path)))
    for document, path, text, is_open in injections.found():
        kind_ = FaultKind.OPEN_CODE_INJECTION if is_open else FaultKind.CODE_INJECTION
        yield finding(kind_, BY_KIND[kind_].level, path, text, "", document.where(path))


def _of_notice(notice: Notice) -> Finding:
    text, _, remedy = notice.text.partition("; ")
    return finding(notice.kind, notice.level, notice.path, text, remedy, notice.where)


def _of_error(error: FieldError) -> Finding:
    value = f" (found {error.shown})" if error.shown else ""
    return finding(error.kind, "error", error.path, f"{error.problem}{value}", error.remedy, error.where)


def _repeated(documents: Sequence[Document], namespace: str) -> Iterator[Finding]:
    """Objects that stand more than once: twice in a file is a mistake; in several files it is what overlays look like, so all of them
    are one line."""
    objects: dict[tuple[str, str, str], list[Document]] = defaultdict(list)
    for document in documents:
        key = identity(document.object, namespace)
        if key[0] in KINDS and key[2]:
            objects[key].append(document)
    several: dict[str, str] = {}
    for (kind, space, name), same in objects.items():
        if len(same) == 1:
            continue
        found = [document.where("metadata.name") for document in same]
        files = list(dict.fromkeys(place(where)[0] for where in found))
        for first, *others in ([one for one in found if place(one)[0] == file] for file in files):
            for other in others:
                text = f"{kind} {space}/{name} stands at {first} as well"
                yield finding(FaultKind.DUPLICATE_NAME, "error", "metadata.name", text, "", other)
        if len(files) > 1:
            several[f"{kind} {space}/{name} ({len(files)} files)"] = found[1]
    if several:
        named = list(several)
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        text = f"stand in several files: {', '.join(named[:_MOST_NAMED])}{more}"
        yield finding(FaultKind.SAME_OBJECT, "information", "metadata.name", text, "", several[named[0]])


def _summary(fields: Sequence[Finding]) -> Finding:
    counts = Counter(re.sub(r"\[\d+\]", "[]", field.path) for field in fields)
    names = ", ".join(f"{path} ({count}x)" if count > 1 else path for path, count in counts.items())
    first = min(fields, key=lambda field: field.line)
    text = f"without effect here, and harmless: {names}"
    return finding(FaultKind.HARMLESS, "information", first.path, text, "", first.where)
