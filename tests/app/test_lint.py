"""Lint: rules, places, remedies and formats; and text of events followed into code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.app.findings import Finding, shown
from tiphys.app.lint import lint_documents, lint_paths
from tiphys.app.rules import BY_KIND, RULES
from tiphys.errors import FaultKind, SettingsError
from tiphys.schema.loader import Document, load_documents

SOURCE = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: hooks}
spec:
  webhook:
    push: {endpoint: /push, port: "12000", method: POST}
"""
SIGNED = SOURCE.replace("method: POST", "method: POST, authSecret: {name: a, key: b}")
GITHUB = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: hooks}
spec:
  github:
    push:
      repositories: [{owner: o, names: [r]}]
      webhook: {endpoint: /push, port: "12000", method: POST}
      events: ["*"]
      webhookSecret: {name: a, key: b}
"""
SENSOR = """\
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: ci}
spec:
  dependencies:
  - name: push
    eventSourceName: hooks
    eventName: push
    filters:
      data: [{path: body.kind, type: string, value: [push]}]
  triggers:
  - template:
      name: ci
      k8s:
        operation: create
        source:
          resource:
            apiVersion: argoproj.io/v1alpha1
            kind: Workflow
            metadata: {generateName: ci-}
            spec:
              entrypoint: main
              arguments: {parameters: [{name: branch, value: main}]}
              templates:
              - name: main
                steps:
                - - name: build
                    template: build
                    arguments: {parameters: [{name: ref, value: "{{workflow.parameters.branch}}"}]}
              - name: build
                inputs: {parameters: [{name: ref}]}
                container: {image: alpine, command: [sh, -c], args: ["git checkout '{{inputs.parameters.ref}}'"]}
        parameters:
        - src: {dependencyName: push, dataKey: body.ref}
          dest: spec.arguments.parameters.0.value
"""
REFERENCE = """\
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: ci}
spec:
  dependencies:
  - {name: push, eventSourceName: hooks, eventName: push}
  triggers:
  - template:
      name: ci
      workflow:
        templateRef: {name: ci}
        arguments: {branch: "{{ .push.body.ref }}"}
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: ci}
spec:
  entrypoint: main
  arguments: {parameters: [{name: branch}]}
  templates:
  - name: main
    inputs: {parameters: [{name: branch}]}
    script: {image: python, command: [python], source: "print('{{inputs.parameters.branch}}')"}
