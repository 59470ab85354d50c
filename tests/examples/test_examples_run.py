"""The examples in the service, as a user tries them: `tiphys serve --local --manifests FOLDER`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.examples.schemas import OFFICIAL, official_problems, problems
from tests.examples.test_examples import EXAMPLES, WHOLE
from tests.running import READY_SECONDS, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SECRET = "a secret of this test"
REVISION = "9f1c2d4e5a6b7c8d9e0f1a2b3c4d5e6f7a8b9c0d"


class Local:
    """`tiphys serve --local` over a copy of an example, with its secrets filled in."""

    def __init__(self, folder: Path, example: Path) -> None:
        self.data, self.manifests = folder / "data", folder / "deploy"
        shutil.copytree(example, self.manifests)
        template = self.manifests / "secrets.template.yaml"
        template.write_text(template.read_text().replace("CHANGE-ME", SECRET))
        self.ingress_port, self.api_port = free_port(), free_port()
        self.log = folder / "serve.log"

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[Local]:
        with self.log.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tiphys.app.cli", "serve", "--local", "--data", str(self.data), "--manifests", str(self.manifests),
                "--host", "127.0.0.1", "--ingress-port", str(self.ingress_port), "--api-port", str(self.api_port), "--kubernetes-port", "0",
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            await self.until(self._ready)
            yield self
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    async def until(self, found: Any) -> Any:
        """What `found` returns, once it is something."""
        async with asyncio.timeout(READY_SECONDS):
            while not (answer := await found()):
                await asyncio.sleep(0.05)
        return answer

    async def _ready(self) -> bool:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.api_port}/readyz") as answer:
                return answer.status == 200
        return False

    async def manifests_of(self) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {(self.data / 'api-token').read_text()}"}
        url = f"http://127.0.0.1:{self.api_port}/api/v1/overview"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
            return (await answer.json())["manifests"]

    async def objects(self, path: str) -> list[dict[str, Any]]:
        """What the embedded API has."""
        server = yaml.safe_load((self.data / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
        async with aiohttp.ClientSession() as session, session.get(f"{server}{path}") as answer:
            return (await answer.json())["items"] if answer.status == 200 else []

    async def push(self, ref: str, changed: str) -> int:
        """A push as GitHub sends it."""
        commit = {"id": REVISION, "message": "x", "added": [], "removed": [], "modified": [changed]}
        body = json.dumps(
            {
                "ref": ref,
                "before": "0" * 40,
                "after": REVISION,
                "deleted": False,
                "forced": False,
                "commits": [commit],
                "head_commit": commit,
            }
        ).encode()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": f"{ref} {changed}",
            "X-Hub-Signature-256": f"sha256={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}",
        }
        url = f"http://127.0.0.1:{self.ingress_port}/github"
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            return answer.status


@pytest.mark.parametrize("example", WHOLE, ids=lambda path: path.name)
async def test_an_example_loads_as_it_is(tmp_path: Path, example: Path) -> None:
    async with Local(tmp_path, example).run() as local:
        manifests = await local.manifests_of()
        assert {one["kind"] for one in manifests} == {"EventSource", "Sensor"}
        assert [one for one in manifests if one["errors"] or one["notices"]] == []
        # then what is beside them is there too, in a namespace that did not exist
        namespace = manifests[0]["namespace"]
        secrets = await local.until(lambda: local.objects(f"/api/v1/namespaces/{namespace}/secrets"))
        assert secrets
    assert "refused" not in local.log.read_text()


async def test_a_push_becomes_the_workflow_that_argo_takes(tmp_path: Path) -> None:
    async with Local(tmp_path, EXAMPLES / "push-to-image").run() as local:
        # when only the first and the last of these are for it, and the last is the first once more
        for ref, changed in (
            ("refs/heads/main", "src/main.go"),
            ("refs/heads/feature/x", "src/main.go"),
            ("refs/heads/main", "docs/index.md"),
            ("refs/heads/main", "src/main.go"),
        ):
            assert await local.push(ref, changed) == 200
        assert await local.push("refs/heads/release/1", "src/main.go") == 200

        # then
        async def both() -> list[dict[str, Any]]:
            found = await local.objects("/apis/argoproj.io/v1alpha1/namespaces/ci/workflows")
            return found if len(found) >= 2 else []

        workflows = await local.until(both)
        arguments = [{one["name"]: one["value"] for one in workflow["spec"]["arguments"]["parameters"]} for workflow in workflows]
        assert sorted(one["branch"] for one in arguments) == ["refs/heads/main", "refs/heads/release/1"]
        assert {one["revision"] for one in arguments} == {REVISION}
        for workflow in workflows:
            assert workflow["spec"]["workflowTemplateRef"] == {"name": "push-to-image"}
            assert problems(workflow) == []
            if OFFICIAL:
                assert official_problems(workflow) == []
