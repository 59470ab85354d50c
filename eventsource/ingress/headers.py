"""Header names and values as Go's net/http shows them, since sensors read them by these names."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

__all__ = ["MASK", "canonical", "grouped", "pairs"]

MASK: Final = "*** Masked Auth Secret ***"
"""What stands in an event for the value of `Authorization`, as in argo-events."""

# Go keeps these out of a request's header map: `Host` is a field of its own, the others belong to the transfer.
_LEFT_OUT: Final = frozenset({"Host", "Transfer-Encoding", "Trailer"})


@lru_cache(maxsize=4096)
def canonical(name: bytes) -> str:
    """The canonical MIME form: `x-GITHUB-event` → `X-Github-Event`, `X_UNDER` → `X_under` (Go's `textproto.CanonicalMIMEHeaderKey`)."""
    return "-".join(part.capitalize() for part in name.decode("utf-8", "replace").split("-"))


def pairs(raw: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    """Name and value of each header, in order; bytes that are not UTF-8 become U+FFFD."""
    return tuple((known, value.decode("utf-8", "replace")) for name, value in raw if (known := canonical(name)) not in _LEFT_OUT)


def grouped(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Each name with all its values, `Authorization` masked: what stands in an event."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name in found:
            found[name].append(value)
        else:
            found[name] = [value]
    if "Authorization" in found:
        found["Authorization"] = [MASK]
    return found
