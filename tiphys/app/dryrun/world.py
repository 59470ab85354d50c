"""The world of a dry run: what the files say is there, and nothing else. No network is touched.

Secrets, ConfigMaps and Kubernetes objects are those among the files. Of what is not among them nothing is known: `NotAmongFiles` says so,
so that nobody takes an object for absent that was only not shown.
"""

from __future__ import annotations

import base64
import binascii
import copy
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from dispatcher.objects import CLUSTER_SCOPED
from dispatcher.trigger import Templates
from tiphys.clients.http import HttpClient
from tiphys.clients.kube import Kube, KubeObject, Listing, OnWatchTrouble, Resource, WatchEvent
from tiphys.errors import ClientError, SecretError
from tiphys.schema.secret import ConfigMapRef, SecretRef, Secrets

__all__ = ["FileKube", "FileObjects", "FileSecrets", "FileServices", "NotAmongFiles", "NotFetched"]

_Key = tuple[str, str, str]
_NO_TOUCH: Final = "a dry run changes nothing"


class NotAmongFiles(ClientError):  # noqa: N818  named for what is the matter with the object
    """An object that a firing needs to see is not among the files."""

    def __init__(self, kind: str, namespace: str, name: str) -> None:
        where = f"{namespace}/{name}" if namespace else name
        super().__init__(f"{kind} {where}", "is not among the files; add a manifest of it to see what would become of it")


class NotFetched(ClientError):  # noqa: N818  as above
    """What a trigger's source would fetch is not given. `source` says what it is, `trigger` is `SENSOR/TRIGGER`."""

    def __init__(self, source: str, trigger: str) -> None:
        given = f"give what it holds: --source {trigger}=FILE"
        super().__init__(source, f"is fetched when the trigger fires, and a dry run fetches nothing; {given}")


class FileObjects:
    """Kubernetes objects by kind, namespace and name. `namespace` is that of objects that name none."""

    def __init__(self, objects: Iterable[KubeObject], namespace: str) -> None:
        self._objects: dict[_Key, KubeObject] = {}
        for obj in objects:
            metadata = obj.get("metadata")
            metadata = metadata if isinstance(metadata, dict) else {}
            kind, name = obj.get("kind"), metadata.get("name")
            if isinstance(kind, str) and isinstance(name, str):
                place = "" if kind in CLUSTER_SCOPED else str(metadata.get("namespace") or namespace)
                self._objects.setdefault((kind, place, name), obj)

    def find(self, kind: str, namespace: str, name: str) -> KubeObject | None:
        """A copy of one."""
        return copy.deepcopy(self._objects.get((kind, "" if kind in CLUSTER_SCOPED else namespace, name)))

    def of_kind(self, kind: str, namespace: str | None) -> list[KubeObject]:
        """Copies of those of a kind; `namespace` `None` means all."""
        found = [obj for (its, place, _), obj in self._objects.items() if its == kind and namespace in (None, place)]
        return copy.deepcopy(found)


class FileSecrets(Secrets):
    """Secrets and ConfigMaps of files. `given` are values from the command line or a case, by name and key, in whichever namespace."""

    def __init__(self, objects: FileObjects, given: Mapping[tuple[str, str], bytes]) -> None:
        self._objects, self._given = objects, given

    async def secret(self, namespace: str, ref: SecretRef) -> bytes:
        """As `Secrets.secret`."""
        given = self._given.get((ref.name, ref.key))
        return self._value("Secret", namespace, ref) if given is None else given

    async def configmap(self, namespace: str, ref: ConfigMapRef) -> bytes:
        """As `Secrets.configmap`."""
        return self._value("ConfigMap", namespace, ref)

    def _value(self, kind: str, namespace: str, ref: SecretRef | ConfigMapRef) -> bytes:
        obj = self._objects.find(kind, namespace, ref.name)
        if obj is None and not ref.optional:
            more = f", or give --secret {ref.name}/{ref.key}=VALUE" if kind == "Secret" else ""
            raise SecretError(
                namespace, ref.name, ref.key, f"the {kind} is not among the files; add a manifest of it{more}", known=True
            )
        try:
            value = _values(obj or {}, kind).get(ref.key)
        except (binascii.Error, TypeError, ValueError) as error:
            raise SecretError(
                namespace, ref.name, ref.key, "its data is no base64; write it under stringData", known=True
            ) from error
        if value is None and not ref.optional:
            raise SecretError(namespace, ref.name, ref.key, f"the {kind} has no such key", known=True)
        return value or b""


def _values(obj: KubeObject, kind: str) -> dict[str, bytes]:
    plain, coded = ("stringData", "data") if kind == "Secret" else ("data", "binaryData")
    values = {str(key): base64.b64decode(text or "", validate=True) for key, text in (obj.get(coded) or {}).items()}
    return values | {str(key): str(text).encode() for key, text in (obj.get(plain) or {}).items()}


@dataclass
class FileServices:
    """What triggers are rendered with (`dispatcher.trigger.Services`). Nothing is executed."""

    kube: Kube | None
    secrets: Secrets
    templates: Templates | None
    http: HttpClient | None = None


class FileKube(Kube):
    """The objects of the files, to be read. What is not there raises `NotAmongFiles`; what would change something raises `ClientError`."""

    def __init__(self, objects: FileObjects) -> None:
        self._objects = objects

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Any kind is known; it lives in namespaces unless Kubernetes itself has it outside of them."""
        return Resource(api_version, kind.lower(), kind, kind not in CLUSTER_SCOPED)

    async def get(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, impersonate: str | None = None
    ) -> KubeObject | None:
        """One of the files."""
        found = self._objects.find(kind, namespace or "", name)
        if found is None:
            raise NotAmongFiles(kind, namespace or "", name)
        return found

    async def list(
        self, api_version: str, kind: str, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        """Those of the files, whatever the selectors."""
        return Listing(self._objects.of_kind(kind, namespace), "")

    async def create(self, obj: KubeObject, *, namespace: str | None = None, impersonate: str | None = None) -> KubeObject:
        """Refused."""
        return _refuse()

    async def replace(self, obj: KubeObject, *, impersonate: str | None = None) -> KubeObject:
        """Refused."""
        return _refuse()

    async def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None,
        body: Any,
        *,
        patch_type: str = "",
        subresource: str = "",
        manager: str = "",
        impersonate: str | None = None,
    ) -> KubeObject:
        """Refused."""
        return _refuse()

    async def delete(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None = None,
        *,
        uid: str = "",
        impersonate: str | None = None,
    ) -> bool:
        """Refused."""
        return _refuse()

    async def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        on_trouble: OnWatchTrouble | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Those of the files, which never change."""
        for obj in self._objects.of_kind(kind, namespace):
            yield WatchEvent("ADDED", obj)
        yield WatchEvent("SYNCED", {})

    async def version(self) -> Mapping[str, Any]:
        """None."""
        return {}

    async def aclose(self) -> None:
        """Nothing to close."""


def _refuse() -> NoReturn:
    raise ClientError("the files", _NO_TOUCH)
