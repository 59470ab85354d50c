"""The example whose pipeline lies in a Git repository, run as a user runs it: real pushes, smart HTTP, the real service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.eventsource.repositories import Repository, Server
from tests.running import READY_SECONDS, Cluster, Tiphys

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

EXAMPLE = ROOT / "examples/pipeline-from-git"
WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/argo/workflows"
FILE = ".workflows/pipeline.yaml"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "remote")
    made.commit("first", FILE, (EXAMPLE / FILE).read_text())
    made.push()
    return made


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path / "cluster").run() as running:
        yield running


@pytest.fixture
async def tiphys(tmp_path: Path, cluster: Cluster, repository: Repository) -> AsyncIterator[Tiphys]:
    async with Server(repository.bare.parent).serving() as server:
        manifests = tmp_path / "deploy"
        manifests.mkdir()
        text = (EXAMPLE / "manifests.yaml").read_text()
        text = text.replace("https://git.example.com/acme/shop.git", f"{server.url}/shop.git").replace(
            "interval: 30s", "interval: 1s\n      initial: head"
        )
        (manifests / "manifests.yaml").write_text(text)
        running = Tiphys(tmp_path / "data", cluster.kubeconfig, manifests)
        await running.start()
        assert await running.ready(), running.log.read_text()
        yield running
        if running.running:
            await running.kill()


async def pipelines(cluster: Cluster, count: int) -> list[tuple[str, str]]:
    """Image and revision of each Workflow, once there are so many."""
    async with asyncio.timeout(READY_SECONDS):
        while len(found := await cluster.objects(WORKFLOWS)) < count:
            await asyncio.sleep(0.05)
    return [
        (one["spec"]["templates"][0]["container"]["image"], one["spec"]["arguments"]["parameters"][0]["value"]) for one in found
    ]


async def test_each_push_runs_the_pipeline_as_it_stands_at_that_very_commit(
    tiphys: Tiphys, cluster: Cluster, repository: Repository
) -> None:
    def push(image: str) -> str:
        repository.commit(image, FILE, (EXAMPLE / FILE).read_text().replace("golang:1.25", image))
        return repository.push()

    wanted = await pipelines(cluster, 1)
    for number in (2, 3):
        image = f"golang:1.{number}"
        wanted.append((image, await asyncio.to_thread(push, image)))
        assert sorted(await pipelines(cluster, number)) == sorted(wanted)


async def test_a_pipeline_that_is_broken_is_on_record_and_heals_with_the_next_push(
    tiphys: Tiphys, cluster: Cluster, repository: Repository
) -> None:
    def push(text: str) -> str:
        repository.commit("change", FILE, text)
        return repository.push()

    await pipelines(cluster, 1)
    await asyncio.to_thread(push, "a: [b")
    async with asyncio.timeout(READY_SECONDS):
        while not (failed := [one for one in (await tiphys.ask("firings"))["items"] if one["state"] == "pending" and one["last"]]):
            await asyncio.sleep(0.05)
    assert failed[0]["last"]["reason"] == "InvalidObject"
    assert "pipeline.yaml at " in failed[0]["last"]["message"]

    revision = await asyncio.to_thread(push, (EXAMPLE / FILE).read_text())

    assert ("golang:1.25", revision) in await pipelines(cluster, 2)
