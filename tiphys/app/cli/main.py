"""The commands and their flags."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["main"]

app = typer.Typer(
    name="tiphys",
    help="Events from Git, schedules, object stores and webhooks become Workflows, and none of them is lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Format(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Text(StrEnum):
    """How objects are printed."""

    YAML = "yaml"
    JSON = "json"


class Form(StrEnum):
    """How a dry run is printed."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


class Report(StrEnum):
    """How a report is printed."""

    TEXT = "text"
    JSON = "json"


class Findings(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


Data = Annotated[Path | None, typer.Option("--data", help="Data folder of the service (default .tiphys).", show_default=False)]
Output = Annotated[Format, typer.Option("--output", "-o", help="table, json or yaml.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Only this namespace.")]
OwnNamespace = Annotated[str, typer.Option("--namespace", "-n", help="Its namespace.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many, newest first.")]
Config = Annotated[Path | None, typer.Option("--config", help="File of settings (docs/settings.md).", show_default=False)]
Manifests = Annotated[list[Path] | None, typer.Option("--manifests", help="File or folder of manifests; may be repeated.")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, show_default=False)]
Days = Annotated[float | None, typer.Option(show_default=False, help="Days; see docs/settings.md.")]
Bytes = Annotated[int | None, typer.Option(show_default=False, help="Bytes; see docs/settings.md.")]
Seconds = Annotated[float | None, typer.Option(show_default=False, help="Seconds; see docs/settings.md.")]
Count = Annotated[int | None, typer.Option(show_default=False, help="At most so many; see docs/settings.md.")]
Api = Annotated[str, typer.Option("--api", envvar="TIPHYS_API", help="Address of the HTTP API; default: that of the data folder.")]


@app.command()
def serve(
    data: Data = None,
    local: Annotated[bool | None, typer.Option("--local", help="Run the embedded Kubernetes API; needs no cluster.")] = None,
    manifests: Manifests = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="Kubeconfig of the cluster.", show_default=False)] = None,
    context: Annotated[str | None, typer.Option(help="Context within the kubeconfig.", show_default=False)] = None,
    namespaces: Annotated[list[str] | None, typer.Option("--namespaces", help="Namespace to watch; may be repeated.")] = None,
    namespace: Annotated[str | None, typer.Option(help="Namespace of manifests that name none.", show_default=False)] = None,
    impersonate: Annotated[
        bool | None, typer.Option("--impersonate/--no-impersonate", help="Act as the account that a Sensor names (default).")
    ] = None,
    file_repositories: Annotated[bool | None, typer.Option("--file-repositories", help="Let git sources read file://.")] = None,
    file_sources: Annotated[list[Path] | None, typer.Option("--file-sources", help="Folder that source.file may read.")] = None,
    http_targets: Annotated[str | None, typer.Option(help="Where http triggers may go: any, or public.")] = None,
    http_allowed: Annotated[list[str] | None, typer.Option("--http-allowed", help="Network or host that they may go to.")] = None,
    adopt: Annotated[
        str | None, typer.Option(help="Objects of a cluster that are run: all, or labelled.", show_default=False)
    ] = None,
    pod_address: Annotated[str | None, typer.Option(help="Address for Services of EventSources.", show_default=False)] = None,
    webhook: Annotated[bool | None, typer.Option("--webhook", help="Answer admission reviews of manifests, over TLS.")] = None,
    webhook_port: Port = None,
    webhook_certificates: Annotated[Path | None, typer.Option(help="Folder of tls.crt and tls.key.", show_default=False)] = None,
    webhook_names: Annotated[list[str] | None, typer.Option("--webhook-names", help="Name of the webhook's Service.")] = None,
    webhook_configuration: Annotated[str | None, typer.Option(help="Configuration whose caBundle is kept.")] = None,
    strict: Annotated[bool | None, typer.Option("--strict", help="Refuse fields that nobody knows.")] = None,
    host: Annotated[str | None, typer.Option(help="Address of the ingress.", show_default=False)] = None,
    ingress_port: Port = None,
    api_host: Annotated[str | None, typer.Option(help="Address of the HTTP API.", show_default=False)] = None,
    api_port: Port = None,
    api_remote: Annotated[bool | None, typer.Option("--api-remote", help="Answer the HTTP API to other machines too.")] = None,
    api_token_file: Annotated[Path | None, typer.Option(help="File with the token of the HTTP API.", show_default=False)] = None,
    kubernetes_port: Port = None,
    retention_days: Days = None,
    retention_bytes: Bytes = None,
    firing_days: Days = None,
    unfinished_bytes: Bytes = None,
    deletion_grace: Seconds = None,
    in_flight: Count = None,
    in_flight_per_trigger: Count = None,
    script_time: Seconds = None,
    script_wall: Seconds = None,
    script_memory: Bytes = None,
    script_output: Bytes = None,
    script_workers: Count = None,
    script_workers_most: Count = None,
    drain: Seconds = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.", show_default=False)] = None,
    log_format: Annotated[str | None, typer.Option(help="json or console.", show_default=False)] = None,
    config: Config = None,
) -> None:
    """Run the service."""
    flags = {name: value for name, value in locals().items() if name != "config"}
    from tiphys.app.run import run_service  # noqa: PLC0415
    from tiphys.app.settings import load_settings  # noqa: PLC0415

    run_service(load_settings(flags, config))


