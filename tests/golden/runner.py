"""Runs cases and counts them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.golden.deviations import Deviation
from tests.golden.modes import MODES


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that we answer otherwise without a reason."""

    id: str
    why: str
    asked: Any
    expected: Any
    found: Any

    def __str__(self) -> str:
        parts = [("asked", self.asked), ("expected", self.expected), ("found", self.found)]
        return "\n".join([f"{self.id}  {self.why}", *(f"  {name:9}{_shown(value)}" for name, value in parts)])


@dataclass(slots=True)
class Report:
    """What came out. `deviating` has the ids by the name of the deviation, `unknown` the number of cases by mode that nothing here runs."""

    passed: int = 0
    failures: list[Failure] = field(default_factory=list)
    deviating: dict[str, list[str]] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def exit_code(self) -> int:
        return 1 if self.failures else 2 if self.unknown else 0

    def __str__(self) -> str:
        deviates = sum(map(len, self.deviating.values()))
        return f"{self.passed} passed, {len(self.failures)} failed, {deviates} deviates"


def cases(files: Iterable[Path]) -> Iterator[Mapping[str, Any]]:
    """The cases of files with one on each line."""
    for file in files:
        for line in file.read_text("utf-8").split("\n"):
            if line.strip():
                yield json.loads(line)


def run(asked: Iterable[Mapping[str, Any]], deviations: Sequence[Deviation]) -> Report:
    """Run them all."""
    report = Report()
    for case in asked:
        mode = MODES.get(case["mode"])
        if mode is None:
            report.unknown[case["mode"]] += 1
            continue
        try:
            found = mode.run(case["input"])
        except Exception as error:  # noqa: BLE001  whatever escapes is what this case shows, and the others go on
            found = {"crash": f"{type(error).__name__}: {error}"}
        if "crash" not in found and mode.same(case["expect"], found):
            report.passed += 1
        elif deviation := next((item for item in deviations if "crash" not in found and item.fits(case, found)), None):
            report.deviating.setdefault(deviation.name, []).append(case["id"])
        else:
            report.failures.append(Failure(case["id"], case.get("why", ""), case["input"], case["expect"], found))
    return report


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 2000 else f"{text[:2000]}… ({len(text):,} characters)"
