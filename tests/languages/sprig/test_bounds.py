"""No function of sprig makes much out of little, takes long over a hostile value, or shows more than a template was given."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiphys.languages.golang.values import Function, GoError, LimitError
from tiphys.languages.sprig import FUNCTIONS, MAX_CHARACTERS, MAX_ITEMS, MAX_TEXT, REASONS, REFUSED


def call(name: str, *arguments: Any) -> Any:
    return FUNCTIONS[name].call(*arguments)


def doubled(times: int) -> list[Any]:
    """A list of lists with 2 ** times items on paper, and few in memory."""
    value: list[Any] = [1.0]
    for _ in range(times):
        value = [value, value]
    return value


def looped() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(sys.getrecursionlimit() * 2):
        value = [value]
    return value


LARGE: dict[str, tuple[Any, ...]] = {
    "repeat": (MAX_TEXT + 1, "a"),
    "indent": (MAX_TEXT, "a\nb"),
    "nindent": (MAX_TEXT, "a\nb"),
    "replace": ("a", "b" * 2000, "a" * 2000),
    "join": ("x" * 2000, [""] * 2000),
    "wrapWith": (1, "x" * 2000, "a" * 2000),
    "until": (MAX_ITEMS + 1,),
    "untilStep": (0, 1 << 62, 1),
    "seq": (1, 1 << 62),
    "randAlpha": (MAX_TEXT + 1,),
    "randBytes": (MAX_TEXT + 1,),
    "splitList": (",", "," * MAX_ITEMS),
    "regexFindAll": ("a", "a" * MAX_ITEMS, -1),
    "regexReplaceAll": ("", "a" * 2000, "b" * 2000),
    "regexReplaceAllLiteral": ("", "a" * 2000, "b" * 2000),
    "regexSplit": ("a", "a" * MAX_ITEMS, -1),
    "concat": ([1] * MAX_ITEMS, [1]),
    "title": ("a" * (MAX_CHARACTERS + 1),),
    "snakecase": ("a" * (MAX_CHARACTERS + 1),),
    "shuffle": ("a" * (MAX_CHARACTERS + 1),),
    "wrap": (1, "a " * (MAX_ITEMS + 10)),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_a_function_makes_is_bounded(name: str) -> None:
    with pytest.raises(GoError):
        call(name, *LARGE[name])


@pytest.mark.parametrize("name", ["toJson", "toPrettyJson", "toRawJson", "deepCopy", "uniq"])
@pytest.mark.parametrize("make", [lambda: doubled(40), looped, deep], ids=["doubled", "looped", "deep"])
def test_a_value_without_an_end_is_an_error(name: str, make: Any) -> None:
    value = make()
    with pytest.raises(GoError):
        call(name, [value] if name == "uniq" else value)


@pytest.mark.parametrize("make", [lambda: doubled(40), looped, deep], ids=["doubled", "looped", "deep"])
def test_values_without_an_end_are_not_compared_for_ever(make: Any) -> None:
    with pytest.raises(GoError):
        call("deepEqual", make(), make())


def test_a_map_that_contains_itself_is_not_merged_for_ever() -> None:
    with pytest.raises(GoError):
        call("merge", looped(), looped())


def test_a_text_that_is_large_already_may_be_as_large_afterwards() -> None:
    text = "ab\n" * MAX_TEXT
    assert call("replace", "a", "b", text) == text.replace("a", "b")
    assert call("upper", text) == text.upper()
    assert call("trim", text) == text.rstrip()


def test_a_limit_says_what_it_is() -> None:
    with pytest.raises(LimitError, match=re.escape("repeat would make a text of 2,097,152 bytes; at most 1,048,576 are made")):
        call("repeat", 2 * MAX_TEXT, "x")


def test_nothing_is_both_given_and_refused() -> None:
    assert not set(FUNCTIONS) & REFUSED
    assert set(REASONS) == REFUSED
    assert {"env", "expandenv", "getHostByName"} < REFUSED


def test_the_parameters_of_a_function_are_named_as_go_names_them() -> None:
    known = {
        "string", "int", "int64", "uint32", "float64", "bool", "interface{}", "[]interface{}", "map[string]interface{}", "time.Time",
        "sprig.certificate",
    }  # fmt: skip
    for function in FUNCTIONS.values():
        assert {parameter.removeprefix("...") for parameter in function.parameters} <= known, function.name
        assert not any(parameter.startswith("...") for parameter in function.parameters[:-1]), function.name


go_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=8) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
by_type: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=12) | st.binary(max_size=6).map(lambda data: data.decode("utf-8", "surrogateescape")),
    "int": st.integers(-3, 30) | st.integers(-(2**63), 2**63 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "float64": st.floats(),
    "bool": st.booleans(),
    "interface{}": go_values,
    "[]interface{}": st.lists(go_values, max_size=3),
    "map[string]interface{}": st.none() | st.dictionaries(st.text(max_size=4), go_values, max_size=3),
    "time.Time": st.integers(-(10**18), 10**18).map(lambda seconds: call("toDate", "2006", str(1 + seconds % 9998).zfill(4))),
}


def arguments(function: Function) -> st.SearchStrategy[tuple[Any, ...]]:
    fixed = [by_type[parameter] for parameter in function.parameters if not parameter.startswith("...")]
    more = [by_type[parameter[3:]] for parameter in function.parameters if parameter.startswith("...")]
    rest = st.lists(more[0], max_size=3).map(tuple) if more else st.just(())
    return st.tuples(st.tuples(*fixed), rest).map(lambda parts: (*parts[0], *parts[1]))


SLOW = {"derivePassword"}
ANY_CALL = st.sampled_from(
    [function for function in FUNCTIONS.values() if function.name not in SLOW and "sprig.certificate" not in function.parameters]
).flatmap(lambda function: st.tuples(st.just(function), arguments(function)))


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_CALL)
def test_whatever_a_function_is_given_it_answers_or_errs_as_go_does(asked: tuple[Function, tuple[Any, ...]]) -> None:
    function, given_to_it = asked
    try:
        function.call(*given_to_it)
    except GoError:
        return
