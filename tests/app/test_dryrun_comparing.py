"""What is expected against what happens: as little as matters may be written, and nothing loud passes unseen."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.app.dryrun.comparing import as_it_happens, difference, updated
from tiphys.app.dryrun.outcomes import Act, Arrived, Came
from tiphys.app.dryrun.yaml_text import dump_yaml
from tiphys.schema.loader import load_documents

OBJECT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a-1"}, "data": {"text": "x", "list": ["a", "b"]}}


def verdict(trigger: str, outcome: str, *, dependency: str = "dep", found: str = "") -> dict[str, Any]:
    clause = {"asked": "body.n = '1'", "judgement": "failed", "found": found, "why": "", "children": []}
    filters = {"asked": "all of", "judgement": "failed", "found": "", "why": "", "children": [clause]}
    place = {"sensor": "ci", "trigger": trigger, "dependency": dependency, "conditions": dependency}
    return place | {"outcome": outcome} | ({"filters": filters} if outcome == "filtered" else {})


def act(trigger: str = "run", dependency: str = "dep", preview: Any = OBJECT, **more: Any) -> Act:
    return Act("ci", trigger, "f" * 13, dependency, "create ConfigMap a-1", preview, **more)


def came(*verdicts: dict[str, Any], acts: tuple[Act, ...] = ()) -> Came:
    return Came({"verdicts": list(verdicts), "id": "e", "why": ""}, acts)


def arrived(*events: Came, answer: tuple[int, str, str] | None = None, kept_back: str = "") -> Arrived:
    return Arrived("step", "2026-01-01T00:00:00.000Z", events, answer, kept_back)


FIRED = arrived(came(verdict("run", "fired"), acts=(act(),)))
FILTERED = arrived(came(verdict("run", "filtered", found="'7'")))


@pytest.mark.parametrize(
    "expected",
    [
        {"ci/run": "fired"},
        {"ci/run": {"outcome": "fired"}},
        {"ci/run": {"object": OBJECT}},
        {"ci/run": {"outcome": "fired", "contains": {"data": {"text": "x"}}}},
        {"ci/run": {"contains": {"data": {"list": ["a", "b"]}}}},
        {"ci/run": {"contains": {}}},
    ],
)
def test_what_is_written_holds_if_it_is_so(expected: dict[str, Any]) -> None:
    assert difference([expected], [FIRED], "e") == ""


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        ({"ci/run": "filtered"}, "+- ci/run: fired"),
        ({"ci/run": {"object": OBJECT | {"data": {"text": "y", "list": ["a", "b"]}}}}, "+        text: x"),
        ({"ci/run": {"object": {"apiVersion": "v1", "kind": "ConfigMap"}}}, "+        name: a-1"),
        ({"ci/run": {"contains": {"data": {"text": "y"}}}}, "+        text: x"),
        ({"ci/run": {"contains": {"data": {"none": "y"}}}}, "-        none: 'y'"),
        ({"ci/run": {"contains": {"data": {"list": ["a"]}}}}, "+        - b"),
        ({"ci/run": {"error": "x"}}, "-    error: x"),
        ({"ci/other": "filtered"}, "-- ci/other: filtered"),
    ],
)
def test_what_is_written_and_is_not_so_is_a_difference(expected: dict[str, Any], line: str) -> None:
    found = difference([expected], [FIRED], "e.yaml")
    assert found.startswith("--- e.yaml (expected)\n+++ what happens\n")
    assert any(re.match(re.escape(line), one) for one in found.splitlines()), found


def test_a_trigger_that_fires_and_is_not_written_is_a_difference() -> None:
    both = arrived(came(verdict("run", "filtered"), verdict("more", "fired"), acts=(act("more"),)))
    assert "+  ci/more:" in difference([{"ci/run": "filtered"}], [both], "e")
    assert difference([{}], [FILTERED], "e") == ""


@pytest.mark.parametrize("outcome", ["errored", "refused"])
def test_a_trigger_that_fails_and_is_not_written_is_a_difference(outcome: str) -> None:
    assert difference([{}], [arrived(came(verdict("run", outcome)))], "e") != ""


def test_a_firing_that_fails_is_a_difference_where_only_the_outcome_is_written() -> None:
    failed = arrived(came(verdict("run", "fired"), acts=(act(preview=None, error="ParameterNotFound: body.x"),)))
    assert "ParameterNotFound: body.x" in difference([{"ci/run": "fired"}], [failed], "e")
    assert "ParameterNotFound: body.x" in difference([{"ci/run": {"outcome": "fired"}}], [failed], "e")
    assert difference([{"ci/run": {"error": "ParameterNotFound"}}], [failed], "e") == ""


def test_a_part_of_the_reason_is_enough() -> None:
    assert difference([{"ci/run": {"outcome": "filtered", "because": "found '7'"}}], [FILTERED], "e") == ""
    assert "failed, found ''7''" in difference([{"ci/run": {"outcome": "filtered", "because": "found '8'"}}], [FILTERED], "e")


def test_two_dependencies_of_one_trigger_are_told_apart() -> None:
    both = arrived(
        came(verdict("run", "filtered", dependency="a"), verdict("run", "fired", dependency="b"), acts=(act(dependency="b"),))
    )
    assert difference([{"ci/run[a]": "filtered", "ci/run[b]": "fired"}], [both], "e") == ""
    assert list(as_it_happens([both])[0]) == ["ci/run[a]", "ci/run[b]"]


def test_an_answer_is_written_as_a_status_or_with_its_word() -> None:
    good, bad = arrived(answer=(200, "published", "")), arrived(answer=(401, "no-token", ""))
    assert difference([{"answer": 200}, {"answer": "401 no-token"}], [good, bad], "e") == ""
    assert difference([{}], [good], "e") == ""
    assert "+- answer: 401 no-token" in difference([{}], [bad], "e")
    assert "+- answer: 401 no-token" in difference([{"answer": 400}], [bad], "e")


def test_what_an_event_source_keeps_back_must_be_written() -> None:
    kept = arrived(answer=(200, "published", ""), kept_back="the filter of forge: the expression is false")
    assert "keptBack" in difference([{}], [kept], "e")
    assert difference([{"keptBack": "the expression is false"}], [kept], "e") == ""


def test_an_arrival_without_an_expectation_and_one_too_many_are_differences() -> None:
    assert difference([], [FIRED], "e") != ""
    assert difference([{"ci/run": "fired"}, {}], [FIRED], "e") != ""


def test_several_events_of_one_arrival_have_a_list() -> None:
    two = arrived(came(verdict("run", "filtered")), came(verdict("run", "fired"), acts=(act(),)), answer=(200, "published", ""))
    assert difference([{"events": [{"ci/run": "filtered"}, {"ci/run": "fired"}]}], [two], "e") == ""
    assert difference([{"events": [{"ci/run": "filtered"}, {"ci/run": "held"}]}], [two], "e") != ""
    assert difference([{"events": [{}]}], [two], "e") != ""
    assert difference([{"answer": 200}], [two], "e") != ""


def test_several_objects_of_one_source_have_a_list() -> None:
    two = arrived(came(verdict("run", "fired"), acts=(act(), act())))
    assert as_it_happens([two]) == [{"ci/run": {"outcome": "fired", "objects": [OBJECT, OBJECT]}}]
    assert difference([{"ci/run": {"contains": [{"kind": "ConfigMap"}, {"data": {"text": "x"}}]}}], [two], "e") == ""


def test_what_a_dlq_trigger_does_stands_by_itself() -> None:
    lines = {"lines": []}
    failed = arrived(came(verdict("run", "fired"), acts=(act(preview=None, error="Bad: x"), act(preview=lines, dlq=True))))
    assert as_it_happens([failed]) == [{"ci/run": {"outcome": "fired", "error": "Bad: x", "dlqTrigger": {"request": lines}}}]


# -- writing it anew


def test_what_happens_written_as_what_is_expected_holds() -> None:
    happened = [
        FIRED,
        FILTERED,
        arrived(answer=(400, "signature", "")),
        arrived(came(verdict("run", "held")), answer=(200, "published", "")),
    ]
    assert difference(updated(None, happened), happened, "e") == ""


def test_an_expectation_written_anew_keeps_its_form() -> None:
    other = arrived(
        came(verdict("run", "fired"), acts=(act(preview=OBJECT | {"data": {"text": "z"}}),)), answer=(200, "published", "")
    )
    before = [{"answer": 200, "ci/run": {"contains": {"data": {"text": "x"}}}}]
    assert updated(before, [other]) == [{"answer": 200, "ci/run": {"contains": {"data": {"text": "z"}}}}]
    assert updated([{"ci/run": "filtered"}], [arrived(came(verdict("run", "held")))]) == [{"ci/run": "held"}]
    assert updated([{"ci/run": {"outcome": "filtered", "because": "'8'"}}], [FILTERED]) == [
        {"ci/run": {"outcome": "filtered", "because": "body.n = '1': failed, found '7'"}}
    ]


# -- YAML

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(st.characters(codec="utf-8"))
    | st.sampled_from(
        ["on", "y", "=", "12:30", "1e3", "0o17", "017", "1_000", "~", "2024-01-01", ".5", "+.inf", "- a", "a: b", "a #b"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
def test_what_is_written_as_yaml_is_read_as_it_was(value: object) -> None:
    loaded = load_documents(dump_yaml({"expect": value})).all()
    assert loaded[0].object == {"expect": value}


def test_texts_over_several_lines_are_blocks() -> None:
    assert dump_yaml({"script": "set -e\necho hi\n"}) == "script: |\n  set -e\n  echo hi\n"
