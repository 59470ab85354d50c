"""What can be done to resources: the verbs of the Kubernetes API over the store.

Each write is one mutation: what it decides, it decides inside the writer's transaction, so that two writers never see the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from tiphys.emulator.definitions import DEFINITIONS, NAMESPACE_KIND, Registry, establish
from tiphys.emulator.kinds import CUSTOM, NAMESPACES, Kind
from tiphys.emulator.objects import KubeObject, check_kept, created, now, parse_object, same, typed, updated
from tiphys.emulator.patches import Patch
from tiphys.emulator.selectors import Predicate
from tiphys.emulator.statuses import ApiError, already_exists, bad_request, conflict, not_found, success
from tiphys.emulator.store import Key, Store, Stored, Transaction

__all__ = ["Target", "Verbs"]

_DRAWS: Final = 8  # names drawn for one generateName, as kube-apiserver does
_KEPT: Final = frozenset({"default", "kube-system"})


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names. `namespace` and `name` are empty where the path has none."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> Key:
        """Where the object is kept."""
        return Key(self.kind.storage, self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """The body of a DELETE, as far as it matters here: the preconditions."""

    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False
    matches: Predicate | None = field(default=None, compare=False)


def delete_options(body: bytes, *, dry_run: bool) -> DeleteOptions:
    """Read a DELETE's body, which may be empty. Raises `ApiError` 400."""
    if not body:
        return DeleteOptions(dry_run=dry_run)
    try:
        options = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the object provided is unrecognized (must be of type DeleteOptions): {error}") from error
    if not isinstance(options, dict):
        raise bad_request("the object provided is unrecognized (must be of type DeleteOptions)")
    required = options.get("preconditions") or {}
    if not isinstance(required, dict):
        raise bad_request("json: cannot unmarshal into Go struct field DeleteOptions.preconditions of type v1.Preconditions")
    return DeleteOptions(required.get("uid") or "", required.get("resourceVersion") or "", dry_run or bool(options.get("dryRun")))


