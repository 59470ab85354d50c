"""`spec.service` of an EventSource: the Service `<name>-eventsource-svc`, as argo-events makes it, leading to this process.

argo-events gives each EventSource a pod, so that two of them may both have `/push` on port 12000. Here they share a process: each one
that asks for a Service gets ports of its own, one for each port of its manifest, where only its routes are. They are allotted once and kept
in the ledger, so that a Service leads to the right place from the first moment after a restart. The Service has no selector; we keep its
EndpointSlice on the address of our pod. Both belong to the EventSource (ownerReferences), so the cluster removes them with it.

A Service of argo-events' own has a selector that leads to its pods: it is replaced by one with the same address and ports.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog

from eventsource.ingress import SHARED_PORT, Ingress, Owner
from tiphys.app.catalog import Catalog, Entry
from tiphys.bus.ledger import Ledger
from tiphys.clients.kube import Kube, KubeObject
from tiphys.errors import ClientError, Refused, SettingsError, StoreUnavailable

__all__ = ["EventServices"]

_log: Final = structlog.get_logger(__name__)
_KEPT: Final = "ServicePorts"
_OWNED: Final = "tiphys.dev/eventsource"
_MANAGER: Final = "tiphys.dev"
_PORT_FIELDS: Final = ("name", "port", "protocol", "appProtocol", "targetPort")
_FIRST, _LAST = 20000, 29999
_EVERY: Final = 60.0
_SOON: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What an EventSource asks for: the ports of its Service, and what stands beside them."""

    ports: tuple[Mapping[str, Any], ...]
    cluster_ip: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def targets(self) -> list[int]:
        """The ports of the manifest that the Service leads to."""
        return sorted({target for port in self.ports if (target := _target(port))})


