"""The wheel has all that the service needs, and works far from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.demonstration import Demo, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
ROOMS = ("tiphys", "eventsource", "sensors", "dispatcher")
DATA = (".sql", ".typed", ".yaml", ".json", ".html", ".css", ".js")
OPENS_A_STORE = """\
import asyncio, sys
from pathlib import Path
from tiphys.bus.sqlite import SqliteBus

async def main():
    async with SqliteBus.open(Path(sys.argv[1])) as bus:
        print(await bus.ledger.open_epoch() is not None)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built without a network from what git would see."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


class Installed:
    """The wheel in a folder of its own. Python is told not to read `.pth` files, which would bring the checkout back."""

    def __init__(self, target: Path, folder: Path) -> None:
        self.target, self.folder = target, folder
        self.path = os.pathsep.join((str(target), *dict.fromkeys(map(sysconfig.get_path, ("purelib", "platlib")))))

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", *arguments], cwd=self.folder, env={**environment(), "PYTHONPATH": self.path},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*command, "--target", str(target), str(wheel)], check=True, capture_output=True, timeout=120)
    return Installed(target, tmp_path_factory.mktemp("elsewhere"))


def test_every_file_of_the_rooms_is_in_the_wheel(wheel: Path) -> None:
    # given what the rooms have
    wanted = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.suffix in (".py", *DATA) and "__pycache__" not in path.parts
    }
    # then
    assert {"tiphys/py.typed", "tiphys/bus/sqlite/sql/schema.sql"} <= wanted
    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_nothing_else_is_in_the_wheel(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == set(ROOMS)
    assert [name for name in names if Path(name).suffix in (".pyc", ".db", ".log")] == []


def test_the_quickstart_is_the_one_of_the_examples(installed: Installed) -> None:
    def files(folder: Path) -> dict[str, str]:
        return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}

    assert files(installed.target / "tiphys/app/quickstart") == files(ROOT / "examples/quickstart")


def test_it_is_imported_from_where_it_was_installed(installed: Installed) -> None:
    # when
    done = installed.python(
        "-c", f"import json, {', '.join(ROOMS)}; print(json.dumps([{', '.join(f'{room}.__file__' for room in ROOMS)}]))"
    )
    # then
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [str(installed.target / room / "__init__.py") for room in ROOMS]


@pytest.mark.parametrize(
    ("arguments", "said"), [(("version",), "tiphys "), (("--help",), "explain"), (("serve", "--help"), "--local")]
)
def test_a_command_works_far_from_the_checkout(installed: Installed, arguments: tuple[str, ...], said: str) -> None:
    done = installed.python("-m", "tiphys.app.cli", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout


def test_the_packaged_quickstart_has_no_errors(installed: Installed) -> None:
    done = installed.python("-m", "tiphys.app.cli", "lint", str(installed.target / "tiphys/app/quickstart"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("0 errors")


def test_the_program_is_there(installed: Installed) -> None:
    done = installed.python(str(installed.target / "bin/tiphys"), "version")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_store_opens(installed: Installed) -> None:
    done = installed.python("-c", OPENS_A_STORE, "store")
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_the_demo_runs(installed: Installed, tmp_path: Path) -> None:
    if not shutil.which("git"):
        pytest.skip("there is no git")
    with Demo(tmp_path, python_path=str(installed.target)) as demo:
        assert len(demo.told().workflows()) == 1
        assert demo.interrupt() == 0