@app.command()
def demo(
    data: Data = None,
    minio: Annotated[str, typer.Option("--minio", help="URL of a MinIO with the bucket `input`: http://KEY:SECRET@HOST:PORT")] = "",
    ingress_port: Port = None,
    api_port: Port = None,
    kubernetes_port: Port = None,
) -> None:
    """Run the service with the quickstart, no cluster and no broker, and push to a real Git repository."""
    from tiphys.app.demo import run_demo  # noqa: PLC0415
    from tiphys.app.settings import load_settings  # noqa: PLC0415

    ports = {"ingress_port": ingress_port, "api_port": api_port, "kubernetes_port": kubernetes_port}
    defaults = {"local": True, "host": "127.0.0.1", "log_format": "console", "log_level": "warning"}
    run_demo(load_settings({"data": data, **ports, **defaults}), minio)


@app.command()
def lint(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders of manifests.")],
    output: Annotated[Findings, typer.Option("--output", "-o", help="text, json, github or sarif.")] = Findings.TEXT,
    namespace: Annotated[str, typer.Option(help="Namespace of manifests that name none.")] = "argo",
) -> None:
    """Find errors and risks in manifests. Ends with 3 if there is an error."""
    from tiphys.app.findings import shown  # noqa: PLC0415
    from tiphys.app.lint import lint_paths  # noqa: PLC0415

    findings = lint_paths(paths, namespace)
    sys.stdout.write(shown(findings, output.value))
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(3)


@app.command("import")
def import_(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders of manifests; without one a cluster is read.")
    ] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="Kubeconfig of the cluster.", show_default=False)] = None,
    context: Annotated[str, typer.Option(help="Context within the kubeconfig.", show_default=False)] = "",
    namespaces: Annotated[list[str] | None, typer.Option("--namespaces", help="Only this namespace; may be repeated.")] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of manifests that name none.")] = "argo",
    account: Annotated[str, typer.Option(help="Service account of Sensors that are written.", show_default=False)] = "",
    write: Annotated[Path | None, typer.Option(help="Folder for the manifests; without it there is only the report.")] = None,
    output: Annotated[Report, typer.Option("--output", "-o", help="text, or json with the objects.")] = Report.TEXT,
) -> None:
    """What argo-events' objects, WorkflowEventBindings and CronWorkflows become. Ends with 3 if something is left to do by hand."""
    from tiphys.app.moving import plan_move, print_move, read_cluster, read_files, write_manifests  # noqa: PLC0415

    documents = read_files(paths) if paths else read_cluster(kubeconfig, context, namespaces or [])
    moved, shared = plan_move(documents, namespace, account)
    if write is not None:
        write_manifests(write, moved, shared)
    print_move(moved, shared, output.value)
    if not all(one.ready for one in moved):
        raise typer.Exit(3)


@app.command()
def crds(output: Annotated[Text, typer.Option("--output", "-o", help="yaml or json (one list).")] = Text.YAML) -> None:
    """Print the CustomResourceDefinitions of EventBus, EventSource and Sensor."""
    from tiphys.app.crds import crds_text  # noqa: PLC0415

    sys.stdout.write(crds_text(output.value))


@app.command()
def schema(
    kind: Annotated[str, typer.Argument(help="EventBus, EventSource or Sensor; without it one schema for all of them.")] = "",
) -> None:
    """Print the JSON Schema of manifests, for editors."""
    from tiphys.app.schemas import schema_text  # noqa: PLC0415

    sys.stdout.write(schema_text(kind))


