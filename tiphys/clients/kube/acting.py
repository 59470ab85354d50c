"""The Kubernetes API as a service account sees it: a view of a connection in which every request impersonates.

Whoever holds a view cannot leave it: what a caller names as `impersonate` is not listened to, and what a view cannot do as its account
(list, watch) it does not do at all. Discovery says nothing of any object and is asked as ourselves.

No groups are sent. For a service account the API server then puts in the account's own (`system:serviceaccounts`, those of its namespace
and `system:authenticated`), which is what its own token would have; and we need no right to impersonate groups, which would be a right
to become `system:masters`.

Followed: "User impersonation" of the Kubernetes documentation.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar

from tiphys.clients.kube.api import Kube, KubeObject, Listing, OnWatchTrouble, Resource, WatchEvent
from tiphys.clients.kube.secrets import values_of
from tiphys.errors import Refused, SecretError
from tiphys.schema.secret import ConfigMapRef, SecretRef, Secrets

__all__ = ["Account", "AccountSecrets", "ActingAs", "ImpersonationForbidden"]

ResultT = TypeVar("ResultT")


class Account(NamedTuple):
    """A service account."""

    namespace: str
    name: str

    @property
    def user(self) -> str:
        """Its user name."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    @property
    def forbidden(self) -> str:
        """What to tell where we may not act as it, and what to do."""
        rule = f'{{apiGroups: [""], resources: [serviceaccounts], verbs: [impersonate], resourceNames: [{self.name}]}}'
        return (
            f"Tiphys may not act as service account {self.namespace}/{self.name}; give its own account the rule {rule} in a Role of "
            f"namespace {self.namespace} or in a ClusterRole, or let it act as itself (--no-impersonate)"
        )


class ImpersonationForbidden(Refused):
    """The 403 that is about the impersonation itself, and not about what was to be done."""

    def __init__(self, target: str, account: Account) -> None:
        super().__init__(target, 403, "ImpersonationForbidden", account.forbidden)


class ActingAs(Kube):
    """`kube` as `account`. `refused` is called when the right to impersonate turns out to be missing."""

    def __init__(self, kube: Kube, account: Account, refused: Callable[[Account], None] = lambda _: None) -> None:
        self._kube, self.account, self._refused = kube, account, refused

    async def resource(self, api_version: str, kind: str) -> Resource:
        """`Kube.resource`."""
        return await self._kube.resource(api_version, kind)

    async def create(self, obj: KubeObject, *, namespace: str | None = None, impersonate: str | None = None) -> KubeObject:
        """`Kube.create`."""
        return await self._told(self._kube.create(obj, namespace=namespace, impersonate=self.account.user))

    async def get(
        self, api_version: str, kind: str, name: str, namespace: str | None = None, *, impersonate: str | None = None
    ) -> KubeObject | None:
        """`Kube.get`."""
        return await self._told(self._kube.get(api_version, kind, name, namespace, impersonate=self.account.user))

    async def list(
        self, api_version: str, kind: str, namespace: str | None = None, *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        """Refused."""
        raise self._none_of("lists")

    async def replace(self, obj: KubeObject, *, impersonate: str | None = None) -> KubeObject:
        """`Kube.replace`."""
        return await self._told(self._kube.replace(obj, impersonate=self.account.user))

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
        """`Kube.patch`."""
        return await self._told(
            self._kube.patch(
                api_version,
                kind,
                name,
                namespace,
                body,
                patch_type=patch_type,
                subresource=subresource,
                manager=manager,
                impersonate=self.account.user,
            )
        )

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
        """`Kube.delete`."""
        return await self._told(self._kube.delete(api_version, kind, name, namespace, uid=uid, impersonate=self.account.user))

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
        """Refused."""
        raise self._none_of("watches")
        yield WatchEvent("SYNCED", {})  # makes it the generator that the contract asks for

    async def version(self) -> Mapping[str, Any]:
        """`Kube.version`."""
        return await self._kube.version()

    async def aclose(self) -> None:
        """Nothing: the connection is somebody else's."""

    def _none_of(self, what: str) -> Refused:
        return Refused(self.account.user, 405, "MethodNotAllowed", f"nothing here {what} as a service account")

    async def _told(self, call: Coroutine[Any, Any, ResultT]) -> ResultT:
        try:
            return await call
        except Refused as error:
            if error.status == 403 and "cannot impersonate resource" in str(error):
                self._refused(self.account)
                raise ImpersonationForbidden(error.target, self.account) from error
            raise


class AccountSecrets:
    """`Secrets` for a view: a ConfigMap is read as the account, each time; a Secret as ourselves, as a kubelet hands it to any pod of the
    namespace (and from memory while the API is away)."""

    def __init__(self, secrets: Secrets, view: ActingAs) -> None:
        self._secrets, self._view = secrets, view

    async def secret(self, namespace: str, ref: SecretRef) -> bytes:
        """`Secrets.secret`."""
        return await self._secrets.secret(namespace, ref)

    async def configmap(self, namespace: str, ref: ConfigMapRef) -> bytes:
        """`Secrets.configmap`. Raises `ClientError` too: where the account may not read it, and while it cannot be asked for."""
        found = await self._view.get("v1", "ConfigMap", ref.name, namespace) if ref.name else None
        values, faults = values_of(found or {})
        if ref.key in faults:
            raise SecretError(namespace, ref.name, ref.key, faults[ref.key], known=True)
        if found is None or ref.key not in values:
            if ref.optional:
                return b""
            missing = "there is no such ConfigMap; create it" if found is None else "the ConfigMap has no such key"
            raise SecretError(namespace, ref.name, ref.key, missing, known=True)
        return values[ref.key]
