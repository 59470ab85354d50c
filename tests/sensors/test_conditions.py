"""The language of conditions: argo-events' names, `&&`, `||` and parentheses (reference 5.1), and ours: `!` and `count`."""

from __future__ import annotations

import tracemalloc
from itertools import chain, combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.conditions import Condition
from sensors.conditions import compile as compile_condition
from sensors.conditions.expression import HIGHEST_COUNT
from tests.sensors.condition_texts import NAMES, as_python, counts, extended, plain
from tiphys.errors import ConditionError


def compiled(text: str) -> Condition | str:
    """The condition, or what is wrong with the text."""
    try:
        return compile_condition(text, NAMES)
    except ConditionError as error:
        return f"{error.problem}; {error.remedy}"


@given(plain())
def test_a_condition_holds_exactly_where_python_says_so(text: str) -> None:
    condition = compile_condition(text, NAMES)
    for received in chain.from_iterable(combinations(NAMES, size) for size in range(len(NAMES) + 1)):
        assert condition.evaluate(received) == as_python(text, {name: int(name in received) for name in NAMES})
    assert condition.requires_and == ("&&" in text)


@given(extended())
def test_with_not_and_counts_it_holds_exactly_where_python_says_so_or_is_refused(text: str) -> None:
    condition = compiled(text)
    if isinstance(condition, str):
        problems = ("cannot be at one time", "always true", "never true")
        assert any(word in condition for word in problems) or as_python(text, dict.fromkeys(NAMES, 0))
        return
    assert not as_python(text, dict.fromkeys(NAMES, 0))
    for numbers in product((0, 1, 2, 4), repeat=3):
        there = dict.fromkeys(NAMES, 0) | dict(zip(NAMES, numbers, strict=False))
        received = [name for name, number in there.items() for _ in range(number)]
        assert condition.evaluate(received) == as_python(text, there)


@given(st.lists(st.sampled_from(NAMES[:3]) | st.sampled_from(NAMES[:3]).map("!{}".format) | counts(), min_size=1, max_size=5))
def test_a_conjunction_is_refused_only_if_nothing_could_make_it_true(parts: list[str]) -> None:
    text = " && ".join(parts)
    condition = compiled(text)
    possible = any(
        as_python(text, dict.fromkeys(NAMES, 0) | dict(zip(NAMES, numbers, strict=False)))
        for numbers in product(range(7), repeat=3)
    )
    if "!=" in text:  # then not all that is impossible is found
        assert possible or isinstance(condition, str) or condition.counts
    elif isinstance(condition, str) and "cannot be" in condition:
        assert not possible
    elif not isinstance(condition, str):
        assert possible


@given(st.text(max_size=40) | st.text("abd!&|()<>=0123count \n", max_size=40))
def test_any_text_compiles_or_is_refused_with_a_reason(text: str) -> None:
    assert compiled(text)


def test_an_absent_condition_asks_for_every_dependency() -> None:
    condition = compile_condition("", ["a", "dep.b", "1c"])
    assert condition.text == "a && dep.b && 1c"
    assert condition.requires_and
    assert not condition.evaluate(["a", "dep.b"])
    assert condition.evaluate(["1c", "a", "dep.b"])


def test_and_binds_stronger_than_or_and_not_stronger_than_and() -> None:
    condition = compile_condition("a || b-1 && d", NAMES)
    assert condition.evaluate(["a"])
    assert not condition.evaluate(["b-1"])
    assert condition.missing(["b-1"]) == ("a", "d")
    assert compile_condition("d && !a && b-1", NAMES).evaluate(["d", "b-1"])
    assert compile_condition("d && !(a && b-1)", NAMES).evaluate(["d", "b-1"])
    assert compile_condition("!(!a || !b-1)", NAMES).requires_and
    assert not compile_condition("d && !(a || b-1)", NAMES).evaluate(["d", "b-1"])


@pytest.mark.parametrize("names", [["dep.1", "dep.2"], ["1dep", "2"], ["true", "in"], ["a-.b", "_"], ["ä.ö-1", "x"]])
def test_a_name_is_a_name_with_and_without_quotes(names: list[str]) -> None:
    for text in (" && ".join(names), " && ".join(map("'{}'".format, names))):
        condition = compile_condition(text, names)
        assert condition.names == tuple(names)
        assert [condition.evaluate(names[:number]) for number in (0, 1, 2)] == [False, False, True]
    assert compile_condition(f"count({names[1]}) >= 2", names).evaluate([names[1]] * 2)


