"""`application/x-www-form-urlencoded` and query strings as Go's `url.ParseQuery` reads them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

__all__ = ["FormFault", "parse_form"]

MAX_FIELDS: Final = 10_000
"""Go's own bound; it keeps the parsing of 1 MiB short."""

_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class FormFault(ValueError):  # noqa: N818  it is the sender's fault, not an error of ours
    """The text is no form; the message is for its sender."""


def parse_form(text: bytes, *, strict: bool = True) -> dict[str, list[str]]:
    """Every field with its values in order; bytes that are not UTF-8 become U+FFFD. Raises `FormFault` for a bad escape or a semicolon
    (not `strict`: such fields are left out), and for more than 10,000 fields."""
    if text.count(b"&") >= MAX_FIELDS:
        raise FormFault(f"the form has more than {MAX_FIELDS} fields")
    fields: dict[str, list[str]] = {}
    for pair in text.split(b"&"):
        if not pair:
            continue
        problem = "a semicolon between fields" if b";" in pair else "a bad URL escape" if _BAD_ESCAPE.search(pair) else ""
        if problem:
            if strict:
                raise FormFault(f"the form has {problem}")
            continue
        name, _, value = pair.partition(b"=")
        fields.setdefault(_unescaped(name), []).append(_unescaped(value))
    return fields


def _unescaped(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8", "replace")
