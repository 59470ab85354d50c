"""One git process, through GitPython: its environment, its time limit, its end, and what its words mean.

GitPython starts the process and hands it over (`as_process`); its own time limit is not used, since it lists child processes with
tools that a small image lacks. The process leads a session of its own, so that its helpers (`git-remote-https`, `ssh`) end with it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from tiphys.errors import ClientError, Refused, Unreachable

__all__ = ["Process", "failure"]

_CONFIGURATION: Final[Mapping[str, str]] = {
    "protocol.ext.allow": "never",
    "credential.helper": "",  # empties the list: no helper of this machine's user is asked
    "core.askPass": "",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "20",
    "transfer.credentialsInUrl": "die",
    "gc.autoDetach": "false",  # upkeep is part of the call and ends with it
    "maintenance.autoDetach": "false",
}
_ENVIRONMENT: Final[Mapping[str, str]] = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TRACE": "0",
    "GIT_TRACE_CURL": "0",
    "GIT_CURL_VERBOSE": "0",
    "GCM_INTERACTIVE": "never",
}

_MEANINGS: Final[tuple[tuple[str, int, str], ...]] = (
    # words of git, curl and ssh (in the C locale), the HTTP status that says the same (0: nobody answered), and a reason
    ("transport '", 400, "Protocol"),
    ("dubious ownership", 403, "Ownership"),
    ("Authentication failed", 401, "Unauthorized"),
    ("could not read Username", 401, "Unauthorized"),
    ("could not read Password", 401, "Unauthorized"),
    ("returned error: 401", 401, "Unauthorized"),
    ("Permission denied (", 401, "Unauthorized"),
    ("Host key verification failed", 401, "HostKey"),
    ("returned error: 403", 403, "Forbidden"),
    ("returned error: 404", 404, "NotFound"),
    ("returned error: 429", 429, "TooManyRequests"),
    ("not our ref", 404, "NoSuchCommit"),
    ("unadvertised object", 404, "NoSuchCommit"),
    ("no such remote ref", 404, "NoSuchCommit"),
    ("does not appear to be a git repository", 404, "NotFound"),
    ("not found", 404, "NotFound"),
    ("does not exist", 404, "NotFound"),
    ("Could not resolve", 0, ""),
    ("Failed to connect", 0, ""),
    ("unable to access", 0, ""),
    ("Connection ", 0, ""),
    ("Operation timed out", 0, ""),
    ("early EOF", 0, ""),
    ("hung up", 0, ""),
    ("Could not read from remote repository", 0, ""),
)


def failure(target: str, words: str) -> ClientError:
    """What git said on its way out, as an error: `Refused` or `Unreachable` where that is clear, else `ClientError`."""
    lines = [line.strip() for line in words.splitlines()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ssh:"))] or [
        line for line in lines if line
    ]
    text = "; ".join(dict.fromkeys(line.removeprefix("fatal: ") for line in telling))[:500] or "git failed and said nothing"
    for marker, status, reason in _MEANINGS:
        if marker in words:
            return Refused(target, status, reason, text) if status else Unreachable(target, text)
    return ClientError(target, text)


def _nothing() -> AbstractContextManager[Mapping[str, str]]:
    return contextlib.nullcontext({})


class Process:
    """One run of git, made in the event loop, run in a thread, and ended from either.

    `target` names the repository in errors. `configuration` comes on top of the fixed one; `surroundings` is entered in the thread,
    around the run, and adds to the environment. `accepted` are the exit codes that are no failure. `most_written` bounds the bytes of
    each file that it and its helpers write, where the system can (Linux); 0: nothing does.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        target: str,
        protocols: Sequence[str] = (),
        configuration: Mapping[str, str] = {},
        surroundings: Callable[[], AbstractContextManager[Mapping[str, str]]] = _nothing,
        folder: Path | None = None,
        stdin: bytes = b"",
        timeout: float = 60.0,
        accepted: Sequence[int] = (0,),
        most_written: int = 0,
    ) -> None:
        self._arguments = list(arguments)
        self._target, self._folder, self._stdin, self._timeout = target, folder, stdin, timeout
        settings = [*_CONFIGURATION.items(), *configuration.items()]
        self._surroundings, self._accepted, self._most_written = surroundings, accepted, most_written
        self._environment = {**_ENVIRONMENT, "GIT_ALLOW_PROTOCOL": ":".join(protocols) or "none"}
        self._environment["GIT_CONFIG_COUNT"] = str(len(settings))
        for number, (name, value) in enumerate(settings):
            self._environment[f"GIT_CONFIG_KEY_{number}"] = name
            self._environment[f"GIT_CONFIG_VALUE_{number}"] = value
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._handed: object = None  # GitPython's wrapper kills the process when it is collected
        self._ended = False

    def end(self) -> None:
        """Kill it with all its helpers; a process that has not started yet never will."""
        with self._lock:
            self._ended = True
            if self._pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._pid, signal.SIGKILL)

    def run(self) -> bytes:
        """Start it, wait, and return what it wrote. Blocks. Raises `ClientError` and its kinds."""
        with self._surroundings() as more:
            return self._run(more)

    def _run(self, more: Mapping[str, str]) -> bytes:
        popen = self._start(more)
        try:
            out, err = popen.communicate(self._stdin, timeout=self._timeout)
        except subprocess.TimeoutExpired:
            self.end()
            popen.communicate()
            raise Unreachable(self._target, f"no answer within {self._timeout:g} s") from None
        finally:
            with self._lock:
                self._pid = None  # from here on the number may be another process's
        if popen.returncode not in self._accepted:
            raise failure(self._target, err.decode(errors="replace"))
        return out

    def _start(self, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        if shutil.which("git") is None:
            raise ClientError("git", "is not installed or not on PATH; install it (Debian and Ubuntu: apt install git)")
        from git.cmd import Git  # noqa: PLC0415  dear to import, and it looks for git while it is imported

        with self._lock:
            if self._ended:
                raise Unreachable(self._target, "the call was given up before it started")
            handed = Git(self._folder).execute(
                ["git", *self._arguments],
                istream=subprocess.PIPE,
                as_process=True,
                env={**self._environment, **more},
                start_new_session=True,
            )
            self._handed = handed
            popen: subprocess.Popen[bytes] | None = handed.proc
            if popen is None:
                raise ClientError(self._target, "git did not start")
            self._pid = popen.pid
            if self._most_written and sys.platform == "linux":
                limit = (self._most_written, self._most_written)
                with contextlib.suppress(ProcessLookupError):  # it ends before it has written much
                    resource.prlimit(popen.pid, resource.RLIMIT_FSIZE, limit)
        return popen
