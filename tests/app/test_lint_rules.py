"""Every rule of lint: a manifest that it has something to say about, and one as near to it as can be of which nothing is said."""

from __future__ import annotations

import textwrap

import pytest

from tiphys.app.findings import Finding
from tiphys.app.lint import lint_documents
from tiphys.app.rules import BY_KIND, RULES
from tiphys.errors import FaultKind
from tiphys.schema.loader import load_documents

HEAD = "apiVersion: argoproj.io/v1alpha1\n"
SOURCE = f"{HEAD}kind: EventSource\nmetadata: {{name: hooks}}\nspec:\n"
ROUTE = 'endpoint: /push, port: "12000", method: POST, authSecret: {name: a, key: b}'
HOOKS = f"{SOURCE}  webhook: {{push: {{{ROUTE}}}}}\n"
PUSH = "- {name: push, eventSourceName: hooks, eventName: push}"
LOG = "- template: {name: t, log: {}}"
OBJECT = "apiVersion: argoproj.io/v1alpha1, kind: Workflow, metadata: {generateName: ci-}"
MAIN = "entrypoint: main, arguments: {parameters: [{name: ref, value: x}]}, templates: [{name: main, container: {image: alpine}}]"
WORKFLOW = f"{OBJECT}, spec: {{{MAIN}}}"
SCRIPT = WORKFLOW.replace("container: {image: alpine}", 'script: {command: [sh], source: "echo {{workflow.parameters.ref}}"}')
DECLARED = "entrypoint: main, arguments: {parameters: [{name: ref}]}, templates: [{name: main}]"
TEMPLATE = f"{HEAD}kind: WorkflowTemplate\nmetadata: {{name: ci}}\nspec: {{{DECLARED}}}\n---\n"
DEST = "spec.arguments.parameters.0.value"


def sensor(dependencies: str = PUSH, triggers: str = LOG, more: str = "") -> str:
    body = f"dependencies:\n{textwrap.dedent(dependencies)}\ntriggers:\n{textwrap.dedent(triggers)}\n{more}"
    return f"{HEAD}kind: Sensor\nmetadata: {{name: ci}}\nspec:\n{textwrap.indent(body, '  ')}\n"


def filtered(filters: str, more: str = "") -> str:
    return sensor(f"- {{name: push, eventSourceName: hooks, eventName: push{more}, filters: {{{filters}}}}}")


def data(entry: str) -> str:
    return filtered(f"data: [{{{entry}}}]")


def made(obj: str = WORKFLOW, src: str = "dataKey: body.ref", dest: str = DEST) -> str:
    parameter = f"{{src: {{dependencyName: push, {src}}}, dest: {dest}}}"
    return sensor(triggers=f"- template: {{name: t, k8s: {{source: {{resource: {{{obj}}}}}, parameters: [{parameter}]}}}}")


def bus(spec: str) -> str:
    return f"{HEAD}kind: EventBus\nmetadata: {{name: default}}\nspec: {{{spec}}}\n"


def minio(event: str) -> str:
    keys = "accessKey: {name: a, key: b}, secretKey: {name: a, key: c}"
    return f"{SOURCE}  minio: {{up: {{endpoint: 'minio:9000', bucket: {{name: in}}, events: ['{event}'], {keys}}}}}\n"


def github(more: str) -> str:
    hook = f"repositories: [{{owner: o, names: [r]}}], webhook: {{{ROUTE}, url: 'https://x.example'}}, events: ['*']"
    return f"{SOURCE}  github: {{push: {{{hook}, webhookSecret: {{name: a, key: b}}, apiToken: {{name: a, key: b}}{more}}}}}\n"


AB = "- {name: a, eventSourceName: x, eventName: a}\n- {name: b, eventSourceName: x, eventName: b}"


def when(conditions: str, more: str = "") -> str:
    return sensor(AB, f"- template: {{name: t, conditions: '{conditions}', log: {{}}{more}}}")


def body(payload: str, conditions: str) -> str:
    return sensor(
        AB, f"- template: {{name: t, conditions: '{conditions}', http: {{url: 'https://x.example', payload: [{payload}]}}}}"
    )


