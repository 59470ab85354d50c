"""`tiphys demo` as a child process, its output, and what it has made."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
import yaml

from tests.running import free_port

T = TypeVar("T")
SECONDS = 60.0
PROGRAM = (sys.executable, "-m", "tiphys.app.cli")


def until(read: Callable[[], T | None], what: str) -> T:
    """Ask until the answer is not None."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if (found := read()) is not None:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {SECONDS:g} s: {what}")


class Demo:
    """`tiphys demo` in `folder`, with its data in `data` below it; `python_path` is where it is imported from, if not from here.

    Entered, it is started; left, it is ended.
    """

    def __init__(self, folder: Path, *options: str, data: str = ".tiphys", python_path: str = "") -> None:
        self.folder, self.data = folder, folder / data
        self.ports = {name: free_port() for name in ("ingress", "api", "kubernetes")}
        given = [text for name, port in self.ports.items() for text in (f"--{name}-port", str(port))]
        self.command = [*PROGRAM, "demo", "--data", data, *given, *options]
        self._environment = {**environment(), "PYTHONPATH": python_path} if python_path else environment()
        self.process: subprocess.Popen[bytes] | None = None
        self._output = folder / f"demo-{time.monotonic_ns()}.out"
        self._errors = self._output.with_suffix(".err")

    def __enter__(self) -> Demo:
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(self.command, cwd=self.folder, stdout=output, stderr=errors, env=self._environment)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(SECONDS)

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def told(self) -> Demo:
        """Wait until it has said all that it says by itself."""
        until(lambda: self._ended_or(lambda: "Ctrl-C ends it" in self.output), f"the end of {self.output!r} {self.errors!r}")
        assert "Ctrl-C ends it" in self.output, self.output + self.errors
        return self

    def _ended_or(self, holds: Callable[[], bool]) -> bool | None:
        assert self.process is not None
        return True if holds() or self.process.poll() is not None else None

    def interrupt(self) -> int:
        """SIGINT, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(SECONDS)

    def ended(self) -> int:
        """Wait for its end by itself; the exit code."""
        assert self.process is not None
        return self.process.wait(SECONDS)

    def line(self, title: str) -> str:
        """The line that it suggests under a title."""
        found = re.search(rf"^  # {re.escape(title)}\n  (.+)$", self.output, re.MULTILINE)
        assert found, f"{title!r} is not in {self.output!r}"
        return found[1]

    def type(self, line: str, path: str = "") -> subprocess.CompletedProcess[str]:
        """Type a line into a shell in the folder where the demo was started; `path` goes before PATH."""
        return subprocess.run(
            line, shell=True, cwd=self.folder, env=environment(path), capture_output=True, text=True, timeout=SECONDS, check=False
        )

    def workflows(self) -> list[dict]:
        """What the embedded API has, oldest first."""
        server = urlsplit(yaml.safe_load((self.data / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"])
        request = urllib.request.Request(
            f"http://{server.hostname}:{server.port}/apis/argoproj.io/v1alpha1/namespaces/argo/workflows",
            headers={"Authorization": f"Basic {base64.b64encode(f'{server.username}:{server.password}'.encode()).decode()}"},
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            items = json.load(answer)["items"]
        return sorted(items, key=lambda one: int(one["metadata"]["resourceVersion"]))

    def workflows_of(self, sensor: str, revision: str) -> list[str]:
        """Names of the Workflows that a sensor made for a revision."""
        return [
            one["metadata"]["name"]
            for one in self.workflows()
            if one["metadata"]["labels"]["events.argoproj.io/sensor"] == sensor
            and {"name": "revision", "value": revision} in one["spec"]["arguments"]["parameters"]
        ]

    def revision(self) -> str:
        """The newest commit of the demo's repository."""
        command = ["git", "-C", str(self.data / "demo"), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True).stdout.strip()


def environment(path: str = "") -> dict[str, str]:
    """The present environment without settings of ours; `path` goes before PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIPHYS_")}
    return {**kept, "PATH": os.pathsep.join(filter(None, (path, kept.get("PATH", ""))))}


def children(data: Path) -> list[int]:
    """Processes of the embedded API over this data folder."""
    wanted = str(data / "kubernetes").encode()
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdecimal() and wanted in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


linux = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc to find the child in")
