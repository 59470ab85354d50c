"""A stage for tests: manifests as text, arrivals one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sensors.scripts import Scripts
from tiphys.app.dryrun.arrivals import Arrival, event_of, request_of
from tiphys.app.dryrun.outcomes import Act, Arrived
from tiphys.app.dryrun.stage import DryRun, open_dry_run
from tiphys.schema.loader import load_documents

NOON = "2026-01-01T12:00:00Z"


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Play:
    """Lets events and requests come."""

    def __init__(self, run: DryRun) -> None:
        self.run = run

    async def event(self, source: str, event: str, data: Any = None, at: str = "", **more: str) -> Arrived:
        given = event_of({"source": source, "event": event, "data": data if data is not None else {}, **more}, "event")
        return await self.run.arrive(Arrival("event", given, seconds(at) if at else None))

    async def request(
        self, path: str, body: Any = None, headers: Mapping[str, str] | None = None, *, sign: bool = False
    ) -> Arrived:
        arrival = Arrival("request", request_of({"path": path, "body": body, "headers": dict(headers or {})}, "request"))
        return await self.run.arrive(arrival.signed() if sign else arrival)


@asynccontextmanager
async def staged(
    *texts: str,
    at: str = NOON,
    secrets: Mapping[tuple[str, str], bytes] | None = None,
    sources: Mapping[str, str] | None = None,
) -> AsyncIterator[Play]:
    documents = [one for text in texts for one in load_documents(text, "manifests.yaml").all()]
    async with Scripts() as scripts, open_dry_run(documents, scripts, at=seconds(at), secrets=secrets, sources=sources) as run:
        yield Play(run)


def verdicts(arrived: Arrived) -> list[tuple[str, str]]:
    """`sensor/trigger` and the outcome, for each verdict."""
    return [(f"{one['sensor']}/{one['trigger']}", one["outcome"]) for came in arrived.events for one in came.explained["verdicts"]]


def acts(arrived: Arrived) -> list[Act]:
    return [act for came in arrived.events for act in came.acts]


def act(arrived: Arrived) -> Act:
    (only,) = acts(arrived)
    return only


def sensor(name: str, dependencies: str, triggers: str) -> str:
    head = f"apiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {{name: {name}, namespace: argo}}\nspec:\n"
    return f"---\n{head}  dependencies:\n{_indented(dependencies)}  triggers:\n{_indented(triggers)}"


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.strip("\n").splitlines())
