"""The MinIO source against a real MinIO, where `MINIO_SERVER` names its binary."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from eventsource.sources.minio import MinioSource, MinioSpec
from tests.eventsource.polling import Kept, Room

BINARY = os.environ.get("MINIO_SERVER", "")
pytestmark = [
    pytest.mark.skipif(not BINARY, reason="MINIO_SERVER names no MinIO binary"),
    pytest.mark.slow,
]
KEYS = {"accessKey": {"name": "minio", "key": "accesskey"}, "secretKey": {"name": "minio", "key": "secretkey"}}


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Minio:
    """One node on loopback, driven with botocore."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.console = free_ports(2)
        self.process: subprocess.Popen[bytes] | None = None
        self.client = botocore.session.get_session().create_client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id="tiphys",
            aws_secret_access_key="tiphys-secret",
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, connect_timeout=5, read_timeout=10),
        )

    def start(self) -> None:
        environment = {**os.environ, "MINIO_ROOT_USER": "tiphys", "MINIO_ROOT_PASSWORD": "tiphys-secret", "MINIO_BROWSER": "off"}
        addresses = ["--address", f"127.0.0.1:{self.port}", "--console-address", f"127.0.0.1:{self.console}"]
        self.process = subprocess.Popen(
            [BINARY, "server", *addresses, str(self.folder)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 40
        while True:
            try:
                self.client.list_buckets()
            except (BotoCoreError, ClientError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    async def do(self, operation: str, **parameters: Any) -> Any:
        return await asyncio.to_thread(lambda: getattr(self.client, operation)(**parameters))

    async def put(self, key: str, body: bytes = b"x") -> None:
        await self.do("put_object", Bucket="uploads", Key=key, Body=body)


@pytest.fixture
def minio(tmp_path: Path) -> Iterator[Minio]:
    minio = Minio(tmp_path / "data")
    minio.start()
    minio.client.create_bucket(Bucket="uploads")
    yield minio
    minio.stop()
    minio.client.close()


@pytest.fixture
def room() -> Room:
    return Room(kind="minio", secrets={"accesskey": "tiphys", "secretkey": "tiphys-secret"})


def source(room: Room, minio: Minio, **fields: Any) -> MinioSource:
    whole = {
        "endpoint": f"127.0.0.1:{minio.port}",
        "bucket": {"name": "uploads"},
        "insecure": True,
        "events": ["s3:ObjectCreated:*"],
        "reconcile": {"interval": "1s", "whileSilent": "1s"},
        **KEYS,
        **fields,
    }
    return MinioSource(MinioSpec.model_validate(whole), room)


def keys(room: Room) -> list[str]:
    return [record["s3"]["object"]["key"] for payload in room.payloads for record in payload["notification"]]


async def listening(room: Room) -> None:
    """The source is well, or says that this build does not flush its stream and lives from listings."""
    await room.until(lambda: room.problem is None or "found by listing" in room.problem, "does not listen", 40)


NAMES = ["plain.txt", "in/a b+c%20d&e#f?g=h.csv", "in/日本/été ☃ 😀.csv", "q\"uo'te,;=@:$!*()[]{}~^`<>|.txt", "folder/"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("versioned", [False, True])
async def test_each_upload_is_one_event_whichever_way_it_is_seen(room: Room, minio: Minio, versioned: bool) -> None:
    if versioned:
        await minio.do("put_bucket_versioning", Bucket="uploads", VersioningConfiguration={"Status": "Enabled"})
    await minio.put("old")
    cursor = Kept()
    async with room.running(source(room, minio), cursor):
        await listening(room)
        value = cursor.value
        for name in NAMES:
            await minio.put(name)
        await room.has(len(NAMES))
        await asyncio.sleep(3)  # three passes, which must find nothing more
    assert sorted(keys(room)) == sorted(NAMES)
    ids, room.events = set(room.ids), []
    behind = Kept()
    assert value is not None
    await behind.advance(value)
    async with room.running(source(room, minio), behind):  # found by listing now
        await room.has(len(NAMES))
    assert set(room.ids) == ids


@pytest.mark.timeout(120)
async def test_uploads_made_while_down_and_while_the_store_restarts_are_not_lost(room: Room, minio: Minio) -> None:
    cursor = Kept()
    async with room.running(source(room, minio), cursor):
        await listening(room)
    await minio.put("while down")
    async with room.running(source(room, minio), cursor):
        await room.has(1)
        await listening(room)
        await asyncio.to_thread(minio.stop)
        await room.until(lambda: room.problem, "not reported")
        await asyncio.to_thread(minio.start)
        await minio.put("after the restart")
        await room.until(lambda: len(keys(room)) == 2, "lost", 70)
    assert keys(room) == ["while down", "after the restart"]


@pytest.mark.timeout(120)
async def test_a_removal_is_told_where_the_stream_is_flushed(room: Room, minio: Minio) -> None:
    async with room.running(source(room, minio, events=["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]), Kept()):
        await listening(room)
        await minio.put("a")
        await room.has(1)
        if room.problem is not None:
            pytest.skip(f"this build does not flush its listen stream: {room.problem}")
        await minio.do("delete_object", Bucket="uploads", Key="a")
        await room.has(2)
    assert room.payloads[1]["notification"][0]["eventName"].startswith("s3:ObjectRemoved:")
