"""A finding of `tiphys lint`, and its forms: text for people, JSON for programs, annotations of GitHub Actions, SARIF."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from tiphys.app.notices import Level
from tiphys.app.rules import BY_KIND, RULES
from tiphys.errors import FaultKind

__all__ = ["Finding", "finding", "place", "shown"]

_COMMANDS: Final = {"error": "error", "warning": "warning", "information": "notice"}
_SARIF_LEVELS: Final = {"error": "error", "warning": "warning", "information": "note"}


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


def finding(kind: FaultKind, level: Level, path: str, text: str, remedy: str, where: str) -> Finding:
    """A finding of a kind; its rule's advice stands in for an empty remedy. `where` is `file:line`."""
    rule = BY_KIND[kind]
    return Finding(rule.id, rule.name, level, path, text, remedy or rule.advice, *place(where))


def place(where: str) -> tuple[str, int]:
    """`file:line` or `line N` in two parts."""
    file, _, line = where.rpartition(":")
    digits = line.removeprefix("line ")
    return (file, int(digits)) if digits.isdigit() else (where, 0)


def shown(findings: Sequence[Finding], form: str) -> str:
    """The findings as `text`, a line each for people; `json`; `github`, annotations of GitHub Actions; or `sarif` (2.1.0)."""
    if form == "json":
        return json.dumps([asdict(one) for one in findings], indent=2, ensure_ascii=False) + "\n"
    if form == "sarif":
        return json.dumps(_sarif(findings), indent=2, ensure_ascii=False) + "\n"
    if form == "github":
        return "".join(map(_annotation, findings))
    counts = [sum(1 for one in findings if one.level == level) for level in ("error", "warning", "information")]
    return (
        "".join(map(_line, findings))
        + f"{_count(counts[0], 'error')}, {_count(counts[1], 'warning')}, {counts[2]} for information\n"
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _line(one: Finding) -> str:
    where = f"{one.where}: " if one.where else ""
    return f"{where}{one.level}: {one.path}: {one.text}; {one.remedy} [{one.rule} {one.name}]\n"


def _annotation(one: Finding) -> str:
    """A workflow command of GitHub Actions. Its file is seen by GitHub only if it is relative to the repository, as the paths given are."""
    properties = {"file": one.file, "line": str(one.line or ""), "title": f"{one.rule} {one.name}"}
    written = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items() if value)
    return f"::{_COMMANDS[one.level]} {written}::{_escaped(f'{one.path}: {one.text}; {one.remedy}')}\n"


def _escaped(text: str, more: str = "") -> str:
    for letter in f"%\r\n{more}":
        text = text.replace(letter, f"%{ord(letter):02X}")
    return text


def _sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """A log of one run, as GitHub's code scanning and editors read it."""
    rules = [
        {
            "id": rule.id,
            "name": rule.name,
            "shortDescription": {"text": rule.summary},
            "fullDescription": {"text": rule.why},
            "help": {"text": rule.remedy},
            "defaultConfiguration": {"level": _SARIF_LEVELS[rule.level]},
        }
        for rule in RULES
    ]
    driver = {"name": "tiphys lint", "version": version("tiphys"), "rules": rules}
    results = [
        {
            "ruleId": one.rule,
            "level": _SARIF_LEVELS[one.level],
            "message": {"text": f"{one.path}: {one.text}; {one.remedy}"},
            **({"locations": [_location(one)]} if one.file else {}),
        }
        for one in findings
    ]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _location(one: Finding) -> dict[str, Any]:
    region = {"region": {"startLine": one.line}} if one.line else {}
    return {"physicalLocation": {"artifactLocation": {"uri": quote(PurePath(one.file).as_posix())}, **region}}
