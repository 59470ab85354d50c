"""One state of Lua for one run of one script."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import resources
from itertools import chain
from typing import Any, Final, NoReturn

from tiphys.errors import ScriptError
from tiphys.languages.gotext import decoded
from tiphys.languages.lua.conversion import object_of, table_of
from tiphys.languages.lua.translation import translated

__all__ = ["MEMORY", "fault", "filter", "transform"]

_CASED: Final = tuple(
    range(first, last)
    for first, last in (
        (0x80, 0x590),  # Latin, Greek, Cyrillic, Armenian
        (0x10A0, 0x1400),  # Georgian, Cherokee
        (0x1C80, 0x2190),
        (0x24B0, 0x24F0),
        (0x2C00, 0x2E00),
        (0xA640, 0xAC00),
        (0xFF20, 0xFF60),
        (0x10400, 0x10600),  # Deseret, Osage, Vithkuqi
        (0x10C80, 0x10D00),
        (0x10D50, 0x10D90),
        (0x118A0, 0x118E0),
        (0x16E40, 0x16E80),
        (0x1E900, 0x1E950),
    )
)

MEMORY: Final = 96 << 20
"""Bytes that a script may hold."""


def filter(text: str, data: bytes, *, memory: int = MEMORY) -> bool:  # noqa: A001  `lua.filter` is what it is
    """Whether the last value that the script returns is exactly `true`, with the global `event` made of `data`.

    Raises `ScriptError` for data that is no JSON object, a script that does not compile, and one that errs; it is `killed` for one that
    needs more than `memory` bytes.
    """
    return bool(_run(text, data, b"filter", memory))


def transform(text: str, data: bytes, *, memory: int = MEMORY) -> bytes:
    """The table that the script returns last, as JSON in Go's form: keys sorted, `<`, `>` and `&` escaped.

    A table with positive integer keys is a list up to the highest of them and loses its other keys; one without is an object, or `[]`
    where its metatable has `__is_array = true`. Raises `ScriptError` as `filter` does, and for a value that is no table or has no JSON.
    """
    written = _run(text, data, b"transform", memory)
    return decoded(written).encode()


def fault(text: str) -> ScriptError | None:
    """What is wrong with the script's syntax, or `None`. Runs nothing of it."""
    try:
        _check(text)
    except ScriptError as error:
        return error
    return None


def _run(text: str, data: bytes, wanted: bytes, memory: int) -> Any:
    event = table_of(object_of(data, text))
    engine, chunk = _check(text)
    state = _new(engine, memory)
    try:
        start = _started(engine, state)
        ok, value = start(chunk, state.table_from(event, recursive=True), wanted)
    except engine.LuaMemoryError as error:
        raise _out_of_memory(text, memory) from error
    except engine.LuaError as error:
        raise ScriptError(text, _readable(error)) from error
    except (RecursionError, MemoryError) as error:
        raise ScriptError(text, "the event is nested too deeply for a script") from error
    if ok:
        return value
    if value is None or value.endswith(b"not enough memory"):
        raise _out_of_memory(text, memory)
    raise ScriptError(text, value.decode("utf-8", "replace"))


def _out_of_memory(text: str, memory: int) -> ScriptError:
    return ScriptError(text, f"it needs more than {memory >> 20} MiB of memory", killed=True)


def _readable(error: Exception) -> str:
    message = error.args[0] if error.args else ""
    found = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
    return found.removeprefix("error loading code: ") or "it erred without a message"


@lru_cache(256)
def _check(text: str) -> tuple[Any, bytes]:
    """The engine for it and the chunk that it takes. Raises `ScriptError` for a text that does not compile."""
    chunk = text.encode("utf-8", "surrogateescape")
    engine = _engine("lua51")
    problem = _compiler(engine)(chunk)
    if problem and "goto" in text:  # a word of gopher-lua's and of LuaJIT's, not of Lua 5.1's
        engine = _engine("luajit21")
        problem = _compiler(engine)(chunk)
    if problem:
        raise ScriptError(text, problem.decode("utf-8", "replace"))
    changed = translated(text)
    if changed is not None and not _compiler(engine)(replaced := changed.encode("utf-8", "surrogateescape")):
        return engine, replaced
    return engine, chunk


@cache
def _engine(name: str) -> Any:
    try:
        return importlib.import_module(f"lupa.{name}")
    except ImportError as error:
        raise ScriptError("goto", f"goto needs {name}, which this build of lupa lacks", "write it with a loop") from error


def _closed(_owner: object, name: object, _set: bool) -> NoReturn:
    raise AttributeError(name)


def _new(engine: Any, memory: int = MEMORY) -> Any:
    limited = {"max_memory": memory} if engine.__name__ == "lupa.lua51" else {}
    return engine.LuaRuntime(
        encoding=None,
        unpack_returned_tuples=False,
        register_eval=False,
        register_builtins=False,
        attribute_filter=_closed,
        **limited,
    )


@cache
def _compiler(engine: Any) -> Callable[[bytes], bytes | None]:
    """Says what is wrong with a chunk. Its state compiles and never runs what it is given."""
    found: Callable[[bytes], bytes | None] = _new(engine).execute(
        b"""local loadstring, select, sub = loadstring, select, string.sub
        return function(chunk)
            if sub(chunk, 1, 1) == "\\27" then return "bytecode is not taken" end
            return (select(2, loadstring(chunk, "=<string>")))
        end"""
    )
    return found


@cache
def _prelude(engine: Any) -> bytes:
    """The prelude, compiled once: reading it for every run would take longer than most scripts."""
    text = resources.files(__package__).joinpath("prelude.lua").read_bytes()
    found: bytes = _new(engine).execute(b"return string.dump(assert(loadstring(..., '=prelude')))", text)
    return found


@cache
def _cases() -> bytes:
    """The letters beyond ASCII that have two cases, for `string.lower` and `string.upper`: `Ä ä b` pairs; `l` and `u` go one way."""
    pairs = []
    for code in chain.from_iterable(_CASED):
        letter = chr(code)
        if len(low := letter.lower()) == 1 and low != letter:
            pairs.append(f"{letter} {low} {'b' if low.upper() == letter else 'l'}")
        if len(high := letter.upper()) == 1 and high != letter and high.lower() != letter:
            pairs.append(f"{high} {letter} u")
    return "\n".join(pairs).encode("utf-8", "surrogatepass")


def _started(engine: Any, state: Any) -> Any:
    return state.execute(b"return loadstring(...)", _prelude(engine))(_cases())
