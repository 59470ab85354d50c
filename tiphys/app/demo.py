"""`tiphys demo`: the whole way on one machine, with a real Git repository and real pushes.

The quickstart's manifests are copied into the data folder once; they are the user's from then on, and edits are picked up live.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import orjson
from rich.console import Console
from rich.text import Text

from tiphys.app.local import write_secretly
from tiphys.app.run import run_until_stopped
from tiphys.app.service import Service
from tiphys.app.settings import Settings
from tiphys.bus.event import Event
from tiphys.bus.firing import Claim, Outcome, OutcomeKind
from tiphys.bus.ledger import Decision
from tiphys.errors import SettingsError

__all__ = ["run_demo"]

_REPOSITORY: Final = "file:///srv/git/demo.git"
_FIRST: Final = 30.0
_GIT_SECONDS: Final = 60.0
_SECRET: Final = b"quickstart"
_CONFIGURATION: Final = (  # whatever the user's own says: the demo must not ask for a key, run a hook or want an upstream
    ("user.name", "Tiphys Demo"),
    ("user.email", "demo@tiphys.dev"),
    ("commit.gpgsign", "false"),
    ("push.default", "current"),
    ("core.hooksPath", os.devnull),
)
_MINIO: Final = """\
apiVersion: v1
kind: Secret
metadata: {{name: minio, namespace: argo}}
stringData: {{accesskey: {access}, secretkey: {secret}}}
---
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {{name: store, namespace: argo}}
spec:
  minio:
    uploads:
      endpoint: {endpoint}
      insecure: {insecure}
      bucket: {{name: input}}
      events: ["s3:ObjectCreated:*"]
      accessKey: {{name: minio, key: accesskey}}
      secretKey: {{name: minio, key: secretkey}}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {{name: uploads, namespace: argo}}
spec:
  dependencies:
  - {{name: upload, eventSourceName: store, eventName: uploads}}
  triggers:
  - template:
      name: ci
      workflow:
        templateRef: {{name: ci}}
        arguments:
          revision: {{from: upload, path: notification.0.s3.object.key}}
"""


def run_demo(settings: Settings, minio: str = "") -> None:
    """Run the demo until it is interrupted; `minio` is the URL of a MinIO, with its keys.

    Raises `SettingsError` for a missing git, a URL that is none, a folder that cannot be written and a port in use.
    """
    if shutil.which("git") is None:
        raise SettingsError("git", "is not installed", "install it with your package manager; the demo pushes to a real repository")
    store = _minio_manifest(minio) if minio else ""
    data = settings.data.absolute()
    manifests = data / "quickstart"
    try:
        _write_manifests(manifests, data, store)
    except OSError as error:
        raise SettingsError("--data", f"{data} cannot be written: {error.strerror}", "name a folder that can") from error
    settings = settings.model_copy(update={"manifests": (*settings.manifests, manifests)})
    demo = _Demo(settings, data)
    run_until_stopped(settings, demo.main, observer=demo)


def _write_manifests(folder: Path, data: Path, store: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _quickstart():
        target = folder / name
        if not target.exists():
            target.write_text(text.replace(_REPOSITORY, (data / "demo.git").as_uri()))
    if store:
        write_secretly(folder / "04-minio.yaml", store)


def _minio_manifest(url: str) -> str:
    """The source, its keys and its sensor. Raises `SettingsError` for what is no `http(s)://KEY:SECRET@HOST[:PORT]`; it shows no secret."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("http", "https") or not host or not parts.username or not parts.password or parts.path.strip("/"):
        raise SettingsError("--minio", "is not the address of a MinIO", "write http://ACCESSKEY:SECRETKEY@HOST:PORT")
    endpoint = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    return _MINIO.format(
        access=orjson.dumps(unquote(parts.username)).decode(),
        secret=orjson.dumps(unquote(parts.password)).decode(),
        endpoint=orjson.dumps(endpoint).decode(),
        insecure=str(parts.scheme == "http").lower(),
    )


def _quickstart() -> list[tuple[str, str]]:
    """The manifests: package data in an installed wheel, the examples in a checkout."""
    packaged = files("tiphys.app") / "quickstart"
    if packaged.is_dir():
        found = [one for one in packaged.iterdir() if one.name.endswith(".yaml")]
        return [(one.name, one.read_text()) for one in sorted(found, key=lambda one: one.name)]
    folder = Path(__file__).parents[2] / "examples" / "quickstart"
    return [(one.name, one.read_text()) for one in sorted(folder.glob("*.yaml"))]


