"""The `airflow` trigger: one run or one event of an asset for each firing, whatever the server does in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import ValidationError

from dispatcher.manifest import check, notices, trigger_model
from dispatcher.program import TriggerProgram, render
from dispatcher.queue import Dispatcher
from dispatcher.trigger import Request, Work
from tests.clients.airflow_target import AirflowTarget, airflow_target
from tests.dispatcher.support import KEY, World, decided, ended, event, firing, program
from tests.dispatcher.test_http import Kept
from tiphys.bus.event import Event
from tiphys.bus.firing import FiringState
from tiphys.bus.ledger import FiringRecord
from tiphys.bus.sqlite.bus import SqliteBus
from tiphys.clients.http import HttpClient, HttpSettings, open_http
from tiphys.clients.targets import Targets
from tiphys.errors import FaultKind, FieldError, OutcomeUnknown, Refused, TriggerError, Unreachable

LOGIN = {"username": {"name": "airflow", "key": "user"}, "password": {"name": "airflow", "key": "password"}}


@pytest.fixture
async def airflow() -> AsyncIterator[AirflowTarget]:
    async with airflow_target() as served:
        yield served


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    async with open_http() as opened:
        yield opened


@pytest.fixture
def world(client: HttpClient) -> World:
    return World(http=client, secrets=Kept({"airflow/user": b"tiphys\n", "airflow/password": b"t0ps3cret\n", "airflow/bad": b"no"}))


def entry(url: str, beside: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    settings = {"url": url, "login": LOGIN} | ({} if "asset" in more else {"dag": "nightly"}) | more
    return {"template": {"name": "load", "airflow": settings}} | dict(beside or {})


async def rendered(made: TriggerProgram, payload: Any = None, number: int = 1, **changes: Any) -> Request:
    return await render(made, {"dep": event(payload, **changes)}, firing(number=number))


async def started(made: TriggerProgram, payload: Any = None, number: int = 1, **changes: Any) -> Request:
    request = await rendered(made, payload, number, **changes)
    await made.trigger({}).execute(request, firing(number=number))
    return request


def faults(entry: Mapping[str, Any]) -> list[FieldError]:
    return check(trigger_model().model_validate(entry), frozenset({"dep"}))


def identity(number: int = 1) -> str:
    return f"tiphys__{firing(number=number).id}"


# --- a run


async def test_a_firing_starts_one_run_with_its_conf_under_its_own_id(airflow: AirflowTarget, world: World) -> None:
    conf = {
        "size": {"from": "dep", "path": "body.size"},
        "text": "{{ .dep.body.size }}",
        "whole": {"from": "dep", "path": "body"},
        "list": [1, {"from": "dep", "path": "body.ok"}],
        "map": {"object": {"a": "x", "n": {"value": 2}}},
        "none": {"from": "dep", "path": "body.absent", "default": 1.5},
    }
    made = program(entry(airflow.url, conf=conf), world)

    request = await started(made, {"body": {"size": 12, "ok": True}})

    assert request.preview["body"]["dag_run_id"] == identity()
    (run,) = airflow.runs.values()
    assert run["dag_run_id"] == identity()
    assert run["logical_date"] == "2026-11-25T08:00:00.000000Z"
    assert run["note"] == f"firing {firing().id} of trigger load, sensor argo/ci (Tiphys)"
    assert run["conf"] == {
        "size": 12,
        "text": "12",
        "whole": {"size": 12, "ok": True},
        "list": [1, True],
        "map": {"a": "x", "n": 2},
        "none": 1.5,
    }


async def test_a_second_request_of_a_firing_finds_its_run(airflow: AirflowTarget, world: World) -> None:
    made = program(entry(airflow.url), world)

    await started(made)
    again = await started(made)

    assert len(airflow.runs) == 1
    assert again.target.name == f"nightly/{identity()}"
    assert airflow.asked[-1] == ("GET", f"/api/v2/dags/nightly/dagRuns/{identity()}")


async def test_firings_of_one_instant_get_logical_dates_that_differ_by_less_than_a_millisecond(
    airflow: AirflowTarget, world: World
) -> None:
    made = program(entry(airflow.url), world)

    for number in range(1, 6):
        await started(made, number=number)

    dates = [run["logical_date"] for run in airflow.runs.values()]
    assert len(set(dates)) == 5
    assert all(date.startswith("2026-11-25T08:00:00.000") for date in dates)


@pytest.mark.parametrize("offset", ["none", "absent"])
async def test_a_run_may_have_no_logical_date(offset: str, airflow: AirflowTarget, world: World) -> None:
    changes = {"time": ""} if offset == "absent" else {}
    made = program(entry(airflow.url, **({"logicalDate": "none"} if offset == "none" else {})), world)

    await started(made, **changes)

    assert [run["logical_date"] for run in airflow.runs.values()] == [None]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-24", "2026-11-24T00:00:00.000000Z"),
        ("2026-11-24T02:00:00+02:00", "2026-11-24T00:00:00.000000Z"),
        ("none", None),
    ],
)
async def test_a_logical_date_from_an_event_is_an_instant_or_a_day(
    text: str, found: str | None, airflow: AirflowTarget, world: World
) -> None:
    made = program(entry(airflow.url, logicalDate={"from": "dep", "path": "day"}), world)

    await started(made, {"day": text})

    assert [run["logical_date"] for run in airflow.runs.values()] == [found]


@pytest.mark.parametrize("text", ["2026-11-24T02:00:00", "yesterday", ""])
async def test_a_logical_date_that_is_no_instant_is_refused_before_there_is_a_firing(
    text: str, airflow: AirflowTarget, world: World
) -> None:
    made = program(entry(airflow.url, logicalDate={"from": "dep", "path": "day"}), world)

    refusal = made.refusal({"dep": event({"day": text})})

    assert "argument 'logicalDate'" in str(refusal)


async def test_a_logical_date_of_the_manifest_that_another_run_has_is_a_name_taken(airflow: AirflowTarget, world: World) -> None:
    made = program(entry(airflow.url, logicalDate="{{ .dep.day }}"), world)
    await started(made, {"day": "2026-11-24"})

    with pytest.raises(TriggerError, match="NameTaken: another run of nightly has the logical date 2026-11-24T00"):
        await started(made, {"day": "2026-11-24"}, number=2)


@pytest.mark.parametrize(
    ("kind", "given", "found"),
    [
        ("integer", " 12 ", 12),
        ("number", "-1.5e3", -1500.0),
        ("boolean", "true", True),
        ("json", '{"a": [1]}', {"a": [1]}),
        ("string", 12, "12"),
        (None, 2.5, 2.5),
    ],
)
async def test_a_value_becomes_what_its_type_says(
    kind: str | None, given: Any, found: Any, airflow: AirflowTarget, world: World
) -> None:
    value = {"from": "dep", "path": "x"} | ({"type": kind} if kind else {})
    made = program(entry(airflow.url, conf={"x": value}), world)

    await started(made, {"x": given})

    assert [run["conf"] for run in airflow.runs.values()] == [{"x": found}]


@pytest.mark.parametrize(
    ("kind", "given"), [("integer", "1.5"), ("integer", "01"), ("number", "NaN"), ("boolean", "yes"), ("json", "{")]
)
async def test_a_value_of_another_type_is_refused_before_there_is_a_firing(
    kind: str, given: str, airflow: AirflowTarget, world: World
) -> None:
    made = program(entry(airflow.url, conf={"x": {"from": "dep", "path": "x", "type": kind}}), world)

    refusal = made.refusal({"dep": event({"x": given})})

    assert isinstance(refusal, TriggerError)
    assert refusal.reason == "ArgumentRefused"
    assert "argument 'conf.x'" in refusal.problem


async def test_a_number_keeps_all_its_digits(airflow: AirflowTarget, world: World) -> None:
    made = program(entry(airflow.url, conf={"id": {"from": "dep", "path": "id"}}), world)
    data = Event(
        id="1", source="s", type="webhook", subject="in", time="", namespace="argo", data=b'{"id": 123456789012345678901234567890}'
    )

    request = await made.trigger({}).render(Work(firing(), {"dep": data}))

    assert request.body.conf == b'{"id":123456789012345678901234567890}'


# --- who we are


async def test_a_token_is_asked_for_once_and_anew_when_it_has_expired(airflow: AirflowTarget, world: World) -> None:
    made = program(entry(airflow.url), world)
    for number in range(1, 4):
        await started(made, number=number)
    issued = airflow.issued

    airflow.tokens.clear()
    await asyncio.gather(*(started(made, number=number) for number in range(4, 12)))

    assert (issued, airflow.issued) == (1, 2)
    assert len(airflow.runs) == 11


async def test_a_wrong_password_is_a_refusal_that_somebody_has_to_correct(airflow: AirflowTarget, world: World) -> None:
    login = LOGIN | {"password": {"name": "airflow", "key": "bad"}}

    with pytest.raises(Refused) as caught:
        await started(program(entry(airflow.url, login=login), world))

    assert caught.value.status == 401
    assert "Invalid credentials" in str(caught.value)
    assert airflow.runs == {}


async def test_a_bearer_token_is_sent_as_it_is(airflow: AirflowTarget, world: World) -> None:
    airflow.tokens.add("t0ps3cret")

    await started(program(entry(airflow.url, login=None, bearerToken={"name": "airflow", "key": "password"}), world))

    assert len(airflow.runs) == 1
    assert airflow.issued == 0


async def test_a_bearer_token_that_cannot_be_sent_is_said_without_it(airflow: AirflowTarget, client: HttpClient) -> None:
    world = World(http=client, secrets=Kept({"airflow/password": b"t0p\ns3cret"}))
    made = program(entry(airflow.url, login=None, bearerToken={"name": "airflow", "key": "password"}), world)

    with pytest.raises(TriggerError, match="bearerToken has a line break") as caught:
        await started(made)

    assert "s3cret" not in str(caught.value)


async def test_basic_authentication_is_an_authorization_header(airflow: AirflowTarget, world: World) -> None:
    airflow.tokens.add("Basic dGlwaHlzOnQwcHMzY3JldA==")

    await started(program(entry(airflow.url, login=None, basicAuth=LOGIN), world))

    assert len(airflow.runs) == 1


# --- what an answer means


@pytest.mark.parametrize(
    ("settings", "conf", "status", "text"),
    [
        ({"dag": "absent"}, {}, 404, "Dag with dag_id: 'absent' not found"),
        ({}, {"size": "much"}, 400, "Invalid input for param size"),
    ],
)
async def test_a_refusal_says_why(settings: Any, conf: Any, status: int, text: str, airflow: AirflowTarget, world: World) -> None:
    with pytest.raises(Refused, match=text) as caught:
        await started(program(entry(airflow.url, conf=conf, **settings), world))

    assert caught.value.status == status


async def test_a_429_is_passed_on_with_its_retry_after(airflow: AirflowTarget, world: World) -> None:
    airflow.answers = [(429, {"Retry-After": "7"}, b"")]

    with pytest.raises(Refused) as caught:
        await started(program(entry(airflow.url), world))

    assert (caught.value.status, caught.value.retry_after) == (429, 7)


@pytest.mark.parametrize(
    "answer", [(500, {}, b""), (503, {}, b"busy"), (200, {}, b"<html>"), (200, {}, b"[]"), (200, {}, b'{"ok": true}')]
)
async def test_of_a_change_without_a_clear_answer_nothing_is_known(answer: Any, airflow: AirflowTarget, world: World) -> None:
    airflow.answers = [answer]

    with pytest.raises(OutcomeUnknown):
        await started(program(entry(airflow.url), world))


async def test_a_question_without_an_answer_leaves_nothing_unknown(airflow: AirflowTarget, world: World) -> None:
    airflow.answers = [(502, {}, b"")]

    with pytest.raises(Unreachable, match="answered 502"):
        await started(program(entry(airflow.url, asset="incoming"), world))

    assert airflow.events == []


async def test_what_is_not_airflow_says_so(airflow: AirflowTarget, world: World) -> None:
    airflow.answers = [(200, {}, b"<html>")]

    with pytest.raises(TriggerError, match=r"NotAirflow.*is the url that of an Airflow 3") as caught:
        await started(program(entry(airflow.url, asset="incoming"), world))

    assert caught.value.transient


async def test_nothing_is_concluded_while_a_look_is_not_answered(airflow: AirflowTarget, world: World) -> None:
    made = program(entry(airflow.url), world)
    request = await rendered(made)

    for answer in ((403, {}, b""), (500, {}, b""), (429, {}, b"")):
        airflow.answers = [answer]
        with pytest.raises(OutcomeUnknown):
            await made.trigger({}).look(request.target, firing())
    airflow.answers = [(200, {}, b'{"dag_run_id": "another"}')]
    with pytest.raises(TriggerError, match="NotAirflow"):
        await made.trigger({}).look(request.target, firing())
    assert await made.trigger({}).look(request.target, firing()) is None


async def test_requests_follow_the_settings_of_the_service(airflow: AirflowTarget) -> None:
    async with open_http(HttpSettings(targets=Targets(public_only=True))) as client:
        world = World(http=client, secrets=Kept({"airflow/user": b"", "airflow/password": b""}))

        with pytest.raises(TriggerError, match="TargetNotAllowed"):
            await started(program(entry(airflow.url), world))


async def test_the_standing_run_keeps_its_id_when_the_prefix_is_changed(airflow: AirflowTarget, world: World) -> None:
    before = await rendered(program(entry(airflow.url), world))
    made = program(entry(airflow.url, runIdPrefix="ci."), world)

    after = await made.trigger({}).render(Work(firing(), {"dep": event()}, before.target))
    other = await rendered(made)

    assert after.target.name == before.target.name
    assert other.target.name == f"nightly/ci.{firing().id}"


# --- events of an asset


@pytest.mark.parametrize("asset", ["s3://uploads/incoming", "incoming"])
async def test_an_event_of_an_asset_is_sent_with_the_conf_as_extra(asset: str, airflow: AirflowTarget, world: World) -> None:
    airflow.assets |= {4: {"uri": "s3://uploads/incoming/more", "name": "incoming-more"}}

    await started(program(entry(airflow.url, asset=asset, conf={"size": {"from": "dep", "path": "size"}}), world), {"size": 3})

    (sent,) = airflow.events
    assert sent["asset_id"] == 3
    assert sent["extra"] == {"size": 3, "tiphys_firing": firing().id, "from_rest_api": True}


async def test_the_event_that_a_firing_sent_is_found_among_later_ones(airflow: AirflowTarget, world: World) -> None:
    made = program(entry(airflow.url, asset="incoming"), world)
    request = await rendered(made)
    assert await made.trigger({}).look(request.target, firing()) is None
    await started(made)

    airflow.events += [{"asset_id": 3, "extra": {}} for _ in range(250)]

    assert await made.trigger({}).look(request.target, firing()) == request.target


async def test_an_asset_that_is_not_there_is_waited_for_and_one_of_two_is_not_chosen(airflow: AirflowTarget, world: World) -> None:
    absent = program(entry(airflow.url, asset="absent"), world)
    with pytest.raises(Refused, match="there is no asset 'absent'") as caught:
        await started(absent)
    assert caught.value.status == 404
    assert await absent.trigger({}).look((await rendered(absent)).target, firing()) is None

    airflow.assets |= {4: {"uri": "x-other", "name": "incoming"}}
    with pytest.raises(TriggerError, match="2 assets have the name 'incoming'"):
        await started(program(entry(airflow.url, asset="incoming"), world))


# --- with the queue: one run per firing, or a dead letter with the reason


@dataclass
class Running:
    """A dispatcher over a ledger of its own."""

    bus: SqliteBus
    epoch: int
    dispatcher: Dispatcher


@pytest.fixture
async def running(bus: SqliteBus) -> AsyncIterator[Running]:
    epoch = await bus.ledger.open_epoch()
    dispatcher = Dispatcher(bus.ledger, epoch)
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(dispatcher.run())
        yield Running(bus, epoch, dispatcher)
        work.cancel()


STRATEGY = {"steps": 3, "duration": "10ms", "factor": 2, "jitter": 0}


async def fired(
    running: Running, spec: Mapping[str, Any], world: World, state: FiringState = FiringState.SUCCEEDED
) -> FiringRecord:
    running.dispatcher.set_trigger(KEY, program(spec, world))
    (made,) = await decided(running.bus.log, running.bus.ledger, running.epoch)
    return await ended(running.bus.ledger, made, state)


@pytest.mark.parametrize("settings", [{}, {"asset": "incoming"}], ids=["run", "asset"])
async def test_what_was_done_before_its_answer_was_lost_is_found_and_not_done_again(
    settings: Any, running: Running, airflow: AirflowTarget, world: World
) -> None:
    airflow.cut_after = 1

    record = await fired(running, entry(airflow.url, {"retryStrategy": STRATEGY}, **settings), world)

    assert (len(airflow.runs), len(airflow.events)) == ((0, 1) if settings else (1, 0))
    assert [one.outcome.reason for one in record.history] == ["OutcomeUnknown", "Found"]


async def test_a_server_s_error_is_tried_again(running: Running, airflow: AirflowTarget, world: World) -> None:
    airflow.answers = [(500, {}, b""), (404, {}, b"")]

    await fired(running, entry(airflow.url, {"retryStrategy": STRATEGY}), world)

    assert len(airflow.runs) == 1


async def test_a_dag_that_never_comes_is_a_dead_letter_with_what_airflow_says(
    running: Running, airflow: AirflowTarget, world: World
) -> None:
    record = await fired(running, entry(airflow.url, {"retryStrategy": STRATEGY}, dag="absent"), world, FiringState.DEAD)

    assert record.last is not None
    assert record.last.reason == "Status404"
    assert "Dag with dag_id: 'absent' not found; given up after 3 attempts" in record.last.message


async def test_a_logical_date_that_is_taken_may_count_as_done(running: Running, airflow: AirflowTarget, world: World) -> None:
    made = program(entry(airflow.url, logicalDate="2026-11-2{{ 4 }}"), world)
    await started(made)

    record = await fired(running, entry(airflow.url, {"onConflict": "skip"}, logicalDate="2026-11-2{{ 4 }}"), world)

    assert record.last is not None
    assert record.last.reason == "Skipped"


# --- at load


@pytest.mark.parametrize(
    ("settings", "path", "text"),
    [
        ({"url": "airflow"}, "url", "must begin with http"),
        ({"url": "https://airflow.example/api/v2"}, "url", "names the API"),
        ({"url": "https://u:p@airflow.example"}, "url", "has more than a server"),
        ({"conf": {"a": "{{ .nobody.x }}"}}, "conf.a", "names no dependency"),
        ({"conf": {"a": {"object": {"b": {"from": "nobody", "path": "x"}}}}}, "conf.a.object.b.from", "names no dependency"),
        ({"conf": {"a": [{"from": "dep", "path": "x", "pattern": "("}]}}, "conf.a[0].pattern", ""),
        ({"conf": {"a": {"from": "dep", "path": "x", "type": "integer", "default": "many"}}}, "conf.a.default", "is no integer"),
        ({"logicalDate": "2026-11-25"}, "logicalDate", "is the same for every firing"),
        ({"note": "{{ .dep"}, "note", ""),
    ],
)
def test_what_could_never_work_is_refused_at_load(settings: Any, path: str, text: str) -> None:
    (fault,) = faults(entry(**{"url": "https://airflow.example"} | settings))

    assert fault.path == f"template.airflow.{path}"
    assert text in fault.problem


@pytest.mark.parametrize(
    "settings",
    [
        {"dag": ""},
        {"dag": "a/b"},
        {"asset": "x", "dag": "y"},
        {"asset": "x", "note": "y"},
        {"basicAuth": LOGIN},
        {"runIdPrefix": "scheduled__"},
        {"runIdPrefix": "a/"},
        {"conf": {"a": None}},
        {"conf": {"a": {"from": "dep"}}},
    ],
)
def test_settings_that_do_not_go_together_are_refused_at_load(settings: Any) -> None:
    with pytest.raises(ValidationError):
        trigger_model().model_validate(entry("https://airflow.example", **settings))


def test_a_password_that_is_sent_in_the_clear_is_told_of() -> None:
    (notice,) = notices(trigger_model().model_validate(entry("http://airflow.example")))

    assert (notice.path, notice.kind) == ("template.airflow.url", FaultKind.UNPROTECTED)
    assert notices(trigger_model().model_validate(entry("https://airflow.example"))) == []


async def test_a_preview_has_no_secret(airflow: AirflowTarget, world: World) -> None:
    request = await rendered(program(entry(airflow.url), world))

    assert "t0ps3cret" not in repr(request)
