"""`python -m tiphys.emulator`: the embedded Kubernetes API as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import signal
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiohttp import web

from tiphys.emulator.authorization import Users
from tiphys.emulator.server import HISTORY, Emulator
from tiphys.errors import SettingsError, TiphysError

_DRAIN: Final = 2.0  # seconds for requests under way when the process stops


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until SIGTERM, SIGINT or the parent's end. Returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        with _runner() as runner:
            runner.run(_serve(options))
    except TiphysError as error:
        print(error, file=sys.stderr)  # noqa: T201  the command line's one line of error
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tiphys.emulator", description="An embedded Kubernetes API for one laptop and for CI."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the objects; made where it is missing")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=16443, help="port to listen on; 0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--token-file", type=Path, required=True, help="file with the token; made with a random one where it is missing"
    )
    parser.add_argument(
        "--users", type=Path, help="file of other users, a line token,user,uid,groups for each; judges every request by RBAC"
    )
    parser.add_argument("--history", type=int, default=HISTORY, help="changes that a watch can start behind (default: %(default)s)")
    parser.add_argument("--bookmarks", type=float, default=60.0, help="seconds between bookmarks of a watch (default: %(default)s)")
    parser.add_argument("--parent-watch", action="store_true", help="stop when standard input ends or the parent process goes away")
    return parser


def _runner() -> asyncio.Runner:
    try:
        import uvloop  # noqa: PLC0415  optional: there is none for some platforms
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def token_of(path: Path) -> str:
    """The token in a file, or a new one written to it, readable by its owner only. Raises `SettingsError`."""
    try:
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
            with os.fdopen(made, "w") as file:
                file.write(secrets.token_urlsafe(32))
        token = path.read_text("utf-8").strip()
    except OSError as error:
        raise SettingsError("--token-file", str(error), "name a file that can be read or made") from error
    if not token:
        raise SettingsError("--token-file", f"{path} is empty", "write a token into it or delete it")
    return token


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    token = token_of(options.token_file)
    users = Users.read(token.encode(), options.users) if options.users else None
    emulator = Emulator(options.data, token, history=options.history, bookmarks=options.bookmarks, users=users)
    runner = web.AppRunner(emulator.application(), access_log=None, handler_cancellation=True, shutdown_timeout=_DRAIN)
    try:
        await runner.setup()
        site = web.TCPSite(runner, options.host, options.port)
        try:
            await site.start()
        except OSError as error:
            raise SettingsError(
                "--port", f"{options.host}:{options.port}: {error.strerror}", "choose another port, or 0 for a free one"
            ) from error
        host, port = runner.addresses[0][:2]
        print(json.dumps({"url": f"http://{host}:{port}", "pid": os.getpid()}), flush=True)  # noqa: T201  what the parent reads
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(_parent_gone(), name="emulator-parent") if options.parent_watch else None
            if watcher is not None:
                watcher.add_done_callback(lambda _: stop.set())
            await stop.wait()
            if watcher is not None:
                watcher.cancel()
    finally:
        await runner.cleanup()


async def _parent_gone() -> None:
    """Return when standard input (a pipe) ends or this process is handed to another parent."""
    parent = os.getppid()
    ended = asyncio.Event()
    if stat.S_ISFIFO(os.fstat(0).st_mode) or stat.S_ISSOCK(os.fstat(0).st_mode):
        loop = asyncio.get_running_loop()

        def readable() -> None:
            if not os.read(0, 4096):
                loop.remove_reader(0)
                ended.set()

        loop.add_reader(0, readable)
    while not ended.is_set() and os.getppid() == parent:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 1.0)


if __name__ == "__main__":
    sys.exit(main())
