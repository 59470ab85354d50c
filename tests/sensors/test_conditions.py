"""Conditions: names, `&&`, `||` and parentheses (reference 5.1)."""

from __future__ import annotations

import re
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.conditions import compile as compile_condition
from tiphys.errors import ConditionError

NAMES = ["a", "b-1", "b_1", "été", "d"]


def expressions() -> st.SearchStrategy[str]:
    return st.recursive(
        st.sampled_from(NAMES),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from([" && ", "&&", " || ", "||"]), inner).map("".join),
            inner.map(lambda text: f"({text})"),
        ),
        max_leaves=12,
    )


@given(expressions())
def test_a_condition_holds_exactly_where_python_says_so(text: str) -> None:
    condition = compile_condition(text, NAMES)
    python = re.sub(r"[^\W\d][\w-]*", lambda match: f"v[{NAMES.index(match.group())}]", text)
    python = python.replace("&&", " and ").replace("||", " or ")
    for received in chain.from_iterable(combinations(NAMES, size) for size in range(len(NAMES) + 1)):
        assert condition.evaluate(received) == eval(python, {"v": [name in received for name in NAMES]})
    assert condition.requires_and == ("&&" in text)


@given(st.text(max_size=40))
def test_any_text_compiles_or_is_refused_with_a_reason(text: str) -> None:
    problem = "none"
    try:
        compile_condition(text, NAMES)
    except ConditionError as error:
        problem = error.problem
    assert problem


def test_an_absent_condition_asks_for_every_dependency() -> None:
    condition = compile_condition("", ["a", "dep.b", "1c"])
    assert condition.text == "a && dep.b && 1c"
    assert condition.requires_and
    assert not condition.evaluate(["a", "dep.b"])
    assert condition.evaluate(["1c", "a", "dep.b"])


def test_and_binds_stronger_than_or() -> None:
    condition = compile_condition("a || b-1 && d", NAMES)
    assert condition.evaluate(["a"])
    assert not condition.evaluate(["b-1"])
    assert condition.missing(["b-1"]) == ("a", "d")


def test_argo_events_383_a_name_that_is_no_dependency_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConditionError, match="did you mean 'build-done'"):
        compile_condition("build-dome && tests", ["build-done", "tests"])


@pytest.mark.parametrize("text", ["a &&", "&& a", "a b-1", "(a && d", "a && d)", "!a", "a & d", "a and d", "a == d", "true", "()"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        compile_condition(text, NAMES)


def test_nesting_is_bounded() -> None:
    with pytest.raises(ConditionError, match="nest deeper"):
        compile_condition("(" * 500 + "a" + ")" * 500, NAMES)


def test_argo_events_1339_forty_nine_dependencies_are_one_comparison() -> None:
    names = [f"dependency-{number}" for number in range(49)]
    condition = compile_condition(" && ".join(names), names)
    assert not condition.evaluate(names[:-1])
    assert condition.evaluate(names)