class Verbs:
    """The verbs that change something. All are coroutines that return when the change is on disk, with the JSON to answer."""

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store, self._registry = store, registry

    async def create(self, target: Target, body: bytes, *, dry_run: bool) -> bytes:
        """POST."""
        obj = parse_object(target.kind, body, target.namespace)
        return await self._store.change(lambda transaction: self._create(transaction, target, obj, dry_run=dry_run))

    async def replace(self, target: Target, body: bytes, *, dry_run: bool) -> bytes:
        """PUT, of an object or of its status."""
        kind = target.kind
        new = parse_object(kind, body, target.namespace)
        if not (name := new["metadata"].get("name")):
            raise bad_request(f"the name of the object ({target.name} based on URL) was undeterminable: name must be provided")
        if name != target.name:
            raise bad_request(_other_name(name, target))

        def take(_: KubeObject) -> KubeObject:
            check_kept(kind, name, new["metadata"].get("resourceVersion", ""))
            return new

        return await self._store.change(lambda transaction: self._update(transaction, target, take, dry_run=dry_run))

    async def patch(self, target: Target, patch: Patch, *, dry_run: bool) -> bytes:
        """PATCH, of an object or of its status."""
        kind = target.kind

        def apply(old: KubeObject) -> KubeObject:
            new = patch(old)
            if not isinstance(new, dict):
                raise bad_request("the patch does not give an object")
            typed(kind, new)
            if (name := new["metadata"].get("name")) != target.name:
                raise bad_request(_other_name(name, target))
            if new["metadata"].get("namespace") != old["metadata"].get("namespace"):
                raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
            return new

        return await self._store.change(lambda transaction: self._update(transaction, target, apply, dry_run=dry_run))

    async def delete(self, target: Target, options: DeleteOptions) -> bytes:
        """DELETE of one object: the answer is a Status, or the object where finalizers keep it."""

        def mutation(transaction: Transaction) -> bytes:
            found = transaction.get(target.key)
            if found is None:
                raise not_found(target.kind, target.name)
            obj = orjson.loads(found.value)
            _check_preconditions(target.kind, obj, options)
            if target.kind is NAMESPACE_KIND and target.name in _KEPT:
                text = f'namespaces "{target.name}" is forbidden: this namespace may not be deleted'
                raise ApiError("Forbidden", text, details={"name": target.name, "kind": "namespaces"})
            answer = self._remove(transaction, target, obj, found)
            if options.dry_run:
                transaction.forget()
            return answer or orjson.dumps(success(target.kind, target.name, obj["metadata"]["uid"]))

        return await self._store.change(mutation)

    async def delete_all(self, target: Target, options: DeleteOptions) -> bytes:
        """DELETE of a collection, or of what a selector matches in it: the answer is the list of what went."""
        kind = target.kind

        def mutation(transaction: Transaction) -> bytes:
            gone: list[bytes] = []
            for key in transaction.names(kind.storage, target.namespace or None):
                found = transaction.get(key)
                if found is None:
                    continue
                obj = orjson.loads(found.value)
                if options.matches is not None and not options.matches(obj):
                    continue
                gone.append(found.value)
                self._remove(transaction, Target(kind, key.namespace, key.name), obj, found)
            meta = b'{"resourceVersion":"%d"}' % (transaction.revision + len(transaction.staged))
            if options.dry_run:
                transaction.forget()
            head = orjson.dumps({"kind": kind.lists, "apiVersion": kind.api_version})[:-1]
            return head + b',"metadata":' + meta + b',"items":[' + b",".join(gone) + b"]}"

        return await self._store.change(mutation)

    async def seed(self) -> None:
        """What each server has: the namespaces and Argo's definitions, where they are missing."""

        def mutation(transaction: Transaction) -> None:
            for name in NAMESPACES:
                if transaction.get(Key(NAMESPACE_KIND.storage, "", name)) is None:
                    fresh = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                    self._create(transaction, Target(NAMESPACE_KIND), fresh, dry_run=False)
            for crd in CUSTOM:
                if transaction.get(Key(DEFINITIONS.storage, "", crd["metadata"]["name"])) is None:
                    self._create(transaction, Target(DEFINITIONS), crd, dry_run=False)

        await self._store.change(mutation)

    def _create(self, transaction: Transaction, target: Target, obj: KubeObject, *, dry_run: bool) -> bytes:
        kind = target.kind
        if kind.namespaced and transaction.get(Key(NAMESPACE_KIND.storage, "", target.namespace)) is None:
            raise not_found(NAMESPACE_KIND, target.namespace)
        fresh = created(kind, obj)
        draws = 1 if obj["metadata"].get("name") else _DRAWS
        while transaction.get(key := Key(kind.storage, target.namespace, fresh["metadata"]["name"])) is not None:
            draws -= 1
            if not draws:
                raise already_exists(kind, key.name)
            fresh = created(kind, obj)
        if kind is DEFINITIONS:
            fresh = establish(fresh)
        value = transaction.put(key, fresh)
        if dry_run:
            transaction.forget()
            fresh["metadata"].pop("resourceVersion", None)  # nothing was written, so there is no version
            return orjson.dumps(fresh)
        return value

    def _update(
        self, transaction: Transaction, target: Target, change: Callable[[KubeObject], KubeObject], *, dry_run: bool
    ) -> bytes:
        kind = target.kind
        found = transaction.get(target.key)
        if found is None:
            raise not_found(kind, target.name)
        old = orjson.loads(found.value)
        if kind.converts:
            old["apiVersion"] = kind.api_version
        result = updated(kind, old, change(old), subresource=target.subresource)
        if kind is DEFINITIONS:
            result = establish(result)
        if same(result, old):
            return found.value
        metadata = result["metadata"]
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            value = transaction.delete(target.key, result, found)
        else:
            value = transaction.put(target.key, result, found)
        if dry_run:
            transaction.forget()
        return value

    def _remove(self, transaction: Transaction, target: Target, obj: KubeObject, found: Stored) -> bytes | None:
        """Stage a deletion; returns the object's JSON where finalizers keep it, else `None`."""
        metadata = obj["metadata"]
        if metadata.get("finalizers"):
            if "deletionTimestamp" in metadata:
                return found.value
            metadata |= {"deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}
            if "generation" in metadata:
                metadata["generation"] += 1  # as the real server counts it
            return transaction.put(target.key, obj, found)
        for storage, namespace in self._contents(target.kind, obj):
            for key in transaction.names(storage, namespace):
                if (inside := transaction.get(key)) is not None:
                    transaction.delete(key, orjson.loads(inside.value), inside)
        transaction.delete(target.key, obj, found)
        return None

    def _contents(self, kind: Kind, obj: Mapping[str, Any]) -> list[tuple[str, str | None]]:
        """What goes with an object: a namespace's objects, a definition's objects; their finalizers are not asked."""
        if kind is NAMESPACE_KIND:
            return [(storage, obj["metadata"]["name"]) for storage in self._registry.namespaced_storages()]
        if kind is DEFINITIONS:
            return [(f"{obj['spec']['group']}/{obj['spec']['names']['plural']}", None)]
        return []


def _other_name(name: str | None, target: Target) -> str:
    return f"the name of the object ({name or ''}) does not match the name on the URL ({target.name})"


def _check_preconditions(kind: Kind, obj: KubeObject, options: DeleteOptions) -> None:
    metadata = obj["metadata"]
    for word, asked, found in (
        ("UID", options.uid, metadata["uid"]),
        ("ResourceVersion", options.resource_version, metadata["resourceVersion"]),
    ):
        if asked and asked != found:
            raise conflict(
                kind, metadata["name"], f"Precondition failed: {word} in precondition: {asked}, {word} in object meta: {found}"
            )
