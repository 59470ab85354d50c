"""Lines of a stream that comes in pieces of any size, at a cost that is linear in its length."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["LineTooLongError", "Lines"]


class LineTooLongError(Exception):
    """A line is longer than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a line is longer than {limit} bytes")
        self.limit = limit


class Lines:
    """Feeds on pieces and gives whole lines without their end. Holds at most one unfinished line, of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The lines that are complete with this piece; empty ones are left out. Raises `LineTooLongError`."""
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            line = piece[start:end]
            if self._held:
                self._held.append(line)
                line = b"".join(self._held)
                self._held.clear()
                self._size = 0
            if len(line) > self._limit:
                raise LineTooLongError(self._limit)
            if line.strip():
                yield line
            start = end + 1
        if start < len(piece):
            self._held.append(piece[start:])
            self._size += len(piece) - start
            if self._size > self._limit:
                raise LineTooLongError(self._limit)
