"""Rows and records: each comes back as it went, and no id takes another's place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bus.samples import KEY
from tiphys.bus import DependencyEvent, Firing, Outcome, OutcomeKind, Target, Verdict, VerdictKind
from tiphys.bus.sqlite.records import (
    Damaged,
    firing_crc,
    firing_from_row,
    firing_text,
    id_key,
    id_range,
    outcome_from_text,
    outcome_text,
    pack_verdicts,
    target_from_text,
    target_text,
    unpack_verdicts,
)

texts = st.text(st.characters(codec="utf-8"), max_size=20)
ids = st.from_regex(r"[0-9a-f]{32}", fullmatch=True) | texts
verdicts = st.builds(
    Verdict,
    st.integers(0, 2**32 - 1),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.sampled_from(VerdictKind),
    st.integers(-1, 32767),
)
targets = st.builds(Target, texts, texts, texts, texts, texts)
outcomes = st.builds(Outcome, st.sampled_from(OutcomeKind), texts, texts, st.floats(0, 1e10), st.none() | targets)
seen_events = st.builds(DependencyEvent, texts, st.integers(0, 2**60), st.none() | st.binary(max_size=9))
firings = st.builds(
    Firing,
    id=texts,
    key=st.just(KEY),
    events=st.dictionaries(texts, seen_events, max_size=3),
    completed_by=texts,
    replay=st.integers(0, 9),
    dlq=st.booleans(),
    document=st.integers(0, 9),
    parent=texts,
    more=st.dictionaries(texts, st.lists(seen_events, min_size=1, max_size=3).map(tuple), max_size=2),
)


@given(st.lists(verdicts, max_size=6))
def test_verdicts_come_back(given_verdicts: list[Verdict]) -> None:
    assert unpack_verdicts(pack_verdicts(given_verdicts)) == tuple(given_verdicts)


@given(st.binary(max_size=60))
def test_any_bytes_are_some_verdicts(packed: bytes) -> None:
    assert len(unpack_verdicts(packed)) <= len(packed) // 11


@given(firings)
def test_firings_come_back(firing: Firing) -> None:
    text = firing_text(firing)

    assert firing_from_row(firing.id, KEY, firing_crc(firing.id, KEY, text), text) == firing


@given(firings, st.integers(0, 200))
def test_a_firing_with_another_character_is_damaged(firing: Firing, at: int) -> None:
    text = firing_text(firing)
    at %= len(text)
    other = text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :]

    with pytest.raises(Damaged):
        firing_from_row(firing.id, KEY, firing_crc(firing.id, KEY, text), other)


@given(outcomes, targets)
def test_outcomes_and_targets_come_back(outcome: Outcome, target: Target) -> None:
    assert outcome_from_text(outcome_text(outcome)) == outcome
    assert target_from_text(target_text(target)) == target


@pytest.mark.parametrize("text", ["", "00000000", "00000000[]", "zzzzzzzz[]", "d202ef8d"])
def test_what_has_no_seal_is_damaged(text: str) -> None:
    with pytest.raises(Damaged):
        target_from_text(text)
    with pytest.raises(Damaged):
        outcome_from_text(text)


@given(ids, ids)
def test_no_two_ids_have_one_key(one: str, two: str) -> None:
    assert (id_key(one) == id_key(two)) == (one == two)


def test_a_text_of_fifteen_bytes_is_not_taken_for_hex_digits() -> None:
    text = "a" * 15

    assert id_key(text) != id_key((text.encode() + b"\0").hex())


@given(ids, st.integers(1, 32))
def test_an_id_lies_in_the_range_of_each_of_its_prefixes(one: str, length: int) -> None:
    if prefix := one[:length]:
        assert any(low <= id_key(one) <= high for low, high in id_range(prefix))
