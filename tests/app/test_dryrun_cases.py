"""Cases in files: found, run from anywhere, written anew in place, and reported; and the command that does it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from sensors.scripts import Scripts
from tests.app.staging import sensor
from tiphys.app.casefiles import belongs_to_case
from tiphys.app.dryrun.cases import load_case
from tiphys.app.dryrun.junit import junit
from tiphys.app.dryrun.paths import find_cases, load_manifests
from tiphys.app.dryrun.recording import Recorded, default_folder, write_case
from tiphys.app.dryrun.suite import CaseResult, run_suite
from tiphys.app.lint import lint_paths
from tiphys.bus.event import Event
from tiphys.bus.wire import to_document
from tiphys.errors import ManifestError, SettingsError

MANIFESTS = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: hooks}
spec:
  webhook:
    in: {endpoint: /in, port: "12000", method: POST}
""" + sensor(
    "notes",
    "- {name: dep, eventSourceName: hooks, eventName: in, filters: {data: [{path: body.count, type: number, value: ['1']}]}}",
    """\
- template:
    name: note
    k8s:
      operation: create
      source: {resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: note-}, data: {}}}
      parameters: [{src: {dependencyName: dep, dataKey: body.count}, dest: data.count}]
""",
)
WHOLE = """\
# what it is about
about: A one makes a note.   # and nothing else does
steps:
- request: {path: /in, body: {count: 1}}
- {event: two.json, as: hooks/in, at: +1h}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "manifests.yaml").write_text(MANIFESTS)
    (tmp_path / "cases" / "folder").mkdir(parents=True)
    (tmp_path / "cases" / "folder" / "case.yaml").write_text(WHOLE)
    (tmp_path / "cases" / "folder" / "two.json").write_text('{"body": {"count": 2}}')
    (tmp_path / "cases" / "one.case.yaml").write_text(
        "steps:\n- event: {source: hooks, event: in, data: {body: {count: 1}}}\nexpect:\n- notes/note: {contains: {data: {count: '1'}}}\n"
    )
    return tmp_path


async def run(paths: list[Path], *, update: bool = False) -> list[CaseResult]:
    files = await asyncio.to_thread(find_cases, paths)
    async with Scripts() as scripts:
        return [result async for result in run_suite(files, scripts, update=update)]


def tiphys(*arguments: str | Path, folder: Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tiphys.app.cli", "test", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


# -- finding


def test_cases_are_folders_with_a_case_file_and_files_that_end_so(home: Path) -> None:
    found = [str(path.relative_to(home)) for path in find_cases([home, home / "cases"])]
    assert found == ["cases/one.case.yaml", "cases/folder/case.yaml"]


def test_what_belongs_to_a_case_is_no_manifest(home: Path) -> None:
    assert [Path(one.origin).name for one in load_manifests([home]).documents] == ["manifests.yaml"] * 2
    assert [one for one in lint_paths([home], "argo") if one.level == "error"] == []
    assert belongs_to_case(home / "cases/folder/two.json", home)
    assert not belongs_to_case(home / "manifests.yaml", home)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is no file and no folder"):
        find_cases([tmp_path / "nowhere"])
    with pytest.raises(SettingsError, match="is no file and no folder"):
        load_manifests([tmp_path / "nowhere"])


# -- reading


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("steps: []\n", ManifestError, "case.yaml:1: steps: has no entries"),
        ("step: []\n", ManifestError, "did you mean steps"),
        ("about: x\nsteps:\n- {at: +1m}\n", ManifestError, "must be one arrival"),
        ("steps:\n- {event: nowhere.json}\n", SettingsError, "nowhere.json cannot be read"),
        (
            "steps:\n- {event: {data: {x: 1, y: 2}}}\n",
            SettingsError,
            "has a key that is true: that is what y, yes and on are in YAML",
        ),
        ("steps:\n- {event: 7}\n", SettingsError, "7 is no event and no request"),
        ("steps:\n- {event: {}, as: hooks}\n", SettingsError, "names no event"),
        ("steps:\n- {event: {}, at: soon}\n", SettingsError, r"steps\[0\].at: 'soon' is no instant"),
        ("at: yesterday\nsteps:\n- {event: {}}\n", SettingsError, "is no instant"),
        ("steps:\n- {request: {path: x}}\n", SettingsError, "must be a path"),
        ("steps: [\n", ManifestError, "case.yaml:"),
        ("steps:\n- {event: {}}\n---\nsteps:\n- {event: {}}\n", SettingsError, "holds 2 documents"),
    ],
)
def test_a_case_that_is_wrong_says_where_and_what_to_do(tmp_path: Path, text: str, error: type[Exception], said: str) -> None:
    (tmp_path / "case.yaml").write_text(text)
    with pytest.raises(error, match=said):
        load_case(tmp_path / "case.yaml")


def test_the_clock_stands_at_the_first_event_s_time_or_at_a_noon(tmp_path: Path) -> None:
    file = tmp_path / "x.case.yaml"
    starts = {}
    for text in ("{}", '{source: a, event: b, time: "2026-03-01T00:00:00Z"}'):
        file.write_text(f"steps:\n- event: {text}\n- {{event: {{}}, at: +90s}}\n")
        case = load_case(file)
        starts[text] = [case.at, *(one.at for one in case.arrivals)]
    noon, march = starts.values()
    assert noon == [1767268800.0, 1767268800.0, 1767268890.0]
    assert march == [1772323200.0, 1772323200.0, 1772323290.0]


# -- running


async def test_a_case_holds_or_shows_the_difference(home: Path) -> None:
    (result,) = await run([home / "cases/one.case.yaml"])
    assert (result.holds, result.name) == (True, "one")
    file = home / "cases/one.case.yaml"
    file.write_text(file.read_text().replace("{count: '1'}", "{count: '2'}"))
    (result,) = await run([file])
    assert "-        count: '2'\n+        count: '1'\n" in result.diff


async def test_a_case_without_an_expectation_is_an_error_until_it_is_written(home: Path) -> None:
    folder = home / "cases/folder"
    (result,) = await run([folder])
    assert "nothing is expected yet" in result.error
    (result,) = await run([folder], update=True)
    assert result.updated
    (result,) = await run([folder])
    assert result.holds
    written = (folder / "expected.yaml").read_text()
    assert written.startswith("expect:\n- answer: 200 published\n  notes/note:\n    outcome: fired\n    object:\n")
    assert written.endswith("- notes/note: filtered\n")


async def test_writing_anew_touches_nothing_that_holds_and_nothing_but_the_expectation(home: Path) -> None:
    file = home / "cases/one.case.yaml"
    before = file.read_text()
    await run([file], update=True)
    assert file.read_text() == before
    head = "# first\nexpect:\n- notes/note: held  # old\n\n# about the steps\nsteps:\n"
    tail = "- event: {source: hooks, event: in, data: {body: {count: 5}}}\n"
    file.write_text(head + tail)
    (result,) = await run([file], update=True)
    assert result.updated
    assert file.read_text() == head.replace("- notes/note: held  # old\n", "- notes/note: filtered\n") + tail


async def test_a_case_written_as_json_cannot_be_written_in_place(home: Path) -> None:
    file = home / "cases/json.case.yaml"
    file.write_text('{"steps": [{"event": {"source": "hooks", "event": "in", "data": {}}}], "expect": [{"notes/note": "fired"}]}')
    (result,) = await run([file], update=True)
    assert "cannot be told from the rest" in result.error


async def test_a_manifest_that_is_refused_is_an_error_of_the_case(home: Path) -> None:
    (home / "manifests.yaml").write_text(MANIFESTS.replace("type: number", "type: numbr"))
    (result,) = await run([home / "cases/one.case.yaml"])
    assert "manifests.yaml:" in result.error
    assert "filters.data[0].type" in result.error


async def test_one_case_in_error_leaves_the_others_alone(home: Path) -> None:
    (home / "cases/bad.case.yaml").write_text("steps: 7\n")
    results = await run([home])
    assert [one.holds for one in results if one.name != "folder"] == [False, True]


async def test_a_case_may_name_its_manifests_secrets_and_sources(home: Path, tmp_path: Path) -> None:
    (home / "elsewhere").mkdir()
    (home / "elsewhere" / "sensor.yaml").write_text(
        sensor(
            "made",
            "- {name: dep, eventSourceName: hooks, eventName: in}",
            "- template: {name: run, k8s: {operation: create, source: {file: {path: /etc/object.yaml}}}}",
        )
    )
    (home / "cases/object.txt").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: given}\n")
    (home / "cases/named.case.yaml").write_text(
        "manifests: [../elsewhere]\nnamespace: argo\nsources: {made/run: object.txt}\nsecrets: {a/b: c}\n"
        "steps:\n- event: {source: hooks, event: in, data: {}}\nexpect:\n- made/run: {contains: {metadata: {name: given}}}\n"
    )
    (result,) = await run([home / "cases/named.case.yaml"])
    assert (result.error, result.diff) == ("", "")


# -- reports


def test_junit_has_a_test_case_for_each_with_what_went_wrong() -> None:
    results = [
        CaseResult("good", Path("cases/good.case.yaml"), 0.25),
        CaseResult("other", Path("cases/other/case.yaml"), 0.5, diff="--- a\n+++ b\n-x\x00<&>\n"),
        CaseResult("bad", Path("cases/bad.case.yaml"), 0.0, error="first line\nsecond"),
    ]
    root = fromstring(junit(results))
    assert {name: root.attrib[name] for name in ("tests", "failures", "errors", "time")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
        "time": "0.750",
    }
    cases = root.findall("./testsuite/testcase")
    assert [(one.get("name"), one.get("classname"), len(one)) for one in cases] == [
        ("good", "cases", 0),
        ("other", "cases/other", 1),
        ("bad", "cases", 1),
    ]
    failure, error = cases[1].find("failure"), cases[2].find("error")
    assert failure is not None
    assert error is not None
    assert (failure.text, error.get("message")) == ("--- a\n+++ b\n-x\ufffd<&>\n", "first line")


# -- recording


def recorded(position: int, event: str, data: bytes) -> Recorded:
    stored = f"2026-01-05T08:00:0{position}.000Z"
    shown = {"id": f"{position}" * 32, "position": position, "stored": stored, "source": "hooks", "event": event}
    made = Event(f"{position}" * 32, "hooks", "webhook", event, "argo", data, stored)
    return Recorded(shown, to_document(made))


async def test_an_event_of_the_journal_becomes_a_case_that_holds(home: Path) -> None:
    one = recorded(1, "in", b'{"body": {"count": 1}}')
    folder = await asyncio.to_thread(default_folder, [home], one)
    assert folder == home / "cases/hooks-in-11111111"
    file = await asyncio.to_thread(write_case, folder, [home], [one])
    assert file.read_text() == ("about: As recorded on 2026-01-05.\nat: '2026-01-05T08:00:01.000Z'\nsteps:\n- event: event.json\n")
    (result,) = await run([file], update=True)
    assert (result.error, result.updated) == ("", True)
    (result,) = await run([file])
    assert result.holds
    with pytest.raises(SettingsError, match="is there already"):
        await asyncio.to_thread(write_case, folder, [home], [one])


async def test_several_events_become_steps_in_the_order_in_which_they_came(home: Path) -> None:
    events = [recorded(2, "in", b'{"body":{"count":1}}'), recorded(1, "in", b'{"body":{"count":2}}')]
    file = await asyncio.to_thread(write_case, home / "kept", [home / "manifests.yaml"], events)
    case = await asyncio.to_thread(load_case, file)
    assert case.spec.manifests == ["../manifests.yaml"]
    assert [one.label for one in case.arrivals] == ["1-hooks-in.json", "2-hooks-in.json"]
    (result,) = await run([file], update=True)
    assert (result.error, result.updated) == ("", True)


# -- the command


def test_the_command_shows_what_would_happen_as_text_json_and_yaml(home: Path) -> None:
    (home / "push.http").write_text('POST /in HTTP/1.1\n\n{"count": 1}\n')
    text = tiphys("manifests.yaml", "--request", "push.http", "--at", "2026-01-05T08:00:00Z", folder=home)
    assert text.startswith("push.http at 2026-01-05T08:00:00.000Z: 200 published\nevent argo/hooks/in ")
    assert "  sensor notes, trigger note: fired (dependency dep)\n" in text
    assert "        body.count (number) = '1': passed, found '1'\n" in text
    assert "    create ConfigMap argo/note-" in text
    shown = json.loads(tiphys(".", "--event", "push.http", "-o", "json", folder=home))
    assert shown["arrivals"][0]["events"][0]["firings"][0]["object"]["data"] == {"count": "1"}
    assert "keptBack" not in tiphys(".", "--event", "push.http", "-o", "yaml", folder=home)


def test_the_command_runs_cases_and_ends_with_6_where_one_is_not_as_expected(home: Path) -> None:
    assert tiphys("cases/one.case.yaml", folder=home) == "ok cases/one.case.yaml\n1 case: 1 as expected\n"
    found = tiphys(".", "--junit", "report.xml", folder=home, code=6)
    assert found.endswith("2 cases: 1 as expected, 1 in error\n")
    assert b'errors="1"' in (home / "report.xml").read_bytes()
    tiphys(".", "--update", folder=home)
    assert [one["holds"] for one in json.loads(tiphys(".", "-o", "json", folder=home))] == [True, True]


def test_the_command_compares_with_an_expectation_and_writes_it(home: Path) -> None:
    (home / "arrivals").mkdir()
    (home / "arrivals" / "1.http").write_text("POST /in HTTP/1.1\n\n{}\n")
    (home / "arrivals" / "2.json").write_text('{"body": {"count": 1}}')
    given = ("manifests.yaml", "--from", "arrivals", "--as", "hooks/in", "--expect", "expected.yaml")
    assert "--update writes it" in tiphys(*given, folder=home, code=2)
    assert tiphys(*given, "--update", folder=home) == "written: expected.yaml\n"
    assert tiphys(*given, folder=home) == "ok expected.yaml\n1 case: 1 as expected\n"
    file = home / "expected.yaml"
    file.write_text(file.read_text().replace("count: '1'", "count: '2'"))
    found = tiphys(*given, folder=home, code=6)
    assert "-        count: '2'\n" in found
    assert "+        count: '1'\n" in found


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["manifests.yaml"], 2, "holds no case"),
        (["nowhere"], 2, "is no file and no folder"),
        (["nowhere.case.yaml"], 2, "is no file and no folder"),
        (["cases/one.case.yaml", "--junit", "nowhere/report.xml"], 2, "--junit: nowhere/report.xml cannot be written"),
        (["manifests.yaml", "--event", "nowhere.json"], 2, "cannot be read"),
        (["manifests.yaml", "--request", "manifests.yaml"], 2, "is no event and no request|holds 2 documents"),
        (["manifests.yaml", "--event", "a.json", "--request", "b.http"], 2, "--event takes requests too"),
        (["manifests.yaml", "--event", "event.json", "--secret", "x"], 2, "write NAME/KEY=VALUE"),
        (["manifests.yaml", "--event", "event.json", "--source", "x"], 2, "write SENSOR/TRIGGER=FILE"),
        (["manifests.yaml", "--request", "event.json"], 2, "is no HTTP request"),
        (["broken.yaml", "--event", "event.json"], 3, "refused: broken.yaml:"),
        (["broken.yaml", "--event", "data.json"], 3, "refused: broken.yaml:"),
    ],
)
def test_what_is_asked_wrongly_is_one_sentence(home: Path, arguments: list[str], code: int, said: str) -> None:
    (home / "event.json").write_text('{"source": "hooks", "event": "in", "data": {}}')
    (home / "broken.yaml").write_text(MANIFESTS.replace("eventName: in", "eventNam: in"))
    (home / "data.json").write_text("{}")
    found = tiphys(*arguments, folder=home, code=code)
    assert any(one in found for one in said.split("|")), found