@app.command("test")
def try_manifests(
    paths: Annotated[list[Path], typer.Argument(help="Manifests, cases, or folders of them.")],
    event: Annotated[
        list[Path] | None, typer.Option("--event", help="An event or a request that comes; may be repeated, in order.")
    ] = None,
    request: Annotated[list[Path] | None, typer.Option("--request", help="A raw HTTP request; may be repeated.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--from", help="Every event and request of a folder, by name.", show_default=False)
    ] = None,
    belongs: Annotated[str, typer.Option("--as", help="Whose event it is: EVENTSOURCE/EVENT.", show_default=False)] = "",
    at: Annotated[str, typer.Option(help="When it comes, RFC 3339; default: the event's own time.", show_default=False)] = "",
    secret: Annotated[list[str] | None, typer.Option(help="A secret's value, NAME/KEY=VALUE; may be repeated.")] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="What a trigger's source would fetch, SENSOR/TRIGGER=FILE; may be repeated.")
    ] = None,
    sign: Annotated[bool, typer.Option("--sign", help="Sign requests as their routes ask.")] = False,
    expect: Annotated[Path | None, typer.Option(help="Compare with this expectation.", show_default=False)] = None,
    update: Annotated[bool, typer.Option("--update", help="Write what happens as what is expected.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit's XML to this file.", show_default=False)] = None,
    record: Annotated[
        list[str] | None, typer.Option("--record", help="Make a case of this event of a running service; may be repeated.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Folder of the recorded case.", show_default=False)] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of manifests that name none.")] = "argo",
    output: Annotated[Form, typer.Option("--output", "-o", help="text, json or yaml.")] = Form.TEXT,
    data: Data = None,
    api: Api = "",
) -> None:
    """What would happen, without a cluster: try manifests with an event, or run cases. Ends with 6 if it is not what is expected."""
    from tiphys.app.cli.testing import Asked, run_test  # noqa: PLC0415

    asked = Asked(
        paths=paths,
        events=event or (),
        requests=request or (),
        folder=folder,
        belongs=belongs,
        at=at,
        secrets=secret or (),
        sources=source or (),
        sign=sign,
        namespace=namespace,
        expect=expect,
        update=update,
        junit=junit,
        output=output.value,
        record=record or (),
        to=to,
        data=data,
        api=api,
    )
    raise typer.Exit(run_test(asked))


@app.command()
def events(
    event_id: Annotated[str, typer.Argument(help="One event, by its id or the beginning of it.")] = "",
    source: Annotated[str, typer.Option(help="Only of this EventSource.")] = "",
    event: Annotated[str, typer.Option(help="Only of this event name.")] = "",
    namespace: Namespace = "",
    limit: Limit = 50,
    output: Output = Format.TABLE,
    data: Data = None,
    api: Api = "",
) -> None:
    """List events, or show one."""
    from tiphys.app.cli.journal import Journal, show  # noqa: PLC0415

    journal = Journal(data, api)
    if event_id:
        show(journal.get(f"events/{event_id}"), output.value, "event")
    else:
        query = {"namespace": namespace, "source": source, "event": event, "limit": str(limit)}
        show(journal.get("events", query)["items"], output.value, "events")


@app.command()
def firings(
    firing_id: Annotated[str, typer.Argument(help="One firing, by its id.")] = "",
    sensor: Annotated[str, typer.Option(help="Only of this Sensor.")] = "",
    trigger: Annotated[str, typer.Option(help="Only of this trigger.")] = "",
    state: Annotated[
        list[str] | None, typer.Option(help="pending, started, succeeded, dead or cancelled; may be repeated.")
    ] = None,
    namespace: Namespace = "",
    limit: Limit = 50,
    output: Output = Format.TABLE,
    data: Data = None,
    api: Api = "",
) -> None:
    """List firings, or show one with its attempts."""
    from tiphys.app.cli.journal import Journal, show  # noqa: PLC0415

    journal = Journal(data, api)
    if firing_id:
        show(journal.get(f"firings/{firing_id}"), output.value, "firing")
    else:
        query = {"namespace": namespace, "sensor": sensor, "trigger": trigger, "limit": str(limit)}
        show(journal.get("firings", query, state=state or [])["items"], output.value, "firings")


