"""What users of argo-events and its like have run into: from a script in a worker to the object that is made with what it gives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dispatcher.parameters import TriggerParameter, apply
from sensors.scripts import Program, Scripts
from tests.golden.events import event_of

JOB = {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "X", "value": "1"}]}]}}}, "metadata": {}}


def made(data: bytes, parameters: list[dict[str, Any]], source: dict[str, Any]) -> Any:
    event = event_of({"id": "1", "source": "hooks", "type": "webhook", "subject": "in", "time": "", "dataText": data.decode()})
    return json.loads(
        apply([TriggerParameter.model_validate(item) for item in parameters], json.dumps(source).encode(), {"dep": event})
    )


async def transformed(program: Program, data: bytes) -> bytes:
    async with Scripts() as scripts:
        found = await scripts.run(program, data)
    assert isinstance(found, bytes)
    return found


@pytest.mark.parametrize(("listed", "env"), [("setmetatable({}, { __is_array = true })", []), ("{}", {})])
async def test_argo_events_3771_a_list_made_in_lua_reaches_the_job_as_a_list_and_an_unmarked_one_as_an_object(
    listed: str, env: Any
) -> None:
    script = f"event.body.vars = {listed} event.body.opts = {{}} event.body.args = {{'-v'}} return event"
    data = await transformed(Program("lua-transform", script), b'{"body": {"n": 1}}')
    found = made(
        data,
        [
            {
                "src": {"dependencyName": "dep", "dataKey": "body.vars", "useRawData": True},
                "dest": "spec.template.spec.containers.0.env",
            },
            {
                "src": {"dependencyName": "dep", "dataKey": "body.args", "useRawData": True},
                "dest": "spec.template.spec.containers.0.args",
            },
            {"src": {"dependencyName": "dep", "dataKey": "body.opts"}, "dest": "metadata.annotations.opts"},
        ],
        JOB,
    )
    container = found["spec"]["template"]["spec"]["containers"][0]
    assert (container["env"], container["args"], found["metadata"]["annotations"]) == (env, ["-v"], {"opts": "{}"})


@pytest.mark.parametrize("program", [Program("jq", ".body.seen = true"), None])
async def test_datadog_agent_54486_an_id_beyond_2_to_the_53_keeps_its_digits_with_a_transform_and_without(
    program: Program | None,
) -> None:
    data = b'{"body": {"id": 9007199254740993, "price": 1.10}}'
    if program is not None:
        data = await transformed(program, data)
    found = made(data, [{"src": {"dependencyName": "dep", "dataKey": "body.id"}, "dest": "data.id"}], {"data": {}})
    assert found == {"data": {"id": "9007199254740993"}}
