"""The cases that the page on testing shows hold, and every example has cases of its own (`tests/examples` runs those)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from sensors.scripts import Scripts
from tests.docs.pages import ROOT, Block, blocks
from tiphys.app.dryrun.cases import CaseSpec, StepSpec
from tiphys.app.dryrun.paths import find_cases
from tiphys.app.dryrun.suite import run_suite

PAGE = ROOT / "docs/testing.md"
CASES = [block for block in blocks("yaml") if "\nsteps:\n" in f"\n{block.text}"]


@pytest.mark.parametrize("block", CASES, ids=str)
async def test_a_case_of_the_documentation_holds_with_the_quickstart(block: Block, tmp_path: Path) -> None:
    # given
    case = yaml.safe_load(block.text) | {"manifests": [str(ROOT / "examples/quickstart")]}
    file = tmp_path / "shown.case.yaml"
    file.write_text(yaml.safe_dump(case))
    # when
    async with Scripts() as scripts:
        (result,) = [one async for one in run_suite([file], scripts)]
    # then
    assert (result.error, result.diff) == ("", "")


async def test_every_example_with_a_sensor_has_a_case() -> None:
    folders = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
    without = [folder.name for folder in folders if not await asyncio.to_thread(find_cases, [folder])]
    assert without == []


def test_the_page_names_every_field_of_a_case_and_of_a_step() -> None:
    text = PAGE.read_text()
    fields = [info.alias or name for model in (CaseSpec, StepSpec) for name, info in model.model_fields.items()]
    assert [name for name in fields if f"`{name}`" not in text] == []


def test_there_are_cases_to_run() -> None:
    assert len(CASES) >= 2
