"""An Airflow at the far end of a socket, as its REST API v2 is documented: tokens, runs, assets and their events.

A run's id and its logical date are each unique within a Dag (409), fields that nobody knows are refused (422), a Dag's params are checked
(400). `tests/dispatcher/test_airflow.py` asks a real Airflow the same where `AIRFLOW_TEST` names one.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

USER, PASSWORD = "tiphys", "t0ps3cret"
_RUN_FIELDS = frozenset(
    ("dag_run_id", "data_interval_start", "data_interval_end", "logical_date", "run_after", "conf", "note", "partition_key")
)
_EVENT_FIELDS = frozenset(("asset_id", "partition_key", "extra", "access_control"))


def _json(status: int, body: Any) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


def _problem(status: int, detail: Any) -> web.Response:
    return _json(status, {"detail": detail})


@dataclass
class AirflowTarget:
    """`dags` are their ids with the integer params that they have; `answers` are given before anything else, as (status, headers, body);
    `cut_after` that many POSTs of runs and events are done and then cut off. `asked` is every request but those for tokens."""

    url: str = ""
    dags: dict[str, list[str]] = field(default_factory=lambda: {"nightly": ["size"]})
    assets: dict[int, dict[str, Any]] = field(default_factory=lambda: {3: {"uri": "s3://uploads/incoming", "name": "incoming"}})
    runs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    issued: int = 0
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    cut_after: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        path = request.path
        if path == "/auth/token":
            return self._token(orjson.loads(body))
        self.asked.append((request.method, request.path_qs))
        if self.answers:
            status, headers, text = self.answers.pop(0)
            return web.Response(status=status, headers=headers, body=text)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _problem(401, "Invalid JWT token")
        done = self._routed(request, path.removeprefix("/api/v2").strip("/").split("/"), body)
        if request.method == "POST" and self.cut_after and done.status == 200:
            self.cut_after -= 1
            assert request.transport is not None
            request.transport.abort()
        return done

    def _token(self, login: dict[str, str]) -> web.Response:
        if (login.get("username"), login.get("password")) != (USER, PASSWORD):
            return _problem(401, "Invalid credentials")
        self.issued += 1
        token = secrets.token_hex(8)
        self.tokens.add(token)
        return _json(201, {"access_token": token})

    def _routed(self, request: web.BaseRequest, parts: list[str], body: bytes) -> web.Response:
        match request.method, parts:
            case "POST", ["dags", dag, "dagRuns"]:
                return self._start(dag, orjson.loads(body))
            case "GET", ["dags", dag, "dagRuns", run]:
                found = self.runs.get((dag, run))
                return (
                    _json(200, found)
                    if found
                    else _problem(404, f"The DagRun with dag_id: `{dag}` and run_id: `{run}` was not found")
                )
            case "POST", ["assets", "events"]:
                return self._report(orjson.loads(body))
            case "GET", ["assets", "events"]:
                return self._events(request)
            case "GET", ["assets"]:
                return self._assets(request)
        return _problem(404, "Not Found")

    def _start(self, dag: str, asked: dict[str, Any]) -> web.Response:
        if unknown := asked.keys() - _RUN_FIELDS:
            return _problem(422, [{"loc": ["body", one], "msg": "Extra inputs are not permitted"} for one in sorted(unknown)])
        if "logical_date" not in asked:
            return _problem(422, [{"loc": ["body", "logical_date"], "msg": "Field required"}])
        if dag not in self.dags:
            return _problem(404, f"Dag with dag_id: '{dag}' not found")
        conf = asked.get("conf") or {}
        for name in self.dags[dag]:
            if name in conf and not isinstance(conf[name], int):
                return _problem(400, f"Invalid input for param {name}: {conf[name]!r} is not of type 'integer'")
        run, logical = asked["dag_run_id"], asked["logical_date"]
        instant = datetime.fromisoformat(logical) if logical else None
        taken = {
            datetime.fromisoformat(one["logical_date"]) for (of, _), one in self.runs.items() if of == dag and one["logical_date"]
        }
        if (dag, run) in self.runs or instant in taken:
            return _problem(409, {"reason": "Unique constraint violation", "statement": "hidden", "orig_error": "hidden"})
        self.runs[dag, run] = {
            "dag_run_id": run,
            "dag_id": dag,
            "logical_date": logical,
            "conf": conf,
            "note": asked.get("note"),
            "run_type": "manual",
            "state": "queued",
        }
        return _json(200, self.runs[dag, run])

    def _report(self, asked: dict[str, Any]) -> web.Response:
        if asked.keys() - _EVENT_FIELDS:
            return _problem(422, [{"loc": ["body"], "msg": "Extra inputs are not permitted"}])
        if asked["asset_id"] not in self.assets:
            return _problem(404, f"Asset with ID: `{asked['asset_id']}` was not found")
        extra = asked.get("extra", {}) | {"from_rest_api": True}
        stamp = datetime.now(UTC).isoformat()
        self.events.append({"id": len(self.events), "asset_id": asked["asset_id"], "extra": extra, "timestamp": stamp})
        return _json(200, self.events[-1])

    def _events(self, request: web.BaseRequest) -> web.Response:
        query = request.query
        found = [one for one in reversed(self.events) if one["asset_id"] == int(query["asset_id"])]
        return _json(200, {"asset_events": self._page(query, found), "total_entries": len(found)})

    def _assets(self, request: web.BaseRequest) -> web.Response:
        query = request.query
        found = [
            {"id": number} | one
            for number, one in self.assets.items()
            if all(query.get(f"{key}_pattern", "").lower() in one[key].lower() for key in ("uri", "name"))
        ]
        return _json(200, {"assets": self._page(query, found), "total_entries": len(found)})

    @staticmethod
    def _page(query: Any, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        start = int(query.get("offset", 0))
        return found[start : start + min(int(query.get("limit", 50)), 100)]


@asynccontextmanager
async def airflow_target() -> AsyncIterator[AirflowTarget]:
    """Serve on 127.0.0.1."""
    target = AirflowTarget()
    runner = web.ServerRunner(web.Server(target.answer), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield target
    finally:
        await runner.cleanup()
