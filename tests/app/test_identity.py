"""A Sensor can do what its service account may do, and nothing else: on an API server with RBAC."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatcher.trigger import Services
from tests.app.origins.conftest import QUICK
from tests.app.origins.test_cluster import until
from tests.app.test_service import SENSOR, SOURCE, TEMPLATE, post
from tests.app.test_service import until as until_async
from tests.dispatcher.support import World
from tests.emulator.fixtures import EmulatorProcess
from tests.running import Tiphys
from tiphys.app.identity import Accounts
from tiphys.clients.kube import Account, ImpersonationForbidden, Kube, KubeSecrets, connect
from tiphys.emulator.kubeconfig import kubeconfig as kubeconfig_of
from tiphys.errors import Refused, SecretError
from tiphys.schema.secret import ConfigMapRef, SecretRef

RBAC = "rbac.authorization.k8s.io/v1"
ARGO = "argoproj.io/v1alpha1"
TIPHYS = {"kind": "User", "name": "tiphys"}
BUILDER = {"kind": "ServiceAccount", "namespace": "argo", "name": "builder"}
IMPERSONATE = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"], "resourceNames": ["builder"]}
EVERYTHING = {"apiGroups": ["*"], "resources": ["configmaps", "secrets"], "verbs": ["*"]}
MAPS = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "get"]}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmulatorProcess]:
    running = EmulatorProcess(tmp_path / "emulator", users="tiphys-token,tiphys,1\n")
    running.start()
    yield running
    running.stop()


@pytest.fixture
async def admin(server: EmulatorProcess) -> AsyncIterator[Kube]:
    async with connect(server.kubeconfig, settings=QUICK) as kube:
        yield kube


@pytest.fixture
async def ours(server: EmulatorProcess, tmp_path: Path) -> AsyncIterator[Kube]:
    """The API as Tiphys' own account."""
    async with connect(limited(server, tmp_path), settings=QUICK) as kube:
        yield kube


def limited(server: EmulatorProcess, folder: Path) -> Path:
    path = folder / "kubeconfig-of-tiphys"
    path.write_text(kubeconfig_of(server.url, "tiphys-token"))
    return path


async def allow(admin: Kube, name: str, subject: dict[str, str], *rules: dict[str, Any], namespace: str = "argo") -> None:
    metadata = {"name": name, "namespace": namespace}
    await admin.create({"apiVersion": RBAC, "kind": "Role", "metadata": metadata, "rules": list(rules)})
    reference = {"apiGroup": RBAC.partition("/")[0], "kind": "Role", "name": name}
    binding = {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": metadata, "roleRef": reference, "subjects": [subject]}
    await admin.create(binding)


def configmap(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "argo"}, "data": data}


@contextlib.asynccontextmanager
async def asking(accounts: Accounts) -> AsyncIterator[None]:
    task = asyncio.create_task(accounts.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def view(accounts: Accounts) -> tuple[Services, Kube]:
    services = accounts.services("argo", "builder")
    assert services.kube is not None
    return services, services.kube


async def test_a_sensor_cannot_do_what_tiphys_may_and_its_account_may_not(admin: Kube, ours: Kube) -> None:
    # given
    await allow(admin, "tiphys", TIPHYS, IMPERSONATE, EVERYTHING)
    _, sensor = view(Accounts(World(ours)))
    await ours.create(configmap("by-tiphys"))
    # then it is neither made nor read nor changed, although Tiphys itself could
    for call in (
        sensor.create(configmap("by-sensor")),
        sensor.get("v1", "ConfigMap", "by-tiphys", "argo"),
        sensor.patch("v1", "ConfigMap", "by-tiphys", "argo", {"data": {"a": "b"}}),
        sensor.delete("v1", "ConfigMap", "by-tiphys", "argo"),
        sensor.replace(configmap("by-tiphys")),
    ):
        with pytest.raises(Refused, match="system:serviceaccount:argo:builder") as refusal:
            await call
        assert refusal.value.status == 403
        assert not isinstance(refusal.value, ImpersonationForbidden)
    # given what the account may
    await allow(admin, "builder", BUILDER, MAPS)
    await sensor.create(configmap("by-sensor"))
    assert await sensor.get("v1", "ConfigMap", "by-tiphys", "argo") is not None


async def test_nothing_leads_out_of_a_view(admin: Kube, ours: Kube) -> None:
    await allow(admin, "tiphys", TIPHYS, IMPERSONATE, EVERYTHING)
    _, sensor = view(Accounts(World(ours)))
    with pytest.raises(Refused, match="argo:builder"):
        await sensor.create(configmap("x"), impersonate="system:serviceaccount:argo:mightier")
    with pytest.raises(Refused, match="lists"):
        await sensor.list("v1", "ConfigMap", "argo")
    with pytest.raises(Refused, match="watches"):
        await anext(sensor.watch("v1", "ConfigMap", "argo"))


async def test_configmaps_are_read_as_the_account_and_secrets_as_a_kubelet_does(admin: Kube, ours: Kube) -> None:
    # given
    await allow(admin, "tiphys", TIPHYS, IMPERSONATE, EVERYTHING)
    await admin.create(configmap("m", k="text"))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "argo"}, "stringData": {"k": "hidden"}}
    await admin.create(secret)
    async with KubeSecrets(ours) as secrets:
        services, _ = view(Accounts(World(ours, secrets)))
        # then
        assert await services.secrets.secret("argo", SecretRef(name="s", key="k")) == b"hidden"
        with pytest.raises(Refused, match="argo:builder"):
            await services.secrets.configmap("argo", ConfigMapRef(name="m", key="k"))
        # given the right
        await allow(admin, "builder", BUILDER, MAPS)
        assert await services.secrets.configmap("argo", ConfigMapRef(name="m", key="k")) == b"text"
        with pytest.raises(SecretError, match="no such key"):
            await services.secrets.configmap("argo", ConfigMapRef(name="m", key="other"))
        with pytest.raises(SecretError, match="no such ConfigMap"):
            await services.secrets.configmap("argo", ConfigMapRef(name="absent", key="k"))
        assert await services.secrets.configmap("argo", ConfigMapRef(name="absent", key="k", optional=True)) == b""