class _Demo:
    """Prints what happens, as the service's observer, and pushes the first commit."""

    def __init__(self, settings: Settings, data: Path) -> None:
        self._settings, self._data = settings, data
        self._console = Console(highlight=False, soft_wrap=True)
        self._created = asyncio.Event()
        self._event = ""
        self._revision = ""

    # -- the service's observer

    def published(self, event: Event) -> None:
        """Show an event that arrived."""
        self._line("event", f"{event.id[:12]}  {event.type} {event.source}/{event.subject}", "cyan")

    def decided(self, event: Event, decision: Decision) -> None:
        """Show what was decided about it."""
        for firing in decision.firings:
            self._line("decision", f"{event.id[:12]}  sensor {firing.key.sensor}, trigger {firing.key.trigger}: fired", "yellow")
        if not decision.firings:
            outcomes = ", ".join(sorted({verdict.kind.name.lower() for verdict in decision.verdicts})) or "no sensor listens to it"
            self._line("decision", f"{event.id[:12]}  {outcomes}", "yellow")

    def acted(self, claim: Claim, outcome: Outcome, seconds: float) -> None:
        """Show what was done."""
        if outcome.kind is OutcomeKind.SUCCEEDED:
            self._line("created", f"{outcome.result}  ({seconds * 1000:.0f} ms)", "green")
            for event in claim.events.values():
                if self._revision and self._revision.encode() in (event.data or b""):
                    self._event = event.id
                    self._created.set()
        else:
            self._line(outcome.kind.value, f"{claim.firing.key.sensor}/{claim.firing.key.trigger}: {outcome.message}", "red")

    def _line(self, word: str, text: str, style: str) -> None:
        self._console.print(Text.assemble((f"{word:>9}  ", f"bold {style}"), text))

    # -- the first push

    async def main(self, service: Service) -> None:
        """Push one commit, wait for its Workflow, and say what to try next."""
        self._console.print(Text.assemble(("Tiphys", "bold"), f" listens; its data are in {self._settings.data}"))
        try:
            self._revision = await asyncio.to_thread(self._commit)
            self._line("push", f"{self._revision[:12]}  to {self._data / 'demo.git'}", "magenta")
            await asyncio.to_thread(self._push)
            async with asyncio.timeout(_FIRST):
                await self._created.wait()
        except TimeoutError:
            command = f"`{_command()} events{self._option()}`"
            self._console.print(Text(f"No Workflow within {_FIRST:g} s; {command} says what arrived.", style="red"))
        except SettingsError as error:
            self._console.print(Text(f"Nothing was pushed. {error}", style="red"))
        body = orjson.dumps({"ref": "refs/heads/main", "after": self._revision, "pusher": {"name": "octocat"}, "deleted": False})
        await asyncio.to_thread((self._settings.data / "github-push.json").write_bytes, body)
        self._suggest(service, body)

    def _commit(self) -> str:
        """Commit with the real git, in a clone that is made at the first run; returns the new commit."""
        bare, work = self._data / "demo.git", self._data / "demo"
        if not (bare / "HEAD").exists():
            _git("init", "--quiet", "--bare", str(bare))
            _git("-C", str(bare), "symbolic-ref", "HEAD", "refs/heads/main")
        if not (work / ".git" / "HEAD").exists():
            _git("clone", "--quiet", str(bare), str(work))
            _git("-C", str(work), "checkout", "--quiet", "-B", "main")
        for name, value in _CONFIGURATION:
            _git("-C", str(work), "config", name, value)
        _git("-C", str(work), "commit", "--quiet", "--allow-empty", "-m", "A push that starts a Workflow")
        return _git("-C", str(work), "rev-parse", "HEAD").strip()

    def _push(self) -> None:
        _git("-C", str(self._data / "demo"), "push", "--quiet", "origin", "HEAD")

    def _option(self) -> str:
        """What the other commands need to find this data folder from here."""
        data = _relative(self._settings.data)
        return "" if data == Path(".tiphys") else f" --data {shlex.quote(str(data))}"

    def _suggest(self, service: Service, body: bytes) -> None:
        data = _relative(self._settings.data)
        work = shlex.quote(str(data / "demo"))
        signature = hmac.new(_SECRET, body, hashlib.sha256).hexdigest()
        hook = (
            f"curl -sS http://127.0.0.1:{service.ingress_port}/github -H 'Content-Type: application/json' -H 'X-GitHub-Event: push'"
            f" -H 'X-GitHub-Delivery: {uuid.uuid4()}' -H 'X-Hub-Signature-256: sha256={signature}'"
            f" --data-binary @{shlex.quote(str(data / 'github-push.json'))}"
        )
        lines = (
            ("push again", f"git -C {work} commit --allow-empty -m again && git -C {work} push"),
            ("a signed GitHub webhook", hook),
            ("why it fired", f"{_command()} explain {self._event[:12] or 'EVENT'}{self._option()}"),
            ("what there is", f"kubectl --kubeconfig {shlex.quote(str(data / 'kubeconfig'))} -n argo get workflows"),
            ("the manifests, picked up live", f"ls {shlex.quote(str(data / 'quickstart'))}"),
        )
        self._console.print()
        self._console.print(Text("Try next, in another terminal:", style="bold"))
        for title, line in lines:
            self._console.print(Text(f"  # {title}", style="dim"))
            self._console.print(Text(f"  {line}"))
        self._console.print(Text("Ctrl-C ends it; the same command goes on with the same data.", style="dim"))


def _git(*arguments: str) -> str:
    # a hook or an alias that started us may have set GIT_DIR and the like
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {"GIT_TERMINAL_PROMPT": "0"}
    command = [shutil.which("git") or "git", *arguments]
    shown = shlex.join(("git", *arguments))
    try:
        done = subprocess.run(  # noqa: S603  no shell
            command, capture_output=True, text=True, errors="replace", timeout=_GIT_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise SettingsError("git", f"`{shown}` took longer than {_GIT_SECONDS:g} s") from error
    if done.returncode:
        raise SettingsError("git", f"`{shown}` failed: {done.stderr.strip()}")
    return done.stdout


def _relative(path: Path) -> Path:
    """A path as one would type it here."""
    try:
        return path.absolute().relative_to(Path.cwd())
    except ValueError:
        return path


def _command(arguments: Sequence[str] = sys.argv) -> str:
    """How this very program is called from the present folder."""
    here = Path(arguments[0]).absolute()
    found = shutil.which("tiphys")
    if found and Path(found).absolute() == here:
        return "tiphys"
    if here.name == "tiphys":
        return shlex.quote(str(_relative(here)))
    return f"{shlex.quote(str(_relative(Path(sys.executable))))} -m tiphys.app.cli"
