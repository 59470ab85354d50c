"""Lua against what gopher-lua 1.1.2 answered (`gopher_lua.jsonl`, made by running it), and what a script cannot do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.errors import ScriptError
from tiphys.languages import lua
from tiphys.languages.lua import running
from tiphys.languages.lua.translation import translated

HERE = Path(__file__).parent
EVENT = (HERE / "script_event.json").read_bytes()
CASES = [json.loads(line) for line in (HERE / "gopher_lua.jsonl").read_text("utf-8").split("\n") if line]


def run(script: str, data: Any = None) -> Any:
    return json.loads(lua.transform(script, EVENT if data is None else json.dumps(data).encode()))


def value(expression: str) -> Any:
    return run(f"return {{r = {expression}}}").get("r")


def test_what_gopher_lua_gives_is_given_and_what_it_refuses_is_refused() -> None:
    wrong = []
    for case in CASES:
        try:
            found: Any = {"gives": run(case["program"])}
        except ScriptError:
            found = {"errs": True}
        if found != {key: value for key, value in case.items() if key != "program"}:
            wrong.append((case, found))
    assert not wrong


@pytest.mark.parametrize(
    ("script", "passes"),
    [
        ("return true", True),
        ("return 1", False),
        ('return "true"', False),
        ("return", False),
        ("", False),
        ("return false, true", True),
    ],
)
def test_a_filter_passes_only_if_the_last_value_is_exactly_true(script: str, *, passes: bool) -> None:
    assert lua.filter(script, EVENT) is passes


@pytest.mark.parametrize("data", [b"[1]", b"5", b"true", b"", b"bad"])
def test_data_that_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(ScriptError, match="the event's data"):
        lua.filter("return true", data)


def test_null_is_an_empty_object_as_in_go() -> None:
    assert lua.filter("return next(event) == nil", b"null") is True


def test_nulls_and_lists_within_lists_do_not_come_over() -> None:
    data = {"a": None, "b": [1, None, [2], "x", {"c": [True]}], "d": [[1]], "e": []}
    assert run("return event", data) == {"b": [1, "x", {"c": [True]}], "d": {}, "e": {}}


def test_argo_events_3771_a_table_that_says_so_is_an_empty_list_and_one_that_does_not_is_an_object() -> None:
    script = """event.body.vars = setmetatable({}, { __is_array = true })
    event.body.opts = {}
    event.body.args = {"-v"}
    return event"""
    assert run(script, {"body": {"n": 1}}) == {"body": {"n": 1, "vars": [], "opts": {}, "args": ["-v"]}}


def test_the_output_is_written_as_go_writes_it() -> None:
    script = r'return {z = 1, a = "<&>\226\128\168\1\127", n = 1e21, m = 1e-7, k = 1e20, x = "\255\226\130"}'
    assert (
        lua.transform(script, b"{}")
        == (
            '{"a":"\\u003c\\u0026\\u003e\\u2028\\u0001\x7f","k":100000000000000000000,"m":1e-7,"n":1e+21,"x":"\ufffd\ufffd\ufffd","z":1}'
        ).encode()
    )


@pytest.mark.parametrize(
    "script", ["return 5", "return nil", "x = 1", "return {f = print}", "return {a = 0/0}", "return {a = 1/0}"]
)
def test_what_has_no_json_is_an_error(script: str) -> None:
    with pytest.raises(ScriptError):
        lua.transform(script, b"{}")


def test_a_table_that_contains_itself_is_an_error() -> None:
    with pytest.raises(ScriptError, match="contains itself"):
        lua.transform("local t = {} t.t = t return t", b"{}")


def test_an_error_names_the_line_of_the_script() -> None:
    with pytest.raises(ScriptError, match=r"<string>:3: attempt to concatenate a nil value"):
        lua.transform('local a\n\nreturn {r = "x" .. a .. "y"}', b"{}")


def test_numbers_are_joined_and_measured_as_gopher_lua_does() -> None:
    assert value('"id-" .. 123456789012345678') == "id-123456789012345680"
    assert value('0.1 + 0.2 .. "|" .. 1e15') == "0.30000000000000004|1000000000000000"
    assert value("#{[1] = 1, [3] = 3}") == 3
    assert value('#"a" + 1 .. -#{1, 2} .. ""') == "2-2"


@pytest.mark.parametrize(
    "script",
    [
        "local s = [[a .. b # c]] -- x .. y\nreturn {r = s .. \"--\" .. '#'}",
        'local t = {1, 2; x = "a" .. "b", ["y" .. 1] = #"abc"} return {r = t.x .. t.y1}',
        'local function f(...) return select("#", ...) .. "" end return {r = f(1, 2) .. f "x" .. f {}}',
        "for i = 1, #event do end local o = {m = function(self, a) return a .. self.n end, n = 1} return {r = o:m('z') .. 2 ^ 3 .. ''}",
        'if not ("a" .. "b" == "ab") then return {} elseif #"x" == 1 then return {r = "y"} else return {} end',
        'repeat local x = "a" .. 1 until x .. "" == "a1" goto e do end ::e:: return {r = #"e" .. ""}',
    ],
)
def test_a_script_that_joins_and_measures_is_translated_and_works(script: str) -> None:
    assert translated(script) is not None
    assert isinstance(run(script)["r"], str)


@pytest.mark.parametrize(
    "name", ["os.execute", "os.exit", "os.remove", "os.rename", "io.popen", "io.lines", "dofile", "require", "module"]
)
def test_the_ways_out_of_the_process_are_closed(name: str) -> None:
    with pytest.raises(ScriptError, match=r"not available|not found"):
        lua.filter(f"return {name}('x')", b"{}")


@pytest.mark.parametrize(
    "name", ["python", "ffi", "jit", "newproxy", "debug.getregistry", "debug.sethook", "debug.getupvalue", "package.loadlib"]
)
def test_what_would_reach_outside_the_script_is_not_there(name: str) -> None:
    assert lua.filter(f"return {name} == nil", b"{}") is True


def test_bytecode_is_not_taken() -> None:
    made = running._new(running._engine("lua51")).execute(b"return string.dump(loadstring('return 5'))")
    escaped = "".join(f"\\{byte:03}" for byte in made)
    assert lua.filter(f'return loadstring("{escaped}") == nil', b"{}") is True
    assert lua.filter(f'return load(coroutine.wrap(function() coroutine.yield("{escaped}") end)) == nil', b"{}") is True
    assert lua.filter(r'local f, e = loadstring("\27Lua") return f == nil and e ~= nil', b"{}") is True
    assert lua.filter(r'return load(coroutine.wrap(function() coroutine.yield("\27Lua") end)) == nil', b"{}") is True
    assert lua.fault("\x1bLua") is not None
    with pytest.raises(ScriptError, match="not available"):
        lua.filter("return string.dump(print)", b"{}")


def test_a_script_sees_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    assert lua.filter('return os.getenv("TOKEN") == nil', b"{}") is True


def test_nothing_stays_from_one_run_to_the_next() -> None:
    lua.filter('x = 1 string.upper = nil getmetatable("").__index = {} return true', b"{}")
    assert lua.filter('return x == nil and ("a"):upper() == "A"', b"{}") is True


def test_memory_has_a_bound_and_the_error_says_so() -> None:
    for script in (
        'local s = "x" while true do s = s .. s end',
        'return ("x"):rep(1e9) == nil',
        "local t = {} while true do t[#t + 1] = {} end",
    ):
        with pytest.raises(ScriptError, match="more than 8 MiB") as caught:
            lua.filter(script, b"{}", memory=8 << 20)
        assert caught.value.killed


@pytest.mark.parametrize(
    "script", ["syntax error here", "return 5 & 1", "if", "x = = 1", "return 'a", "goto nowhere", "for", "return 5 // 2"]
)
def test_a_script_that_does_not_compile_is_a_fault_at_load(script: str) -> None:
    assert lua.fault(script) is not None


@pytest.mark.parametrize("script", ["while true do end", "return true", "goto x ::x:: return true", "error('x')", " "])
def test_a_fault_is_found_without_running_anything(script: str) -> None:
    assert lua.fault(script) is None


def test_all_letters_with_two_cases_are_known() -> None:
    every = [chr(code) for code in range(128, sys.maxunicode + 1)]
    cased = {letter for letter in every if len(letter.lower()) == len(letter.upper()) == 1 and letter.lower() != letter.upper()}
    reached = {chr(code) for span in running._CASED for code in span}
    assert not cased - reached
    assert value('string.upper("äßпñ") .. string.lower("ÄŠПÑ")') == "ÄßПÑäšпñ"


@given(
    st.dictionaries(
        st.text('abc_é\n"', max_size=4),
        st.integers(-(2**53), 2**53)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
        | st.booleans(),
        max_size=6,
    )
)
def test_what_a_table_can_hold_comes_back_as_it_went(data: dict[str, Any]) -> None:
    found = lua.transform("return event", json.dumps({"body": data}).encode())
    assert json.loads(found, parse_int=float) == json.loads(json.dumps({"body": data}), parse_int=float)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_no_text_brings_the_reader_down(text: str) -> None:
    found = lua.fault(text)
    assert found is None or isinstance(found, ScriptError)
    translated(f"return 'a' .. {text}")