async def test_a_right_to_impersonate_that_is_missing_is_said_with_the_rule_that_gives_it(admin: Kube, ours: Kube) -> None:
    # given
    accounts = Accounts(World(ours), while_forbidden=0.05)
    allowed: list[Account] = []

    async def heard(account: Account) -> None:
        allowed.append(account)

    accounts.on_allowed(heard)
    async with asking(accounts):
        # when
        _, sensor = view(accounts)
        with pytest.raises(ImpersonationForbidden) as refusal:
            await sensor.create(configmap("x"))
        # then
        assert refusal.value.reason == "ImpersonationForbidden"
        await until(lambda: bool(accounts.problem("argo", "builder")))
        assert 'apiGroups: [""], resources: [serviceaccounts], verbs: [impersonate], resourceNames: [builder]' in str(refusal.value)
        assert accounts.problem("argo", "builder") in str(refusal.value)
        assert not accounts.problem("argo", "other")
        # and when the right is given, it is found out
        await allow(admin, "tiphys", TIPHYS, IMPERSONATE)
        await until(lambda: not accounts.problem("argo", "builder"))
        await until(lambda: allowed == [Account("argo", "builder")])


async def test_a_right_that_is_taken_away_is_found_out_by_the_first_refusal(admin: Kube, ours: Kube) -> None:
    # given
    await allow(admin, "tiphys", TIPHYS, IMPERSONATE)
    accounts = Accounts(World(ours))
    async with asking(accounts):
        _, sensor = view(accounts)
        await until(lambda: all(known.due for known in accounts._known.values()))
        assert not accounts.problem("argo", "builder")
        # when
        await admin.delete(RBAC, "Role", "tiphys", "argo")
        with pytest.raises(ImpersonationForbidden):
            await sensor.get("v1", "ConfigMap", "x", "argo")
        # then, and not after the minutes until the next question
        await until(lambda: bool(accounts.problem("argo", "builder")))


async def test_switched_off_everything_is_done_as_tiphys(ours: Kube) -> None:
    world = World(ours)
    accounts = Accounts(world, impersonate=False)
    assert accounts.services("argo", "builder") is world
    assert not accounts.problem("argo", "builder")


async def test_the_sensors_of_an_account_share_one_view(ours: Kube) -> None:
    accounts = Accounts(World(ours))
    assert accounts.services("argo", "builder") is accounts.services("argo", "builder")
    assert accounts.services("argo", "builder") is not accounts.services("default", "builder")


OWN_RULES = (
    {
        "apiGroups": ["argoproj.io"],
        "resources": ["eventsources", "sensors", "workflowtemplates"],
        "verbs": ["get", "list", "watch"],
    },
    {"apiGroups": ["argoproj.io"], "resources": ["eventsources/status", "sensors/status"], "verbs": ["patch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "get", "patch"]},
)


@pytest.mark.timeout(120)
async def test_the_service_says_what_right_is_missing_and_makes_the_workflow_once_it_is_given(
    server: EmulatorProcess, admin: Kube, tmp_path: Path
) -> None:
    # given
    await allow(admin, "tiphys", TIPHYS, *OWN_RULES)
    workflows = {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["create", "get"]}
    await allow(admin, "builder", BUILDER, workflows)
    await admin.create(TEMPLATE, namespace="argo")
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    (manifests / "source.yaml").write_text(SOURCE)
    sensor = {"template": {"serviceAccountName": "builder"}}
    await admin.create(_sensor(sensor))
    tiphys = Tiphys(tmp_path / "data", limited(server, tmp_path), manifests, "--namespaces", "argo")
    await tiphys.start()
    try:
        assert await tiphys.ready(), tiphys.log.read_text()
        # when
        assert await post(tiphys, {"after": "abc"}) == 200

        async def refused() -> bool:
            found = await admin.get(ARGO, "Sensor", "ci", "argo") or {}
            conditions = {one["type"]: one for one in found.get("status", {}).get("conditions", ())}
            acting = conditions.get("Acting", {})
            return acting.get("status") == "False" and "verbs: [impersonate]" in acting.get("message", "")

        # then
        await until_async(refused)

        async def told() -> bool:
            events = (await admin.list("v1", "Event", "argo")).items
            return any(event["reason"] == "ImpersonationForbidden" and event["type"] == "Warning" for event in events)

        await until_async(told)
        assert not (await admin.list(ARGO, "Workflow", "argo")).items
        # when the right is given
        await allow(admin, "impersonator", TIPHYS, IMPERSONATE)

        async def made() -> bool:
            return len((await admin.list(ARGO, "Workflow", "argo")).items) == 1

        # then the firing that waited is carried out
        await until_async(made, 60)
    finally:
        await tiphys.kill()


def _sensor(more: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load(SENSOR)
    made["spec"].update(more)
    return made
