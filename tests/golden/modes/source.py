"""`source`: HTTP requests to an EventSource, the answers and the events."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any

from eventsource.manifest import parse
from tests.eventsource.parts import House, Reply, house, send
from tests.golden.compare import same_json
from tiphys.errors import ManifestError


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        manifest = parse(asked["eventSource"]).manifest
    except ManifestError as error:
        return {"startError": str(error)}
    return asyncio.run(_served(manifest, asked))


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if "startError" in expected:  # argo-events does not listen: no listening, or refusing all, is right
        return "startError" in found or all(answer["status"] >= 400 and not answer["events"] for answer in found["responses"])
    if "startError" in found or len(expected["responses"]) != len(found["responses"]):
        return False
    return all(map(_same_answer, expected["responses"], found["responses"]))


async def _served(manifest: Any, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    secrets = {name: value.encode() for name, value in asked.get("secrets", {}).items()}
    async with house(secrets) as served:
        await served.room.apply(manifest)
        return {"responses": [await _answer(served, request) for request in asked["requests"]]}


async def _answer(served: House, request: Mapping[str, Any]) -> Mapping[str, Any]:
    before = len(served.log.events)
    served.log.refusing = bool(request.get("busFails"))
    headers = [(name, value) for name, value in request["headers"]]
    reply: Reply = await send(served.ingress.bound(12000), request["path"], _body(request), headers, request["method"])
    events = [
        {"eventName": event.subject, "type": event.type, "data": (event.data or b"").decode()}
        for event in served.log.events[before:]
    ]
    answer = {"status": reply.status, "body": reply.text, "contentType": reply.headers.get("content-type"), "events": events}
    return answer | ({"location": reply.headers["location"]} if "location" in reply.headers else {})


def _body(request: Mapping[str, Any]) -> bytes | None:
    if "bodyFill" in request:
        return b'"' + b"x" * (request["bodyFill"] - 2) + b'"'
    if "bodyB64" in request:
        return base64.b64decode(request["bodyB64"])
    return request["body"].encode() if "body" in request else None


def _same_answer(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if expected.get("noResponse"):
        return 400 <= found["status"] < 500 and not found["events"]
    if expected["status"] != found["status"] or expected.get("location") != found.get("location"):
        return False
    if expected["status"] < 400 and (expected["body"], expected["contentType"]) != (found["body"], found["contentType"]):
        return False
    wanted = [{**event, "data": json.loads(event["data"])} for event in expected["events"]]
    return same_json(wanted, [{**event, "data": json.loads(event["data"])} for event in found["events"]])
