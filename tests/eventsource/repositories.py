"""Real Git repositories for tests: a bare one, a work tree that pushes to it, and a server that speaks smart HTTP for it.

The server is a few lines around git's own `http-backend`, which is a CGI program.
"""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ada Lovelace",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Grace Hopper",
    "GIT_COMMITTER_EMAIL": "grace@example.com",
}


def git(*arguments: str, folder: Path, stdin: bytes = b"") -> str:
    """Run git as a user would; a failure fails the test with git's words. (Not a coroutine: call it by `asyncio.to_thread`.)"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | _ENVIRONMENT
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, input=stdin, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


class Repository:
    """A bare repository at `url` with the branch `main`, empty to begin with, and a work tree beside it."""

    def __init__(self, folder: Path, form: str = "sha1") -> None:
        self.bare, self.tree = folder / "shop.git", folder / "work"
        self.url = f"file://{self.bare}"
        folder.mkdir(parents=True, exist_ok=True)
        git("init", "-q", "--bare", f"--object-format={form}", "--initial-branch=main", str(self.bare), folder=folder)
        git("init", "-q", f"--object-format={form}", "--initial-branch=main", str(self.tree), folder=folder)
        git("remote", "add", "origin", self.url, folder=self.tree)
        git("config", "http.receivepack", "true", folder=self.bare)

    def run(self, *arguments: str) -> str:
        return git(*arguments, folder=self.tree)

    def commit(self, message: str = "change", path: str = "file", text: str | None = None) -> str:
        """Commit a change of one file on the current branch; the commit's name."""
        file = self.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if text is not None else f"{message} {len(list(self.tree.rglob('*')))} {os.urandom(4).hex()}\n")
        self.run("add", "--all")
        self.run("commit", "-q", "-m", message)
        return self.run("rev-parse", "HEAD")

    def push(self, *refs: str) -> str:
        """Push refspecs, by default the current branch; the commit that is checked out."""
        self.run("push", "-q", "origin", *(refs or ("HEAD",)))
        return self.run("rev-parse", "HEAD")

    def commit_and_push(self, message: str = "change", path: str = "file") -> str:
        self.commit(message, path)
        return self.push()

    def many_refs(self, count: int, commit: str) -> None:
        """Make `count` branches `b/0` … in the bare repository at once."""
        lines = "".join(f"create refs/heads/b/{number} {commit}\n" for number in range(count))
        git("update-ref", "--stdin", folder=self.bare, stdin=lines.encode())


class Server:
    """Serves a folder of repositories; `user` and `password` are asked for unless empty. `requests` has method and path of each."""

    def __init__(self, root: Path, user: str = "", password: str = "") -> None:
        self.root, self.user, self.password = root, user, password
        self.requests: list[str] = []
        self.status: int | None = None
        self.silent = False
        self.redirect = ""
        self.most_at_once = 0
        self._now = 0
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Server]:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.path}")
        if self.silent:
            await asyncio.sleep(3600)
        if self.redirect:
            return web.Response(status=302, headers={"Location": f"{self.redirect}/info/refs?{request.query_string}"})
        if self.status is not None:
            return web.Response(status=self.status)
        expected = "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if self.password and request.headers.get("Authorization") != expected:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            return await self._backend(request)
        finally:
            self._now -= 1

    async def _backend(self, request: web.Request) -> web.Response:
        environment = {  # no HTTP_CONTENT_ENCODING: aiohttp has taken it off already
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
            **_ENVIRONMENT,
        }
        backend = await asyncio.create_subprocess_exec(
            "git", "http-backend", env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await backend.communicate(await request.read())
        head, _, body = out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split()[0])
        return web.Response(status=status, headers=headers, body=body)
