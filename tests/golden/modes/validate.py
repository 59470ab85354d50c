"""`validate`: what is refused when a manifest is read. `manifestError`, `panic` and an invalid manifest are all one here: a refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tiphys.app.admission import examine
from tiphys.schema.loader import load_documents


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    (document,) = load_documents(json.dumps(asked["manifest"]), "case.yaml").documents
    found = examine(document, "argo")
    return {"valid": found.accepted is not None, "error": "; ".join(map(str, found.errors))}


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    return bool(expected.get("valid", False) is found["valid"])
