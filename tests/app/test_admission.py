"""Manifests: refused with `file:line: path: what is wrong; what to do`, accepted with what their owner should know."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.app.admission import Accepted, admit
from tiphys.app.lint import lint_documents
from tiphys.app.templates import KnownTemplates
from tiphys.errors import FieldError, ManifestError
from tiphys.schema.loader import Document, load_documents

SENSOR = """\
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: ci, namespace: argo}
spec:
  dependencies:
  - name: push
    eventSourceName: github
    eventName: repo
  triggers:
  - template:
      name: build
      k8s:
        operation: create
        source:
          resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: note-}}
"""
SOURCE = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: hooks}
spec:
  webhook:
    in: {endpoint: /in, port: "12000", method: POST}
"""


def document(text: str) -> Document:
    return load_documents(text, "m.yaml").all()[0]


def admitted(text: str, **options: bool) -> Accepted:
    return admit(document(text), "argo", **options)


def refused(text: str, **options: bool) -> str:
    with pytest.raises(ManifestError) as caught:
        admitted(text, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: build\n", "name: 7\n", "m.yaml:11: spec.triggers[0].template.name: must be a string (found 7); put it in quotes"),
        ("name: build\n", "title: build\n", "m.yaml:10: spec.triggers[0].template.name: is missing"),
        ("eventName: repo", "eventName: [a]", "m.yaml:8: spec.dependencies[0].eventName: must be a string"),
        (
            "      k8s:",
            "      conditions: push && pull\n      k8s:",
            "m.yaml:12: spec.triggers[0].template.conditions: 'pull' is not",
        ),
        ("operation: create", "operation: crate", "m.yaml:13: spec.triggers[0].template.k8s.operation"),
        ("apiVersion: argoproj.io/v1alpha1", "apiVersion: argoproj.io/v1", "m.yaml:1: apiVersion: must be argoproj.io/v1alpha1"),
    ],
)
def test_a_wrong_field_is_refused_with_its_line_path_and_remedy(old: str, new: str, said: str) -> None:
    assert said in refused(SENSOR.replace(old, new, 1))


def filtered(entry: str) -> str:
    return SENSOR.replace("    eventName: repo\n", f"    eventName: repo\n    filters:\n      data:\n      - {entry}\n")


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ('{path: body, type: string, value: ["("]}', "filters.data[0].value[0]"),
        ('{path: body, type: number, value: ["ten"]}', "filters.data[0].value[0]"),
        ('{path: body, type: bool, value: ["yes"]}', "filters.data[0].value[0]"),
        ('{path: body, type: text, value: ["a"]}', "filters.data[0].type"),
        ("{path: body, type: string, value: a}", "filters.data[0].value"),
        ("{path: body, type: string, value: []}", "filters.data[0].value"),
        ('{path: body, type: string, value: [""]}', "filters.data[0].value"),
        ('{path: "a.#(b", type: string, value: ["a"]}', "filters.data[0].path"),
        ('{path: body, type: string, comparator: "=~", value: ["a"]}', "filters.data[0].comparator"),
        ('{path: body, type: string, value: ["a"], template: "{{ .Input"}', "filters.data[0].template"),
    ],
)
def test_a_bad_regular_expression_path_template_or_value_is_refused_at_load(entry: str, path: str) -> None:
    assert f"m.yaml:11: spec.dependencies[0].{path}" in refused(filtered(entry))


FIELD = "fields: [{path: body.count, name: count}]"


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("filters: {exprs: [{expr: a, fields: []}]}", "filters.exprs[0].fields"),
        (f"filters: {{exprs: [{{expr: 'count ==', {FIELD}}}]}}", "filters.exprs[0].expr"),
        ("filters: {exprs: [{expr: n, fields: [{path: '', name: n}]}]}", "filters.exprs[0].fields[0].path"),
        ('filters: {time: {start: "1"}}', "filters.time.stop"),
        ('filters: {time: {start: "09:00:00", stop: "24:00:00"}}', "filters.time.stop"),
        ('filters: {time: {start: "09:00:00", stop: "09:00:00"}}', "filters.time.stop"),
        ('filters: {time: {start: "09:00:00", stop: "10:00:00", timezone: Mars/Olympus}}', "filters.time.timezone"),
        ("filters: {script: 'return ('}", "filters.script"),
        ("filters: {git: {branches: ['[']}}", "filters.git.branches[0]"),
        ("transform: {jq: 'bad('}", "transform.jq"),
        ("transform: {script: 'return ('}", "transform.script"),
        ("filtersLogicalOperator: xor", "filtersLogicalOperator"),
    ],
)
def test_a_filter_or_transform_that_can_never_work_is_refused_at_load_with_its_path(spec: str, path: str) -> None:
    text = SENSOR.replace("    eventName: repo\n", f"    eventName: repo\n    {spec}\n")
    assert f"spec.dependencies[0].{path}: " in refused(text)