class EventServices:
    """Keeps the Services of EventSources. `address` is that of this pod (`SettingsError` if it is none). `restore` comes before the first
    manifest is loaded."""

    def __init__(self, kube: Kube, ledger: Ledger, ingress: Ingress, catalog: Catalog, address: str) -> None:
        self._kube, self._ledger, self._ingress, self._catalog = kube, ledger, ingress, catalog
        try:
            self._family = f"IPv{ipaddress.ip_address(address).version}"
        except ValueError as error:
            raise SettingsError("--pod-address", f"{address!r} is no address", "give the pod's status.podIP") from error
        self._address = address
        self._allotted: dict[Owner, dict[int, int]] = {}
        self._done: dict[Owner, tuple[Any, ...]] = {}
        self._troubled: dict[Owner, str] = {}
        self._wake = asyncio.Event()

    async def restore(self) -> None:
        """Open the ports that were allotted before."""
        for kept in await self._ledger.kept(_KEPT):
            owner = Owner(kept.namespace, kept.name)
            self._allotted[owner] = {int(port): own for port, own in orjson.loads(kept.body).items()}
            await self._ingress.allot(owner, self._allotted[owner])

    def changed(self, entry: Entry) -> None:
        """An EventSource may ask for something else."""
        if entry.kind == "EventSource":
            self._wake.set()

    async def run(self) -> None:
        """Keep them, for ever. All is looked at once a minute: what somebody else changed is put back."""
        while True:
            self._wake.clear()
            await self.look()
            try:
                async with asyncio.timeout(_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                self._done.clear()
            await asyncio.sleep(_SOON)

    async def look(self) -> None:
        """Bring every Service in line once."""
        wanted: dict[Owner, tuple[KubeObject, _Wanted]] = {}
        for entry in self._catalog.entries:
            obj = self._catalog.object(entry.key) if entry.kind == "EventSource" and entry.revision else None
            if obj is not None and obj["metadata"].get("uid") and (asked := _asked(obj)) is not None:
                wanted[Owner(entry.namespace, entry.name)] = obj, asked
        present = {Owner(entry.namespace, entry.name) for entry in self._catalog.entries if entry.kind == "EventSource"}
        for owner, (obj, asked) in wanted.items():
            await self._guarded(owner, self._keep(owner, obj, asked))
        for owner in [owner for owner in self._allotted if owner not in wanted]:
            if owner not in present:
                await self._release(owner)  # the cluster removes what belonged to it
            elif self._catalog.object(("EventSource", *owner)) is not None:
                await self._guarded(owner, self._drop(owner))

    async def _guarded(self, owner: Owner, work: Any) -> None:
        try:
            await work
        except (ClientError, StoreUnavailable) as error:
            self._done.pop(owner, None)
            if self._troubled.get(owner) != str(error):
                self._troubled[owner] = str(error)
                _log.warning("a Service cannot be kept", action="service-trouble", eventsource=str(owner), error=str(error))
        else:
            if self._troubled.pop(owner, None):
                _log.info("a Service is kept again", action="service-recovered", eventsource=str(owner))

    # -- ports

    async def _ports(self, owner: Owner, targets: Sequence[int]) -> dict[int, int]:
        """The ports of the owner's own for those of its manifest; the same as before where it had one."""
        before = self._allotted.get(owner, {})
        own = {port: before[port] for port in targets if port in before}
        taken = {port for ports in self._allotted.values() for port in ports.values()} | self._ingress.table.ports
        for port in targets:
            if port not in own:
                own[port] = _free(owner, port, taken)
                taken.add(own[port])
        if own != before:
            await self._ledger.keep(_KEPT, *owner, orjson.dumps({str(port): number for port, number in own.items()}), "")
            self._allotted[owner] = own
        await self._ingress.allot(owner, own)
        return own

    async def _release(self, owner: Owner) -> None:
        await self._ledger.forget(_KEPT, *owner)
        del self._allotted[owner]
        self._done.pop(owner, None)
        await self._ingress.allot(owner, {})

    # -- objects

    async def _keep(self, owner: Owner, obj: KubeObject, asked: _Wanted) -> None:
        own = await self._ports(owner, asked.targets)
        state = (asked, tuple(own.items()), obj["metadata"]["uid"])
        if self._done.get(owner) == state:
            return
        reference = {
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            "name": owner.name,
            "uid": obj["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": False,
        }
        metadata = {"namespace": owner.namespace, "ownerReferences": [reference]}
        await self._put_service(owner, asked, metadata)
        await self._put_slice(owner, asked, own, metadata)
        self._done[owner] = state

    async def _put_service(self, owner: Owner, asked: _Wanted, metadata: Mapping[str, Any]) -> None:
        name = _service_name(owner)
        ports = [{key: port[key] for key in _PORT_FIELDS if key in port} for port in asked.ports]
        spec: dict[str, Any] = {"ports": ports, "type": "ClusterIP"}
        if asked.cluster_ip:
            spec["clusterIP"] = asked.cluster_ip
        found = await self._kube.get("v1", "Service", name, owner.namespace)
        if found is not None and not _is_of(owner, found["metadata"]):
            raise Refused(f"Service {owner.namespace}/{name}", 409, "NameTaken", "it is there, and belongs to somebody else")
        if found is not None and ((found.get("spec") or {}).get("selector") or _moves(found, asked)):
            if not asked.cluster_ip and (kept := (found.get("spec") or {}).get("clusterIP")):
                spec["clusterIP"] = kept
            await self._kube.delete("v1", "Service", name, owner.namespace, uid=found["metadata"].get("uid") or "")
            _log.info("a Service is replaced: it led elsewhere", action="service-replaced", service=f"{owner.namespace}/{name}")
            found = None
        labels = {**asked.labels, _OWNED: owner.name, "app.kubernetes.io/managed-by": "tiphys"}
        wanted = {**metadata, "name": name, "labels": labels, "annotations": dict(asked.annotations)}
        if found is None:
            await self._kube.create({"apiVersion": "v1", "kind": "Service", "metadata": wanted, "spec": spec})
        elif not _stands(wanted, found["metadata"]) or not _stands(ports, found["spec"].get("ports")):
            await self._kube.patch("v1", "Service", name, owner.namespace, {"metadata": wanted, "spec": {"ports": ports}})

    async def _put_slice(self, owner: Owner, asked: _Wanted, own: Mapping[int, int], metadata: Mapping[str, Any]) -> None:
        name = f"{_service_name(owner)}-tiphys"
        labels = {
            "kubernetes.io/service-name": _service_name(owner),
            "endpointslice.kubernetes.io/managed-by": _MANAGER,
            _OWNED: owner.name,
        }
        ports = [
            {
                "name": port.get("name") or "",
                "port": own.get(_target(port), _target(port)),
                "protocol": port.get("protocol") or "TCP",
            }
            for port in asked.ports
        ]
        api = "discovery.k8s.io/v1"
        wanted = {
            "apiVersion": api,
            "kind": "EndpointSlice",
            "metadata": {**metadata, "name": name, "labels": labels},
            "addressType": self._family,
            "endpoints": [{"addresses": [self._address], "conditions": {"ready": True}}],
            "ports": ports,
        }
        found = await self._kube.get(api, "EndpointSlice", name, owner.namespace)
        if found is not None and found.get("addressType") != self._family:
            await self._kube.delete(api, "EndpointSlice", name, owner.namespace)
            found = None
        if found is None:
            await self._kube.create(wanted)
        elif not _stands(wanted, found):
            await self._kube.patch(api, "EndpointSlice", name, owner.namespace, wanted)

    async def _drop(self, owner: Owner) -> None:
        """It asks for no Service any more; one that somebody else made is left alone."""
        name = _service_name(owner)
        found = await self._kube.get("v1", "Service", name, owner.namespace)
        if found is not None and (found["metadata"].get("labels") or {}).get(_OWNED) == owner.name:
            await self._kube.delete("v1", "Service", name, owner.namespace)
        await self._kube.delete("discovery.k8s.io/v1", "EndpointSlice", f"{name}-tiphys", owner.namespace)
        await self._release(owner)


def _service_name(owner: Owner) -> str:
    return f"{owner.name}-eventsource-svc"


def _asked(obj: KubeObject) -> _Wanted | None:
    """What stands in `spec.service`; `None` where it has no ports."""
    service = (obj.get("spec") or {}).get("service")
    ports = service.get("ports") if isinstance(service, Mapping) else None
    if not isinstance(service, Mapping) or not isinstance(ports, list):
        return None
    found = tuple(port for port in ports if isinstance(port, Mapping) and isinstance(port.get("port"), int))
    metadata = service.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    address = service.get("clusterIP")
    texts = [
        {str(key): str(value) for key, value in (metadata.get(part) or {}).items()}
        if isinstance(metadata.get(part), Mapping)
        else {}
        for part in ("labels", "annotations")
    ]
    return _Wanted(found, address if isinstance(address, str) else "", *texts) if found else None


def _target(port: Mapping[str, Any]) -> int:
    """The port of the manifest that a port of the Service leads to."""
    target = port.get("targetPort")
    if isinstance(target, str) and target.isdecimal():
        target = int(target)
    return target if isinstance(target, int) and target else int(port.get("port") or SHARED_PORT)


def _free(owner: Owner, port: int, taken: Iterable[int]) -> int:
    """A port of the range that is not taken: the same one for the same owner, if it can be had."""
    taken = set(taken)
    size = _LAST - _FIRST + 1
    start = sum(f"{owner}:{port}".encode()) * 7919 % size
    return next(number for step in range(size) if (number := _FIRST + (start + step) % size) not in taken)


def _is_of(owner: Owner, metadata: Mapping[str, Any]) -> bool:
    """Whether a Service is ours, or argo-events' for the same EventSource."""
    labels = metadata.get("labels") or {}
    return owner.name in (labels.get(_OWNED), labels.get("eventsource-name"), labels.get("owner-name"))


def _moves(found: KubeObject, asked: _Wanted) -> bool:
    """Whether it asks for another address, which no Service can change."""
    return bool(asked.cluster_ip) and (found.get("spec") or {}).get("clusterIP") != asked.cluster_ip


def _stands(wanted: Any, found: Any) -> bool:
    """Whether all that is wanted stands there; what the API server added is no matter."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_stands(value, found.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(_stands, wanted, found))
    return bool(wanted == found) or (wanted in ("", {}) and found is None)
