"""AWS Signature Version 4 for S3, in the Authorization header, for requests without a body.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html. S3 encodes a path once and does not normalise it.
The query goes out exactly as it was signed: sorted by name and value. MinIO signs a name that occurs several times in the order
sent, so that unsorted `events` are a `SignatureDoesNotMatch`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

__all__ = ["Keys", "canonical_query", "sign"]

_EMPTY: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key and its secret. The secret is not shown by `repr`."""

    access: str
    secret: str = field(repr=False)


def canonical_query(parameters: Iterable[tuple[str, str]]) -> str:
    """Parameters as SigV4 wants them: encoded as RFC 3986 has it, sorted by encoded name, then by encoded value."""
    return "&".join(
        f"{name}={value}" for name, value in sorted((quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in parameters)
    )


def sign(method: str, host: str, path: str, query: str, keys: Keys, region: str, now: datetime) -> Mapping[str, str]:
    """The headers that sign a request. `host` as in the Host header, `path` encoded, `query` of `canonical_query`."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {"host": host, "x-amz-content-sha256": _EMPTY, "x-amz-date": stamp}
    names = ";".join(signed)
    lines = [method, path, query, *(f"{name}:{value}" for name, value in signed.items()), "", names, _EMPTY]
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256("\n".join(lines).encode()).hexdigest()])
    key = f"AWS4{keys.secret}".encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {"Host": host, "x-amz-content-sha256": _EMPTY, "x-amz-date": stamp, "Authorization": credential}
