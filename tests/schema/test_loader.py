"""Manifests are read as kubectl reads them, every error has its line, and no text can exhaust the process."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tiphys.errors import FieldError, ManifestError
from tiphys.schema import loader
from tiphys.schema.loader import load_documents, parse_path
from tiphys.schema.yaml_events import MAX_DEPTH


def value(text: str) -> Any:
    (document,) = load_documents(f"v: {text}\n").all()
    return document.object["v"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=", "="), ("12:30", "12:30"), ("12:30:00", "12:30:00"), ("2024-01-01", "2024-01-01"),
        ("2024-01-01 10:00:00", "2024-01-01 10:00:00"), ("0o17", 15), ("017", 15), ("08", 8), ("0x1F", 31), ("0b11", 3),
        ("-0b11", -3), ("1_000", 1000), ("+5", 5), ("-0x10", -16), ("yes", True), ("on", True), ("y", True), ("No", False),
        ("OFF", False), ("oN", "oN"), ("~", None), ("null", None), ("", None), ("1e3", 1000), ("1.0", 1), ("1.", 1),
        (".5", 0.5), ("1.50", 1.5), ("1e-7", 1e-07), ("1e400", "1e400"), ("1e21", 1e+21), ("12e03", 12000),
        ("18446744073709551615", 18446744073709551615), ("9007199254740993", 9007199254740993),
        ("18446744073709551616", 1.8446744073709552e+19), ("_1", "_1"), ("1__0", 10), (".", "."), ("0b2", "0b2"),
        ("0x", "0x"), ("'on'", "on"), ('"12"', "12"), ("<<", "<<"), ("!!str 12", "12"), ('!!int "3"', 3), ("!!float 3", 3),
        ("!!binary aGk=", "hi"), ("!foo 12", "12"), ("! 12", "12"), ("!!timestamp 2001-01-01", "2001-01-01"),
    ],
)  # fmt: skip
def test_a_scalar_means_what_kubectl_takes_it_for(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".nan", "!!int x", "!!int 1.5", "!!null x", '!!binary "???"', "!!bool 1"])
def test_a_scalar_that_kubectl_cannot_send_is_refused(text: str) -> None:
    (error,) = load_documents(f"a: 1\nv: {text}\n", "f.yaml").errors
    assert (error.path, error.where) == ("v", "f.yaml:2")
    assert error.remedy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1: a\n1.5: b\ntrue: c\n0x10: d\n", {"1": "a", "1.5": "b", "true": "c", "16": "d"}),
        ("1e6: a\n", {"1e+06": "a"}),
        ("16777217.5: a\n", {"1.6777218e+07": "a"}),
        ("on: a\n", {"true": "a"}),
        ("2024-01-01: a\n=: b\n", {"2024-01-01": "a", "=": "b"}),
    ],
)
def test_a_key_is_text_as_in_json(text: str, expected: object) -> None:
    assert load_documents(text).all()[0].object == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x {k: 1}\nb: *x\n", {"a": {"k": 1}, "b": {"k": 1}}),
        ("a: &x {k: 1}\nb: {<<: *x, k: 2}\n", {"a": {"k": 1}, "b": {"k": 2}}),
        ("k: 1\n<<: {k: 2}\n", {"k": 2}),
        ("<<: [{a: 1}, {a: 2, b: 2}]\n", {"a": 1, "b": 2}),
        ("? a\n: b\n", {"a": "b"}),
        ("&k a: 1\nb: *k\n", {"a": 1, "b": "a"}),
    ],
)
def test_aliases_and_merges_are_written_out(text: str, expected: object) -> None:
    assert load_documents(text).all()[0].object == expected


def test_what_an_alias_stands_for_is_a_copy() -> None:
    (document,) = load_documents("a: &x {k: 1}\nb: *x\n").all()
    document.object["a"]["k"] = 2
    assert document.object["b"] == {"k": 1}


@pytest.mark.parametrize(
    ("text", "where", "path", "problem", "remedy"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3", "a", "is written twice, in line 1 and in line 3", "keep one of them"),
        ("s:\n  t:\n  - {p: 1, m: 2, p: 3}\n", "f:3", "s.t[0].p", "is written twice", "keep one"),
        ("a: b: c\n", "f:1", "document", "mapping values are not allowed", "quotes"),
        ("a: 1\nb:\n\tc: 1\n", "f:3", "document", "cannot start any token", "spaces"),
        ("a: [1\nb: 2\n", "f:2", "document", "did not find expected ','", "bracket"),
        ("a: 'x\n", "f:2", "document", "unexpected end of stream", "quotes"),
        ("a: 1\n b: 2\n", "f:2", "document", "not allowed", "indentation"),
        ("a: *gone\n", "f:1", "a", "no anchor &gone", "define"),
        ("a: &x [*x]\n", "f:1", "a[0]", "within what it names", "write"),
        ("~: 1\n", "f:1", "document", "key is missing", "quotes"),
        ("? [a]\n: 1\n", "f:1", "document", "cannot be a key", "text"),
        ("<<: 3\n", "f:1", "document", "wants a map", "alias"),
        ("- a\n", "f:1", "document", "must be a map, this is a list", "apiVersion"),
        ("just text\n", "f:1", "document", "must be a map", "apiVersion"),
        ("a: 1\nb: \x01\n", "f:2", "document", "not allowed", "out"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_a_remedy(text: str, where: str, path: str, problem: str, remedy: str) -> None:
    (error,) = load_documents(text, "f").errors
    assert (error.where, error.path) == (where, path)
    assert problem in error.problem
    assert remedy in error.remedy


def test_the_other_documents_of_a_file_are_read_although_one_is_wrong() -> None:
    loaded = load_documents("a: 1\n---\nb: c: d\n---\n# nothing\n---\ne: 5\n", "f")
    assert [document.object for document in loaded.documents] == [{"a": 1}, {"e": 5}]
    assert [error.where for error in loaded.errors] == ["f:3"]
    with pytest.raises(ManifestError):
        loaded.all()


@pytest.mark.parametrize("text", ["", "\n", "---\n", "# only a comment\n", "---\n---\n...\n", "null\n", "\ufeff"])
def test_a_document_without_content_is_none(text: str) -> None:
    assert load_documents(text) == loader.Loaded((), ())


def test_documents_are_cut_where_the_line_begins_with_three_dashes_only() -> None:
    loaded = load_documents('--- # first\na: |\n  x\n   --- y\n  z: 1\n--- {b: "---"}\n---\tc: 1\n---\nd: ---x\n', "f")
    assert [document.object for document in loaded.documents] == [{"a": "x\n --- y\nz: 1\n"}, {"b": "---"}, {"d": "---x"}]
    assert [error.where for error in loaded.errors] == ["f:7"]


def test_a_yaml_directive_belongs_to_the_document_below() -> None:
    assert load_documents("# c\n%YAML 1.1\n---\na: 1\n---\nb: 2\n").all()[1].object == {"b": 2}


def test_line_ends_of_windows_and_a_byte_order_mark_change_nothing() -> None:
    text = "a: 1\r\nb:\r\n- c\r\n---\r\nd: |\r\n  e\r\n  f\r\n"
    for form in (text, "\ufeff" + text, text.encode(), b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16")):
        first, second = load_documents(form, "f").all()
        assert first.object == {"a": 1, "b": ["c"]}
        assert second.object == {"d": "e\nf\n"}
        assert (first.where(("b", 0)), second.where("d")) == ("f:3", "f:5")


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    (error,) = load_documents(b"a: 1\nb: \xff\xfe\n", "f").errors
    assert (error.where, error.remedy) == ("f:2", "save the file as UTF-8")
    assert load_documents("a: \ud800", "f").errors


def test_json_is_read_too_with_what_yaml_does_not_know_of_it() -> None:
    text = '{\n\t"a": "\\ud83d\\ude00\\/",\n\t"b": 1e3, "' + "k" * 2000 + '": [1.5, null]}'
    (document,) = load_documents(text).all()
    assert document.object["a"] == "😀/"
    assert document.object["k" * 2000] == [1.5, None]
    assert load_documents('{"a": "\\ud83d\\ude00", "a": 1}').errors[0].problem == "is written twice in one object"
    assert load_documents('{"a": "\\ud83d\\ude00", "b": NaN}').errors
    assert load_documents('{"a": 1').errors[0].where == "line 1"
    assert load_documents('{\n "a": 1,\n "b": {"c": 2}}', "f").all()[0].where("b.c") == "f:3"


LIST = """apiVersion: v1
kind: List
items:
- kind: Sensor
  spec: {a: 1}
