"""What firings would do in a dry run: objects that may need others, sources that would be fetched, failures, and secrets."""

from __future__ import annotations

import pytest

from tests.app.staging import act, acts, sensor, staged, verdicts
from tiphys.errors import SettingsError

DEPENDENCY = "- {name: dep, eventSourceName: hooks, eventName: in}"
TEMPLATE = """\
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: ci, namespace: argo}
spec:
  entrypoint: main
  arguments: {parameters: [{name: revision}, {name: level, value: low, enum: [low, high]}]}
  templates: [{name: main, container: {image: alpine}}]
"""


def workflow(arguments: str, more: str = "") -> str:
    return sensor(
        "ci",
        DEPENDENCY,
        f"- template: {{name: run, workflow: {{templateRef: {{name: ci}}, arguments: {arguments}}}}}\n{more}",
    )


def k8s(body: str, more: str = "") -> str:
    lines = "".join(f"      {line}\n" for line in body.strip("\n").splitlines())
    return sensor("ci", DEPENDENCY, f"- template:\n    name: run\n    k8s:\n{lines}{more}")


CONFIG = """\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: argo}
data: {colour: blue, size: "1"}
"""
UPDATE = """\
operation: update
source: {resource: {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: red}}}
parameters:
- {src: {dependencyName: dep, dataKey: body.colour}, dest: data.colour}
"""


# -- objects among the files


async def test_a_template_among_the_files_is_held_against_the_arguments_before_anything_comes() -> None:
    async with staged(TEMPLATE, workflow('{revison: "x"}')) as play:
        assert len(play.run.problems) == 2
        assert "revison: is no argument of WorkflowTemplate ci" in play.run.problems[0] + play.run.problems[1]
        arrived = await play.event("hooks", "in")
    assert verdicts(arrived) == []


async def test_a_value_that_the_template_does_not_allow_is_shown_as_the_service_refuses_it() -> None:
    async with staged(TEMPLATE, workflow('{revision: a, level: "{{ .dep.body.level }}"}')) as play:
        allowed = await play.event("hooks", "in", {"body": {"level": "high"}})
        refused = await play.event("hooks", "in", {"body": {"level": "top"}})
    assert verdicts(allowed) == [("ci/run", "fired")]
    assert verdicts(refused) == [("ci/run", "refused")]
    assert "is not one of 'low', 'high'" in refused.events[0].explained["verdicts"][0]["why"]


async def test_a_template_that_is_not_among_the_files_is_said_to_be_unknown() -> None:
    async with staged(workflow("{revision: a}")) as play:
        made = act(await play.event("hooks", "in"))
    assert made.preview["spec"]["workflowTemplateRef"] == {"name": "ci"}
    assert made.notes == ("WorkflowTemplate argo/ci: is not among the files; add a manifest of it to see what would become of it",)


async def test_an_update_is_merged_over_the_object_of_the_files() -> None:
    async with staged(CONFIG, k8s(UPDATE)) as play:
        made = act(await play.event("hooks", "in", {"body": {"colour": "green"}}))
    assert made.does == "update ConfigMap argo/settings"
    assert made.preview["object"]["data"] == {"colour": "green", "size": "1"}


async def test_a_live_object_is_that_of_the_files() -> None:
    live = UPDATE.replace("data: {colour: red}", "data: {}") + "liveObject: true\n"
    async with staged(CONFIG, k8s(live)) as play:
        made = act(await play.event("hooks", "in", {"body": {"colour": "green"}}))
    assert made.preview["object"]["data"] == {"colour": "green", "size": "1"}


@pytest.mark.parametrize("live", ["", "liveObject: true\n"])
async def test_what_is_to_be_updated_and_is_not_among_the_files_is_said_to_be_unknown(live: str) -> None:
    async with staged(k8s(UPDATE + live)) as play:
        made = act(await play.event("hooks", "in", {"body": {"colour": "green"}}))
    assert made.preview["object"]["data"] == {"colour": "green"}
    assert made.notes[0].startswith("ConfigMap argo/settings: is not among the files")


