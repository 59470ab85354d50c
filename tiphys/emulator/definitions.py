"""CustomResourceDefinitions: what makes one valid, what the server adds, and the registry of the kinds that are served now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tiphys.emulator.kinds import BUILTIN, Kind, kinds_of
from tiphys.emulator.objects import now
from tiphys.emulator.selectors import at_path
from tiphys.emulator.statuses import Cause, invalid, required, wrong

__all__ = ["DEFINITIONS", "NAMESPACE_KIND", "Registry", "establish"]

DEFINITIONS: Final = next(kind for kind in BUILTIN if kind.kind == "CustomResourceDefinition")
NAMESPACE_KIND: Final = next(kind for kind in BUILTIN if kind.kind == "Namespace")

_LABEL: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


class Registry:
    """The kinds that are served: the built-in table and what definitions add."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str, str], Kind] = {(kind.group, kind.version, kind.plural): kind for kind in BUILTIN}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind behind a path, or `None`."""
        return self._kinds.get((group, version, plural))

    def versions(self, group: str) -> list[str]:
        """The served versions of a group, the preferred one first."""
        found = dict.fromkeys(kind.version for kind in self if kind.group == group)
        return sorted(found, key=_priority, reverse=True)

    def groups(self) -> list[str]:
        """The named groups."""
        return list(dict.fromkeys(kind.group for kind in self if kind.group))

    def namespaced_storages(self) -> list[str]:
        """The storages of everything that lives in namespaces."""
        return list(dict.fromkeys(kind.storage for kind in self if kind.namespaced))

    def define(self, crd: Mapping[str, Any]) -> None:
        """Serve what a definition defines, in place of what its earlier form did."""
        self.undefine(crd)
        for kind in kinds_of(crd):
            self._kinds[kind.group, kind.version, kind.plural] = kind

    def undefine(self, crd: Mapping[str, Any]) -> None:
        """Serve a definition's kinds no more."""
        group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
        for key in [key for key, kind in self._kinds.items() if kind.custom and key[0] == group and key[2] == plural]:
            del self._kinds[key]


def _priority(version: str) -> tuple[int, int, int, str]:
    """Kubernetes' order of versions: v2, v1, v1beta2, v1beta1, v1alpha1, then others."""
    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return (0, 0, 0, version)
    stage = {"alpha": 1, "beta": 2, None: 3}[match[2]]
    return (stage, int(match[1]), int(match[3] or 0), version)


def establish(crd: dict[str, Any]) -> dict[str, Any]:
    """Check a definition and give it the status of an established one. Returns a new object. Raises `ApiError` 422."""
    causes = list(_causes(crd))
    if causes:
        raise invalid(DEFINITIONS, crd["metadata"]["name"], causes)
    spec = crd["spec"]
    names = {"singular": spec["names"]["kind"].lower(), "listKind": f"{spec['names']['kind']}List", **spec["names"]}
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    status = dict(crd.get("status") or {})
    if not status.get("conditions"):
        since = now()
        status["conditions"] = [
            {
                "type": "NamesAccepted",
                "status": "True",
                "reason": "NoConflicts",
                "message": "no conflicts found",
                "lastTransitionTime": since,
            },
            {
                "type": "Established",
                "status": "True",
                "reason": "InitialNamesAccepted",
                "message": "the initial names have been accepted",
                "lastTransitionTime": since,
            },
        ]
    status["acceptedNames"] = names
    status["storedVersions"] = list(dict.fromkeys([*(status.get("storedVersions") or ()), storage]))
    return {**crd, "spec": {"conversion": {"strategy": "None"}, **spec, "names": names}, "status": status}


def _causes(crd: Mapping[str, Any]) -> Iterator[Cause]:
    for path, kind in (
        ("spec.group", str),
        ("spec.names.plural", str),
        ("spec.names.kind", str),
        ("spec.scope", str),
        ("spec.versions", list),
    ):
        found = at_path(crd, path)
        if not found or not isinstance(found, kind):
            yield required(path, "")
            return
    spec = crd["spec"]
    expected = f"{spec['names']['plural']}.{spec['group']}"
    if crd["metadata"]["name"] != expected:
        yield wrong("metadata.name", crd["metadata"]["name"], 'must be spec.names.plural+"."+spec.group')
    if _LABEL.fullmatch(spec["names"]["plural"]) is None:
        yield wrong(
            "spec.names.plural",
            spec["names"]["plural"],
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-'",
        )
    if spec["scope"] not in {"Namespaced", "Cluster"}:
        yield Cause(
            "spec.scope",
            "FieldValueNotSupported",
            f'Unsupported value: "{spec["scope"]}": supported values: "Cluster", "Namespaced"',
        )
    if any(kind.group == spec["group"] for kind in BUILTIN):
        yield wrong("spec.group", spec["group"], "is served by the API itself")
    for index, version in enumerate(spec["versions"]):
        if not isinstance(version, dict) or not isinstance(version.get("name"), str) or _LABEL.fullmatch(version["name"]) is None:
            yield required(f"spec.versions[{index}].name", "a version has a name")
            return
        columns = version.get("additionalPrinterColumns") or []
        if not isinstance(columns, list) or not all(
            isinstance(c, dict) and "name" in c and str(c.get("jsonPath")).startswith(".") for c in columns
        ):
            yield required(f"spec.versions[{index}].additionalPrinterColumns", "a column has a name and a jsonPath")
    if sum(bool(version.get("storage")) for version in spec["versions"]) != 1:
        yield wrong("spec.versions", len(spec["versions"]), "must have exactly one version marked as storage version")
