"""The `airflow` trigger at a server: the stand-in always, a real Airflow where `AIRFLOW_TEST` names one.

`AIRFLOW_TEST=http://USER:PASSWORD@HOST:PORT` is an Airflow 3 with `airflow_dags.py` among its Dags; nothing of it has to run tasks. Each
test has a sensor of its own, so that runs of earlier ones are in nobody's way.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from dispatcher.program import TriggerProgram, render
from tests.clients.airflow_target import PASSWORD, USER, airflow_target
from tests.dispatcher.support import World, event, firing, program
from tests.dispatcher.test_http import Kept
from tiphys.bus.event import rfc3339
from tiphys.bus.firing import Target, TriggerKey
from tiphys.clients.http import open_http
from tiphys.errors import Refused, TriggerError

LOGIN = {"username": {"name": "airflow", "key": "user"}, "password": {"name": "airflow", "key": "password"}}
Entry = dict[str, Any]


@dataclass
class Server:
    """An Airflow, and a sensor of the test's own. Events have the time at which the test began."""

    url: str
    world: World
    key: TriggerKey
    now: str

    def program(self, **settings: Any) -> TriggerProgram:
        spec = {"url": self.url, "login": LOGIN} | settings
        return program({"template": {"name": "build", "airflow": spec}}, self.world, self.key)

    async def do(self, payload: Any = None, number: int = 1, **settings: Any) -> Target:
        """Render and execute for one firing."""
        made, one = self.program(**settings), firing(self.key, number)
        request = await render(made, {"dep": event(payload, time=self.now)}, one)
        return await made.trigger({}).execute(request, one)

    async def look(self, target: Target, number: int = 1, **settings: Any) -> Target | None:
        return await self.program(**settings).trigger({}).look(target, firing(self.key, number))


@pytest.fixture(params=["stand-in", "real"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    named = urlsplit(os.environ.get("AIRFLOW_TEST", ""))
    if request.param == "real" and not named.hostname:
        pytest.skip("AIRFLOW_TEST names no Airflow")
    key, now = TriggerKey("argo", f"s{uuid4().hex[:8]}", "build"), rfc3339(datetime.now(UTC))
    async with open_http() as client, airflow_target() as target:
        if request.param == "real":
            user, password = named.username or "", named.password or ""
            url = f"{named.scheme}://{named.hostname}:{named.port}{named.path}"
        else:
            user, password, url = USER, PASSWORD, target.url
        secrets = Kept({"airflow/user": user.encode(), "airflow/password": password.encode()})
        yield Server(url, World(http=client, secrets=secrets), key, now)


async def test_a_run_is_started_once(server: Server) -> None:
    settings: Entry = {"dag": "nightly", "conf": {"size": {"from": "dep", "path": "size"}}}

    first = await server.do({"size": 7}, **settings)
    again = await server.do({"size": 7}, **settings)

    assert first == again
    assert await server.look(first, **settings) == first


async def test_a_run_that_was_not_started_is_not_found(server: Server) -> None:
    absent = Target("", "airflow", "argo", "nightly/tiphys__absent")

    assert await server.look(absent, dag="nightly") is None


async def test_two_firings_of_one_instant_are_two_runs(server: Server) -> None:
    first = await server.do(number=1, dag="nightly")
    second = await server.do(number=2, dag="nightly")

    assert await server.look(first, dag="nightly") == first
    assert await server.look(second, 2, dag="nightly") == second


async def test_runs_without_a_logical_date_are_in_nobody_s_way(server: Server) -> None:
    for number in (1, 2, 1):
        await server.do(number=number, dag="nightly", logicalDate="none")


async def test_a_logical_date_that_is_given_is_kept_to(server: Server) -> None:
    settings: Entry = {"dag": "nightly", "logicalDate": "{{ .dep.at }}"}
    await server.do({"at": server.now}, **settings)

    with pytest.raises(TriggerError, match="NameTaken"):
        await server.do({"at": server.now}, number=2, **settings)


async def test_what_the_params_do_not_take_is_refused(server: Server) -> None:
    with pytest.raises(Refused, match="size") as caught:
        await server.do(dag="nightly", conf={"size": "much"})

    assert caught.value.status == 400


async def test_a_dag_that_is_not_there_is_refused(server: Server) -> None:
    with pytest.raises(Refused, match="not found") as caught:
        await server.do(dag="absent")

    assert caught.value.status == 404


@pytest.mark.parametrize("asset", ["s3://uploads/incoming", "incoming"])
async def test_an_event_of_an_asset_is_found_by_its_firing(asset: str, server: Server) -> None:
    settings: Entry = {"asset": asset, "conf": {"size": 7}}
    target = Target("", "airflow", "argo", f"asset:{asset}/{firing(server.key).id}")
    before = await server.look(target, **settings)

    sent = await server.do(**settings)

    assert before is None
    assert sent.name == target.name
    assert await server.look(sent, **settings) == sent
    assert await server.look(sent, 2, **settings) is None


async def test_a_wrong_password_is_refused(server: Server) -> None:
    with pytest.raises(Refused) as caught:
        await server.do(dag="nightly", login=LOGIN | {"password": {"name": "airflow", "key": "user"}})

    assert caught.value.status == 401