async def test_what_one_firing_does_not_find_is_no_matter_of_the_next() -> None:
    named = UPDATE + "- {src: {dependencyName: dep, dataKey: body.name}, dest: metadata.name}\n"
    async with staged(CONFIG, k8s(named)) as play:
        missing = act(await play.event("hooks", "in", {"body": {"colour": "green", "name": "nowhere"}}))
        there = act(await play.event("hooks", "in", {"body": {"colour": "green", "name": "settings"}}))
    assert missing.notes
    assert (there.notes, there.preview["object"]["data"]) == ((), {"colour": "green", "size": "1"})


RETRY = """\
- template:
    name: again
    argoWorkflow:
      operation: retry
      source: {resource: {apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {name: failed}}}
"""


async def test_a_workflow_that_must_be_there_and_is_not_among_the_files_fails_with_a_sentence() -> None:
    async with staged(sensor("ci", DEPENDENCY, RETRY)) as play:
        made = act(await play.event("hooks", "in"))
    assert made.error == "Workflow argo/failed: is not among the files; add a manifest of it to see what would become of it"


async def test_a_workflow_of_the_files_is_retried() -> None:
    failed = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: failed, namespace: argo, uid: u-1, resourceVersion: "7"}
spec: {entrypoint: main, templates: [{name: main, container: {image: alpine}}]}
status:
  phase: Failed
  nodes:
    failed: {id: failed, name: failed, displayName: failed, type: Pod, templateName: main, phase: Failed}
"""
    async with staged(failed, sensor("ci", DEPENDENCY, RETRY)) as play:
        made = act(await play.event("hooks", "in"))
    assert made.error == ""
    assert made.preview["operation"] == "update"


# -- sources

FROM_CONFIGMAP = "operation: create\nsource: {configmap: {name: workflows, key: ci.yaml}}\n"
FROM_URL = "operation: create\nsource: {url: {path: https://example.invalid/ci.yaml}}\n"
NOTE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: note-}\ndata: {text: fetched}\n"


async def test_an_object_from_a_configmap_of_the_files_is_read() -> None:
    text = "".join(f"    {line}\n" for line in NOTE.splitlines())
    config = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: workflows, namespace: argo}}\ndata:\n  ci.yaml: |\n{text}"
    async with staged(config, k8s(FROM_CONFIGMAP)) as play:
        assert act(await play.event("hooks", "in")).preview["data"] == {"text": "fetched"}


async def test_an_object_from_a_configmap_that_is_not_among_the_files_fails_with_a_sentence() -> None:
    async with staged(k8s(FROM_CONFIGMAP)) as play:
        made = act(await play.event("hooks", "in"))
    assert made.error == ("secret argo/workflows, key ci.yaml: the ConfigMap is not among the files; add a manifest of it")


async def test_what_would_be_fetched_is_not_and_says_how_to_give_it() -> None:
    async with staged(k8s(FROM_URL)) as play:
        made = act(await play.event("hooks", "in"))
    assert made.unknown
    assert made.error == (
        'source.url {"path":"https://example.invalid/ci.yaml"}: is fetched when the trigger fires, and a dry run fetches nothing; '
        "give what it holds: --source ci/run=FILE"
    )


async def test_what_would_be_fetched_can_be_given_and_each_of_its_objects_is_a_firing() -> None:
    two = NOTE + "---\n" + NOTE.replace("fetched", "as well")
    parameter = "parameters:\n- {src: {dependencyName: dep, dataKey: body.n}, dest: 1.data.n}\n"
    async with staged(k8s(FROM_URL + parameter), sources={"ci/run": two}) as play:
        made = acts(await play.event("hooks", "in", {"body": {"n": 7}}))
    assert [one.error for one in made] == ["", ""]
    assert [one.preview["data"] for one in made] == [{"text": "fetched"}, {"text": "as well", "n": "7"}]
    assert len({one.firing for one in made}) == 2


async def test_what_is_given_for_a_trigger_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="--source ci/rum: names no trigger; the triggers are ci/run"):
        async with staged(k8s(FROM_URL), sources={"ci/rum": NOTE}):
            pass


# -- failures

MISTYPED = """\
operation: create
source:
  resource:
    apiVersion: argoproj.io/v1alpha1
    kind: Workflow
    metadata: {generateName: ci-}
    spec: {workflowTemplateRef: {name: ci}, arguments: {parameters: [{name: revision}, {name: branch}]}}
