"""gjson paths: the laws, an oracle on the shared subset, and what must never happen. The cases of gjson itself are in tests/golden."""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import Any

import orjson
import pygjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.errors import PathError
from tiphys.languages import gjson
from tiphys.languages.gjson import scan

KEYS = st.sampled_from(["a", "b", "name", "ref", "x_y", "é", "a b", "", "0", "1", "T-1"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
DOCUMENTS = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=4) | st.dictionaries(KEYS, below, max_size=4), max_leaves=20
)
CONTAINERS = st.lists(DOCUMENTS, max_size=4) | st.dictionaries(KEYS, DOCUMENTS, max_size=4)


def get(document: bytes | str, path: str) -> gjson.Result:
    return gjson.compile(path).get(document.encode() if isinstance(document, str) else document)


def escaped(key: str) -> str:
    return re.sub(r"([^\w -])", r"\\\1", key)


@st.composite
def written(draw: st.DrawFn) -> tuple[Any, bytes]:
    """A document and a text of it, with spaces and escapes as they come."""
    document = draw(CONTAINERS)
    text = json.dumps(document, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))
    return document, text.encode("utf-8", "surrogatepass")


@st.composite
def paths_into(draw: st.DrawFn) -> tuple[bytes, list[str | int], Any]:
    """A text, and the keys and indices that lead to a value in it."""
    document, text = draw(written())
    steps: list[str | int] = []
    value = document
    while isinstance(value, list | dict) and value and draw(st.booleans()):
        steps.append(draw(st.sampled_from(range(len(value)) if isinstance(value, list) else sorted(value))))
        value = value[steps[-1]]
    return text, steps, value


def as_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@given(paths_into())
def test_a_path_of_keys_and_indices_finds_the_value_and_the_text_that_stands_there(
    found: tuple[bytes, list[str | int], Any],
) -> None:
    text, steps, value = found
    if steps in ([], [""]):
        return

    result = get(text, ".".join(escaped(str(step)) for step in steps))

    assert result.exists
    assert json.loads(result.raw) == value
    assert result.value == as_floats(value)
    assert text[result.index : result.index + len(result.raw)] == result.raw


@given(written(), st.lists(st.sampled_from(["a", "b", "name", "ref", "T-1", "0", "1", "2", "x_y", "none"]), min_size=1, max_size=4))
def test_the_quick_way_answers_as_the_text_does(document: tuple[Any, bytes], keys: list[str]) -> None:
    text, path = document[1], gjson.compile(".".join(keys))
    try:
        payload = orjson.loads(text)
    except orjson.JSONDecodeError:
        payload = object()

    quick, slow = path.get_from(payload, text), path.get(text)

    assert (quick.type, quick.raw, quick.string, quick.index) == (slow.type, slow.raw, slow.string, slow.index)


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":1,"\\u0061":2}',
        '{"\\u0061":2,"a":1}',
        '{"x":{"a":1},"a":2}',
        '{"a":{"b":1},"a":{}}',
        '{"a":{"b":1},"a":{"c":"b"}}',
        '{"x":"a","a":2}',
        '{"a":1.50}',
        '{"a":1e21}',
        '{"a":9007199254740993}',
        '{"a":-0}',
        '{"a":{"b": [1]}}',
        '{"a":"\\/"}',
        '{"a":null}',
        '{"b":1}',
        '["a"]',
        '{"a" : [ 10 ,20]}',
        '{"x":"\\"a\\":7","a":1}',
    ],
)
@pytest.mark.parametrize("path", ["a", "a.0", "a.b", "x.a"])
def test_the_quick_way_answers_as_the_text_does_where_that_is_not_obvious(text: str, path: str) -> None:
    compiled, data = gjson.compile(path), text.encode()

    quick, slow = compiled.get_from(orjson.loads(data), data), compiled.get(data)

    assert (quick.exists, quick.type, quick.raw, quick.string) == (slow.exists, slow.type, slow.raw, slow.string)


def test_the_quick_way_does_not_go_through_the_text_before_the_value() -> None:
    data = b'{"big":' + b"[" * 500 + b"]" * 500 + b',"a":{"b":1.50}}'

    result = gjson.compile("a.b").get_from(orjson.loads(data), data)

    assert (result.raw, result.index) == (b"1.50", data.index(b"1.50"))


