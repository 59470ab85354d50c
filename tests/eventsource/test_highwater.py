"""The high water of a listing, against all that can happen in an order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eventsource.highwater import OVERLAP, REMEMBERED, HighWater

START = 1_800_000_000_000


def walk(water: HighWater, bucket: dict[str, int], now: int, skew: int = 0) -> list[str]:
    """A pass over a listing: what is new."""
    new = []
    for name, modified in sorted(bucket.items()):
        if water.is_new(name, modified, skew):
            new.append(name)
        water.add(name, modified)
    water.finish(now, now + skew)
    return new


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("upload"), st.integers(0, 3 * OVERLAP), st.booleans()),  # some time later; told by the stream or not
        st.tuples(st.just("late"), st.integers(0, OVERLAP - 1), st.booleans()),  # becomes visible after that long
        st.tuples(st.just("pass"), st.just(0), st.booleans()),  # its cursor is kept, or the process dies before
        st.tuples(st.just("restart"), st.just(0), st.just(True)),
    ),
    max_size=40,
)


@given(STEPS)
def test_every_upload_is_new_once_and_nothing_of_the_past_ever(steps: list[tuple[str, int, bool]]) -> None:
    bucket = {"past": START - 5, "far past": START - 10 * OVERLAP}
    now, newest = START, START
    water = HighWater.load(None, "p", "v", now)
    kept = water.dump()
    emitted: list[str] = []
    for number, (step, amount, flag) in enumerate(steps):
        if step == "upload":
            now = newest = now + amount + 1
            bucket[f"u{number}"] = now
            if flag:
                emitted.append(f"u{number}")
                water.add(f"u{number}", now)
        elif step == "late":
            bucket[f"l{number}"] = max(START + 1, newest - amount)
        elif step == "pass":
            emitted += walk(water, bucket, now)
            if flag and water.stale:
                kept = water.dump()
        else:
            water = HighWater.load(kept, "p", "v", now)
    emitted += walk(water, bucket, now)
    assert set(emitted) == set(bucket) - {"past", "far past"}
    if not any(step == "restart" for step, _, _ in steps):
        assert len(emitted) == len(set(emitted))
    assert walk(water, bucket, now) == []


def test_the_instant_of_the_first_start_outlives_a_store_that_was_away() -> None:
    kept = HighWater.load(None, "p", "v", START).dump()
    water = HighWater.load(kept, "p", "v", START + 60_000)
    assert walk(water, {"before": START - 1, "while away": START + 30_000}, START + 60_000) == ["while away"]


def test_a_store_whose_clock_is_wrong_is_asked_in_its_own_time() -> None:
    for skew in (-7_200_000, 7_200_000):
        water = HighWater.load(None, "p", "v", START)
        bucket = {"before": START + skew - 10, "after": START + skew + 10}
        assert walk(water, bucket, START + 20, skew) == ["after"]


def test_another_place_is_seen_for_the_first_time() -> None:
    water = HighWater.load(None, "p", "v", START)
    walk(water, {"a": START + 1}, START + 1)
    other = HighWater.load(water.dump(), "q", "v", START + 100)
    assert walk(other, {"b": START + 50, "c": START + 101}, START + 200) == ["c"]


def test_through_another_filter_what_was_there_is_past() -> None:
    water = HighWater.load(None, "p", "in/*", START)
    walk(water, {"in/a": START + 1}, START + 70_000)
    other = HighWater.load(water.dump(), "p", "*", START + 200_000)
    assert other.stale
    found = walk(other, {"in/a": START + 1, "out/b": START + 2, "out/c": START + 80_000}, START + 200_000)
    assert found == ["out/c"]


def test_an_object_from_the_future_does_not_hide_what_comes_now() -> None:
    water = HighWater.load(None, "p", "v", START)
    bucket = {"future": START + 1000 * OVERLAP}
    assert walk(water, bucket, START + 1) == ["future"]
    bucket["now"] = START + 2
    assert walk(water, bucket, START + 3) == ["now"]


def test_memory_is_bounded_and_a_large_backlog_is_new_once() -> None:
    water = HighWater.load(None, "p", "v", START)
    bucket = {f"{number:06}": START + 1 + (number * 7919) % 30_000 for number in range(30_000)}
    assert len(walk(water, bucket, START + 60_000)) == 30_000
    assert len(water.dump()) < 50 * REMEMBERED
    assert walk(HighWater.load(water.dump(), "p", "v", START), bucket, START + 60_000) == []


def test_nothing_is_kept_again_where_nothing_changed() -> None:
    water = HighWater.load(None, "p", "v", START)
    walk(water, {"a": START + 1}, START + 10)
    water.dump()
    walk(water, {"a": START + 1}, START + 20)
    assert not water.stale
    walk(water, {"a": START + 1}, START + 100_000)
    assert water.stale
