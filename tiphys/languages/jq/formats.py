"""The `@` formats and the conversions between texts and values."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

import orjson

from tiphys.errors import JsonError
from tiphys.languages import gojson
from tiphys.languages.gotext import decoded
from tiphys.languages.jq.numbers import number_of
from tiphys.languages.jq.values import JqError, dumps, is_number, preview, shown

__all__ = ["FORMATS", "from_json", "load", "to_number", "to_string"]

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+")
_LONG: Final = re.compile(rb"[0-9]{19}")
_BROKEN_PERCENT: Final = re.compile(r"%(?![0-9a-fA-F]{2})")
_NO_BASE64: Final = re.compile(r"[^A-Za-z0-9+/\r\n]")
_HTML: Final = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", "'": "&apos;", '"': "&quot;"})
_CSV: Final = str.maketrans({'"': '""', "\0": "\\0"})
_TSV: Final = str.maketrans({"\t": "\\t", "\r": "\\r", "\n": "\\n", "\\": "\\\\", "\0": "\\0"})
_SH: Final = str.maketrans({"'": "'\\''", "\0": "\\0"})


def load(data: bytes) -> Any:
    """A JSON text, with integers of any size. Raises `JsonError`."""
    if _LONG.search(data):
        return gojson.loads(data, parse_int=number_of)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return gojson.loads(data)


def to_string(value: Any) -> str:
    """`tostring`."""
    return value if type(value) is str else dumps(value)


def to_number(value: Any) -> Any:
    """`tonumber`. Raises `JqError`."""
    if is_number(value):
        return value
    if type(value) is not str:
        raise JqError(f"tonumber cannot be applied to: {shown(value)}")
    if not _NUMBER.fullmatch(value):
        raise JqError(f"tonumber cannot be applied to {preview(value)}: invalid number")
    return number_of(value)


def from_json(value: Any) -> Any:
    """`fromjson`. Raises `JqError`."""
    if type(value) is not str:
        raise JqError(f"fromjson cannot be applied to: {shown(value)}")
    try:
        return load(value.encode("utf-8", "replace"))
    except JsonError as error:
        raise JqError(f"fromjson cannot be applied to {preview(value)}: {error.problem}") from error


def _uri(value: Any) -> str:
    return quote(to_string(value).encode("utf-8", "replace"), safe="-_.~")


def _uri_decoded(value: Any) -> str:
    text = to_string(value)
    if _BROKEN_PERCENT.search(text):
        raise JqError(f"@urid cannot be applied to {preview(value)}: invalid URL escape")
    return decoded(unquote_to_bytes(text))


def _base64(value: Any) -> str:
    return base64.b64encode(to_string(value).encode("utf-8", "replace")).decode()


def _base64_decoded(value: Any) -> str:
    text = to_string(value).split("=", 1)[0]
    bad = _NO_BASE64.search(text)
    kept = text.replace("\r", "").replace("\n", "")
    if bad or len(kept) % 4 == 1:
        at = len(text[: bad.start()].encode()) if bad else len(text) - 1
        raise JqError(f"@base64d cannot be applied to {preview(value)}: illegal base64 data at input byte {at}")
    return decoded(base64.b64decode(kept + "=" * (-len(kept) % 4)))


def _row(name: str, separator: str, quoted: Callable[[str], str], null: str) -> Callable[[Any], str]:
    def joined(value: Any) -> str:
        if name == "sh" and type(value) is not list:
            value = [value]
        if type(value) is not list:
            raise JqError(f"@{name} cannot be applied to: {shown(value)}")
        parts = []
        for item in value:
            if type(item) in (list, dict):
                raise JqError(f"@{name} cannot format an array including: {shown(item)}")
            text = quoted(item) if type(item) is str else dumps(item)
            parts.append(null if text == "null" and type(item) is not str else text)
        return separator.join(parts)

    return joined


FORMATS: Final[Mapping[str, Callable[[Any], str]]] = {
    "@text": to_string,
    "@json": dumps,
    "@html": lambda value: to_string(value).translate(_HTML),
    "@uri": _uri,
    "@urid": _uri_decoded,
    "@csv": _row("csv", ",", lambda text: f'"{text.translate(_CSV)}"', ""),
    "@tsv": _row("tsv", "\t", lambda text: text.translate(_TSV), ""),
    "@sh": _row("sh", " ", lambda text: f"'{text.translate(_SH)}'", "null"),
    "@base64": _base64,
    "@base64d": _base64_decoded,
}
