"""Where an API server is and how to show who we are: read from a kubeconfig, or from a pod's own files.

Static entries are read here: kubernetes-asyncio costs 65 MiB and more than a second of a held event loop to import (measured: 860
modules, all models included, whatever part of it is asked for), which is a third of what 1,000 sensors may take and most of what a
start may take, and a server, a token and a certificate need none of it. What needs real work, `exec` and `auth-provider` plugins,
is done by kubernetes-asyncio in a child process that ends with its work (`tiphys.clients.kube.plugin`).

Followed: client-go's rules of merging (`KUBECONFIG` may list several files; the first to set a value wins; paths are relative to the
file that names them) and of finding (`KUBECONFIG`, then `~/.kube/config`, then the pod's service account).
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import yaml

from tiphys.errors import SettingsError

__all__ = ["Profile", "from_kubeconfig", "from_pod", "kubeconfig_paths"]

POD_FILES: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_OPTION: Final = "--kubeconfig"


@dataclass(frozen=True, slots=True, repr=False)
class Profile:
    """One way to reach an API server, as of one reading. Certificates and keys are PEM; `proxy` is a URL or empty.

    `authorization` is the header's value. `rotates`: it comes from a file that is replaced from time to time. `plugin`: kubeconfig
    paths and context for kubernetes-asyncio, where credentials come from a program. `expires`: Unix time, where it is known.
    `impersonation`: headers that the kubeconfig's `as` asks for.
    """

    server: str
    namespace: str = "default"
    authority: str = ""
    insecure: bool = False
    server_name: str = ""
    proxy: str = ""
    authorization: str = ""
    certificate: str = ""
    key: str = ""
    impersonation: tuple[tuple[str, str], ...] = ()
    rotates: bool = False
    plugin: tuple[str, str] | None = None
    expires: float | None = None

    def __repr__(self) -> str:
        return f"Profile({self.server})"


def kubeconfig_paths(kubeconfig: str | Path | None, environ: Mapping[str, str]) -> list[Path] | None:
    """The kubeconfig files to merge; `None` to use the pod's service account. Raises `SettingsError` where there is neither."""
    if kubeconfig is not None:
        path = Path(kubeconfig).expanduser()
        if not path.is_file():
            raise SettingsError(_OPTION, f"there is no file {path}", "name a kubeconfig file")
        return [path]
    if named := environ.get("KUBECONFIG"):
        found = [path for entry in named.split(os.pathsep) if entry and (path := Path(entry).expanduser()).is_file()]
        if not found:
            raise SettingsError("KUBECONFIG", f"none of the files of {named!r} exists", "correct or unset the variable")
        return found
    default = Path("~/.kube/config").expanduser()
    if default.is_file():
        return [default]
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    raise SettingsError(_OPTION, "no kubeconfig was found and this is no pod", "give --kubeconfig FILE, or --local for no cluster")


def from_pod(environ: Mapping[str, str], files: Path = POD_FILES) -> Profile:
    """The pod's own service account (Kubernetes, "Accessing the API from within a Pod"). Raises `SettingsError`."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise SettingsError("KUBERNETES_SERVICE_HOST", "is not set", "run in a pod, or give --kubeconfig FILE")
    token = _read(files / "token", "the pod's service account").strip()
    if not token:
        raise SettingsError(str(files / "token"), "is empty", "mount the service account's token")
    namespace = files / "namespace"
    return Profile(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=(_read(namespace, "the pod's namespace").strip() if namespace.is_file() else "") or "default",
        authority=_read(files / "ca.crt", "the pod's service account"),
        authorization=f"Bearer {token}",
        rotates=True,
    )


def from_kubeconfig(paths: Sequence[Path], context: str | None = None) -> Profile:
    """One context (`None`: the current one) of merged kubeconfig files. Raises `SettingsError`."""
    merged = _Merged(paths)
    wanted = context or merged.current
    if not wanted:
        raise SettingsError(_OPTION, "the kubeconfig has no current-context", "give --context NAME")
    chosen = merged.entry("contexts", "context", wanted)
    cluster = merged.entry("clusters", "cluster", chosen.text("cluster"))
    user = merged.entry("users", "user", chosen.text("user")) if chosen.text("user") else _Entry({}, cluster.folder, "user")
    server, password = _server(cluster)
    plugin = bool(user.content.get("exec") or user.content.get("auth-provider"))
    return Profile(
        server=server,
        namespace=chosen.text("namespace") or "default",
        authority=cluster.pem("certificate-authority"),
        insecure=cluster.content.get("insecure-skip-tls-verify") is True,
        server_name=cluster.text("tls-server-name"),
        proxy=cluster.text("proxy-url"),
        authorization=_authorization(user) or password,
        certificate=user.pem("client-certificate"),
        key=user.pem("client-key"),
        impersonation=_impersonation(user),
        rotates=bool(user.text("tokenFile") or user.text("client-certificate")),
        plugin=(os.pathsep.join(map(str, paths)), wanted) if plugin else None,
    )


def _server(cluster: _Entry) -> tuple[str, str]:
    """The server's URL without what it says of a user, and that as an `Authorization`."""
    url = urlsplit(cluster.text("server").rstrip("/"))
    if url.scheme not in ("https", "http") or not url.hostname:
        raise SettingsError(_OPTION, f"{cluster.name} has no http or https server", "correct the kubeconfig")
    host = url.netloc.rpartition("@")[2]
    credentials = _basic(unquote(url.username), unquote(url.password or "")) if url.username else ""
    return f"{url.scheme}://{host}{url.path}", credentials


