"""Go's `strconv` for texts: quoting, the reverse, and what of Unicode is printable. Also the escapes of `html`, `js` and `urlquery`.

Go's strings are bytes. Here they are `str`, and a byte that is not UTF-8 stands in it as a lone surrogate (`surrogateescape`).
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from typing import Final

__all__ = [
    "can_backquote",
    "from_bytes",
    "html",
    "js",
    "query",
    "quote",
    "quote_rune",
    "replaced",
    "to_bytes",
    "unquote",
    "unquote_char",
]

_SHORT: Final = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_LONG: Final = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\'\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|([^\\])", re.DOTALL
)
_HTML: Final = {"&": "&amp;", "\0": "\ufffd", '"': "&#34;", "'": "&#39;", "<": "&lt;", ">": "&gt;"}
_JS: Final = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}
_USUAL: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_JS_UNUSUAL: Final = re.compile(r"[\x00-\x1f]|[^\x00-\x7f]")
_JS_SPECIAL: Final = re.compile(r"[\\'\"<>&=\x00-\x1f]|[^\x00-\x7f]")


def to_bytes(text: str) -> bytes:
    """The bytes of a Go string. A surrogate that stands for no byte becomes U+FFFD, as in Go's conversion of runes."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b"".join(
            b"\xef\xbf\xbd" if "\ud800" <= rune <= "\udfff" and not "\udc80" <= rune <= "\udcff" else to_bytes(rune)
            for rune in text
        )


def from_bytes(data: bytes) -> str:
    """The Go string of bytes."""
    return data.decode("utf-8", "surrogateescape")


def quote(text: str, *, ascii_only: bool = False) -> str:
    """`strconv.Quote`, or `QuoteToASCII`."""
    if text.isprintable() and '"' not in text and "\\" not in text and (not ascii_only or text.isascii()):
        return f'"{text}"'
    if text.isascii():
        quoted = replaced(text, _USUAL)
        if quoted.isprintable():
            return f'"{quoted}"'
    return '"' + "".join(_escape(rune, '"', ascii_only) for rune in text) + '"'


def replaced(text: str, escapes: Mapping[str, str]) -> str:
    """The text with each of these characters replaced: one after the other, many times as fast as character by character. The first of
    `escapes` has to be the one that stands in the others."""
    for rune, escape in escapes.items():
        if rune in text:
            text = text.replace(rune, escape)
    return text


def quote_rune(rune: str, *, ascii_only: bool = False) -> str:
    """`strconv.QuoteRune`, or `QuoteRuneToASCII`."""
    return f"'{_escape(rune, chr(39), ascii_only)}'"


def can_backquote(text: str) -> bool:
    """`strconv.CanBackquote`: one line without control characters other than a tab, without a backquote, all of it UTF-8."""
    return not any(rune in "`\x7f\ufeff" or (rune < " " and rune != "\t") or "\ud800" <= rune <= "\udfff" for rune in text)


def _escape(rune: str, mark: str, ascii_only: bool) -> str:
    if rune in (mark, "\\"):
        return "\\" + rune
    if rune.isprintable() and (rune < "\x80" or not ascii_only):
        return rune
    if short := _SHORT.get(rune):
        return short
    code = ord(rune)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if 0xD800 <= code <= 0xDFFF:
        code = 0xFFFD
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unquote(text: str) -> str:
    """`strconv.Unquote` of a literal in double quotes or backquotes. Raises `ValueError` for an escape that Go does not know."""
    mark, inner = text[:1], text[1:-1]
    if len(text) < 2 or mark != text[-1] or mark not in ('"', "`"):
        raise ValueError("invalid syntax")
    if mark == "`":
        if "`" in inner:
            raise ValueError("invalid syntax")
        return inner.replace("\r", "")
    if "\\" not in inner:
        if '"' in inner or "\n" in inner:
            raise ValueError("invalid syntax")
        return inner
    parts, at = bytearray(), 0
    while at < len(inner):
        code, is_byte, at = unquote_char(inner, at, '"')
        parts += bytes((code,)) if is_byte else to_bytes(chr(code))
    return from_bytes(bytes(parts))


def unquote_char(text: str, at: int, mark: str) -> tuple[int, bool, int]:
    """`strconv.UnquoteChar` at `at`: the code, whether it is one byte (`\\x`, octal), where the next one begins. Raises `ValueError`."""
    match = _ESCAPE.match(text, at)
    if match is None:
        raise ValueError("invalid syntax")
    letter, octal, *sized, plain = match.groups()
    if plain is not None:
        if plain in (mark, "\n"):
            raise ValueError("invalid syntax")
        return ord(plain), False, match.end()
    if letter is not None:
        if letter in "'\"":
            if letter != mark:
                raise ValueError("invalid syntax")
            return ord(letter), False, match.end()
        return _LONG[letter], False, match.end()
    code = int(octal, 8) if octal else int(next(digits for digits in sized if digits), 16)
    is_byte = octal is not None or sized[0] is not None
    if (is_byte and code > 0xFF) or (not is_byte and (code > 0x10FFFF or 0xD800 <= code <= 0xDFFF)):
        raise ValueError("invalid syntax")
    return code, is_byte, match.end()


def html(text: str) -> str:
    """`template.HTMLEscapeString`."""
    return replaced(text, _HTML)


def js(text: str) -> str:
    """`template.JSEscapeString`."""
    return _JS_SPECIAL.sub(_js, text) if _JS_UNUSUAL.search(text) else replaced(text, _JS)


def _js(match: re.Match[str]) -> str:
    rune = match.group()
    if found := _JS.get(rune):
        return found
    if rune < " ":
        return f"\\u{ord(rune):04X}"
    if rune.isprintable():
        return rune
    return f"\\u{0xFFFD if 0xD800 <= ord(rune) <= 0xDFFF else ord(rune):04X}"


def query(text: str) -> str:
    """`url.QueryEscape`."""
    return urllib.parse.quote_plus(to_bytes(text), safe="")
