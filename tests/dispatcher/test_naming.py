"""Names and labels (DESIGN section 3, One object per firing)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.naming import MAX_GENERATED, generated_name, label_value, object_name
from tiphys.bus.identity import firing_id
from tiphys.errors import TriggerError

_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?")
firing_ids = st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=13, max_size=13)
prefixes = st.from_regex(re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*[-.]?"), fullmatch=True)


def test_a_generated_name_is_the_prefix_and_the_firing_id() -> None:
    assert generated_name("ci-", "7k2m9q4x1bh3d") == "ci-7k2m9q4x1bh3d"


@given(prefixes, firing_ids)
def test_a_valid_prefix_of_any_length_gives_a_valid_name_that_ends_in_the_firing_id(prefix: str, firing: str) -> None:
    name = generated_name(prefix, firing)

    assert len(name) <= MAX_GENERATED
    assert name.endswith(firing)
    assert _SUBDOMAIN.fullmatch(name)


@given(st.text(max_size=90), firing_ids, firing_ids)
def test_two_firings_never_share_a_generated_name(prefix: str, one: str, other: str) -> None:
    assert (generated_name(prefix, one) == generated_name(prefix, other)) == (one == other)


def test_the_same_firing_gives_the_same_name_at_every_attempt() -> None:
    first, second = (firing_id("argo", "ci", "build", {"push": "e1"}) for _ in range(2))

    assert object_name({"generateName": "ci-"}, first) == object_name({"generateName": "ci-"}, second)


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"name": "fixed"}, "fixed"),
        ({"name": "fixed", "generateName": "g-"}, "fixed"),
        ({"name": "", "generateName": "g-"}, "g-7k2m9q4x1bh3d"),
        ({"name": None, "generateName": "g-"}, "g-7k2m9q4x1bh3d"),
        ({"name": "n" * 253}, "n" * 253),
    ],
)
def test_a_fixed_name_is_kept_and_wins_over_generate_name(metadata: dict[str, object], name: str) -> None:
    assert object_name(metadata, "7k2m9q4x1bh3d") == name


@pytest.mark.parametrize("metadata", [{}, {"name": ""}, {"name": 7}, {"generateName": ["a"]}])
def test_an_object_without_a_name_is_refused_and_the_text_says_what_to_add(metadata: dict[str, object]) -> None:
    with pytest.raises(TriggerError, match=r"metadata.*(generateName|text)"):
        object_name(metadata, "7k2m9q4x1bh3d")


@given(st.text(max_size=300))
def test_any_trigger_name_becomes_a_valid_label_value(text: str) -> None:
    value = label_value(text)

    assert len(value) <= 63
    assert _LABEL.fullmatch(value)


def test_a_name_that_is_a_valid_label_value_is_not_changed() -> None:
    assert label_value("build.main_1-A") == "build.main_1-A"
