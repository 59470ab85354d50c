"""JSON that Go takes and orjson does not, and what neither takes."""

from __future__ import annotations

import json
import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.bus.event import NOT_JSON, Event
from tiphys.errors import JsonError
from tiphys.languages import gojson


def test_a_lone_surrogate_reads_as_the_replacement_character() -> None:
    assert gojson.loads(b'{"\\ud800":["\\udc00x"],"pair":"\\ud83d\\ude80"}') == {"\ufffd": ["\ufffdx"], "pair": "🚀"}


def test_bytes_that_are_not_utf8_read_as_the_replacement_character() -> None:
    assert gojson.loads(b'{"a":"\xff\xfe"}') == {"a": "\ufffd\ufffd"}


def test_a_number_beyond_a_double_is_infinite() -> None:
    assert gojson.loads(b"[1e400, -1e400]") == [math.inf, -math.inf]


@pytest.mark.parametrize(
    "text", [b"", b" ", b"NaN", b"Infinity", b"-Infinity", b"[1,]", b"{'a':1}", b"1 2", b'"\x01"', b"\xef\xbb\xbf{}", b"\xff"]
)
def test_what_go_refuses_is_refused(text: bytes) -> None:
    with pytest.raises(JsonError):
        gojson.loads(text)


def test_depth_is_an_error_and_no_crash() -> None:
    with pytest.raises(JsonError):
        gojson.loads(b"[" * 100_000 + b"]" * 100_000)


def test_an_event_whose_data_only_go_understands_has_a_payload() -> None:
    def payload(data: bytes) -> object:
        return Event("i", "s", "t", "e", "n", data).payload

    assert payload(b'{"a":"\\ud800"}') == {"a": "\ufffd"}
    assert payload(b"plain text") is NOT_JSON


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_it_agrees_with_orjson_wherever_orjson_has_an_answer(value: object) -> None:
    text = json.dumps(value).encode()
    try:
        expected = orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    assert gojson.loads(text) == expected


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    try:
        gojson.loads(data)
    except JsonError:
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(data)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_is_bounded_whatever_the_interpreter_would_bear(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    deep = opening * 1025 + "1" + closing * 1025
    with pytest.raises(JsonError, match="nested too deeply"):
        gojson.loads(deep.encode())


def test_brackets_within_strings_do_not_nest() -> None:
    assert gojson.loads(b'"' + b"[" * 5000 + b'\\"{"') == "[" * 5000 + '"{'


@pytest.mark.parametrize(
    "text",
    [b'"' + b'\\"' * 2_000_000, b'{"a":"' + b"\\\\" * 2_000_000 + b"\\", b'["' * 500_000, b'"' + b"\xff" * 4_000_000],
    ids=range(4),
)
def test_a_string_that_never_ends_is_gone_over_once(text: bytes) -> None:
    """It was looked for anew at each escaped quote: 1 MB took the better part of an hour."""
    with pytest.raises(JsonError):
        gojson.loads(text)


def test_many_lone_surrogates_and_bytes_that_are_not_utf8_are_read() -> None:
    assert gojson.loads(b'"' + b"\\ud800" * 500_000 + b'"') == "\ufffd" * 500_000
    assert gojson.loads(b'"' + b"\xff" * 2_000_000 + b'"') == "\ufffd" * 2_000_000
    assert gojson.loads(b'["\\ud83d\\ude00", "\\ude00\\ud83d", "\\ud83dx"]') == ["\U0001f600", "\ufffd\ufffd", "\ufffdx"]
