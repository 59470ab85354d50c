"""Notification records as MinIO sends them, and what makes two of them the same.

In a listen stream keys are raw. Records are the store's own and stay plain dicts; a field of another type than expected reads as absent.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tiphys.clients.s3.client import Listed

__all__ = ["CREATED", "UPLOADS", "Record", "listed", "name", "state", "world_key"]

Record = dict[str, Any]

CREATED: Final = "s3:ObjectCreated:"
_PUT, _MULTIPART = f"{CREATED}Put", f"{CREATED}CompleteMultipartUpload"
UPLOADS: Final = frozenset({_PUT, _MULTIPART, f"{CREATED}Post", f"{CREATED}Copy"})
"""Events that make an object. `PutTagging` and its like are below `s3:ObjectCreated:` as well, but change one."""
_MULTIPART_TAG: Final = re.compile(r"-\d+$")
_EPOCH_2000: Final = 946_684_800_000


def name(record: Record) -> str:
    """The event's name (`s3:ObjectCreated:Put`)."""
    return _text(record, "eventName")


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _modified(record: Record) -> int:
    """When the object was modified, in ms. MinIO's `sequencer` is that instant in ns, in hex: the time that a listing shows; the event's
    own time is a few ms later."""
    with contextlib.suppress(ValueError):
        modified = int(_text(record["s3"]["object"], "sequencer"), 16) // 1_000_000
        if modified > _EPOCH_2000:
            return modified
    with contextlib.suppress(ValueError):
        return round(datetime.fromisoformat(_text(record, "eventTime")).timestamp() * 1000)
    return 0


def state(record: Record) -> tuple[str, int] | None:
    """The state of an object that an upload made, as the high water remembers it; `None` for other events."""
    return (record["s3"]["object"]["key"], _modified(record)) if name(record) in UPLOADS else None


def world_key(bucket: str, record: Record) -> str:
    """DESIGN section 3: bucket, key and change; for uploads the version, else eTag and time; for the rest time and sequencer."""
    found = record["s3"]["object"]
    if name(record) not in UPLOADS:
        return "\n".join((bucket, found["key"], name(record), _text(record, "eventTime"), _text(found, "sequencer")))
    version = _text(found, "versionId")
    if version in ("", "null"):
        version = f"{_text(found, 'eTag')} {_modified(record)}"
    return "\n".join((bucket, found["key"], "created", version))


def listed(bucket: str, item: Listed, region: str = "") -> Record:
    """An upload as MinIO tells it, as far as a listing knows: not who, from where, with what content type and metadata. An eTag of a
    multipart upload ends in the number of its parts; a copy looks like a put."""
    parts: Record = {"key": item.key, "size": item.size, "eTag": item.etag, "versionId": item.version}
    told = {field: value for field, value in parts.items() if value}
    return {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": region,
        "eventTime": datetime.fromtimestamp(item.modified / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "eventName": _MULTIPART if _MULTIPART_TAG.search(item.etag) else _PUT,
        "userIdentity": {"principalId": item.owner},
        "requestParameters": {"principalId": item.owner, "region": region, "sourceIPAddress": ""},
        "responseElements": {},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "Config",
            "bucket": {"name": bucket, "ownerIdentity": {"principalId": item.owner}, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {**told, "sequencer": f"{item.modified * 1_000_000:X}"},
        },
        "source": {"host": "", "port": "", "userAgent": "tiphys reconcile"},
    }
