"""Statuses over a restart: what stands there stays, until the origin tells of the object again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.app.origins.conftest import QUICK
from tests.app.test_service import SENSOR, SOURCE
from tests.app.test_service import until as until_async
from tests.emulator.fixtures import EmulatorProcess, emulator, shared_emulator  # noqa: F401  fixtures
from tests.running import Tiphys
from tiphys.clients.kube import Kube, connect

ARGO = "argoproj.io/v1alpha1"


async def status(api: Kube, kind: str, name: str) -> dict[str, Any]:
    found = await api.get(ARGO, kind, name, "argo") or {}
    return dict(found.get("status") or {})


async def test_a_restart_writes_no_status_that_says_the_same(emulator: EmulatorProcess, tmp_path: Path) -> None:  # noqa: F811
    async with connect(emulator.kubeconfig, settings=QUICK) as api:
        # given objects that run
        await api.create(yaml.safe_load(SOURCE))
        await api.create(yaml.safe_load(SENSOR))
        (tmp_path / "manifests").mkdir()
        tiphys = Tiphys(tmp_path / "data", emulator.kubeconfig, tmp_path / "manifests")

        async def well() -> bool:
            found = [await status(api, "Sensor", "ci"), await status(api, "EventSource", "hooks")]
            types = [{one["type"]: one["status"] for one in one.get("conditions", ())} for one in found]
            return all(one.get("Ready") == "True" for one in types)

        try:
            await tiphys.start()
            assert await tiphys.ready(), tiphys.log.read_text()
            await until_async(well)
            before = await status(api, "Sensor", "ci")
            versions = [(await api.get(ARGO, "Sensor", "ci", "argo") or {})["metadata"]["resourceVersion"]]
            # when it is started again
            await tiphys.kill()
            await tiphys.start()
            assert await tiphys.ready(), tiphys.log.read_text()
            # and has told of something that is new
            await api.patch(ARGO, "EventSource", "hooks", "argo", {"spec": {"eventBusName": "default"}})

            async def told() -> bool:
                return (await status(api, "EventSource", "hooks")).get("observedGeneration") == 2

            await until_async(told)
            # then what was known was not written again
            after = await api.get(ARGO, "Sensor", "ci", "argo") or {}
            versions.append(after["metadata"]["resourceVersion"])
            assert versions[0] == versions[1]
            assert after["status"] == before
            counts = [event["count"] for event in (await api.list("v1", "Event", "argo")).items if event["reason"] == "Accepted"]
            assert len(counts) == 2
        finally:
            await tiphys.kill()