- kind: EventSource
  spec:
    b: 2
- 7
"""


def test_a_list_is_its_items_each_with_its_own_lines() -> None:
    loaded = load_documents(LIST, "f")
    sensor, source = loaded.documents
    assert (sensor.object["kind"], sensor.where("spec.a"), source.where("spec.b"), source.line()) == ("Sensor", "f:5", "f:8", 6)
    assert str(loaded.errors[0]) == "f:9: items[2]: must be a map; write an object here"


MANIFEST = """# a comment
apiVersion: argoproj.io/v1alpha1
metadata:
  labels:
    app.kubernetes.io/name: x
spec:
  triggers:
  - template:
      name: a

      k8s:
        source:
          resource:
            data: {x.y: 1}
  - template:
      name: b
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", 2), ("spec", 6), ("spec.triggers", 7), ("spec.triggers[0]", 8), ("spec.triggers[0].template.name", 9),
        ("spec.triggers[1].template.name", 16), ("spec.triggers[1].template.gone.deeper", 15), ("spec.triggers[7]", 7), ("gone", 2),
        ("metadata.labels.app.kubernetes.io/name", 5), ("spec.triggers[0].template.k8s.source.resource.data.x.y", 14),
    ],
)  # fmt: skip
def test_the_line_of_a_field_is_where_its_key_stands_or_its_nearest_ancestors(path: str, line: int) -> None:
    (document,) = load_documents(MANIFEST, "f").all()
    assert document.where(path) == f"f:{line}"


