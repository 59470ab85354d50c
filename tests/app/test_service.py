"""The service as a user runs it: a process, its ports, its command line, and the embedded API beside it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from tests.running import Cluster, Tiphys, free_port

WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/argo/workflows"
SOURCE = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: hooks, namespace: argo}
spec:
  webhook:
    in: {endpoint: /in, port: "12000", method: POST}
"""
SENSOR = """\
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: ci, namespace: argo}
spec:
  dependencies:
  - {name: push, eventSourceName: hooks, eventName: in}
  triggers:
  - template:
      name: build
      workflow:
        templateRef: {name: ci}
        arguments:
          revision: "{{ .push.body.after }}"
"""
TEMPLATE = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "WorkflowTemplate",
    "metadata": {"name": "ci"},
    "spec": {"entrypoint": "main", "arguments": {"parameters": [{"name": "revision"}]}, "templates": [{"name": "main"}]},
}


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path / "cluster").run() as running:
        await running.create("/apis/argoproj.io/v1alpha1/namespaces/argo/workflowtemplates", TEMPLATE)
        yield running


@pytest.fixture
async def tiphys(tmp_path: Path, cluster: Cluster) -> AsyncIterator[Tiphys]:
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    (manifests / "source.yaml").write_text(SOURCE)
    (manifests / "sensor.yaml").write_text(SENSOR)
    running = Tiphys(tmp_path / "data", cluster.kubeconfig, manifests)
    await running.start()
    assert await running.ready(), running.log.read_text()
    yield running
    if running.running:
        await running.kill()


async def post(tiphys: Tiphys, body: object, path: str = "/in", **headers: str) -> int:
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{tiphys.ingress_port}{path}"
        async with session.post(url, json=body, headers=headers) as answer:
            await answer.read()
            return answer.status


