"""`trigger`: one execution, from the manifest to the sockets, against the far end of `tests.golden.far_end`.

What we send is translated into what argo-events' case has, where both say the same thing in two forms:

* a name that was made from `generateName` ends in the firing's id: the case has `generateName` alone, since its server drew the name;
* our label `tiphys.dev/firing`, our annotation `tiphys.dev/last-firing` and our header `Idempotency-Key` are ours alone; the uid and
  resourceVersion that an object is read with come back as preconditions: the case's objects have none;
* headers that say how a message is framed are never sent (net/http leaves them out as well, after the point where the case looks);
* for `argoWorkflow` the case has the arguments of the `argo` command line, which always succeeds there and finds every template: our calls
  are translated into the invocation whose effect they are (`_invocations`). What that program itself reads is no call of the case; what the
  case reads of a Workflow afterwards we have read before.

Everything else, each object, namespace, name, header and byte of a body, is compared as it is.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from dispatcher.argo import apply_options, parse_options
from dispatcher.attempt import Attempt
from dispatcher.naming import FIRING_LABEL, LAST_FIRING, TIMESTAMP_LABEL
from dispatcher.program import TriggerProgram, render
from dispatcher.trigger import Services, Templates
from tests.golden.compare import same_json
from tests.golden.events import NAMESPACE, events_of
from tests.golden.far_end import FarEnd, far_end
from tiphys.app.admission import SensorPlan, admit
from tiphys.bus.event import Event
from tiphys.bus.firing import Claim, DependencyEvent, Firing, OutcomeKind, Target, TriggerKey
from tiphys.bus.identity import firing_id
from tiphys.clients.http import HttpClient, open_http
from tiphys.clients.kube import Kube, KubeSettings, connect
from tiphys.errors import ManifestError, SecretError, TiphysError
from tiphys.schema.loader import Document
from tiphys.schema.secret import ConfigMapRef, SecretRef

_FRAMING: Final = frozenset(("Host", "Content-Length", "Transfer-Encoding", "Trailer"))
_QUICK: Final = KubeSettings(timeout=5.0, attempts=1)


def run(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        accepted = admit(Document(asked["sensor"], "case"), NAMESPACE)
    except ManifestError as error:
        return {"validation": str(error)}
    assert isinstance(accepted.plan, SensorPlan)
    return asyncio.run(_executed(accepted.plan, asked))


def same(expected: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    if "validation" in expected or "panic" in expected:
        return "validation" in found or ("panic" in expected and "error" in found)
    if "validation" in found:  # refused at load: nothing is sent, and the case sends nothing and fails
        return "error" in expected and not any(key in expected for key in ("calls", "http", "argo"))
    if ("error" in expected) != ("error" in found):
        return False
    wanted = [_as_sent(request) for request in expected.get("http", ())]
    return (
        same_json([_plain(call) for call in expected.get("calls", ())], [_plain(call) for call in found.get("calls", ())])
        and same_json(wanted, found.get("http", []))
        and same_json([_in_effect(one) for one in expected.get("argo", ())], found.get("argo", []))
        and [error is None for error in expected.get("errors", ())] == [error is None for error in found.get("errors", ())]
    )


@dataclass
class _Kept:
    """The files that argo-events would have mounted."""

    values: Mapping[str, str]
    maps: Mapping[str, str]

    async def secret(self, namespace: str, ref: SecretRef) -> bytes:
        return self._find(self.values, namespace, ref)

    async def configmap(self, namespace: str, ref: ConfigMapRef) -> bytes:
        return self._find(self.maps, namespace, ref)

    def _find(self, values: Mapping[str, str], namespace: str, ref: SecretRef | ConfigMapRef) -> bytes:
        if (found := values.get(f"{ref.name}/{ref.key}")) is None:
            raise SecretError(namespace, ref.name, ref.key, "there is no such key", known=True)
        return found.encode()


@dataclass
class _World(Services):
    secrets: _Kept
    kube: Kube | None = None
    templates: Templates | None = None
    http: HttpClient | None = field(default=None)


async def _executed(plan: SensorPlan, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = next(one for one in plan.spec.triggers if one.template.name == asked["trigger"])
    key = TriggerKey(plan.namespace, plan.name, asked["trigger"])
    world = _World(_Kept(asked.get("secrets", {}), asked.get("configmaps", {})))
    events = events_of(asked["events"])
    times = asked.get("repeat", 1)
    async with AsyncExitStack() as stack:
        end = await stack.enter_async_context(far_end(asked.get("cluster", ()), plan.namespace, asked.get("httpStatus", 200)))
        end.all_templates = True
        stack.callback(_proxied(end.url))
        firings = [_firing(key, events, number) for number in range(times)]
        await _serve_its_kind(end, TriggerProgram(key, spec, world), events, firings[0])
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        world.kube = await stack.enter_async_context(connect(_kubeconfig(Path(folder), end.url), settings=_QUICK))
        world.http = await stack.enter_async_context(open_http())
        program = TriggerProgram(key, spec, world)
        errors = [await _attempted(program, events, firing) for firing in firings]
    found: dict[str, Any] = {
        "calls": [_ours_left_out(call, firings) for call in end.calls],
        "http": [_ours_left_out_of(request, firings) for request in end.requests],
    }
    argo_workflow = getattr(spec.template, "argoWorkflow", None)
    if argo_workflow is not None:
        found |= _invocations(found["calls"], argo_workflow)
    found = {key: _sorted(value) for key, value in found.items() if value}
    if times > 1:
        return found | {"errors": errors}
    return found | ({"error": errors[0]} if errors[0] is not None else {})


def _proxied(url: str) -> Any:
    """Every HTTP request goes to the far end, whatever host it names; returns what ends that."""
    before = {name: os.environ.get(name) for name in ("HTTP_PROXY", "http_proxy")}
    os.environ["HTTP_PROXY"] = url

    def restore() -> None:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    return restore


def _kubeconfig(folder: Path, url: str) -> Path:
    file = folder / "kubeconfig"
    file.write_text(
        f"apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: {url}}}}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: t}}]\n"
    )
    return file


def _firing(key: TriggerKey, events: Mapping[str, Event], number: int) -> Firing:
    ids = {name: event.id for name, event in events.items()}
    seen = {name: DependencyEvent(event.id, 1) for name, event in events.items()}
    return Firing(firing_id(*key, ids, replay=number), key, seen, replay=number)


async def _serve_its_kind(end: FarEnd, program: TriggerProgram, events: Mapping[str, Event], firing: Firing) -> None:
    """The far end serves whatever kind the case makes up: a dry run says which."""
    try:
        target = (await render(program, events, firing)).target
    except TiphysError:
        return
    end.served.add((target.api_version, target.kind))


async def _attempted(program: TriggerProgram, events: Mapping[str, Event], firing: Firing) -> str | None:
    """The error of an attempt, or of that at the next object of its source."""

    async def begin(target: Target) -> None:
        pass

    async def recorded() -> int:
        return 0

    attempt = Attempt(Claim(firing, 1, 60.0, 1, events), program, begin, recorded, 30.0)
    outcome = await attempt.run()
    if outcome.kind is not OutcomeKind.SUCCEEDED:
        return outcome.message
    following = firing.document + 1
    return None if following >= attempt.documents else await _attempted(program, events, replace(firing, document=following))


def _ours_left_out(call: Mapping[str, Any], firings: list[Firing]) -> dict[str, Any]:
    return {key: _object(value, firings) if key in ("object", "patch") else value for key, value in call.items()}


def _object(obj: Any, firings: list[Firing]) -> Any:
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
        return obj
    metadata = dict(obj["metadata"])
    ids = [firing.id for firing in firings]
    if str(metadata.get("uid", "")).startswith("far-"):
        del metadata["uid"]
        metadata.pop("resourceVersion", None)
    if metadata.get("generateName") and any(str(metadata.get("name")).endswith(one) for one in ids):
        del metadata["name"]
    for kind, ours in (("labels", FIRING_LABEL), ("annotations", LAST_FIRING)):
        kept = metadata.get(kind)
        if isinstance(kept, dict) and kept.get(ours) in ids:
            rest = {key: "<ms>" if key == TIMESTAMP_LABEL else value for key, value in kept.items() if key != ours}
            metadata = {**metadata, kind: rest} if rest else {key: value for key, value in metadata.items() if key != kind}
    return obj | {"metadata": metadata}


def _ours_left_out_of(request: Mapping[str, Any], firings: list[Firing]) -> dict[str, Any]:
    headers = dict(request["headers"])
    if headers.get("Idempotency-Key") in [[firing.id] for firing in firings]:
        del headers["Idempotency-Key"]
    return {**request, "headers": headers}


def _invocations(calls: list[dict[str, Any]], spec: Any) -> dict[str, Any]:
    """The invocation of the command line that our calls stand for, and what is left of the calls."""
    workflows = [call for call in calls if call["resource"].endswith("/workflows")]
    if not workflows:
        return {}
    first = workflows[0]
    head = ["-n", first["namespace"]]
    made = next((call["object"] for call in workflows if call["verb"] == "create"), None)
    reads = [call for call in calls if call["verb"] == "get"]
    if made is None or "workflows.argoproj.io/resubmitted-from-workflow" in made["metadata"].get("labels", {}):
        return {"argo": [{"args": [*head, _operation(workflows, spec.operation), first["name"]]}], "calls": reads}
    origin = _origin(made)
    if origin and spec.operation == "submit-from":
        parameters = (made["spec"].get("arguments") or {}).get("parameters") or ()
        given = [word for one in parameters for word in ("-p", f"{one['name']}={one['value']}")]
        return {"argo": [{"args": [*head, "submit", "--from", origin, *given]}], "calls": reads}
    if not (spec.source.resource or {}).get("metadata", {}).get("namespace"):
        del made["metadata"]["namespace"]  # -n gives it to an object that has none
    return {"argo": [{"args": [*head, "submit", "<tmpfile>"], "object": made}], "calls": reads}


def _operation(calls: list[dict[str, Any]], asked: str) -> str:
    """What a change does; where nothing was to be changed (or nothing was found), what was asked for."""
    patch: dict[str, Any] = next((call["patch"] for call in calls if call["verb"] == "patch"), {})
    spec = patch.get("spec", {})
    if "shutdown" in spec:
        return {"Terminate": "terminate", "Stop": "stop"}[spec["shutdown"]]
    if "suspend" in spec or "status" in patch:
        return "suspend" if spec.get("suspend") else "resume"
    verbs = {call["verb"] for call in calls}
    return "retry" if "update" in verbs else "resubmit" if "create" in verbs else asked


def _origin(workflow: dict[str, Any]) -> str:
    """What a Workflow was submitted from."""
    labels = workflow["metadata"].get("labels", {})
    if cron := labels.get("workflows.argoproj.io/cron-workflow"):
        return f"cronwf/{cron}"
    name = (workflow.get("spec") or {}).get("workflowTemplateRef", {}).get("name")
    return f"workflowtemplate/{name}" if name else ""


def _in_effect(invocation: Mapping[str, Any]) -> Mapping[str, Any]:
    """A submission with its options in the object."""
    args = invocation["args"]
    if "object" not in invocation or len(args) == 4:
        return invocation
    return {"args": args[:4], "object": apply_options(invocation["object"], parse_options("submit", args[4:]))}


def _sorted(value: Any) -> Any:
    """With the keys in order, as the cases have them, so that deviations can compare texts."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _plain(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """Labels and annotations that are empty are none."""
    for part in ("object", "patch"):
        obj = call.get(part)
        if isinstance(obj, dict) and isinstance(obj.get("metadata"), dict):
            metadata = {key: value for key, value in obj["metadata"].items() if value or key not in ("labels", "annotations")}
            call = {**call, part: {**obj, "metadata": metadata}}
    return call


def _as_sent(request: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**request, "headers": {name: values for name, values in request["headers"].items() if name not in _FRAMING}}