def test_a_dependency_may_be_called_count() -> None:
    condition = compile_condition("count && count(count) >= 2", ["count"])
    assert condition.evaluate(["count", "count"])
    assert not condition.evaluate(["count"])


@pytest.mark.parametrize("text", ["d && count(a) >= 1", "d && count(a) > 0", "d && count('a') != 0", "d && a"])
def test_a_count_that_asks_whether_there_is_one_is_the_name(text: str) -> None:
    condition = compile_condition(text, NAMES)
    assert not condition.counts
    assert condition.evaluate(["a", "d"])
    assert not condition.evaluate(["d"])


def test_argo_events_383_a_name_that_is_no_dependency_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConditionError, match=r"'build-dome'.*did you mean 'build-done'\? the dependencies are build-done, tests"):
        compile_condition("build-dome && tests", ["build-done", "tests"])


@pytest.mark.parametrize(
    "text", ["dep-a &&", "dep-a and dep-b", "!dep-a", "(dep-a || dep-b", "dep-a && dep-bb", "dep-a || !dep-b", "count(dep-a) < 2"]
)
def test_argo_events_383_what_could_never_start_a_trigger_rightly_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        compile_condition(text, ["dep-a", "dep-b"])


@pytest.mark.parametrize(
    "text",
    [
        "a &&", "&& a", "a b-1", "(a && d", "a && d)", "a & d", "a and d", "a == d", "true", "()", "a !", "a && !", "! && a", "a && 3",
        "count(a)", "count() >= 2", "count(a >= 2", "count(a) >=", "count(a) >= b", "count(a) => 2", "count(a) >= -1", "count(a) >= 2.5",
        "count(x) >= 2", "!count(a) >= 2", "count(a) >= 2 >= 1", f"count(a) >= {HIGHEST_COUNT + 1}", "count(a) >= 99999999999999999999",
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ConditionError):
        compile_condition(text, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "a && !a",
        "d && (a && !a)",
        "count(a) >= 3 && !a",
        "count(a) >= 3 && count(a) < 2",
        "a && count(a) == 0",
        "d || a && !(a || b-1)",
    ],
)
def test_what_can_never_be_is_refused_and_names_the_dependency(text: str) -> None:
    with pytest.raises(ConditionError, match="'a' what cannot be"):
        compile_condition(text, NAMES)


@pytest.mark.parametrize("text", ["d && count(a) >= 0", "d && count(a) < 0"])
def test_a_count_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConditionError, match=r"this is (always|never) true"):
        compile_condition(text, NAMES)


def test_nesting_and_length_are_bounded() -> None:
    with pytest.raises(ConditionError, match="nest deeper"):
        compile_condition("(" * 500 + "a" + ")" * 500, NAMES)
    with pytest.raises(ConditionError, match="nest deeper"):
        compile_condition("d && " + "!" * 500 + "a", NAMES)
    with pytest.raises(ConditionError, match=r"more than 10,000 words"):
        compile_condition(" && ".join(["a"] * 6000), NAMES)


def test_argo_events_1339_forty_nine_dependencies_are_one_comparison() -> None:
    names = [f"dependency-{number}" for number in range(49)]
    condition = compile_condition(" && ".join(names), names)
    assert not condition.root.inner
    assert not condition.evaluate(names[:-1])
    assert condition.evaluate(names)


def test_argo_events_1339_twenty_four_pairs_take_little_memory_and_hold_when_each_has_one() -> None:
    names = [f"d{number:02}" for number in range(1, 50)]
    text = " && ".join(f"({one} || {other})" for one, other in zip(names[::2], names[1::2], strict=False))
    tracemalloc.start()
    condition = compile_condition(text, names)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
    assert condition.evaluate(names[0:48:2])
    assert not condition.evaluate(names[0:46:2])


def test_argo_events_1339_a_condition_with_many_nots_loads_at_once() -> None:
    names = [f"d{number:02}" for number in range(1, 50)]
    text = names[0] + " && " + " && ".join(f"!({one} && {other})" for one, other in combinations(names[1:], 2))
    condition = compile_condition(text, names)  # by a truth table it would take years
    assert condition.evaluate(names[:2])
    assert not condition.evaluate(names[:3])
