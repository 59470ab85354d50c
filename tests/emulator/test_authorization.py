"""Users and RBAC of the embedded API: who may do what, in Kubernetes' words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.emulator.fixtures import EmulatorProcess
from tiphys.emulator.authorization import Authorizer, Question, User, Users
from tiphys.emulator.statuses import ApiError
from tiphys.errors import SettingsError

RBAC = "rbac.authorization.k8s.io/v1"
BUILDER = "system:serviceaccount:argo:builder"


class Call:
    """Requests as one of the users."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def __call__(self, token: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
        sent = {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self._session.request(method, self._url + path, json=body, headers=sent) as answer:
            return answer.status, await answer.json()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmulatorProcess]:
    running = EmulatorProcess(tmp_path / "emulator", users='tiphys-token,tiphys,1,"robots,others"\nbob-token,bob,2\n')
    running.start()
    yield running
    running.stop()


@pytest.fixture
async def call(server: EmulatorProcess) -> AsyncIterator[Call]:
    async with aiohttp.ClientSession() as session:
        yield Call(session, server.url)


async def allow(call: Call, name: str, subject: dict[str, str], *rules: dict[str, Any]) -> None:
    root = f"/apis/{RBAC}/namespaces/argo"
    made = {"metadata": {"name": name}, "rules": list(rules)}
    assert (await call("test-token", "POST", f"{root}/roles", made))[0] == 201
    reference = {"apiGroup": RBAC.partition("/")[0], "kind": "Role", "name": name}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    assert (await call("test-token", "POST", f"{root}/rolebindings", binding))[0] == 201


def configmap(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


async def test_without_a_rule_nothing_is_allowed_and_the_answer_is_kubernetes_own(call: Call) -> None:
    status, answer = await call("bob-token", "POST", "/api/v1/namespaces/argo/configmaps", configmap("a"))
    assert status == 403
    assert answer["reason"] == "Forbidden"
    assert answer["message"] == (
        'configmaps is forbidden: User "bob" cannot create resource "configmaps" in API group "" in the namespace "argo"'
    )
    status, answer = await call("bob-token", "GET", "/apis/argoproj.io/v1alpha1/sensors")
    assert answer["message"] == (
        'sensors.argoproj.io is forbidden: User "bob" cannot list resource "sensors" in API group "argoproj.io" at the cluster scope'
    )
    assert (await call("nobody", "GET", "/api/v1/namespaces"))[0] == 401
    assert (await call("bob-token", "GET", "/apis"))[0] == 200


async def test_a_role_allows_what_it_says_where_it_says_and_no_more(call: Call) -> None:
    await allow(
        call,
        "maps",
        {"kind": "User", "name": "bob"},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"], "resourceNames": ["a"]},
    )
    place = "/api/v1/namespaces/argo/configmaps"
    assert (await call("bob-token", "POST", place, configmap("a")))[0] == 201
    assert (await call("bob-token", "POST", place, configmap("b")))[0] == 201
    assert (await call("bob-token", "GET", f"{place}/a"))[0] == 200
    assert (await call("bob-token", "GET", f"{place}/b"))[0] == 403
    assert (await call("bob-token", "GET", f"{place}?fieldSelector=metadata.name%3Da"))[0] == 200
    assert (await call("bob-token", "GET", place))[0] == 403
    assert (await call("bob-token", "DELETE", f"{place}/a"))[0] == 403
    assert (await call("bob-token", "POST", "/api/v1/namespaces/default/configmaps", configmap("a")))[0] == 403


async def test_a_group_may_what_its_binding_says(call: Call) -> None:
    rule = {"apiGroups": ["argoproj.io"], "resources": ["sensors/status"], "verbs": ["get"]}
    await allow(call, "status", {"kind": "Group", "name": "robots"}, rule)
    path = "/apis/argoproj.io/v1alpha1/namespaces/argo/sensors/none"
    assert (await call("tiphys-token", "GET", f"{path}/status"))[0] == 404
    assert (await call("tiphys-token", "GET", path))[0] == 403
    assert (await call("bob-token", "GET", f"{path}/status"))[0] == 403


async def test_impersonation_needs_its_right_and_gives_the_rights_of_that_account_only(call: Call) -> None:
    place = "/api/v1/namespaces/argo/configmaps"
    acting = {"Impersonate_User": BUILDER}
    status, answer = await call("tiphys-token", "POST", place, configmap("a"), **acting)
    assert status == 403
    assert answer["message"] == (
        'serviceaccounts "builder" is forbidden: User "tiphys" cannot impersonate resource "serviceaccounts" in API group "" '
        'in the namespace "argo"'
    )
    # given the right
    rule = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"], "resourceNames": ["builder"]}
    own = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}
    await allow(call, "tiphys", {"kind": "User", "name": "tiphys"}, rule, own)
    # then it is judged as the account, which may nothing yet
    status, answer = await call("tiphys-token", "POST", place, configmap("a"), **acting)
    assert status == 403
    assert f'User "{BUILDER}" cannot create' in answer["message"]
    # and another account is another right
    assert (await call("tiphys-token", "POST", place, configmap("a"), Impersonate_User=f"{BUILDER}2"))[0] == 403
    # given what the account may
    await allow(call, "builder", {"kind": "ServiceAccount", "namespace": "argo", "name": "builder"}, own)
    assert (await call("tiphys-token", "POST", place, configmap("a"), **acting))[0] == 201


