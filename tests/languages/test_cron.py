"""Cron: the fields of robfig/cron 3, real zones, and nights in which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from tiphys.errors import CronError
from tiphys.languages import cron


def ticks(text: str, start: str, count: int, zone: str = "UTC", dst: cron.Dst = "once") -> list[str]:
    schedule, found = cron.compile(text, zone, dst), []
    at: datetime | None = datetime.fromisoformat(start)
    for _ in range(count):
        assert at is not None
        at = schedule.next(at)
        found.append(f"{at:%Y-%m-%dT%H:%MZ}" if at else "never")
        if at is None:
            break
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/15 * * * *", ["2024-05-17T13:45Z", "2024-05-17T14:00Z"]),
        ("30 2 * * *", ["2024-05-18T02:30Z", "2024-05-19T02:30Z"]),
        ("0 9 * * MON-FRI", ["2024-05-20T09:00Z", "2024-05-21T09:00Z"]),
        ("0 9 * jan sun", ["2025-01-05T09:00Z", "2025-01-12T09:00Z"]),
        ("5/20 13 * * *", ["2024-05-17T13:45Z", "2024-05-18T13:05Z"]),
        ("10-50/20 * * * *", ["2024-05-17T13:50Z", "2024-05-17T14:10Z"]),
        ("0 0 29 2 *", ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]),
        ("0 0 ? * ?", ["2024-05-18T00:00Z", "2024-05-19T00:00Z"]),
        ("0 0 31 * *", ["2024-05-31T00:00Z", "2024-07-31T00:00Z"]),
        ("CRON_TZ=America/New_York 0 9 * * *", ["2024-05-18T13:00Z", "2024-05-19T13:00Z"]),
        ("TZ=Asia/Tokyo 0 9 * * *", ["2024-05-18T00:00Z", "2024-05-19T00:00Z"]),
        ("59,, 23 31 12 *", ["2024-12-31T23:59Z", "2025-12-31T23:59Z"]),
    ],
)
def test_a_schedule_means_what_robfig_makes_of_it(text: str, expected: list[str]) -> None:
    assert ticks(text, "2024-05-17T13:44:30Z", 2) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 13 * 5", ["2024-05-24T00:00Z", "2024-05-31T00:00Z", "2024-06-07T00:00Z", "2024-06-13T00:00Z"]),  # or
        (
            "0 0 */10 * 5",
            ["2024-05-21T00:00Z", "2024-05-24T00:00Z", "2024-05-31T00:00Z", "2024-06-01T00:00Z"],
        ),  # a step restricts: or
        ("0 0 */1 * 5", ["2024-05-24T00:00Z", "2024-05-31T00:00Z", "2024-06-07T00:00Z", "2024-06-14T00:00Z"]),  # free: and
        ("0 0 13 * ?", ["2024-06-13T00:00Z", "2024-07-13T00:00Z", "2024-08-13T00:00Z", "2024-09-13T00:00Z"]),
    ],
)
def test_two_restricted_day_fields_are_joined_by_or_and_a_step_restricts(text: str, expected: list[str]) -> None:
    assert ticks(text, "2024-05-17T13:44:30Z", 4) == expected


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("", "empty", "30 2"),
        ("* * * *", "4 fields", "30 2"),
        ("0 * * * * *", "6 fields", "leave the first one out"),
        ("60 * * * *", "minute goes from 0 to 59", "within"),
        ("0 0 0 * *", "day of month goes from 1", "within"),
        ("0 0 * 13 *", "month goes from 1 to 12", "within"),
        ("0 0 * * 7", "day of week goes from 0 to 6", "Sunday is 0"),
        ("0 0 * * fri-mon", "backwards", "5-6,0-1"),
        ("*/0 * * * *", "step 0", "1"),
        ("*/x * * * *", "step 'x'", "*/15"),
        ("1-2-3 * * * *", "more than one hyphen", "commas"),
        ("1/2/3 * * * *", "more than one slash", "*/15"),
        ("0 0 L * *", "'L'", "do not exist"),
        ("0 0 * * mon#2", "'mon#2'", "SUN-SAT"),
        ("1_0 * * * *", "'1_0'", "0 to 59"),
        ("@every 5m", "shorthands", "interval: 5m"),
        ("@daily", "shorthands", "0 0 * * *"),
        ("@reboot", "shorthands", "five fields"),
        ("TZ=Asia/Tokyo", "nothing else", "Europe/Berlin"),
        ("TZ=No/Zone 0 9 * * *", "No/Zone", "Europe/Berlin"),
        ("TZ=../../etc/passwd 0 9 * * *", "unknown", "Europe/Berlin"),
        ("* " * 2000, "too long", "ranges"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_field_and_a_remedy(text: str, problem: str, remedy: str) -> None:
    with pytest.raises(CronError) as caught:
        cron.compile(text)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("name", ["No/Zone", "America", "", "Local", "utc/../x"])
def test_a_zone_is_an_iana_name_or_utc(name: str) -> None:
    if name in ("", "Local"):
        assert cron.load_zone(name) is UTC
    else:
        with pytest.raises(CronError, match="unknown"):
            cron.load_zone(name)
        with pytest.raises(CronError, match="unknown"):
            cron.fires(f"TZ={name} 0 9 * * *")


def test_argo_events_3646_a_date_that_never_comes_has_no_tick() -> None:
    for text in ("15 4 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", ", * * * *"):
        schedule = cron.compile(text)
        assert schedule.next(datetime(2026, 6, 25, tzinfo=UTC)) is None
        assert schedule.previous(datetime(2026, 6, 25, tzinfo=UTC)) is None
        assert not cron.fires(text)
    assert cron.fires("TZ=Europe/Berlin 0 0 29 2 *")


def test_the_search_ends_after_the_fifth_year() -> None:
    leap = cron.compile("0 0 29 2 *")
    assert leap.next(datetime(2096, 3, 1, tzinfo=UTC)) is None  # 2100 is no leap year
    assert leap.next(datetime(2099, 1, 1, tzinfo=UTC)) == datetime(2104, 2, 29, tzinfo=UTC)
    assert leap.previous(datetime(2104, 2, 29, tzinfo=UTC)) is None


def test_the_ends_of_the_calendar_have_no_tick_beyond() -> None:
    minutely = cron.compile("* * * * *", "Asia/Tokyo")
    assert minutely.next(datetime.max.replace(tzinfo=UTC)) is None
    assert minutely.previous(datetime.min.replace(tzinfo=UTC)) is None


# -- nights in which clocks change

SPRING, AUTUMN = "2022-03-12T12:00:00-08:00", "2022-11-05T12:00:00-07:00"


def test_argo_workflows_8137_once_runs_a_job_of_the_lost_hour_at_the_first_instant_after_it() -> None:
    expected = ["2022-03-11T10:00Z", "2022-03-12T10:00Z", "2022-03-13T10:00Z", "2022-03-14T09:00Z", "2022-03-15T09:00Z"]
    assert ticks("0 2 * * *", "2022-03-10T12:00:00-08:00", 5, "America/Los_Angeles") == expected
    assert ticks("59 2 * * *", "2022-03-12T12:00:00-08:00", 1, "America/Los_Angeles") == ["2022-03-13T10:00Z"]


def test_argo_workflows_8137_robfig_has_no_run_in_the_lost_hour_and_two_in_the_repeated_one() -> None:
    spring = ["2022-03-11T10:00Z", "2022-03-12T10:00Z", "2022-03-14T09:00Z", "2022-03-15T09:00Z"]
    assert ticks("0 2 * * *", "2022-03-10T12:00:00-08:00", 4, "America/Los_Angeles", "robfig") == spring
    autumn = ["2022-11-05T08:30Z", "2022-11-06T08:30Z", "2022-11-06T09:30Z", "2022-11-07T09:30Z"]
    assert ticks("30 1 * * *", "2022-11-04T12:00:00-07:00", 4, "America/Los_Angeles", "robfig") == autumn


def test_once_runs_a_job_of_the_repeated_hour_at_its_first_occurrence_only() -> None:
    expected = ["2022-11-05T08:30Z", "2022-11-06T08:30Z", "2022-11-07T09:30Z"]
    assert ticks("30 1 * * *", "2022-11-04T12:00:00-07:00", 3, "America/Los_Angeles") == expected


def test_several_times_in_one_gap_are_one_run_and_so_is_one_that_falls_on_its_end() -> None:
    assert ticks("0,30 2,3 * * *", SPRING, 4, "America/Los_Angeles") == [
        "2022-03-13T10:00Z",
        "2022-03-13T10:30Z",
        "2022-03-14T09:00Z",
        "2022-03-14T09:30Z",
    ]


@pytest.mark.parametrize("text", ["*/30 * * * *", "0,30 * * * *", "0,30 */1 * * *", "*/30 0-23 * * *", "0,30 0-23 * * *"])
@pytest.mark.parametrize("start", [SPRING, AUTUMN])
def test_a_schedule_with_a_star_runs_in_every_real_hour(text: str, start: str) -> None:
    found = [datetime.fromisoformat(tick) for tick in ticks(text, start, 60, "America/Los_Angeles")]
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(minutes=30)}


def test_apscheduler_606_no_day_is_lost_where_the_day_has_23_or_25_hours() -> None:
    vancouver = ["2022-03-13T08:00Z", "2022-03-14T07:00Z", "2022-03-15T07:00Z", "2022-03-16T07:00Z"]
    assert ticks("0 0 * * *", SPRING, 4, "America/Vancouver") == vancouver
    winnipeg = ["2021-03-14T06:00Z", "2021-03-15T05:00Z", "2021-03-16T05:00Z"]
    assert ticks("0 0 * * 0-4", "2021-03-12T00:00:00-06:00", 3, "America/Winnipeg") == winnipeg
    assert ticks("0 0 * * *", AUTUMN, 2, "America/Vancouver") == ["2022-11-06T07:00Z", "2022-11-07T08:00Z"]


def test_a_midnight_that_does_not_exist_is_the_first_instant_of_its_day() -> None:
    # Santiago, 8 September 2024: 00:00 to 01:00 does not exist; the day begins at 04:00Z.
    assert ticks("0 0 * * *", "2024-09-07T12:00:00Z", 2, "America/Santiago") == ["2024-09-08T04:00Z", "2024-09-09T03:00Z"]
    assert ticks("0 0 * * *", "2024-09-07T12:00:00Z", 1, "America/Santiago", "robfig") == ["2024-09-09T03:00Z"]


def test_half_an_hour_is_a_gap_as_well() -> None:
    # Lord Howe, 6 October 2024: 02:00 to 02:30 does not exist; it is 15:30Z.
    assert ticks("15 2 * * *", "2024-10-05T00:00:00Z", 2, "Australia/Lord_Howe") == ["2024-10-05T15:30Z", "2024-10-06T15:15Z"]


def test_a_clock_set_back_over_midnight_keeps_the_order() -> None:
    # St John's until 2011: at 00:01 back to 23:01 of the evening before.
    found = ticks("30 23 * * *", "2010-11-06T12:00:00Z", 3, "America/St_Johns", "robfig")
    assert found == ["2010-11-07T02:00Z", "2010-11-07T03:00Z", "2010-11-08T03:00Z"]
    assert ticks("0 0 * * *", "2010-11-06T12:00:00Z", 3, "America/St_Johns", "robfig")[:2] == [
        "2010-11-07T02:30Z",
        "2010-11-07T03:30Z",
    ]


def test_the_evening_that_comes_again_is_not_missed_from_the_other_side_of_midnight() -> None:
    # 02:30:30Z is 00:00:30 of the 7th; at 02:31Z it is 23:01 of the 6th once more.
    assert ticks("30 23 * * *", "2010-11-07T02:30:30Z", 1, "America/St_Johns", "robfig") == ["2010-11-07T03:00Z"]


def test_a_whole_day_that_was_left_out_is_made_up_at_the_next() -> None:
    # Apia had no 30 December 2011.
    assert ticks("0 2 * * *", "2011-12-29T13:00:00Z", 3, "Pacific/Apia") == [
        "2011-12-30T10:00Z",
        "2011-12-30T12:00Z",
        "2011-12-31T12:00Z",
    ]


# -- properties

ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Santiago",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Africa/Cairo",
]


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    spans = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.integers(1, 20)
    single = st.one_of(
        st.just("*"),
        number.map(str),
        spans,
        st.tuples(st.one_of(st.just("*"), spans), steps).map(lambda pair: f"{pair[0]}/{pair[1]}"),
    )
    return st.lists(single, min_size=1, max_size=3).map(",".join)


texts = st.tuples(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)).map(" ".join)
instants = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)).map(lambda wall: wall.replace(tzinfo=UTC, microsecond=0))


@given(texts, instants, st.sampled_from(ZONES), st.sampled_from(["once", "robfig"]))
def test_the_previous_of_the_next_leads_back_and_ticks_grow(text: str, start: datetime, zone: str, dst: cron.Dst) -> None:
    schedule = cron.compile(text, zone, dst)
    found = list(islice(schedule.ticks(start, datetime(2036, 1, 1, tzinfo=UTC)), 5))
    assert all(start < tick for tick in found)
    assert all(earlier < later for earlier, later in pairwise(found))
    for earlier, later in pairwise(found):
        assert schedule.previous(later) == earlier
        assert schedule.next(later - timedelta(seconds=1)) == later
        assert schedule.next(earlier - timedelta(seconds=1)) == earlier


@given(texts, instants, st.sampled_from(ZONES))
def test_every_tick_of_the_real_clock_matches_its_fields_and_none_is_left_out(text: str, start: datetime, zone: str) -> None:
    place = ZoneInfo(zone)
    schedule = cron.compile(text, place, "robfig")
    minute, hour, day, month, weekday = (set(values) for values in sets(text))
    parts = text.split()
    both = any(item in ("*", "*/1") for part in (parts[2], parts[4]) for item in part.split(","))

    def matches(instant: datetime) -> bool:
        wall = instant.astimezone(place)
        in_month, in_week = wall.day in day, wall.isoweekday() % 7 in weekday
        days = in_month and in_week if both else in_month or in_week
        return wall.minute in minute and wall.hour in hour and wall.month in month and days

    first = start.replace(second=0)
    by_hand = [instant for step in range(1, 3 * 24 * 60) if matches(instant := first + timedelta(minutes=step))]
    assert list(schedule.ticks(first, first + timedelta(minutes=3 * 24 * 60 - 1))) == by_hand


def sets(text: str) -> list[list[int]]:
    found = []
    for part, (low, high) in zip(text.split(), ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6)), strict=True):
        values: list[int] = []
        for item in part.split(","):
            span, _, step = item.partition("/")
            first, _, last = span.partition("-")
            start = low if first == "*" else int(first)
            end = high if first == "*" else int(last or first)
            values += range(start, end + 1, int(step or 1))
        found.append(values)
    return found


# cronsim reads `0-0/1` as `*`, croniter `2-2` as the whole circle; numbers, stars and steps are read alike everywhere.
simple_texts = st.tuples(
    *(
        st.one_of(st.just("*"), st.integers(low, high).map(str), st.integers(1, 9).map("*/{}".format))
        for low, high in ((0, 59), (0, 23))
    ),
    st.one_of(st.just("*"), st.integers(1, 28).map(str)),
    st.one_of(st.just("*"), st.integers(1, 12).map(str)),
    st.just("*"),
).map(" ".join)


@given(simple_texts, instants)
def test_cronsim_and_croniter_agree_where_all_crons_do(text: str, start: datetime) -> None:
    found = list(islice(cron.compile(text).ticks(start, datetime(2036, 1, 1, tzinfo=UTC)), 3))
    other = croniter(text, start)
    assert list(islice(CronSim(text, start), len(found))) == found
    assert [other.get_next(datetime) for _ in found] == found


@given(st.text(alphabet="0123456789*/-,? LW#montueTZ=@", max_size=24) | texts)
def test_any_text_is_a_schedule_or_is_refused(text: str) -> None:
    try:
        schedule = cron.compile(text)
    except CronError:
        return
    tick = schedule.next(datetime(2024, 1, 1, tzinfo=UTC))
    assert tick is None or tick > datetime(2024, 1, 1, tzinfo=UTC)
