"""`validate`: what is refused when a manifest is read. `manifestError`, `panic` and an invalid manifest are all one here: a refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tiphys.app.admission import admit
from tiphys.errors import ManifestError
from tiphys.schema.loader import load_documents


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    if asked["manifest"].get("kind") == "EventBus":
        return {"valid": None, "error": "EventBus manifests are not validated yet"}
    (document,) = load_documents(json.dumps(asked["manifest"]), "case.yaml").documents
    try:
        admit(document, "argo")
    except ManifestError as error:
        return {"valid": False, "error": "; ".join(map(str, error.errors))}
    return {"valid": True}


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    return bool(expected.get("valid", False) is found["valid"])
