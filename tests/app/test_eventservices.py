"""Services of EventSources: one each, with its own way in, that leads to this process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.app.origins.conftest import QUICK, kube, namespace  # noqa: F401  fixtures
from tests.app.test_service import SOURCE, post
from tests.app.test_service import until as until_async
from tests.emulator.fixtures import EmulatorProcess, emulator, shared_emulator  # noqa: F401  fixtures
from tests.running import Tiphys
from tiphys.app.eventservices import EventServices
from tiphys.app.settings import Settings
from tiphys.clients.kube import Kube, connect
from tiphys.errors import SettingsError

ARGO = "argoproj.io/v1alpha1"
SLICES = "discovery.k8s.io/v1"
ADDRESS = "127.0.0.1"


def source(name: str, port: int = 80, **service: Any) -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(SOURCE)
    made["metadata"] = {"name": name, "namespace": "argo"}
    made["spec"]["service"] = {"ports": [{"port": port, "targetPort": 12000}], **service}
    return made


async def way_in(api: Kube, name: str) -> int:
    """The port that the Service of an EventSource leads to, once it does."""
    found: list[int] = []

    async def there() -> bool:
        piece = await api.get(SLICES, "EndpointSlice", f"{name}-eventsource-svc-tiphys", "argo")
        if piece is None:
            return False
        assert piece["endpoints"][0]["addresses"] == [ADDRESS]
        assert piece["metadata"]["labels"]["kubernetes.io/service-name"] == f"{name}-eventsource-svc"
        found[:] = [piece["ports"][0]["port"]]
        return True

    await until_async(there)
    return found[0]


async def answered(port: int, path: str = "/in") -> int:
    async with aiohttp.ClientSession() as session, session.post(f"http://{ADDRESS}:{port}{path}", json={"after": "x"}) as answer:
        return answer.status


async def condition(api: Kube, name: str, kind: str) -> str:
    found = await api.get(ARGO, "EventSource", name, "argo") or {}
    return {one["type"]: one["status"] for one in found.get("status", {}).get("conditions", ())}.get(kind, "")


@pytest.mark.timeout(180)
async def test_two_sources_with_one_path_have_a_service_each(emulator: EmulatorProcess, tmp_path: Path) -> None:  # noqa: F811
    async with connect(emulator.kubeconfig, settings=QUICK) as api:
        # given two that want the same path of the same port
        first = await api.create(source("first"))
        await api.create(source("second", port=8080, metadata={"labels": {"team": "b"}, "annotations": {"note": "mine"}}))
        (tmp_path / "manifests").mkdir()
        tiphys = Tiphys(tmp_path / "data", emulator.kubeconfig, tmp_path / "manifests", "--pod-address", ADDRESS)
        await tiphys.start()
        try:
            assert await tiphys.ready(), tiphys.log.read_text()
            ports = [await way_in(api, name) for name in ("first", "second")]
            # then each has a way in of its own, and neither is in the other's way
            assert len({*ports, tiphys.ingress_port}) == 3
            assert [await answered(port) for port in ports] == [200, 200]

            async def both_well() -> bool:
                return [await condition(api, name, "Ready") for name in ("first", "second")] == ["True", "True"]

            await until_async(both_well)
            overview = await tiphys.ask("events?limit=10")
            assert sorted(event["source"] for event in overview["items"]) == ["first", "second"]
            # and the Services say whose they are
            service = await api.get("v1", "Service", "second-eventsource-svc", "argo")
            assert service is not None
            assert "selector" not in service["spec"]
            assert service["spec"]["ports"][0]["port"] == 8080
            assert service["metadata"]["labels"]["team"] == "b"
            assert service["metadata"]["annotations"]["note"] == "mine"
            owner = (await api.get("v1", "Service", "first-eventsource-svc", "argo") or {})["metadata"]["ownerReferences"][0]
            assert (owner["kind"], owner["uid"]) == ("EventSource", first["metadata"]["uid"])
            # when it is started again
            await tiphys.kill()
            await tiphys.start()
            assert await tiphys.ready(), tiphys.log.read_text()
            # then the ways in are the same, and open at once
            assert [await answered(port) for port in ports] == [200, 200]
            assert [await way_in(api, name) for name in ("first", "second")] == ports
            # when one asks for no Service any more
            await api.patch(ARGO, "EventSource", "first", "argo", {"spec": {"service": None}})

            async def gone() -> bool:
                return await api.get("v1", "Service", "first-eventsource-svc", "argo") is None

            await until_async(gone)
            assert await answered(ports[1]) == 200
            assert await post(tiphys, {"after": "x"}, "/in") == 200
        finally:
            await tiphys.kill()


@pytest.mark.timeout(120)
async def test_a_service_of_argo_events_is_replaced_and_one_of_somebody_else_is_not(
    emulator: EmulatorProcess,  # noqa: F811
    tmp_path: Path,
) -> None:
    async with connect(emulator.kubeconfig, settings=QUICK) as api:
        # given
        for name, labels in (("theirs", {"eventsource-name": "theirs"}), ("foreign", {"app": "shop"})):
            spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 12000}], "clusterIP": "10.0.0.7"}
            metadata = {"name": f"{name}-eventsource-svc", "namespace": "argo", "labels": labels}
            await api.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
            await api.create(source(name))
        (tmp_path / "manifests").mkdir()
        tiphys = Tiphys(tmp_path / "data", emulator.kubeconfig, tmp_path / "manifests", "--pod-address", ADDRESS)
        await tiphys.start()
        try:
            assert await tiphys.ready(), tiphys.log.read_text()
            assert await answered(await way_in(api, "theirs")) == 200
            taken = await api.get("v1", "Service", "theirs-eventsource-svc", "argo") or {}
            assert "selector" not in taken["spec"]
            assert taken["spec"]["clusterIP"] == "10.0.0.7"

            async def told() -> bool:
                return "belongs to somebody else" in await asyncio.to_thread(tiphys.log.read_text)

            await until_async(told)
            assert (await api.get("v1", "Service", "foreign-eventsource-svc", "argo") or {})["spec"]["selector"] == {
                "app": "foreign"
            }
        finally:
            await tiphys.kill()


async def test_what_is_no_address_is_one_clear_line() -> None:
    with pytest.raises(SettingsError, match="podIP"):
        EventServices(None, None, None, None, "tiphys-0")  # type: ignore[arg-type]  it comes to nothing else
    assert Settings().pod_address == ""