@pytest.mark.parametrize(("token", "allowed"), [("test-token", True), ("bob-token", False)])
async def test_one_may_ask_what_one_may_do(call: Call, token: str, allowed: bool) -> None:
    asked = {"verb": "impersonate", "resource": "serviceaccounts", "namespace": "argo", "name": "builder"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    status, answer = await call(token, "POST", path, {"spec": {"resourceAttributes": asked}})
    assert status == 201
    assert answer["status"]["allowed"] is allowed
    assert (await call(token, "POST", path, {"spec": {}}))[0] == 400
    assert (await call(token, "GET", path))[0] == 405


def test_an_account_is_in_the_groups_of_accounts_unless_others_are_named() -> None:
    authorizer = Authorizer(lambda storage, namespace: ())
    master = User("admin", frozenset(("system:masters",)))
    found = authorizer.acting(master, {"Impersonate-User": BUILDER}, [])
    assert found.groups == {"system:authenticated", "system:serviceaccounts", "system:serviceaccounts:argo"}
    found = authorizer.acting(master, {"Impersonate-User": BUILDER}, ["x"])
    assert found.groups == {"system:authenticated", "x"}
    with pytest.raises(ApiError, match="without impersonating"):
        authorizer.acting(master, {}, ["x"])


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, True),
        ({"apiGroups": ["g"], "resources": ["*/status"], "verbs": ["patch"]}, True),
        ({"apiGroups": ["g"], "resources": ["r"], "verbs": ["patch"]}, False),
        ({"apiGroups": [""], "resources": ["r/status"], "verbs": ["patch"]}, False),
        ({"apiGroups": ["g"], "resources": ["r/status"], "verbs": ["get"]}, False),
        ({"apiGroups": ["g"], "resources": ["r/status"], "verbs": ["patch"], "resourceNames": ["other"]}, False),
    ],
)
def test_a_rule_is_for_all_its_parts_together(rule: dict[str, Any], allowed: bool) -> None:
    role = {"metadata": {"name": "r"}, "rules": [rule]}
    binding = {"roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "User", "name": "bob"}]}
    stored = {"clusterroles": [role], "clusterrolebindings": [binding]}
    authorizer = Authorizer(lambda storage, namespace: stored.get(storage.rpartition("/")[2], []))
    assert authorizer.allows(User("bob"), Question("patch", "g", "r", "ns", "n", "status")) is allowed
    assert not authorizer.allows(User("eve"), Question("patch", "g", "r", "ns", "n", "status"))


def test_a_file_of_users_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--users"):
        Users.read(b"t", tmp_path / "absent")
    (tmp_path / "users").write_text("only-a-token\n")
    with pytest.raises(SettingsError, match="is no user"):
        Users.read(b"t", tmp_path / "users")
