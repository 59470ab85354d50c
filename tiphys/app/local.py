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
    if not token_file.exists():
        write_secretly(token_file, secrets.token_urlsafe(24))
    process, url = await _start(data, port, token_file)
    path = data / "kubeconfig"
    write_secretly(path, kubeconfig(url, token_file.read_text().strip()))
    keeper = asyncio.create_task(_keep(process, data, url, token_file), name="embedded-kubernetes")
    try:
        yield path
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper


async def _start(data: Path, port: int, token_file: Path) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tiphys.emulator",
        "--data",
        str(data / "kubernetes"),
        "--port",
        str(port),
        "--token-file",
        str(token_file),
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
        await _stop(process)
        raise StoreError(f"the embedded Kubernetes API did not start within {_START:g} s") from error
    except asyncio.CancelledError:
        await _stop(process)
        raise
    if not line:
        await _stop(process)
        raise SettingsError("--kubernetes-port", f"the embedded Kubernetes API did not start: {_last_line(said)}")
    return process, json.loads(line)["url"]


async def _keep(process: asyncio.subprocess.Process, data: Path, url: str, token_file: Path) -> None:
    """Wait for the child; start it again on the same port when it dies, until that works. Ends it when cancelled."""
    port = int(url.rsplit(":", 1)[1].strip("/"))
    try:
        while True:
            said = await _outlive(process)
            _log.error(
                "the embedded Kubernetes API ended; it is started again",
                action="embedded-kubernetes-died",
                code=process.returncode,
                said=_last_line(said),
            )
            process = await _start_again(data, port, token_file)
            _log.warning("the embedded Kubernetes API runs again", action="embedded-kubernetes-back", port=port)
    finally:
        await _stop(process)


async def _start_again(data: Path, port: int, token_file: Path) -> asyncio.subprocess.Process:
    wait, told = 1.0, False
    while True:
        await asyncio.sleep(wait)
        try:
            process, _ = await _start(data, port, token_file)
        except (SettingsError, StoreError) as error:
            if not told:
                _log.error("it does not start yet", action="embedded-kubernetes-start", reason=str(error))
            wait, told = min(2 * wait, _LONGEST_WAIT), True
        else:
            return process


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


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
