"""All cases that are here, and what runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden import compatibility, deviations, runner

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_case_is_answered_as_argo_events_answers_or_as_the_table_of_deviations_says(file: Path) -> None:
    report = runner.run(runner.cases([file]), deviations.load())

    assert not report.failures, "\n".join(map(str, report.failures))
    assert report.passed > 0
    assert not report.unknown


def test_no_path_case_deviates_and_two_parameter_cases_do() -> None:
    report = runner.run(runner.cases([FOLDER / f"{mode}.jsonl" for mode in ("path", "params", "payload")]), deviations.load())

    assert report.passed == 694 + 155 + 25 - 2
    assert {name: len(ids) for name, ids in report.deviating.items()} == {"an-operation-that-does-not-exist-is-refused-at-load": 2}


def test_the_page_on_compatibility_is_made_from_the_table_and_current() -> None:
    assert compatibility.PAGE.read_text("utf-8") == compatibility.page(deviations.load()), "run python -m tests.golden --write-docs"


def _run(tmp_path: Path, *cases: dict[str, object]) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "cases.jsonl"
    file.write_text("\n".join(map(json.dumps, cases)), "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "tests.golden", str(file)], capture_output=True, text=True, check=False, cwd=FOLDER.parents[1]
    )


def _case(path: str, expect: dict[str, object], mode: str = "path") -> dict[str, object]:
    return {
        "id": f"{mode}-1",
        "mode": mode,
        "why": "a test",
        "input": {"op": "get", "json": '{"a":1}', "path": path},
        "expect": expect,
    }


def test_a_failing_case_is_shown_with_asked_expected_and_found_and_the_exit_code_is_1(tmp_path: Path) -> None:
    run = _run(tmp_path, _case("b", {"exists": False, "type": "Null"}), _case("a", {"exists": False, "type": "Null"}))

    lines = run.stdout.splitlines()
    assert lines[0].startswith("path-1")
    assert [line.split()[0] for line in lines[1:4]] == ["asked", "expected", "found"]
    assert lines[-1] == "1 passed, 1 failed, 0 deviates"
    assert run.returncode == 1


def test_a_mode_that_nothing_runs_is_named_and_the_exit_code_is_2(tmp_path: Path) -> None:
    run = _run(tmp_path, _case("a", {}, mode="weather"))

    assert run.stdout.splitlines() == ["unknown mode 'weather': 1 cases were not run", "0 passed, 0 failed, 0 deviates"]
    assert run.returncode == 2


def test_a_crash_is_a_failure_of_its_case_and_the_others_go_on(tmp_path: Path) -> None:
    broken = {"id": "path-2", "mode": "path", "input": {"op": "get"}, "expect": {"error": "anything"}}

    run = _run(tmp_path, broken, _case("b", {"exists": False, "type": "Null"}))

    assert "KeyError" in run.stdout
    assert run.stdout.splitlines()[-1] == "1 passed, 1 failed, 0 deviates"


def test_a_deviation_fits_only_where_all_that_it_asks_for_holds() -> None:
    case = {"id": "path-1", "mode": "path", "input": {"op": "set", "json": "{}"}, "expect": {"valid": False}}
    deviation = deviations.Deviation(
        "n", "t", ["path"], "argo", "we", "why", where={"expect.valid": "^false$"}, equal=[("input.json", "found.text")]
    )

    assert deviation.fits(case, {"text": "{}"})
    assert not deviation.fits(case, {"text": "{ }"})
    assert not deviation.fits({**case, "expect": {"valid": True}}, {"text": "{}"})
    assert not deviation.fits({**case, "mode": "params"}, {"text": "{}"})


def test_every_deviation_says_what_both_do_and_why() -> None:
    table = deviations.load()

    assert len({item.name for item in table}) == len(table)
    for item in table:
        assert item.argo, item.name
        assert item.we, item.name
        assert item.why, item.name
        assert not item.modes or item.id or item.where or item.equal, item.name