FETCHED = "- template: {name: t, k8s: {source: {url: {path: 'https://x.example/a.yaml'}}}}"
FROM_B = "{src: {dependencyName: b, dataKey: body.x}, dest: x}"
CASES: list[tuple[FaultKind, str, str]] = [
    (FaultKind.UNREADABLE, "a: [", HOOKS),
    (
        FaultKind.UNKNOWN_FIELD,
        data("path: body.a, type: string, value: [x], valeu: y"),
        data("path: body.a, type: string, value: [x]"),
    ),
    (FaultKind.UNKNOWN_FIELD, sensor(triggers="- template: {name: t, openwhisk: {}}"), sensor()),
    (FaultKind.MISSPELT_PROTECTION, HOOKS.replace("authSecret", "auth"), HOOKS),
    (FaultKind.MISSING, sensor(triggers="- template: {name: t}"), sensor()),
    (FaultKind.WRONG_TYPE, data("path: body.a, type: string, value: x"), data("path: body.a, type: string, value: [x]")),
    (FaultKind.NOT_SUPPORTED, sensor(triggers="- template: {name: t, openWhisk: {}}"), sensor()),
    (FaultKind.DUPLICATE_NAME, sensor(triggers=f"{LOG}\n{LOG}"), sensor(triggers=f"{LOG}\n{LOG.replace('name: t', 'name: u')}")),
    (FaultKind.INVALID, data("path: body.a, type: string, value: ['(']"), data("path: body.a, type: string, value: ['x']")),
    (FaultKind.UNKNOWN_DEPENDENCY, when("a && c"), when("a || b")),
    (
        FaultKind.TEMPLATE_MISMATCH,
        TEMPLATE + made(f"{OBJECT}, spec: {{workflowTemplateRef: {{name: ci}}}}", dest="metadata.name"),
        TEMPLATE + made(f"{OBJECT}, spec: {{workflowTemplateRef: {{name: ci}}, arguments: {{parameters: [{{name: ref}}]}}}}"),
    ),
    (FaultKind.TEMPLATE_MISMATCH, made(WORKFLOW.replace("entrypoint: main", "entrypoint: mian")), made()),
    (FaultKind.WRONG_PLACE, made(dest="spec.arguments.parameters.1.value"), made()),
    (
        FaultKind.SOURCE_MISMATCH,
        HOOKS + "---\n" + sensor(PUSH.replace("eventName: push", "eventName: pull")),
        HOOKS + "---\n" + sensor(),
    ),
    (
        FaultKind.SOURCE_MISMATCH,
        HOOKS + "---\n" + sensor(more="eventBusName: other"),
        HOOKS + "---\n" + sensor(more="eventBusName: default"),
    ),
    (
        FaultKind.NO_SUCH_VALUE,
        HOOKS + "---\n" + data("path: action, type: string, value: [x]"),
        HOOKS + "---\n" + data("path: body.action, type: string, value: [x]"),
    ),
    (FaultKind.NO_SUCH_VALUE, HOOKS + "---\n" + made(src="dataKey: ref"), HOOKS + "---\n" + made(src="dataKey: ref, value: main")),
    (
        FaultKind.SAME_ROUTE,
        HOOKS.replace("webhook: {", f"webhook: {{again: {{{ROUTE}}}, "),
        HOOKS.replace("webhook: {", f"webhook: {{again: {{{ROUTE.replace('/push', '/again')}}}, "),
    ),
    (
        FaultKind.SAME_ROUTE,
        HOOKS + "---\n" + HOOKS.replace("name: hooks", "name: others"),
        HOOKS + "---\n" + HOOKS.replace("name: hooks", "name: others").replace("12000", "12001"),
    ),
    (
        FaultKind.NOT_EQUAL_TO_SEVERAL,
        data('path: body.a, type: string, comparator: "!=", value: [x, z]'),
        data('path: body.a, type: string, comparator: "!=", value: [x]'),
    ),
    (
        FaultKind.ORDERED_STRINGS,
        data('path: body.a, type: string, comparator: ">", value: [x]'),
        data('path: body.a, type: number, comparator: ">", value: ["1"]'),
    ),
    (
        FaultKind.IGNORED_COMPARATOR,
        data('path: body.a, type: bool, comparator: "!=", value: ["true"]'),
        data('path: body.a, type: bool, value: ["true"]'),
    ),
    (
        FaultKind.OR_DROPS_ON_ERROR,
        filtered("data: [{path: body.a, type: string, value: [x]}], context: {type: webhook}", ", filtersLogicalOperator: or"),
        filtered("context: {type: webhook}", ", filtersLogicalOperator: or"),
    ),
    (FaultKind.NEVER_TRUE, HOOKS.replace("method: POST", "method: PUT"), HOOKS),
    (
        FaultKind.NEVER_TRUE,
        HOOKS.replace("method: POST", "method: POST, dedupe: {header: Content-Type}"),
        HOOKS.replace("method: POST", "method: POST, dedupe: {header: X-Id}"),
    ),
    (
        FaultKind.NEVER_TRUE,
        HOOKS + "---\n" + data("path: header.X-Kind, type: string, value: ['^push$']"),
        HOOKS + "---\n" + data("path: header.X-Kind.0, type: string, value: ['^push$']"),
    ),
    (FaultKind.NEVER_TRUE, when("a && !a"), when("a || b")),
    (FaultKind.IGNORED, when("a || b", ", within: 10m"), when("a && b", ", within: 10m")),
    (FaultKind.IGNORED, filtered("context: {type: webhook, id: x}"), filtered("context: {type: webhook}")),
    (
        FaultKind.IGNORED,
        sensor(triggers="- template: {name: t, log: {}}\n  dlqTrigger: {template: {name: d, conditions: push, log: {}}}"),
        sensor(triggers="- template: {name: t, log: {}}\n  dlqTrigger: {template: {name: d, log: {}}}"),
    ),
    (
        FaultKind.UNNAMED_VALUE,
        filtered("exprs: [{expr: 'a == b', fields: [{path: body.a, name: a}]}]"),
        filtered("exprs: [{expr: 'a == 1', fields: [{path: body.a, name: a}]}]"),
    ),
    (
        FaultKind.BROKEN_TEMPLATE,
        made(src="dataKey: body.ref, dataTemplate: '{{ .Input'"),
        made(src="dataKey: body.ref, dataTemplate: '{{ .Input.body.ref }}'"),
    ),
    (FaultKind.UNSEEN_WHILE_DOWN, minio("s3:ObjectRemoved:Delete"), minio("s3:ObjectCreated:Put")),
    (FaultKind.HOOK_INACTIVE, github(""), github(", active: true")),
    (FaultKind.HELD_WITHOUT_END, when("a && !b"), when("a && !b", ", within: 1h")),
    (FaultKind.WHOLE_EVENT, made(src="useRawData: false"), made()),
    (FaultKind.UNUSABLE_BUS, bus("kafka: {url: u, tls: {}}"), bus("kafka: {url: u, tls: {enabled: true}}")),
    (
        FaultKind.POINTLESS,
        sensor(triggers=f"{LOG}\n  once: {{key: '{{{{ .push.body.id }}}}', for: 5s}}"),
        sensor(triggers=f"{LOG}\n  once: {{key: '{{{{ .push.body.id }}}}', for: 1h}}"),
    ),
    (FaultKind.POINTLESS, when("count(a) >= 1 && b", ", within: 1h"), when("count(a) >= 2 && b", ", within: 1h")),
    (FaultKind.POINTLESS, filtered("git: {branches: ['*']}"), filtered("git: {branches: ['**']}")),
    (FaultKind.FIXED_NAME, made(WORKFLOW.replace("generateName: ci-", "name: ci")), made()),
    (FaultKind.ABSENT_DEPENDENCY, body(FROM_B, "a || b"), body(FROM_B, "a && b")),
    (FaultKind.ABSENT_DEPENDENCY, body(FROM_B, "a"), body(FROM_B.replace("body.x", "body.x, value: d"), "a")),
    (FaultKind.REMARK, HOOKS.replace("endpoint: /push", "endpoint: push"), HOOKS),
    (FaultKind.OPEN_ROUTE, HOOKS.replace(", authSecret: {name: a, key: b}", ""), HOOKS),
    (FaultKind.CODE_INJECTION, HOOKS + "---\n" + made(SCRIPT), HOOKS + "---\n" + made()),
    (
        FaultKind.OPEN_CODE_INJECTION,
        HOOKS.replace(", authSecret: {name: a, key: b}", "") + "---\n" + made(SCRIPT),
        HOOKS + "---\n" + made(SCRIPT),
    ),
    (
        FaultKind.CHOSEN_SOURCE,
        sensor(
            triggers=f"{FETCHED}\n  parameters: [{{src: {{dependencyName: push, dataKey: body.url}}, dest: k8s.source.url.path}}]"
        ),
        sensor(triggers=FETCHED),
    ),
    (FaultKind.UNPROTECTED, sensor(triggers=FETCHED.replace("https", "http")), sensor(triggers=FETCHED)),
    (FaultKind.HARMLESS, sensor(more="replicas: 2"), sensor()),
    (FaultKind.EMBEDDED_BUS, bus("jetstream: {version: latest}"), HOOKS),
]


