"""The `http` trigger: the request that is made, its secrets, and what an answer means."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
import trustme

from dispatcher.manifest import TriggerSpec, check, notices, trigger_model
from dispatcher.program import TriggerProgram, render
from dispatcher.queue import Dispatcher
from tests.clients.http_target import HttpTarget, http_target
from tests.clients.test_http import serving
from tests.dispatcher.support import KEY, Recorder, World, decided, ended, event, firing, program, until
from tiphys.bus.firing import FiringState
from tiphys.bus.sqlite.bus import SqliteBus
from tiphys.clients.http import HttpClient, HttpSettings, open_http
from tiphys.clients.targets import Targets
from tiphys.errors import FieldError, OutcomeUnknown, Refused, SecretError, TriggerError
from tiphys.schema.secret import ConfigMapRef, SecretRef


@dataclass
class Kept:
    """Secrets and config maps by `name/key`."""

    values: Mapping[str, bytes] = field(default_factory=dict)

    async def secret(self, namespace: str, ref: SecretRef) -> bytes:
        return self._find(namespace, ref)

    async def configmap(self, namespace: str, ref: ConfigMapRef) -> bytes:
        return self._find(namespace, ref)

    def _find(self, namespace: str, ref: SecretRef | ConfigMapRef) -> bytes:
        try:
            return self.values[f"{ref.name}/{ref.key}"]
        except KeyError:
            raise SecretError(namespace, ref.name, ref.key, "there is no such key", known=True) from None


@pytest.fixture
async def target() -> AsyncIterator[HttpTarget]:
    async with http_target() as served:
        yield served


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    async with open_http() as opened:
        yield opened


@pytest.fixture
def world(client: HttpClient) -> World:
    return World(http=client, secrets=Kept({"api/token": b"t0ps3cret\n", "api/user": b"u", "api/pass": b"p:\n", "cfg/v": b"7\n"}))


def source(data_key: str, **more: Any) -> dict[str, Any]:
    return {"dependencyName": "dep", "dataKey": data_key} | more


def entry(url: str, beside: Mapping[str, Any] | None = None, **http: Any) -> dict[str, Any]:
    return {"template": {"name": "build", "http": {"url": url} | http}} | dict(beside or {})


async def sent(made: TriggerProgram, payload: Any = None, number: int = 1) -> None:
    one = firing(number=number)
    request = await render(made, {"dep": event(payload)}, one)
    await made.trigger({}).execute(request, one)


def faults(entry: Mapping[str, Any]) -> list[FieldError]:
    return check(trigger_model().model_validate(entry), frozenset({"dep"}))


async def test_a_post_carries_the_firing_s_id_for_the_server_to_recognise(target: HttpTarget, world: World) -> None:
    await sent(program(entry(target.url), world))

    (came,) = target.requests
    assert (came.method, came.body) == ("POST", b"")
    assert came.header("idempotency-key") == firing().id


async def test_an_idempotency_key_of_the_user_s_own_stays(target: HttpTarget, world: World) -> None:
    await sent(program(entry(target.url, headers={"idempotency-key": "mine"}), world))

    assert [value for name, value in target.requests[0].headers if name.lower() == "idempotency-key"] == ["mine"]


async def test_argo_events_3719_a_null_in_the_event_leaves_valid_json(target: HttpTarget, world: World) -> None:
    payload = [
        {"src": source("body.id", useRawData=True), "dest": "id"},
        {"src": source("body.parent", useRawData=True), "dest": "parent"},
        {"src": source("body.parent"), "dest": "parentText"},
        {"src": source("body.tags", useRawData=True), "dest": "tags"},
    ]

    await sent(program(entry(f"{target.url}/sink", payload=payload), world), {"body": {"id": 7, "parent": None, "tags": []}})

    (came,) = target.requests
    assert orjson.loads(came.body) == {"id": 7, "parent": None, "parentText": "null", "tags": []}


@pytest.mark.parametrize("dest", [{"dest": ""}, {"dest": None}, {}])
async def test_argo_events_3713_a_payload_without_dest_is_the_whole_body_with_its_digits(
    dest: dict[str, Any], target: HttpTarget, world: World
) -> None:
    payload = [{"src": source("body")} | dest]
    made = program(entry(target.url, headers={"Content-Type": "application/json"}, payload=payload), world)
    body = b'{"body": {"a": 1, "b": [true, null, "x\\u00e9"], "c": {"d": 1.50}}}'
    one = firing()

    request = await render(made, {"dep": raw(body)}, one)
    await made.trigger({}).execute(request, one)

    (came,) = target.requests
    assert came.header("content-type") == "application/json"
    assert orjson.loads(came.body) == {"a": 1, "b": [True, None, "xé"], "c": {"d": 1.5}}
    assert b"1.50" in came.body


def raw(data: bytes) -> Any:

    return replace(event(), data=data)


async def test_argo_events_3713_what_follows_the_whole_body_is_ignored_and_a_notice_says_so(
    target: HttpTarget, world: World
) -> None:
    payload = [{"src": source("body"), "dest": ""}, {"src": source("body.after"), "dest": "x"}]
    made = entry(target.url, payload=payload)

    await sent(program(made, world), {"body": {"after": "9f"}})

    assert target.requests[0].body == b'{"after":"9f"}'
    (notice,) = notices(trigger_model().model_validate(made))
    assert notice.path == "template.http.payload[1]"


@pytest.mark.parametrize(("raw_data", "body"), [(False, b'{"all":"{\\"a\\":1}"}'), (True, b'{"all":{"a":1}}')])
async def test_argo_events_3713_with_a_dest_the_body_sits_there_as_text_or_as_it_is(
    raw_data: bool, body: bytes, target: HttpTarget, world: World
) -> None:
    payload = [{"src": source("body", useRawData=raw_data), "dest": "all"}]

    await sent(program(entry(target.url, payload=payload), world), {"body": {"a": 1}})

    assert target.requests[0].body == body


async def test_later_kinds_of_headers_win_whatever_the_case_of_their_letters(target: HttpTarget, world: World) -> None:
    made = entry(
        target.url,
        headers={"x-a": "1", "X-B": "1", "authorization": "mine", "X-D": "1"},
        dynamicHeaders=[{"src": source("body.v"), "dest": "X-A"}, {"src": source("body.v"), "dest": "X-B"}],
        secureHeaders=[
            {"name": "x-b", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}},
            {"name": "X-C", "valueFrom": {"configMapKeyRef": {"name": "cfg", "key": "v"}}},
        ],
        basicAuth={"username": {"name": "api", "key": "user"}, "password": {"name": "api", "key": "pass"}},
    )

    await sent(program(made, world), {"body": {"v": 2}})

    ours = {name: value for name, value in target.requests[0].headers if name.lower().startswith(("x-", "auth"))}
    assert ours == {"X-A": "2", "x-b": "t0ps3cret", "X-C": "7", "X-D": "1", "Authorization": "Basic dTpwOg=="}


async def test_a_dry_run_shows_references_and_no_secret(target: HttpTarget, world: World) -> None:
    reference = {"secretKeyRef": {"name": "api", "key": "token"}}
    auth = {"password": {"name": "api", "key": "pass"}}
    made = program(entry(target.url, secureHeaders=[{"name": "X-T", "valueFrom": reference}], basicAuth=auth), World())

    request = await render(made, {"dep": event()}, firing())

    assert request.preview["headers"]["X-T"] == reference
    assert request.preview["headers"]["Authorization"] == {"basicAuth": auth}
    assert "t0ps3cret" not in repr(request)


async def test_parameters_reach_every_field_and_a_wrong_type_is_an_error_of_the_attempt(target: HttpTarget, world: World) -> None:
    parameters = [
        {"src": {"dependencyName": "dep", "dataTemplate": target.url + "/{{ .Input.body.n }}"}, "dest": "url"},
        {"src": source("body.n"), "dest": "headers.X-N"},
        {"src": {"dependencyName": "dep", "value": "PUT"}, "dest": "method"},
    ]

    await sent(program(entry("http://unused.example", parameters=parameters), world), {"body": {"n": 10}})

    (came,) = target.requests
    assert (came.method, came.path, came.header("x-n")) == ("PUT", "/10", "10")
    broken = program(entry(target.url, parameters=[{"src": source("body.n"), "dest": "timeout"}]), world)
    with pytest.raises(TriggerError, match=r"http\.timeout: must be a whole number"):
        await sent(broken, {"body": {"n": 10}})


async def test_text_from_an_event_becomes_no_second_header(target: HttpTarget, world: World) -> None:
    made = program(entry(target.url, dynamicHeaders=[{"src": source("body.v"), "dest": "X-A"}]), world)

    with pytest.raises(TriggerError, match="InvalidHeader") as refused:
        await sent(made, {"body": {"v": "a\r\nX-B: t0ps3cret"}})

    assert "t0ps3cret" not in str(refused.value)
    assert target.requests == []


async def test_a_dynamic_header_without_a_value_is_an_error_that_names_it(world: World) -> None:
    made = program(entry("http://x.example", dynamicHeaders=[{"src": source("body.v"), "dest": "X-A"}]), world)

    with pytest.raises(TriggerError, match=r"X-A.*no event in this firing"):
        await render(made, {}, firing())


async def test_a_dynamic_header_is_left_out_validated_and_converted_as_it_says(target: HttpTarget, world: World) -> None:
    headers = [
        {"src": source("body.none"), "dest": "X-A", "onMissing": "skip"},
        {"src": source("body.n"), "dest": "X-B", "type": "int"},
        {"src": source("body.ref"), "dest": "X-C", "validate": {"preset": "git-ref"}},
    ]
    made = program(entry(target.url, dynamicHeaders=headers), world)

    await sent(made, {"body": {"n": "007", "ref": "main"}})

    assert {name: value for name, value in target.requests[0].headers if name.startswith("X-")} == {"X-B": "7", "X-C": "main"}
    with pytest.raises(TriggerError, match=r"ParameterRefused: dynamicHeaders\[2\] for X-C: .*git-ref"):
        await sent(made, {"body": {"n": 1, "ref": "a b"}})


async def test_a_secret_that_is_not_there_is_named_and_nothing_is_sent(target: HttpTarget, world: World) -> None:
    header = {"name": "X-T", "valueFrom": {"secretKeyRef": {"name": "api", "key": "nope"}}}

    with pytest.raises(SecretError, match="api, key nope"):
        await sent(program(entry(target.url, secureHeaders=[header]), world))

    assert target.requests == []


async def test_tls_material_comes_from_secrets(client: HttpClient) -> None:
    authority = trustme.CA()
    world = World(http=client, secrets=Kept({"tls/ca": authority.cert_pem.bytes()}))
    async with http_target(serving(authority)) as target:
        await sent(program(entry(target.url, tls={"caCertSecret": {"name": "tls", "key": "ca"}}), world))
        await sent(program(entry(target.url, tls={"insecureSkipVerify": True}), world))

    assert len(target.requests) == 2


@pytest.mark.parametrize(
    ("http", "path"),
    [
        ({"url": "ftp://x.example"}, "template.http.url"),
        ({"url": "http://x.example", "headers": {"a b": "c"}}, "template.http.headers.a b"),
        ({"url": "http://x.example", "headers": {"A": "a\nb"}}, "template.http.headers.A"),
    ],
)
def test_what_could_not_be_sent_is_refused_at_load(http: dict[str, Any], path: str) -> None:
    assert [fault.path for fault in faults({"template": {"name": "build", "http": http}})] == [path]


def test_a_url_that_a_parameter_sets_is_not_looked_at_before() -> None:
    assert faults(entry("set below", parameters=[{"src": source("body.url"), "dest": "url"}])) == []
    above = {"parameters": [{"src": source("body.url"), "dest": "http.url"}]}
    assert faults(entry("set above", above)) == []


def test_a_header_that_would_not_be_sent_is_a_notice() -> None:
    (notice,) = notices(trigger_model().model_validate(entry("http://x.example", headers={"Host": "other.example"})))

    assert notice.path == "template.http.headers.Host"


async def test_without_a_policy_every_answer_is_a_success(target: HttpTarget, world: World) -> None:
    target.answers = [(404, {}), (500, {})]
    made = program(entry(target.url), world)

    await sent(made)
    await sent(made, number=2)

    assert len(target.requests) == 2


async def test_a_status_that_the_policy_does_not_allow_is_a_refusal_with_its_retry_after(target: HttpTarget, world: World) -> None:
    target.answers = [(429, {"Retry-After": "9"})]
    made = program(entry(f"{target.url}/hooks/t0ps3cret", {"policy": {"status": {"allow": [200, 201]}}}), world)

    with pytest.raises(Refused, match=r"answered 429, and policy\.status allows 200, 201") as refused:
        await sent(made)

    assert (refused.value.status, refused.value.retry_after) == (429, 9.0)
    assert "t0ps3cret" not in str(refused.value)


async def test_a_lost_answer_is_an_unknown_outcome(target: HttpTarget, world: World) -> None:
    target.cut = 1

    with pytest.raises(OutcomeUnknown):
        await sent(program(entry(target.url), world))


@dataclass
class Running:
    """A dispatcher over a ledger of its own."""

    bus: SqliteBus
    epoch: int
    dispatcher: Dispatcher
    seen: Recorder


@pytest.fixture
async def running(bus: SqliteBus) -> AsyncIterator[Running]:
    seen, epoch = Recorder(), await bus.ledger.open_epoch()
    dispatcher = Dispatcher(bus.ledger, epoch, observer=seen)
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(dispatcher.run())
        yield Running(bus, epoch, dispatcher, seen)
        work.cancel()


STRATEGY = {"steps": 3, "duration": "10ms", "factor": 2, "jitter": 0}
ALLOW = {"policy": {"status": {"allow": [200, 201]}}}


async def fired(running: Running, spec: Mapping[str, Any], world: World, state: FiringState | None) -> Any:
    running.dispatcher.set_trigger(KEY, program(spec, world))
    (made,) = await decided(running.bus.log, running.bus.ledger, running.epoch)
    return await ended(running.bus.ledger, made, state)


async def test_argo_events_2928_a_failing_endpoint_is_called_as_often_as_the_strategy_says(
    running: Running, target: HttpTarget, world: World
) -> None:
    target.answers = [(500, {}), (500, {}), (200, {})]
    payload = [{"src": source("body.n"), "dest": "id"}]
    spec = entry(target.url, ALLOW | {"atLeastOnce": True, "retryStrategy": STRATEGY}, payload=payload)

    record = await fired(running, spec, world, FiringState.SUCCEEDED)

    assert len(record.history) == 3
    assert len({came.body for came in target.requests}) == 1
    assert len({came.header("idempotency-key") for came in target.requests}) == 1


async def test_argo_events_2928_one_that_never_succeeds_is_a_dead_letter_with_the_status_and_the_count(
    running: Running, target: HttpTarget, world: World
) -> None:
    target.answers = [(500, {})] * 9

    record = await fired(running, entry(target.url, ALLOW | {"retryStrategy": STRATEGY}), world, FiringState.DEAD)

    assert len(target.requests) == 3
    assert record.last is not None
    assert "500" in record.last.message
    assert "3 attempts" in record.last.message


async def test_argo_events_2928_refused_connections_are_tried_again(running: Running, world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    running.dispatcher.set_trigger(
        KEY, program(entry(f"http://127.0.0.1:{port}", {"retryStrategy": STRATEGY | {"steps": 50}}), world)
    )
    (made,) = await decided(running.bus.log, running.bus.ledger, running.epoch)
    await until(lambda: len(running.seen.outcomes) >= 2)
    async with http_target(port=port) as target:
        record = await ended(running.bus.ledger, made)

        assert len(target.requests) == 1
    assert record.last is not None


async def test_argo_events_2928_without_a_policy_there_is_one_call(running: Running, target: HttpTarget, world: World) -> None:
    target.answers = [(500, {})] * 9

    await fired(running, entry(target.url, {"retryStrategy": STRATEGY}), world, FiringState.SUCCEEDED)

    assert len(target.requests) == 1


async def test_argo_events_2928_at_most_once_a_server_s_error_is_not_tried_again(
    running: Running, target: HttpTarget, world: World
) -> None:
    target.answers = [(500, {})] * 9
    spec = entry(target.url, ALLOW | {"retryStrategy": STRATEGY, "atLeastOnce": False})

    await fired(running, spec, world, FiringState.DEAD)

    assert len(target.requests) == 1


async def test_an_answer_that_is_good_to_http_and_not_to_the_policy_is_not_repeated_for_a_day(
    running: Running, target: HttpTarget, world: World
) -> None:
    target.answers = [(202, {})] * 9

    record = await fired(running, entry(target.url, ALLOW), world, FiringState.DEAD)

    assert len(target.requests) == 1
    assert record.last is not None
    assert record.last.reason == "Status202"


async def test_a_lost_answer_is_repeated_with_the_same_key(running: Running, target: HttpTarget, world: World) -> None:
    target.cut = 1

    await fired(running, entry(target.url, {"retryStrategy": STRATEGY}), world, FiringState.SUCCEEDED)

    assert len({came.header("idempotency-key") for came in target.requests}) == 1
    assert len(target.requests) == 2


async def test_a_trigger_may_ask_for_more_time_than_an_attempt_has_otherwise(target: HttpTarget, world: World) -> None:
    made = program(entry(target.url, parameters=[{"src": source("body.n", useRawData=True), "dest": "timeout"}]), world)
    request = await render(made, {"dep": event({"body": {"n": 300}})}, firing())

    assert made.trigger({}).patience(request) == 300.0


def test_the_model_of_an_entry_takes_http() -> None:
    assert isinstance(trigger_model().model_validate(entry("http://x.example", timeout=5)), TriggerSpec)


async def test_a_target_that_the_settings_do_not_allow_is_a_dead_letter_at_once(target: HttpTarget) -> None:
    async with open_http(HttpSettings(targets=Targets(public_only=True))) as client:
        made = program(entry(target.url), World(http=client))
        one = firing()
        request = await render(made, {"dep": event()}, one)
        with pytest.raises(TriggerError) as refused:
            await made.trigger({}).execute(request, one)

    assert (refused.value.reason, refused.value.transient) == ("TargetNotAllowed", False)
    assert target.requests == []
