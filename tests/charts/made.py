"""The parts of the chart that are made from the service: its CRDs, and the schema of its settings.

`python -m tests.charts.made` makes them anew.
"""

from __future__ import annotations

import json
from typing import Any

from tests.docs.pages import ROOT
from tiphys.app.crds import crds_text
from tiphys.app.settings import Settings

CHART = ROOT / "charts/tiphys"
CRDS = CHART / "files/crds.yaml"
SCHEMA = CHART / "values.schema.json"
THE_CHARTS = {
    "data", "local", "kubeconfig", "context", "namespaces", "impersonate", "ingress_port", "api_port", "api_remote", "api_token_file",
    "pod_address",     "kubernetes_port", "webhook", "webhook_port", "webhook_certificates", "webhook_names", "webhook_configuration",
}  # fmt: skip
"""Settings that the chart decides by values of its own, or that mean nothing in a cluster."""


def settings_schema() -> dict[str, Any]:
    """`settings` of the values: what the service takes, but for what is the chart's."""
    properties = Settings.model_json_schema()["properties"]
    kept = {name: _plain(schema) for name, schema in properties.items() if name not in THE_CHARTS}
    return {
        "type": "object",
        "description": "Settings of the service by their names in docs/settings.md; those that the chart decides are not among them.",
        "additionalProperties": False,
        "properties": kept,
    }


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in schema.items() if name not in ("title", "default", "format")}
    if isinstance(kept.get("items"), dict):
        kept["items"] = _plain(kept["items"])
    return kept


def schema_text() -> str:
    """`values.schema.json` with the settings of today."""
    schema = json.loads(SCHEMA.read_text())
    schema["properties"]["settings"] = settings_schema()
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    CRDS.write_text(crds_text("yaml"))
    SCHEMA.write_text(schema_text())
