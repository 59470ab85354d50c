"""The image: what the Dockerfile says of it, and its steps of building, carried out here without Docker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.demonstration import environment
from tests.packaging.dockerfile import ROOT, context, copy, read

ARGUMENTS, STAGES = read((ROOT / "Dockerfile").read_text())
BUILD, IMAGE = STAGES
TOOLS = re.compile(r"\b(gcc|g\+\+|make|build-essential|python3?-dev|curl|wget|hatchling|setuptools|uv)\b")


def steps() -> str:
    return " ".join(one.text for one in IMAGE.all("RUN"))


def test_both_stages_are_on_one_base_that_is_pinned() -> None:
    assert (BUILD.base, IMAGE.base) == ("${BASE}", "${BASE}")
    assert re.fullmatch(r"python(:3\.1[1-3]\.\d+-slim-\w+|@sha256:[0-9a-f]{64})", ARGUMENTS["BASE"])


def test_it_runs_as_somebody_without_rights_by_number() -> None:
    """Kubernetes cannot tell from a name that it is not root."""
    (user,) = IMAGE.all("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user.text)
    assert IMAGE.instructions.index(user) > max(IMAGE.instructions.index(one) for one in IMAGE.all("RUN"))


def test_only_the_data_folder_is_written_to() -> None:
    (volume,) = IMAGE.all("VOLUME")
    (variables,) = IMAGE.all("ENV")
    assert {f"TIPHYS_DATA={volume.text}", f"HOME={volume.text}", "PYTHONDONTWRITEBYTECODE=1"} <= set(variables.words)
    assert f"install -d -o 10001 -g 10001 -m 0700 {volume.text}" in steps()


def test_the_last_stage_has_no_tools_to_build_or_install_with() -> None:
    assert not TOOLS.search(steps())
    assert "pip uninstall" in steps()
    assert "ensurepip" in steps()
    assert [one.text for one in IMAGE.all("COPY")] == ["--from=build /opt/tiphys /opt/tiphys"]
    assert "git" in steps()
    assert not [one for stage in STAGES for one in stage.all("ADD")]


def test_it_starts_the_service_and_passes_signals_on() -> None:
    (entry,), (command,) = IMAGE.all("ENTRYPOINT"), IMAGE.all("CMD")
    assert entry.text == '["/usr/bin/tini", "--", "/opt/tiphys/bin/tiphys"]'
    assert command.text == '["serve"]'
    assert IMAGE.all("EXPOSE")[0].words == ["12000", "7777"]


def test_a_builder_sees_nothing_but_what_is_copied() -> None:
    copied = {(ROOT / word.rstrip("/")) for one in BUILD.all("COPY") for word in one.words[:-1] if not word.startswith("--")}
    assert context() == copied
    assert all(path.exists() for path in copied)


def variables() -> dict[str, str]:
    return {name: value for name, value in environment().items() if not name.startswith("PIP_")} | {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_INDEX", "PIP_CERT", "PIP_TRUSTED", "PIP_CONFIG"))
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build stage in a folder: its COPY and RUN instructions, with the folder as its root."""
    root = tmp_path_factory.mktemp("image")
    source = root / "src"
    source.mkdir()
    copy(BUILD, source)
    for one in BUILD.all("RUN"):
        command = re.sub(r"(?<![\w.-])/(wheels|building|opt/tiphys)\b", lambda found: str(root / found[1]), one.text)
        command = re.sub(r"(^|&& )python ", rf"\1{sys.executable} ", command).replace("-j 0", "-j 1")
        done = subprocess.run(
            command, shell=True, cwd=source, env=variables(), capture_output=True, text=True, timeout=300, check=False
        )
        if "pip download" in command and re.search(
            r"No matching distribution|Could not fetch|ConnectionError|Max retries", done.stderr
        ):
            pytest.skip("the package registry does not answer")
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return root


slowly = pytest.mark.timeout(600)


@slowly
@pytest.mark.slow
def test_the_steps_give_a_program_that_runs(built: Path) -> None:
    tiphys = built / "opt/tiphys/bin/tiphys"
    done = subprocess.run(
        [str(tiphys), "lint", str(ROOT / "examples/quickstart")],
        cwd=built,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("0 errors")


@slowly
@pytest.mark.slow
def test_what_runs_has_no_tools_and_is_compiled(built: Path) -> None:
    (packages,) = (built / "opt/tiphys/lib").glob("python3*/site-packages")
    names = {one.name.lower().replace("_", "-") for one in distributions(path=[str(packages)])}
    assert {"tiphys", "aiohttp", "apsw", "gitpython"} <= names
    assert not {"pip", "setuptools", "wheel", "hatchling", "editables", "pytest"} & names
    for room in ("tiphys", "eventsource", "sensors", "dispatcher"):
        assert list((packages / room / "__pycache__").glob("__init__.*.pyc"))
