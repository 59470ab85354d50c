"""JSON strings with the escapes of Go's encoder: `<`, `>` and `&` as well, and U+FFFD for each byte that is not UTF-8."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["quote"]

_TO_ESCAPE: Final = re.compile("[\x00-\x1f<>&\u2028\u2029\udc80-\udcff]")
_SHORT: Final = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quote(text: bytes) -> bytes:
    """`text` as a JSON string."""
    # one by one is slow, so the two that are common in text that holds JSON are done first
    escaped = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"%b"' % _TO_ESCAPE.sub(_escape, escaped.decode("utf-8", "surrogateescape")).encode()


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    code = ord(character)
    return _SHORT.get(character) or ("\\ufffd" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}")
