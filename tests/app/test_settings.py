"""Settings: a flag wins over a variable, a variable over the file, the file over the default."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from sensors.scripts import ScriptSettings
from tiphys.app.cli.main import serve
from tiphys.app.service import script_settings
from tiphys.app.settings import Settings, load_settings, settings_page
from tiphys.errors import SettingsError

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_first_place_that_says_something_wins(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("api-port: 1\ningress_port: 1\nnamespace: from-file\n")
    environment = {"TIPHYS_API_PORT": "2", "TIPHYS_INGRESS_PORT": "2", "TIPHYS_MANIFESTS": "a:b"}
    settings = load_settings({"ingress_port": 3, "data": None}, config, environment)
    assert (settings.ingress_port, settings.api_port, settings.namespace) == (3, 2, "from-file")
    assert settings.manifests == (Path("a"), Path("b"))
    assert settings.data == Path(".tiphys")


@pytest.mark.parametrize(
    ("flags", "environment", "file", "named"),
    [
        ({"api_port": 70000}, {}, "", "--api-port"),
        ({}, {"TIPHYS_API_PORT": "x"}, "", "TIPHYS_API_PORT"),
        ({}, {}, "api_prt: 1", "api_prt in "),
        ({}, {}, "- 1", "--config"),
        ({}, {}, "a: [", "--config"),
        ({"log_level": "loud"}, {}, "", "--log-level"),
        ({"script_memory": 1000}, {}, "", "--script-memory"),
        ({}, {"TIPHYS_SCRIPT_TIME": "0"}, "", "TIPHYS_SCRIPT_TIME"),
    ],
)
def test_a_wrong_setting_is_named_with_the_place_that_it_came_from(
    tmp_path: Path, flags: dict[str, object], environment: dict[str, str], file: str, named: str
) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(file)
    with pytest.raises(SettingsError, match=named):
        load_settings(flags, config, environment)


def test_an_absent_settings_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings({}, tmp_path / "none.yaml", {})


def test_the_page_of_settings_is_that_of_the_model() -> None:
    assert PAGE.read_text() == settings_page(), "write it anew: python -m tests.app.test_settings"


def test_the_limits_of_scripts_are_those_of_the_settings() -> None:
    given = {"script_time": 0.5, "script_wall": 3, "script_memory": 1 << 27, "script_output": 2048, "script_workers": 9}
    made = script_settings(load_settings(given, None, {}))

    assert (made.time, made.wall, made.memory, made.output, made.workers, made.most) == (0.5, 3.0, 1 << 27, 2048, 9, 9)
    assert script_settings(load_settings({}, None, {})) == ScriptSettings()


def test_every_setting_is_a_flag_of_serve() -> None:
    parameters = set(inspect.signature(serve).parameters) - {"config"}
    assert parameters == set(Settings.model_fields)


if __name__ == "__main__":
    PAGE.write_text(settings_page())
