"""Texts of the languages in a Sensor: those that users write, those that fail, and those that would never end or fit."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from hypothesis import strategies as st

__all__ = [
    "EXPRESSION_BOMBS",
    "PATH_BOMBS",
    "conditions",
    "expressions",
    "jq_programs",
    "lua_filters",
    "lua_transforms",
    "paths",
    "patterns",
    "samples",
    "sure_paths",
    "templates",
    "whims",
]

_SAMPLES: Final = Path(__file__).parent / "samples"


def samples(name: str) -> tuple[str, ...]:
    """The lines of a file."""
    return tuple((_SAMPLES / f"{name}.txt").read_text().splitlines())


_PATHS: Final = samples("paths")
PATH_BOMBS: Final = (
    "@this" + "|@this" * 400,
    "[" * 60 + "body" + "]" * 60,
    "{" + ",".join(f'"k{number}":@this' for number in range(60)) + "}",
    "*" * 40 + "x",
    "body." + "*a" * 30 + "b",
    "[@this,@this].#([@this,@this].#(1))",
    '@values|@values|@flatten:{"deep":true}|@join|@pretty|@tostr|@tostr|@tostr|@tostr',
)  # fmt: skip


def paths() -> st.SearchStrategy[str]:
    """gjson paths: most are good ones, some find nothing, some are broken, some ask for much."""
    return st.one_of(*[sure_paths()] * 4, st.sampled_from(_PATHS), st.sampled_from(_PATHS + PATH_BOMBS))


def sure_paths() -> st.SearchStrategy[str]:
    """Paths of what most events have."""
    return st.sampled_from(_PATHS[:9])


_PATTERNS: Final = samples("patterns")


def patterns() -> st.SearchStrategy[str]:
    """Regular expressions, those as well that never end where they are searched by backtracking."""
    return st.sampled_from(_PATTERNS)


_TEMPLATES: Final = samples("templates")
_TEMPLATE_BOMBS: Final = samples("templates.bombs")
_WHIMS: Final = samples("templates.whims")


def templates() -> st.SearchStrategy[str]:
    """Go templates that give the same for the same event."""
    return _mostly(_TEMPLATES, _TEMPLATE_BOMBS)


def whims() -> st.SearchStrategy[str]:
    """Those and others."""
    return st.one_of(templates(), templates(), st.sampled_from(_WHIMS))


_LUA_FILTERS: Final = samples("lua-filters")
_LUA_BOMBS: Final = samples("lua.bombs")
_LUA_TRANSFORMS: Final = samples("lua-transforms")


def lua_filters() -> st.SearchStrategy[str]:
    """Scripts of a filter."""
    return _mostly(_LUA_FILTERS, _LUA_BOMBS, seldom=12)


def lua_transforms() -> st.SearchStrategy[str]:
    """Scripts of a transform."""
    return _mostly(_LUA_TRANSFORMS, _LUA_BOMBS, seldom=12)


_JQ: Final = samples("jq")
_JQ_BOMBS: Final = samples("jq.bombs")


def jq_programs() -> st.SearchStrategy[str]:
    """Programs of a transform."""
    return _mostly(_JQ, _JQ_BOMBS, seldom=12)


_EXPR_LEAVES: Final = (
    "ref",
    "size",
    "flag",
    "text",
    "list",
    "1",
    "0",
    "2.5",
    "'x'",
    "'refs/heads/main'",
    "true",
    "false",
    "gone",
    "[list]",
    "'2024-01-02'",
    "1e308",
    "0x1F",
    "('a', 'b')",
)
_EXPR_OPERATORS: Final = (
    "==",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "**",
    "&&",
    "||",
    "=~",
    "!~",
    "in",
    "<<",
    ">>",
    "&",
    "|",
    "^",
    "??",
    "? 1 :",
)
EXPRESSION_BOMBS: Final = (
    "2 ** 2 ** 2 ** 2 ** 2 ** 2 ** 2 > 1", "1 << 1e9 > 0", "text =~ '(a+)+$'", "'a' =~ text", "ref" + " + ref" * 500 + " == text",
    "(" * 200 + "flag" + ")" * 200, "!" * 300 + "flag", "1e308 * 1e308 > 1",
    "text + text + text + text + text + text + text + text == ref", "0 / 0 == 0 / 0", "1 % 0 == 0", "size ** 99999999 > 1",
    "-" * 200 + "size > 1", "flag" + " && flag" * 3000, "size in (" + ", ".join("1" * 9 for _ in range(999)) + ")",
)  # fmt: skip


def expressions() -> st.SearchStrategy[str]:
    """govaluate expressions, good and bad."""
    leaf = st.sampled_from(_EXPR_LEAVES)

    def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        binary = st.tuples(inner, st.sampled_from(_EXPR_OPERATORS), inner).map(" ".join)
        return st.one_of(binary, inner.map("({})".format), inner.map("!{}".format), inner.map("-{}".format))

    usual = st.sampled_from(
        ("ref == 'refs/heads/main'", "size > 2 && flag", "flag", "size >= 3 || ref =~ 'main'", "text != ''", "!flag")
    )
    return st.one_of(usual, usual, st.recursive(leaf, joined, max_leaves=8), st.sampled_from(EXPRESSION_BOMBS))


@cache
def conditions(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Conditions over these dependencies; a few are refused at load."""
    name = st.sampled_from(names)
    counted = st.tuples(name, st.sampled_from((">=", ">", "==", "<", "!=")), st.sampled_from((0, 1, 2, 3, 1000, 10**30))).map(
        lambda one: f"count({one[0]}) {one[1]} {one[2]}"
    )

    def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        binary = st.tuples(inner, st.sampled_from((" && ", " || ")), inner).map("".join)
        return st.one_of(binary, binary, inner.map("({})".format), inner.map("!({})".format))

    some = st.recursive(st.one_of(name, name, counted, name.map("!{}".format)), joined, max_leaves=7)
    odd = st.sampled_from(
        ("(" * 70 + names[0] + ")" * 70, names[0] + f" && {names[-1]}" * 900, f"{names[0]} &&", "nobody", f"{names[0]} == 1")
    )
    joint = st.sampled_from((" && ".join(names), " || ".join(names)))
    return st.one_of(
        st.just(""), joint, some, some, st.tuples(name, some).map(lambda made: f"{made[0]} && ({made[1]})"), _rarely(odd)
    )


def _mostly(usual: tuple[str, ...], bombs: tuple[str, ...], seldom: int = 5) -> st.SearchStrategy[str]:
    """One of `bombs` in one of so many."""
    good, bad = st.sampled_from(usual), st.sampled_from(bombs)
    return st.integers(1, seldom).flatmap(lambda number: bad if number == seldom else good)


def _rarely(odd: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    nothing = st.just("")
    return st.integers(0, 5).flatmap(lambda number: odd if number == 5 else nothing)
