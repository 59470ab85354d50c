"""Faults of the API server on the way of a firing (`docs/faults.md`): at the end one object, or a dead letter with the reason.

What a proxy can do is done by one in front of the embedded API; an hour passes in virtual time.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from dispatcher.naming import FIRING_LABEL
from tests.dispatcher.acting import SendingProgram, Sent, acting
from tests.dispatcher.conftest import Engine
from tests.dispatcher.support import KEY, creates, decided, ended, program, until
from tests.emulator.faulty import FaultyProxy, Seen
from tiphys.bus.firing import Firing, FiringState, OutcomeKind, TriggerKey
from tiphys.clients.kube import Kube, KubeObject
from tiphys.errors import OutcomeUnknown

FEW = {"steps": 3, "duration": "10ms", "factor": 1, "jitter": 0}
MANY = {"steps": 1000, "duration": "20ms", "factor": 1, "jitter": 0}
HOUR = 3600.0


@pytest.fixture
def key(namespace: str) -> TriggerKey:
    return TriggerKey(namespace, "ci", "build")


def posts(request: Seen) -> bool:
    return request.method == "POST" and "configmaps" in request.path


def status(code: int, reason: str, message: str) -> bytes:
    """The body of a refusal, as an API server writes it."""
    return orjson.dumps(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}
    )


async def fire(engine: Engine, key: TriggerKey, **beside: Any) -> Firing:
    engine.dispatcher.set_trigger(key, program(creates(**beside), engine.world, key))
    (made,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    return made


async def made_by(kube: Kube, key: TriggerKey, firing: Firing) -> list[KubeObject]:
    found = (await kube.list("v1", "ConfigMap", key.namespace)).items
    return [one for one in found if one["metadata"].get("labels", {}).get(FIRING_LABEL) == firing.id]


# --- a server that fails for long, in virtual time


def failing_until(end: float) -> Sent:
    """A far end that answers 500 until then."""
    sent = Sent()

    async def act(number: int) -> None:
        if asyncio.get_running_loop().time() < end:
            raise OutcomeUnknown("far end", "answered 500")

    sent.act = act
    return sent


@pytest.mark.looptime
async def test_500_for_an_hour_costs_every_firing_time_and_none_is_lost(tmp_path: Path) -> None:
    sent = failing_until(HOUR)
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(KEY, SendingProgram(sent))
        firings = await engine.decide(range(1, 11))
        await engine.until(lambda: sum(one.kind is OutcomeKind.SUCCEEDED for _, one in engine.seen.outcomes) == 10, 2 * HOUR)
        states = await engine.states(firings)

    assert states == [FiringState.SUCCEEDED] * 10
    assert HOUR <= max(sent.times) < HOUR + 60
    assert 100 <= sum(number == 1 for number in sent.numbers) <= 140


@pytest.mark.looptime
async def test_500_beyond_the_last_step_of_a_strategy_is_a_dead_letter_that_says_so(tmp_path: Path) -> None:
    sent = failing_until(float("inf"))
    async with acting(tmp_path) as engine:
        engine.dispatcher.set_trigger(
            KEY, SendingProgram(sent, retryStrategy={"steps": 6, "duration": "5m", "factor": 1, "jitter": 0})
        )
        (firing,) = await engine.decide(range(1, 2))
        await engine.until(lambda: bool(engine.seen.outcomes) and engine.seen.outcomes[-1][1].kind is OutcomeKind.DEAD)
        record = await engine.ledger.firing(firing.id)

    assert len(sent.calls) == 6
    assert record.state is FiringState.DEAD
    assert record.last is not None
    assert record.last.reason == "OutcomeUnknown"


# --- one object, whatever the connection does


async def test_a_server_that_answers_too_late_has_made_the_one_object(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    await kube.resource("v1", "ConfigMap")
    api.delay = 3.5  # the client waits for 3 s
    firing = await fire(engine, key, retryStrategy=MANY)
    await until(lambda: bool(engine.seen.outcomes))
    api.delay = 0.0
    record = await ended(engine.bus.ledger, firing)

    assert record.history[0].outcome.reason == "OutcomeUnknown"
    assert len(await made_by(kube, key, firing)) == 1


async def test_a_name_that_is_ours_already_is_done(engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey) -> None:
    def looks(request: Seen) -> bool:
        return request.method == "GET" and "/configmaps/made-" in request.path

    api.cut_answer(when=posts)
    api.answer(404, when=looks, body=status(404, "NotFound", 'configmaps "made" not found'))  # a replica that lags behind
    firing = await fire(engine, key, retryStrategy=MANY)
    record = await ended(engine.bus.ledger, firing)

    assert api.count("POST", "configmaps") == 2
    assert record.state is FiringState.SUCCEEDED
    assert len(await made_by(kube, key, firing)) == 1


async def test_a_conflict_that_is_about_no_name_is_tried_again(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    api.answer(
        409, times=2, when=posts, body=status(409, "Conflict", "the object has been modified; please apply your changes again")
    )
    firing = await fire(engine, key, retryStrategy=FEW)
    record = await ended(engine.bus.ledger, firing)

    assert [one.outcome.reason for one in record.history] == ["Conflict", "Conflict", ""]
    assert len(await made_by(kube, key, firing)) == 1


async def test_resets_at_every_request_for_a_while_leave_one_object_per_firing(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    api.cut_answer(times=5)
    api.cut_request(times=5)
    api.cut_stream(after=10, times=5)
    engine.dispatcher.set_trigger(key, program(creates(retryStrategy=MANY), engine.world, key))
    firings = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key, range(1, 9))
    for firing in firings:
        await ended(engine.bus.ledger, firing)

    assert [len(await made_by(kube, key, firing)) for firing in firings] == [1] * 8


# --- who we are


async def test_a_token_that_has_expired_is_a_refusal_that_a_new_one_heals(
    engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    api.answer(401, times=4, body=status(401, "Unauthorized", "Unauthorized"))
    firing = await fire(engine, key, retryStrategy=MANY)
    record = await ended(engine.bus.ledger, firing)

    assert record.history[0].outcome.reason == "Unauthorized"
    assert len(await made_by(kube, key, firing)) == 1


# --- refusals that somebody has to heal, or that end in a dead letter with the server's own words


REFUSALS = {
    "quota": (403, "Forbidden", 'configmaps "made-x" is forbidden: exceeded quota: small, requested: count/configmaps=1'),
    "admission": (400, "BadRequest", 'admission webhook "policy.example" denied the request: no such team'),
    "policy": (422, "Invalid", "ValidatingAdmissionPolicy 'teams' denied request: no such team"),
    "terminating": (403, "Forbidden", "unable to create new content in namespace ci because it is being terminated"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refusal_that_is_healed_becomes_one_object(
    case: str, engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    code, reason, message = REFUSALS[case]
    api.answer(code, times=2, when=posts, body=status(code, reason, message))
    firing = await fire(engine, key, retryStrategy=FEW)
    record = await ended(engine.bus.ledger, firing)

    assert [one.outcome.reason for one in record.history] == [reason, reason, ""]
    assert len(await made_by(kube, key, firing)) == 1


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_refusal_that_stays_is_a_dead_letter_in_the_server_s_words(
    case: str, engine: Engine, kube: Kube, api: FaultyProxy, key: TriggerKey
) -> None:
    code, reason, message = REFUSALS[case]
    api.answer(code, times=3, when=posts, body=status(code, reason, message))
    firing = await fire(engine, key, retryStrategy=FEW)
    record = await ended(engine.bus.ledger, firing, FiringState.DEAD)

    assert record.last is not None
    assert record.last.reason == reason
    assert message in record.last.message
    assert await made_by(kube, key, firing) == []


async def test_without_a_strategy_a_refusal_waits_and_its_reason_stands_there(
    engine: Engine, api: FaultyProxy, key: TriggerKey
) -> None:
    code, reason, message = REFUSALS["quota"]
    api.answer(code, when=posts, body=status(code, reason, message))
    firing = await fire(engine, key)
    await until(lambda: bool(engine.seen.outcomes))
    record = await engine.bus.ledger.firing(firing.id)

    assert record.state is FiringState.PENDING
    assert record.last is not None
    assert "exceeded quota" in record.last.message


async def test_a_namespace_that_is_deleted_is_waited_for(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    await kube.delete("v1", "Namespace", key.namespace)
    firing = await fire(engine, key, retryStrategy=MANY)
    await until(lambda: bool(engine.seen.outcomes))
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": key.namespace}})
    record = await ended(engine.bus.ledger, firing)

    assert record.history[0].outcome.reason == "NotFound"
    assert len(await made_by(kube, key, firing)) == 1


async def test_a_namespace_that_stays_deleted_is_a_dead_letter_that_names_it(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    await kube.delete("v1", "Namespace", key.namespace)
    firing = await fire(engine, key, retryStrategy=FEW)
    record = await ended(engine.bus.ledger, firing, FiringState.DEAD)

    assert record.last is not None
    assert record.last.reason == "NotFound"
    assert key.namespace in record.last.message