parameters:
- {src: {dependencyName: dep, dataKey: body.afer}, dest: spec.arguments.parameters.0.value}
- {src: {dependencyName: dep, dataKey: body.branch, value: main}, dest: spec.arguments.parameters.1.value}
"""
PUSH = {"header": {"X-Request-Token": ["t0ps3cret"]}, "body": {"after": "9f1c2d", "ref": "refs/heads/main"}}


async def test_argo_events_2076_a_mistyped_key_is_an_error_that_names_it_and_shows_nothing_of_the_event() -> None:
    async with staged(k8s(MISTYPED)) as play:
        failed = act(await play.event("hooks", "in", PUSH))
    async with staged(k8s(MISTYPED.replace("afer", "after"))) as play:
        made = act(await play.event("hooks", "in", PUSH))
    assert failed.preview is None
    assert "body.afer" in failed.error
    assert "t0ps3cret" not in str(failed)
    assert [one["value"] for one in made.preview["spec"]["arguments"]["parameters"]] == ["9f1c2d", "main"]


async def test_a_firing_that_cannot_be_carried_out_shows_what_its_dlq_trigger_would_do() -> None:
    dlq = "  dlqTrigger:\n    template: {name: dead, log: {}}\n"
    async with staged(k8s(MISTYPED, dlq)) as play:
        failed, instead = acts(await play.event("hooks", "in", PUSH))
    assert (failed.dlq, bool(failed.error), instead.dlq, instead.error) == (False, True, True, "")
    assert instead.preview["lines"][0]["dependency"] == "dep"


async def test_what_a_suspended_sensor_would_do_is_shown_with_when_it_is_done() -> None:
    suspended = k8s(UPDATE).replace("spec:\n", "spec:\n  suspend: true\n  onResume: drop\n", 1)
    async with staged(CONFIG, suspended) as play:
        made = act(await play.event("hooks", "in", {"body": {"colour": "green"}}))
    assert made.notes == ("the trigger is suspended: it is not done",)


async def test_a_parameter_that_matches_nothing_is_a_warning() -> None:
    asked = (
        MISTYPED.replace("afer", "after")
        + """\
- {src: {dependencyName: dep, dataKey: body.ref}, dest: 'spec.arguments.parameters.#(name=="ref").value'}
"""
    )
    async with staged(k8s(asked)) as play:
        (warning,) = act(await play.event("hooks", "in", PUSH)).warnings
    assert 'spec.arguments.parameters.#(name=="ref").value' in warning


async def test_secrets_of_a_request_stay_references() -> None:
    relay = """\
- template:
    name: relay
    http:
      url: https://example.invalid/jobs
      secureHeaders: [{name: X-Token, valueFrom: {secretKeyRef: {name: relay, key: token}}}]
      payload: [{src: {dependencyName: dep, dataKey: body}, dest: job}]
"""
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: relay, namespace: argo}\nstringData: {token: hunter2}\n"
    async with staged(secret, sensor("ci", DEPENDENCY, relay), secrets={("relay", "token"): b"hunter2"}) as play:
        made = act(await play.event("hooks", "in", {"body": {"id": 1}}))
    assert made.does == "POST https://example.invalid/jobs"
    assert made.preview["headers"]["X-Token"] == {"secretKeyRef": {"name": "relay", "key": "token"}}
    assert "hunter2" not in str(made)


# -- manifests


async def test_a_refused_sensor_is_named_with_its_line_and_the_others_run() -> None:
    broken = workflow("{revision: a}").replace("name: ci, namespace", "name: broken, namespace").replace("dep,", "{a: 1},", 1)
    async with staged(broken, k8s(UPDATE), CONFIG) as play:
        assert play.run.problems
        assert all(problem.startswith("manifests.yaml:") for problem in play.run.problems)
        arrived = await play.event("hooks", "in", {"body": {"colour": "green"}})
    assert verdicts(arrived) == [("ci/run", "fired")]


async def test_an_object_that_stands_twice_is_named_and_the_first_counts() -> None:
    async with staged(workflow("{revision: a}"), workflow("{revision: b}")) as play:
        made = act(await play.event("hooks", "in"))
        assert "stands at manifests.yaml:" in play.run.problems[0]
    assert made.preview["spec"]["arguments"]["parameters"] == [{"name": "revision", "value": "a"}]
