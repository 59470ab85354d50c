"""Patches as pure functions."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.emulator.kinds import BUILTIN
from tiphys.emulator.patches import compile_patch, json_patch, merge_patch, strategic_merge
from tiphys.emulator.statuses import ApiError

POD = next(kind for kind in BUILTIN if kind.kind == "Pod")
KEYS = st.sampled_from(["a", "b", "c", "a/b", "~"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=4)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


# RFC 7396, appendix A
@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7396_hold(original: Any, patch: Any, result: Any) -> None:
    assert merge_patch(original, patch) == result


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_changes_neither_argument_and_is_idempotent(target: Any, patch: Any) -> None:
    before = copy.deepcopy((target, patch))

    once = merge_patch(target, patch)

    assert (target, patch) == before
    assert merge_patch(once, patch) == once


@given(OBJECTS)
def test_a_merge_patch_of_nothing_gives_the_patch_without_nulls(patch: Any) -> None:
    assert merge_patch({}, patch) == without_nulls(patch)


@given(OBJECTS, JSON, KEYS)
def test_a_json_patch_that_adds_and_removes_leaves_all_as_it_was(document: Any, value: Any, key: str) -> None:
    path = "/" + key.replace("~", "~0").replace("/", "~1")
    if key in document:
        return

    added = json_patch(
        POD, copy.deepcopy(document), [{"op": "add", "path": path, "value": value}, {"op": "test", "path": path, "value": value}]
    )
    removed = json_patch(POD, copy.deepcopy(added), [{"op": "remove", "path": path}])

    assert added == {**document, key: value}
    assert removed == document


@pytest.mark.parametrize(
    "step",
    [
        {"op": "remove", "path": "/no"},
        {"op": "replace", "path": "/no/deeper", "value": 1},
        {"op": "replace", "path": "/list/2", "value": 1},
        {"op": "add", "path": "/list/3", "value": 1},
        {"op": "add", "path": "/list/-1", "value": 1},
        {"op": "add", "path": "/no/deeper", "value": 1},
        {"op": "add", "path": "list", "value": 1},
        {"op": "add", "path": "/x"},
        {"op": "test", "path": "/list/0", "value": 2},
        {"op": "copy", "from": "/no", "path": "/x"},
        {"op": "move", "path": "/x"},
        {"op": "invent", "path": "/x"},
        {"path": "/x"},
        {"op": "remove", "path": 7},
        {"op": "remove", "path": ""},
    ],
)
def test_a_json_patch_that_does_not_apply_is_invalid(step: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        json_patch(POD, {"list": [1, 2]}, [step])
    assert refused.value.code == 422


def test_a_json_patch_moves_and_replaces_the_whole() -> None:
    assert json_patch(POD, {"a": [1, 2], "b": {}}, [{"op": "move", "from": "/a/0", "path": "/b/c"}]) == {"a": [2], "b": {"c": 1}}
    assert json_patch(POD, {"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}]) == {"b": 2}


def test_a_strategic_merge_follows_kubectls_directives() -> None:
    pod = {
        "containers": [{"name": "a", "image": "1", "ports": [{"containerPort": 80, "name": "h"}]}, {"name": "b"}],
        "finalizers": ["x"],
        "args": [1, 2],
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"max": 1}},
        "volumes": [{"name": "v"}, {"name": "w"}],
    }
    patch = {
        "$setElementOrder/containers": [{"name": "a"}],
        "containers": [
            {"name": "a", "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}]},
            {"name": "b", "$patch": "delete"},
        ],
        "finalizers": ["x", "y"],
        "args": [3],
        "strategy": {"$retainKeys": ["type"], "type": "Recreate"},
        "volumes": [{"name": "u"}],
        "gone": {"$patch": "delete"},
    }

    assert strategic_merge(pod, patch) == {
        "containers": [{"name": "a", "image": "1", "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}]}],
        "finalizers": ["x", "y"],
        "args": [3],
        "strategy": {"type": "Recreate"},
        "volumes": [{"name": "v"}, {"name": "w"}, {"name": "u"}],
    }
    assert strategic_merge({"f": ["a", "b"]}, {"$deleteFromPrimitiveList/f": ["a"]}) == {"f": ["b"]}
    assert strategic_merge({"m": {"a": 1}}, {"m": {"$patch": "replace", "b": 2}}) == {"m": {"b": 2}}


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("application/merge-patch+json", b"[", 400),
        ("application/merge-patch+json", b"[]", 400),
        ("application/json-patch+json", b"{}", 400),
        ("application/json-patch+json", b"[1]", 400),
        ("application/apply-patch+yaml", b"a: b", 415),
        ("text/plain", b"{}", 415),
    ],
)
def test_a_patch_that_cannot_be_read_is_refused(kind: str, body: bytes, code: int) -> None:
    with pytest.raises(ApiError) as refused:
        compile_patch(POD, kind, body)
    assert refused.value.code == code
