"""sprig's `urlParse` and `urlJoin`, with the grammar of Go's `net/url`."""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from dataclasses import dataclass
from typing import Any, Final

from tiphys.languages.golang import quoting
from tiphys.languages.golang.quoting import from_bytes, to_bytes
from tiphys.languages.golang.values import Function, GoError
from tiphys.languages.sprig.cases import lower
from tiphys.languages.sprig.kinds import NIL, kind

__all__ = ["FUNCTIONS"]

_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_SCHEME: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_PORT: Final = re.compile(r"(?::[0-9]*)?")
_BAD_ESCAPE: Final = re.compile("%(?![0-9a-fA-F]{2}).{0,2}", re.DOTALL)
_USERINFO: Final = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_NOT_IN_HOST: Final = re.compile(r"""[^!"$&'()*+,\-.0-9:;<=>\[\]A-Z_a-z~%\x80-\U0010ffff]""")
_ASCII_ESCAPE: Final = re.compile("%(?!25)[0-7][0-9a-fA-F]")
_NOT_IN_ZONE: Final = re.compile("%(?!25|20|[89a-fA-F][0-9a-fA-F])([0-7][0-9a-fA-F])")

# What each part of a URL may have unescaped, beside letters, digits and `-._~`.
_PATH: Final = "$&+,/:;=@"
_FRAGMENT: Final = "!$&()*+,/:;=?@"
_USER: Final = "$&+,;="
_HOST: Final = "!\"$&'()*+,:;<=>[]"


@dataclass(slots=True)
class _Url:
    """A `url.URL`. `user` is the userinfo as it is written, none where there is no `@`."""

    scheme: str = ""
    opaque: str = ""
    user: str | None = None
    host: str = ""
    path: str = ""
    query: str = ""
    fragment: str = ""


class _Invalid(ValueError):  # noqa: N818  what it is; it becomes a GoError
    """A text that is no URL."""


def _escape(text: str, safe: str) -> str:
    return urllib.parse.quote(to_bytes(text), safe)


def _unescape(text: str) -> str:
    bad = _BAD_ESCAPE.search(text)
    if bad:
        raise _Invalid(f"invalid URL escape {quoting.quote(bad[0])}")
    return from_bytes(urllib.parse.unquote_to_bytes(to_bytes(text))) if "%" in text else text


def _unescape_host(text: str) -> str:
    """A host may have only escapes of what is not ASCII, and `%25`."""
    bad = _BAD_ESCAPE.search(text) or _ASCII_ESCAPE.search(text)
    if bad:
        raise _Invalid(f"invalid URL escape {quoting.quote(bad[0])}")
    bad = _NOT_IN_HOST.search(text)
    if bad:
        raise _Invalid(f"invalid character {quoting.quote(bad[0])} in host name")
    return _unescape(text)


def _unescape_zone(text: str) -> str:
    for escape in _NOT_IN_ZONE.finditer(text):
        char = chr(int(escape[1], 16))
        if not (char.isalnum() or char in "-._~" or char in _HOST):
            raise _Invalid(f"invalid URL escape {quoting.quote(escape[0])}")
    bad = _NOT_IN_HOST.search(text)
    if bad:
        raise _Invalid(f"invalid character {quoting.quote(bad[0])} in host name")
    return _unescape(text)


def _parse(text: str) -> _Url:
    rest, _, fragment = text.partition("#")
    url = _Url()
    if _CONTROL.search(rest):
        raise _Invalid("net/url: invalid control character in URL")
    if rest == "*":
        url.path = "*"
    else:
        _parse_rest(url, rest)
    url.fragment = _unescape(fragment)
    return url


def _parse_rest(url: _Url, rest: str) -> None:
    if rest.startswith(":"):
        raise _Invalid("missing protocol scheme")
    scheme = _SCHEME.match(rest)
    if scheme:
        url.scheme, rest = lower(scheme[1]), rest[scheme.end() :]
    rest, _, url.query = rest.partition("?")
    if not rest.startswith("/"):
        if url.scheme:
            url.opaque = rest
            return
        if ":" in rest.partition("/")[0]:
            raise _Invalid("first path segment in URL cannot contain colon")
    if rest.startswith("//") and (url.scheme or not rest.startswith("///")):
        authority, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        userinfo, at, host = authority.rpartition("@")
        url.host = _parse_host(url.scheme, host)
        url.user = _parse_userinfo(userinfo) if at else None
    url.path = _unescape(rest)


