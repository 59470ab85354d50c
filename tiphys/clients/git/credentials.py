"""How a secret reaches git: by a configuration in the child's environment, or by a key file that lives as long as one call.

Never on the command line (any user of the machine can list it), never in the address (git stores and prints it).
"""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tiphys.clients.git.address import Address

__all__ = ["Credentials"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and password (or token), or a private SSH key in OpenSSH's or PEM form. Not shown by `repr`.

    A password without a user name is sent with `git`, which GitHub, GitLab and Gitea take for any token. `any_host_key` trusts whoever
    answers by SSH.
    """

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    ssh_key: bytes = field(default=b"", repr=False)
    any_host_key: bool = False

    @property
    def digest(self) -> str:
        """Tells these credentials from others, and does not tell what they are."""
        return hashlib.sha256(repr((self.username, self.password, self.ssh_key)).encode()).hexdigest()

    def configuration(self, address: Address) -> Mapping[str, str]:
        """Git configuration for one call. The header is bound to scheme, host and port, so that no redirect carries it away."""
        if not self.password or address.protocol not in ("http", "https"):
            return {}
        pair = f"{self.username or 'git'}:{self.password}".encode()
        where = f"{address.protocol}://{urlsplit(address.url).netloc}/"
        return {f"http.{where}.extraHeader": f"Authorization: Basic {base64.b64encode(pair).decode()}"}

    @contextmanager
    def ssh(self, address: Address, known_hosts: Path) -> Iterator[str]:
        """The command that git runs for SSH. A host is trusted on first use and pinned from then on, in `known_hosts`."""
        options = [
            "ssh",
            *("-o", "BatchMode=yes", "-o", "ConnectTimeout=10"),
            *("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=2"),
            *("-o", "StrictHostKeyChecking=no" if self.any_host_key else "StrictHostKeyChecking=accept-new"),
            *("-o", f"UserKnownHostsFile={os.devnull if self.any_host_key else known_hosts}"),
        ]
        if address.pinned:
            options += ["-o", f"HostName={address.pinned}", "-o", f"HostKeyAlias={address.host}"]
        if not self.ssh_key or address.protocol != "ssh":
            yield shlex.join(options)
            return
        with tempfile.TemporaryDirectory(prefix="tiphys-ssh-") as folder:  # made with mode 0700
            key = Path(folder) / "key"
            key.touch(mode=0o600)
            key.write_bytes(self.ssh_key.rstrip(b"\r\n") + b"\n")  # OpenSSH refuses a key without its last newline
            yield shlex.join([*options, "-o", "IdentitiesOnly=yes", "-i", str(key)])
