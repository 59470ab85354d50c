"""The fields beside `conditions`: what is compiled from them, and which of them are refused with path, problem and remedy."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from pydantic import ValidationError

from sensors import SensorProgram, SensorSpec
from sensors.manifest import OpaqueTrigger
from sensors.program import TriggerProgram
from tiphys.errors import FieldError, ManifestError
from tiphys.schema.model import field_errors


def spec(template: dict[str, Any], names: str = "ABC") -> dict[str, Any]:
    dependencies = [{"name": name, "eventSourceName": "src", "eventName": name} for name in names]
    return {"dependencies": dependencies, "triggers": [{"template": {"name": "t"} | template}]}


def program(names: str = "ABC", **template: Any) -> TriggerProgram:
    compiled = SensorProgram.compile("argo", "s", SensorSpec[OpaqueTrigger].model_validate(spec(template, names)))
    return compiled.triggers[0]


def notices(**template: Any) -> list[FieldError]:
    return list(SensorProgram.compile("argo", "s", SensorSpec[OpaqueTrigger].model_validate(spec(template))).notices)


def faults(**template: Any) -> list[FieldError]:
    try:
        program(**template)
    except ManifestError as error:
        return list(error.errors)
    except ValidationError as error:
        return field_errors(error, "spec")
    return []


def test_argo_events_own_fields_alone_have_neither_a_join_key_nor_a_reset() -> None:
    trigger = program(conditions="A && B")
    assert trigger.correlate is None
    assert trigger.reset is None
    assert trigger.gate.holds
    assert not trigger.gate.lapses


def test_all_of_ours_together() -> None:
    trigger = program(
        conditions="A && count(B) >= 2 && !C",
        within="10m",
        correlate={"A": "body.sha", "B": "body.sha", "C": "body.commit"},
        hold={"A": "first"},
        conditionsReset=[{"byTime": {"cron": "0 22 * * *", "timezone": "Europe/Berlin"}}],
    )
    assert trigger.correlate is not None
    assert trigger.reset is not None
    assert trigger.gate.lapses


@pytest.mark.parametrize(
    ("template", "path", "problem"),
    [
        ({"conditions": "A || B", "within": "10m"}, "within", "has no effect"),
        ({"conditions": "A", "correlate": "body.sha"}, "correlate", "has no effect"),
        ({"conditions": "A", "hold": "all"}, "hold", "has no effect"),
        ({"conditions": "A && B", "within": "soon"}, "within", "is no duration"),
        ({"conditions": "A && B", "within": "0s"}, "within", "longer than nothing"),
        ({"conditions": "A && B", "within": "-5m"}, "within", "longer than nothing"),
        ({"conditions": "A && B", "within": 600}, "within", "must be a duration"),
        ({"conditions": "A && B", "correlate": ""}, "correlate", "is empty"),
        ({"conditions": "A && B", "correlate": {}}, "correlate", "names no path"),
        ({"conditions": "A && B", "correlate": {"A": "body.sha"}}, "correlate.B", "is missing"),
        ({"conditions": "A && B", "correlate": {"A": "a", "B": "b", "X": "c"}}, "correlate.X", "no dependency in conditions"),
        ({"conditions": "A && B", "correlate": {"A": "a", "B": "b", "C": "c"}}, "correlate.C", "no dependency in conditions"),
        ({"conditions": "A && B", "correlate": ["a"]}, "correlate", "must be a text"),
        ({"conditions": "A && B", "correlate": "a" * 20_000}, "correlate", "longer"),
        ({"conditions": "A && B", "hold": "last"}, "hold", "must be latest, first or all"),
        ({"conditions": "A && B", "hold": {"A": "last"}}, "hold", "must be latest, first or all"),
        ({"conditions": "A && B", "hold": {"C": "all"}}, "hold.C", "no dependency in conditions"),
        ({"conditions": "count(A) >= 3", "hold": "latest"}, "hold", "conditions count them"),
        ({"conditions": "count(A) >= 3", "hold": {"A": "first"}}, "hold", "conditions count them"),
        ({"conditions": "A && X"}, "conditions", "is not a dependency"),
        ({"conditions": "!A"}, "conditions", "true without any event"),
        ({"conditions": "A && B", "conditionsReset": [{}]}, "conditionsReset[0].byTime", "is missing"),
        (
            {"conditions": "A && B", "conditionsReset": [{"byTime": {"timezone": "UTC"}}]},
            "conditionsReset[0].byTime.cron",
            "is missing",
        ),
        ({"conditions": "A && B", "conditionsReset": [{"byTime": {"cron": "x"}}]}, "conditionsReset[0].byTime.cron", ""),
    ],
)
def test_what_has_no_meaning_is_refused(template: dict[str, Any], path: str, problem: str) -> None:
    found = faults(**template)
    assert [fault.path for fault in found] == [f"spec.triggers[0].template.{path}"]
    assert problem in found[0].problem
    assert found[0].remedy


def test_all_faults_of_a_trigger_come_at_once() -> None:
    found = faults(conditions="A && X", conditionsReset=[{"byTime": {"cron": "x"}}])
    assert sorted(fault.path.rpartition("template.")[2] for fault in found) == ["conditions", "conditionsReset[0].byTime.cron"]


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ({"conditions": "A && !B"}, "conditions"),
        ({"conditions": "(A || C) && !B"}, "conditions"),
        ({"conditions": "A && B", "correlate": "sha"}, "correlate"),
        ({"conditions": "A", "conditionsReset": [{"byTime": {"cron": "0 6 * * *"}}]}, "conditionsReset"),
    ],
)
def test_what_is_accepted_and_seldom_meant_is_a_notice(template: dict[str, Any], path: str) -> None:
    (notice,) = notices(**template)
    assert notice.path == f"spec.triggers[0].template.{path}"
    assert notice.remedy


@pytest.mark.parametrize(
    "template",
    [
        {"conditions": "A && B"},
        {"conditions": "A && !B", "within": "10m"},
        {"conditions": "A && !B", "conditionsReset": [{"byTime": {"cron": "0 6 * * *"}}]},
        {"conditions": "(A && !B) || C"},
        {"conditions": "(A && !B) || (C && B)"},
        {"conditions": "count(A) >= 2 && C"},
        {"conditions": "A && B", "correlate": "sha", "within": "2h"},
    ],
)
def test_what_is_meant_is_not(template: dict[str, Any]) -> None:
    assert notices(**template) == []


def test_null_is_as_absent() -> None:
    assert faults(conditions="A && B", within=None, correlate=None, hold=None, conditionsReset=None) == []


@pytest.mark.parametrize("text", ["dep-a && dep-bb", "dep-a &&", "dep-a and dep-b", "!dep-a", "(dep-a || dep-b"])
def test_argo_events_383_a_sensor_with_one_bad_condition_is_refused_with_the_path_and_what_may_stand_there(text: str) -> None:
    dependencies = [{"name": f"dep-{name}", "eventSourceName": "hooks", "eventName": name} for name in "ab"]
    triggers = [{"template": {"name": "broken", "conditions": text}}, {"template": {"name": "good", "conditions": "dep-a"}}]
    sensor = SensorSpec[OpaqueTrigger].model_validate({"dependencies": dependencies, "triggers": triggers})
    with pytest.raises(ManifestError) as refused:
        SensorProgram.compile("argo", "typo", sensor)
    (fault,) = refused.value.errors
    assert fault.path == "spec.triggers[0].template.conditions"
    assert "dep-bb" not in text or ("'dep-bb'" in fault.problem and "dep-a, dep-b" in fault.remedy)


def test_argo_events_1339_forty_nine_dependencies_load_in_little_memory() -> None:
    names = [f"d{number:02}" for number in range(1, 50)]
    pairs = " && ".join(f"({one} || {other})" for one, other in zip(names[::2], names[1::2], strict=False))
    dependencies = [{"name": name, "eventSourceName": "flows", "eventName": f"e{name[1:]}"} for name in names]
    conditions = {"all": " && ".join(names), "pairs": pairs}
    triggers = [{"template": {"name": name, "conditions": text}} for name, text in conditions.items()]
    sensor = SensorSpec[OpaqueTrigger].model_validate({"dependencies": dependencies, "triggers": triggers})
    tracemalloc.start()
    program = SensorProgram.compile("argo", "big-join", sensor)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 << 20
    assert [len(trigger.condition.names) for trigger in program.triggers] == [49, 48]


# -- what a change of the manifest drops: the digest of a dependency at a trigger


def test_what_was_held_under_another_rule_is_dropped() -> None:
    rules: list[dict[str, Any]] = [
        {"conditions": "A && B"},
        {"conditions": "A  && B"},
        {"conditions": ""},
        {"conditions": "A && B", "within": "10m"},
        {"conditions": "A && B", "within": "11m"},
        {"conditions": "A && B", "correlate": "a"},
        {"conditions": "A && B", "hold": "all"},
        {"conditions": "A && B", "hold": {"A": "all"}},
    ]
    digests = [program("AB", **rule).digests["A"] for rule in rules]
    assert len(set(digests)) == len(rules)


def test_a_dependency_that_is_added_drops_nothing_where_conditions_are_left_out() -> None:
    assert program("AB").digests["A"] == program("ABC").digests["A"]


@pytest.mark.parametrize(
    "change",
    [
        {"conditionsReset": [{"byTime": {"cron": "0 6 * * *"}}]},
        {"hold": "latest"},
        {"hold": {"A": "latest"}},
        {"k8s": {"operation": "create"}},
    ],
)
def test_what_is_no_rule_of_what_is_held_drops_nothing(change: dict[str, Any]) -> None:
    assert program(conditions="A && B").digests == program(conditions="A && B", **change).digests
