"""Go's printing: what `fmt` prints for each verb, its misuse included (each line was printed by Go 1.26)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.languages import gonumber
from tiphys.languages.golang import fmt, numbers, quoting, times
from tiphys.languages.golang.values import Duration, Ints, LimitError, Lists, NilList, StringMap, Strings, Time, Uint8


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (None, "<nil>"),
        (True, "true"),
        (3, "3"),
        (1.0, "1"),
        (12345678.0, "1.2345678e+07"),
        (999999.0, "999999"),
        (1e6, "1e+06"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-0.0, "-0"),
        (1e21, "1e+21"),
        (float("inf"), "+Inf"),
        (float("nan"), "NaN"),
        (1 + 2j, "(1+2i)"),
        ([1, "a", None, 2.5], "[1 a <nil> 2.5]"),
        ({"b": 2.0, "a": {"c": []}}, "map[a:map[c:[]] b:2]"),
        ({"é": 1, "z": 2}, "map[z:2 é:1]"),
        (b"hi", "[104 105]"),
        (Strings(["a", "b"]), "[a b]"),
        (NilList(), "[]"),
        (Duration(90 * 10**9), "1m30s"),
        ([Duration(1)], "[1ns]"),
        (times.Month(5), "May"),
        (Time(datetime(2024, 5, 17, 13, 45, 30, 500_000, UTC)), "2024-05-17 13:45:30.5 +0000 UTC"),
        (Time(datetime(2024, 5, 17, tzinfo=timezone(timedelta(hours=2))), 7), "2024-05-17 00:00:00.000000007 +0200 +0200"),
    ],
)
def test_sprint_prints_a_value_as_go_does(value: Any, printed: str) -> None:
    assert fmt.sprint(value) == printed


def test_sprint_puts_a_space_between_two_that_are_no_strings() -> None:
    assert fmt.sprint(1, 2, "a", 3, None, True) == "1 2a3 <nil> true"
    assert fmt.sprintln(1, "a") == "1 a\n"


@pytest.mark.parametrize(
    ("layout", "values", "printed"),
    [
        ("%d|%5d|%-5d|%05d|%+d|% d|%x|%X|%#x", (7,) * 9, "7|    7|7    |00007|+7| 7|7|7|0x7"),
        ("%o|%#o|%O|%b|%c|%q|%U", (7,) * 7, "7|07|0o7|111|\a|'\\a'|U+0007"),
        ("%.3d|%8.3d|%.0d|", (7, 7, 0), "007|     007||"),
        ("%f|%.2f|%8.3f|%e|%G|%+.1f", (1.5,) * 6, "1.500000|1.50|   1.500|1.500000e+00|1.5|+1.5"),
        ("%08.2f|%-8.1f|%#g|%x|%b", (1.5,) * 5, "00001.50|1.5     |1.50000|0x1.8p+00|6755399441055744p-52"),
        ("%s|%10s|%-10s|%.2s|%q|%x|% X|%#q", ("héy",) * 8, 'héy|       héy|héy       |hé|"héy"|68c3a979|68 C3 A9 79|`héy`'),
        ("%+q|%q|%q", ("é", 'a"\n\x00', "\udcff"), '"\\u00e9"|"a\\"\\n\\x00"|"\\xff"'),
        ("%v|%+v|%#v", ({"a": None},) * 3, 'map[a:<nil>]|map[a:<nil>]|map[string]interface {}{"a":interface {}(nil)}'),
        ("%#v|%#v|%#v", ([1, "a"], NilList(), b"a"), '[]interface {}{1, "a"}|[]interface {}(nil)|[]byte{0x61}'),
        ("%T %T %T %T %T", (1, 1.0, Lists(), StringMap(), None), "int float64 [][]interface {} map[string]string <nil>"),
        ("%5v", ([1, "a"],), "[    1     a]"),
        ("%d|%s|%t|%z", ("x", 1, 1, 1), "%!d(string=x)|%!s(int=1)|%!t(int=1)|%!z(int=1)"),
        ("%d", ([1, "a"],), "[1 %!d(string=a)]"),
        ("%s|%d", (None, None), "%!s(<nil>)|%!d(<nil>)"),
        ("%d %d", (1,), "1 %!d(MISSING)"),
        ("%d", (1, "a", None), "1%!(EXTRA string=a, <nil>)"),
        ("%[2]d %[1]d|%[3]d|%[x]d", (1, 2), "2 1|%!d(BADINDEX)|%!d(BADINDEX)"),
        ("%*d|%-*d|%.*f", (4, 1, 4, 1, 1, 2.0), "   1|1   |2.0"),
        ("%*d", ("a", 1), "%!(BADWIDTH)1"),
        ("100%%|%", (), "100%|%!(NOVERB)"),
        ("%w", (1,), "%!w(int=1)"),
        ("%d %v %s", (Duration(1_000),) * 3, "1000 1µs 1µs"),
        ("%t %v", (True, Ints([1])), "true [1]"),
        ("%x %s", (b"\xff", b"a"), "ff a"),
        ("%v %#v", (Uint8(10), Uint8(10)), "10 0xa"),
    ],
)  # fmt: skip
def test_sprintf_prints_as_go_does(layout: str, values: tuple[Any, ...], printed: str) -> None:
    assert fmt.sprintf(layout, *values) == printed


@given(st.floats())
def test_a_printed_number_reads_back_as_itself(value: float) -> None:
    again = gonumber.parse_float(fmt.sprint(value))
    assert again == value or (again != again and value != value)
    assert numbers.decimal_text(value) == numbers.format_float(value, "g", -1)


@given(st.text() | st.binary().map(quoting.from_bytes))
def test_a_quoted_text_reads_back_as_itself(text: str) -> None:
    well_formed = quoting.from_bytes(quoting.to_bytes(text))
    assert quoting.unquote(quoting.quote(well_formed)) == well_formed
    assert quoting.unquote(quoting.quote(well_formed, ascii_only=True)) == well_formed
    assert quoting.quote(well_formed, ascii_only=True).isascii()


@given(
    st.text(alphabet="%#+- 0123456789.*[]vdsqxTtfeg!", max_size=20),
    st.lists(st.none() | st.integers() | st.floats() | st.text(), max_size=3),
)
def test_any_layout_prints_something(layout: str, values: list[Any]) -> None:
    try:
        assert isinstance(fmt.sprintf(layout, *values), str)
    except LimitError:
        return


@pytest.mark.parametrize("bad", ["0x", "1__0", "_1", "1_", "08", "1.5", "", "+", "9" * 20])
def test_an_integer_that_go_refuses_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"is|invalid"):
        numbers.parse_int(bad)
