"""The cases that lie beside the examples: `tiphys test` finds them as they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

FOLDERS = sorted(path.parent for path in (ROOT / "examples").glob("*/cases"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_every_case_of_an_example_is_as_it_says(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tiphys.app.cli", "test", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" as expected")
