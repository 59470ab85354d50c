"""List, then watch: what is told, and what never is."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clients.kube.stand_in import answer, bookmark, cut, hang, listing, obj, refuse, stand_in, status, stream, take, until
from tests.clients.kube.test_calls import AV, QUICK
from tiphys.clients.kube import connect
from tiphys.clients.kube.lines import Lines, LineTooLongError


@asynccontextmanager
async def watching(folder, *handlers, settings=QUICK, on_trouble=None, server_trouble=None, **selection):
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(stand_in(*handlers))
        kube = await stack.enter_async_context(connect(server.kubeconfig(folder), settings=settings, on_trouble=server_trouble))
        events = await stack.enter_async_context(aclosing(kube.watch(AV, "Sensor", on_trouble=on_trouble, **selection)))
        yield server, events


SILENT = stream(then="silent")


async def test_a_watch_starts_with_what_is_there_and_says_when_that_is_all(tmp_path) -> None:
    async with watching(tmp_path, answer(listing(obj("a"), obj("b"))), stream(("ADDED", obj("c", 101)), then="silent")) as (
        _,
        events,
    ):
        assert await take(events, 4) == [("ADDED", "a"), ("ADDED", "b"), ("SYNCED", ""), ("ADDED", "c")]


async def test_a_watch_asks_from_the_lists_place_with_bookmarks_and_an_end(tmp_path) -> None:
    handlers = (answer(listing(version=42)), stream(("ADDED", obj("a", 43)), then="silent"))
    async with watching(tmp_path, *handlers, namespace="argo", label_selector="x=y", field_selector="metadata.name=a") as (
        server,
        events,
    ):
        await take(events, 2)
    _, path, query, _, _ = server.asked[1]
    assert path.endswith("/namespaces/argo/sensors")
    assert (query["resourceVersion"], query["allowWatchBookmarks"]) == ("42", "true")
    assert (query["labelSelector"], query["fieldSelector"]) == ("x=y", "metadata.name=a")
    assert 300 <= int(query["timeoutSeconds"]) <= 600


@pytest.mark.parametrize("end", ["end", "cut"])
async def test_after_an_end_or_a_cut_it_goes_on_from_the_last_place(tmp_path, end: str) -> None:
    first = stream(("MODIFIED", obj("a", 101)), bookmark(150), then=end)
    second = stream(("DELETED", obj("a", 151)), then="silent")
    told = []
    async with watching(tmp_path, answer(listing(obj("a"))), first, second, on_trouble=told.append) as (server, events):
        assert await take(events, 4) == [("ADDED", "a"), ("SYNCED", ""), ("MODIFIED", "a"), ("DELETED", "a")]
    assert [query["resourceVersion"] for query in server.watches] == ["100", "150"]
    assert told == [], "a cut by itself is no trouble"


GONE = {"type": "ERROR", "object": status(410, "Expired")}


@pytest.mark.parametrize("gone", [refuse(410, "Expired"), stream(json.dumps(GONE).encode() + b"\n")], ids=["answer", "event"])
async def test_after_a_410_it_lists_again_and_tells_the_differences(tmp_path, gone) -> None:
    before = listing(obj("same"), obj("changed"), obj("deleted", 3), obj("remade", uid="one"))
    after = listing(obj("same"), obj("changed", 2), obj("remade", 2, uid="two"), obj("new"), version=200)
    last = stream(("ADDED", obj("last", 201)), then="silent")
    async with watching(tmp_path, answer(before), gone, answer(after), last) as (server, events):
        await take(events, 5)
        told = await take(events, 6)
        assert await take(events, 1) == [("ADDED", "last")]
    assert told == [
        ("MODIFIED", "changed"),
        ("DELETED", "remade"),
        ("ADDED", "remade"),
        ("ADDED", "new"),
        ("DELETED", "deleted"),
        ("SYNCED", ""),
    ]
    assert [query["resourceVersion"] for query in server.watches] == ["100", "200"]


async def test_a_deletion_found_by_listing_has_the_objects_identity(tmp_path) -> None:
    handlers = (answer(listing(obj("a", 3))), refuse(410), answer(listing()), SILENT)
    async with watching(tmp_path, *handlers) as (_, events):
        await take(events, 2)
        event = await anext(events)
    assert event.type == "DELETED"
    assert event.object == {
        "apiVersion": AV,
        "kind": "Sensor",
        "metadata": {"name": "a", "namespace": "argo", "uid": "uid-a", "resourceVersion": "3"},
    }


@pytest.mark.parametrize(
    "failure", [refuse(500), refuse(403), refuse(404), cut, answer({}), answer("no")], ids=["500", "403", "404", "cut", "{}", "str"]
)
async def test_a_failed_list_is_never_an_empty_one(tmp_path, failure) -> None:
    handlers = (answer(listing(obj("a"), obj("b"))), refuse(410), failure, answer(listing(obj("a"), obj("b", 2))), SILENT)
    async with watching(tmp_path, *handlers) as (_, events):
        await take(events, 3)
        assert await take(events, 2) == [("MODIFIED", "b"), ("SYNCED", "")]


async def test_a_list_that_breaks_off_tells_of_no_deletion(tmp_path) -> None:
    first = answer(listing(obj("a"), obj("b"), obj("c")))
    broken = (answer(listing(obj("a", 2), token="more")), refuse(500))
    whole = (answer(listing(obj("a", 2), token="more")), answer(listing(obj("c"))))
    async with watching(tmp_path, first, refuse(410), *broken, *whole, SILENT) as (_, events):
        await take(events, 4)
        assert await take(events, 3) == [("MODIFIED", "a"), ("DELETED", "b"), ("SYNCED", "")]


async def test_a_silent_watch_is_opened_again(tmp_path) -> None:
    """A half-open connection looks the same."""
    handlers = (answer(listing()), SILENT, stream(("ADDED", obj("a", 101)), then="silent"))
    async with watching(tmp_path, *handlers, settings=replace(QUICK, silence=0.2)) as (server, events):
        assert await take(events, 2) == [("SYNCED", ""), ("ADDED", "a")]
    assert len(server.watches) >= 2


async def test_a_slow_reader_is_not_taken_for_a_silent_server(tmp_path) -> None:
    handlers = (answer(listing()), stream(("ADDED", obj("a", 101)), ("ADDED", obj("b", 102)), then="silent"))
    async with watching(tmp_path, *handlers, settings=replace(QUICK, silence=0.5)) as (server, events):
        await take(events, 2)
        await asyncio.sleep(0.8)
        assert await take(events, 1) == [("ADDED", "b")]
    assert len(server.watches) == 1


async def test_a_server_that_accepts_and_never_answers_is_given_up(tmp_path) -> None:
    handlers = (answer(listing()), hang, stream(("ADDED", obj("a", 101)), then="silent"))
    async with watching(tmp_path, *handlers, settings=replace(QUICK, timeout=2)) as (_, events):
        assert await take(events, 2) == [("SYNCED", ""), ("ADDED", "a")]


async def test_trouble_is_told_once_and_its_recovery_once(tmp_path) -> None:
    told, server_told = [], []
    handlers = (refuse(403, "Forbidden"), refuse(403, "Forbidden"), refuse(403, "Forbidden"), answer(listing()), SILENT)
    async with watching(tmp_path, *handlers, on_trouble=told.append, server_trouble=server_told.append) as (_, events):
        await take(events, 1)
    assert [getattr(error, "status", None) for error in told] == [403, None]
    assert [trouble.error is None for trouble in server_told] == [False, True]
    assert server_told[0].subject == "watch of Sensor (argoproj.io/v1alpha1) in all namespaces"


async def test_a_missing_crd_is_a_clear_trouble_and_is_found_once_it_is_there(tmp_path) -> None:
    told = []
    async with stand_in(answer(listing(obj("a"))), SILENT) as server:
        kinds = server.kinds.pop("/apis/argoproj.io/v1alpha1")
        async with (
            connect(server.kubeconfig(tmp_path), settings=replace(QUICK, rediscover=0.05)) as kube,
            aclosing(kube.watch(AV, "Sensor", on_trouble=told.append)) as events,
        ):
            waiting = asyncio.create_task(take(events, 2))
            await until(lambda: bool(told))
            assert "CustomResourceDefinition" in str(told[0])
            server.kinds["/apis/argoproj.io/v1alpha1"] = kinds
            assert await waiting == [("ADDED", "a"), ("SYNCED", "")]
    assert told[-1] is None


async def test_streams_that_end_at_once_are_backed_off_from_and_become_a_trouble(tmp_path) -> None:
    told = []
    handlers = (answer(listing()), *[stream()] * 5, stream(("ADDED", obj("a", 101)), then="silent"))
    async with watching(tmp_path, *handlers, on_trouble=told.append) as (server, events):
        await take(events, 2)
    assert told
    assert "at once" in str(told[0])
    assert len(server.watches) == 6


async def test_streams_that_lived_for_a_while_may_end_as_often_as_they_like(tmp_path) -> None:
    told = []
    handlers = (answer(listing()), *[stream()] * 5, stream(("ADDED", obj("a", 101)), then="silent"))
    async with watching(tmp_path, *handlers, settings=replace(QUICK, lived=0.0), on_trouble=told.append) as (_, events):
        await take(events, 2)
    assert told == []


async def test_a_server_that_refuses_the_place_with_a_5xx_is_listed_again(tmp_path) -> None:
    """After a restore of an older backup: `Too large resource version`."""
    restored = (answer(listing(obj("a"), version=5)), stream(("ADDED", obj("b", 6)), then="silent"))
    async with watching(tmp_path, answer(listing(obj("a"), version=900)), *[refuse(504, "Timeout")] * 3, *restored) as (
        server,
        events,
    ):
        assert await take(events, 4) == [("ADDED", "a"), ("SYNCED", ""), ("SYNCED", ""), ("ADDED", "b")]
    assert server.watches[-1]["resourceVersion"] == "5"


@pytest.mark.parametrize(
    "line", [b"<html>\n", b"[]\n", b'{"type":"ADDED"}\n', b'{"type":"ADDED","object":{}}\n', b'{"type":"ADDED","object":null}\n']
)
async def test_an_event_that_cannot_be_read_leads_to_a_new_list(tmp_path, line: bytes) -> None:
    handlers = (answer(listing(obj("a"))), stream(line, then="silent"), answer(listing(obj("a", 2))), SILENT)
    async with watching(tmp_path, *handlers) as (_, events):
        assert await take(events, 4) == [("ADDED", "a"), ("SYNCED", ""), ("MODIFIED", "a"), ("SYNCED", "")]


async def test_an_object_of_three_mebibytes_comes_through(tmp_path) -> None:
    large = obj("large", 101, spec={"text": "x" * 3 * 1024 * 1024})
    async with watching(tmp_path, answer(listing()), stream(("ADDED", large), ("ADDED", obj("b", 102)), then="silent")) as (
        _,
        events,
    ):
        assert await take(events, 3) == [("SYNCED", ""), ("ADDED", "large"), ("ADDED", "b")]


async def test_a_line_without_an_end_is_given_up_before_it_fills_the_memory(tmp_path) -> None:
    handlers = (answer(listing()), stream(b"x" * 100_000, then="silent"), answer(listing(obj("a"))), SILENT)
    async with watching(tmp_path, *handlers, settings=replace(QUICK, longest_line=50_000)) as (_, events):
        assert await take(events, 3) == [("SYNCED", ""), ("ADDED", "a"), ("SYNCED", "")]


async def test_a_watch_that_is_closed_leaves_no_connection(tmp_path) -> None:
    async with stand_in(answer(listing()), SILENT) as server, connect(server.kubeconfig(tmp_path), settings=QUICK) as kube:
        async with aclosing(kube.watch(AV, "Sensor")) as events:
            await take(events, 1)
            reading = asyncio.create_task(anext(events))
            async with asyncio.timeout(5):
                while not server.watches:
                    await asyncio.sleep(0.01)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        assert not kube._session.connector._acquired


@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=20), st.data())
def test_lines_come_out_whole_however_the_stream_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    text = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    found = Lines(100)
    assert [line for piece in pieces for line in found.feed(piece)] == [line for line in lines if line.strip()]


@given(st.integers(0, 50), st.integers(1, 10))
def test_no_more_than_one_line_of_the_limit_is_held(size: int, piece: int) -> None:
    lines, text, broke = Lines(20), b"x" * size + b"\n", False
    try:
        for start in range(0, len(text), piece):
            list(lines.feed(text[start : start + piece]))
    except LineTooLongError:
        broke = True
    assert broke == (size > 20)
