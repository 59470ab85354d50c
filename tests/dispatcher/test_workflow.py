"""The short form: a WorkflowTemplate run with arguments from events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.manifest import check, trigger_model
from dispatcher.parameters.presets import Shape
from dispatcher.program import TriggerProgram, render
from dispatcher.trigger import Declared
from dispatcher.workflowtemplates import declared_by
from tests.dispatcher.conftest import Engine
from tests.dispatcher.support import World, decided, ended, event, firing, program, until
from tiphys.bus.firing import FiringState, TriggerKey
from tiphys.clients.kube import Kube
from tiphys.errors import TriggerError

BRANCH = {"from": "push", "path": "body.ref", "default": "main", "pattern": "git-ref"}
CI: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "WorkflowTemplate",
    "metadata": {"name": "ci"},
    "spec": {
        "entrypoint": "main",
        "arguments": {
            "parameters": [
                {"name": "revision"},
                {"name": "branch", "value": "main"},
                {"name": "level", "default": "low", "enum": ["low", "high", 3]},
                {"name": "key", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
            ]
        },
        "templates": [{"name": "main"}, {"name": "other"}],
    },
}


class Known:
    """Templates that the roof knows."""

    def __init__(self, *templates: dict[str, Any]) -> None:
        self.known = {(template["kind"], template["metadata"]["name"]): declared_by(template) for template in templates}

    def declared(self, namespace: str, name: str, cluster_scope: bool) -> Declared | None:
        return self.known.get(("ClusterWorkflowTemplate" if cluster_scope else "WorkflowTemplate", name))


def entry(arguments: dict[str, Any] | None = None, **workflow: Any) -> dict[str, Any]:
    body = {"templateRef": {"name": "ci"}} | ({"arguments": arguments} if arguments else {}) | workflow
    return {"template": {"name": "build", "workflow": {key: value for key, value in body.items() if value is not None}}}


def short(arguments: dict[str, Any] | None = None, world: World | None = None, **workflow: Any) -> TriggerProgram:
    return program(entry(arguments, **workflow), world or World())


def faults(arguments: dict[str, Any], **workflow: Any) -> list[tuple[str, str]]:
    loaded = trigger_model().model_validate(entry(arguments, **workflow))
    return [
        (one.path.removeprefix("template.workflow."), str(one)) for one in check(loaded, frozenset({"push"}), "argo", Known(CI))
    ]


async def arguments(made: TriggerProgram, payload: Any) -> dict[str, str]:
    """The arguments of the Workflow that an event of the dependency `push` would make."""
    request = await render(made, {"push": event(payload)}, firing())
    return {one["name"]: one["value"] for one in request.preview["spec"]["arguments"]["parameters"]}


async def test_the_short_form_makes_a_workflow_of_the_template_with_arguments_from_the_push() -> None:
    made = short({"revision": "{{ .push.body.after }}", "branch": BRANCH})

    request = await render(made, {"push": event({"body": {"after": "9f1c2d", "ref": "refs/heads/main"}})}, firing())

    assert request.preview == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {
            "generateName": "ci-",
            "name": f"ci-{firing().id}",
            "namespace": "argo",
            "labels": {
                "workflows.argoproj.io/workflow-template": "ci",
                "events.argoproj.io/sensor": "ci",
                "events.argoproj.io/trigger": "build",
                "tiphys.dev/firing": firing().id,
            },
        },
        "spec": {
            "workflowTemplateRef": {"name": "ci"},
            "arguments": {"parameters": [{"name": "revision", "value": "9f1c2d"}, {"name": "branch", "value": "refs/heads/main"}]},
        },
    }


async def test_what_else_the_short_form_sets_stands_in_the_workflow() -> None:
    made = short(
        templateRef=None,
        clusterTemplateRef={"name": "shared"},
        namespace="ci-runs",
        generateName="pr-",
        labels={"team": "blue"},
        entrypoint="other",
        serviceAccountName="runner",
    )

    obj = (await render(made, {}, firing())).preview

    assert obj["metadata"]["namespace"] == "ci-runs"
    assert obj["metadata"]["name"] == f"pr-{firing().id}"
    assert obj["metadata"]["labels"]["team"] == "blue"
    assert obj["metadata"]["labels"]["workflows.argoproj.io/cluster-workflow-template"] == "shared"
    assert obj["spec"] == {
        "workflowTemplateRef": {"name": "shared", "clusterScope": True},
        "entrypoint": "other",
        "serviceAccountName": "runner",
    }


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("fixed text", "fixed text"),
        (3, "3"),
        (1.5, "1.5"),
        (True, "true"),
        ({"value": "{{ not a template }}"}, "{{ not a template }}"),
        ({"value": False}, "false"),
        ("{{ .push.body.n }}", "12345678"),
        ("{{ .push.body.big }}", "9007199254740993"),
        ("{{ .push.body.after | trunc 3 }}", "9f1"),
        ('{{ index .push "body" "after" }}', "9f1c2d"),
        ({"from": "push", "path": "body.n"}, "12345678"),
        ({"from": "push", "path": "body.big"}, "9007199254740993"),
        ({"from": "push", "path": "body.price"}, "1.5"),
        ({"from": "push", "path": "body.flag"}, "true"),
        ({"from": "push", "path": "body.commits.#.id"}, '["a","b"]'),
        ({"from": "push", "path": "body.nothing", "default": "none"}, "none"),
        ({"from": "push", "path": "body.nope", "default": 7}, "7"),
        ({"from": "push", "path": "body.nope", "default": ""}, ""),
    ],
)
async def test_an_argument_is_text_made_from(argument: Any, value: str) -> None:
    text = (
        '{"body": {"after": "9f1c2d", "n": 12345678, "big": 9007199254740993, "price": 1.50, "flag": true, "nothing": null, '
        '"commits": [{"id":"a"},{"id":"b"}]}}'
    )
    pushed = event()
    pushed = type(pushed)(id=pushed.id, source="h", type="webhook", subject="in", namespace="argo", data=text.encode())

    request = await render(short({"revision": argument}), {"push": pushed}, firing())

    assert request.preview["spec"]["arguments"]["parameters"] == [{"name": "revision", "value": value}]


async def test_a_dependency_with_a_dash_is_written_with_an_underscore_in_a_template() -> None:
    loaded = trigger_model().model_validate(entry({"revision": "{{ .git_push.body.after }}"}))
    assert check(loaded, frozenset({"git-push"})) == []
    made = TriggerProgram(TriggerKey("argo", "ci", "build"), loaded, World())

    request = await render(made, {"git-push": event()}, firing())

    assert request.preview["spec"]["arguments"]["parameters"][0]["value"] == "9f1c2d"


@pytest.mark.parametrize(
    "template", ["{{ if .gone }}{{ .gone.body }}{{ else }}none{{ end }}", "{{ with .gone }}{{ .body }}{{ else }}none{{ end }}"]
)
async def test_a_template_can_ask_whether_a_dependency_of_an_or_condition_has_an_event(template: str) -> None:
    loaded = trigger_model().model_validate(entry({"revision": template}))
    made = TriggerProgram(TriggerKey("argo", "ci", "build"), loaded, World())

    assert await arguments(made, {}) == {"revision": "none"}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
async def test_tektoncd_triggers_942_any_text_reaches_the_argument_unchanged(text: str) -> None:
    made = short({"a": "{{ .push.body }}", "b": {"from": "push", "path": "body"}})

    assert await arguments(made, {"body": text}) == {"a": text, "b": text}


@pytest.mark.parametrize(
    "argument",
    [
        "{{ .push.body.afer }}",
        "{{ .push.body.nothing }}",
        "{{ .gone.body }}",
        {"from": "push", "path": "body.afer"},
        {"from": "push", "path": "body.nothing"},
    ],
)
async def test_a_missing_value_is_an_error_that_names_the_argument_and_never_no_value(argument: Any) -> None:
    made = TriggerProgram(TriggerKey("argo", "ci", "build"), trigger_model().model_validate(entry({"revision": argument})), World())

    with pytest.raises(TriggerError, match=r"ArgumentMissing: argument 'revision'") as refused:
        await arguments(made, {"body": {"after": "9f1c2d", "nothing": None}})

    assert not refused.value.transient
    assert made.refusal({"push": event({"body": {"nothing": None}})}) is not None


async def test_a_value_that_does_not_match_its_pattern_is_an_error_that_shows_both() -> None:
    with pytest.raises(TriggerError, match=r"argument 'branch'.*\$\(reboot\).*git-ref"):
        await arguments(short({"branch": BRANCH}), {"body": {"ref": "$(reboot)"}})


@pytest.mark.parametrize("value", ["main", "refs/heads/feature/JIRA-12_x", "v1.2.3", "Größe", "release@2026", "a/-b"])
def test_git_ref_takes_branches_tags_and_full_refs(value: str) -> None:
    assert Shape("git-ref").allows(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "-x",
        "a b",
        "a..b",
        "/a",
        "a/",
        "a//b",
        "a.",
        ".a",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[b",
        "a\\b",
        "$(x)",
        "`x`",
        "a;b",
        "a|b",
        "a&b",
        "a\nb",
        "'a'",
        '"a"',
    ],
)
def test_git_ref_takes_nothing_that_git_or_a_shell_would_read_otherwise(value: str) -> None:
    assert not Shape("git-ref").allows(value)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("sha", "9f1c2d7", "9F1C2D7 "),
        ("semver", "v1.2.3-rc.1+5", "1.2"),
        ("integer", "-12", "1e3"),
        ("name", "my-app.v1", "My_App"),
        ("word", "Straße_1", "a b"),
    ],
)
def test_the_other_named_patterns(name: str, good: str, bad: str) -> None:
    shape = Shape(name)

    assert shape.allows(good)
    assert not shape.allows(bad)


def test_a_pattern_of_one_s_own_must_match_the_whole_value() -> None:
    made = short({"a": {"from": "push", "path": "body", "pattern": "[ab]+"}})

    assert made.refusal({"push": event({"body": "abba"})}) is None
    assert made.refusal({"push": event({"body": "abba!"})}) is not None


def test_arguments_that_agree_with_the_template_have_no_faults() -> None:
    assert faults({"revision": "{{ .push.body.after }}", "branch": BRANCH, "level": "high"}) == []


@pytest.mark.parametrize(
    ("given_arguments", "workflow", "path", "text"),
    [
        ({"revison": "x"}, {}, "arguments.revison", "revision"),
        ({"branch": "x"}, {}, "arguments.revision", "required"),
        ({"revision": "x", "level": "medium"}, {}, "arguments.level", "'low', 'high', '3'"),
        ({"revision": "x", "level": {"from": "push", "path": "l", "default": "medium"}}, {}, "arguments.level", "'medium'"),
        ({"revision": "x"}, {"entrypoint": "nope"}, "entrypoint", "main, other"),
        ({"revision": "{{ .x "}, {}, "arguments.revision", "template"),
        ({"revision": {"from": "push", "path": "x", "pattern": "("}}, {}, "arguments.revision.pattern", "missing )"),
        (
            {"revision": {"from": "push", "path": "x", "default": "a b", "pattern": "git-ref"}},
            {},
            "arguments.revision.default",
            "git-ref",
        ),
    ],
)
def test_what_is_wrong_with_arguments_is_found_when_the_manifest_loads(
    given_arguments: dict[str, Any], workflow: dict[str, Any], path: str, text: str
) -> None:
    found = dict(faults(given_arguments, **workflow))

    assert text in found[path]


def test_a_template_that_is_not_known_yet_is_no_fault() -> None:
    assert faults({"anything": "x"}, templateRef={"name": "later"}) == []


def test_declarations_of_a_wrong_shape_count_as_absent() -> None:
    broken = {
        "spec": {
            "arguments": {"parameters": [None, {"name": 3}, {"name": "a", "enum": "x"}, "b"]},
            "templates": {},
            "entrypoint": 7,
        }
    }

    declared = declared_by(broken)

    assert list(declared.parameters) == ["a"]
    assert (declared.entrypoint, declared.templates) == ("", frozenset())
    assert declared_by({}) == Declared({})


def test_the_matcher_can_ask_whether_a_firing_would_be_refused() -> None:
    made = short(
        {"revision": "{{ .push.body.after }}", "level": {"from": "push", "path": "body.level"}}, World(templates=Known(CI))
    )

    assert made.refusal({"push": event({"body": {"after": "a", "level": "high"}})}) is None
    refused = made.refusal({"push": event({"body": {"after": "a", "level": "medium"}})})

    assert refused is not None
    assert "'medium'" in str(refused)
    assert "'low', 'high', '3'" in str(refused)


@pytest.fixture
def key(namespace: str) -> TriggerKey:
    return TriggerKey(namespace, "ci", "build")


def fires(arguments: dict[str, Any], **beside: Any) -> dict[str, Any]:
    """An entry whose arguments come from the dependency `dep`, as the shared firings have it."""
    return entry(arguments) | beside


async def workflows(kube: Kube, namespace: str) -> int:
    return len((await kube.list("argoproj.io/v1alpha1", "Workflow", namespace)).items)


async def test_the_template_in_the_cluster_is_asked_and_the_workflow_is_made(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    await kube.create(CI, namespace=key.namespace)
    engine.dispatcher.set_trigger(key, program(fires({"revision": "{{ .dep.body.n }}"}), engine.world, key))

    (made,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await ended(engine.bus.ledger, made)

    obj = await kube.get("argoproj.io/v1alpha1", "Workflow", f"ci-{made.id}", key.namespace)
    assert obj is not None
    assert obj["spec"]["arguments"]["parameters"] == [{"name": "revision", "value": "1"}]


async def test_for_a_refused_firing_the_dlq_trigger_acts_on_the_same_events() -> None:
    plain = program(entry({"revision": "x"}), World())
    with_letters = program(entry({"revision": "x"}) | {"dlqTrigger": {"template": {"name": "tell", "log": {}}}}, World())

    (instead,) = with_letters.instead(firing())

    assert plain.instead(firing()) == ()
    assert (instead.dlq, instead.parent, instead.events) == (True, firing().id, firing().events)
    assert instead.id != firing().id
    assert with_letters.refuses
    assert with_letters.of(instead).name == "tell"


async def test_a_value_outside_the_enum_is_a_dead_letter_and_no_workflow(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    await kube.create(CI, namespace=key.namespace)
    engine.dispatcher.set_trigger(key, program(fires({"revision": "x", "level": "{{ .dep.body.n }}"}), engine.world, key))

    (made,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    record = await ended(engine.bus.ledger, made, FiringState.DEAD)

    assert record.last is not None
    assert record.last.reason == "ArgumentRefused"
    assert "'level'" in record.last.message
    assert await workflows(kube, key.namespace) == 0


async def test_an_argument_that_the_template_does_not_declare_waits_for_a_correction_and_makes_no_workflow(
    engine: Engine, kube: Kube, key: TriggerKey
) -> None:
    soon = {"retryStrategy": {"steps": 100, "duration": "50ms", "jitter": 0}}
    await kube.create(CI, namespace=key.namespace)
    engine.dispatcher.set_trigger(key, program(fires({"revision": "x", "extra": "y"}, **soon), engine.world, key))
    (made,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: bool(engine.seen.outcomes))
    assert "'extra' is no argument of WorkflowTemplate ci" in engine.seen.outcomes[0][1].message
    assert await workflows(kube, key.namespace) == 0

    declared = CI["spec"] | {"arguments": {"parameters": [{"name": "revision"}, {"name": "extra"}]}}
    await kube.patch("argoproj.io/v1alpha1", "WorkflowTemplate", "ci", key.namespace, {"spec": declared})
    await ended(engine.bus.ledger, made)

    assert await workflows(kube, key.namespace) == 1


async def test_a_template_that_does_not_exist_is_waited_for_by_name(engine: Engine, kube: Kube, key: TriggerKey) -> None:
    soon = {"retryStrategy": {"steps": 100, "duration": "50ms", "jitter": 0}}
    engine.dispatcher.set_trigger(key, program(fires({"revision": "x"}, **soon), engine.world, key))
    (made,) = await decided(engine.bus.log, engine.bus.ledger, engine.epoch, key)
    await until(lambda: bool(engine.seen.outcomes))
    assert f"WorkflowTemplate {key.namespace}/ci" in engine.seen.outcomes[0][1].message

    await kube.create(CI, namespace=key.namespace)
    await ended(engine.bus.ledger, made)

    assert await workflows(kube, key.namespace) == 1
