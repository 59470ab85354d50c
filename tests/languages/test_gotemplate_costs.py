"""A template's budget: dear functions are paid for by what they are given, and a large event may be gone over a few times."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.errors import ExpressionError, TemplateError
from tiphys.languages import expr, gotemplate
from tiphys.languages.golang import json_text, quoting
from tiphys.languages.golang.costs import PRICES
from tiphys.languages.gotemplate.functions import functions

STEPS = "took more than 20,000 steps"


def render(text: str, value: object = None) -> str:
    return gotemplate.compile(text).render(value)


@pytest.mark.parametrize(
    "call",
    [
        "html (repeat 1000000 `<`)",
        "quote (repeat 1000000 `a`)",
        "b32enc (repeat 1000000 `a`)",
        "fromJson (repeat 1000000 `1`)",
        "nospace (repeat 500000 ` a`)",
        "urlquery (repeat 1000000 `&`)",
        "wrapWith 1 `x` (repeat 100000 `a `)",
        "regexQuoteMeta (repeat 1000000 `.`)",
        "sortAlpha (until 90000)",
        "toJson (until 90000)",
        "uniq (until 90000)",
        "deepEqual (until 90000) (until 90000)",
        "deepCopy (until 90000)",
        "merge (dict `a` (until 90000)) (dict `b` 1)",
        "print (until 90000)",
        "regexReplaceAll `a*` (repeat 100000 `a`) `b`",
        "regexMatch (repeat 1000 `a?`) `a`",
        "regexMatch `(\\\\pN{30}\\\\pL{30}){9}` `a`",
        "join `,` (until 90000)",
        "without (until 90000) 1",
        "toString (until 90000)",
        "genCAWithKey `a` 1 (repeat 1000000 `a`)",
    ],
)
def test_a_dear_function_is_refused_before_it_is_called(call: str) -> None:
    with pytest.raises(TemplateError, match=STEPS):
        render(f"{{{{ {call} | len }}}}")


def test_what_is_printed_is_paid_for_by_its_items() -> None:
    with pytest.raises(TemplateError, match=STEPS):
        render("{{ $l := list 1 }}{{ range until 20 }}{{ $l = list $l $l }}{{ end }}{{ $l }}")


def test_cryptography_costs_more_than_a_call() -> None:
    with pytest.raises(TemplateError, match=STEPS):
        render("{{ range until 2000 }}{{ encryptAES `k` `a` }}{{ end }}")
    with pytest.raises(TemplateError, match=STEPS):
        render("{{ range until 100 }}{{ genPrivateKey `ed25519` }}{{ end }}")


def test_a_large_event_may_be_gone_over_a_few_times_and_no_more() -> None:
    event = {"items": [{"id": number} for number in range(30_000)]}
    assert json.loads(render("{{ .Input | toJson }}", event)) == event
    assert len(render("{{ .Input | toJson | len }}{{ .Input.items | toJson | len }}", event)) == 12
    with pytest.raises(TemplateError, match=STEPS):
        render("{{ range until 10 }}{{ $.Input | toJson | len }}{{ end }}", event)


def test_a_small_event_gives_no_more_steps_than_a_template_has() -> None:
    with pytest.raises(TemplateError, match=STEPS):
        render("{{ range until 20100 }}{{ end }}", {"a": 1})


def test_a_pattern_is_paid_for_once() -> None:
    assert render("{{ range until 1000 }}{{ if regexMatch `^[a-z]+-[0-9]+$` `abc-1` }}x{{ end }}{{ end }}") == "x" * 1000
    with pytest.raises(TemplateError, match=STEPS):
        render("{{ range until 1000 }}{{ if regexMatch (printf `^[a-z]+-%d$` .) `abc-1` }}x{{ end }}{{ end }}")


@pytest.mark.parametrize(
    "expression",
    [
        "all(1..2000, sprig.b32enc(text) != '')",
        "all(1..1000, sprig.genPrivateKey('ed25519') != '')",
        "sprig.regexMatch(sprig.repeat(5000, 'a?'), 'a')",
        "text matches pattern",
        "toJSON(map(1..300, 1..300)) != ''",
        "string(map(1..300, 1..300)) != ''",
    ],
)
def test_an_expression_pays_for_them_as_well(expression: str) -> None:
    with pytest.raises(ExpressionError, match="more work than one evaluation may"):
        expr.compile(expression).passes({"text": "a" * 1000, "pattern": r"(\pN{30}\pL{30}\w{100}){9}"})


def test_a_pattern_of_an_event_that_is_none_too_large_is_searched_for_again_and_again() -> None:
    event = {"pattern": "^[a-z]+-[0-9]{2}$", "names": [f"name-{number}" for number in range(200)]}
    assert expr.compile("count(names, # matches pattern) == 90").passes(event)


def test_every_price_is_that_of_a_function() -> None:
    assert set(PRICES) <= set(functions())


TEXTS = st.text(st.sampled_from("ab\\\"'<>&=\0\n\t\r\x01\x7fé日\u2028\u00a0\U0001f600\udcff"))


@given(TEXTS)
def test_texts_are_quoted_whole_as_they_are_character_by_character(text: str) -> None:
    assert quoting.quote(text) == '"' + "".join(quoting.quote(rune)[1:-1] for rune in text) + '"'
    assert quoting.js(text) == "".join(map(quoting.js, text))
    assert quoting.html(text) == "".join(map(quoting.html, text))


@given(TEXTS, st.booleans())
def test_json_is_escaped_whole_as_it_is_character_by_character(text: str, escape_html: bool) -> None:
    whole = json_text.marshal(text, escape_html=escape_html)
    assert whole == '"' + "".join(json_text.marshal(rune, escape_html=escape_html)[1:-1] for rune in text) + '"'
    assert not re.search("[\ud800-\udfff]", whole)
    assert not (escape_html and re.search("[<>&]", whole))