# the one in Rust tries only the first key that a wildcard matches, misreads surrogate pairs, and may look into the child of a failed match
SHARED = st.sampled_from(["a", "name", "0", "1", "#", "#(a==1)", "#(a>0)#", '#(name=="x")', "@this"])


@given(written(), st.lists(SHARED, min_size=1, max_size=3))
def test_what_a_path_finds_gjson_in_rust_finds_too(document: tuple[Any, bytes], parts: list[str]) -> None:
    text, path = document[1], ".".join(parts)
    ours = get(text, path)
    if not ours.exists or b"\\u" in text:
        return

    theirs = pygjson.get(text.decode("utf-8", "replace"), path)

    assert theirs.exists()
    if ours.type is not gjson.Type.JSON:
        assert theirs.value == ours.value


@pytest.mark.parametrize(
    ("number", "string"),
    [
        ("1.50", "1.5"),
        ("1e21", "1000000000000000000000"),
        ("9007199254740993", "9007199254740993"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("-0", "-0"),
        ("0.0000001", "0.0000001"),
        ("1e400", "+Inf"),
    ],
)
def test_a_number_keeps_its_text_and_its_string_form_is_go_s(number: str, string: str) -> None:
    result = get(f'{{"n":{number}}}', "n")

    assert (result.raw, result.string) == (number.encode(), string)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1_000", 1000.0),
        ("0x1p4", 16.0),
        ("0x_1p4", 16.0),
        ("1__0", 0.0),
        ("_1", 0.0),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        (" 1", 0.0),
        ("1e", 0.0),
        ("١", 0.0),
    ],
)
def test_a_string_is_the_number_that_go_reads_in_it_or_0(text: str, number: float) -> None:
    assert get(json.dumps({"s": text}), "s").float == number


def test_of_equal_keys_the_first_counts_by_path_and_in_the_value() -> None:
    document = '{"a":1,"a":{"b":2}}'

    assert get(document, "a").value == 1
    assert get(document, "a.b").value == 2
    assert get(document, "@this").value == {"a": 1.0}


def test_a_lone_surrogate_and_a_byte_that_is_not_utf8_show_as_the_replacement_character() -> None:
    assert get('{"a":"\\ud800x"}', "a").string == "\ufffdx"
    assert get('{"a":["\\ud800x"]}', "a").value == ["\ufffdx"]
    assert get('{"a":["\\ud83d\\ude00"]}', "a").value == ["\U0001f600"]
    assert get(b'{"a":"\xe6\x97x"}', "a").string == "\ufffd\ufffdx"


@given(st.text(alphabet="ab*?\\é", max_size=8), st.text(alphabet="abé\\", max_size=8))
def test_a_wildcard_answers_as_a_regular_expression_does(pattern: str, text: str) -> None:
    if "\\" in pattern:
        return
    expression = "".join(".*" if character == "*" else "." if character == "?" else re.escape(character) for character in pattern)
    query = gjson.compile(f"#(%{json.dumps(pattern, ensure_ascii=False)})")

    found = query.get(json.dumps([text]).encode()).exists

    assert found == (re.fullmatch(expression, text, re.DOTALL) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*a*b*", "ba", False),
        ("a\\\\*", "a\\b", True),
        ("\\\\*", "*", False),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("?", "日", True),
        ("", "", True),
    ],
)
def test_a_wildcard_takes_no_character_twice_and_knows_escapes(pattern: str, text: str, fits: bool) -> None:
    query = f"#(%{json.dumps(pattern, ensure_ascii=False)})"

    assert get(json.dumps([text]), query).exists == fits


@given(st.binary(max_size=60), st.text(alphabet='ab01.#*?@|(){}[]!:"\\=<>%~,', max_size=30))
def test_no_path_crashes_on_any_bytes(data: bytes, path: str) -> None:
    result = get(data, path)

    assert isinstance(result.string, str)
    assert isinstance(result.float, float)
    assert isinstance(result.bool, bool)
    json.dumps(result.value)