@app.command()
def dead(
    namespace: Namespace = "",
    limit: Limit = 50,
    output: Output = Format.TABLE,
    data: Data = None,
    api: Api = "",
) -> None:
    """List dead letters: firings that were given up."""
    from tiphys.app.cli.journal import Journal, show  # noqa: PLC0415

    query = {"namespace": namespace, "limit": str(limit)}
    show(Journal(data, api).get("firings", query, state=["dead"])["items"], output.value, "firings")


@app.command()
def explain(
    what: Annotated[str, typer.Argument(help="An event, by its id or the beginning of it, or sensor/NAME.")],
    last: Annotated[int, typer.Option(min=1, max=100, help="Of a sensor: so many of the last events that concerned it.")] = 10,
    namespace: Namespace = "",
    output: Output = Format.TABLE,
    data: Data = None,
    api: Api = "",
) -> None:
    """Why did it fire, and why did it not: of an event every filter, its input and its verdict; of a sensor what it waits for."""
    from tiphys.app.cli.journal import Journal, show  # noqa: PLC0415

    journal = Journal(data, api)
    kind, separator, name = what.partition("/")
    if not separator:
        show(journal.get(f"events/{what}/explain"), output.value, "explanation")
    elif kind in ("sensor", "sensors") and name:
        query = {"namespace": namespace, "last": str(last)}
        show(journal.get(f"sensors/{name}/explain", query), output.value, "sensor")
    else:
        raise typer.BadParameter(f"must be the id of an event or sensor/NAME (found {what!r})")


@app.command()
def replay(
    record: Annotated[str, typer.Argument(help="An event to be decided again, or a firing to be carried out again.")],
    trigger: Annotated[list[str] | None, typer.Option(help="Only this SENSOR/TRIGGER of an event; may be repeated.")] = None,
    output: Output = Format.TABLE,
    data: Data = None,
    api: Api = "",
) -> None:
    """Once more: an event with the sensors of today, or a firing with the same events."""
    from tiphys.app.cli.journal import Journal, show  # noqa: PLC0415

    show(Journal(data, api).replay(record, trigger or []), output.value, "replay")


@app.command()
def suspend(
    trigger: Annotated[str, typer.Argument(metavar="SENSOR[/TRIGGER]", help="A trigger, or a whole Sensor.")],
    namespace: OwnNamespace = "argo",
    on_resume: Annotated[str, typer.Option(help="What came up meanwhile: replay it all, only the latest, or drop it.")] = "replay",
    output: Output = Format.TABLE,
    data: Data = None,
    api: Api = "",
) -> None:
    """Carry nothing out for a trigger or a Sensor until it is resumed; events are taken and decided as ever."""
    from tiphys.app.cli.journal import Journal, show  # noqa: PLC0415

    show(Journal(data, api).suspend(namespace, trigger, on_resume), output.value, "suspension")


@app.command()
def resume(
    trigger: Annotated[str, typer.Argument(metavar="SENSOR[/TRIGGER]", help="As it was suspended.")],
    namespace: OwnNamespace = "argo",
    output: Output = Format.TABLE,
    data: Data = None,
    api: Api = "",
) -> None:
    """Let a trigger or a Sensor carry out again."""
    from tiphys.app.cli.journal import Journal, show  # noqa: PLC0415

    show(Journal(data, api).resume(namespace, trigger), output.value, "suspension")


@app.command()
def suspended(output: Output = Format.TABLE, data: Data = None, api: Api = "") -> None:
    """What is suspended by commands."""
    from tiphys.app.cli.journal import Journal, show  # noqa: PLC0415

    show(Journal(data, api).get("suspensions")["items"], output.value, "suspensions")


@app.command()
def kubeconfig(data: Data = None) -> None:
    """Print a kubeconfig of the embedded Kubernetes API."""
    from tiphys.app.local import read_kubeconfig  # noqa: PLC0415

    sys.stdout.write(read_kubeconfig(data or Path(os.environ.get("TIPHYS_DATA", ".tiphys"))))


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed  # noqa: PLC0415

    typer.echo(f"tiphys {installed('tiphys')}")


def main() -> None:
    """Entry point. An error of ours is one message on standard error and its exit code; nothing else is caught."""
    from tiphys.errors import TiphysError  # noqa: PLC0415

    try:
        app()
    except TiphysError as error:
        typer.echo(f"tiphys: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
