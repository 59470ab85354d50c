"""sprig's functions of texts. Go counts bytes: `trunc 3` may cut a character into halves."""

from __future__ import annotations

import os
import random
import re
import string
from typing import Any, Final

from tiphys.languages.golang import fmt
from tiphys.languages.golang.quoting import from_bytes, to_bytes
from tiphys.languages.golang.values import Function, GoError
from tiphys.languages.sprig.bounds import check_characters, check_items, check_text, well_formed
from tiphys.languages.sprig.cases import SPACES
from tiphys.languages.sprig.kinds import strval

__all__ = ["FUNCTIONS"]

_NEGATIVE_REPEAT: Final = "strings: negative Repeat count"
_OUT_OF_RANGE: Final = "runtime error: slice bounds out of range"
_BYTE_SPACES: Final = re.compile(r"[\t\n\v\f\r \x85\xa0]+")
_NO_SPACES: Final = str.maketrans("", "", "\t\n\v\f\r ")


def _trim(text: str) -> str:
    return text.strip(SPACES)


def _trim_all(cut: str, text: str) -> str:
    return text.strip(cut) if cut else text


def _trim_suffix(suffix: str, text: str) -> str:
    return text.removesuffix(suffix)


def _trim_prefix(prefix: str, text: str) -> str:
    return text.removeprefix(prefix)


def _nospace(text: str) -> str:
    """Goes over bytes, and takes each for a character as soon as there is a space: of `é x` it makes `Ã©x`."""
    if text.isascii():
        return text.translate(_NO_SPACES)
    chars = to_bytes(text).decode("latin-1")
    packed = _BYTE_SPACES.sub("", chars)
    return text if packed == chars else packed


def _trunc(count: int, text: str) -> str:
    if text.isascii():
        if count >= 0:
            return text[:count]
        return text[count:] if len(text) + count > 0 else text
    data = to_bytes(text)
    if count >= 0:
        return from_bytes(data[:count])
    return from_bytes(data[count:]) if len(data) + count > 0 else text


def _substr(start: int, end: int, text: str) -> str:
    data = to_bytes(text)
    if start < 0:
        start = 0
    elif end < 0 or end > len(data):
        end = len(data)
    if not start <= end <= len(data):
        raise GoError(f"{_OUT_OF_RANGE} [{start}:{end}] with length {len(data)}")
    return from_bytes(data[start:end])


def _abbreviate(data: bytes, offset: int, width: int) -> bytes:
    """goutils' `AbbreviateFull`: at most `width` bytes, of which three dots are one or two ends."""
    if not data or width < 4 or len(data) <= width:
        return data if width >= 4 else b""
    offset = min(offset, len(data))
    if len(data) - offset < width - 3:
        offset = len(data) - (width - 3)
    if offset <= 4:
        return data[: width - 3] + b"..."
    if width < 7:
        return b""
    if offset + width - 3 < len(data):
        return b"..." + _abbreviate(data[offset:], 0, width - 3)
    return b"..." + data[len(data) - (width - 3) :]


def _abbrev(width: int, text: str) -> str:
    return text if width < 4 else from_bytes(_abbreviate(to_bytes(text), 0, width))


def _abbrevboth(left: int, right: int, text: str) -> str:
    if right < 4 or (left > 0 and right < 7):
        return text
    return from_bytes(_abbreviate(to_bytes(text), left, right))


def _initials(text: str) -> str:
    """Goes over bytes, and takes each for a character: of `é` it makes `Ã`."""
    return "".join(word[:1] for word in _BYTE_SPACES.split(to_bytes(text).decode("latin-1")))