@given(
    st.text(alphabet='{}[]",:ab01\\ntfu.e-', max_size=60),
    st.lists(
        st.sampled_from(
            [
                "a",
                "#",
                "0",
                "*",
                "#(a)#",
                "@reverse",
                "@flatten",
                "@join",
                "@pretty",
                "@ugly",
                "@group",
                "@dig:a",
                "[a,b]",
                "{a}",
                "..#",
            ]
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_no_modifier_crashes_on_text_that_is_nearly_json(text: str, parts: list[str]) -> None:
    get(text, "|".join(parts)).value  # noqa: B018  it is computed when asked for


HOSTILE = {
    "arrays": b"[" * 100_000,
    "closed arrays": b"[" * 50_000 + b"]" * 50_000,
    "objects": b'{"a":' * 50_000,
    "quotes": b'{"a":' + b'"' * 100_001,
    "backslashes": b'{"' + b"\\" * 100_001,
    "parentheses": b'{"a":' + b"(" * 100_000,
    "a long number": b'{"a":' + b"9" * 100_000 + b"}",
}
COSTLY = [
    *("a", "a.a.a.b", "*.*.*", "#.#.#", "..#", "#(#(#(#(a==1))))#", "*a*a*a*a*a*a*a*b"),
    *("@this", "@pretty", "@ugly", "@reverse", '@flatten:{"deep":true}', "@dig:x", "@dig:*", "@group", "@keys"),
    *(
        "@tostr" + "|@tostr" * 100,
        "[@this,@this]|" * 60 + "@this",
        "#." * 1000 + "a",
        "#(" * 3000,
        "." * 16_000,
        "{" * 5000,
        "9" * 5000,
    ),
]


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("path", COSTLY, ids=lambda path: path[:20])
def test_hostile_documents_and_paths_end_in_an_answer_or_a_path_error(document: bytes, path: str) -> None:
    with contextlib.suppress(PathError):
        get(document, path).value  # noqa: B018  it is computed when asked for


def test_a_path_that_is_too_long_is_refused() -> None:
    with pytest.raises(PathError, match="longer than"):
        gjson.compile("a" * (gjson.MAX_PATH + 1))


@pytest.mark.parametrize("path", ["a.#(b==1", "#(b", "{a,b", "[a,b]x", "a|#[b==1"])
def test_a_query_or_multipath_that_is_never_closed_is_a_flaw(path: str) -> None:
    assert gjson.compile(path).flaw


@pytest.mark.parametrize("path", ["a.#(b==1).c", '#(b=="x)")#.y', "{a,b}", "[a,b].0", "@type", "a.@pretty", "a#(b", ""])
def test_a_path_that_means_what_it_says_has_no_flaw(path: str) -> None:
    assert gjson.compile(path).flaw == ""


def test_a_string_from_elsewhere_converts_as_one_from_a_document() -> None:
    result = gjson.Result.of_string('10"')

    assert (result.exists, result.type, result.string, result.float) == (True, gjson.Type.STRING, '10"', 0.0)
    assert json.loads(result.raw) == '10"'


@given(DOCUMENTS)
def test_valid_says_what_is_json(document: Any) -> None:
    text = json.dumps(document).encode()

    assert gjson.valid(text)
    assert gjson.valid(b"[" * 2000 + text + b"]" * 2000)
    assert not gjson.valid(b"[" * 2000 + text + b"]" * 1999)
    assert not gjson.valid(text + b",")


@pytest.mark.parametrize("text", [b'"\\ud800"', b'["\xff"]', b"1e400", b'{"a":[1e400,{}],"b":{"c":[]}}'])
def test_what_go_calls_valid_and_orjson_does_not_is_valid(text: bytes) -> None:
    assert gjson.valid(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[1e400,]",
        b"{1e400:1}",
        b'{"a":1e400,}',
        b"[1e400}",
        b"[1e400 1]",
        b'{"a" 1e400}',
        b"1e400 1",
        b"01e400",
        b"nul",
        b'"\\ud80"',
        b'{"a":1e400',
    ],
)
def test_what_is_no_json_is_not_valid(text: bytes) -> None:
    assert not gjson.valid(text)


def decoded_or_searched(path: str, text: bytes) -> Any:
    """What the decoded document says, and where it is not sure what the text says, by `decoded_in` and by `value_in`."""
    compiled = gjson.compile(path)
    document = gjson.Document(orjson.loads(text), text)
    results = [compiled.decoded_in(document) for _ in range(4)]  # the first are found another way than the later ones
    found = compiled.get(text)
    expected = found.value if found.exists else gjson.NO_VALUE
    for result in results:
        if isinstance(result, dict | list):
            assert found.type is gjson.Type.JSON
            assert not document.distinct or as_floats(result) == expected
            assert not document.canonical or orjson.dumps(result) == found.raw
        elif result is not gjson.UNSURE:
            assert (result, type(result)) == (expected, type(expected)) or (type(result) is int and result == expected)
    value = compiled.value_in(document)
    assert value == expected
    assert str(value) == str(expected) or isinstance(value, dict | list)
    return results[-1]


QUERIES = ['#(a=="a")', "#(a==b).b", '#(a.b="0")', '#(a=="none")', 'b.#(a=="1").a', '#(ref=="").a', '#(a=="é")']


@given(written(), st.lists(st.sampled_from(["a", "b", "name", "ref", "T-1", "0", "1", "x_y"]), min_size=1, max_size=4))
def test_the_decoded_document_answers_as_the_text_does_or_is_unsure(document: tuple[Any, bytes], keys: list[str]) -> None:
    try:
        orjson.loads(document[1])
    except orjson.JSONDecodeError:
        return
    decoded_or_searched(".".join(keys), document[1])


json_lists = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["a", "b", "0", "", "é", '":', "1"]) | st.floats(-2, 2),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "ref"]), inner, max_size=3),
    max_leaves=20,
)