async def until(found: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not await found():
            await asyncio.sleep(0.05)


async def revisions(cluster: Cluster) -> list[str]:
    return sorted(one["spec"]["arguments"]["parameters"][0]["value"] for one in await cluster.objects(WORKFLOWS))


async def created(cluster: Cluster, *wanted: str, seconds: float = 20.0) -> None:
    async def all_there() -> bool:
        return await revisions(cluster) == sorted(wanted)

    await until(all_there, seconds)


async def tool(tiphys: Tiphys, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tiphys.app.cli", *arguments, "--data", str(tiphys.data)]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)


async def test_a_webhook_becomes_a_workflow_and_can_be_explained_and_replayed(tiphys: Tiphys, cluster: Cluster) -> None:
    assert await post(tiphys, {"after": "abc"}) == 200
    await created(cluster, "abc")
    workflow = (await cluster.objects(WORKFLOWS))[0]
    firing = workflow["metadata"]["labels"]["tiphys.dev/firing"]
    assert workflow["metadata"]["name"] == f"ci-{firing}"
    assert workflow["metadata"]["labels"]["events.argoproj.io/sensor"] == "ci"

    events = json.loads((await tool(tiphys, "events", "-o", "json")).stdout)
    explained = json.loads((await tool(tiphys, "explain", events[0]["id"][:12], "-o", "json")).stdout)
    assert [(one["sensor"], one["trigger"], one["outcome"]) for one in explained["verdicts"]] == [("ci", "build", "fired")]
    assert [(one["id"], one["state"]) for one in explained["firings"]] == [(firing, "succeeded")]
    assert firing in (await tool(tiphys, "firings", firing, "-o", "yaml")).stdout
    assert "fired" in (await tool(tiphys, "explain", events[0]["id"])).stdout
    assert (await tool(tiphys, "dead")).stdout.strip() == "No firings."

    assert (await tool(tiphys, "replay", firing)).returncode == 0
    await created(cluster, "abc", "abc")
    assert (await tool(tiphys, "replay", events[0]["id"], "--trigger", "ci/build")).returncode == 0
    await created(cluster, "abc", "abc", "abc")
    missing = await tool(tiphys, "explain", "0123456789")
    assert (missing.returncode, "there is no event" in missing.stderr) == (4, True)


async def test_an_argument_that_is_refused_is_the_verdict_of_the_event_and_is_replayed_once_it_is_corrected(
    tiphys: Tiphys, cluster: Cluster
) -> None:
    assert await post(tiphys, {"aftr": "abc"}) == 200

    async def decided() -> bool:
        events = json.loads((await tool(tiphys, "events", "-o", "json")).stdout)
        return [one["outcomes"] for one in events] == [{"refused": 1}]

    await until(decided)
    (event,) = json.loads((await tool(tiphys, "events", "-o", "json")).stdout)
    explained = json.loads((await tool(tiphys, "explain", event["id"], "-o", "json")).stdout)
    assert explained["verdicts"][0]["why"].startswith("ArgumentMissing: argument 'revision': ")
    assert "refused" in (await tool(tiphys, "explain", event["id"])).stdout
    about = json.loads((await tool(tiphys, "explain", "sensor/ci", "--namespace", "argo", "--last", "1", "-o", "json")).stdout)
    assert about["findings"][-1].endswith("; its last event: refused")
    assert (explained["firings"], await cluster.objects(WORKFLOWS)) == ([], [])

    before = await revision(tiphys)
    (tiphys.manifests / "sensor.yaml").write_text(SENSOR.replace(".push.body.after", ".push.body.aftr"))

    async def corrected() -> bool:
        return await revision(tiphys) > before

    await until(corrected)
    assert (await tool(tiphys, "replay", event["id"])).returncode == 0
    await created(cluster, "abc")
    unknown = await tool(tiphys, "explain", "sensor/cii")
    assert (unknown.returncode, "did you mean ci?" in unknown.stderr) == (4, True)


async def revision(tiphys: Tiphys) -> int:
    """The revision of the Sensor that runs; numbers are given to whatever is kept, so only their growth means something."""
    manifests = (await tiphys.ask("overview"))["manifests"]
    return next(one["revision"] for one in manifests if one["kind"] == "Sensor")


async def test_a_changed_file_is_picked_up_live_and_a_broken_one_leaves_what_runs(tiphys: Tiphys, cluster: Cluster) -> None:
    sensor = tiphys.manifests / "sensor.yaml"
    before = await revision(tiphys)
    sensor.write_text(SENSOR.replace("name: build\n", "name: [build\n"))
    assert await post(tiphys, {"after": "a"}) == 200
    await created(cluster, "a")
    sensor.write_text(SENSOR.replace("{{ .push.body.after }}", "changed-{{ .push.body.after }}"))

    async def changed() -> bool:
        return await revision(tiphys) > before

    await until(changed)
    assert await post(tiphys, {"after": "b"}) == 200
    await created(cluster, "a", "changed-b")


async def test_a_refused_manifest_stands_in_the_overview_and_everything_else_goes_on(tiphys: Tiphys, cluster: Cluster) -> None:
    (tiphys.manifests / "bad.yaml").write_text(SENSOR.replace("name: ci", "name: bad", 1).replace("eventName: in", "eventName: 7"))

    async def refused() -> bool:
        shown = await tiphys.ask("overview")
        return any(
            "bad.yaml:6: spec.dependencies[0].eventName: must be a string" in text
            for one in shown["manifests"]
            for text in one["errors"]
        )

    await until(refused)
    assert await post(tiphys, {"after": "a"}) == 200
    await created(cluster, "a")


async def test_argo_events_objects_of_the_cluster_are_watched_and_their_status_is_written(tiphys: Tiphys, cluster: Cluster) -> None:
    base = "/apis/argoproj.io/v1alpha1/namespaces/argo"
    source = {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "EventSource", "metadata": {"name": "live"},
        "spec": {"webhook": {"live": {"endpoint": "/live", "port": "12000", "method": "POST"}}},
    }  # fmt: skip
    workflow = {"templateRef": {"name": "ci"}, "arguments": {"revision": "{{ .push.body.after }}"}}
    sensor = {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Sensor", "metadata": {"name": "live"},
        "spec": {
            "dependencies": [{"name": "push", "eventSourceName": "live", "eventName": "live"}],
            "triggers": [{"template": {"name": "t", "workflow": workflow}}],
        },
    }  # fmt: skip
    await cluster.create(f"{base}/sensors", sensor)
    await cluster.create(f"{base}/eventsources", source)

    async def conditions(plural: str) -> dict[str, str]:
        obj = await cluster.call("GET", f"{base}/{plural}/live")
        return {one["type"]: one["status"] for one in obj.get("status", {}).get("conditions", [])}

    async def deployed() -> bool:
        return all([(await conditions(plural)).get("Deployed") == "True" for plural in ("sensors", "eventsources")])

    await until(deployed)
    assert (await conditions("eventsources"))["SourcesProvided"] == "True"
    assert (await conditions("eventsources"))["Listening"] == "True"
    assert await post(tiphys, {"after": "live"}, "/live") == 200
    await created(cluster, "live")

    broken = {"spec": {"dependencies": [{"name": "push", "eventSourceName": "live", "eventName": 7}]}}
    await cluster.call("PATCH", f"{base}/sensors/live", broken, "application/merge-patch+json")

    async def said() -> bool:
        return (await conditions("sensors")).get("Accepted") == "False"

    await until(said)
    assert await post(tiphys, {"after": "still"}, "/live") == 200
    await created(cluster, "live", "still")

    await cluster.call("DELETE", f"{base}/eventsources/live")

    async def gone() -> bool:
        return await post(tiphys, {}, "/live") == 404

    await until(gone)


async def test_an_event_bus_of_the_cluster_is_read_and_its_status_says_what_serves(tiphys: Tiphys, cluster: Cluster) -> None:
    base = "/apis/argoproj.io/v1alpha1/namespaces/argo/eventbus"

    def bus(name: str, spec: dict[str, object]) -> dict[str, object]:
        return {"apiVersion": "argoproj.io/v1alpha1", "kind": "EventBus", "metadata": {"name": name}, "spec": spec}

    async def conditions(name: str) -> dict[str, tuple[str, str]]:
        obj = await cluster.call("GET", f"{base}/{name}")
        return {one["type"]: (one["status"], one.get("message", "")) for one in obj.get("status", {}).get("conditions", [])}

    # given
    await cluster.create(base, bus("default", {"nats": {"native": {"replicas": 3}}}))
    await cluster.create(base, bus("wrong", {"jetstream": {"version": "latest", "replicas": 2}}))

    # then
    async def said() -> bool:
        return "Serving" in await conditions("default") and "Accepted" in await conditions("wrong")

    await until(said)
    found = await conditions("default")
    assert {kind: found[kind][0] for kind in ("Accepted", "Configured", "Deployed", "Serving")} == {
        "Accepted": "True", "Configured": "True", "Deployed": "True", "Serving": "True",
    }  # fmt: skip
    assert "NATS Streaming, which is neither run nor joined" in found["Serving"][1]
    wrong = await conditions("wrong")
    assert (wrong["Accepted"][0], wrong["Configured"][0]) == ("False", "False")
    assert "spec.jetstream.replicas: must be 1, or 3 and more" in wrong["Configured"][1]


@pytest.mark.timeout(150)
async def test_argo_events_2340_with_the_cluster_away_events_are_taken_and_their_objects_come_later(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "cluster")
    manifests = tmp_path / "m.yaml"
    manifests.write_text(f"{SOURCE}---\n{SENSOR}")
    async with cluster.run():
        await cluster.create("/apis/argoproj.io/v1alpha1/namespaces/argo/workflowtemplates", TEMPLATE)
        tiphys = Tiphys(tmp_path / "data", cluster.kubeconfig, manifests)
        await tiphys.start()
        assert await tiphys.ready(), tiphys.log.read_text()
        assert await post(tiphys, {"after": "before"}) == 200
        await created(cluster, "before")
    try:
        for number in range(5):
            assert await post(tiphys, {"after": f"away-{number}"}) == 200
        assert await tiphys.stop() == 0
        await tiphys.start()
        assert await tiphys.ready(), "kept manifests make it ready without the cluster"
        assert await post(tiphys, {"after": "restarted"}) == 200
        async with cluster.run():
            await created(cluster, "before", "restarted", *(f"away-{number}" for number in range(5)), seconds=60)
    finally:
        await tiphys.kill()


async def test_a_second_process_on_the_same_folder_and_a_port_in_use_are_one_clear_line(tiphys: Tiphys, tmp_path: Path) -> None:
    base = [
        sys.executable,
        "-m",
        "tiphys.app.cli",
        "serve",
        "--kubeconfig",
        str(tiphys.kubeconfig),
        "--manifests",
        str(tiphys.manifests),
    ]
    same = [*base, "--data", str(tiphys.data), "--ingress-port", str(free_port()), "--api-port", str(free_port())]
    done = await asyncio.to_thread(subprocess.run, same, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "is in use" in done.stderr.splitlines()[-1]) == (4, True)
    for option in ("--ingress-port", "--api-port"):
        ports = {"--ingress-port": free_port(), "--api-port": free_port(), option: tiphys.ingress_port}
        taken = [*base, "--data", str(tmp_path / "other"), *(str(part) for pair in ports.items() for part in pair)]
        done = await asyncio.to_thread(subprocess.run, taken, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, str(tiphys.ingress_port) in done.stderr.splitlines()[-1]) == (2, True)


async def test_health_metrics_and_the_token(tiphys: Tiphys) -> None:
    assert await post(tiphys, {"after": "a"}) == 200
    assert await post(tiphys, {"after": "a"}, "/nowhere") == 404
    async with aiohttp.ClientSession() as session:
        base = f"http://127.0.0.1:{tiphys.api_port}"
        async with session.get(f"{base}/healthz") as answer:
            assert answer.status == 200
        async with session.get(f"{base}/metrics") as answer:
            text = await answer.text()
        assert 'argo_events_events_sent_total{event_name="in",eventsource_name="hooks",namespace="argo"} 1.0' in text
        assert "tiphys_store_writable 1.0" in text
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            async with session.get(f"{base}/api/v1/events", headers=headers) as answer:
                assert answer.status == 401
        token = (tiphys.data / "api-token").read_text()
        for query in ("limit=0", "limit=x", "before=-1"):
            async with session.get(f"{base}/api/v1/events?{query}", headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == 400
    assert (tiphys.data / "api-token").stat().st_mode & 0o077 == 0
    assert await tiphys.stop() == 0


async def test_a_signed_github_delivery_fires_once_however_often_it_is_redelivered(tiphys: Tiphys, cluster: Cluster) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gh"}, "stringData": {"secret": "s3cr3t"}}
    await cluster.create("/api/v1/namespaces/argo/secrets", secret)
    source = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: hooks, namespace: argo}
spec:
  github:
    in:
      repositories: [{owner: acme, names: [shop]}]
      webhook: {endpoint: /gh, port: "12000", method: POST}
      webhookSecret: {name: gh, key: secret}
"""
    (tiphys.manifests / "source.yaml").write_text(source)
    body = json.dumps({"after": "signed"}).encode()
    signature = "sha256=" + hmac.new(b"s3cr3t", body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": "d-1",
        "X-Hub-Signature-256": signature,
    }
    url = f"http://127.0.0.1:{tiphys.ingress_port}/gh"
    async with aiohttp.ClientSession() as session:

        async def delivered() -> bool:
            async with session.post(url, data=body, headers=headers) as answer:
                return answer.status == 200

        await until(delivered)
        assert await delivered()
        async with session.post(url, data=body, headers={**headers, "X-Hub-Signature-256": "sha256=00"}) as answer:
            assert answer.status == 400
    await created(cluster, "signed")
    kinds = [kind for one in (await tiphys.ask("events"))["items"] for kind in one["outcomes"]]
    assert sorted(kinds) == ["duplicate", "fired"]
