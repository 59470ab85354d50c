"""The house rules that a machine can check: layers, sizes, names that exist, pages and tests of sources, a quick `--help`."""

from __future__ import annotations

import ast
import importlib
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("tiphys", "eventsource", "sensors", "dispatcher")
LONGEST = 450
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
SOURCES = sorted(path.stem for path in (ROOT / "eventsource/sources").glob("[a-z]*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the repository; where there is no git, or no repository, what a source archive has."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True).stdout
        found = [ROOT / name for name in listed.split("\0") if name]
    else:
        found = [path for room in (*ROOMS, "tests", "docs", "examples", "benchmarks") for path in (ROOT / room).rglob("*")]
        found += ROOT.glob("*.*")
    return tuple(path for path in found if path.is_file() and "__pycache__" not in path.parts)


@pytest.mark.timeout(120)
def test_rooms_and_layers_import_only_what_lies_below_them() -> None:
    # when the contracts of pyproject.toml are checked
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    # then
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_one_thing_and_says_why_it_is_there(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST
    assert not text.strip() or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "__main__"], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_that_a_module_exports_is_there(path: Path) -> None:
    module = importlib.import_module(name_of(path))
    exported = getattr(module, "__all__", [])
    assert [name for name in exported if not hasattr(module, name)] == []
    assert len(set(exported)) == len(exported)


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in FILES if path.stem in {"util", "utils", "helpers", "common", "misc", "manager", "base"}] == []


def test_packages_tell_type_checkers_that_they_are_typed() -> None:
    assert [room for room in ROOMS if not (ROOT / room / "py.typed").exists()] == []


def test_there_are_the_sources_that_the_documentation_lists() -> None:
    listed = re.findall(r"^\| \[([a-z]+)\]\(\1\.md\)", (ROOT / "docs/sources/index.md").read_text(), re.MULTILINE)
    assert sorted(listed) == SOURCES


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_has_its_page_and_its_test(source: str) -> None:
    page = ROOT / "docs/sources" / f"{source}.md"
    assert page.read_text().startswith(f"# {source}\n")
    assert f"\n  {source}:\n" in page.read_text()
    assert (ROOT / "tests/eventsource" / f"test_{source}.py").exists()


def test_nothing_names_a_machine_or_a_package_index() -> None:
    # given, written so that this file does not name them
    machine = re.compile(rb"(?<![\w.}])/(?:work|root|home/\w+|Users/\w+)" + rb"/")
    index = re.compile(rb"(?:extra-)?index" + rb"-url|py" + rb"pi\.org|python" + rb"hosted\.org", re.IGNORECASE)
    # then
    found = [
        f"{path.relative_to(ROOT)}: {hit[0].decode()}"
        for path in tracked()
        for pattern in (machine, index)
        if (hit := pattern.search(path.read_bytes()))
    ]
    assert found == []


def test_nothing_is_left_to_be_done() -> None:
    marks = re.compile(r"\b(?:TO" + "DO|FIX" + "ME|XX" + r"X)\b")
    assert [str(path) for path in FILES if marks.search(path.read_text())] == []


def test_help_is_quick_since_it_loads_no_large_library() -> None:
    # given
    program = (
        "import sys\n"
        "from tiphys.app.cli import main\n"
        "sys.argv = ['tiphys', '--help']\n"
        "try:\n    main()\n"
        "except SystemExit:\n    print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    # when
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    # then
    text, _, loaded = done.stdout.partition("LOADED")
    assert "explain" in text
    heavy = {"aiohttp", "apsw", "git", "jinja2", "kubernetes_asyncio", "orjson", "pydantic", "rich", "structlog", "yaml"}
    assert heavy & set(loaded.split()) == set()