def _basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def _authorization(user: _Entry) -> str:
    token = user.text("token")
    if path := user.text("tokenFile"):
        token = _read(user.folder / path, user.name).strip() or token
    if token:
        return f"Bearer {token}"
    if name := user.text("username"):
        return _basic(name, user.text("password"))
    return ""


def _impersonation(user: _Entry) -> tuple[tuple[str, str], ...]:
    if not (name := user.text("as")):
        return ()
    groups = user.content.get("as-groups") or []
    uid = user.text("as-uid")
    return (
        ("Impersonate-User", name),
        *(("Impersonate-Group", str(g)) for g in groups),
        *((("Impersonate-Uid", uid),) if uid else ()),
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """A named entry, and the folder that its relative paths start from."""

    content: Mapping[str, Any]
    folder: Path
    name: str

    def text(self, key: str) -> str:
        value = self.content.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise SettingsError(_OPTION, f"{key} of {self.name} must be a string", "put it in quotes")
        return value

    def pem(self, key: str) -> str:
        """A certificate or key given as data (base64) or as a file; data wins."""
        if encoded := self.text(f"{key}-data"):
            try:
                return base64.b64decode(encoded, validate=False).decode()
            except (binascii.Error, UnicodeDecodeError) as error:
                raise SettingsError(_OPTION, f"{key}-data of {self.name} is no base64 of PEM", "correct the kubeconfig") from error
        path = self.text(key)
        return _read(self.folder / path, self.name) if path else ""


class _Merged:
    """Several kubeconfig files as one."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.current = ""
        self._entries: dict[tuple[str, str], _Entry] = {}
        for path in paths:
            self._add(path)

    def _add(self, path: Path) -> None:
        try:
            document = yaml.load(_read(path, "kubeconfig"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  safe
        except yaml.YAMLError as error:
            raise SettingsError(str(path), f"is no YAML: {error}", "correct the kubeconfig") from error
        if document is None:
            return
        if not isinstance(document, dict):
            raise SettingsError(str(path), "is no kubeconfig", "name a kubeconfig file")
        self.current = self.current or str(document.get("current-context") or "")
        for group, single in (("contexts", "context"), ("clusters", "cluster"), ("users", "user")):
            for item in document.get(group) or []:
                if isinstance(item, dict) and isinstance(item.get(single) or {}, dict):
                    name = str(item.get("name"))
                    entry = _Entry(item.get(single) or {}, path.absolute().parent, f"{single} {name!r} in {path}")
                    self._entries.setdefault((group, name), entry)

    def entry(self, group: str, single: str, name: str) -> _Entry:
        try:
            return self._entries[group, name]
        except KeyError:
            known = ", ".join(sorted(n for g, n in self._entries if g == group)) or "none"
            raise SettingsError(_OPTION, f"there is no {single} {name!r} in the kubeconfig", f"it has: {known}") from None


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), f"cannot be read for {what}: {error}", "correct the path or its rights") from error