def _wrapped(text: str, width: int, line: str, long_words: bool) -> str:
    """goutils' `WrapCustom`."""
    data, width = to_bytes(text), max(width, 1)
    end_of_line = to_bytes(line or "\n")
    parts: list[bytes] = []
    at = 0
    while len(data) - at > width:
        check_items("wrap", len(parts) // 2)
        if data[at] == 0x20:
            at += 1
            continue
        space = data.rfind(b" ", at, at + width + 1)
        if space >= at:
            parts += (data[at:space], end_of_line)
            at = space + 1
        elif long_words:
            parts += (data[at : at + width], end_of_line)
            at += width
        else:
            space = data.find(b" ", at + width)
            if space < 0:
                parts.append(data[at:])
                at = len(data)
            else:
                parts += (data[at:space], end_of_line)
                at = space + 1
    parts.append(data[at:])
    check_text("wrapWith", sum(map(len, parts)), len(data))
    return from_bytes(b"".join(parts))


def _wrap(width: int, text: str) -> str:
    return _wrapped(text, width, "", long_words=False)


def _wrap_with(width: int, line: str, text: str) -> str:
    check_text("wrapWith", len(line) * (len(text) // max(width, 1)), len(text))
    return _wrapped(text, width, line, long_words=True)


def _repeat(count: int, text: str) -> str:
    if count < 0:
        raise GoError(_NEGATIVE_REPEAT)
    check_text("repeat", count * len(text), len(text))
    return text * count


def _contains(part: str, text: str) -> bool:
    return part in text


def _has_prefix(prefix: str, text: str) -> bool:
    return text.startswith(prefix)


def _has_suffix(suffix: str, text: str) -> bool:
    return text.endswith(suffix)


def _quote(*values: Any) -> str:
    return " ".join(fmt.sprintf("%q", strval(value)) for value in values if value is not None)


def _squote(*values: Any) -> str:
    return " ".join(f"'{fmt.sprintf('%v', value)}'" for value in values if value is not None)


def _cat(*values: Any) -> str:
    return " ".join(fmt.sprintf("%v", value) for value in values if value is not None)


def _indent(spaces: int, text: str) -> str:
    if spaces < 0:
        raise GoError(_NEGATIVE_REPEAT)
    check_text("indent", spaces * (text.count("\n") + 1) + len(text), len(text))
    pad = " " * spaces
    return pad + text.replace("\n", "\n" + pad)


def _nindent(spaces: int, text: str) -> str:
    return "\n" + _indent(spaces, text)


def _replace(old: str, new: str, text: str) -> str:
    if len(new) > len(old):
        found = text.count(old) if old else len(text) + 1
        check_text("replace", len(text) + found * (len(new) - len(old)), len(text))
    return text.replace(old, new)


def _plural(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


def _shuffle(text: str) -> str:
    check_characters("shuffle", text)
    chars = list(well_formed(text))
    random.shuffle(chars)
    return "".join(chars)


def _random(count: int, alphabet: str) -> str:
    """goutils' `CryptoRandom`; of a negative count sprig makes an empty text."""
    check_text("rand", count)
    letters = alphabet.encode()
    fair = 256 // len(letters) * len(letters)  # a byte above would favour the first letters
    table = bytes(letters[octet % len(letters)] for octet in range(256))
    found = b""
    while len(found) < count:
        found += os.urandom(2 * (count - len(found))).translate(table, bytes(range(fair, 256)))
    return found[: max(count, 0)].decode()


_ASCII: Final = "".join(map(chr, range(32, 127)))


def _rand_alpha(count: int) -> str:
    return _random(count, string.ascii_letters)


def _rand_alpha_num(count: int) -> str:
    return _random(count, string.ascii_letters + string.digits)


def _rand_numeric(count: int) -> str:
    return _random(count, string.digits)


def _rand_ascii(count: int) -> str:
    return _random(count, _ASCII)


def _hello() -> str:
    return "Hello!"


def _fail(message: str) -> str:
    raise GoError(message)


_S: Final = ("string",)
_SS: Final = ("string", "string")
_IS: Final = ("int", "string")

FUNCTIONS: Final = (
    Function("hello", (), _hello, "string"),
    Function("fail", _S, _fail, "string"),
    Function("trim", _S, _trim, "string"),
    Function("trimAll", _SS, _trim_all, "string"),
    Function("trimall", _SS, _trim_all, "string"),
    Function("trimSuffix", _SS, _trim_suffix, "string"),
    Function("trimPrefix", _SS, _trim_prefix, "string"),
    Function("nospace", _S, _nospace, "string"),
    Function("trunc", _IS, _trunc, "string"),
    Function("substr", ("int", "int", "string"), _substr, "string"),
    Function("abbrev", _IS, _abbrev, "string"),
    Function("abbrevboth", ("int", "int", "string"), _abbrevboth, "string"),
    Function("initials", _S, _initials, "string"),
    Function("wrap", _IS, _wrap, "string"),
    Function("wrapWith", ("int", "string", "string"), _wrap_with, "string"),
    Function("repeat", _IS, _repeat, "string"),
    Function("contains", _SS, _contains, "bool"),
    Function("hasPrefix", _SS, _has_prefix, "bool"),
    Function("hasSuffix", _SS, _has_suffix, "bool"),
    Function("quote", ("...interface{}",), _quote, "string"),
    Function("squote", ("...interface{}",), _squote, "string"),
    Function("cat", ("...interface{}",), _cat, "string"),
    Function("indent", _IS, _indent, "string"),
    Function("nindent", _IS, _nindent, "string"),
    Function("replace", ("string", "string", "string"), _replace, "string"),
    Function("plural", ("string", "string", "int"), _plural, "string"),
    Function("shuffle", _S, _shuffle, "string"),
    Function("toString", ("interface{}",), strval, "string"),
    Function("randAlpha", ("int",), _rand_alpha, "string"),
    Function("randAlphaNum", ("int",), _rand_alpha_num, "string"),
    Function("randAscii", ("int",), _rand_ascii, "string"),
    Function("randNumeric", ("int",), _rand_numeric, "string"),
)