def test_every_fault_of_a_manifest_is_told_at_once() -> None:
    text = SENSOR.replace("    name: build", "    name: 7").replace("eventName: repo", "eventName: 8")
    assert refused(text.replace("name: build", "name: 7")).count("must be a string") == 2


def test_argo_events_1377_a_trigger_without_a_template_is_refused() -> None:
    text = SENSOR[: SENSOR.index("  - template:")] + "  - {}\n"
    assert "m.yaml:10: spec.triggers[0].template: is missing" in refused(text)


def test_an_unknown_field_is_accepted_with_the_nearest_known_one_and_refused_when_strict() -> None:
    text = SENSOR.replace("eventName: repo", "eventName: repo\n    filtersLogicalOperater: or")
    notice = next(one for one in admitted(text).notices if one.level == "error")
    assert (notice.path, notice.where) == ("spec.dependencies[0].filtersLogicalOperater", "m.yaml:9")
    assert "filtersLogicalOperator" in notice.text
    assert "is no field" in refused(text, strict=True)


def test_a_field_that_argo_events_dropped_is_an_information_at_most() -> None:
    text = SENSOR.replace(
        "      k8s:\n", "      k8s:\n        group: argoproj.io\n        version: v1alpha1\n        resource: workflows\n"
    )
    assert {notice.level for notice in admitted(text).notices} <= {"information"}


def test_null_is_the_same_as_absent() -> None:
    assert admitted(SENSOR.replace("  dependencies:", "  template:\n  loggingFields: null\n  dependencies:")).name == "ci"


def test_an_unknown_field_that_looks_as_if_it_should_protect_is_refused() -> None:
    assert "looks as if it should protect" in refused(SOURCE.replace("method: POST", "method: POST, auth: {name: a, key: b}"))


def test_not_equal_to_several_values_is_warned_of_argo_events_3215() -> None:
    notices = admitted(filtered('{path: body, type: string, comparator: "!=", value: ["a", "b"]}')).notices
    assert any("nearly always" in notice.text for notice in notices)


def test_a_change_of_status_or_resource_version_is_no_new_version() -> None:
    first = admitted(SENSOR)
    second = admitted(
        SENSOR.replace("namespace: argo}", 'namespace: argo, resourceVersion: "7", generation: 3}') + "status: {a: 1}\n"
    )
    assert first.body == second.body
    assert second.generation == 3


TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: ci, namespace: argo}
spec:
  entrypoint: main
  arguments: {parameters: [{name: revision}, {name: level, value: low, enum: [low, high]}]}
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{revision: abc}", ""),
        ("{revison: abc}", "revison"),
        ("{}", "revision"),
        ("{revision: abc, level: middle}", "middle"),
    ],
)
def test_arguments_are_checked_against_what_the_template_declares_when_the_manifest_loads(arguments: str, said: str) -> None:
    templates = KnownTemplates()
    templates.put("WorkflowTemplate", "argo", "ci", document(TEMPLATE).object)
    text = (
        SENSOR[: SENSOR.index("      k8s:")]
        + f"      workflow:\n        templateRef: {{name: ci}}\n        arguments: {arguments}\n"
    )
    if not said:
        admit(document(text), "argo", templates)
        return
    with pytest.raises(ManifestError, match=said):
        admit(document(text), "argo", templates)


def test_one_broken_document_does_not_hide_the_others() -> None:
    loaded = load_documents(f"{SENSOR}---\na: [\n---\n{SOURCE}", "m.yaml")
    assert [one.object["kind"] for one in loaded.documents] == ["Sensor", "EventSource"]
    assert len(loaded.errors) == 1
    assert not [finding for finding in lint_documents(loaded.documents, "argo") if finding.level == "error"]


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=6)
shapes = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["dependencies", "triggers", "template", "name", "k8s", "filters", "data", "source", "webhook", "git", "x"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(shapes, st.sampled_from(["Sensor", "EventSource"]))
def test_any_shape_is_accepted_or_refused_with_its_fields(spec: object, kind: str) -> None:
    obj = {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    errors: tuple[FieldError, ...] = ()
    try:
        admit(Document(obj, "fuzz"), "argo")
    except ManifestError as error:
        errors = error.errors
    assert all(one.path and one.problem for one in errors)


def test_the_quickstart_has_no_finding_but_its_open_webhook() -> None:
    folder = Path(__file__).parents[2] / "examples" / "quickstart"
    documents = [one for file in sorted(folder.glob("*.yaml")) for one in load_documents(file.read_text(), file.name).all()]
    assert [(one.level, one.path) for one in lint_documents(documents, "argo")] == [("warning", "spec.webhook.message")]
