"""The JSON Schemas for editors: of the models, whole, and with words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dispatcher.trigger import registered as registered_triggers
from eventsource.source import registered as registered_sources
from tiphys.app.schemas import KINDS, any_kind_schema, kind_schema, schema_text
from tiphys.errors import SettingsError


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "$ref":
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


@pytest.mark.parametrize("made", [*map(kind_schema, KINDS), any_kind_schema()], ids=[*KINDS, "all"])
def test_every_reference_leads_somewhere(made: dict[str, Any]) -> None:
    for target in references(made):
        assert target.removeprefix("#/definitions/") in made["definitions"]


def test_every_source_and_every_trigger_is_in_it() -> None:
    assert registered_sources().keys() <= kind_schema("EventSource")["properties"]["spec"]["properties"].keys()
    assert registered_triggers().keys() <= kind_schema("Sensor")["definitions"]["Template"]["properties"].keys()


def test_a_field_says_what_its_docstring_says_of_it() -> None:
    field = kind_schema("Sensor")["definitions"]["TriggerSpec"]["properties"]["onUnknown"]
    assert field["enum"] == ["retry", "dead"]
    assert field["description"].startswith("`onUnknown` (`retry`, or `dead`")
    assert "onConflict" not in field["description"]


def test_a_name_that_no_model_knows_is_underlined_by_an_editor() -> None:
    assert kind_schema("Sensor")["definitions"]["Dependency"]["additionalProperties"] is False
    assert kind_schema("EventSource")["properties"]["spec"]["additionalProperties"] is False


def test_null_is_no_value_of_its_own_and_nothing_is_a_default() -> None:
    for kind in KINDS:
        text = schema_text(kind)
        assert '"null"' not in text
        assert '"default": null' not in text
        assert '"title": "Trigger' not in text


def test_one_schema_serves_a_file_of_all_kinds() -> None:
    made = json.loads(schema_text())
    assert [one["then"]["$ref"] for one in made["allOf"]] == [f"#/definitions/{kind}" for kind in KINDS]
    assert made["definitions"]["Sensor"]["properties"]["spec"]["properties"]["triggers"]["items"] == {
        "$ref": "#/definitions/Sensor.TriggerSpec"
    }


def test_a_kind_is_found_in_any_case_and_another_one_is_refused() -> None:
    assert json.loads(schema_text("sensor"))["title"] == "Sensor"
    with pytest.raises(SettingsError, match="EventBus, EventSource, Sensor"):
        schema_text("Workflow")
