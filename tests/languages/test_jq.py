"""jq against what gojq 0.12.19 answered (`gojq.jsonl`, made by running it), and against jq itself where the two agree."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import jq as real_jq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.errors import ScriptError
from tiphys.languages import jq

HERE = Path(__file__).parent
EVENT = (HERE / "script_event.json").read_bytes()
CASES = [json.loads(line) for line in (HERE / "gojq.jsonl").read_text("utf-8").split("\n") if line]


def run(program: str, data: Any = None) -> Any:
    return json.loads(jq.transform(program, EVENT if data is None else json.dumps(data).encode()))


def test_what_gojq_gives_is_given_and_what_it_refuses_is_refused() -> None:
    wrong = []
    for case in CASES:
        try:
            found: Any = {"gives": run(case["program"])}
        except ScriptError:
            found = {"errs": True}
        if found != {key: value for key, value in case.items() if key != "program"}:
            wrong.append((case, found))
    assert not wrong


def test_datadog_agent_54486_an_integer_beyond_2_to_the_53_survives_a_program_that_does_not_touch_it() -> None:
    data = b'{"body": {"id": 9007199254740993, "price": 1.10, "more": 123456789012345678901234567890}}'
    assert jq.transform(".body.seen = true", data) == (
        b'{"body":{"id":9007199254740993,"more":123456789012345678901234567890,"price":1.1,"seen":true}}'
    )


def test_integers_are_exact_in_arithmetic_and_floats_are_floats() -> None:
    assert jq.transform("{a: (.id + 1), b: (.id / 2), c: (.id * 10), d: (.x + 1)}", b'{"id": 9007199254740993, "x": 1.5}') == (
        b'{"a":9007199254740994,"b":4503599627370496,"c":90071992547409930,"d":2.5}'
    )


def test_the_output_is_written_as_go_writes_it() -> None:
    program = '{z: 1.0, a: "<b>&\u2028", n: 1e21, m: 1e-7, k: 1e20, f: (1/3)}'
    assert jq.transform(program, b"{}") == (
        b'{"a":"\\u003cb\\u003e\\u0026\\u2028","f":0.3333333333333333,"k":100000000000000000000,"m":1e-7,"n":1e+21,"z":1}'
    )


@pytest.mark.parametrize("data", [b"[1]", b"5", b'"a"', b"true", b"", b"bad", b"{} {}", b"[" * 100_000])
def test_data_that_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(ScriptError, match="the event's data"):
        jq.transform(".", data)


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        (".body.n", "of type number"),
        ("empty", "no output"),
        ("{a: nan}", "cannot be written as JSON"),
        ("{a: infinite}", "cannot be written as JSON"),
        ("{a: (1/0)}", "cannot divide"),
        ('error("boom")', "boom"),
        ("halt", "without an output"),
    ],
)
def test_what_is_no_object_in_the_end_is_an_error_that_says_so(program: str, problem: str) -> None:
    with pytest.raises(ScriptError, match=problem):
        jq.transform(program, EVENT)


@pytest.mark.parametrize(
    "program",
    [
        "{",
        "bad(",
        "foo",
        "$x",
        "input",
        "inputs",
        "input_line_number",
        "debug",
        "break $x",
        '"\\q"',
        '"x',
        "1 == 1 == 1",
        "",
        "# only",
    ],
)
def test_a_program_that_cannot_run_is_a_fault_at_load(program: str) -> None:
    assert jq.fault(program) is not None


@pytest.mark.parametrize("program", [".", "def f: f; f", "[range(1e12)]", "import_ = 1 | .", "(" * 20_000])
def test_a_fault_is_found_without_running_anything(program: str) -> None:
    found = jq.fault(program)
    assert found is None or isinstance(found, ScriptError)


def test_a_program_sees_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    assert run("{a: env, b: $ENV, c: $ENV.TOKEN}") == {"a": {}, "b": {}, "c": None}


def test_recursion_without_end_is_an_error() -> None:
    with pytest.raises(ScriptError, match="recurses"):
        jq.transform("def f: 1 + f; {a: f}", b"{}")


def test_a_text_may_hold_control_characters_comments_and_letters_of_any_script() -> None:
    assert run('{"ключ": "a\tb", b: "\\u00e9\\ud83d\\ude80" } # the end', {}) == {"ключ": "a\tb", "b": "é🚀"}


SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc_é", max_size=3), inner, max_size=4),
    max_leaves=12,
)
AGREED = [
    ".v | {r: .}",
    ".v | {r: [..]}",
    ".v | {r: [paths]}",
    ".v | {r: [.[]?]}",
    ".v | {r: tojson}",
    ".v | {r: ([.] | sort | unique)}",
    '.v | {r: (try (to_entries | sort_by(.key)) catch "no")}',
    '.v | {r: (try length catch "no")}',
    '.v | {r: (try keys catch "no")}',
    '.v | {r: (try (sort | reverse) catch "no")}',
    '.v | {r: (try group_by(type) catch "no")}',
    '.v | {r: (try flatten catch "no")}',
    '.v | {r: [.. | select(type == "number") | . + 1 | . % 7]}',
    ".v | {r: [.. | strings | ascii_upcase, length, utf8bytelength, explode]}",
    ".v | {r: [.. | strings | @uri, @base64, @html, @json]}",
    '.v | {r: (try map_values(type) catch "no")}',
    '.v | {r: (try (.[1:] |= .[:1]) catch "no")}',
    '.v | {r: walk(if type == "number" then . * 2 else . end)}',
    ".v | {r: [tostream]}",
    ".v | {r: (. as $v | [paths] | map(. as $p | $v | getpath($p)))}",
    ".v | {r: [limit(3; ..)], s: first(.., 1), t: isempty(.[]?)}",
    '.v | {r: [.[]? // 5, (.a? // "d")]}',
]


def sorted_deep(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sorted_deep(value[key]) for key in sorted(value)}
    return [sorted_deep(item) for item in value] if isinstance(value, list) else value


def test_a_place_in_a_text_is_a_path_that_cannot_be_deleted_as_in_gojq() -> None:
    # jq itself has no such path, and leaves the text as it is
    assert run('.v | {r: (try del(.[0]?, .a?) catch "no")}', {"v": ""}) == {"r": "no"}


@given(VALUES, st.sampled_from(AGREED))
def test_jq_says_the_same_where_jq_and_gojq_agree(value: Any, program: str) -> None:
    data = {"v": sorted_deep(value)}
    expected = real_jq.compile(program).input_value(data).first()
    assert run(program, data) == expected


@given(st.text(max_size=40))
def test_no_text_brings_the_reader_down(text: str) -> None:
    found = jq.fault(text)
    assert found is None or isinstance(found, ScriptError)


@given(st.text(st.sampled_from('.|,[]{}()abn01"\\?:;$+-*/=<> '), max_size=30), st.binary(max_size=30))
def test_no_data_brings_a_program_down(text: str, data: bytes) -> None:
    with contextlib.suppress(ScriptError):
        jq.transform(f"[limit(20; {text or '.'})] | {{r: .}}", data)


@pytest.mark.parametrize(
    "number", [0, 1, -1, 1.5, 1e15, 1e16, 123456789012345680.0, 1e20, 1e21, 1e-5, 1e-6, 1e-7, 5e-324, 1.7976931348623157e308]
)
def test_a_number_is_written_with_its_shortest_digits(number: float) -> None:
    text = jq.transform(".", json.dumps({"a": number}).encode())[5:-1].decode()
    assert float(text) == number
    assert ("e" in text) is (number != 0 and not 1e-6 <= abs(number) < 1e21)
