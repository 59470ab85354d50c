"""`tiphys lint` as it is typed: its output and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tiphys.app.cli.main import app
from tiphys.errors import SettingsError

OPEN = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: hooks}
spec:
  webhook:
    push: {endpoint: /push, port: "12000", method: POST}
"""


def typed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        app(["lint", *words])
    code = ended.value.code
    return code if isinstance(code, int) else 0, capsys.readouterr().out


def test_warnings_end_with_0_and_an_error_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(OPEN)
    code, output = typed(capsys, str(tmp_path))
    assert (code, output.splitlines()[-1]) == (0, "0 errors, 1 warning, 0 for information")
    (tmp_path / "b.yaml").write_text(OPEN.replace("name: hooks", "name: others").replace("method: POST", "methd: POST"))
    code, output = typed(capsys, str(tmp_path))
    assert code == 3
    assert "did you mean method?" in output


@pytest.mark.parametrize("form", ["json", "github", "sarif"])
def test_the_exit_code_is_the_same_in_every_form(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(OPEN.replace("method: POST", "methd: POST"))
    code, output = typed(capsys, str(tmp_path), "-o", form)
    assert code == 3
    assert output.startswith("::") if form == "github" else json.loads(output)


def test_a_folder_without_manifests_has_no_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "values.yaml").write_text("image: alpine\n")
    assert typed(capsys, str(tmp_path)) == (0, "0 errors, 0 warnings, 0 for information\n")


def test_a_path_that_is_not_there_is_a_wrong_setting() -> None:
    assert SettingsError.exit_code == 2
    with pytest.raises(SettingsError, match="is no file and no folder"):
        app(["lint", "no/such/folder"], standalone_mode=False)
