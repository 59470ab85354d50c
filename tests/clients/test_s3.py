"""The S3 client: signatures as botocore makes them, answers read without trust."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from tests.eventsource.minio_recordings import STREAMS, Store
from tiphys.clients.s3 import S3, Keys, Listed, canonical_query, notification, sign
from tiphys.clients.s3.client import _contents, _versions
from tiphys.clients.s3.xml import Element, XmlError, parse
from tiphys.errors import OutcomeUnknown, Refused, Unreachable

NOW = datetime(2026, 11, 25, 0, 41, 9, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=6),
    st.text("abz019AZ/+=", min_size=1),
    st.sampled_from(["us-east-1", "eu-7"]),
)
def test_a_signature_is_the_one_that_botocore_makes(parameters: list[tuple[str, str]], secret: str, region: str) -> None:
    query = canonical_query(parameters)
    headers = sign("GET", "minio:9000", "/uploads", query, Keys("key", secret), region, NOW)
    signer = S3SigV4Auth(Credentials("key", secret), "s3", region)
    signed = {name: value for name, value in headers.items() if name != "Authorization"}
    request = AWSRequest("GET", f"http://minio:9000/uploads?{query}", headers=signed)
    request.context["timestamp"], request.context["payload_signing_enabled"] = headers["x-amz-date"], True
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert headers["Authorization"].endswith(f"Signature={expected}")
    assert f"Credential=key/20261125/{region}/s3/aws4_request" in headers["Authorization"]


def test_values_of_one_name_are_sorted() -> None:
    query = canonical_query([("events", "s3:ObjectRemoved:*"), ("ping", "2"), ("events", "s3:ObjectCreated:*")])
    assert query == "events=s3%3AObjectCreated%3A%2A&events=s3%3AObjectRemoved%3A%2A&ping=2"


def test_a_secret_is_not_shown() -> None:
    assert "hidden" not in repr(Keys("key", "hidden"))


# -- XML


@pytest.mark.parametrize(
    "document",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<?xml version="1.0" encoding="UTF-16"?><a/>',
        b"<a>" * 100 + b"</a>" * 100,
        b"<a>&x;</a>",
        b"<a></b>",
        b"",
        b"no",
    ],
)
def test_xml_that_no_store_writes_is_refused(document: bytes) -> None:
    with pytest.raises(XmlError):
        parse(document)


@given(st.binary(max_size=200))
def test_any_bytes_are_xml_or_an_error(document: bytes) -> None:
    try:
        assert isinstance(parse(document), Element)
    except XmlError:
        return


def test_elements_are_found_by_their_local_names() -> None:
    root = parse(b'<a xmlns="urn:x"><b>1<!-- c -->2</b><b/><c>&lt;&#34;</c></a>')
    assert (root.name, root.get("b"), root.get("c"), root.get("d"), len(root.all("b"))) == ("a", "12", '<"', "", 2)


def test_escaped_keys_and_null_versions_of_a_listing_are_decoded() -> None:
    entry = (
        b"<Key>in/a+b%2Bc%252Fd.csv</Key><LastModified>2026-11-25T00:41:14.912Z</LastModified>"
        b"<ETag>&#34;44997f87&#34;</ETag><Size>11</Size><VersionId>null</VersionId>"
    )
    expected = [Listed("in/a b+c%2Fd.csv", 11, "44997f87", 1795567274912, "", "")]
    assert _versions(parse(b"<L><Version>" + entry + b"</Version></L>")) == (expected, [])
    more = b"<NextContinuationToken>t</NextContinuationToken>"
    assert _contents(parse(b"<L>" + more + b"<Contents>" + entry + b"</Contents></L>")) == (expected, [("continuation-token", "t")])


# -- errors


async def keys() -> Keys:
    return Keys("tiphys", "tiphys-secret")


async def listing(client: S3, bucket: str = "uploads") -> list[Listed]:
    return [item async for page in client.objects(bucket) for item in page.objects]


async def test_the_stores_own_code_and_words_are_kept() -> None:
    async with Store().serving() as store, S3(store.endpoint, keys, secure=False) as client:
        with pytest.raises(Refused, match="The specified bucket does not exist") as caught:
            await listing(client, "nope")
        assert (caught.value.status, caught.value.reason) == (404, "NoSuchBucket")
        with pytest.raises(Refused, match="A specified event is not supported"):
            async for _ in client.listen("uploads", ["s3:Nonsense"]):
                pass
    assert STREAMS["bad-event"]["status"] == 400


# -- objects


@pytest.mark.parametrize("key", ["ci.yaml", "a/b c+d%2F(e)~!*'.yaml", "ü/日本.yaml"])
async def test_an_object_is_read_whatever_its_key(key: str) -> None:
    async with Store().serving() as store, S3(store.endpoint, keys, secure=False) as client:
        store.put(key, b"kind: A")

        assert await client.read("uploads", key, 7) == b"kind: A"


async def test_an_object_over_the_limit_and_one_that_is_not_there_are_refused() -> None:
    async with Store().serving() as store, S3(store.endpoint, keys, secure=False) as client:
        store.put("large", b"x" * 200_000)

        with pytest.raises(Refused, match="larger than 100,000 bytes") as caught:
            await client.read("uploads", "large", 100_000)
        assert (caught.value.status, caught.value.reason) == (413, "TooLarge")
        with pytest.raises(Refused, match="The specified key does not exist") as caught:
            await client.read("uploads", "nope", 100_000)
        assert (caught.value.status, caught.value.reason) == (404, "NoSuchKey")


async def test_what_is_no_object_store_is_an_error_with_its_address() -> None:
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
        b"",
        b"SSH-2.0\r\n",
    ]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, S3(f"127.0.0.1:{port}", keys, secure=False) as client:
        for kind in (Exception, OutcomeUnknown, Unreachable, Unreachable):
            with pytest.raises(kind, match=f"127.0.0.1:{port}"):
                await listing(client)


def test_a_record_with_fields_of_other_types_is_read_as_if_they_were_absent() -> None:
    record = {"eventName": 7, "eventTime": None, "s3": {"object": {"key": "a", "sequencer": 1, "versionId": []}}}
    assert notification.state(record) is None
    assert notification.world_key("b", record) == "b\na\n\n\n"
