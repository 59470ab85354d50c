"""URI references as Go's `net/url` reads and writes them, which is what argo-events does to an event's `source`.

The name of an EventSource is a Kubernetes name and comes out as it went in. Names from elsewhere may not: a blank is escaped, and
what is no URI reference at all (`%zz`) has no text. Only the parts that such a name can have are treated; an authority is kept as
it is if its characters are allowed.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

__all__ = ["uri_reference"]

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~-]*\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_AUTHORITY: Final = re.compile(r"(?:[A-Za-z0-9._:~!$&'()*+,;=%@-]|[^\x00-\x7f])*(?:\[[0-9A-Fa-f:.%]+\])?(?::[0-9]*)?\Z")
_PATH_SAFE: Final = "/$&+,:;=@~"
_FRAGMENT_SAFE: Final = _PATH_SAFE + "?!()*"
_ALLOWED_AS_WRITTEN: Final = re.compile(r"[A-Za-z0-9_.~!$&'()*+,;=:@\[\]%/-]*\Z")


def uri_reference(text: str) -> str | None:
    """The canonical text of a URI reference, or `None` if `text` is none. The empty reference is the empty text."""
    if _PLAIN.match(text):
        return text
    if _CONTROL.search(text):
        return None
    rest, hash_mark, fragment = text.partition("#")
    scheme = ""
    if found := _SCHEME.fullmatch(rest):
        scheme, rest = found.group(1).lower(), found.group(2)
    elif rest.startswith(":"):
        return None
    rest, question, query = rest.partition("?")
    if scheme and not rest.startswith("/"):
        hierarchy: str | None = rest
    else:
        hierarchy = _hierarchy(rest, scheme)
    escaped_fragment = _escaped(fragment, _FRAGMENT_SAFE)
    if hierarchy is None or escaped_fragment is None:
        return None
    tail = f"#{escaped_fragment}" if hash_mark and escaped_fragment else ""
    return (f"{scheme}:" if scheme else "") + hierarchy + question + query + tail


def _hierarchy(rest: str, scheme: str) -> str | None:
    authority = ""
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        name, slash, path = rest[2:].partition("/")
        if not _AUTHORITY.match(name) or _BAD_ESCAPE.search(name):
            return None
        authority, rest = "//" + quote(name, safe="!$&'()*+,;=:@[]~%"), slash + path
    elif not scheme and ":" in rest.partition("/")[0]:
        return None
    path_text = _escaped(rest, _PATH_SAFE)
    return None if path_text is None else authority + path_text


def _escaped(text: str, safe: str) -> str | None:
    """Text that is allowed as it stands is kept so; anything else is decoded and escaped afresh."""
    if _BAD_ESCAPE.search(text):
        return None
    if text == "*" or _ALLOWED_AS_WRITTEN.match(text):
        return text
    return quote(unquote_to_bytes(text), safe=safe)