def test_errors_of_a_model_get_their_place_in_the_order_of_the_text() -> None:
    (document,) = load_documents(MANIFEST, "f").all()
    errors = [
        FieldError("spec.triggers[1].template", "b"),
        FieldError("metadata.name", "a"),
        FieldError("spec", "c", where="elsewhere"),
    ]
    assert [error.where for error in document.locate(errors)] == ["f:3", "elsewhere", "f:15"]


def test_without_an_origin_the_place_is_the_line() -> None:
    assert load_documents("\n\na: 1\n").all()[0].where("a") == "line 3"


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("spec.triggers[0].x", ("spec", "triggers", 0, "x")),
        ("a[0][1]", ("a", 0, 1)),
        ("", ()),
        ("a", ("a",)),
        ("a[x].b", ("a[x]", "b")),
    ],
)
def test_the_path_of_an_error_is_read_back_as_steps(path: str, steps: tuple[str | int, ...]) -> None:
    assert parse_path(path) == steps


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        "v0: &v0 {x: 1}\n" + "".join(f"v{n}: &v{n} {{<<: [*v{n - 1}], k{n}: *v{n - 1}}}\n" for n in range(1, 30)),
        "a: " + "[" * 200_000,
        "a: " + "{b: " * 20_000,
        "".join(" " * depth + "a:\n" for depth in range(MAX_DEPTH + 5)),
        "a: [" + "1," * 600_000 + "]",
        "a: " + "x" * (loader.MAX_DOCUMENT + 1),
        '{"\\ud83d\\ude00":' + "[" * 100_000,
    ],
    ids=["laughs", "merged", "lists", "maps", "indented", "wide", "long", "json"],
)  # fmt: skip
def test_a_text_that_would_exhaust_the_process_is_refused(text: str) -> None:
    (error,) = load_documents(text).errors
    assert error.remedy


def test_aliases_are_counted_as_what_they_stand_for() -> None:
    (error,) = load_documents("a: &a [" + "1," * 1000 + "]\n" + "b: [" + "*a," * 100 + "]\n", "f").errors
    assert (error.where, "aliases stand for more than 50,000 values" in error.problem) == ("f:2", True)
    assert not load_documents("a: &a [" + "1," * 1000 + "]\n" + "b: [" + "*a," * 40 + "]\n").errors


def test_a_file_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "MAX_TEXT", 100)
    assert "longer than 100" in load_documents("a: 1\n" * 50).errors[0].problem


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=12)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc.01-~<", max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcxyz", min_size=1, max_size=6), plain_values, max_size=5))
def test_what_is_written_as_json_or_as_quoted_yaml_is_read_back(content: dict[str, Any]) -> None:
    expected = [content]
    assert [document.object for document in load_documents(json.dumps(content)).all()] == expected
    assert [document.object for document in load_documents(json.dumps(content, indent=1)).all()] == expected


@given(
    st.dictionaries(
        st.text("abcxyz", min_size=1, max_size=6),
        st.lists(st.dictionaries(st.text("abc", min_size=1), st.text("abc ")), max_size=4),
    )
)
def test_every_line_is_the_line_of_its_key(content: dict[str, list[dict[str, str]]]) -> None:
    text = yaml.safe_dump(content, default_flow_style=False, default_style='"')
    for document in load_documents(text).all():
        for name, items in content.items():
            assert f'"{name}":' in text.splitlines()[document.line((name,)) - 1]
            for index, item in enumerate(items):
                for key in item:
                    assert f'"{key}":' in text.splitlines()[document.line((name, index, key)) - 1]


@given(st.text(alphabet="ab:- \n\t{}[],&*!|>'\"#%<~01=.?\r", max_size=80) | st.text(max_size=40) | st.binary(max_size=60))
def test_any_text_gives_documents_or_errors_and_nothing_else(text: str | bytes) -> None:
    loaded = load_documents(text, "f")
    assert all(isinstance(document.object, dict) for document in loaded.documents)
    assert all(error.where.startswith("f:") and error.problem for error in loaded.errors)
