"""Filters of EventSources: what is dropped, what the sender gets, and where it can be seen."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from eventsource.filter import Filtered
from eventsource.manifest import parse
from tests.eventsource.parts import House, data_of, house, send
from tiphys.errors import ManifestError

AS_WRITTEN = 'header["X-Codeup-Token"] == "tok-7" && header["X-Codeup-Event"] in ["Push Hook", "Merge Request Hook"]'
CORRECTED = 'header["X-Codeup-Token"][0] == "tok-7" && header["X-Codeup-Event"][0] in ["Push Hook", "Merge Request Hook"]'
HEADERS = [("Content-Type", "application/json"), ("X-Codeup-Token", "tok-7"), ("X-Codeup-Event", "Push Hook")]


def hook(expression: str) -> dict[str, Any]:
    return {"webhook": {"forge": {"endpoint": "/forge", "port": "12000", "method": "POST", "filter": {"expression": expression}}}}


def filtered(served: House) -> Filtered:
    (health,) = served.room.health()
    assert health.filtered is not None
    return health.filtered


async def post(served: House, headers: list[tuple[str, str]], body: bytes = b'{"ref": "refs/heads/main"}') -> None:
    reply = await send(served.ingress.bound(12000), "/forge", body, headers)
    assert (reply.status, reply.text) == (200, "success")


async def test_argo_events_3403_a_header_compared_with_a_text_drops_the_event_and_health_says_so() -> None:
    async with house() as served:
        await served.apply(hook(AS_WRITTEN))
        await post(served, HEADERS)
        assert served.log.events == []
        assert (filtered(served).discarded, filtered(served).failed) == (1, 0)
        assert filtered(served).verdict == "the expression is false"


async def test_argo_events_3403_the_corrected_expression_lets_the_event_pass() -> None:
    async with house() as served:
        await served.apply(hook(CORRECTED))
        await post(served, HEADERS)
        (event,) = served.log.events
        assert data_of(event)["header"]["X-Codeup-Event"] == ["Push Hook"]
        assert filtered(served) == Filtered()


async def test_argo_events_3403_without_the_headers_the_failure_is_recorded_as_one_and_logged_once() -> None:
    async with house() as served:
        await served.apply(hook(CORRECTED))
        with capture_logs() as logs:
            for _ in range(3):
                await post(served, HEADERS[:1])
            assert (filtered(served).discarded, filtered(served).failed, filtered(served).failing) == (0, 3, True)
            assert filtered(served).verdict.startswith("the expression failed: ")
            await post(served, HEADERS)
        assert not filtered(served).failing
        assert len(served.log.events) == 1
        assert [line["action"] for line in logs if line["action"].startswith("filter-")] == ["filter-failed", "filter-well"]


def test_argo_events_3403_the_manifest_gets_a_hint() -> None:
    notices = parse({"metadata": {"name": "hooks"}, "spec": hook(AS_WRITTEN)}).notices
    assert any(notice.path == "spec.webhook.forge.filter.expression" and "[0]" in notice.text for notice in notices)


@pytest.mark.parametrize("expression", ["", "body.a =", "not nil", "1 + (", "len == 3"])
def test_an_expression_that_does_not_compile_is_refused_at_load_with_path_and_remedy(expression: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse({"metadata": {"name": "hooks"}, "spec": hook(expression)})
    (error,) = caught.value.errors
    assert error.path == "spec.webhook.forge.filter.expression"
    assert error.remedy


async def test_a_full_store_is_not_asked_for_an_event_that_does_not_pass() -> None:
    async with house() as served:
        served.log.refusing = True
        await served.apply(hook("body.n > 5"))
        await post(served, HEADERS, orjson.dumps({"n": 1}))
        reply = await send(served.ingress.bound(12000), "/forge", orjson.dumps({"n": 9}), HEADERS)
        assert reply.status == 503