"""


def lint(*texts: str) -> list[Finding]:
    return list(lint_documents(load_documents("---\n".join(texts), "m.yaml").all(), "argo"))


def rules(*texts: str) -> set[str]:
    return {one.rule for one in lint(*texts)}


def filtered(filters: str, more: str = "") -> str:
    return SENSOR.replace("      data: [{path: body.kind, type: string, value: [push]}]", filters).replace(
        "    eventName: push\n", f"    eventName: push\n{more}"
    )


def test_text_of_an_open_route_in_a_shell_command_is_an_error_at_its_parameter() -> None:
    found = [one for one in lint(SOURCE, SENSOR) if one.rule == "TIP303"]
    text = f"{SOURCE}---\n{SENSOR}"
    line = next(number for number, one in enumerate(text.splitlines(), 1) if "dataKey: body.ref" in one)
    assert [(one.level, one.file, one.line) for one in found] == [("error", "m.yaml", line)]
    assert "branch" in found[0].text
    assert "container.args[0] of template build" in found[0].text


def test_text_of_an_authenticated_route_in_a_shell_command_is_a_warning() -> None:
    assert rules(SIGNED, SENSOR) == {"TIP302"}
    assert rules(GITHUB, SENSOR) == {"TIP302"}


def test_text_is_followed_into_the_script_of_a_workflow_template() -> None:
    found = [one for one in lint(SOURCE, REFERENCE) if one.rule == "TIP303"]
    assert [one.path for one in found] == ["spec.triggers[0].template.workflow.arguments.branch"]
    assert "script.source of template main of WorkflowTemplate ci (m.yaml:" in found[0].text


def test_a_parameter_that_writes_into_a_script_is_code_itself() -> None:
    sensor = SENSOR.replace("spec.arguments.parameters.0.value", "spec.templates.1.container.args.0")
    assert "TIP303" in rules(SOURCE, sensor)


@pytest.mark.parametrize(
    "sensor",
    [
        SENSOR.replace("command: [sh, -c], args: [", "command: [git], args: [checkout, "),
        SENSOR.replace('["git checkout', '["git checkout main", "').replace("'{{inputs", "{{inputs").replace("ref}}'", "ref}}"),
        SENSOR.replace("dataKey: body.ref", "contextKey: type"),
        SENSOR.replace("dataKey: body.ref", "dataTemplate: '{{ .Input.body.ref | b64enc }}'"),
        SENSOR.replace("dataKey: body.ref", "dataTemplate: main"),
        SENSOR.replace("entrypoint: main", "entrypoint: other"),
        SENSOR.replace("eventSourceName: hooks", "eventSourceName: clock"),
        filtered('      data: [{path: body.ref, type: string, value: ["^refs/heads/(main|next)$"]}]'),
        filtered("      data: []", "    transform: {jq: .}\n"),
    ],
    ids=["argv", "after-the-code", "context", "encoded", "constant", "unreached", "no-request", "anchored", "transformed"],
)
def test_what_is_no_code_or_may_be_clean_is_not_flagged(sensor: str) -> None:
    clock = (
        "apiVersion: argoproj.io/v1alpha1\nkind: EventSource\nmetadata: {name: clock}\nspec: {calendar: {push: {interval: 10s}}}\n"
    )
    assert not rules(SOURCE, clock, sensor) & {"TIP302", "TIP303"}


def test_a_filter_that_is_not_anchored_at_both_ends_holds_nothing() -> None:
    for pattern in ("^refs/heads/main", "^refs/heads/.*$", "^main|next$", "^[^ ]+$", "^(main|.+)$", "^[!-z]+$"):
        assert "TIP303" in rules(SOURCE, filtered(f'      data: [{{path: body.ref, type: string, value: ["{pattern}"]}}]'))


def test_a_value_that_github_makes_is_text_only_where_anybody_could_have_sent_it() -> None:
    sensor = SENSOR.replace("body.ref", "body.after")
    assert "TIP302" not in rules(GITHUB, sensor)
    assert "TIP303" in rules(SOURCE, sensor)
    assert "TIP303" in rules(GITHUB.replace("      webhookSecret: {name: a, key: b}\n", ""), sensor)


GIVEN = 'value: "{{workflow.parameters.branch}}"}]}'
EACH = f'\n{" " * 20}withParam: "{{{{workflow.parameters.branch}}}}"'
COMMAND = "git checkout '{{inputs.parameters.ref}}'"


@pytest.mark.parametrize(
    ("sensor", "flows"),
    [
        (SENSOR.replace(COMMAND, "git checkout {{=inputs.parameters.ref}}"), True),
        (SENSOR.replace(COMMAND, "git checkout {{=sprig.trim(inputs.parameters['ref'])}}"), True),
        (SENSOR.replace(COMMAND, "git checkout {{=sprig.b64enc(inputs.parameters.ref)}}"), False),
        (SENSOR.replace(COMMAND, "git checkout {{=asInt(inputs.parameters.ref)}}"), False),
        (SENSOR.replace(COMMAND, "git checkout {{=inputs.parameters.ref == 'main'}}"), False),
        (SENSOR.replace(GIVEN, f'value: "{{{{item}}}}"}}]}}{EACH}'), True),
        (SENSOR.replace(GIVEN, f"value: main}}]}}{EACH}"), False),
        (SENSOR.replace("dest: spec.arguments.parameters.0.value", 'dest: spec.arguments.parameters.#(name=="branch").value'), True),
        (SENSOR.replace("dest: spec.arguments.parameters.0.value", 'dest: spec.arguments.parameters.#(name=="other").value'), False),
    ],
    ids=["expression", "function", "encoded", "number", "comparison", "item", "no-item", "query", "other-query"],
)  # fmt: skip
def test_text_is_followed_through_expressions_items_and_queries(sensor: str, flows: bool) -> None:
    assert sensor != SENSOR
    assert ("TIP303" in rules(SOURCE, sensor)) is flows


def test_text_is_followed_into_an_object_that_stands_in_a_text() -> None:
    document = load_documents(SENSOR).all()[0].object
    k8s = document["spec"]["triggers"][0]["template"]["k8s"]
    k8s["source"] = {"inline": json.dumps(k8s["source"]["resource"])}
    assert "TIP303" in rules(SOURCE, json.dumps(document))


def test_an_argument_with_a_pattern_or_an_enum_is_not_flagged() -> None:
    held = REFERENCE.replace('"{{ .push.body.ref }}"', "{from: push, path: body.ref, pattern: git-ref}")
    assert "TIP303" not in rules(SOURCE, held)
    assert "TIP303" not in rules(
        SOURCE, REFERENCE.replace("[{name: branch}]}\n  templates", "[{name: branch, enum: [a]}]}\n  templates")
    )


def test_or_over_kinds_of_which_one_can_err_is_warned_of() -> None:
    both = "      data: [{path: body.kind, type: string, value: [push]}]\n      context: {type: webhook}"
    operator = '    filtersLogicalOperator: "or"\n'
    assert "TIP204" in rules(SIGNED, filtered(both, operator))
    assert "TIP204" not in rules(SIGNED, filtered(both))
    assert "TIP204" not in rules(SIGNED, filtered("      context: {type: webhook}", operator))


@pytest.mark.parametrize(
    ("rule", "entry"),
    [
        ("TIP201", '{path: a, type: string, comparator: "!=", value: [x, z]}'),
        ("TIP202", '{path: a, type: string, comparator: ">", value: [x]}'),
        ("TIP203", '{path: a, type: bool, comparator: "!=", value: ["true"]}'),
        ("TIP101", "{path: a, type: string, value: [x], valeu: [y]}"),
    ],
)
def test_a_data_filter_that_is_seldom_meant_has_its_rule(rule: str, entry: str) -> None:
    assert rule in rules(SIGNED, filtered(f"      data: [{entry}]"))


def test_harmless_fields_are_one_line_of_information() -> None:
    sensor = SENSOR.replace(
        "        operation:", "        group: a\n        version: b\n        resource: c\n        operation:", 1
    )
    found = [
        one
        for one in lint(GITHUB.replace("spec:\n", "spec:\n  replicas: 1\n  service: {a: b}\n"), sensor)
        if one.level == "information"
    ]
    assert [one.rule for one in found] == ["TIP401"]
    assert all(field in found[0].text for field in ("spec.replicas", "spec.service", "k8s.group"))


def test_one_object_twice_is_an_error_in_a_file_and_one_line_across_files(tmp_path: Path) -> None:
    assert "TIP106" in rules(SIGNED, SIGNED)
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(SIGNED)
    assert [(one.rule, one.level, Path(one.file).name) for one in lint_paths([tmp_path], "argo")] == [
        ("TIP110", "information", "b.yaml")
    ]


def test_findings_come_in_the_order_of_files_and_lines_and_a_path_given_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{SENSOR}---\n{SOURCE}---\na: [\n")
    found = lint_paths([tmp_path, tmp_path / "a.yaml"], "argo")
    assert [one.line for one in found] == sorted(one.line for one in found)
    assert [one.rule for one in found] == ["TIP303", "TIP301", "TIP100"]
    with pytest.raises(SettingsError):
        lint_paths([tmp_path / "none"], "argo")


def test_each_form_says_the_rule_the_place_and_the_remedy() -> None:
    finding = Finding("TIP101", "unknown-field", "error", "spec.x", "100%\nwrong", "do: this, that", "a,b:c d.yaml", 7)
    assert shown([finding], "github") == (
        "::error file=a%2Cb%3Ac d.yaml,line=7,title=TIP101 unknown-field::spec.x: 100%25%0Awrong; do: this, that\n"
    )
    assert json.loads(shown([finding], "json"))[0] == {
        "rule": "TIP101", "name": "unknown-field", "level": "error", "path": "spec.x", "text": "100%\nwrong",
        "remedy": "do: this, that", "file": "a,b:c d.yaml", "line": 7,
    }  # fmt: skip
    assert shown([finding], "text").endswith("do: this, that [TIP101 unknown-field]\n1 error, 0 warnings, 0 for information\n")


def test_sarif_has_every_rule_and_the_place_of_each_finding() -> None:
    findings = [
        Finding("TIP301", "open-webhook", "warning", "spec.x", "is open", "close it", "a b.yaml", 7),
        Finding("TIP402", "embedded-bus", "information", "spec", "asks", "nothing", "", 0),
    ]
    log = json.loads(shown(findings, "sarif"))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [rule.id for rule in RULES]
    first, second = run["results"]
    assert (first["ruleId"], first["level"]) == ("TIP301", "warning")
    assert first["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "a%20b.yaml"}, "region": {"startLine": 7}}
    assert (second["level"], "locations" in second) == ("note", False)


def test_every_kind_of_finding_has_one_rule_and_every_rule_one_id() -> None:
    assert set(BY_KIND) == set(FaultKind)
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_a_dependency_that_a_parameter_of_the_template_will_name_is_no_fault() -> None:
    sensor = SENSOR.replace("dependencyName: push, dataKey: body.ref", "dependencyName: LATER, dataKey: body.ref")
    assert "TIP108" in rules(SIGNED, sensor)
    named = (
        sensor
        + "    parameters:\n    - src: {dependencyName: push, dataKey: body.name}\n      dest: k8s.parameters.0.src.dependencyName\n"
    )
    assert "TIP108" not in rules(SIGNED, named)


keys = st.sampled_from(
    ["templates", "name", "main", "script", "source", "container", "args", "command", "steps", "dag", "tasks", "arguments", "parameters",
     "template", "templateRef", "k8s", "argoWorkflow", "workflow", "resource", "spec", "dest", "src", "entrypoint", "triggers",
     "dependencies"]
)  # fmt: skip
shapes = st.recursive(
    st.none()
    | st.integers()
    | st.sampled_from(["main", "sh", "-c", "{{inputs.parameters.a}}", "spec.arguments.parameters.0.value"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=30,
)


@given(shapes, shapes)
def test_any_shape_of_sensor_and_template_is_survived(sensor: object, template: object) -> None:
    version = "argoproj.io/v1alpha1"
    documents = [
        Document({"apiVersion": version, "kind": "Sensor", "metadata": {"name": "a"}, "spec": sensor}, "fuzz"),
        Document({"apiVersion": version, "kind": "WorkflowTemplate", "metadata": {"name": "main"}, "spec": template}, "fuzz"),
    ]
    assert all(one.text and one.remedy for one in lint_documents(documents, "argo"))


def test_a_route_whose_protection_is_misspelt_is_told_of_once() -> None:
    assert rules(SIGNED.replace("authSecret", "auth")) == {"TIP102"}


def test_a_parameter_that_cannot_be_read_hides_nothing_of_its_trigger() -> None:
    template = REFERENCE.partition("---\n")[2].replace("[{name: branch}]", "[{name: branch}, {name: user}]", 1)
    trigger = """\
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: ci}
spec:
  dependencies:
  - {name: push, eventSourceName: hooks, eventName: push}
  triggers:
  - template:
      name: t
      argoWorkflow:
        operation: submit
        source:
          resource:
            apiVersion: argoproj.io/v1alpha1
            kind: Workflow
            metadata: {generateName: ci-}
            spec: {workflowTemplateRef: {name: ci}, arguments: {parameters: [{name: branch}]}}
        parameters:
        - src: {dependencyName: push, dataKey: body.ref}
        - src: {dependencyName: push, dataKey: ref}
          dest: spec.arguments.parameters.0.value
