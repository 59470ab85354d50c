"""Header names and forms as Go reads them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource.ingress.forms import FormFault, parse_form
from eventsource.ingress.headers import MASK, canonical, masked


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"x-GITHUB-event", "X-Github-Event"),
        (b"X_UNDER", "X_under"),
        (b"content-type", "Content-Type"),
        (b"x-1a-b", "X-1a-B"),
        (b"x--y", "X--Y"),
        (b"etag", "Etag"),
    ],
)
def test_names_are_in_canonical_mime_form(sent: bytes, shown: str) -> None:
    assert canonical(sent) == shown


def test_authorization_is_masked_in_an_event_and_nowhere_else() -> None:
    headers = {"Authorization": ["Bearer x", "y"], "Authorization-X": ["z"]}
    text = masked(headers)
    assert orjson.loads(text) == {"Authorization": [MASK], "Authorization-X": ["z"]}
    assert b"Bearer" not in text
    assert headers["Authorization"] == ["Bearer x", "y"]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (b"", {}),
        (b"&&", {}),
        (b"a", {"a": [""]}),
        (b"=x", {"": ["x"]}),
        (b"a=1&b=x+y&a=2&c=%C3%A9&d", {"a": ["1", "2"], "b": ["x y"], "c": ["é"], "d": [""]}),
        (b"a[0]=1", {"a[0]": ["1"]}),
        (b"a=%ff", {"a": ["\ufffd"]}),
        (b"a=b=c", {"a": ["b=c"]}),
    ],
)
def test_forms_are_read_as_by_go(text: bytes, fields: dict[str, list[str]]) -> None:
    assert parse_form(text) == fields


@pytest.mark.parametrize("text", [b"a=%zz", b"a=%", b"a=%1", b"a=1;b=2"])
def test_a_bad_escape_or_a_semicolon_is_a_fault_and_left_out_of_a_query(text: bytes) -> None:
    with pytest.raises(FormFault):
        parse_form(text)
    assert parse_form(b"x=1&" + text, strict=False) == {"x": ["1"]}


def test_a_form_of_too_many_fields_is_refused_before_it_is_split() -> None:
    with pytest.raises(FormFault):
        parse_form(b"a&" * 10_000)
    assert len(parse_form(b"a&" * 9_999)["a"]) == 9_999


@given(st.dictionaries(st.text(), st.lists(st.text(), min_size=1, max_size=3), max_size=5))
def test_what_is_encoded_is_decoded(fields: dict[str, list[str]]) -> None:
    text = urlencode(fields, doseq=True, errors="replace")
    assert parse_form(text.encode()) == parse_qs(text, keep_blank_values=True)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_form_or_a_fault(text: bytes, strict: bool) -> None:
    try:
        parse_form(text, strict=strict)
    except FormFault:
        assert strict
