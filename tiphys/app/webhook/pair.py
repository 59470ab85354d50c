"""A certificate with its key."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Pair"]


class Pair(NamedTuple):
    """A certificate chain and its key, PEM."""

    chain: bytes
    key: bytes
