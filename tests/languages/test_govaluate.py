"""govaluate: what its 2017 release answers, as found by running it (https://github.com/Knetic/govaluate at 9aa49832a739)."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.errors import ExpressionError
from tiphys.languages import govaluate

PARAMETERS: dict[str, Any] = {
    "a": 10,
    "b": "hello",
    "c": True,
    "d": None,
    "e": [1, "x", None],
    "f": {"k": 1},
    "n": -3,
    "a b": 1,
    "x-y": 2,
    "big": 9007199254740993,
}


def evaluate(text: str) -> Any:
    return govaluate.compile(text).evaluate(PARAMETERS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a == 10", True), ("a + 1", 11.0), ("b + a", "hello10"), ("'x' + e", "x[1 x <nil>]"), ("'x' + f", "xmap[k:1]"),
        ("10 - 3 - 2", 5.0), ("2 ** 3 ** 2", 64.0), ("-2 ** 2", 4.0), ("7 % 4", 3.0), ("~a", -11.0), ("a & 6 | 1", 3.0),
        ("1 << 3", 8.0), ("-8 >> 1", 9.223372036854775804e18), ("0x1F", 31.0), (".5", 0.5), ("1 / 0", math.inf),
        ("a in (1, 10)", True), ("1 in e", True), ("b =~ '^h'", True), ("b !~ 'x'", True), ("c ? a : 1", 10.0),
        ("c ? 'a' : 'b' == 'b'", "a"), ("d ?? 'x'", "x"), ("false ? 1", None), ("true ? false ? 1 : 2 : 3", 2.0),
        ("(1, 2), 3", [1.0, 2.0, 3.0]), ("[a b] + x\\-y", 3.0), ("[x-y] == 2", True), ("1 == 1 == true", True),
        ("e == e", True), ("f == e", False), ("d == 0", False), ("c == 1", False), ("big == 9007199254740992", True),
    ],
)  # fmt: skip
def test_operators_literals_and_names(text: str, value: Any) -> None:
    found = evaluate(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("'2024-05-17T13:45:30Z'", 1715953530), ("'2024-05-17T13:45:30.25+02:00'", 1715946330),
        ("'2024-05-17T13Z'", 1715950800), ("'2024-05-17 1:45:30+00:00'", 1715910330),
        ("'Fri May 17 13:45:30 UTC 2024'", 1715953530), ("'Fri May 17 13:45:30 +0200 2024'", 1715946330),
        ("'3:04PM'", -62167164960), ("'12:04AM'", -62167218960),
    ],
)  # fmt: skip
def test_a_text_that_is_a_date_is_its_unix_time(text: str, seconds: int) -> None:
    assert evaluate(text) == float(seconds)


@pytest.mark.parametrize(
    "text", ["'13:45'", "'May 17, 2024'", "'2024-13-01'", "'2024-02-30'", "'13:04PM'", "'2024-05-17T25:00:00Z'"]
)
def test_a_text_that_is_nearly_a_date_stays_a_text(text: str) -> None:
    assert evaluate(text) == text.strip("'")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(a) b", 10.0), ("((a) b + 1)", 11.0), ("()", None), ("('x' + )", "x<nil>"), ("'a\\nb'", "anb"), ("'it\"", "it"),
        ("0x 1F", 31.0), ("false && a.B(1) || true", False), ("tr\\ue", True), ("a IN (10, 1)", True),
    ],
)  # fmt: skip
def test_its_oddities_are_kept(text: str, value: Any) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "ends where"), ("a ==", "ends where"), ("a = 1", "'=' is no operator"), ("a--1", "'--' is no operator"),
        ("a b", "unexpected 'b'"), ("a and c", "unexpected 'and'"), ("(a", "parentheses"), ("a.b", "no exported field"),
        ("a.", "ends in a dot"), ("f(1)", "no function f"), ("'x", "not closed"), ("[a", "not closed"),
        ("b =~ '('", "regular expression"), ("1.2.3", "no number"), ("0xfffffffffffffffff", "64 bits"),
        ("a \\", "backslash"), ("@a", "is no operator"), ("1 + '2024-01-01'", "unexpected"), ("a ? , 1", "unexpected"),
        ("!!c", "'!!' is no operator"),
    ],
)  # fmt: skip
def test_what_cannot_be_parsed_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError, match=problem) as caught:
        govaluate.compile(text)
    assert caught.value.text == text
    assert caught.value.offset is not None


@pytest.mark.parametrize(
    "text",
    [
        "nope", "b > 5", "c > 1", "1 < 2 < 3", "b && c", "a && c", "c && a", "!a", "-b", "~b", "a in 10", "b =~ 5",
        "5 =~ b", "b =~ b + '('", "a ? 1 : 2", "c + 1", "e + 1", "a.B", "f in (f, 1)", "1 + )(", "'a' - 1", "nil == nil",
    ],
)  # fmt: skip
def test_what_does_not_fit_is_an_error(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text)


def test_only_what_is_needed_is_asked_for() -> None:
    assert evaluate("a == 5 && nope == 1") is False
    assert evaluate("a == 10 || nope == 1") is True
    assert evaluate("a ?? nope") == 10.0
    assert evaluate("c ? 1 : nope") == 1.0


def test_the_variables_are_known_in_the_order_of_the_text() -> None:
    assert govaluate.compile("a > 5 && [x y] && a != b\\-c && true").variables == ("a", "x y", "a", "b-c")


def test_a_compiled_expression_is_kept() -> None:
    assert govaluate.compile("a == 1") is govaluate.compile("a == 1")


@pytest.mark.parametrize("text", ["(" * 5000 + "a" + ")" * 5000, "a" + " + a" * 3000, "1" + "," * 5000 + "2", "a" * 20_000])
def test_what_is_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text)


def test_a_long_chain_of_one_logical_operator_is_not_deep() -> None:
    assert evaluate(" || ".join(["a == 1"] * 1000)) is False


def test_texts_that_grow_and_lists_that_are_compared_have_bounds() -> None:
    parameters = {"s": "x" * 1_000_000, "l": [[0.0] * 1000] * 100}
    for text in (" + ".join("s" * 100), " && ".join(["l == l"] * 500)):
        with pytest.raises(ExpressionError):
            govaluate.compile(text).evaluate(parameters)


def test_values_that_nest_deeper_than_can_be_walked_are_an_error() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    other: Any = 1
    for _ in range(5000):
        other = [other]
    with pytest.raises(ExpressionError):
        govaluate.compile("a == b").evaluate({"a": deep, "b": other})


PIECES = st.sampled_from(
    [
        *PARAMETERS,
        "1",
        "0.5",
        "'x'",
        '"h"',
        "true",
        "(",
        ")",
        "+",
        "-",
        "*",
        "/",
        "%",
        "**",
        "&",
        "|",
        "^",
        "<<",
        ">>",
        "==",
        "!=",
        "<",
        ">=",
        "=~",
        "!~",
        "in",
        "&&",
        "||",
        "!",
        "~",
        "?",
        ":",
        "??",
        ",",
        "[a]",
        "\\",
        "'",
        "0x",
        ".",
    ]
)


@given(st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=30))
def test_any_text_is_evaluated_or_refused(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        evaluate(text)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_compared_and_joined_as_float64(a: float, b: float) -> None:
    parameters = {"a": a, "b": b}
    assert govaluate.compile("a < b").evaluate(parameters) is (a < b)
    assert govaluate.compile("a == b").evaluate(parameters) is (a == b)
    assert govaluate.compile("a + b").evaluate(parameters) == a + b
