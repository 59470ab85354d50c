"""Regular expressions: Go's syntax, searched unanchored, refused with a reason."""

from __future__ import annotations

import re

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from tiphys.errors import PatternError
from tiphys.languages import regex


@pytest.mark.parametrize(
    ("pattern", "value", "found"),
    [
        ("b+", "abbc", True),
        ("^b", "abc", False),
        (r"\p{L}\d", "日1", True),
        (r"(?i)ABC", "xabcx", True),
        ("", "", True),
        (r"\Aa\z", "a\n", False),
    ],
)
def test_a_pattern_is_searched_anywhere_in_the_text(pattern: str, value: str, found: bool) -> None:
    assert regex.compile(pattern).search(value) is found


def test_fullmatch_wants_the_whole_text() -> None:
    assert regex.compile("a|ab").fullmatch("ab")
    assert not regex.compile("a").fullmatch("ab")


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "*a", r"(?=x)", r"(a)\1", "a{2000}", r"x\C", "\ud800", "a" * 20_000])
def test_a_pattern_that_go_does_not_know_is_refused_with_the_reason(pattern: str) -> None:
    with pytest.raises(PatternError) as caught:
        regex.compile(pattern)
    assert caught.value.problem


def test_a_backslash_before_a_c_that_is_escaped_itself_is_no_byte() -> None:
    assert regex.compile(r"\\C").search(r"\C")


def test_text_that_is_not_unicode_matches_nothing() -> None:
    assert not regex.compile(".").search("\ud800")
    assert not regex.compile(".").fullmatch("\ud800")


def test_a_pattern_that_would_backtrack_for_ever_answers_at_once() -> None:
    assert not regex.compile("(a*)*b").search("a" * 100_000)


@given(st.text(alphabet="ab().|*+?[]^$\\{}12,", max_size=12), st.text(alphabet="ab12", max_size=8))
def test_any_text_is_a_pattern_or_is_refused(pattern: str, value: str) -> None:
    try:
        compiled = regex.compile(pattern)
    except PatternError:
        return
    assert compiled.search(value) in (True, False)


@given(st.text(alphabet="ab.|*?()", max_size=8), st.text(alphabet="ab", max_size=8))
def test_where_python_and_go_share_the_syntax_they_agree(pattern: str, value: str) -> None:
    try:
        expected = re.compile(pattern).search(value) is not None
        compiled = regex.compile(pattern)
    except (re.error, PatternError, FutureWarning):
        return
    assert compiled.search(value) is expected


pieces = st.text(st.sampled_from("ab/.-_^$\\é\n(+"), max_size=4).map(re2.escape) | st.sampled_from(
    ["a", "ab", "/", "é", r"\.", r"\$", "\n"]
)


@given(
    st.sampled_from(["", "^"]),
    st.lists(pieces, max_size=4).map("".join),
    st.sampled_from(["", "$"]),
    st.text(st.sampled_from("ab/.-_^$é\n(+\ud800"), max_size=8),
)
def test_a_plain_text_is_compared_as_the_engine_would(start: str, text: str, end: str, value: str) -> None:
    pattern = start + text + end
    try:
        expected = re2.search(pattern, value) is not None
    except UnicodeEncodeError:
        expected = False
    assert regex.compile(pattern).search(value) is expected


@given(
    st.sampled_from(["", "^"]),
    st.lists(pieces, max_size=2).map("".join),
    st.sampled_from(["(", "(?:"]),
    st.lists(st.lists(pieces, max_size=2).map("".join), min_size=1, max_size=3).map("|".join),
    st.lists(pieces, max_size=2).map("".join),
    st.sampled_from(["", "$"]),
    st.text(st.sampled_from("ab/.-_^$é\n(+"), max_size=8),
)
def test_one_of_several_texts_is_compared_as_the_engine_would(
    start: str, head: str, opening: str, choices: str, tail: str, end: str, value: str
) -> None:
    pattern = f"{start}{head}{opening}{choices}){tail}{end}"
    assert regex.compile(pattern).search(value) is (re2.search(pattern, value) is not None)


@pytest.mark.parametrize("pattern", [r"a\\|b", r"(a\||b)", r"(a\\|b)", r"(|a)", "(a\0|b)", r"^(a)$", r"^(a|b)c$"])
@pytest.mark.parametrize("value", ["", "a", "b", "a|", "a\\", "b\\", "a\0", "ac", "bc", "xbc"])
def test_what_is_escaped_in_a_choice_is_no_choice(pattern: str, value: str) -> None:
    assert regex.compile(pattern).search(value) is (re2.search(pattern, value) is not None)
