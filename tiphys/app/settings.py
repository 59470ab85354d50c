"""Every setting of the service, from four places: a flag, a `TIPHYS_…` variable, the file that `--config` names, the default.

The first that says something wins. `docs/settings.md` is made from this model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tiphys.clients.targets import flaw_in_target
from tiphys.errors import SettingsError, shorten

__all__ = ["Settings", "load_settings", "settings_page"]

ENVIRONMENT = "TIPHYS_"


class Settings(BaseModel):
    """The settings of one service. Ports are TCP ports, times seconds, sizes bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path = Field(
        Path(".tiphys"), description="Folder of the log, the ledger and the embedded API: one block volume, never NFS."
    )
    local: bool = Field(False, description="Run the embedded Kubernetes API instead of using a cluster.")
    manifests: tuple[Path, ...] = Field(
        (), description="Files and folders of manifests, watched. Lists are separated by `:` in a variable."
    )
    kubeconfig: Path | None = Field(
        None, description="Kubeconfig of the cluster; without one `KUBECONFIG`, then the pod's own account."
    )
    context: str = Field("", description="Context within the kubeconfig; empty means its current one.")
    namespaces: tuple[str, ...] = Field((), description="Namespaces to watch; empty means all.")
    namespace: str = Field("argo", description="Namespace of manifests from files that name none.")
    impersonate: bool = Field(
        True,
        description="Act as the service account that a Sensor names (`spec.template.serviceAccountName`, else `default`). Switched off, "
        "every Sensor may do whatever Tiphys itself may.",
    )
    file_repositories: bool = Field(
        False, description="Let `git` sources read `file://` repositories of this machine; `--local` does."
    )
    file_sources: tuple[Path, ...] = Field(
        (), description="Folders of this machine whose files a trigger's `source.file` may read; none otherwise."
    )
    http_targets: Literal["any", "public"] = Field(
        "any",
        description="Where `http` and `airflow` triggers and a trigger's `source.url` and `source.git` may go: anywhere, or not to "
        "addresses of this machine and of private networks.",
    )
    http_allowed: tuple[str, ...] = Field(
        (),
        description="With `public`: where they may go as well. Networks (`10.20.0.0/16`), hosts (`gitea.internal`), all hosts below a name "
        "(`.svc.cluster.local`).",
    )
    adopt: Literal["all", "labelled"] = Field(
        "all",
        description="Objects of a cluster that are run: `all` but those that argo-events runs, or those with the label "
        '`tiphys.dev/adopt: "true"` alone.',
    )
    pod_address: str = Field(
        "",
        description="Address of this pod, to which the Services of EventSources (`spec.service`) lead; without one none are made.",
    )
    webhook: bool = Field(False, description="Answer admission reviews of manifests, over TLS.")
    webhook_port: int = Field(9443, ge=0, le=65535, description="Port of the admission webhook; 0 takes a free one.")
    webhook_certificates: Path | None = Field(
        None, description="Folder with its `tls.crt` and `tls.key`, read again when they change; without one they are made."
    )
    webhook_names: tuple[str, ...] = Field(
        ("tiphys.tiphys.svc",), description="Names that the API server calls it by, for certificates that are made."
    )
    webhook_configuration: str = Field(
        "", description="ValidatingWebhookConfiguration whose `caBundle` is kept, for certificates that are made."
    )
    strict: bool = Field(False, description="Refuse manifests with fields that nobody knows.")
    host: str = Field("0.0.0.0", description="Address that the ingress listens on.")  # noqa: S104  webhooks come from outside
    ingress_port: int = Field(12000, ge=0, le=65535, description="Shared port of the ingress; 0 takes a free one.")
    api_host: str = Field("127.0.0.1", description="Address of the HTTP API, metrics and health.")
    api_port: int = Field(7777, ge=0, le=65535, description="Port of the HTTP API, metrics and health; 0 takes a free one.")
    api_remote: bool = Field(
        False, description="Answer the HTTP API to other machines too. Metrics and health are answered to all that reach the port."
    )
    api_token_file: Path | None = Field(
        None, description="File with the token of the HTTP API, read at the start; without one a token is made in the data folder."
    )
    kubernetes_port: int = Field(16443, ge=0, le=65535, description="Port of the embedded Kubernetes API; 0 takes a free one.")
    retention_days: float = Field(7, gt=0, description="Age at which settled events and their verdicts go.")
    retention_bytes: int = Field(2 << 30, gt=0, description="Size of stored events at which the oldest settled ones go.")
    firing_days: float = Field(30, gt=0, description="Age at which finished firings and their outcomes go.")
    unfinished_bytes: int = Field(1 << 30, gt=0, description="Unfinished work of one namespace at which its sources get 503.")
    deletion_grace: float = Field(600, ge=0, description="Time that the work of a deleted sensor waits for its return.")
    in_flight: int = Field(256, gt=0, description="Firings that are carried out at once.")
    in_flight_per_trigger: int = Field(16, gt=0, description="Firings of one trigger that are carried out at once.")
    script_time: float = Field(
        1, gt=0, le=3600, description="Seconds of the processor that one call of a script (jq, Lua) may take."
    )
    script_wall: float = Field(10, gt=0, le=3600, description="Seconds that a call may last in any case.")
    script_memory: int = Field(
        128 << 20,
        ge=64 << 20,
        description="Bytes of memory of a worker process of scripts; an event of 1 MiB takes about 20 MiB of it.",
    )
    script_output: int = Field(8 << 20, ge=1024, description="Bytes that a transform may make.")
    script_workers: int = Field(
        2, ge=1, le=256, description="Worker processes of scripts that are started as soon as those that run are busy."
    )
    script_workers_most: int = Field(
        8, ge=1, le=256, description="Worker processes in all, when calls have to wait; at least those."
    )
    drain: float = Field(10, ge=0, description="Time for requests and for running triggers at a stop, each.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="One JSON object a line, or for people.")

    @field_validator("http_allowed")
    @classmethod
    def _networks_and_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if flaw := flaw_in_target(text):
                raise ValueError(flaw)
        return value


def load_settings(flags: Mapping[str, Any], config: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Merge the four places. A flag that is `None` was not given. Raises `SettingsError` naming the setting and where it came from."""
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, value in _file(config).items():
        values[name], origins[name] = value, f"{name} in {config}"
    for name, field in Settings.model_fields.items():
        variable = ENVIRONMENT + name.upper()
        if variable in variables:
            text = variables[variable]
            many = "tuple" in str(field.annotation)
            values[name] = [part for part in text.split(os.pathsep) if part] if many else text
            origins[name] = variable
    for name, value in flags.items():
        if value not in (None, (), []):
            values[name], origins[name] = value, f"--{name.replace('_', '-')}"
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        remedy = "`docs/settings.md` lists all settings" if first["type"] == "extra_forbidden" else ""
        raise SettingsError(origins.get(name, name), f"{first['msg']} (found {shorten(first['input'])})", remedy) from error


def _file(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        content = yaml.safe_load(config.read_text())
    except OSError as error:
        raise SettingsError("--config", f"{config} cannot be read: {error.strerror}", "name a YAML file of settings") from error
    except yaml.YAMLError as error:
        raise SettingsError("--config", f"{config} is not YAML: {error}", "write one `name: value` a line") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError("--config", f"{config} is not a map of settings", "write one `name: value` a line")
    return {str(name).replace("-", "_"): value for name, value in content.items()}


def settings_page() -> str:
    """`docs/settings.md`."""
    lines = [
        "# Settings",
        "",
        "A flag wins over a variable, a variable over the file that `--config` names, the file over the default.",
        "",
        "| flag | variable | in the file | default | what it does |",
        "|---|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.default
        default = os.pathsep.join(map(str, default)) if isinstance(default, tuple) else default
        shown = "" if default in (None, "") else str(default).lower() if isinstance(default, bool) else str(default)
        cells = (f"`--{name.replace('_', '-')}`", f"`{ENVIRONMENT}{name.upper()}`", f"`{name}`", f"`{shown}`" if shown else "")
        lines.append(f"| {' | '.join(cells)} | {field.description} |")
    return "\n".join(lines) + "\n"
