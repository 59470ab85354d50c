"""`tiphys lint`: the errors and risks of manifests, without a cluster. It asks what the service asks (`tiphys.app.admission`), gives each
finding a rule (`tiphys.app.rules`), and adds what only shows across objects."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from tiphys.app.admission import KINDS, Level, Notice, examine, identity
from tiphys.app.casefiles import belongs_to_case
from tiphys.app.injection import Injections
from tiphys.app.rules import BY_KIND
from tiphys.app.templates import TEMPLATE_KINDS, KnownTemplates
from tiphys.errors import FaultKind, FieldError, SettingsError
from tiphys.schema.loader import Document, load_documents

__all__ = ["Finding", "lint_documents", "lint_paths", "print_findings"]

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_COMMANDS: Final = {"error": "error", "warning": "warning", "information": "notice"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What lint has to say: the `rule` (`TIP101`) and its `name`, the path of the field, what is wrong and what to do, and the place.
    `file` is empty where a document has no origin; `line` is 0 where none is known."""

    rule: str
    name: str
    level: Level
    path: str
    text: str
    remedy: str
    file: str
    line: int

    @property
    def where(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}" if self.file else f"line {self.line}" if self.line else ""


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
        findings += [_from_error(replace(error, kind=FaultKind.UNREADABLE)) for error in loaded.errors]
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
    """Findings of documents, as one installation: arguments are checked against the templates among them, parameters are followed from
    the EventSources among them."""
    templates = KnownTemplates()
    for document in documents:
        kind, space, name = identity(document.object, namespace)
        if kind in TEMPLATE_KINDS:
            templates.put(kind, space, name, document.object)
    seen: dict[tuple[str, str, str], str] = {}
    removed: dict[str, list[Finding]] = {}
    injections = Injections(documents, namespace)
    for document in documents:
        key = identity(document.object, namespace)
        if key[0] not in (*KINDS, "EventBus"):
            continue
        where = document.where("metadata.name")
        if key in seen and key[2]:
            yield _twice(key, where, seen[key])
        seen[key] = where
        for finding in _of_document(document, namespace, templates):
            if finding.rule == BY_KIND[FaultKind.OPEN_ROUTE].id:
                injections.open_route(key, finding.path)
            if finding.rule == BY_KIND[FaultKind.HARMLESS].id:
                removed.setdefault(finding.file, []).append(finding)
            else:
                yield finding
    for file, fields in removed.items():
        yield _summary(file, fields)
    for document, path, text, is_open in injections.found():
        kind = FaultKind.OPEN_CODE_INJECTION if is_open else FaultKind.CODE_INJECTION
        yield _finding(kind, path, text, document.where(path))


def _of_document(document: Document, namespace: str, templates: KnownTemplates) -> Iterator[Finding]:
    found = examine(document, namespace, templates)
    yield from map(_from_error, found.errors)
    yield from map(_from_notice, found.notices)


def _from_notice(notice: Notice) -> Finding:
    rule = BY_KIND[notice.kind]
    text, _, remedy = notice.text.partition("; ")
    return Finding(rule.id, rule.name, notice.level, notice.path, text, remedy or rule.advice, *_place(notice.where))


def _from_error(error: FieldError) -> Finding:
    rule = BY_KIND[error.kind]
    value = f" (found {error.shown})" if error.shown else ""
    text = f"{error.problem}{value}"
    return Finding(rule.id, rule.name, "error", error.path, text, error.remedy or rule.advice, *_place(error.where))


def _finding(kind: FaultKind, path: str, text: str, where: str) -> Finding:
    rule = BY_KIND[kind]
    return Finding(rule.id, rule.name, rule.level, path, text, rule.advice, *_place(where))


def _place(where: str) -> tuple[str, int]:
    """`file:line` or `line N` in two parts."""
    file, _, line = where.rpartition(":")
    digits = line.removeprefix("line ")
    return (file, int(digits)) if digits.isdigit() else (where, 0)


def _twice(key: tuple[str, str, str], where: str, before: str) -> Finding:
    kind, namespace, name = key
    what = f"{kind} {namespace}/{name} stands at {before} as well"
    same = _place(where)[0] == _place(before)[0]
    return _finding(FaultKind.DUPLICATE_NAME if same else FaultKind.SAME_OBJECT, "metadata.name", what, where)


def _summary(file: str, fields: Sequence[Finding]) -> Finding:
    counts = Counter(re.sub(r"\[\d+\]", "[]", field.path) for field in fields)
    names = ", ".join(f"{path} ({count}x)" if count > 1 else path for path, count in counts.items())
    first = min(fields, key=lambda field: field.line)
    return _finding(FaultKind.HARMLESS, first.path, f"without effect here, and harmless: {names}", first.where)


def print_findings(findings: Sequence[Finding], form: str) -> None:
    """Print findings as `text`, a line each for people; `json`; or `github`, annotations of GitHub Actions."""
    if form == "json":
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False) + "\n")
        return
    for finding in findings:
        sys.stdout.write(_annotation(finding) if form == "github" else _line(finding))
    if form == "text":
        errors = sum(1 for finding in findings if finding.level == "error")
        sys.stdout.write(f"{errors} errors, {len(findings) - errors} other findings\n")


def _line(finding: Finding) -> str:
    where = f"{finding.where}: " if finding.where else ""
    return f"{where}{finding.level}: {finding.path}: {finding.text}; {finding.remedy} [{finding.rule} {finding.name}]\n"


def _annotation(finding: Finding) -> str:
    """A workflow command of GitHub Actions. Its file is seen by GitHub only if it is relative to the repository, as the paths given are."""
    properties = {"file": finding.file, "line": str(finding.line or ""), "title": f"{finding.rule} {finding.name}"}
    shown = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items() if value)
    return f"::{_COMMANDS[finding.level]} {shown}::{_escaped(f'{finding.path}: {finding.text}; {finding.remedy}')}\n"


def _escaped(text: str, more: str = "") -> str:
    for letter in f"%\r\n{more}":
        text = text.replace(letter, f"%{ord(letter):02X}")
    return text
