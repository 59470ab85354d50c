"""The emulator as a process, for tests of every room: `from tests.emulator.fixtures import emulator`.

`emulator` is a process of its own for each test, on a free port with a folder of its own; `shared_emulator` is one for the session (of
each pytest-xdist worker): take a namespace of your own in it.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tiphys.emulator.kubeconfig import kubeconfig

__all__ = ["EmulatorProcess", "emulator", "kubectl", "shared_emulator"]

_START = 30.0  # seconds; a slow machine under load


class EmulatorProcess:
    """`python -m tiphys.emulator` on a free port. `url`, `token` and `kubeconfig` (a file) stay the same over restarts.

    Methods block for some tenths of a second: in an async test that runs a server of its own, call them by `asyncio.to_thread`.
    """

    def __init__(self, folder: Path, *, history: int = 10_000, bookmarks: float = 60.0, users: str = "") -> None:
        self.folder = folder
        self.token = "test-token"
        self.url = ""
        self.kubeconfig = folder / "kubeconfig"
        self._options = ["--history", str(history), "--bookmarks", str(bookmarks)]
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(self.token)
        if users:  # lines of token,user,uid,groups: RBAC is on
            (folder / "users").write_text(users)
            self._options += ["--users", str(folder / "users")]

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.url.rpartition(":")[2])

    def start(self) -> None:
        """Start it and wait until it listens."""
        assert self._process is None
        port = self.port if self.url else 0
        command = [sys.executable, "-m", "tiphys.emulator", "--data", str(self.folder / "data"), "--port", str(port)]
        command += ["--token-file", str(self.folder / "token"), "--parent-watch", *self._options]
        with (self.folder / "stderr").open("ab") as errors:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        assert self._process.stdout is not None
        line = _line(self._process.stdout)
        if not line:
            self.kill()
            raise RuntimeError("the emulator did not start: " + (self.folder / "stderr").read_text())
        self.url = json.loads(line)["url"]
        self.kubeconfig.write_text(kubeconfig(self.url, self.token))

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and wait; returns the exit code."""
        return self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it with SIGKILL and start it on the same port and folder."""
        self.kill()
        self.start()

    def close_stdin(self) -> int:
        """Close its standard input, as a parent that goes away does, and wait; returns the exit code."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._wait()

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        return self._wait()

    def _wait(self) -> int:
        process, self._process = self._process, None
        assert process is not None
        code = process.wait(_START)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        return code


def _line(stream: IO[bytes]) -> bytes:
    """A line that comes within the time limit, or nothing."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return stream.readline() if selector.select(_START) else b""


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[EmulatorProcess]:
    process = EmulatorProcess(tmp_path / "emulator")
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def shared_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    process = EmulatorProcess(tmp_path_factory.mktemp("emulator"))
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def kubectl() -> str:
    """The kubectl of the development environment, else the one on PATH."""
    installed = Path(sysconfig.get_path("scripts")) / ("kubectl.exe" if os.name == "nt" else "kubectl")
    found = str(installed) if installed.is_file() else shutil.which("kubectl")
    if not found:
        pytest.skip("there is no kubectl: install the development group, or put one on PATH")
    return found
