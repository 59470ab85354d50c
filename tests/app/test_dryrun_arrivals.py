"""What arrives in a dry run, as people write it: events in several forms, and requests with or without what a file loses."""

from __future__ import annotations

import contextlib
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.app.dryrun.arrivals import GivenEvent, GivenRequest, event_of, read_arrival, read_event, read_request, request_of
from tiphys.app.dryrun.given import read_instant, read_secret
from tiphys.bus.event import Event
from tiphys.bus.wire import to_document
from tiphys.errors import SettingsError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


# -- events


def test_an_event_may_be_data_alone_and_is_kept_byte_for_byte() -> None:
    assert read_event(b'{"body": {"n": 1.50}}\n', "e.json") == GivenEvent(b'{"body": {"n": 1.50}}')


def test_an_event_may_name_its_source_its_name_and_more() -> None:
    found = read_event(b'{"source": "hooks", "event": "push", "time": "2026-01-05T08:00:00Z", "data": {"a": 1}}', "e.json")
    assert (found.source, found.event, found.time, found.data) == ("hooks", "push", "2026-01-05T08:00:00Z", b'{"a":1}')


def test_what_the_events_command_shows_is_an_event() -> None:
    shown = {
        "id": "e" * 32,
        "position": 7,
        "time": "2026-01-05T08:00:00Z",
        "stored": "2026-01-05T08:00:01.000Z",
        "namespace": "argo",
        "bus": "default",
        "source": "hooks",
        "event": "push",
        "type": "webhook",
        "worldid": "d-1",
        "size": 9,
        "decided": True,
        "deciding": [],
        "outcomes": {"fired": 1},
        "data": {"a": 1},
    }
    found = read_event(json.dumps(shown).encode(), "e.json")
    assert (found.id, found.namespace, found.extensions, found.data) == ("e" * 32, "argo", {"worldid": "d-1"}, b'{"a":1}')


def test_a_body_that_has_data_and_a_source_of_its_own_is_no_envelope() -> None:
    for body in (
        b'{"source": "x", "data": {}, "pull_request": {}}',
        b'{"data": {"a": 1}}',
        b'{"source": "x"}',
        b'{"event": "push"}',
    ):
        assert read_event(body, "e.json") == GivenEvent(body)


def test_yaml_is_read_as_kubectl_reads_it() -> None:
    found = read_event(b"source: hooks\nevent: push\ndata:\n  start: 12:30\n  'on': yes\n", "e.yaml")
    assert orjson.loads(found.data or b"") == {"start": "12:30", "on": True}


