"""`tiphys lint`: the errors and risks of manifests, without a cluster. It asks what the service asks (`tiphys.app.admission`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tiphys.app.admission import KINDS, Notice, admit, identity
from tiphys.app.templates import TEMPLATE_KINDS, KnownTemplates
from tiphys.errors import FieldError, ManifestError, SettingsError
from tiphys.schema.loader import Document, load_documents

__all__ = ["lint_documents", "lint_paths", "print_findings"]

_SUFFIXES: Final = (".yaml", ".yml", ".json")


def lint_paths(paths: Sequence[Path], namespace: str) -> list[Notice]:
    """Every finding in these files and folders, in their order. Raises `SettingsError` for a path that is not there."""
    documents: list[Document] = []
    findings: list[Notice] = []
    for file in _files(paths):
        loaded = load_documents(file.read_bytes(), str(file))
        findings += map(_from_error, loaded.errors)
        documents += loaded.documents
    return findings + list(lint_documents(documents, namespace))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
        elif path.is_file():
            yield path
        else:
            raise SettingsError(str(path), "is no file and no folder", "name files or folders of manifests")


def _from_error(error: FieldError) -> Notice:
    value = f" (found {error.shown})" if error.shown else ""
    remedy = f"; {error.remedy}" if error.remedy else ""
    return Notice("error", error.path, f"{error.problem}{value}{remedy}", error.where)


def lint_documents(documents: Sequence[Document], namespace: str) -> Iterator[Notice]:
    """Findings of documents, as one installation: arguments are checked against the templates among them, events against the sources."""
    templates = KnownTemplates()
    for document in documents:
        kind, space, name = identity(document.object, namespace)
        if kind in TEMPLATE_KINDS:
            templates.put(kind, space, name, document.object)
    seen: dict[tuple[str, str, str], str] = {}
    for document in documents:
        key = identity(document.object, namespace)
        if key[0] not in KINDS:
            continue
        where = document.where("metadata.name")
        if key in seen and key[2]:
            yield Notice("error", "metadata.name", f"{key[0]} {key[1]}/{key[2]} stands at {seen[key]} as well; keep one", where)
        seen[key] = where
        try:
            yield from admit(document, namespace, templates).notices
        except ManifestError as error:
            yield from map(_from_error, error.errors)


def print_findings(findings: Sequence[Notice], form: str) -> None:
    """Print findings: a line each for people, or JSON or YAML."""
    if form == "json":
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False) + "\n")
        return
    if form == "yaml":
        import yaml  # noqa: PLC0415

        sys.stdout.write(yaml.safe_dump([asdict(finding) for finding in findings], sort_keys=False, allow_unicode=True))
        return
    for finding in findings:
        where = f"{finding.where}: " if finding.where else ""
        sys.stdout.write(f"{where}{finding.level}: {finding.path}: {finding.text}\n")
    errors = sum(1 for finding in findings if finding.level == "error")
    sys.stdout.write(f"{errors} errors, {len(findings) - errors} other findings\n")
