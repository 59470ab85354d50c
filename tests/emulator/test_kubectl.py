"""What a user does with kubectl, with the real binary."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import subprocess
from pathlib import Path

import pytest

from tests.emulator.fixtures import EmulatorProcess

WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  generateName: hello-
  labels: {team: a}
spec:
  entrypoint: main
"""
APPLIED = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: "SIZE"}
---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: ci}
spec: {dependencies: [{name: push, eventName: "SIZE"}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: a, image: a, env: [{name: MODE, value: "SIZE"}]}
      - {name: b, image: b}
"""


class Kubectl:
    """Runs kubectl in a namespace of the test's own."""

    def __init__(self, program: str, emulator: EmulatorProcess, home: Path) -> None:
        self.program, self.namespace, self.home = program, f"k-{secrets.token_hex(4)}", home
        self.arguments = [program, "--kubeconfig", str(emulator.kubeconfig), "--cache-dir", str(home / "cache")]

    def command(self, *arguments: str) -> list[str]:
        return [*self.arguments, "-n", self.namespace, *arguments]

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), input=stdin, capture_output=True, text=True, timeout=50, check=False)

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def k(kubectl: str, shared_emulator: EmulatorProcess, tmp_path: Path) -> Kubectl:
    found = Kubectl(kubectl, shared_emulator, tmp_path)
    found("create", "namespace", found.namespace)
    return found


def test_create_get_describe_and_delete_a_workflow(k: Kubectl) -> None:
    created = k("create", "-f", "-", stdin=WORKFLOW)
    name = re.fullmatch(r"workflow.argoproj.io/(hello-[a-z0-9]{5}) created\n", created)
    assert name

    table = k("get", "wf")
    assert re.match(r"NAME +STATUS +AGE +MESSAGE\n", table)
    assert re.search(rf"{name[1]} +\d+s", table)
    assert json.loads(k("get", "workflows", name[1], "-o", "json"))["spec"] == {"entrypoint": "main"}
    assert k("get", "wf", "-l", "team=a", "-o", "name") == f"workflow.argoproj.io/{name[1]}\n"
    assert "Entrypoint:  main" in k("describe", "wf", name[1])
    assert "deleted" in k("delete", "wf", name[1])
    assert "No resources found" in k.run("get", "wf").stderr


def test_apply_creates_then_changes_then_leaves_alone(k: Kubectl) -> None:
    one, two = APPLIED.replace("SIZE", "1"), APPLIED.replace("SIZE", "2")

    assert k("apply", "-f", "-", stdin=one).count("created") == 3
    assert k("apply", "-f", "-", stdin=two).count("configured") == 3
    assert k("apply", "-f", "-", stdin=two).count("unchanged") == 3

    assert json.loads(k("get", "cm", "settings", "-o", "json"))["data"] == {"a": "2"}
    containers = json.loads(k("get", "deploy", "web", "-o", "json"))["spec"]["template"]["spec"]["containers"]
    assert containers == [{"name": "a", "image": "a", "env": [{"name": "MODE", "value": "2"}]}, {"name": "b", "image": "b"}]


def test_create_of_built_in_kinds_by_flags(k: Kubectl) -> None:
    k("create", "secret", "generic", "s", "--from-literal", "token=x y")
    k("create", "configmap", "c", "--from-literal", "a=1")
    k("create", "serviceaccount", "sa")
    refused = k.run("create", "deployment", "d", "--image", "x")

    assert json.loads(k("get", "secret", "s", "-o", "json"))["data"] == {"token": "eCB5"}
    assert json.loads(k("get", "cm", "c", "-o", "json"))["data"] == {"a": "1"}
    assert "sa" in k("get", "sa")
    assert refused.returncode == 1
    assert "--dry-run=client -o json | kubectl create -f -" in refused.stderr


def test_label_annotate_and_patch(k: Kubectl) -> None:
    k("create", "-f", "-", stdin=APPLIED)

    k("label", "sensor", "ci", "team=a")
    k("annotate", "deploy", "web", "note=x")
    k("patch", "sensor", "ci", "--type=merge", "-p", '{"spec":{"extra":1}}')
    k("patch", "cm", "settings", "--type=json", "-p", '[{"op":"add","path":"/data/b","value":"2"}]')
    k("patch", "sensor", "ci", "--subresource=status", "--type=merge", "-p", '{"status":{"ok":true}}')

    sensor = json.loads(k("get", "sensor", "ci", "-o", "json"))
    assert (sensor["metadata"]["labels"], sensor["spec"]["extra"], sensor["status"]) == ({"team": "a"}, 1, {"ok": True})
    assert json.loads(k("get", "cm", "settings", "-o", "json"))["data"] == {"a": "SIZE", "b": "2"}
    assert json.loads(k("get", "deploy", "web", "-o", "json"))["metadata"]["annotations"]["note"] == "x"


def test_errors_read_as_those_of_a_cluster(k: Kubectl) -> None:
    assert k.run("get", "wf", "nobody").stderr == 'Error from server (NotFound): workflows.argoproj.io "nobody" not found\n'
    assert "doesn't have a resource type" in k.run("get", "nosuchthings").stderr
    k("create", "configmap", "c")
    assert (
        "(AlreadyExists)"
        in k.run("create", "-f", "-", stdin='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}').stderr
    )
    assert "field label not supported" in k.run("get", "pods", "--field-selector", "a=b").stderr
    assert (
        "is invalid: metadata.name"
        in k.run("create", "-f", "-", stdin=WORKFLOW.replace("generateName: hello-", "name: Hello")).stderr
    )


def test_what_the_server_is_and_serves(k: Kubectl) -> None:
    assert "Server Version: v1." in k("version")
    assert re.search(r"sensors +sn +argoproj.io/v1alpha1 +true +Sensor", k("api-resources"))
    assert "argoproj.io/v1alpha1" in k("api-versions")
    assert {"sensors.argoproj.io", "workflows.argoproj.io"} <= set(re.findall(r"^\S+", k("get", "crd"), re.MULTILINE))
    assert "KIND:       Workflow" in k("explain", "wf")


def test_delete_of_a_namespace_waits_until_it_is_gone(k: Kubectl) -> None:
    k("create", "configmap", "c")

    assert "deleted" in k("delete", "namespace", k.namespace)
    assert "(NotFound)" in k.run("get", "namespace", k.namespace).stderr


async def test_get_w_shows_what_comes(k: Kubectl) -> None:
    await asyncio.to_thread(k, "create", "configmap", "first")
    command = k.command("get", "cm", "-w", "--no-headers", "-o", "custom-columns=N:metadata.name")
    tabled = k.command("get", "cm", "-w")
    plain = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    table = await asyncio.create_subprocess_exec(*tabled, stdout=subprocess.PIPE)
    assert plain.stdout is not None
    assert table.stdout is not None
    try:
        async with asyncio.timeout(50):
            assert await plain.stdout.readline() == b"first\n"
            assert (await table.stdout.readline()).split() == [b"NAME", b"AGE"]
            assert (await table.stdout.readline()).split()[0] == b"first"
            await asyncio.to_thread(k, "create", "configmap", "second")
            assert await plain.stdout.readline() == b"second\n"
            assert (await table.stdout.readline()).split()[0] == b"second"
    finally:
        for process in (plain, table):
            process.kill()
            await process.communicate()
