"""Where requests that a manifest asks for may go: anywhere, or to the open Internet and what the settings add to it.

A name is judged by what it stands for where the connection is made, so that no second answer of its resolver slips through.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tiphys.errors import NotAllowed

__all__ = ["ANYWHERE", "Targets", "flaw_in_target"]

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def flaw_in_target(text: str) -> str:
    """Why that is neither a network nor a host; empty if it is one."""
    if "/" in text:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            return str(error)
        return ""
    good = text.strip(".") and all(
        part and part.replace("-", "").replace("_", "").isalnum() for part in text.lstrip(".").split(".")
    )
    return "" if good or _address(text) else f"{text!r} is no host and no network"


@dataclass(frozen=True)
class Targets:
    """`public_only` keeps requests away from addresses of the machine itself and of private networks. `allowed` are exceptions: networks
    (`10.20.0.0/16`), addresses, hosts (`gitea.internal`), and all hosts below a name (`.svc.cluster.local`)."""

    public_only: bool = False
    allowed: Sequence[str] = ()
    _networks: Sequence[_Network] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        networks = [ipaddress.ip_network(text) for text in self.allowed if "/" in text or _address(text)]
        object.__setattr__(self, "_networks", networks)

    def host(self, name: str) -> bool:
        """Whether a host may be gone to whatever its addresses are."""
        name = name.rstrip(".").lower()
        return not self.public_only or any(
            name.endswith(one.lower()) if one.startswith(".") else name == one.lower() for one in self.allowed
        )

    def address(self, text: str) -> bool:
        """Whether an IP address may be gone to; true for a name, about which its resolver decides."""
        found = _address(text.partition("%")[0])
        if found is None or not self.public_only:
            return True
        found = getattr(found, "ipv4_mapped", None) or found
        return (found.is_global and not found.is_multicast) or any(found in network for network in self._networks)

    def refuse(self, target: str, host: str) -> NotAllowed:
        """The error for a host that may not be gone to."""
        text = f"{host} has no public address, and others are not allowed by this service's settings (http-targets, http-allowed)"
        return NotAllowed(target, text)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


ANYWHERE: Final = Targets()
