"""What `make` says where something is missing: one line, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make")


def run(folder: Path, *variables: str) -> subprocess.CompletedProcess[str]:
    """`make run` with its environment in `folder`, as if no other make had started us."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--silent", "-C", str(ROOT), "run", f"VENV={folder / 'venv'}", *variables]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def refused(folder: Path, *variables: str) -> str:
    """The one line that it says on standard error as it ends with 2."""
    done = run(folder, *variables)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


def program(path: Path, code: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nexit {code}\n")
    path.chmod(0o755)
    return path


def test_an_old_python_is_one_line(tmp_path: Path) -> None:
    # given one that says that it is too old
    old = program(tmp_path / "python3.10", 1)
    # then
    assert f"tiphys needs Python 3.11 or newer; {old} is none: install it, or name it" in refused(tmp_path, f"PYTHON={old}")
    assert not (tmp_path / "venv").exists()


def test_no_python_is_one_line(tmp_path: Path) -> None:
    assert "tiphys needs Python 3.11 or newer: install it" in refused(tmp_path, "PYTHON=")


def test_an_environment_of_an_old_python_is_one_line(tmp_path: Path) -> None:
    program(tmp_path / "venv/bin/python", 1)
    assert f"the Python in {tmp_path / 'venv'} is older than 3.11, or gone: make clean" in refused(tmp_path)


def test_an_environment_that_cannot_be_made_is_not_left_behind(tmp_path: Path) -> None:
    # given a Python that is new enough, but fails as Debian's does without python3-venv: half way
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\ncase "$1" in -m) mkdir -p {tmp_path}/venv/bin; exit 1;; esac\n')
    python.chmod(0o755)
    # when
    done = run(tmp_path, f"PYTHON={python}")
    # then
    assert done.returncode == 2
    assert "apt-get install python3-venv" in done.stderr
    assert not (tmp_path / "venv").exists()
