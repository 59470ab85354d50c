"""Parameters: the rules of reference 6.3 and 6.4, its Appendix A (B1 to B20), and what users ran into."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from pydantic import ValidationError

from dispatcher.parameters import (
    PayloadParameter,
    TriggerParameter,
    TriggerParameterSource,
    apply,
    construct_payload,
    notices,
    resolve,
)
from tiphys.bus.event import Event
from tiphys.errors import TriggerError
from tiphys.languages import gjson
from tiphys.schema.model import field_errors

BODY = {"n": 10, "s": "hello world", "b": "true", "nul": None, "arr": [1, 2]}
TARGET = b'{"spec":{"p":[{"value":"hello"}],"n":1}}'


def event(data: Any = None, **fields: Any) -> Event:
    """An event of a webhook; `data` is bytes, or JSON for its body."""
    raw = data if isinstance(data, bytes) else json.dumps({"body": BODY if data is None else data}, separators=(",", ":")).encode()
    fields = {"time": "2024-05-17T13:45:30Z", "type": "webhook", "subject": "example", **fields}
    return Event(id="e1", source="hooks", namespace="argo", data=raw, **fields)


def parameter(dest: str, operation: str = "", **src: Any) -> TriggerParameter:
    return TriggerParameter.model_validate({"src": {"dependencyName": "dep", **src}, "dest": dest, "operation": operation})


def applied(*parameters: TriggerParameter, data: Any = None, target: bytes = TARGET) -> Any:
    return json.loads(apply(parameters, target, {"dep": event(data)}))


def value_of(**src: Any) -> Any:
    return applied(parameter("x", **src), target=b"{}")["x"]


def refusal(**src: Any) -> TriggerError:
    with pytest.raises(TriggerError) as refused:
        value_of(**src)
    return refused.value


class TestWorkedCases:
    """Appendix A of the reference."""

    def test_b1_a_number_is_written_as_a_string(self) -> None:
        assert applied(parameter("spec.p.0.value", dataKey="body.n"))["spec"]["p"][0]["value"] == "10"

    def test_b2_with_use_raw_data_it_stays_a_number(self) -> None:
        assert applied(parameter("spec.p.0.value", dataKey="body.n", useRawData=True))["spec"]["p"][0]["value"] == 10

    def test_b3_an_array_is_written_as_its_text(self) -> None:
        assert applied(parameter("spec.p.0.value", dataKey="body.arr"))["spec"]["p"][0]["value"] == "[1,2]"

    def test_b4_with_use_raw_data_it_stays_an_array(self) -> None:
        assert applied(parameter("spec.p.0.value", dataKey="body.arr", useRawData=True))["spec"]["p"][0]["value"] == [1, 2]

    def test_b5_null_is_the_text_null_or_raw_null(self) -> None:
        assert value_of(dataKey="body.nul") == "null"
        assert value_of(dataKey="body.nul", useRawData=True) is None

    def test_b6_append_joins_texts(self) -> None:
        assert applied(parameter("spec.p.0.value", "append", dataKey="body.s"))["spec"]["p"][0]["value"] == "hellohello world"

    def test_b7_append_to_a_number_gives_a_string_also_with_use_raw_data(self) -> None:
        assert applied(parameter("spec.n", "append", dataKey="body.n", useRawData=True))["spec"]["n"] == "110"

    def test_b8_prepend_to_nothing_sets(self) -> None:
        assert applied(parameter("spec.new", "prepend", dataKey="body.s"))["spec"]["new"] == "hello world"

    def test_b9_a_missing_key_gives_the_default(self) -> None:
        assert value_of(dataKey="body.none", value="d") == "d"

    def test_b10_a_missing_key_without_a_default_is_an_error(self) -> None:
        assert refusal(dataKey="body.none").reason == "ParameterNotFound"

    def test_b11_a_template_that_yields_no_value_falls_back_to_the_key(self) -> None:
        assert value_of(dataTemplate="{{ .Input.body.x }}", dataKey="body.s") == "hello world"

    def test_b12_no_value_within_a_text_is_accepted(self) -> None:
        assert value_of(dataTemplate="a-{{ .Input.body.x }}") == "a-<no value>"

    def test_b13_data_wins_over_context(self) -> None:
        assert value_of(contextKey="subject", dataKey="body.n") == "10"

    def test_b14_a_default_alone_ignores_the_event(self) -> None:
        assert value_of(value="d") == "d"

    def test_b15_without_any_field_it_is_the_whole_event_with_its_data_in_base64(self) -> None:
        whole = json.loads(value_of())

        assert whole["context"]["subject"] == "example"
        assert json.loads(base64.b64decode(whole["data"])) == {"body": BODY}

    def test_b16_minus_one_appends_an_element(self) -> None:
        assert applied(parameter("spec.p.-1", dataKey="body.s"))["spec"]["p"] == [{"value": "hello"}, "hello world"]

    def test_b17_an_index_beyond_the_end_pads_with_null(self) -> None:
        assert applied(parameter("spec.p.3", dataKey="body.s"))["spec"]["p"] == [{"value": "hello"}, None, None, "hello world"]

    def test_b18_a_dependency_without_an_event_leaves_the_object_alone(self) -> None:
        assert apply([parameter("spec.n", dependencyName="gone", dataKey="a")], TARGET, {"dep": event()}) == TARGET

    def test_b18_and_is_an_error_in_a_payload_unless_it_would_be_the_whole_body(self) -> None:
        gone = {"src": {"dependencyName": "gone", "dataKey": "a"}}
        placed, whole = PayloadParameter.model_validate({**gone, "dest": "x"}), PayloadParameter.model_validate(gone)

        with pytest.raises(TriggerError, match=r"payload\[0\] for x: dependency gone has no event") as refused:
            construct_payload([placed], {"dep": event()})
        assert refused.value.reason == "ParameterNotFound"
        assert construct_payload([whole], {"dep": event()}) == b""

    def test_b19_a_default_is_a_string_also_with_use_raw_data(self) -> None:
        assert value_of(dataKey="body.none", value="5", useRawData=True) == "5"

    def test_b20_an_empty_dest_makes_the_value_the_whole_body(self) -> None:
        entries = [
            {"src": {"dependencyName": "dep", "dataKey": key}, "dest": dest} for key, dest in (("body.n", "x"), ("body.s", ""))
        ]

        assert construct_payload([PayloadParameter.model_validate(item) for item in entries], {"dep": event()}) == b"hello world"


class TestSituationsOfUsers:
    """Each bears the number of its thread."""

    def test_argo_events_3897_parallelism_stays_a_number_where_it_is_one(self) -> None:
        set_ = [
            parameter("spec.parallelism", dataKey="body.workers", useRawData=True),
            parameter("a.workers", dataKey="body.workers"),
        ]

        assert applied(*set_, data={"workers": 4}, target=b"{}") == {"spec": {"parallelism": 4}, "a": {"workers": "4"}}
        assert applied(*set_, data={"workers": "4"}, target=b"{}")["spec"]["parallelism"] == "4"
        assert apply(set_, b"{}", {"dep": event({"workers": 4})}) == b'{"spec":{"parallelism":4},"a":{"workers":"4"}}'

    def test_argo_events_3897_a_template_is_text_also_with_use_raw_data_and_lint_can_say_so(self) -> None:
        template = parameter("spec.parallelism", dataTemplate="{{ .Input.body.workers }}", useRawData=True)

        assert applied(template, data={"workers": 4}, target=b"{}") == {"spec": {"parallelism": "4"}}
        assert [(item.path, "no effect" in item.problem) for item in notices(template, "parameters[0]")] == [
            ("parameters[0].src.useRawData", True)
        ]

    def test_argo_events_3719_null_in_a_payload_leaves_it_json(self) -> None:
        entries = [
            ("body.id", "id", True),
            ("body.parent", "parent", True),
            ("body.parent", "parentText", False),
            ("body.tags", "tags", True),
        ]
        payload = [
            PayloadParameter.model_validate({"src": {"dependencyName": "dep", "dataKey": key, "useRawData": raw}, "dest": dest})
            for key, dest, raw in entries
        ]

        body = construct_payload(payload, {"dep": event({"id": 7, "parent": None, "tags": []})})

        assert body == b'{"id":7,"parent":null,"parentText":"null","tags":[]}'

    @pytest.mark.parametrize(
        ("src", "named"),
        [
            ({"dataKey": "body.afer"}, "body.afer"),
            ({"contextKey": "sbject"}, "sbject"),
            ({"dataTemplate": "{{ .Input.body.afer }}"}, "{{ .Input.body.afer }}"),
            ({"dataTemplate": "{{ .Input.body.afer | trunc 7 }}"}, "{{ .Input.body.afer | trunc 7 }}"),
        ],
    )
    def test_argo_events_2076_a_mistyped_key_is_an_error_that_shows_what_was_sought_and_no_value(
        self, src: dict[str, str], named: str
    ) -> None:
        data = {"header": {"X-Request-Token": ["t0ps3cret"]}, "body": {"after": "9f1c2d", "ref": "refs/heads/main"}}
        wanted = parameter("spec.arguments.parameters.0.value", **src)

        with pytest.raises(TriggerError) as refused:
            apply([wanted], b"{}", {"dep": event(json.dumps(data).encode())})

        text = str(refused.value)
        assert "dependency dep" in text
        assert named in text
        assert "spec.arguments.parameters.0.value" in text
        assert "t0ps3cret" not in text
        assert "9f1c2d" not in text

    def test_argo_events_2076_the_error_shows_what_there_is_instead(self) -> None:
        assert "body has n, s, b, nul, arr" in refusal(dataKey="body.afer").problem
        assert "body.arr is a list of 2" in refusal(dataKey="body.arr.7").problem
        assert "body.n is no object" in refusal(dataKey="body.n.x").problem

    ARGUMENTS = b'{"p":[{"name":"env","value":"dev"},{"name":"rev","value":"unset"},{"name":"note"}]}'

    @pytest.mark.parametrize("dest", ['p.#(name=="rev").value', "p.#(name=rev).value"])
    def test_argo_events_2796_a_dest_chosen_by_name_is_replaced_and_nothing_else(self, dest: str) -> None:
        warnings: list[str] = []

        made = apply([parameter(dest, dataKey="body.s")], self.ARGUMENTS, {"dep": event()}, warnings)

        assert made == self.ARGUMENTS.replace(b"unset", b"hello world")
        assert warnings == []

    @pytest.mark.parametrize("dest", ['p.#(name=="note").value', 'p.#(name=="gitsha").value'])
    def test_argo_events_2796_a_dest_that_matches_nothing_is_a_warning_that_names_it(self, dest: str) -> None:
        warnings: list[str] = []

        made = apply([parameter(dest, dataKey="body.s")], self.ARGUMENTS, {"dep": event()}, warnings)

        assert made == self.ARGUMENTS
        assert len(warnings) == 1
        assert dest in warnings[0]
        assert "matches nothing" in warnings[0]

    def test_tektoncd_triggers_942_newlines_quotes_and_backslashes_survive(self) -> None:
        message = 'Revert "fix: a\\b"\n\n- item: {{x}} # $(y)\n\ttab'
        doc = {"kind": "para", "lines": "a\nb"}

        made = applied(
            parameter("message", dataKey="body.message"),
            parameter("doc", dataKey="body.doc"),
            parameter("both", "append", dataTemplate="{{ .Input.body.message }}"),
            data={"message": message, "doc": doc},
            target=b'{"message":"","doc":"","both":"log: "}',
        )

        assert made["message"] == message
        assert made["both"] == f"log: {message}"
        assert json.loads(made["doc"]) == doc

    RELAYED = b'{"a": 1, "b": [true, null, "x\\u00e9"], "c": {"d": 1.50}}'

    @pytest.mark.parametrize("dest", [{}, {"dest": None}, {"dest": ""}])
    def test_argo_events_3713_a_body_is_forwarded_byte_for_byte(self, dest: dict[str, Any]) -> None:
        entries = [{"src": {"dependencyName": "dep", "dataKey": "body"}, **dest}, {"src": {"dependencyName": "dep"}, "dest": "x"}]

        body = construct_payload(
            [PayloadParameter.model_validate(item) for item in entries], {"dep": event(b'{"header":{},"body":%b}' % self.RELAYED)}
        )

        assert body == self.RELAYED

    def test_argo_events_3713_with_a_dest_it_is_a_string_or_with_use_raw_data_an_object(self) -> None:
        def body(raw: bool) -> Any:
            entry = {"src": {"dependencyName": "dep", "dataKey": "body", "useRawData": raw}, "dest": "all"}
            data = event(b'{"body":%b}' % self.RELAYED)
            return construct_payload([PayloadParameter.model_validate(entry)], {"dep": data})

        assert json.loads(body(raw=False)) == {"all": self.RELAYED.decode()}
        assert body(raw=True) == b'{"all":%b}' % self.RELAYED


@pytest.mark.parametrize("number", ["9007199254740993", "-0", "123456789012345678901234567890"])
def test_use_raw_data_keeps_the_digits_of_a_whole_number(number: str) -> None:
    made = apply([parameter("x", dataKey="n", useRawData=True)], b"{}", {"dep": event(f'{{"n": {number}}}'.encode())})

    assert made == f'{{"x":{number}}}'.encode()


@pytest.mark.parametrize(("number", "written"), [("1.50", "1.5"), ("1e21", "1000000000000000000000"), ("1E-7", "0.0000001")])
def test_a_fraction_or_exponent_is_the_same_number_in_go_s_form_and_keeps_its_text_within_an_object(
    number: str, written: str
) -> None:
    data = event(f'{{"n": {number}, "o": [{number}]}}'.encode())

    made = apply([parameter("x", dataKey="n", useRawData=True), parameter("y", dataKey="o", useRawData=True)], b"{}", {"dep": data})

    assert made == f'{{"x":{written},"y":[{number}]}}'.encode()


def test_later_parameters_see_what_earlier_ones_set() -> None:
    assert applied(parameter("a.b", dataKey="body.s"), parameter("a.b", "append", value="!"), target=b"{}") == {
        "a": {"b": "hello world!"}
    }


def test_what_no_parameter_names_keeps_its_bytes() -> None:
    target = b' { "z" : 1.50 , "a" : { "b" : [ 1 ,2 ] } } '

    made = apply([parameter("a.b.-1", dataKey="body.n", useRawData=True)], target, {"dep": event()})

    assert made == b' { "z" : 1.50 , "a" : { "b" : [ 1 ,2 ,10] } } '


def test_a_context_key_looks_in_the_context_and_a_context_template_first() -> None:
    assert value_of(contextKey="subject") == "example"
    assert value_of(contextKey="subject", contextTemplate="{{ .Input.type }}-{{ .Input.source }}") == "webhook-hooks"
    assert value_of(contextKey="subject", contextTemplate="{{ .Input.nope }}") == "example"


def test_resolve_says_the_type() -> None:
    kinds = {"n": "Number", "s": "String", "nul": "Null", "arr": "JSON"}
    for key, kind in kinds.items():
        resolved = resolve(
            TriggerParameterSource.model_validate({"dependencyName": "dep", "dataKey": f"body.{key}"}), {"dep": event()}
        )
        assert resolved is not None
        assert resolved.type == gjson.Type(kind)


@pytest.mark.parametrize(
    ("data", "content_type", "why"),
    [
        (b"not json", "application/json", "no JSON"),
        (b"", "application/json", "no JSON"),
        (b'{"a":1}', "text/plain", "text/plain"),
        (b'{"a":1}', "application/json; charset=utf-8", "only application/json and application/yaml"),
        (b'{"a":1}', "", "only application/json"),
        (b"a: : 1", "application/yaml", "no YAML"),
    ],
)
def test_data_that_is_not_what_it_is_said_to_be_gives_the_default_or_an_error(data: bytes, content_type: str, why: str) -> None:
    events = {"dep": event(data, datacontenttype=content_type)}
    warnings: list[str] = []

    assert apply([parameter("x", dataKey="a", value="d")], b"{}", events, warnings) == b'{"x":"d"}'
    assert "the default is used" in warnings[0]
    with pytest.raises(TriggerError, match=why) as refused:
        apply([parameter("x", dataKey="a")], b"{}", events)
    assert refused.value.reason == "ParameterDataUnusable"


def test_yaml_data_is_looked_into_as_json() -> None:
    events = {"dep": event(b"a: [1, {b: x}]\nc: 1.5\n", datacontenttype="application/yaml")}

    made = apply([parameter("one", dataKey="a.1", useRawData=True), parameter("two", dataTemplate="{{ .Input.c }}")], b"{}", events)

    assert json.loads(made) == {"one": {"b": "x"}, "two": "1.5"}


def test_data_that_go_takes_for_json_and_orjson_does_not_is_looked_into() -> None:
    assert applied(parameter("x", dataKey="a"), data=b'{"a":"x\\ud800","b":"\xff"}', target=b"{}") == {"x": "x\ufffd"}


def test_a_template_that_fails_before_its_fallback_is_a_warning() -> None:
    warnings: list[str] = []

    apply([parameter("x", dataTemplate="{{ fail `no` }}", dataKey="body.s")], b"{}", {"dep": event()}, warnings)

    assert len(warnings) == 1
    assert "fail" in warnings[0]


def test_a_template_sees_numbers_as_go_does_and_the_first_of_equal_keys() -> None:
    assert value_of(dataTemplate="{{ .Input.body.n }}") == "10"
    assert applied(parameter("x", dataTemplate="{{ .Input.a }}"), data=b'{"a":12345678,"a":2}', target=b"{}") == {
        "x": "1.2345678e+07"
    }


def test_a_place_that_does_not_fit_the_object_is_an_error_that_names_it() -> None:
    for dest in ("spec.p.name", "spec.p.99999999999"):
        with pytest.raises(TriggerError, match=dest.replace(".", r"\.")) as refused:
            applied(parameter(dest, dataKey="body.s"))
        assert refused.value.reason == "ParameterNotSet"
        assert "parameters[0]" in refused.value.problem


def test_data_nested_too_deeply_for_a_template_is_an_error_and_no_crash() -> None:
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000

    for src in ({"dataTemplate": "{{ .Input.a }}"}, {"dataKey": "x"}):
        with pytest.raises(TriggerError) as refused:
            applied(parameter("x", **src), data=deep, target=b"{}")
        assert refused.value.reason == "ParameterNotFound"


@pytest.mark.parametrize(
    ("changed", "path", "problem"),
    [
        ({"src": {}}, "src.dependencyName", "is missing"),
        ({"src": {"dependencyName": ""}}, "src.dependencyName", "is empty"),
        ({"src": {"dependencyName": "dep", "dataKey": "a.#(b==1"}}, "src.dataKey", "never closed"),
        ({"src": {"dependencyName": "dep", "contextKey": "a" * 20_000}}, "src.contextKey", "longer"),
        ({"src": {"dependencyName": "dep", "value": 5}}, "src.value", "must be a string"),
        ({"src": {"dependencyName": "dep", "useRawData": "yes"}}, "src.useRawData", "must be true or false"),
        ({"src": {"dependencyName": "dep", "dataTemplate": "{{ .a"}}, "src", "dataTemplate cannot be compiled"),
        ({"src": {"dependencyName": "dep", "contextTemplate": "{{ nope }}"}}, "src", "contextTemplate cannot be compiled"),
        ({"operation": "replace"}, "operation", "must be one of"),
        ({"dest": ""}, "", "has no dest"),
        ({"dest": None}, "", "has no dest"),
        ({"dest": "a.#(b"}, "dest", "never closed"),
    ],
)
def test_a_wrong_parameter_is_refused_with_the_field_that_is_at_fault(changed: dict[str, Any], path: str, problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TriggerParameter.model_validate({"src": {"dependencyName": "dep"}, "dest": "a", **changed})

    errors = field_errors(refused.value)
    assert [error.path for error in errors] == [path]
    assert problem in errors[0].problem
    assert errors[0].remedy


def test_a_template_that_cannot_be_compiled_is_passed_over_where_something_comes_after_it_and_noticed() -> None:
    wrong = parameter("x", dataTemplate="{{ .a", dataKey="body.n")

    assert applied(wrong, target=b"{}") == {"x": "10"}
    assert [item.path for item in notices(wrong, "parameters[3]")] == ["parameters[3].src.dataTemplate"]


def test_context_fields_beside_data_fields_are_noticed() -> None:
    assert [item.path for item in notices(parameter("x", dataKey="a", contextKey="b"), "p")] == ["p.src.contextKey"]
    assert notices(parameter("x", dataKey="a", useRawData=True, value="d"), "p") == []


def test_a_parameter_is_written_back_as_it_was_read() -> None:
    written = {"src": {"dependencyName": "dep", "dataKey": "a", "useRawData": True}, "dest": "x"}

    assert TriggerParameter.model_validate(written).model_dump(by_alias=True, exclude_unset=True) == written
