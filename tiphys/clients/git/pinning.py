"""A repository where requests may go, and no other: its host's name is looked up once, and git is sent to the address that was judged.

Asking twice would let a name answer with a public address first and a private one then. Behind a proxy it is the proxy's to do.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from tiphys.clients.git.address import Address
from tiphys.clients.kube.proxies import proxy_for
from tiphys.clients.targets import Targets
from tiphys.errors import Unreachable

__all__ = ["configuration_of", "pin"]


def pin(address: Address, targets: Targets) -> Address:
    """The address with one IP address of its host that may be gone to. Blocks. Raises `NotAllowed` where there is none, `Unreachable`."""
    if address.protocol == "file" or targets.host(address.host):
        return address
    if address.protocol != "ssh" and proxy_for(address.url, "", os.environ):
        return address
    try:
        found = socket.getaddrinfo(address.host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(address.url, f"{address.host} has no address: {error.strerror or error}") from error
    allowed = [str(place[0]) for *_, place in found if targets.address(str(place[0]))]
    if not allowed:
        raise targets.refuse(address.url, address.host)
    return replace(address, pinned=allowed[0])


def configuration_of(address: Address) -> Mapping[str, str]:
    """Git configuration that sends a request to the pinned address and nowhere else, redirects included."""
    if not address.pinned or address.protocol not in ("http", "https"):
        return {}
    port = urlsplit(address.url).port or (443 if address.protocol == "https" else 80)
    shown = f"[{address.pinned}]" if ":" in address.pinned else address.pinned
    return {"http.curloptResolve": f"{address.host}:{port}:{shown}", "http.followRedirects": "false"}
