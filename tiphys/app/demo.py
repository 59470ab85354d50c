"""`tiphys demo`: the whole way on one machine, with a real Git repository and real pushes.

The quickstart's manifests are copied into the data folder once; they are the user's from then on, and edits are picked up live.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import orjson
from rich.console import Console
from rich.text import Text

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
_SECRET: Final = b"quickstart"
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
    """Run the demo until it is interrupted. Raises `SettingsError` for a missing git and for a port in use."""
    if shutil.which("git") is None:
        raise SettingsError("git", "is not installed", "install it with your package manager; the demo pushes to a real repository")
    data = settings.data.absolute()
    manifests = data / "quickstart"
    _write_manifests(manifests, data, minio)
    settings = settings.model_copy(update={"data": settings.data, "manifests": (*settings.manifests, manifests)})
    demo = _Demo(settings, data)
    run_until_stopped(settings, demo.main, observer=demo)


def _write_manifests(folder: Path, data: Path, minio: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _quickstart():
        target = folder / name
        if not target.exists():
            target.write_text(text.replace(_REPOSITORY, (data / "demo.git").as_uri()))
    if minio:
        parts = urlsplit(minio)
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.username or not parts.password:
            raise SettingsError("--minio", "is not the address of a MinIO", "write http://ACCESSKEY:SECRETKEY@HOST:PORT")
        endpoint = parts.hostname + (f":{parts.port}" if parts.port else "")
        text = _MINIO.format(
            access=orjson.dumps(parts.username).decode(),
            secret=orjson.dumps(parts.password).decode(),
            endpoint=orjson.dumps(endpoint).decode(),
            insecure=str(parts.scheme == "http").lower(),
        )
        (folder / "04-minio.yaml").touch(mode=0o600)
        (folder / "04-minio.yaml").write_text(text)


def _quickstart() -> list[tuple[str, str]]:
    """The manifests: package data in an installed wheel, the examples in a checkout."""
    packaged = files("tiphys.app") / "quickstart"
    if packaged.is_dir():
        return [(one.name, one.read_text()) for one in sorted(packaged.iterdir(), key=lambda one: one.name)]
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
            if not self._revision or any(self._revision.encode() in (event.data or b"") for event in claim.events.values()):
                self._event = next(iter(claim.firing.events.values())).id
                self._created.set()
        else:
            self._line(outcome.kind.value, f"{claim.firing.key.sensor}/{claim.firing.key.trigger}: {outcome.message}", "red")

    def _line(self, word: str, text: str, style: str) -> None:
        self._console.print(Text.assemble((f"{word:>9}  ", f"bold {style}"), text))

    # -- the first push

    async def main(self, service: Service) -> None:
        """Push one commit, wait for its Workflow, and say what to try next."""
        self._console.print(Text.assemble(("Tiphys", "bold"), f" listens; its data are in {self._settings.data}"))
        self._revision = await asyncio.to_thread(self._push)
        self._line("push", f"{self._revision[:12]}  to {self._data / 'demo.git'}", "magenta")
        try:
            async with asyncio.timeout(_FIRST):
                await self._created.wait()
        except TimeoutError:
            self._console.print(
                Text(f"No Workflow within {_FIRST:g} s; `tiphys events` and `tiphys firings` say why.", style="red")
            )
        self._suggest(service)

    def _push(self) -> str:
        """Commit and push with the real git; returns the new commit."""
        bare, work = self._data / "demo.git", self._data / "demo"
        if not bare.exists():
            _git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
        if not work.exists():
            _git("clone", "--quiet", str(bare), str(work))
            for name, value in (("user.name", "Tiphys Demo"), ("user.email", "demo@tiphys.dev"), ("commit.gpgsign", "false")):
                _git("-C", str(work), "config", name, value)
            _git("-C", str(work), "checkout", "--quiet", "-B", "main")
        _git("-C", str(work), "commit", "--quiet", "--allow-empty", "-m", "A push that starts a Workflow")
        _git("-C", str(work), "push", "--quiet", "origin", "HEAD:main")
        return _git("-C", str(work), "rev-parse", "HEAD").strip()

    def _suggest(self, service: Service) -> None:
        data = _relative(self._settings.data)
        work = data / "demo"
        tiphys = _command()
        option = "" if data == Path(".tiphys") else f" --data {data}"
        body = orjson.dumps({"ref": "refs/heads/main", "after": self._revision, "pusher": {"name": "octocat"}, "deleted": False})
        (self._settings.data / "github-push.json").write_bytes(body)
        signature = hmac.new(_SECRET, body, hashlib.sha256).hexdigest()
        hook = (
            f"curl -sS http://127.0.0.1:{service.ingress_port}/github -H 'Content-Type: application/json' -H 'X-GitHub-Event: push'"
            f" -H 'X-GitHub-Delivery: {uuid.uuid4()}' -H 'X-Hub-Signature-256: sha256={signature}'"
            f" --data-binary @{data / 'github-push.json'}"
        )
        kubectl = f"kubectl --kubeconfig {data / 'kubeconfig'} -n argo get workflows"
        lines = (
            ("push again", f"git -C {work} commit --allow-empty -m again && git -C {work} push"),
            ("a signed GitHub webhook", hook),
            ("why it fired", f"{tiphys} explain {self._event[:12] or 'EVENT'}{option}"),
            ("what there is", kubectl),
            ("the manifests, picked up live", f"ls {data / 'quickstart'}"),
        )
        self._console.print()
        self._console.print(Text("Try next, in another terminal:", style="bold"))
        for title, line in lines:
            self._console.print(Text(f"  # {title}", style="dim"))
            self._console.print(Text(f"  {line}"))
        self._console.print(Text("Ctrl-C ends it; `make run` goes on with the same data.", style="dim"))


def _git(*arguments: str) -> str:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    command = [shutil.which("git") or "git", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)  # noqa: S603  no shell
    if done.returncode:
        raise SettingsError("git", f"`git {' '.join(arguments)}` failed: {done.stderr.strip()}")
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
    return str(_relative(here)) if here.name == "tiphys" else f"{_relative(Path(sys.executable))} -m tiphys.app.cli"
