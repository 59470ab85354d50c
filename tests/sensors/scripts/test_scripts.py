"""The pool and its worker processes: real processes, real limits."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sensors.scripts import Program, Scripts, ScriptSettings
from tiphys.errors import ScriptError, ScriptsUnavailable

EVENT = b'{"body": {"n": 10, "s": "hello"}}'
TRUE = Program("lua-filter", "return event.body.n == 10")
IDENTITY = Program("jq", ".")
SMALL = ScriptSettings(time=0.3, memory=64 << 20, output=1 << 20, workers=1, most=1)


@pytest.fixture
async def scripts() -> AsyncIterator[Scripts]:
    async with Scripts(SMALL) as pool:
        yield pool


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while alive(pid):
            await asyncio.sleep(0.01)


async def test_nothing_is_started_before_the_first_call(scripts: Scripts) -> None:
    assert scripts.pids == []
    assert await scripts.run(TRUE, EVENT) is True
    assert len(scripts.pids) == 1


async def test_a_filter_gives_a_boolean_and_a_transform_json(scripts: Scripts) -> None:
    assert await scripts.run(Program("lua-filter", "return 1"), EVENT) is False
    assert await scripts.run(Program("lua-transform", "return {a = event.body.n}"), EVENT) == b'{"a":10}'
    assert await scripts.run(Program("jq", "{a: .body.n}"), EVENT) == b'{"a":10}'


async def test_an_error_of_a_script_leaves_its_worker_alone(scripts: Scripts) -> None:
    await scripts.run(TRUE, EVENT)
    before = scripts.pids
    with pytest.raises(ScriptError, match="boom") as caught:
        await scripts.run(Program("lua-filter", "error('boom')"), EVENT)
    assert not caught.value.killed
    assert caught.value.text == "error('boom')"
    assert scripts.pids == before


HOSTILE = {
    "a loop": ("longer", Program("lua-filter", "while true do end")),
    "a loop within pcall": ("longer", Program("lua-filter", "while true do pcall(function() while true do end end) end")),
    "a pattern that backtracks": ("longer", Program("lua-filter", 'return ("a"):rep(1e6):find(".-.-.-.-b")')),
    "an index that never answers": (
        "longer",
        Program("lua-filter", "setmetatable(_G, {__index = function() while true do end end}) return x"),
    ),
    "a text that doubles": ("memory", Program("lua-filter", 'local s = "x" while true do s = s .. s end')),
    "a memory error that is caught": (
        "longer",
        Program("lua-filter", 'while true do pcall(function() local s = "x" while true do s = s .. s end end) end'),
    ),
    "an output too long": ("bytes", Program("lua-transform", 'return {a = ("x"):rep(3e6)}')),
    "a list without end": ("longer|memory", Program("jq", "[range(1e12)]")),
    "a repetition": ("longer|memory", Program("jq", "[repeat(1)]")),
    "a recursion of values": ("longer|memory", Program("jq", "[recurse(.)]")),
    "a last of many": ("longer", Program("jq", "{a: last(range(1e12))}")),
    "a number that squares": ("longer|memory", Program("jq", "reduce range(1e9) as $i (2; . * .) | {a: .}")),
    "a long text": ("memory", Program("jq", '{a: ("x" * 1e9)}')),
    "a far place": ("memory", Program("jq", ".a[500000000] = 1")),
    "a long output": ("bytes", Program("jq", '{a: ("x" * 3e6)}')),
}


@pytest.mark.parametrize(("why", "program"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_script_beyond_a_limit_is_killed_and_the_next_call_works(scripts: Scripts, why: str, program: Program) -> None:
    await scripts.run(TRUE, EVENT)
    (before,) = scripts.pids
    with pytest.raises(ScriptError, match=why) as caught:
        await scripts.run(program, EVENT)
    assert caught.value.killed
    assert await scripts.run(TRUE, EVENT) is True
    assert scripts.pids != [before]
    await until_gone(before)


@pytest.mark.parametrize(
    ("program", "data"),
    [
        (Program("jq", "def f: f; f"), EVENT),
        (Program("jq", "reduce range(30000) as $i (null; [.]) | {a: .}"), EVENT),
        (Program("jq", "."), b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
        (Program("jq", "."), b'{"a": NaN}'),
        (Program("jq", "{a: nan}"), EVENT),
        (Program("jq", "("), EVENT),
        (Program("lua-transform", "local t = {} for i = 1, 1e5 do t = {t} end return t"), EVENT),
        (Program("lua-transform", "return {[60000000] = 1}"), EVENT),
        (Program("lua-filter", "local function f() return 1 + f() end return f()"), EVENT),
        (Program("lua-filter", "return " + "(" * 5000 + "1" + ")" * 5000), EVENT),
        (Program("lua-filter", 'return string.format("%99999999d", 1)'), EVENT),
        (Program("lua-filter", "\udcff"), EVENT),
        (Program("lua-filter", "return true"), b"\xff\xfe"),
    ],
)
async def test_hostile_input_is_an_error_and_the_next_call_works(scripts: Scripts, program: Program, data: bytes) -> None:
    with pytest.raises(ScriptError):
        await scripts.run(program, data)
    assert await scripts.run(TRUE, EVENT) is True


@pytest.mark.parametrize("program", [IDENTITY, Program("lua-transform", "return event")])
async def test_an_event_of_a_mebibyte_goes_through(program: Program) -> None:
    data = json.dumps({"a": "x" * (1 << 20), "b": "\ud83d\ude00"}).encode()
    async with Scripts() as pool:
        found = await pool.run(program, data)
    assert isinstance(found, bytes)
    assert json.loads(found) == json.loads(data)


async def test_a_worker_that_dies_is_replaced(scripts: Scripts) -> None:
    await scripts.run(TRUE, EVENT)
    (before,) = scripts.pids
    call = asyncio.create_task(scripts.run(Program("lua-filter", "while true do end"), EVENT))
    await asyncio.sleep(0)
    os.kill(before, signal.SIGKILL)
    with pytest.raises(ScriptError, match="SIGKILL") as caught:
        await call
    assert caught.value.killed
    assert await scripts.run(TRUE, EVENT) is True


async def test_a_worker_that_dies_while_idle_costs_no_call(scripts: Scripts) -> None:
    await scripts.run(TRUE, EVENT)
    (before,) = scripts.pids
    os.kill(before, signal.SIGKILL)
    async with asyncio.timeout(10):
        while not next(iter(scripts._idle)).broken:
            await asyncio.sleep(0.01)
    assert await scripts.run(TRUE, EVENT) is True


async def test_a_cancelled_call_costs_its_worker_and_nobody_else(scripts: Scripts) -> None:
    await scripts.run(TRUE, EVENT)
    call = asyncio.create_task(scripts.run(Program("lua-filter", "while true do end"), EVENT))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await scripts.run(TRUE, EVENT) is True


async def test_who_waits_for_a_worker_that_is_killed_gets_another(scripts: Scripts) -> None:
    await scripts.run(TRUE, EVENT)
    killed = asyncio.create_task(scripts.run(Program("lua-filter", "while true do end"), EVENT))
    waiting = [asyncio.create_task(scripts.run(TRUE, EVENT)) for _ in range(3)]
    found = await asyncio.gather(killed, *waiting, return_exceptions=True)
    assert isinstance(found[0], ScriptError)
    assert found[1:] == [True, True, True]


async def test_calls_wait_their_turn_and_a_bound_refuses_more() -> None:
    async with Scripts(ScriptSettings(workers=1, most=1, queue=2)) as pool:
        await pool.run(TRUE, EVENT)
        calls = [asyncio.create_task(pool.run(Program("jq", f"{{a: {number}}}"), EVENT)) for number in range(4)]
        done = await asyncio.gather(*calls, return_exceptions=True)
    assert done[:3] == [b'{"a":0}', b'{"a":1}', b'{"a":2}']
    assert isinstance(done[3], ScriptsUnavailable)


async def test_many_calls_share_the_workers_and_each_gets_its_own_answer() -> None:
    async with Scripts(ScriptSettings(workers=2, most=3)) as pool:
        found = await asyncio.gather(*(pool.run(Program("jq", "{a: .n}"), b'{"n": %d}' % number) for number in range(200)))
        assert len(pool.pids) <= 3
    assert found == [b'{"a":%d}' % number for number in range(200)]


async def test_more_programs_than_a_worker_keeps_are_told_again(monkeypatch: pytest.MonkeyPatch, scripts: Scripts) -> None:
    monkeypatch.setattr("sensors.scripts.worker._PROGRAMS", 2)
    for _ in range(2):
        for number in range(4):
            assert await scripts.run(Program("jq", f"{{a: {number}}}"), EVENT) == b'{"a":%d}' % number


async def test_a_worker_with_nothing_to_do_ends() -> None:
    async with Scripts(ScriptSettings(idle=0.05)) as pool:
        await pool.run(TRUE, EVENT)
        (pid,) = pool.pids
        await until_gone(pid)
        assert pool.pids == []
        assert await pool.run(TRUE, EVENT) is True


async def test_leaving_ends_every_process_and_refuses_what_waits() -> None:
    async with Scripts(SMALL) as pool:
        await pool.run(TRUE, EVENT)
        (pid,) = pool.pids
        running = asyncio.create_task(pool.run(Program("lua-filter", "while true do end"), EVENT))
        waiting = asyncio.create_task(pool.run(TRUE, EVENT))
        await asyncio.sleep(0)
    assert not alive(pid)
    found = await asyncio.gather(running, waiting, return_exceptions=True)
    assert all(isinstance(item, ScriptError) for item in found)
    with pytest.raises(ScriptsUnavailable, match="stopping"):
        await pool.run(TRUE, EVENT)


_PARENT = """
import asyncio, sys
from sensors.scripts import Program, Scripts, ScriptSettings
async def main():
    async with Scripts(ScriptSettings(time=0.5)) as pool:
        await pool.run(Program("jq", "."), b"{}")
        call = asyncio.create_task(pool.run(Program("lua-filter", sys.argv[1]), b"{}"))
        await asyncio.sleep(0)
        print(*pool.pids, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.kill
@pytest.mark.parametrize("script", ["return true", "while true do end"])
async def test_workers_end_when_the_service_is_killed(script: str) -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", _PARENT, script, stdout=asyncio.subprocess.PIPE)
    try:
        assert parent.stdout is not None
        async with asyncio.timeout(30):
            pid = int(await parent.stdout.readline())
    finally:
        parent.kill()
        await parent.wait()
    await until_gone(pid)


async def test_leaving_while_a_worker_starts_leaves_no_process() -> None:
    async with Scripts(SMALL) as pool:
        call = asyncio.create_task(pool.run(TRUE, EVENT))
        await asyncio.sleep(0)
    assert pool.pids == []
    with pytest.raises(ScriptsUnavailable, match="stopping"):
        await call


async def test_a_call_cancelled_while_its_worker_starts_leaves_no_process() -> None:
    async with Scripts(SMALL) as pool:
        call = asyncio.create_task(pool.run(TRUE, EVENT))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await pool.run(TRUE, EVENT) is True


async def test_a_worker_has_no_environment_no_files_and_a_session_of_its_own(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    await scripts.run(TRUE, EVENT)
    (pid,) = scripts.pids
    assert os.getsid(pid) == pid
    proc = Path(f"/proc/{pid}")
    if not proc.exists():
        pytest.skip("there is no /proc here")
    assert b"secret" not in (proc / "environ").read_bytes()
    assert sorted(file.name for file in (proc / "fd").iterdir()) == ["0", "1", "2"]
    limits = (proc / "limits").read_text()
    for name, bound in (("Max file size", "0"), ("Max core file size", "0"), ("Max processes", "0"), ("Max open files", "3")):
        assert next(line for line in limits.splitlines() if line.startswith(name)).removeprefix(name).split()[0] == bound


async def test_no_worker_without_an_interpreter(monkeypatch: pytest.MonkeyPatch, scripts: Scripts) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(ScriptsUnavailable, match="cannot be started"):
        await scripts.run(TRUE, EVENT)
    monkeypatch.undo()
    assert await scripts.run(TRUE, EVENT) is True


async def test_a_worker_that_cannot_import_says_why(monkeypatch: pytest.MonkeyPatch, scripts: Scripts) -> None:
    monkeypatch.setattr("tiphys.__file__", "/nonexistent/tiphys/__init__.py")
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(ScriptsUnavailable, match="did not start"):
        await scripts.run(TRUE, EVENT)
