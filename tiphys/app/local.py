"""The embedded Kubernetes API as a child process of a local service, and its kubeconfig in the data folder."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import structlog

from tiphys.emulator.kubeconfig import kubeconfig
from tiphys.errors import SettingsError, StoreError

__all__ = ["embedded_kubernetes", "read_kubeconfig", "write_secretly"]

_log = structlog.get_logger(__name__)
_START: Final = 30.0
_LONGEST_WAIT: Final = 30.0
_SAID: Final = 4096
_STOP: Final = 5.0


def write_secretly(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step: it is the old one or the new one, also after a power cut."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_kubeconfig(data: Path) -> str:
    """The kubeconfig of the embedded API whose data are in `data`. Raises `SettingsError` if there is none."""
    try:
        return (data / "kubeconfig").read_text()
    except OSError as error:
        raise SettingsError(
            "--data", f"no embedded Kubernetes API has its data in {data}", "start `tiphys demo` or `tiphys serve --local` first"
        ) from error


@contextlib.asynccontextmanager
async def embedded_kubernetes(data: Path, port: int) -> AsyncIterator[Path]:
    """Run the embedded API over `data/kubernetes` until the context ends, starting it again if it dies; yields its kubeconfig.

    Raises `SettingsError` if it does not start (a port in use, for one), with its own words.
    """
    token_file = data / "kubernetes-token"
    token = await asyncio.to_thread(_token, token_file)
    child = _Child(data, token_file)
    try:
        url = await child.start(port)
        path = data / "kubeconfig"
        await asyncio.to_thread(write_secretly, path, kubeconfig(url, token))
        keeper = asyncio.create_task(child.keep(), name="embedded-kubernetes")
        try:
            yield path
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
    finally:
        await child.stop()


def _token(path: Path) -> str:
    """The token of this data folder, made at the first start."""
    if not path.exists():
        write_secretly(path, secrets.token_urlsafe(24))
    return path.read_text().strip()


class _Child:
    """The process: started, kept running, stopped."""

    def __init__(self, data: Path, token_file: Path) -> None:
        self._data, self._token_file = data, token_file
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, port: int) -> str:
        """Start it; returns its URL. Raises `SettingsError` with what it said if it ends at once, `StoreError` if it says nothing."""
        command = ("tiphys.emulator", "--data", str(self._data / "kubernetes"), "--port", str(port))
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *command,
            "--token-file",
            str(self._token_file),
            "--parent-watch",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101  given above
        assert process.stderr is not None  # noqa: S101
        try:
            async with asyncio.timeout(_START):
                line = await process.stdout.readline()
                said = b"" if line else await process.stderr.read(_SAID)
        except TimeoutError as error:
            await self.stop()
            raise StoreError(f"the embedded Kubernetes API did not start within {_START:g} s") from error
        if not line:
            await self.stop()
            raise SettingsError("--kubernetes-port", f"the embedded Kubernetes API did not start: {_last_line(said)}")
        url = str(json.loads(line)["url"])
        self._port = int(url.rsplit(":", 1)[1].strip("/"))
        return url

    async def keep(self) -> None:
        """Wait for its end, and start it again on the same port until that works; for ever."""
        while self._process:
            said = await _outlive(self._process)
            _log.error(
                "the embedded Kubernetes API ended; it is started again",
                action="embedded-kubernetes-died",
                code=self._process.returncode,
                said=_last_line(said),
            )
            await self._start_again()
            _log.warning("the embedded Kubernetes API runs again", action="embedded-kubernetes-back", port=self._port)

    async def _start_again(self) -> None:
        wait, told = 1.0, False
        while True:
            await asyncio.sleep(wait)
            try:
                await self.start(self._port)
            except (SettingsError, StoreError, OSError) as error:
                if not told:
                    _log.error("it does not start yet", action="embedded-kubernetes-start", reason=str(error))
                wait, told = min(2 * wait, _LONGEST_WAIT), True
            else:
                return

    async def stop(self) -> None:
        """End it, if it runs."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _outlive(process: asyncio.subprocess.Process) -> bytes:
    """Wait for the end of the child and keep its pipes from filling; returns the end of what it said."""
    assert process.stdout is not None  # noqa: S101  given at the start
    assert process.stderr is not None  # noqa: S101
    _, _, said = await asyncio.gather(process.wait(), _drain(process.stdout), _drain(process.stderr))
    return said


async def _drain(stream: asyncio.StreamReader) -> bytes:
    """Read to the end; returns the last of it."""
    said = b""
    while chunk := await stream.read(1 << 16):
        said = (said + chunk)[-_SAID:]
    return said


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