"""
    found = {
        (one.rule, one.path.removeprefix("spec.triggers[0].template.argoWorkflow.")) for one in lint(SIGNED, trigger, template)
    }
    assert found >= {
        ("TIP103", "parameters[0]"),
        ("TIP109", "source.resource.spec.arguments"),
        ("TIP113", "parameters[1].src.dataKey"),
    }


def test_a_name_that_several_files_have_means_the_nearest(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "source.yaml").write_text(SIGNED.replace("push:", f"{folder}:"))
        sensor = (
            SENSOR.replace("eventName: push", f"eventName: {folder}")
            .replace("{{inputs", "x{{inputs")
            .replace("command: [sh, -c]", "command: [git]")
        )
        (tmp_path / folder / "sensor.yaml").write_text(sensor)
    assert {one.rule for one in lint_paths([tmp_path], "argo")} == {"TIP110"}
    (tmp_path / "two" / "source.yaml").unlink()
    assert {one.rule for one in lint_paths([tmp_path], "argo")} == {"TIP110", "TIP112"}


@pytest.mark.parametrize("name", ["hoks", "hoooks", "hocks", "hosok", "hook"])
def test_a_source_that_is_one_letter_apart_is_what_was_meant(name: str) -> None:
    quiet = SENSOR.replace("command: [sh, -c]", "command: [git]")
    found = lint(SIGNED, quiet.replace("eventSourceName: hooks", f"eventSourceName: {name}"))
    expected = [] if name == "hosok" else [("TIP112", "warning", "did you mean hooks?")]
    assert [(one.rule, one.level, one.remedy) for one in found] == expected
    assert lint(SIGNED, quiet.replace("eventSourceName: hooks", "eventSourceName: hooky-x")) == []
