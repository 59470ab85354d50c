"""Events: the bytes that a sender can make, and the fields that a source can give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from hypothesis import strategies as st

from tests.soak.generated.texts import samples
from tiphys.bus.event import Event
from tiphys.bus.identity import event_id

__all__ = ["SOURCES", "events", "numbered"]

SOURCES: Final = ("push", "release", "tag")
"""Event names of the one EventSource."""
_LARGE: Final = 10 << 20
_LEAVES: Final = samples("leaves")
_GOOD: Final = (
    '"ref":"refs/heads/main"',
    '"size":3',
    '"flag":true',
    '"text":"some text"',
    '"list":[{"name":"x","color":"f00","id":1},{"name":"y","id":2}]',
    '"commits":[{"id":"a1","message":"mend [skip ci]","added":["docs/a.md"],"modified":[]}]',
    '"deep":{"a":{"b":{"c":1}}}',
    '"before":"0","after":"a1"',
)
_KEYS: Final = (
    '"ref"',
    '"size"',
    '"flag"',
    '"text"',
    '"list"',
    '"deep"',
    '"commits"',
    '"a.b"',
    '"é"',
    '""',
    '"\\ud800"',
    '"*"',
    '"#"',
    '"@this"',
)


def _json(leaf: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def within(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        member = st.tuples(st.sampled_from(_KEYS), inner).map(":".join)
        lists = st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
        return st.one_of(lists, st.lists(member, max_size=5).map(lambda items: f"{{{','.join(items)}}}"))

    return st.recursive(leaf, within, max_leaves=8)


_LEAF: Final = st.sampled_from(_LEAVES)
_MEMBER: Final = st.tuples(st.sampled_from(_KEYS), _json(_LEAF)).map(":".join)
_HEADERS: Final = st.sampled_from(
    (
        '"X-Github-Event":["push"]',
        '"X-Hostile":["a\\r\\nSet-Cookie: b"]',
        '"X-\\ud800":["\\ud800"]',
        '"__proto__":["x"]',
        '"a b":[]',
        '"":[""]',
        '"X-Github-Event":["push","push"]',
    )
)


def _usual(odd: list[str], headers: list[str]) -> str:
    """A push with some members of its own, which come last and so twice where it has them already."""
    return f'{{"header":{{{",".join(headers)}}},"body":{{{",".join([*_GOOD, *odd])}}}}}'


_USUAL: Final = st.tuples(st.lists(_MEMBER, max_size=3), st.lists(_HEADERS, max_size=2)).map(lambda made: _usual(*made).encode())
_ANYTHING: Final = _json(_LEAF).map(str.encode)
_DEPTHS: Final = st.sampled_from((10, 100, 1000, 1025, 10_000, 100_000, 1_000_000))
_DEEP: Final = st.one_of(
    _DEPTHS.map(lambda depth: b"[" * depth + b"]" * depth),
    _DEPTHS.map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth),
    _DEPTHS.map(lambda depth: b'{"body":{"ref":"x","deep":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}}"),
    _DEPTHS.map(lambda depth: b"[" * depth),
)
_TORN: Final = st.sampled_from(
    (
        None,
        b"",
        b" ",
        b"null",
        b"true",
        b"3",
        b'""',
        b"[]",
        b"{}",
        b"\xff\xfe\x00",
        b'{"body":{"ref":"\xff"}}',
        b'{"body":{"ref":"refs/heads/main"',
        b"NaN",
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b"\x00" * 64,
        b"<xml/>",
        b"body:\n  ref: refs/heads/main\n",
        b"a: &a [*a]\n",
        b"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
        bytes(range(256)),
        b'{"body":' + b" " * 5000 + b"{}}",
        b"1e999999999",
        b"-",
    )
)


def _filled(value: bytes) -> bytes:
    return b'{"body":{"ref":"refs/heads/main","size":3,"flag":true,"list":[{"name":"x"}],"text":' + value + b"}}"


_WIDE_TEXTS: Final[Mapping[str, Callable[[int], bytes]]] = {
    "a text": lambda size: b'"' + b"a" * size + b'"',
    "surrogates": lambda size: b'"' + b"\\ud800" * (size // 6) + b'"',
    "escapes": lambda size: b'"' + b"a\\n" * (size // 3) + b'"',
    "a list": lambda size: b"[" + b"1," * (size // 8) + b"1]",
    "a map": lambda size: b"{" + b",".join(b'"k%d":%d' % (number, number) for number in range(size // 20)) + b"}",
    "digits": lambda size: b"1" * size,
    "places": lambda size: b"0." + b"1" * size,
    "no end": lambda size: b'"' + b'\\"' * (size // 2),
    "not UTF-8": lambda size: b'"' + b"\xff" * size + b'"',
    "blanks": lambda size: b'{"a":1}' + b" " * size,
}


@lru_cache(maxsize=len(_WIDE_TEXTS))
def _wide(kind: str, size: int) -> bytes:
    return _filled(_WIDE_TEXTS[kind](size))


_WIDE: Final = st.tuples(st.sampled_from(sorted(_WIDE_TEXTS)), st.sampled_from((30_000, 30_000, 300_000, 300_000, _LARGE))).map(
    lambda asked: _wide(*asked)
)


def _data(large: bool) -> st.SearchStrategy[bytes | None]:
    usual = st.one_of(*[_USUAL] * 8, _ANYTHING, _TORN)
    kinds = {0: _DEEP, 1: _WIDE} if large else {0: _DEEP}
    return st.integers(0, 40).flatmap(lambda number: kinds.get(number, usual))


_TYPES: Final = st.sampled_from(
    ("application/json",) * 8 + ("", "text/plain", "application/json; charset=utf-8", "application/yaml", "x" * 300)
)
_TIMES: Final = st.sampled_from(
    ("2026-03-01T08:00:00Z",) * 5
    + ("", "yesterday", "0001-01-01T00:00:00Z", "2026-03-01T23:59:59.999999999+14:00", "9999-12-31T23:59:59Z")
)
_EXTENSIONS: Final = st.dictionaries(
    st.sampled_from(("worldid", "x", "traceparent")), st.sampled_from(("a1", "", "é" * 50, "a\r\nb", "x" * 4000)), max_size=2
)


@st.composite
def events(draw: st.DrawFn, namespace: str = "argo", *, large: bool = True) -> Event:
    """An event of the source `hooks`; its id is to be made its own (`numbered`). `large`: with up to 10 MB of data."""
    return Event(
        id="",
        source="hooks",
        type=draw(st.sampled_from(("webhook", "github", "", "x"))),
        subject=draw(st.sampled_from(SOURCES)),
        namespace=namespace,
        data=draw(_data(large)),
        time=draw(_TIMES),
        datacontenttype=draw(_TYPES),
        extensions=draw(_EXTENSIONS),
    )


def numbered(event: Event, namespace: str, number: int) -> Event:
    """The same in another namespace, with an id of its own."""
    return Event(
        id=event_id(namespace, event.source, event.subject, str(number)),
        source=event.source,
        type=event.type,
        subject=event.subject,
        namespace=namespace,
        data=event.data,
        time=event.time,
        datacontenttype=event.datacontenttype,
        extensions=event.extensions,
    )
