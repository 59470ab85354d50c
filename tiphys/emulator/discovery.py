"""What the API says about itself: versions, groups, resources, and as much OpenAPI as kubectl asks for.

kubectl finds out by the OpenAPI document whether the server validates fields itself (`fieldValidation` on PATCH); with that it asks no
more schemas. The v2 document is asked in protobuf only, and an empty one says that no schema is published.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tiphys.emulator.definitions import Registry
from tiphys.emulator.kinds import Kind
from tiphys.emulator.statuses import unknown_path

__all__ = [
    "OPENAPI_V2_PROTOBUF",
    "VERSION",
    "aggregated",
    "api_versions",
    "group",
    "groups",
    "openapi_v3",
    "openapi_v3_paths",
    "resources",
    "wants_aggregated",
]

VERSION: Final = {
    "major": "1",
    "minor": "33",
    "gitVersion": "v1.33.0+tiphys-emulator",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}
_INFO: Final = b"\x0a\x06Tiphys\x12\x02v1"  # Info{title: 1, version: 2}
OPENAPI_V2_PROTOBUF: Final = b"\x0a\x032.0\x12" + bytes([len(_INFO)]) + _INFO  # Document{swagger: 1, info: 2}

_VERBS: Final = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_STATUS_VERBS: Final = ["get", "patch", "update"]


def api_versions(host: str) -> dict[str, Any]:
    """`/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}],
    }


def group(registry: Registry, name: str) -> dict[str, Any]:
    """`/apis/<group>`. Raises `ApiError` 404."""
    found = [{"groupVersion": f"{name}/{version}", "version": version} for version in registry.versions(name)]
    if not name or not found:
        raise unknown_path()
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": found, "preferredVersion": found[0]}


def groups(registry: Registry) -> dict[str, Any]:
    """`/apis`."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(registry, name) for name in registry.groups()]}


def _served(registry: Registry, name: str, version: str) -> list[Kind]:
    found = [kind for kind in registry if kind.group == name and kind.version == version]
    if not found:
        raise unknown_path()
    return found


def resources(registry: Registry, name: str, version: str) -> dict[str, Any]:
    """`/api/v1` and `/apis/<group>/<version>`. Raises `ApiError` 404."""
    rows: list[dict[str, Any]] = []
    for kind in _served(registry, name, version):
        row: dict[str, Any] = {
            "name": kind.plural,
            "singularName": kind.one,
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": _verbs(kind),
        }
        if kind.short:
            row["shortNames"] = kind.short
        if kind.categories:
            row["categories"] = kind.categories
        rows.append(row)
        if kind.status:
            part = {
                "name": f"{kind.plural}/status",
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": _STATUS_VERBS,
            }
            rows.append(part)
    gv = f"{name}/{version}" if name else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": gv, "resources": rows}


def _verbs(kind: Kind) -> list[str]:
    return ["create"] if kind.review else _VERBS


def wants_aggregated(accept: str) -> bool:
    """Whether a client asks for aggregated discovery first."""
    first = accept.partition(",")[0].replace(" ", "")
    return "as=APIGroupDiscoveryList" in first and "v=v2" in first.split(";")


def aggregated(registry: Registry, names: Iterable[str]) -> dict[str, Any]:
    """`/api` (group "") and `/apis` in one answer: apidiscovery.k8s.io/v2."""
    items = []
    for name in names:
        versions = [
            {
                "version": version,
                "freshness": "Current",
                "resources": [_discovered(kind) for kind in registry if kind.group == name and kind.version == version],
            }
            for version in registry.versions(name)
        ]
        items.append({"metadata": {"name": name} if name else {"creationTimestamp": None}, "versions": versions})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _discovered(kind: Kind) -> dict[str, Any]:
    response = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    row: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": response,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.one,
        "verbs": _verbs(kind),
    }
    if kind.short:
        row["shortNames"] = kind.short
    if kind.categories:
        row["categories"] = kind.categories
    if kind.status:
        row["subresources"] = [{"subresource": "status", "responseKind": response, "verbs": _STATUS_VERBS}]
    return row


def openapi_v3_paths(registry: Registry) -> dict[str, Any]:
    """`/openapi/v3`."""
    found = ["api/v1", *(f"apis/{name}/{version}" for name in registry.groups() for version in registry.versions(name))]
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in found}}


def openapi_v3(registry: Registry, name: str, version: str) -> dict[str, Any]:
    """`/openapi/v3/api/v1` and the like: the PATCH of each kind with its query parameters; schemas are open. Raises `ApiError` 404."""
    gv = f"{name}/{version}" if name else version
    root = f"/apis/{gv}" if name else f"/api/{gv}"
    parameters = [
        {"name": parameter, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for parameter in ("dryRun", "fieldManager", "fieldValidation")
    ]
    paths, schemas = {}, {}
    for kind in _served(registry, name, version):
        gvk = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        path = f"{root}/namespaces/{{namespace}}/{kind.plural}/{{name}}" if kind.namespaced else f"{root}/{kind.plural}/{{name}}"
        answers = {"200": {"description": "OK"}}
        paths[path] = {
            "patch": {
                "parameters": parameters,
                "responses": answers,
                "x-kubernetes-action": "patch",
                "x-kubernetes-group-version-kind": gvk,
            }
        }
        schemas[f"{kind.group or 'core'}.{kind.version}.{kind.kind}"] = {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "x-kubernetes-group-version-kind": [gvk],
        }
    return {
        "openapi": "3.0.0",
        "info": {"title": "Tiphys embedded Kubernetes API", "version": "v1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }
