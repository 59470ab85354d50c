"""Header names and values as Go's net/http shows them, since sensors read them by these names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import orjson

__all__ = ["LEFT_OUT", "MASK", "canonical", "masked"]

MASK: Final = "*** Masked Auth Secret ***"
"""What stands in an event for the value of `Authorization`, as in argo-events."""

LEFT_OUT: Final = frozenset({"Host", "Transfer-Encoding", "Trailer"})
"""What Go keeps out of a request's header map: `Host` is a field of its own, the others belong to the transfer."""


@lru_cache(maxsize=4096)
def canonical(name: bytes) -> str:
    """The canonical MIME form: `x-GITHUB-event` → `X-Github-Event`, `X_UNDER` → `X_under` (Go's `textproto.CanonicalMIMEHeaderKey`)."""
    return "-".join(part.capitalize() for part in name.decode("utf-8", "replace").split("-"))


def masked(headers: Mapping[str, Sequence[str]]) -> bytes:
    """The headers as they stand in an event, `Authorization` masked, as JSON."""
    if "Authorization" in headers:
        headers = {**headers, "Authorization": [MASK]}
    return orjson.dumps(headers)
