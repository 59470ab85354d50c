"""The contract of the Kubernetes client: plain dicts in and out, every call with a time limit.

Objects are the user's own and are never re-modelled (STYLE, habit 12). Kinds are mapped to resources by discovery, so that any kind
the server knows can be created. `tiphys.clients.kube.connect` opens the real thing; the embedded API is reached the same way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tiphys.errors import ClientError

__all__ = ["Kube", "KubeObject", "Listing", "OnWatchTrouble", "Resource", "WatchEvent"]

KubeObject = dict[str, Any]

OnWatchTrouble = Callable[[ClientError | None], None]
"""Called with an error when a watch cannot list or follow, again when its kind changes, and with `None` when it goes on."""


class Resource(NamedTuple):
    """A kind as the server serves it: `argoproj.io/v1alpha1`, `workflows`, `Workflow`, whether it lives in namespaces."""

    api_version: str
    plural: str
    kind: str
    namespaced: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a list (every page of it) and the resourceVersion to watch from."""

    items: Sequence[KubeObject]
    resource_version: str


class WatchEvent(NamedTuple):
    """A change. `type` is `ADDED`, `MODIFIED`, `DELETED`, or `SYNCED`: a full (re-)list is over and what was not in it is gone."""

    type: str
    object: KubeObject


class Kube(ABC):
    """A Kubernetes API server.

    Every method raises `Unreachable` when no connection was made, `OutcomeUnknown` when the request left and no full answer came,
    and `Refused` for a 4xx. Reads are retried inside; writes never are: whether to try again is the caller's decision. Time limits
    are in seconds.
    """

    @abstractmethod
    async def resource(self, api_version: str, kind: str) -> Resource:
        """Map a kind by discovery (kept, and asked again when unknown). Raises `Refused` 404 for a kind the server does not serve."""

    @abstractmethod
    async def create(self, obj: KubeObject, *, namespace: str | None = None, impersonate: str | None = None) -> KubeObject:
        """POST; `namespace` for objects that name none (ignored for cluster-scoped kinds). `impersonate` is a service account
        (`system:serviceaccount:ns:name`)."""

    @abstractmethod
    async def get(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, impersonate: str | None = None
    ) -> KubeObject | None:
        """GET; `None` for a 404 of the object. `impersonate` as in `create`."""

    @abstractmethod
    async def list(
        self, api_version: str, kind: str, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        """GET of a collection, paged inside; `namespace` `None` means all."""

    @abstractmethod
    async def replace(self, obj: KubeObject, *, impersonate: str | None = None) -> KubeObject:
        """PUT; a stale resourceVersion raises `Refused` 409."""

    @abstractmethod
    async def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None,
        body: Any,
        *,
        patch_type: str = "application/merge-patch+json",
        subresource: str = "",
        manager: str = "",
        impersonate: str | None = None,
    ) -> KubeObject:
        """PATCH of an object or of its subresource (`status`). `manager` is who sets the fields (default: `tiphys`): of a server-side
        apply, what the same manager applied before and does not apply now is taken away."""

    @abstractmethod
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
        """DELETE; false if there was none. With `uid` only that very object: another of its name raises `Refused` 409."""

    @abstractmethod
    def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        on_trouble: OnWatchTrouble | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """List, then watch, for ever: survives 410, cuts, silence and half-open connections. Starts with an `ADDED` for each object
        and a `SYNCED`; after a re-list the differences come as events, then `SYNCED` again. A `DELETED` found by a re-list has the
        object's apiVersion, kind, name, namespace, uid and last resourceVersion only. An error before the first `SYNCED`
        and after it is retried with back-off; `on_trouble` and that of the connection hear of it. Close it (`contextlib.aclosing`)
        when you stop before it is cancelled."""

    @abstractmethod
    async def version(self) -> Mapping[str, Any]:
        """`/version`; the cheapest question that shows whether the server is there."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close connections."""
