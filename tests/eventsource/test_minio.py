"""The MinIO source against a stand-in that plays recordings of a real one."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from eventsource.source import registered
from eventsource.sources.minio import MinioSource, MinioSpec
from tests.eventsource.minio_recordings import LISTING, STREAMS, Store, recorded
from tests.eventsource.polling import Kept, Room
from tiphys.clients.s3 import Listed, notification
from tiphys.languages import gotemplate

CREATED = "s3:ObjectCreated:*"


@pytest.fixture
def room() -> Room:
    return Room(kind="minio", secrets={"accesskey": "tiphys", "secretkey": "tiphys-secret"})


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with Store().serving() as store:
        yield store


def spec(store: Store, **fields: Any) -> MinioSpec:
    keys = {"accessKey": {"name": "minio", "key": "accesskey"}, "secretKey": {"name": "minio", "key": "secretkey"}}
    whole = {"endpoint": store.endpoint, "bucket": {"name": "uploads"}, "insecure": True, "events": [CREATED], **keys, **fields}
    return MinioSpec.model_validate(whole)


def source(room: Room, store: Store, *, silence: float = 0.5, **fields: Any) -> MinioSource:
    """A source that lists ten times a second while the stream is silent (faster than a manifest may ask for)."""
    fields.setdefault("reconcile", {"interval": "5m", "whileSilent": "100ms"})
    return MinioSource(spec(store, **fields), room, silence=silence)


def keys(room: Room) -> list[str]:
    return [record["s3"]["object"]["key"] for payload in room.payloads for record in payload["notification"]]


async def well(room: Room) -> None:
    await room.until(lambda: room.problem is None, "not well")


async def several_rounds(store: Store, rounds: int = 3) -> None:
    """Wait until the source has listed some more times."""
    least = store.listings + rounds
    deadline = asyncio.get_running_loop().time() + 30
    while store.listings < least:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


# -- the stream


@pytest.mark.parametrize("name", ["ping", "uploads-all", "vers-all"])
async def test_what_a_real_minio_sent_comes_out_record_for_record(room: Room, store: Store, name: str) -> None:
    store.script = STREAMS[name]["chunks"]
    messages = recorded(name)
    events = [CREATED, "s3:ObjectRemoved:*", "s3:ObjectAccessed:*"]
    async with room.running(source(room, store, events=events, metadata={"team": "data"}), Kept()):
        await room.has(len(messages))
    assert room.payloads == [{"notification": records, "metadata": {"team": "data"}} for records in messages]
    assert len(set(room.ids)) == len(messages)


async def test_events_are_asked_for_in_sorted_order_with_ping_and_unescaped_filters(room: Room, store: Store) -> None:
    asked = spec(store, events=["s3:ObjectRemoved:*", CREATED], filter={"prefix": "reports/2026 Q1/", "suffix": ".csv"})
    async with room.running(MinioSource(asked, room), Kept()):
        await well(room)
    query = next(query for query in store.queries if ("events", CREATED) in query)
    assert query == [
        ("events", CREATED),
        ("events", "s3:ObjectRemoved:*"),
        ("ping", "2"),
        ("prefix", "reports/2026 Q1/"),
        ("suffix", ".csv"),
    ]


async def test_a_quiet_bucket_is_healthy(room: Room, store: Store) -> None:
    async with room.running(source(room, store), Kept()):
        await well(room)
        await room.until(lambda: store.pings >= 20, "no pings")
    assert (room.problem, room.problems, room.events) == (None, [], [])


async def test_blanks_without_line_ends_are_signs_of_life(room: Room, store: Store) -> None:
    store.script = [" " * (1 << 20)] * 5  # as after a month on a quiet bucket
    async with room.running(source(room, store), Kept()):
        await well(room)
        store.put("a.txt")
        await room.has(1)
    assert (keys(room), room.problems) == (["a.txt"], [])


async def test_several_records_of_a_message_are_one_event(room: Room, store: Store) -> None:
    async with room.running(source(room, store), Kept()):
        await well(room)
        two = [store.record(store.put(key, told=False)) for key in ("a", "b")]
        store.tell(two)
        await room.has(1)
    assert room.payloads == [{"notification": two}]


async def test_events_that_were_not_asked_for_are_left_out(room: Room, store: Store) -> None:
    async with room.running(source(room, store, events=["s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete"]), Kept()):
        await well(room)
        store.put("copy", name="s3:ObjectCreated:Copy")
        store.put("put")
        await room.has(1)
        store.cut()
        await several_rounds(store)
    assert keys(room) == ["put"]


async def test_minio_java_856_a_key_is_given_byte_for_byte_as_the_store_sent_it(room: Room, store: Store) -> None:
    key = "reports%2F2026+Q1%2Fa%2Bb+%C3%BC.csv"
    async with room.running(source(room, store), Kept()):
        await well(room)
        record = recorded("ping")[0][0]
        record["s3"]["object"] = {"key": key, "size": 12, "eTag": "d41d8cd9", "sequencer": "17B0A1"}
        store.tell([record])
        await room.has(1)
    assert keys(room) == [key]


def test_minio_java_856_the_page_of_the_source_says_how_to_get_the_name_back() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sources" / "minio.md").read_text("utf-8")
    template = next(line.strip() for line in page.splitlines() if "urlParse" in line)
    record = {"s3": {"object": {"key": "reports%2F2026+Q1%2Fa%2Bb+%C3%BC.csv"}}}
    assert gotemplate.compile(template).render({"notification": [record]}) == "reports/2026 Q1/a+b ü.csv"


async def test_a_removal_waits_for_a_log_that_is_full(room: Room, store: Store) -> None:
    removal = next(records for records in recorded("uploads-all") if records[0]["eventName"] == "s3:ObjectRemoved:Delete")
    async with room.running(source(room, store, events=["s3:ObjectRemoved:*"]), Kept()):
        await well(room)
        room.refuse_after = 0
        store.tell(removal)
        await room.until(lambda: "the disk is full" in str(room.problem), "not reported")
        room.refuse_after = None
        await room.has(1)
        await well(room)
    assert room.payloads == [{"notification": removal}]


# -- the listing


def test_stream_and_listing_of_a_real_minio_give_an_upload_the_same_id() -> None:
    told = {
        records[0]["s3"]["object"]["key"]: records[0] for records in recorded("uploads-all") if "Created" in records[0]["eventName"]
    }
    from datetime import datetime
    from urllib.parse import unquote_plus

    for entry in LISTING:
        key, modified = unquote_plus(entry["Key"]), datetime.fromisoformat(entry["LastModified"])
        item = Listed(key, entry["Size"], entry["ETag"].strip('"'), round(modified.timestamp() * 1000), "", "")
        made = notification.listed("uploads", item)
        assert notification.world_key("uploads", made) == notification.world_key("uploads", told[key])
        assert notification.state(made) == notification.state(told[key])


async def test_an_upload_seen_both_ways_is_one_event(room: Room, store: Store) -> None:
    async with room.running(source(room, store, reconcile={"interval": "100ms", "whileSilent": "100ms"}), Kept()):
        await well(room)
        for number in range(20):
            store.put(f"dir/{number} ü+%.csv")
            await asyncio.sleep(0.02)
        await room.has(20)
        await several_rounds(store)
    assert keys(room) == [f"dir/{number} ü+%.csv" for number in range(20)]


async def test_an_upload_that_the_listing_found_first_is_not_told_again_by_the_stream(room: Room, store: Store) -> None:
    async with room.running(source(room, store, reconcile={"interval": "100ms", "whileSilent": "100ms"}), Kept()):
        await well(room)
        first = store.put("first", told=False)
        await room.has(1)
        store.tell([store.record(first)])
        store.put("second")
        await room.has(2)
        await several_rounds(store)
    assert keys(room) == ["first", "second"]


@pytest.mark.parametrize("version", ["", "null", "9b01a761-f1e8-4103-9db7-ffabac7362e5"])
async def test_the_id_is_the_same_from_either_side(room: Room, store: Store, version: str) -> None:
    cursor = Kept()
    async with room.running(source(room, store), cursor):
        await well(room)
        value = cursor.value
        store.put("a b/ü.txt", version=version)
        await room.has(1)
    assert value is not None
    behind = Kept()
    await behind.advance(value)  # as after a crash before the cursor advanced
    async with room.running(source(room, store), behind):
        await room.has(2)
    assert room.ids[0] == room.ids[1]
    first, second = (payload["notification"][0] for payload in room.payloads)
    assert first.keys() == second.keys()
    told, found = first["s3"]["object"], second["s3"]["object"]
    if version == "null":
        del told["versionId"]
    assert told | {"sequencer": ""} == found | {"sequencer": ""}
    assert first["s3"]["bucket"].keys() == second["s3"]["bucket"].keys()


async def test_objects_from_before_the_first_start_fire_nothing(room: Room, store: Store) -> None:
    store.put("old")
    await asyncio.sleep(0.005)
    async with room.running(source(room, store), Kept()):
        await well(room)
        store.put("new")
        await room.has(1)
    assert keys(room) == ["new"]


async def test_uploads_made_while_down_fire_at_start(room: Room, store: Store) -> None:
    cursor = Kept()
    async with room.running(source(room, store), cursor):
        await well(room)
    store.put("reports/a.csv")
    store.put("reports/a.txt")
    store.put("other/a.csv")
    store.page = 1
    narrow = {"filter": {"prefix": "", "suffix": ".csv"}}
    async with room.running(source(room, store), cursor):
        await room.has(3)
    assert sorted(keys(room)) == ["other/a.csv", "reports/a.csv", "reports/a.txt"]
    async with room.running(source(room, store, **narrow), cursor):
        await well(room)
        store.put("late.csv", told=False)
        store.cut()
        await room.has(4)
    assert keys(room)[3:] == ["late.csv"]


async def test_a_stream_that_is_not_flushed_is_noticed_and_uploads_are_found_by_listing(room: Room, store: Store) -> None:
    store.flushes = False
    async with room.running(source(room, store), Kept()):
        await room.until(lambda: "says nothing" in str(room.problem), "silence is not noticed")
        store.put("a.txt")
        store.put("dir/b ü.txt")
        await room.has(2)
        assert "deletions and other changes are not seen" in str(room.problem)
    assert sorted(keys(room)) == ["a.txt", "dir/b ü.txt"]


async def test_without_the_right_to_list_versions_plain_listings_do(room: Room, store: Store) -> None:
    store.flushes, store.lists_versions, store.page = False, False, 2
    async with room.running(source(room, store), Kept()):
        await several_rounds(store)
        for number in range(5):
            store.put(f"{number}")
        await room.has(5)
    assert sorted(keys(room)) == list("01234")


async def test_a_refused_listing_is_reported_beside_a_stream_that_works(room: Room, store: Store) -> None:
    store.lists = False
    async with room.running(source(room, store), Kept()):
        await room.until(lambda: "AccessDenied" in str(room.problem), "not reported")
        await room.until(lambda: store.listening, "no stream")
        store.put("a.txt")
        await room.has(1)
    assert keys(room) == ["a.txt"]


async def test_listing_can_be_switched_off(room: Room, store: Store) -> None:
    cursor = Kept()
    async with room.running(source(room, store, reconcile={"interval": "0s"}), cursor):
        await well(room)
    assert (store.listings, cursor.value) == (0, None)


# -- a store that goes away


async def test_argo_events_1396_a_store_that_is_away_at_start_loses_no_upload(room: Room) -> None:
    store = Store()
    async with store.serving():
        pass  # to know a free port
    async with room.running(source(room, store), Kept()):
        await room.until(lambda: "onnection refused" in str(room.problem), "not reported")
        assert store.endpoint in str(room.problem)
        async with store.serving():
            store.put("a.txt")
            await room.has(1)
            await well(room)
            store.cut()
            store.put("b.txt", told=False)
            await room.has(2)
            await well(room)
    assert keys(room) == ["a.txt", "b.txt"]


async def test_argo_events_1396_a_frozen_connection_is_found_and_replaced(room: Room, store: Store) -> None:
    async with room.running(source(room, store), Kept()):
        await well(room)
        store.frozen = True
        await room.until(lambda: "says nothing" in str(room.problem), "not reported")
        store.frozen = False
        store.put("c.txt")
        await room.has(1)
        await well(room)
    assert keys(room) == ["c.txt"]


async def test_argo_events_963_the_stores_own_words_are_reported_and_a_right_key_heals(room: Room, store: Store) -> None:
    room.secrets["accesskey"] = "gone"
    async with room.running(source(room, store), Kept()):
        await room.until(lambda: "The Access Key Id you provided does not exist" in str(room.problem), "not reported")
        room.secrets["accesskey"] = "tiphys"
        await well(room)
        room.secrets["secretkey"] = "changed"
        store.cut()
        await room.until(lambda: "SignatureDoesNotMatch" in str(room.problem), "not reported")
        store.secret = "changed"
        store.put("a.txt", told=False)
        await room.has(1)
        await well(room)
    assert keys(room) == ["a.txt"]


async def test_a_bucket_that_is_not_there_yet_is_waited_for(room: Room, store: Store) -> None:
    store.exists = False
    async with room.running(source(room, store), Kept()):
        await room.until(lambda: "NoSuchBucket" in str(room.problem), "not reported")
        store.exists = True
        store.put("a.txt")
        await room.has(1)
        await well(room)
    assert keys(room) == ["a.txt"]


async def test_a_store_in_a_region_of_its_own_is_asked_in_that_region(room: Room, store: Store) -> None:
    store.region = "eu-north-7"
    async with room.running(source(room, store), Kept()):
        await well(room)
    assert room.problems == []


async def test_an_own_certificate_authority_is_trusted(room: Room) -> None:
    ca = trustme.CA()
    serving, store = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), Store()
    ca.issue_cert("127.0.0.1").configure_cert(serving)
    room.secrets["ca"] = ca.cert_pem.bytes().decode()
    async with store.serving(serving):
        with_ca = source(room, store, insecure=False, caCertificate={"name": "minio", "key": "ca"})
        async with room.running(with_ca, Kept()):
            await well(room)
        without = source(room, store, insecure=False)
        async with room.running(without, Kept()):
            await room.until(lambda: "certificate" in str(room.problem).lower(), "not reported")


async def test_a_line_that_is_no_notification_ends_the_stream_not_the_source(room: Room, store: Store) -> None:
    store.script = ['{"Records":[{"s3":1}]}\n']
    async with room.running(source(room, store), Kept()):
        await room.until(lambda: "no notification" in str(room.problem), "not reported")
        store.script = []
        await well(room)


async def test_an_error_of_our_own_ends_both_sides(room: Room, store: Store) -> None:
    at, cursor = source(room, store), Kept()

    async def broken(_event: object) -> None:
        raise ZeroDivisionError

    task = asyncio.create_task(at.run(broken, cursor))
    await well(room)
    store.put("a.txt")
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(task, 10)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            while store.listening:
                await asyncio.sleep(0.02)
    assert store.listening == 0


# -- the manifest


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"endpoint": "http://minio:9000"}, "endpoint"),
        ({"endpoint": ""}, "endpoint"),
        ({"bucket": {"name": ""}}, "bucket.name"),
        ({"events": []}, "events"),
        ({"events": [CREATED, "ObjectCreated"]}, "events[1]"),
        ({"reconcile": {"interval": "10ms"}}, "reconcile.interval"),
        ({"reconcile": {"interval": "often"}}, "reconcile.interval"),
        ({"reconcile": {"whileSilent": "0s"}}, "reconcile.whileSilent"),
    ],
)
def test_a_wrong_field_is_named_when_the_manifest_loads(fields: dict[str, Any], path: str) -> None:
    assert [error.path for error in MinioSource.check(spec(Store(), **fields))] == [path]


def test_what_a_listing_cannot_show_is_said_when_the_manifest_loads() -> None:
    assert MinioSource.notices(spec(Store())) == []
    assert [notice.path for notice in MinioSource.notices(spec(Store(), events=[CREATED, "s3:ObjectRemoved:*"]))] == ["events"]


def test_the_manifest_key_is_minio() -> None:
    assert registered()["minio"] is MinioSource
