"""Functions whose result nobody can foretell: what is certain about it."""

from __future__ import annotations

import base64
import string
import time
import uuid
from typing import Any

import pytest

from tiphys.languages.golang import times
from tiphys.languages.golang.values import GoError, Int64
from tiphys.languages.sprig import FUNCTIONS


def call(name: str, *arguments: Any) -> Any:
    return FUNCTIONS[name].call(*arguments)


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("randAlpha", string.ascii_letters),
        ("randAlphaNum", string.ascii_letters + string.digits),
        ("randNumeric", string.digits),
        ("randAscii", "".join(map(chr, range(32, 127)))),
    ],
)
def test_a_random_text_has_its_length_and_all_of_its_letters(name: str, letters: str) -> None:
    assert set(call(name, 20_000)) == set(letters)
    assert len(call(name, 33)) == 33
    assert call(name, 33) != call(name, 33)
    assert call(name, 0) == call(name, -1) == ""


def test_random_bytes_come_in_base64() -> None:
    assert len(base64.b64decode(call("randBytes", 24))) == 24
    with pytest.raises(GoError):
        call("randBytes", -1)


def test_a_random_number_lies_between_its_ends() -> None:
    assert {call("randInt", 3, 6) for _ in range(300)} == {3, 4, 5}
    with pytest.raises(GoError, match="invalid argument to Intn"):
        call("randInt", 3, 3)


def test_a_uuid_is_of_version_4() -> None:
    assert uuid.UUID(call("uuidv4")).version == 4


def test_a_shuffled_text_has_the_same_letters() -> None:
    assert sorted(call("shuffle", "hello wörld")) == sorted("hello wörld")


def test_now_is_now_in_utc() -> None:
    before = time.time_ns()
    now = call("now")
    assert before <= times.nanoseconds(now) <= time.time_ns()
    assert now.instant.tzname() == "UTC"


def test_a_date_of_anything_but_a_time_or_whole_seconds_is_today() -> None:
    today = {call("date", "2006-01-02", call("now")), call("date", "2006-01-02", 1.7e9), call("date", "2006-01-02", call("now"))}
    assert len(today) <= 2
    assert call("date", "2006-01-02", 1_715_953_530) == call("date", "2006-01-02", Int64(1_715_953_530)) == "2024-05-17"


def test_ago_is_rounded_to_seconds() -> None:
    started = time.time()
    hours, _, rest = call("ago", int(started) - 7200).partition("h")
    assert hours == "2"
    assert rest.startswith("0m")
    assert call("ago", int(time.time()) + 7200).startswith("-1h59m") or call("ago", int(time.time()) + 7200) == "-2h0m0s"


def test_a_certain_age_has_one_unit() -> None:
    assert call("durationRound", call("mustDateModify", "-50h", call("now"))) == "2d"
    assert call("durationRound", call("mustDateModify", "-9000h", call("now"))) == "1y"
