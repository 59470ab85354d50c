"""sprig's base64 and base32, strict as Go's `StdEncoding`: line ends are skipped, and of what is wrong comes the text of the error."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from tiphys.languages.golang.quoting import from_bytes, to_bytes
from tiphys.languages.golang.values import Function
from tiphys.languages.sprig.bounds import check_text

__all__ = ["FUNCTIONS", "decode_base64"]

_BASE64_DIGITS: Final = re.compile(rb"[A-Za-z0-9+/\r\n]*")
_BASE32_DIGITS: Final = re.compile(rb"[A-Z2-7]*")


class _Corrupt(ValueError):  # noqa: N818  Go's CorruptInputError
    """The byte at which Go gives up."""


def _base64_encoded(text: str) -> str:
    data = to_bytes(text)
    check_text("b64enc", 4 * len(data) // 3, 2 * len(data))
    return base64.b64encode(data).decode()


def decode_base64(text: str) -> bytes:
    """Raises `ValueError` with Go's text."""
    data = to_bytes(text)
    try:
        return _strictly(data.translate(None, b"\r\n"))
    except binascii.Error as error:
        raise ValueError(f"illegal base64 data at input byte {_corrupt_base64(data)}") from error


def _strictly(data: bytes) -> bytes:
    if len(data) % 4:  # Python's strict mode lets a superfluous `=` pass
        raise binascii.Error("incorrect padding")
    return binascii.a2b_base64(data, strict_mode=True)


def _corrupt_base64(data: bytes) -> int:
    """Where Go gives up."""
    digits = _BASE64_DIGITS.match(data)
    at = digits.end() if digits else 0
    count = len(data[:at].translate(None, b"\r\n")) % 4
    if at == len(data):
        return at - count  # the last group is short
    if data[at] != 0x3D or count < 2:
        return at
    at += 1
    if count == 2:
        at = _after_lines(data, at)
        if at == len(data):
            return at
        if data[at] != 0x3D:
            return at - 1
        at += 1
    return _after_lines(data, at)


def _after_lines(data: bytes, at: int) -> int:
    while at < len(data) and data[at] in b"\r\n":
        at += 1
    return at


def _base64_decoded(text: str) -> str:
    try:
        return from_bytes(decode_base64(text))
    except ValueError as error:
        return str(error)


def _base32_encoded(text: str) -> str:
    return base64.b32encode(to_bytes(text)).decode()


def _base32_decoded(text: str) -> str:
    data = to_bytes(text).translate(None, b"\r\n")
    digits = _BASE32_DIGITS.match(data)
    end = digits.end() if digits else 0
    bad = _corrupt_base32(data, end)
    if bad is not None:
        return f"illegal base32 data at input byte {bad}"
    return from_bytes(base64.b32decode(data[:end] + b"=" * (-end % 8)))


def _corrupt_base32(data: bytes, at: int) -> int | None:
    """Where Go gives up after the digits, which end at `at`; it does not look at what stands behind a group that was filled up."""
    count, left = at % 8, len(data) - at - 1
    if left < 0:
        return at - count if count else None
    if data[at] != 0x3D or count < 2 or left >= 8:
        return at
    if left + count < 7:
        return len(data)
    for ahead in range(min(7 - count, left)):
        if data[at + 1 + ahead] != 0x3D:
            return at + ahead
    return at if count in (3, 6) else None


FUNCTIONS: Final = (
    Function("b64enc", ("string",), _base64_encoded, "string"),
    Function("b64dec", ("string",), _base64_decoded, "string"),
    Function("b32enc", ("string",), _base32_encoded, "string"),
    Function("b32dec", ("string",), _base32_decoded, "string"),
)