@given(json_lists, st.sampled_from(QUERIES), st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]))
def test_a_query_for_a_text_answers_as_the_text_does(value: Any, path: str, separators: tuple[str, str]) -> None:
    decoded_or_searched(path, json.dumps(value, separators=separators, ensure_ascii=False).encode())


def test_the_decoded_document_is_sure_of_what_users_ask_for() -> None:
    text = b'{"body":{"ref":"refs/heads/main","n":3,"labels":[{"name":"a","id":1},{"name":"b","id":2}],"name":"x"}}'
    found = [
        decoded_or_searched(path, text) for path in ("body.ref", "body.n", 'body.labels.#(name=="b").id', "body.name", "body.no")
    ]
    assert found == ["refs/heads/main", 3, 2, "x", gjson.NO_VALUE]


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":1,"a":2,"b" :3}',
        '{"a":{"b":1},"a":{"c":2}}',
        '{"a":{"c":2},"a":{"b":1}}',
        '{"a":1,"\\u0061":2}',
        '{"x":"\\":","a":1,"a":2}',
        '{"x":"\\u0022:","a":1,"a":2}',
        '{"a":-0}',
        '{"a":[-0,0]}',
        '{"a":1e5,"b":12345678901234567890123}',
        '{"a":"\\ud800"}',
        '[{"a":"x","a":"y","b":1},{"a":"y","b":2}]',
        '[{"a":1,"b":1},{"a":"y","b":2}]',
        '[{"a":1,"b":1},{"a":"1","b":2}]',
        '[{"a":true,"b":1},{"a":"true","b":2}]',
    ],
)
@pytest.mark.parametrize("path", ["a", "a.b", "b", '#(a=="y").b', '#(a=="x")', '#(a=="1").b', "#(a==true).b", "a.0", "0.a"])
def test_the_decoded_document_is_not_sure_of_more_than_the_text_says(text: str, path: str) -> None:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    decoded_or_searched(path, text.encode())


@given(
    st.lists(
        st.sampled_from(
            [*rb"a \n \u0041 \ud83d\ude00 \ud800 \ \q \" \/ \u12 \\ \udc00 \u0000".split(b" "), b"\x01", b"\xff", b'"']
        ),
        max_size=8,
    )
)
def test_the_quick_way_of_reading_escapes_says_what_the_slow_one_does(parts: list[bytes]) -> None:
    text = b"".join(parts)
    assert scan.unescape(text) == scan._unescape(text)


TOKENS = rb'1 -0.5 1e400 "a" true null [ ] { } , : "k": 01 NaN "\ud800" "\u12"'.split(b" ")


@given(st.lists(st.sampled_from([*TOKENS, b" ", b"\n"]), max_size=9))
def test_what_is_valid_is_what_pythons_own_reader_takes_but_for_its_constants(tokens: list[bytes]) -> None:
    def refuse(name: str) -> float:
        raise ValueError(name)

    text = b"".join(tokens)
    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        assert not gjson.valid(text)
    else:
        assert gjson.valid(text)
