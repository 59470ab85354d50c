"""Texts of conditions, and what Python says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hypothesis import strategies as st

NAMES = ["a", "b-1", "b_1", "été", "d"]
_COUNT = re.compile(r"count\(([^\W\d][\w-]*)\)")
_NAME = re.compile(r"(?<![\w\"-])[^\W\d][\w-]*(?![\w\"])")


def _joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from([" && ", "&&", " || ", "||"]), inner).map("".join),
        inner.map(lambda text: f"({text})"),
    )


def plain() -> st.SearchStrategy[str]:
    """argo-events' language."""
    return st.recursive(st.sampled_from(NAMES), _joined, max_leaves=12)


def counts() -> st.SearchStrategy[str]:
    """`count(name) >= 2` and the like."""
    comparison = st.sampled_from([">=", ">", "==", "!=", "<", "<="])
    return st.tuples(st.sampled_from(NAMES[:3]), comparison, st.integers(0, 4)).map(
        lambda one: f"count({one[0]}) {one[1]} {one[2]}"
    )


def extended() -> st.SearchStrategy[str]:
    """Ours as well; most of them are true only with an event, since a dependency stands before them."""
    leaves = st.one_of(st.sampled_from(NAMES[:3]), st.sampled_from(NAMES[:3]).map("!{}".format), counts())
    inner = st.recursive(leaves, lambda one: st.one_of(_joined(one), one.map(lambda text: f"!({text})")), max_leaves=8)
    return st.one_of(inner, inner.map(lambda text: f"a && ({text})"), inner.map(lambda text: f"({text}) && b-1"))


def as_python(text: str, numbers: Mapping[str, int]) -> bool:
    """The condition by Python's own evaluation, for so many events of each dependency."""
    python = _COUNT.sub(lambda found: f'n["{found[1]}"]', text)
    python = _NAME.sub(lambda found: found[0] if found[0] == "n" else f'(n["{found[0]}"] > 0)', python)
    python = python.replace("!=", "<>").replace("!", " not ").replace("<>", "!=").replace("&&", " and ").replace("||", " or ")
    return bool(eval(python, {"n": dict(numbers)}))
