"""Calls of sprig 3.3.0 that Go has made, and what it printed: `calls.jsonl`.

Its first line is the event's data. Each further one has an expression and what came out: the type of its value, the value as `%v` prints
it, and its JSON; `null` where Go's function fails. `keys` and `values` were sorted, for Go gives them in any order.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiphys.errors import TemplateError
from tiphys.languages import gotemplate
from tiphys.languages.sprig import FUNCTIONS

_LINES = (Path(__file__).parent / "calls.jsonl").read_text().split("\n")
DATA = json.loads(_LINES[0])
CALLS: list[tuple[str, str | None]] = [tuple(json.loads(line)) for line in _LINES[1:] if line]


def shown(call: str) -> str | None:
    text = f'{{{{ $r := {call} }}}}{{{{ printf "%T|%v|" $r $r }}}}{{{{ toJson $r }}}}'
    try:
        return gotemplate.compile(text).render(DATA)
    except TemplateError:
        return None


def by_function() -> dict[str, list[tuple[str, str | None]]]:
    found: dict[str, list[tuple[str, str | None]]] = {}
    for call, printed in CALLS:
        name = call.split(" ")[0].removeprefix("(")
        found.setdefault(name, []).append((call, printed))
    return found


@pytest.mark.parametrize(("name", "calls"), list(by_function().items()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_function_gives_what_go_gives(name: str, calls: list[tuple[str, str | None]]) -> None:
    assert {call: shown(call) for call, _ in calls} == dict(calls)


def test_there_are_calls_of_every_function_whose_result_is_certain() -> None:
    uncertain = {"ago", "encryptAES", "now", "shuffle", "uuidv4", "derivePassword", "hello"}
    certain = {name for name in FUNCTIONS if not name.startswith(("rand", "gen", "buildCustom"))} - uncertain
    called = {word for call, _ in CALLS for word in call.replace("(", " ").split()}
    assert certain - called == set()


GOTP = shutil.which("gotp", path=str(Path(sys.executable).parent))
texts = st.text(alphabet=st.sampled_from("aBc Dé-_1.23\n,/ß日"), max_size=12)
numbers = st.integers(-3, 9)


@pytest.mark.skipif(GOTP is None, reason="gotp, a real Go template engine, is not installed (development dependency)")
@settings(max_examples=20, deadline=None)
@given(st.lists(texts, min_size=3, max_size=3), st.lists(numbers, min_size=3, max_size=3))
def test_go_itself_prints_the_same(words: list[str], counts: list[int]) -> None:
    # Without camelcase: gotp has it from before xstrings 1.5, and leaves `BB` as it is.
    first, second, third = (json.dumps(word, ensure_ascii=False) for word in words)
    one, two, three = counts
    calls = [
        *(f"{name} {first}" for name in ("upper", "title", "untitle", "swapcase", "snakecase", "kebabcase", "initials")),
        *(
            f"{name} {first}"
            for name in ("nospace", "clean", "base", "dir", "ext", "b64enc", "b32enc", "b64dec", "int64", "float64", "quote")
        ),
        *(f"{name} {one} {first}" for name in ("trunc", "abbrev", "wrap")),
        *(f"{name} {first} {second}" for name in ("trimAll", "trimPrefix", "splitList", "split", "cat")),
        f"replace {first} {second} {third}",
        f"regexSplit {json.dumps('[a-c]*')} {second} {two}",
        f"splitn {first} {two} {second}",
        f"seq {one} {two} {three}",
        f"untilStep {one} {two} {three}",
        f"list {one} {first} 2.5 | toPrettyJson",
        f"round {one}.{abs(two)}5 {abs(three)}",
        f"divf {one} {abs(two) + 1}",
        f"uniq (list {first} {second} {third} {one} {two} {one}.0)",
    ]
    text = "\x01".join("{{ " + call + " }}" for call in calls)
    command = [str(GOTP), "--text", "--sprig", "-d", "{}", "-"]
    found = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=30)
    expected = found.stdout.decode("utf-8", "surrogateescape").split("\x01")
    printed = gotemplate.compile(text).render({}).split("\x01")
    assert [each.encode("utf-8", "replace") for each in printed] == [
        "".join("�" if "\udc80" <= char <= "\udcff" else char for char in each).encode() for each in expected
    ]
