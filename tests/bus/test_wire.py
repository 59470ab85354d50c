"""argo-events' wire form. The cases that argo-events itself answered are in `tests/golden`; these are ours."""

from __future__ import annotations

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.bus import Event
from tiphys.bus.uriref import uri_reference
from tiphys.bus.wire import context_json, from_wire, sensor_event_json, to_wire
from tiphys.errors import WireError

names = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)
texts = st.text(st.characters(codec="utf-8"), max_size=40)
events = st.builds(
    Event,
    id=texts,
    source=names,
    type=texts,
    subject=texts,
    namespace=st.just("argo"),
    data=st.none() | st.binary(max_size=80),
    time=st.just("") | st.datetimes().map(lambda instant: instant.isoformat(timespec="microseconds") + "Z"),
    datacontenttype=st.just("application/json") | texts,
    extensions=st.dictionaries(st.from_regex(r"[a-z][a-z0-9]{3,10}x", fullmatch=True), texts, max_size=3),
)


def message(**members: object) -> bytes:
    return orjson.dumps({"specversion": "1.0", "id": "1", "source": "hooks", "type": "webhook", **members})


@given(events)
def test_what_goes_out_comes_in_as_it_was(event: Event) -> None:
    read = from_wire(to_wire(event), "argo")

    assert (read.id, read.source, read.type, read.subject, read.data) == (
        event.id,
        event.source,
        event.type,
        event.subject,
        event.data,
    )
    assert (read.datacontenttype, dict(read.extensions)) == (event.datacontenttype, dict(event.extensions))
    assert sensor_event_json(read) == sensor_event_json(event)


@given(events)
def test_the_wire_form_is_one_json_object_without_html(event: Event) -> None:
    text = to_wire(event)

    assert orjson.loads(text)["specversion"] == "1.0"
    assert not set("<>&\u2028\u2029") & set(text.decode())


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers(0, 2**40) | texts, lambda x: st.lists(x) | st.dictionaries(texts, x)).map(orjson.dumps)
)
def test_any_message_is_an_event_or_a_wire_error(text: bytes) -> None:
    try:
        read = from_wire(text, "argo")
    except WireError:
        return
    assert read.namespace == "argo"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "specversion"),
        (message(specversion="0.3"), "specversion"),
        (message(source=""), "URI reference"),
        (message(source="%zz"), "URI reference"),
        (message(source="\x01"), "URI reference"),
        (message(source=1), "source is no text"),
        (message(id=1), "id is no text"),
        (message(time="yesterday"), "RFC 3339"),
        (message(time="2026-02-30T00:00:00Z"), "RFC 3339"),
        (message(data_base64="a"), "base64"),
        (message(data_base64=1), "data_base64 is no text"),
        (message(datacontenttype="text/plain", data={}), "data is no text"),
        (message(some_name="x"), "misnamed"),
        (message(ext=[1]), "no CloudEvents value"),
    ],
)
def test_what_the_sensor_could_not_read_is_refused_with_the_reason(text: bytes, problem: str) -> None:
    with pytest.raises(WireError, match=problem):
        from_wire(text, "argo")


@pytest.mark.parametrize("data", ["1.50", "1e21", '{ "a" : [1, "}]", {"data": "\\""}] }', '"x"', "[]", "null"])
def test_plain_data_is_kept_byte_for_byte(data: str) -> None:
    text = f'{{"specversion":"1.0","x1":"{{,","id":"1","source":"hooks","type":"t" , "data" : {data} , "subject":"s","time":""}}'

    assert from_wire(text.encode(), "argo").data == data.encode()


def test_plain_data_of_another_media_type_is_text() -> None:
    assert from_wire(message(datacontenttype="text/plain; charset=utf-8", data="é\n"), "argo").data == "é\n".encode()


def test_base64_wins_and_may_have_line_breaks() -> None:
    assert from_wire(message(data={"a": 1}, data_base64="eyJh\nIjoxfQ=="), "argo").data == b'{"a":1}'


def test_extension_values_become_their_canonical_text() -> None:
    read = from_wire(message(worldid="w", flag=True, count=3, half=2.0, gone=None), "argo")

    assert dict(read.extensions) == {"worldid": "w", "flag": "true", "count": "3", "half": "2"}


@pytest.mark.parametrize(
    ("time", "wire", "sensor"),
    [
        ("2026-11-25T08:00:00.120000Z", "2026-11-25T08:00:00.12Z", "2026-11-25T08:00:00Z"),
        ("2026-11-25T08:00:00.000000Z", "2026-11-25T08:00:00Z", "2026-11-25T08:00:00Z"),
        ("2026-11-25T01:30:00.5+02:00", "2026-11-24T23:30:00.5Z", "2026-11-24T23:30:00Z"),
        ("2026-11-25T23:30:00-01:00", "2026-11-26T00:30:00Z", "2026-11-26T00:30:00Z"),
        ("2026-11-25T08:00:00.123456789Z", "2026-11-25T08:00:00.123456789Z", "2026-11-25T08:00:00Z"),
    ],
)
def test_times_are_shown_in_utc(time: str, wire: str, sensor: str) -> None:
    event = Event("1", "hooks", "t", "s", "argo", time=time)

    assert orjson.loads(to_wire(event))["time"] == wire
    assert orjson.loads(context_json(event))["time"] == sensor


def test_the_sensors_event_has_its_data_in_base64() -> None:
    event = Event("1", "hooks", "webhook", "push", "argo", b"\xff", "2026-11-25T08:00:00Z")

    assert sensor_event_json(event) == (
        b'{"context":{"id":"1","source":"hooks","specversion":"1.0","type":"webhook","datacontenttype":"application/json",'
        b'"subject":"push","time":"2026-11-25T08:00:00Z"},"data":"' + base64.b64encode(b"\xff") + b'"}'
    )


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("", ""),
        ("hooks", "hooks"),
        ("my source", "my%20source"),
        ("my%20source", "my%20source"),
        ("a/b c", "a/b%20c"),
        ("é", "%C3%A9"),
        ("a'b", "a'b"),
        ("es:with:colons", "es:with:colons"),
        ("HTTP://Example.com/a b", "http://Example.com/a%20b"),
        ("http://host:80/x?y=1 2#f g", "http://host:80/x?y=1 2#f%20g"),
        ("//host/a", "//host/a"),
        ("a?b:c", "a?b:c"),
        ("1a:b", None),
        (":a", None),
        ("%zz", None),
        ("a\x00", None),
        ("a\x7f", None),
        ("http://a b/", None),
        ("a#%z", None),
    ],
)
def test_uri_references_come_out_as_from_go(text: str, reference: str | None) -> None:
    assert uri_reference(text) == reference


@given(st.text(max_size=30))
def test_a_uri_reference_is_its_own(text: str) -> None:
    reference = uri_reference(text)

    assert reference is None or uri_reference(reference) == reference
