"""The chart, rendered by a real Helm engine."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import helm_python

from tests.charts.made import CHART
from tiphys.schema.loader import load_documents

RELEASE, NAMESPACE = "hooks", "tools"
NEEDED = {"image": {"repository": "registry.example/tools/tiphys"}}


def values_of(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Values laid over each other, later ones over earlier ones, over what every installation must say."""
    found: dict[str, Any] = deepcopy(NEEDED)
    for part in parts:
        _lay(found, part)
    return found


def _lay(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(below.get(key), dict):
            _lay(below[key], value)
        else:
            below[key] = deepcopy(value)


def render(values: Mapping[str, Any], release: str = RELEASE, namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    """The objects of a release. Raises `helm_python.HelmError` as `helm install` would; a key twice in an object is an error too."""
    with helm_python.Chart.load(str(CHART)) as chart:
        chart.validate_schema(dict(values))
        files = chart.render(dict(values), name=release, namespace=namespace)
    found = []
    for name, text in files.items():
        if name.endswith("NOTES.txt"):
            continue
        loaded = load_documents(text.encode(), name)
        assert loaded.errors == [] or loaded.errors == (), f"{name}: {loaded.errors}\n{text}"
        found += [document.object for document in loaded.documents]
    return found


def notes(values: Mapping[str, Any]) -> str:
    with helm_python.Chart.load(str(CHART)) as chart:
        files = chart.render(dict(values), name=RELEASE, namespace=NAMESPACE)
    return next(text for name, text in files.items() if name.endswith("NOTES.txt"))


def refusal(values: Mapping[str, Any]) -> str:
    """What Helm says as it refuses these values."""
    try:
        render(values)
    except helm_python.HelmError as error:
        return str(error)
    raise AssertionError("the values were taken")


def one(objects: list[dict[str, Any]], kind: str, name: str = f"{RELEASE}-tiphys") -> dict[str, Any]:
    (found,) = [obj for obj in objects if obj["kind"] == kind and obj["metadata"]["name"] == name]
    return found
