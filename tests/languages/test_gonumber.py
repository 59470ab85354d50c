"""`strconv.ParseFloat` and `ParseBool`, as Go 1.26 answered."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.languages import gjson
from tiphys.languages.gonumber import parse_bool, parse_float


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10.0), ("-1.5e3", -1500.0), (".5", 0.5), ("5.", 5.0), ("+1", 1.0), ("1_000", 1000.0), ("1_0.5", 10.5), ("0x1_0p0", 16.0),
        ("0x_1p1", 2.0), ("1e1_0", 1e10), ("inf", math.inf), ("-Infinity", -math.inf), ("0x1p-2", 0.25),
    ],
)  # fmt: skip
def test_what_go_reads_as_a_number(text: str, value: float) -> None:
    assert parse_float(text) == value


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1__0", "_1", "1_", "0x10", "1e", "--1", "1,5", "ten", "1e999", "0x1p9999", "infin"]
)
def test_what_go_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no number|out of range"):
        parse_float(text)


def test_nan_is_a_number() -> None:
    assert math.isnan(parse_float("NaN"))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_read_back(value: float) -> None:
    assert parse_float(repr(value)) == value


@given(st.text(max_size=8))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        assert isinstance(parse_float(text), float)
    except ValueError as error:
        assert str(error)  # noqa: PT017  either is right


def test_twelve_spellings_are_booleans() -> None:
    assert [parse_bool(text) for text in ("1", "t", "T", "TRUE", "true", "True")] == [True] * 6
    assert [parse_bool(text) for text in ("0", "f", "F", "FALSE", "false", "False")] == [False] * 6
    for text in ("yes", "tRUE", "", "on"):
        with pytest.raises(ValueError, match="is no boolean"):
            parse_bool(text)


LONG = [
    "0" * 1_000_000 + "x",
    "1_" * 500_000,
    "0x" + "f" * 1_000_000 + "p1x",
    "1" * 500_000 + "." + "1" * 500_000 + "x",
    "1e" + "0" * 1_000_000 + "x",
]


@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
def test_a_text_that_is_nearly_a_number_is_gone_over_once(text: str) -> None:
    """Its digits were divided in every way: 16 KB in the place of a number took a data filter three seconds."""
    with pytest.raises(ValueError, match="is no number"):
        parse_float(text)
    assert gjson.compile("n").get(f'{{"n":"{text}"}}'.encode()).float == 0