def test_integers_keep_all_their_digits() -> None:
    assert event_of({"source": "s", "event": "e", "data": {"n": 12345678901234567890123}}, "e").data == (
        b'{"n":12345678901234567890123}'
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a: [", "neither JSON nor YAML"),
        (b"a: 1\n---\nb: 1\n", "holds 2 documents"),
        (b"jobs: [{n: 1}]", "has a key that is false: that is what n, no and off are in YAML; put the key in quotes"),
        (b'{"source": "s", "event": 1, "data": {}}', "event: must be a text"),
        (b'{"specversion": "0.3", "id": "1"}', "is no CloudEvent: its specversion is '0.3'"),
    ],
)
def test_what_is_no_event_is_refused_with_a_sentence(text: bytes, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_event(text, "e.json")


def event(data: bytes | None, content_type: str = "application/json") -> Event:
    return Event(
        "e" * 32, "hooks", "webhook", "push", "argo", data, "2026-01-05T08:00:00.123456Z", content_type, "main", {"worldid": "1"}
    )


@given(JSON, st.sampled_from([" ", "", "\n  "]))
def test_an_event_as_a_document_is_read_as_it_was_byte_for_byte(value: object, blank: str) -> None:
    data = json.dumps(value, separators=("," + blank, ":" + blank), ensure_ascii=False).encode("utf-8", "surrogatepass")
    found = read_event(to_document(event(data)), "e.json")
    assert (found.data, found.source, found.event, found.namespace, found.bus) == (data, "hooks", "push", "argo", "main")
    assert (found.type, found.id, found.time, found.extensions) == (
        "webhook",
        "e" * 32,
        "2026-01-05T08:00:00.123456Z",
        {"worldid": "1"},
    )


@pytest.mark.parametrize("data", [None, b"", b"\xff\x00", b' {"a": 1}\n', b"{'a'}"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_an_event_whose_data_is_no_json_is_read_as_it_was(data: bytes | None, content_type: str) -> None:
    assert read_event(to_document(event(data, content_type)), "e.json").data == data


# -- requests

RAW = b'POST /push?a=b%20c HTTP/1.1\nHost: hooks.example:12000\nContent-Type: application/json\n\n{"a": 1}\n'


def test_a_request_gets_the_line_ends_and_the_length_that_a_file_lacks() -> None:
    found = read_request(RAW, "r.http")
    assert found.raw({}) == (
        b"POST /push?a=b%20c HTTP/1.1\r\nHost: hooks.example:12000\r\nContent-Type: application/json\r\n"
        b'Content-Length: 8\r\n\r\n{"a": 1}'
    )
    assert (found.host, found.path) == ("hooks.example:12000", "/push")


def test_a_request_as_it_went_over_the_wire_stays_as_it_was() -> None:
    raw = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na\r\n"
    assert read_request(raw, "r").raw({}) == raw


def test_a_length_that_an_edit_left_behind_is_corrected() -> None:
    assert b"Content-Length: 4\r\n" in read_request(b"POST / HTTP/1.1\nContent-Length: 99\n\nabcd", "r").raw({})


def test_a_body_of_chunks_is_left_alone() -> None:
    raw = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert read_request(raw, "r").raw({}) == raw


def test_a_rest_clients_file_with_comments_and_an_url_is_a_request() -> None:
    found = read_arrival(b"### a push\n# by hand\n\nGET http://localhost:12000/push?x=1\nX-A: b\n", "r.http").what
    assert isinstance(found, GivenRequest)
    assert (found.head, found.host, found.body) == (("GET /push?x=1 HTTP/1.1", "X-A: b"), "localhost:12000", b"")


def test_a_request_without_headers_has_its_body_behind_the_empty_line() -> None:
    assert read_request(b"POST /a HTTP/1.1\n\n{}", "r").body == b"{}"


def test_headers_that_are_added_replace_those_of_the_same_name() -> None:
    assert b"authorization: old" not in read_request(b"GET / HTTP/1.1\nauthorization: old\n\n", "r").raw({"Authorization": "new"})


def test_a_written_request_sends_a_map_as_json_and_a_text_as_it_is() -> None:
    assert request_of({"path": "/a", "body": {"n": 1}}, "r").raw({}) == (
        b'POST /a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"n":1}'
    )
    assert request_of({"path": "/a?b=c"}, "r").raw({}) == b"GET /a?b=c HTTP/1.1\r\n\r\n"
    text = request_of({"path": "/a", "method": "PUT", "headers": {"Content-Type": "text/plain"}, "body": "x"}, "r")
    assert text.raw({}) == b"PUT /a HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"path": "/a", "bdoy": 1}, "bdoy: is no field of a request"),
        ({"path": "a"}, "must be a path"),
        ({"path": "/a", "headers": []}, "headers: must be a map"),
    ],
)
def test_a_written_request_that_is_none_is_refused(value: dict, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        request_of(value, "r")


def test_what_is_no_request_is_refused() -> None:
    with pytest.raises(SettingsError, match="is no HTTP request"):
        read_request(b"{}", "r")


@given(st.binary(max_size=200))
def test_any_file_is_an_arrival_or_refused_with_a_sentence(text: bytes) -> None:
    with contextlib.suppress(SettingsError):
        assert read_arrival(text, "x").label == "x"


# -- values of options


def test_an_instant_may_follow_another() -> None:
    assert read_instant("+1m30s", "--at", 100.0) == 190.0
    assert read_instant("2026-01-05T09:00:00+01:00", "--at") == read_instant("2026-01-05T08:00:00Z", "--at")


@pytest.mark.parametrize("text", ["", "tomorrow", "+1", "2026-13-01T00:00:00Z"])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="write it as"):
        read_instant(text, "--at", 0.0)


def test_a_secrets_value_may_hold_anything_and_is_never_shown() -> None:
    assert read_secret("github/secret=a=b/c", "--secret") == (("github", "secret"), b"a=b/c")
    with pytest.raises(SettingsError) as caught:
        read_secret("hunter2", "--secret")
    assert "hunter2" not in str(caught.value)
