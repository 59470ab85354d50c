"""Every command of the documentation's console blocks is run against a demo, and what it shows is what the page shows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

import pytest

from tests.demonstration import PROGRAM, Demo, until
from tests.docs.pages import ROOT, Line, console_lines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LINES = [line for line in console_lines() if line.command.startswith("tiphys ")]
VARIES = re.compile(r"\b(?:[0-9a-f]{12,40}|\d{4}-\d\d-\d\dT[\d:.]+Z|(?=[a-z]*\d)[a-z0-9]{13})\b")


class Reader:
    """Somebody who types the page's lines beside a running demo. EVENT and FIRING are read as ids: of the first push for what asks, of
    the second for what repeats, so that no line changes what another one shows."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.bin = demo.folder / "bin"
        self.bin.mkdir()
        (self.bin / "tiphys").write_text(f'#!/bin/sh\nexec {shlex.join(PROGRAM)} "$@"\n')
        (self.bin / "tiphys").chmod(0o755)
        (demo.folder / "examples").symlink_to(ROOT / "examples")
        assert demo.type(demo.line("push again")).returncode == 0
        until(lambda: demo.workflows_of("ci", demo.revision()) or None, "the Workflow of a second push")
        self.firings = until(self._two, "two settled firings")

    def _two(self) -> list[dict] | None:
        found = json.loads(self.type("tiphys firings --state succeeded -o json")[1])
        return found[::-1] if len(found) == 2 else None

    def type(self, command: str) -> tuple[int, str, str]:
        done = self.demo.type(command, path=str(self.bin))
        return done.returncode, done.stdout, done.stderr

    def fill(self, command: str) -> str:
        firing = self.firings[command.startswith("tiphys replay")]
        return command.replace("EVENT", firing["events"]["push"]).replace("FIRING", firing["id"])


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with Demo(tmp_path_factory.mktemp("reader")) as demo:
        yield Reader(demo.told())


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.where)
def test_a_command_of_the_documentation_does_what_the_page_says(reader: Reader, line: Line) -> None:
    # when
    code, output, errors = reader.type(reader.fill(line.command))
    # then
    assert (code, errors) == (0, "")
    if line.output:
        assert VARIES.sub("…", output).splitlines() == [VARIES.sub("…", text) for text in line.output]


def test_every_command_that_ends_by_itself_is_shown() -> None:
    shown = {line.command.split()[1] for line in LINES}
    assert shown == {
        "events",
        "firings",
        "dead",
        "explain",
        "replay",
        "lint",
        "test",
        "kubeconfig",
        "version",
        "crds",
        "schema",
        "import",
        "suspend",
        "resume",
        "suspended",
    }


def test_the_table_of_commands_has_every_command(reader: Reader) -> None:
    # given
    _, output, _ = reader.type("tiphys --help")
    commands = set(re.findall(r"^  ([a-z][a-z-]+) ", output.split("Commands:")[1], re.MULTILINE))
    # then
    table = set(re.findall(r"^\| `tiphys ([a-z-]+)", (ROOT / "docs/commands.md").read_text(), re.MULTILINE))
    assert table == commands


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("tiphys events --data elsewhere", 2),
        ("tiphys lint broken.yaml", 3),
        ("tiphys events ffffffffffffffffffffffffffffffff", 4),
        ("tiphys events --api http://127.0.0.1:9", 5),
    ],
)
def test_the_exit_codes_are_those_of_the_page(reader: Reader, command: str, code: int) -> None:
    # given
    (reader.demo.folder / "broken.yaml").write_text(
        "apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {name: broken}\nspec: {}\n"
    )
    # when
    found, output, errors = reader.type(command)
    # then
    assert found == code
    assert len((errors or output).splitlines()) <= 3
    assert "Traceback" not in errors
