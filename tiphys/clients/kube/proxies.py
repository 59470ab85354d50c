"""The proxy to an API server: the kubeconfig's `proxy-url`, else the environment's, read as Go reads it.

Python's own reading of `NO_PROXY` knows no address ranges, and `NO_PROXY=10.96.0.0/12` is how clusters exempt their API server.
Followed: golang.org/x/net/http/httpproxy.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from tiphys.errors import SettingsError

__all__ = ["proxy_for"]


def proxy_for(server: str, configured: str, environ: Mapping[str, str]) -> str | None:
    """The URL of the proxy for `server`, or `None` to go directly. Raises `SettingsError` for a kind that is not supported."""
    proxy = configured or _from_environment(server, environ)
    if proxy and not proxy.startswith(("http://", "https://")):
        raise SettingsError(
            "proxy", f"only http and https proxies are supported, not {proxy.partition(':')[0]}", "name another proxy"
        )
    return proxy or None


def _from_environment(server: str, environ: Mapping[str, str]) -> str:
    url = urlsplit(server)
    host = (url.hostname or "").rstrip(".").lower()
    named = f"{url.scheme}_proxy"
    proxy = environ.get(named.upper()) or environ.get(named) or ""
    if not proxy or _is_exempt(host, url.port, environ.get("NO_PROXY") or environ.get("no_proxy") or ""):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_exempt(host: str, port: int | None, exempt: str) -> bool:
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_matches(host, address, port, entry.strip().lower()) for entry in exempt.split(",") if entry.strip())


def _matches(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, port: int | None, entry: str) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, separator, wanted = entry.rpartition(":")
    if separator and wanted.isdigit() and _address(entry) is None:
        if port != int(wanted):
            return False
        entry = name.strip("[]")
    if (other := _address(entry)) is not None:
        return address == other
    if entry.startswith("*."):
        entry = entry[1:]
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith(f".{entry}")
