"""Which values a parameter lets through, and as what: `type`, `validate` and `onMissing`."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dispatcher.manifest import trigger_model
from dispatcher.parameters import PayloadParameter, TriggerParameter, apply, construct_payload, notices
from dispatcher.parameters.conversion import convert
from dispatcher.parameters.presets import PATTERNS, Shape
from dispatcher.parameters.validation import Validation
from dispatcher.program import TriggerProgram
from dispatcher.triggers.http import HttpSpec
from tests.dispatcher.support import World
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.errors import TriggerError
from tiphys.languages import gjson
from tiphys.schema.model import field_errors, unknown_fields

BODY = {"n": 3, "s": "3", "ref": "main", "bad": "$(reboot)", "nul": None, "obj": {"a": 1}, "text": '{"a": [1]}', "yes": True}


def event(data: bytes | None = None) -> Event:
    raw = json.dumps({"body": BODY}).encode() if data is None else data
    return Event(
        id="e1", source="hooks", namespace="argo", data=raw, time="2024-05-17T13:45:30Z", type="webhook", subject="example"
    )


def written(dest: str = "x", src: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"src": {"dependencyName": "dep", **(src or {})}, "dest": dest, **fields}


def applied(key: str = "", target: bytes = b'{"x":"old"}', data: bytes | None = None, **fields: Any) -> Any:
    src = fields.pop("src", {"dataKey": f"body.{key}"})
    one = TriggerParameter.model_validate(written(src=src, **fields))
    return json.loads(apply([one], target, {"dep": event(data)}))["x"]


def refused(key: str, **fields: Any) -> TriggerError:
    with pytest.raises(TriggerError) as found:
        applied(key, **fields)
    return found.value


def fault(**fields: Any) -> str:
    with pytest.raises(ValidationError) as found:
        TriggerParameter.model_validate(written(**fields))
    (one,) = field_errors(found.value)
    assert one.remedy
    return f"{one.path}: {one.problem}"


class TestType:
    @pytest.mark.parametrize(
        ("wanted", "key", "value"),
        [
            ("int", "s", 3),
            ("int", "n", 3),
            ("float", "s", 3),
            ("string", "n", "3"),
            ("string", "obj", '{"a": 1}'),
            ("bool", "yes", True),
            ("json", "text", {"a": [1]}),
            ("json", "obj", {"a": 1}),
            ("json", "nul", None),
            ("json", "s", 3),
        ],
    )
    def test_the_value_is_converted_before_it_is_set(self, wanted: str, key: str, value: Any) -> None:
        found = applied(key, type=wanted)

        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize(
        ("wanted", "key"),
        [("int", "ref"), ("int", "yes"), ("int", "nul"), ("float", "obj"), ("bool", "n"), ("bool", "nul"), ("json", "ref")],
    )
    def test_what_cannot_be_converted_is_an_error_that_names_parameter_value_and_remedy(self, wanted: str, key: str) -> None:
        error = refused(key, type=wanted)

        assert error.reason == "ParameterNotConverted"
        assert not error.transient
        assert "parameters[0] for x: dependency dep: " in error.problem
        assert f"(type: {wanted})" in error.problem
        assert "filter such events out" in error.problem

    def test_the_error_shows_the_value(self) -> None:
        assert "'main' cannot be made a whole number" in refused("ref", type="int").problem

    @pytest.mark.parametrize(
        ("text", "digits"),
        [
            ("007", "7"),
            ("-0", "0"),
            ("3.0", "3"),
            ("1e3", "1000"),
            ("10e-1", "1"),
            ("-1.50e1", "-15"),
            ("0.0", "0"),
            ("0e5", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ],
    )
    def test_a_whole_number_keeps_all_its_digits_however_it_is_written(self, text: str, digits: str) -> None:
        assert convert(gjson.Type.STRING, text.encode(), "int") == (gjson.Type.NUMBER, digits.encode())

    @pytest.mark.parametrize(
        "text", ["", " 3", "3 ", "3\n", "+3", "3.5", "5e-1", "1e-999999999", "1e400", "0x10", "1_0", "٣", "NaN", "9" * 5000]
    )
    def test_what_is_no_whole_number_is_none(self, text: str) -> None:
        assert convert(gjson.Type.STRING, text.encode(), "int") is None

    @pytest.mark.parametrize("text", ["", "NaN", "Infinity", "1e400", "1.", ".5", " 1", "--1"])
    def test_what_a_float_cannot_hold_or_json_cannot_say_is_no_float(self, text: str) -> None:
        assert convert(gjson.Type.STRING, text.encode(), "float") is None

    @given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
    def test_a_number_is_the_same_number_afterwards(self, number: Decimal) -> None:
        text = str(number).encode()
        whole, real = convert(gjson.Type.STRING, text, "int"), convert(gjson.Type.STRING, text, "float")

        assert real is not None
        assert Decimal(real[1].decode()) == number
        assert (whole is not None) == (number == number.to_integral_value())
        assert whole is None or Decimal(whole[1].decode()) == number

    @given(st.binary(), st.sampled_from(["int", "float", "bool", "json"]), st.sampled_from(list(gjson.Type)))
    def test_whatever_is_converted_is_json(self, value: bytes, wanted: Any, kind: gjson.Type) -> None:
        made = convert(kind, value, wanted)

        assert made is None or gjson.valid(made[1])

    def test_a_default_becomes_a_number_too(self) -> None:
        assert applied(src={"dataKey": "body.none", "value": "2"}, type="int") == 2

    def test_what_a_template_yields_becomes_a_number(self) -> None:
        assert applied(src={"dataTemplate": "{{ add .Input.body.n 1 }}"}, type="int") == 4

    def test_with_string_even_raw_data_is_a_text(self) -> None:
        assert applied(src={"dataKey": "body.n", "useRawData": True}, type="string") == "3"

    def test_raw_data_beside_a_type_is_noticed(self) -> None:
        one = TriggerParameter.model_validate(written(src={"dataKey": "body.n", "useRawData": True}, type="int"))

        assert [str(found.path) for found in notices(one, "p")] == ["p.src.useRawData"]


class TestValidate:
    @pytest.mark.parametrize(
        "validate",
        [
            {"pattern": "[a-z]+"},
            {"enum": ["main", "dev"]},
            {"maxLength": 4},
            {"preset": "git-ref"},
            {"preset": "git-ref", "pattern": "m.*", "enum": ["main"], "maxLength": 9},
        ],
    )
    def test_a_value_that_holds_to_all_of_it_is_let_through(self, validate: dict[str, Any]) -> None:
        assert applied("ref", validate=validate) == "main"

    @pytest.mark.parametrize(
        ("validate", "why"),
        [
            ({"pattern": "mai"}, "validate.pattern mai"),
            ({"pattern": "main", "maxLength": 3}, "has 4 characters, and validate.maxLength is 3"),
            ({"enum": ["dev", 1]}, "is none of validate.enum: dev, 1"),
            ({"preset": "sha"}, "validate.preset sha"),
            ({"pattern": "main", "preset": "semver"}, "validate.preset semver"),
        ],
    )
    def test_any_other_is_refused_for_good_with_the_reason(self, validate: dict[str, Any], why: str) -> None:
        error = refused("ref", validate=validate)

        assert error.reason == "ParameterRefused"
        assert not error.transient
        assert "parameters[0] for x: dependency dep: 'main' " in error.problem
        assert why in error.problem
        assert "widen validate" in error.problem

    @pytest.mark.parametrize(
        "fields",
        [
            {"src": {"dataKey": "body.token"}},
            {"src": {"dataTemplate": "{{ index .Input.body `token` }}"}},
            {"src": {"dataKey": "body.plain"}, "dest": "metadata.annotations.api-key"},
        ],
    )
    def test_a_value_that_may_be_secret_is_not_shown(self, fields: dict[str, Any]) -> None:
        data = b'{"body":{"token":"hunter2!","plain":"hunter2!"}}'

        for refusal in ({"validate": {"preset": "word"}}, {"type": "int"}):
            text = refused("", data=data, **fields, **refusal).problem
            assert "hunter2" not in text
            assert "a value of 8 characters, not shown" in text

    def test_the_value_of_an_author_is_shown(self) -> None:
        assert "'a b'" in refused("author", data=b'{"body":{"author":"a b"}}', validate={"preset": "word"}).problem

    def test_what_a_shell_would_run_is_no_git_ref(self) -> None:
        assert "$(reboot)" in refused("bad", validate={"preset": "git-ref"}).problem

    def test_the_value_after_its_conversion_is_meant(self) -> None:
        assert applied("s", type="int", validate={"enum": [3]}) == 3
        assert applied("s", type="float", validate={"enum": [3.0]}) == 3
        assert applied("n", validate={"enum": [3]}) == "3"
        assert applied("yes", type="bool", validate={"enum": ["TRUE"]}) is True

    def test_what_a_template_yields_is_validated(self) -> None:
        refused("", src={"dataTemplate": "{{ .Input.body.ref }};"}, validate={"preset": "git-ref"})

    def test_the_value_is_validated_and_not_what_it_is_appended_to(self) -> None:
        assert applied("ref", operation="append", validate={"maxLength": 4}) == "oldmain"

    def test_long_json_can_be_refused(self) -> None:
        assert refused("obj", type="json", validate={"maxLength": 2}).reason == "ParameterRefused"


class TestOnMissing:
    def test_skip_leaves_the_place_alone(self) -> None:
        assert applied("none", onMissing="skip") == "old"

    def test_skip_sets_what_is_there(self) -> None:
        assert applied("ref", onMissing="skip") == "main"

    def test_null_is_missing_where_it_is_written_what_to_do_then_and_a_value_elsewhere(self) -> None:
        assert applied("nul") == "null"
        assert applied("nul", onMissing="skip") == "old"
        assert applied(src={"dataKey": "body.nul", "value": "d"}, onMissing="default") == "d"
        assert "there is null at dataKey 'body.nul'" in refused("nul", onMissing="error").problem

    def test_skip_is_for_what_is_missing_and_not_for_what_is_refused(self) -> None:
        assert refused("bad", onMissing="skip", validate={"preset": "git-ref"}).reason == "ParameterRefused"

    def test_a_template_that_yields_nothing_is_skipped(self) -> None:
        assert applied(src={"dataTemplate": "{{ .Input.body.none }}"}, onMissing="skip") == "old"

    def test_data_that_is_no_json_is_skipped_with_a_warning(self) -> None:
        one = TriggerParameter.model_validate(written(src={"dataKey": "body.n"}, onMissing="skip"))
        warnings: list[str] = []

        assert apply([one], b"{}", {"dep": event(b"<xml/>")}, warnings) == b"{}"
        assert [text for text in warnings if "it is skipped (onMissing)" in text]

    def test_default_uses_the_value(self) -> None:
        assert applied(src={"dataKey": "body.none", "value": "d"}, onMissing="default") == "d"

    def test_error_is_the_rule_without_it_for_an_event_that_is_there(self) -> None:
        assert str(refused("none", onMissing="error")) == str(refused("none"))

    def test_a_dependency_without_an_event_is_left_out_unless_it_is_written_that_this_is_an_error(self) -> None:
        plain, strict = [
            TriggerParameter.model_validate(written(src={"dataKey": "body.n"}, **fields)) for fields in ({}, {"onMissing": "error"})
        ]
        assert apply([plain], b"{}", {}) == b"{}"
        with pytest.raises(TriggerError, match=r"ParameterNotFound: .*dependency dep has no event in this firing; .*skip"):
            apply([strict], b"{}", {})


class TestFaultsAtLoad:
    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"onMissing": "default"}, "has onMissing: default and no default"),
            ({"onMissing": "skip", "src": {"value": "a"}}, "has onMissing: skip and a default"),
            ({"onMissing": "error", "src": {"value": "a"}}, "has onMissing: error and a default"),
            ({"onMissing": "ignore"}, "onMissing: must be one of"),
            ({"type": "number"}, "type: must be one of"),
            ({"validate": {}}, "validate: says nothing"),
            ({"validate": {"enum": []}}, "validate.enum: is empty"),
            ({"validate": {"pattern": "(?=a)"}}, "validate.pattern: "),
            ({"validate": {"pattern": "git-ref"}}, "validate.pattern: is the name of a preset"),
            ({"validate": {"preset": "branch"}}, "validate.preset: must be one of"),
            ({"type": "int", "validate": {"enum": [1, "two"]}}, "validate.enum has 'two', which is not a whole number"),
            ({"type": "json", "validate": {"enum": ["a"]}}, "can only have maxLength"),
            ({"type": "json", "validate": {"pattern": "a"}}, "can only have maxLength"),
            ({"type": "int", "operation": "append"}, "has type: int, and append makes a text"),
            ({"type": "int", "src": {"value": "two"}}, "src.value 'two' cannot be made a whole number"),
            ({"src": {"value": "a b"}, "validate": {"preset": "git-ref"}}, "src.value 'a b' does not match"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, fields: dict[str, Any], text: str) -> None:
        assert text in fault(**fields)

    def test_nothing_has_less_than_one_character(self) -> None:
        with pytest.raises(ValidationError, match="greater than or equal to 1"):
            TriggerParameter.model_validate(written(validate={"maxLength": 0}))

    def test_the_fields_are_known_wherever_parameters_stand(self) -> None:
        one = written(type="int", validate={"preset": "integer"}, onMissing="error")
        data = {"url": "https://a.example", "payload": [one], "parameters": [one], "dynamicHeaders": [one]}

        assert unknown_fields(HttpSpec, data) == []


class TestElsewhere:
    def test_a_payload_has_typed_values_and_leaves_out_what_is_skipped(self) -> None:
        payload = [
            PayloadParameter.model_validate(one)
            for one in (
                written("n", {"dataKey": "body.s"}, type="int"),
                written("m", {"dataKey": "body.none"}, onMissing="skip"),
                written("o", {"dependencyName": "other", "dataKey": "body.n"}, onMissing="skip"),
            )
        ]

        assert json.loads(construct_payload(payload, {"dep": event()})) == {"n": 3}

    def test_a_payload_with_a_refused_value_is_not_made(self) -> None:
        one = PayloadParameter.model_validate(written("n", {"dataKey": "body.bad"}, validate={"preset": "git-ref"}))

        with pytest.raises(TriggerError, match=r"ParameterRefused: payload\[0\] for n: "):
            construct_payload([one], {"dep": event()})

    def test_a_template_level_parameter_that_is_refused_is_the_trigger_s_refusal(self) -> None:
        entry = {
            "template": {"name": "t", "log": {"intervalSeconds": 1}},
            "parameters": [written("log.intervalSeconds", {"dataKey": "body.s"}, type="int", validate={"enum": [3]})],
        }
        made = TriggerProgram(TriggerKey("argo", "s", "t"), trigger_model().model_validate(entry), World())
        other = event(b'{"body":{"s":"4"}}')

        assert made.refusal({"dep": event()}) is None
        assert "ParameterRefused" in str(made.refusal({"dep": other}))


class TestPresets:
    @pytest.mark.parametrize("text", ["a", "shop.example", "x-1.a--b.de", "1.2.3.4", ".".join(["a" * 49] * 5)])
    def test_dns_name_takes_hosts(self, text: str) -> None:
        assert Shape("dns-name").allows(text)

    @pytest.mark.parametrize("text", ["", "A", "-a", "a-", "a..b", ".a", "a.", "a_b", "a" * 64, ".".join(["a" * 50] * 5), "a\n"])
    def test_dns_name_takes_nothing_else(self, text: str) -> None:
        assert not Shape("dns-name").allows(text)

    @pytest.mark.parametrize("text", ["argoproj/argo-events", "o/.github", "group/sub/name", "a/b.git", "_/x"])
    def test_repo_takes_owners_and_names(self, text: str) -> None:
        assert Shape("repo").allows(text)

    @pytest.mark.parametrize(
        "text", ["", "a", "a/", "/a", "a//b", "a/..", "../a", "a/../b", "-a/b", "a/-b", "a/b c", "a/b\n", "a/$(x)"]
    )
    def test_repo_takes_nothing_that_leads_elsewhere(self, text: str) -> None:
        assert not Shape("repo").allows(text)

    def test_the_names_of_the_presets_are_those_that_can_be_written(self) -> None:
        assert set(get_args(get_args(Validation.model_fields["preset"].annotation)[0])) == set(PATTERNS)

    @pytest.mark.parametrize(
        "text", ["main", "feature/#12-x", "v1.2", "refs/heads/ünder", "@x", "a.lockfile", "dependabot/npm/x-1.0"]
    )
    def test_git_ref_takes_branches_and_tags(self, text: str) -> None:
        assert Shape("git-ref").allows(text)

    @pytest.mark.parametrize(
        "text", ["", "-x", "#1", "@", "a..b", "a//b", "a/", "/a", "a.", ".a", "a.lock", "a.lock/b", "a@{1}", "a~1"]
    )
    def test_git_ref_takes_nothing_that_git_or_a_shell_reads_otherwise(self, text: str) -> None:
        assert not Shape("git-ref").allows(text)

    @pytest.mark.parametrize("text", ["0.0.0", "v1.2.3-rc.1", "1.0.0-alpha-1.x.0+build.007", "10.20.30"])
    def test_semver_takes_versions(self, text: str) -> None:
        assert Shape("semver").allows(text)

    @pytest.mark.parametrize(
        "text", ["", "1.2", "01.2.3", "1.2.3-", "1.2.3-a..b", "1.2.3-01", "1.2.3+", "V1.2.3", "1.2.3 ", "1.2.3.4"]
    )
    def test_semver_takes_nothing_else(self, text: str) -> None:
        assert not Shape("semver").allows(text)

    @given(st.sampled_from(sorted(PATTERNS)), st.text(st.sampled_from(" \t\n;|&$`'\"<>(){}*?!\\"), min_size=1), st.text())
    def test_no_preset_takes_what_a_shell_reads(self, name: str, special: str, rest: str) -> None:
        assert not Shape(name).allows(f"a{special}{rest}")


@pytest.mark.parametrize("wanted", ["int", "float"])
@pytest.mark.parametrize("text", ["0" * 4095 + "x", "0" * 4000 + "." + "0" * 90 + "x", "1" * 4095 + "x", "-" + "0" * 4000 + "1e"])
def test_zeros_without_end_are_no_number_and_are_gone_over_once(wanted: Any, text: str) -> None:
    """A thousand of them, each more than half a second before: the zeros were divided in every way."""
    assert [convert(gjson.Type.STRING, text.encode(), wanted) for _ in range(1000)] == [None] * 1000


def test_zeros_before_a_number_go_and_one_that_is_all_of_it_stays() -> None:
    assert convert(gjson.Type.STRING, b"000", "int") == (gjson.Type.NUMBER, b"0")
    assert convert(gjson.Type.STRING, b"-0007", "int") == (gjson.Type.NUMBER, b"-7")
    assert convert(gjson.Type.STRING, b"00.50", "float") == (gjson.Type.NUMBER, b"0.50")
