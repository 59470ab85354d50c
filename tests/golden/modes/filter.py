"""`filter`: a dependency's transform on an event's data, then its filters. Scripts run in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from sensors.filters import FilterProgram, Finding, Judgement
from sensors.manifest import Dependency
from tests.golden.compare import same_json
from tests.golden.events import event_of
from tests.sensors.scripts_in_process import InProcess
from tiphys.languages import lua
from tiphys.schema.model import field_errors

# what the engines read from files is read here: inside of a loop it would count as a blocking call
for warming in ("return true", "goto done ::done:: return true"):
    lua.filter(warming, b"{}")


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """As `expect`, with the tree's reasons as `error`; or `refused`, what the manifest is refused for at load."""
    try:
        program = FilterProgram(Dependency.model_validate(asked["dependency"]))
    except ValidationError as error:
        return {"refused": "; ".join(map(str, field_errors(error))), "pass": False}
    if faults := program.faults():
        return {"refused": "; ".join(map(str, faults)), "pass": False}
    return asyncio.run(_decided(program, asked))


async def _decided(program: FilterProgram, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    event, scripts = event_of(asked["event"]), InProcess()
    judged = await program.judge_away(event, scripts)
    ran = len(scripts.asked)
    tree = await program.explain_away(event, scripts)
    found: dict[str, Any] = {"pass": judged.judgement is Judgement.PASSED, "scripts": ran}
    if (tree.judgement, tree.clause) != judged[:2]:
        found["crash"] = f"judged {judged}, and explained {tree}"
    if judged.judgement is Judgement.ERRORED:
        found["error"] = _reasons(tree)
    if not program.away and program.judge(event) != judged:
        found["crash"] = "judged otherwise where nothing is away"
    if "transform" in asked["dependency"]:
        made = judged.transformed if judged.transformed is not None else event.data or b""
        failed = tree.children[:1] and tree.children[0].asked.startswith("transform") and tree.children[0].judgement
        if failed is Judgement.ERRORED:
            found["transform"] = {"error": found.pop("error")}
        else:
            found["transform"] = {"datacontenttype": event.datacontenttype, "text": made.decode()}
    return found


def _reasons(tree: Finding) -> str:
    return "; ".join(filter(None, [tree.why, *map(_reasons, tree.children)]))


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether it passes, whether a filter errs, and what the transform makes. What is refused at load is right where argo-events errs."""
    if "refused" in found:
        return "error" in expected or "error" in expected.get("transform", {})
    if expected["pass"] is not found["pass"] or ("error" in expected) is not ("error" in found):
        return False
    wanted, made = expected.get("transform", {}), found.get("transform", {})
    if "text" not in wanted or "text" not in made:
        return bool(wanted.keys() == made.keys())
    if not wanted["text"] or not made["text"]:
        return bool(wanted == made)
    return bool(wanted["datacontenttype"] == made["datacontenttype"]) and same_json(
        json.loads(wanted["text"]), json.loads(made["text"])
    )
