"""sjson: set then get gives the value, every other byte stays, and what cannot be set is an error and no damage."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.languages.test_gjson import paths_into
from tiphys.errors import PathError
from tiphys.languages import gjson, sjson


def set_(document: str | bytes, path: str, value: str = "v") -> str:
    return sjson.compile(path).set(document.encode() if isinstance(document, str) else document, value.encode()).decode()


PLAIN_KEYS = st.sampled_from(["a", "b", "c", "name", "0", "1", "3", "-1", ":0", "x-y"])


def is_last(steps: list[str]) -> bool:
    return any(step == "-1" for step in steps)


@given(
    st.recursive(
        st.integers() | st.text(max_size=4) | st.none(),
        lambda below: (
            st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c", "name", "0", "x-y"]), below, max_size=3)
        ),
        max_leaves=10,
    ),
    st.lists(PLAIN_KEYS, min_size=1, max_size=4),
    st.text(max_size=10),
)
def test_what_is_set_is_there_afterwards_and_the_text_is_json(document: Any, steps: list[str], value: str) -> None:
    text, path = json.dumps(document).encode(), ".".join(steps)
    try:
        made = sjson.compile(path).set(text, value.encode())
    except PathError:
        return

    assert gjson.valid(made)
    if not is_last(steps):
        assert gjson.compile(path.replace(":", "")).get(made).string == value


@given(paths_into(), st.sampled_from([b"1.50", b'{"k": [ 1 ]}', b"null", b'"x"']))
def test_a_value_is_replaced_and_every_other_byte_stays(found: tuple[bytes, list[str | int], Any], value: bytes) -> None:
    text, steps, _ = found
    keys = [str(step) for step in steps]
    if not keys or not all(key.replace("_", "").replace("-", "").isalnum() and key.isascii() for key in keys):
        return
    path = ".".join(keys)
    here = gjson.compile(path).get(text)

    made = sjson.compile(path).set_raw(text, value)

    assert made == text[: here.index] + value + text[here.index + len(here.raw) :]


def test_a_last_element_is_appended_and_missing_ones_are_null() -> None:
    assert set_('{"a":[1]}', "a.-1") == '{"a":[1,"v"]}'
    assert set_('{"a":[1]}', "a.3") == '{"a":[1,null,null,"v"]}'
    assert set_('{"a":[]}', "a.1") == '{"a":[null,"v"]}'
    assert set_("{}", "a.-1.b") == '{"a":[{"b":"v"}]}'
    assert set_("", "1") == '[null,"v"]'


def test_a_colon_makes_a_number_a_key_and_a_backslash_a_dot_part_of_it() -> None:
    assert set_("{}", "a.:7") == '{"a":{"7":"v"}}'
    assert set_("{}", r"metadata.annotations.x\.io/y") == '{"metadata":{"annotations":{"x.io/y":"v"}}}'
    assert set_(r'{"a.b":1}', r"a\.b") == '{"a.b":"v"}'


def test_a_query_replaces_what_it_finds_and_only_that() -> None:
    document = '{"p":[{"n":"a","v":1},{"n":"b","v":2},{"n":"b"}]}'

    assert set_(document, 'p.#(n=="b").v') == '{"p":[{"n":"a","v":1},{"n":"b","v":"v"},{"n":"b"}]}'
    assert set_(document, "p.#.v") == '{"p":[{"n":"a","v":"v"},{"n":"b","v":"v"},{"n":"b"}]}'
    assert set_(document, 'p.#(n=="c").v') == document
    assert set_(document, "p.*.v") == document


@pytest.mark.parametrize("path", ["#.#.n", '#.#(n=="b")#', "@pretty", "p|#.v", "p.#.{n,v}"])
def test_what_was_collected_from_several_levels_or_made_is_left_alone(path: str) -> None:
    for document in ('[[{"n":1},{"n":"b"}],[{"n":3}]]', '{"p":[{"n":"a","v":1},{"n":"b","v":2}]}'):
        assert gjson.valid(set_(document, path).encode())


@pytest.mark.parametrize(("document", "path"), [("[]", "a"), ('{"a":[]}', "a.b"), ('{"a":[1]}', "a.-2"), ("[]", ":0")])
def test_a_key_of_an_array_is_an_error(document: str, path: str) -> None:
    with pytest.raises(PathError, match="key"):
        set_(document, path)


@pytest.mark.parametrize("path", ["a.99999999999", "a.99999999999999999999999999", f"a.{sjson.MAX_PADDING + 1}", "b.10001.c"])
def test_an_index_far_beyond_an_array_is_an_error_and_takes_no_memory(path: str) -> None:
    with pytest.raises(PathError, match="nulls"):
        set_('{"a":[]}', path)


def test_an_index_within_a_long_array_is_none() -> None:
    document = json.dumps(list(range(sjson.MAX_PADDING + 10))).encode()

    assert json.loads(set_(document, str(sjson.MAX_PADDING + 5)))[sjson.MAX_PADDING + 5] == "v"


def test_an_empty_path_and_one_of_too_many_parts_are_refused() -> None:
    with pytest.raises(PathError, match="empty"):
        sjson.compile("")
    with pytest.raises(PathError, match="parts"):
        sjson.compile(".".join("a" * (sjson.MAX_KEYS + 1)))


def test_a_string_that_needs_no_escapes_keeps_its_angle_brackets_as_there() -> None:
    assert set_("{}", "a", "<b>") == '{"a":"<b>"}'
    assert set_("{}", "a", '<b>"') == '{"a":"\\u003cb\\u003e\\""}'


@given(st.binary(max_size=40), st.text(alphabet='ab01.-:\\#*@|(){}[]"=', min_size=1, max_size=20))
def test_no_path_crashes_on_any_bytes(document: bytes, path: str) -> None:
    try:
        place = sjson.compile(path)
        place.set(document, b"v")
        place.set_raw(document, b"1")
    except PathError:
        pass
