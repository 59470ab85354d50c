"""Credentials from a program (`exec`, `auth-provider`), fetched by kubernetes-asyncio in a child process.

Run as `python -m tiphys.clients.kube.plugin PATHS CONTEXT`; writes one JSON object with `authorization`, `certificate`, `key` and
`expires` to its standard output. A child, since importing kubernetes-asyncio holds the event loop for a second and keeps 65 MiB, and
since a plugin that hangs can then be ended together with everything that it started.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiphys.clients.kube.profile import Profile
from tiphys.errors import Unreachable

__all__ = ["ask", "main"]


async def ask(profile: Profile, limit: float) -> Profile:
    """The profile with fresh credentials from its plugin, within `limit` seconds. Raises `Unreachable`: nothing was asked of the
    API server."""
    if profile.plugin is None:
        return profile
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tiphys.clients.kube.plugin",
        *profile.plugin,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(limit):
            output, complaint = await child.communicate()
    except TimeoutError as error:
        raise Unreachable(profile.server, f"the credential plugin of the kubeconfig did not end within {limit:g} s") from error
    finally:
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    if child.returncode != 0:
        lines = complaint.decode(errors="replace").strip().splitlines() or [f"exit code {child.returncode}"]
        raise Unreachable(profile.server, f"the credential plugin of the kubeconfig failed: {lines[-1][:500]}")
    found = json.loads(output)
    return replace(
        profile,
        authorization=found["authorization"] or profile.authorization,
        certificate=found["certificate"] or profile.certificate,
        key=found["key"] or profile.key,
        expires=found["expires"],
    )


def _credentials(paths: str, context: str) -> dict[str, Any]:
    from kubernetes_asyncio.client import Configuration  # noqa: PLC0415  dear: only in the child
    from kubernetes_asyncio.config.kube_config import load_kube_config  # noqa: PLC0415

    configuration = Configuration()
    loader = asyncio.run(load_kube_config(paths, context, configuration))
    expiry = getattr(loader, "exec_plugin_expiry", None)
    return {
        "authorization": configuration.api_key.get("BearerToken", ""),
        "certificate": Path(configuration.cert_file).read_text(encoding="utf-8") if configuration.cert_file else "",
        "key": Path(configuration.key_file).read_text(encoding="utf-8") if configuration.key_file else "",
        "expires": expiry.timestamp() if expiry else None,
    }


def main(arguments: list[str]) -> int:
    """The child's main function. Nothing but the JSON goes to the standard output."""
    answer, sys.stdout = sys.stdout, sys.stderr
    try:
        found = _credentials(*arguments)
    except Exception as error:  # noqa: BLE001  whatever a plugin breaks on becomes the last line of the complaint
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201  the child's answer
        return 1
    answer.write(json.dumps(found))
    answer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