def lint(text: str) -> list[Finding]:
    loaded = load_documents(text, "m.yaml")
    return [
        *(
            Finding("TIP100", "unreadable", "error", error.path, error.problem, error.remedy, "m.yaml", 1)
            for error in loaded.errors
        ),
        *lint_documents(loaded.documents, "argo"),
    ]


@pytest.mark.parametrize(
    ("kind", "text", "clean"), CASES, ids=[f"{BY_KIND[kind].id}-{number}" for number, (kind, *_) in enumerate(CASES)]
)
def test_a_rule_speaks_of_what_it_is_about_and_is_silent_otherwise(kind: FaultKind, text: str, clean: str) -> None:
    rule = BY_KIND[kind].id
    assert rule in {one.rule for one in lint(text)}, lint(text)
    assert rule not in {one.rule for one in lint(clean)}, [one for one in lint(clean) if one.rule == rule]


def test_every_rule_has_such_a_manifest() -> None:
    told = {kind for kind, *_ in CASES} | {FaultKind.SAME_OBJECT}  # which takes two files: test_lint
    assert {rule.id for rule in RULES} == {BY_KIND[kind].id for kind in told}


def test_every_finding_has_a_rule_a_text_and_a_remedy() -> None:
    ids = {rule.id for rule in RULES}
    for _, text, clean in CASES:
        for one in lint(text) + lint(clean):
            assert one.rule in ids
            assert one.text
            assert one.remedy
