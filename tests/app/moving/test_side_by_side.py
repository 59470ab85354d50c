"""The move of docs/migration.md, step by step, beside an argo-events that has pods: at no step do both sides run an object."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.test_service import post, until
from tests.docs.pages import ROOT
from tests.running import Cluster, Tiphys
from tiphys.app.moving import plan_move, read_cluster, read_files
from tiphys.schema.loader import Document

ARGO = "/apis/argoproj.io/v1alpha1/namespaces/argo"
DEPLOYMENTS = "/apis/apps/v1/namespaces/argo/deployments"
PLURALS = {"EventBus": "eventbus", "EventSource": "eventsources", "Sensor": "sensors", "WorkflowTemplate": "workflowtemplates"}
APPLY = "application/merge-patch+json"
RIGHTS = "--no-impersonate"


@pytest.fixture
def example() -> list[Document]:
    return [document for document in read_files([ROOT / "examples/from-argo"]) if document.object["kind"] in PLURALS]


@pytest.fixture
async def cluster(tmp_path: Path, example: list[Document]) -> AsyncIterator[Cluster]:
    """A cluster with the example as argo-events runs it: each object has its Deployment."""
    async with Cluster(tmp_path / "cluster").run() as running:
        for document in example:
            obj = document.object
            await running.create(f"{ARGO}/{PLURALS[obj['kind']]}", obj)
            if obj["kind"] in ("EventSource", "Sensor"):
                await running.create(DEPLOYMENTS, deployment(obj["kind"].lower(), obj["metadata"]["name"]))
        yield running


def deployment(kind: str, owner: str) -> dict[str, Any]:
    labels = {"controller": f"{kind}-controller", "owner-name": owner, f"{kind}-name": owner}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "argo-events"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{owner}-{kind}-x7k2p", "namespace": "argo", "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod},
    }


async def messages(cluster: Cluster) -> list[str]:
    return sorted(one["spec"]["arguments"]["parameters"][0]["value"] for one in await cluster.objects(f"{ARGO}/workflows"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", ["labelled", "all"])
async def test_an_object_is_run_by_one_side_at_each_step_of_the_move(tmp_path: Path, cluster: Cluster, mode: str) -> None:
    (tmp_path / "none").mkdir()
    tiphys = Tiphys(tmp_path / "data", cluster.kubeconfig, tmp_path / "none", "--adopt", mode, RIGHTS)
    await tiphys.start()
    try:
        assert await tiphys.ready(), tiphys.log.read_text()
        # given argo-events runs both: Tiphys watches and answers nothing
        assert await post(tiphys, {"message": "while argo-events runs it"}, "/example") == 404
        # when its Deployments are gone
        documents = await asyncio.to_thread(read_cluster, cluster.kubeconfig, "", ["argo"])
        for one in await cluster.objects(DEPLOYMENTS):
            await cluster.call("DELETE", f"{DEPLOYMENTS}/{one['metadata']['name']}")
        if mode == "labelled":  # then still nobody runs it
            assert await post(tiphys, {"message": "in between"}, "/example") == 404
        # when what `tiphys import` wrote is applied
        moved, _ = plan_move(documents, "argo")
        for obj in [obj for one in moved for obj in one.objects]:
            path = f"{ARGO}/{PLURALS[obj['kind']]}/{obj['metadata']['name']}"
            await cluster.call("PATCH", path, obj, APPLY)
        # then what a sender repeats is taken, and acted on once

        async def taken() -> bool:
            return await post(tiphys, {"message": "repeated"}, "/example") == 200

        async def made() -> bool:
            return await messages(cluster) == ["repeated"]

        await until(taken)
        await until(made)
        # when it is given back
        for obj in [obj for one in moved for obj in one.objects]:
            path = f"{ARGO}/{PLURALS[obj['kind']]}/{obj['metadata']['name']}"
            await cluster.call("PATCH", path, {"metadata": {"labels": {"tiphys.dev/adopt": "false"}}}, APPLY)

        # then it is let go of
        async def let_go() -> bool:
            return await post(tiphys, {"message": "given back"}, "/example") == 404

        await until(let_go)
        assert set(await messages(cluster)) <= {"repeated", "given back"}
    finally:
        await tiphys.kill()
    assert (await messages(cluster)).count("repeated") == 1
