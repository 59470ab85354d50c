"""A Git push, a cron tick and a MinIO upload become Workflows through the whole service."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.test_service import TEMPLATE, WORKFLOWS, created, revisions, until
from tests.running import Cluster, Tiphys

GIT = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: repository, namespace: argo}
spec:
  git:
    push: {url: "URL", interval: 1s}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: ci, namespace: argo}
spec:
  dependencies:
  - {name: push, eventSourceName: repository, eventName: push}
  triggers:
  - template:
      name: build
      workflow:
        templateRef: {name: ci}
        arguments:
          revision: "{{ .push.body.after }}"
"""
CALENDAR = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: clock, namespace: argo}
spec:
  calendar:
    second: {interval: 1s}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: ticks, namespace: argo}
spec:
  dependencies:
  - {name: tick, eventSourceName: clock, eventName: second}
  triggers:
  - template:
      name: tick
      workflow:
        templateRef: {name: ci}
        arguments:
          revision: "{{ .tick.eventTime }}"
"""


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path / "cluster").run() as running:
        await running.create("/apis/argoproj.io/v1alpha1/namespaces/argo/workflowtemplates", TEMPLATE)
        yield running


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def push(work: Path, message: str) -> str:
    git(work, "commit", "--quiet", "--allow-empty", "-m", message)
    git(work, "push", "--quiet", "origin", "HEAD:main")
    return git(work, "rev-parse", "HEAD")


async def test_a_git_push_becomes_a_workflow_also_one_made_while_the_service_was_down(tmp_path: Path, cluster: Cluster) -> None:
    bare, work = tmp_path / "bare.git", tmp_path / "work"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(tmp_path, "clone", "--quiet", str(bare), str(work))
    push(work, "before anybody listened")
    manifests = tmp_path / "m.yaml"
    manifests.write_text(GIT.replace("URL", bare.as_uri()))
    tiphys = Tiphys(tmp_path / "data", cluster.kubeconfig, manifests, "--file-repositories")
    await tiphys.start()
    assert await tiphys.ready(), tiphys.log.read_text()

    async def listening() -> bool:
        return all(one["state"] == "well" for one in (await tiphys.ask("overview"))["sources"])

    await until(listening)
    try:
        first = await asyncio.to_thread(push, work, "first")
        await created(cluster, first)
        assert await tiphys.stop() == 0
        second = await asyncio.to_thread(push, work, "while down")
        await tiphys.start()
        assert await tiphys.ready()
        await created(cluster, first, second)
    finally:
        await tiphys.kill()


async def test_ticks_become_workflows_each_once_over_a_kill(tmp_path: Path, cluster: Cluster) -> None:
    manifests = tmp_path / "m.yaml"
    manifests.write_text(CALENDAR)
    tiphys = Tiphys(tmp_path / "data", cluster.kubeconfig, manifests)
    try:
        for count in (2, 4):
            await tiphys.start()
            assert await tiphys.ready(), tiphys.log.read_text()

            async def enough(count: int = count) -> bool:
                return len(await cluster.objects(WORKFLOWS)) >= count

            await until(enough)
            await tiphys.kill()
        found = await revisions(cluster)
        assert len(found) == len(set(found))
    finally:
        if tiphys.running:
            await tiphys.kill()