def _parse_userinfo(text: str) -> str:
    if not _USERINFO.fullmatch(text):
        raise _Invalid("net/url: invalid userinfo")
    name, colon, password = text.partition(":")
    return _escape(_unescape(name), _USER) + colon + _escape(_unescape(password), _USER)


def _parse_host(scheme: str, host: str) -> str:
    bracket = host.rfind("[")
    if bracket > 0:
        raise _Invalid("invalid IP-literal")
    if bracket == 0:
        return _parse_literal(host)
    colon = host.find(":") if scheme in ("http", "https") else host.rfind(":")
    if colon >= 0 and not _PORT.fullmatch(host, colon):
        raise _Invalid(f"invalid port {quoting.quote(host[colon:][:200])} after host")
    return _unescape_host(host)


def _parse_literal(host: str) -> str:
    """`[::1]:80`, perhaps with a zone: `[fe80::1%25en0]`."""
    end = host.rfind("]")
    if end < 0:
        raise _Invalid("missing ']' in host")
    if not _PORT.fullmatch(host, end + 1):
        raise _Invalid(f"invalid port {quoting.quote(host[end + 1 :][:200])} after host")
    address, percent, zone = host[1:end].partition("%25")
    address = _unescape_host(address) + (_unescape_zone(percent + zone) if percent else "")
    try:
        ipaddress.IPv6Address(address)
    except ValueError as error:
        raise _Invalid(f"invalid host: {error}") from error
    return f"[{address}]{host[end + 1 :]}"


def _hostname(host: str) -> str:
    colon = host.rfind(":")
    if colon >= 0 and _PORT.fullmatch(host, colon):
        host = host[:colon]
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _url_parse(text: str) -> dict[str, Any]:
    try:
        url = _parse(text)
    except _Invalid as error:
        raise GoError(f"unable to parse url: parse {quoting.quote(text[:200])}: {error}") from error
    return {
        "scheme": url.scheme,
        "host": url.host,
        "hostname": _hostname(url.host),
        "path": url.path,
        "query": url.query,
        "opaque": url.opaque,
        "fragment": url.fragment,
        "userinfo": url.user or "",
    }


def _part(parts: dict[str, Any] | None, key: str) -> str:
    value = parts.get(key, "") if parts else ""
    if value is None:
        raise GoError(NIL)
    if not isinstance(value, str):
        raise GoError(f"unable to parse {key} key, must be of type string, but {kind(value)} found")
    return value


def _url_join(parts: dict[str, Any] | None) -> str:
    scheme, host, path, query, opaque, fragment, userinfo = (
        _part(parts, key) for key in ("scheme", "host", "path", "query", "opaque", "fragment", "userinfo")
    )
    user = None
    if userinfo:
        try:
            user = _parse(f"proto://{userinfo}@host").user
        except _Invalid as error:
            raise GoError(f"unable to parse userinfo in dict: {error}") from error
    text = scheme + ":" if scheme else ""
    if opaque:
        text += opaque
    else:
        if (scheme or host or user is not None) and (host or path or user is not None):
            text += "//" + ("" if user is None else user + "@") + _escape(host, _HOST)
        escaped = path if path == "*" else _escape(path, _PATH)
        if escaped and not escaped.startswith("/") and host:
            text += "/"
        if not text and ":" in escaped.partition("/")[0]:
            text = "./"
        text += escaped
    return text + ("?" + query if query else "") + ("#" + _escape(fragment, _FRAGMENT) if fragment else "")


FUNCTIONS: Final = (
    Function("urlParse", ("string",), _url_parse, "map[string]interface{}"),
    Function("urlJoin", ("map[string]interface{}",), _url_join, "string"),
)
