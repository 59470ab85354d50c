"""The page of faults names tests that exist, at least one for each fault."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.pages import ROOT

ROWS = [line for line in (ROOT / "docs/faults.md").read_text().splitlines() if line.startswith("| ")]
FAULTS = [line.split(" | ") for line in ROWS if not line.startswith("| fault")]
WANTED = (
    "answer is lost",
    "409",
    "429",
    "500",
    "reset",
    "slow",
    "token",
    "silent",
    "namespace",
    "quota",
    "admission",
    "definitions",
    "kill",
)


def names_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row[0][2:40])
def test_each_fault_names_tests_that_exist(row: list[str]) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[2])

    assert named
    assert [f"{path}::{name}" for path, name in named if name not in names_of(path)] == []


def test_the_faults_that_are_to_be_survived_have_rows() -> None:
    faults = "\n".join(row[0] for row in FAULTS)

    assert [one for one in WANTED if one not in faults] == []
