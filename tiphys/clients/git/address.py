"""Which repositories may be reached: an allow-list of protocols, and no secret in an address.

Git runs programs for some addresses (`ext::sh -c …`) and takes others for options (`--upload-pack=…`). What is not plainly https,
http, ssh or (where allowed) a local file is refused before git sees it; `GIT_ALLOW_PROTOCOL` says the same to git itself, so that
no redirect and no configuration leads elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["PROTOCOLS", "Address", "faults", "parse"]

PROTOCOLS: Final = ("https", "http", "ssh", "file")
_SCP: Final = re.compile(r"(?:(?P<user>[A-Za-z0-9._-]+)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]):(?P<path>[^:].*)")


@dataclass(frozen=True, slots=True)
class Address:
    """`url` as it is given to git, its `protocol`, `host` (empty for files) and `path`. `pinned` is the one IP address that the host's name
    stands for, if not empty."""

    url: str
    protocol: str
    host: str
    path: str
    pinned: str = ""

    @property
    def name(self) -> str:
        """The repository's short name: the last part of the path without `.git`."""
        return self.full_name.rsplit("/", 1)[-1]

    @property
    def full_name(self) -> str:
        """What hosts call the repository: the path without `.git` (`acme/shop`)."""
        return self.path.strip("/").removesuffix(".git").rstrip("/")


def faults(url: str) -> tuple[str, str] | None:
    """What is wrong with an address, and the remedy; `None` for a good one."""
    if not url:
        return "is empty", "write the address that git clone takes"
    if url != url.strip() or any(ord(c) < 32 or ord(c) == 127 for c in url):
        return "has blanks at its ends or control characters", "write the address that git clone takes"
    if url.startswith("/"):
        return "is a path", f"write file://{url}"
    if "::" in url.split("/", 1)[0] and not url.startswith("["):
        return "asks git to run a helper program", f"use one of {', '.join(PROTOCOLS)}"
    if "://" not in url:
        return None if _SCP.fullmatch(url) else ("is no address", "write https://host/path or user@host:path")
    return _url_faults(url)


def _url_faults(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is no address", "write https://host/path or user@host:path"
    if parts.scheme not in PROTOCOLS:
        return f"has the protocol {parts.scheme or 'none'}", f"use one of {', '.join(PROTOCOLS)}"
    if parts.scheme == "file":
        if parts.netloc:
            return "names a host in a file address", "write file:///path"
        return None if parts.path.startswith("/") else ("is no address", "write file:///path")
    if not host or host.startswith("-"):
        return "names no host", "write https://host/path"
    if parts.password is not None or (parts.scheme != "ssh" and parts.username is not None):
        return "holds credentials", "name a Secret in 'credentials' and leave them out of the address"
    if (parts.username or "").startswith("-"):
        return "is no address", "write ssh://user@host/path"
    if parts.query or parts.fragment:
        return "has a query or a fragment", "write the address that git clone takes"
    return None


def parse(url: str) -> Address:
    """A good address. Raises `ValueError` for one that has `faults`."""
    fault = faults(url)
    if fault is not None:
        raise ValueError(f"the address {fault[0]}; {fault[1]}")
    if "://" not in url:
        match = _SCP.fullmatch(url)
        if match is None:
            raise ValueError("no address")
        return Address(url, "ssh", match["host"].strip("[]"), match["path"])
    parts = urlsplit(url)
    return Address(url, parts.scheme, parts.hostname or "", unquote(parts.path))
