"""An answer on the wire: plain text, one write. Its head is made once: ours are a few texts."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from eventsource.source import Answer

__all__ = ["CONTINUE", "written"]

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def written(answer: Answer, *, close: bool = False, old: bool = False, head_only: bool = False) -> bytes:
    """The bytes of an answer. `close` announces that the connection ends with it, `old` speaks to an HTTP/1.0 sender, `head_only`
    leaves the body out (to `HEAD`)."""
    connection = b""
    if close:
        connection = b"Connection: close\r\n"
    elif old:
        connection = b"Connection: keep-alive\r\n"
    head = _head(answer.status, len(answer.body.encode()), tuple(answer.headers.items()))
    body = b"" if head_only else answer.body.encode()
    return b"%b%bDate: %b\r\n\r\n%b" % (head, connection, _date(int(time.time())), body)


@lru_cache(maxsize=256)
def _head(status: int, length: int, extra: tuple[tuple[str, str], ...]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {length}",
        *(f"{name}: {value}" for name, value in extra),
        "",
    ]
    return "\r\n".join(lines).encode()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
