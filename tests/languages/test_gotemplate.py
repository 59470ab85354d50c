"""Go templates: what argo-events' users write prints the same here, and no template can stall or reach out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiphys.errors import TemplateError
from tiphys.languages import gotemplate, gotemplate_strict

EVENT = {
    "body": {"n": 10, "f": 1.5, "big": 12345678, "ref": "refs/heads/feature/Add-Login", "nul": None, "t": True, "s": "hello"},
    "list": [1, 2, 3],
    "nulls": [None],
    "strs": ["b", "a"],
}


def render(text: str, value: object = EVENT) -> str:
    return gotemplate.compile(text).render(value)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("plain text", "plain text"),
        ("a {{- 1 -}} b", "a1b"),
        ("a {{- /* trimmed */ -}} b{{/* kept */}} c", "ab c"),
        ("{{ -1 }} {{- 3 }}", "-13"),
        (
            "{{ 0x1F }} {{ 017 }} {{ 0b11 }} {{ 1_000 }} {{ 'a' }} {{ 1e3 }} {{ 1.50 }} {{ 2i }} {{ 1+2i }}",
            "31 15 3 1000 97 1000 1.5 (0+2i) (1+2i)",
        ),
        ('{{ `raw\\n` }}{{ "\\x41\\u65e5" }}', "raw\\nA日"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ $x }}{{ end }}{{ $x }}", "32"),
        ("{{ if .Input.body.gone }}a{{ else if .Input.body.t }}b{{ else }}c{{ end }}", "b"),
        ("{{ with .Input.body.gone }}a{{ else with .Input.body.s }}{{ . }}{{ else }}c{{ end }}", "hello"),
        ("{{ with $x := .Input.body }}{{ .n }}{{ $x.f }}{{ $.Input.body.s }}{{ end }}", "101.5hello"),
        ("{{ range 3 }}{{ . }}{{ end }}{{ range $i := 2 }}{{ $i }}{{ end }}", "01201"),
        ("{{ range .Input.gone }}a{{ else }}none{{ end }}", "none"),
        (
            '{{ range $k, $v := .Input.body }}{{ if eq $k "n" }}{{ break }}{{ else if eq $k "f" }}{{ continue }}{{ end }}{{ $k }}{{ end }}',
            "big",
        ),
        (
            '{{ define "d" }}<{{ .n }}{{ $ }}>{{ end }}{{ template "d" (dict "n" 1) }}{{ template "d" }}',
            "<1map[n:1]><<no value><no value>>",
        ),
        ('{{ block "b" .Input.body }}{{ .n }}{{ end }}', "10"),
        ('{{ (index .Input.list 0) }}{{ (dict "a" (dict "b" 1)).a.b }}', "11"),
        ('{{ index "abc" 1 }}{{ len "日本" }}{{ slice .Input.list 1 2 }}', "986[2]"),
        ('{{ index .Input "gone" }}|{{ index .Input.body "nul" }}', "<no value>|<no value>"),
        ('{{ and 1 0 2 }}{{ or 0 "" "x" }}{{ not 0 }}{{ and true (or nil 3) }}{{ or 1 (fail "never") }}', "0xtrue31"),
        ("{{ 1 | and 2 }}{{ 0 | or 5 }}", "15"),
        ('{{ eq 1 2 1 }}{{ ne "a" "b" }}{{ lt 1.5 2.5 }}{{ le "a" "a" }}{{ gt 2 1 }}{{ ge 1 2 }}', "truetruetruetruetruefalse"),
        ('{{ eq (index "a" 0) 97 }}{{ eq nil nil }}{{ eq .Input.gone .Input.body.nul }}', "truetruetrue"),
        ('{{ print 1 2 "a" 3 nil }}{{ println 1 "a" }}', "1 2a3 <nil>1 a\n"),
        (
            '{{ html "<a href=\'x\'>&" }}{{ js "it\'s <b>" }}{{ urlquery "a b&c" 1 }}',
            "&lt;a href=&#39;x&#39;&gt;&amp;it\\'s \\u003Cb\\u003Ea+b%26c1",
        ),
        ("{{ html .Input.body.nul }}", "&lt;no value&gt;"),
        ('{{ .Input.body.n | printf "%05.1f|%v|%T" 2.5 "x" }}', "002.5|x|float64"),
        (
            '{{ (toDate "2006-01-02" "2024-02-29").Year }}{{ ((toDate "2006-01-02" "2024-02-29").AddDate 1 0 0).Format "Jan _2, 2006" }}',
            "2024Mar  1, 2025",
        ),
        (
            '{{ $t := toDate "2006-01-02" "2024-02-29" }}{{ $t.Month }} {{ $t.Weekday }} {{ $t.Unix }} {{ "2006" | $t.Format }}',
            "February Thursday 1709164800 2024",
        ),
        ("{{ $x := .Input.body.nul }}{{ $x.deeper }}", "<no value>"),
        ("{{ round 2 0 }}{{ addf 1 2 }}", "23"),
        ("{{ .Input.body.n }}", "10"),
        ("{{ .Input.body.big }}", "1.2345678e+07"),
        ("{{ .Input.body.big | int }}", "12345678"),
        ("{{ .Input.body.f }}", "1.5"),
        ("{{ .Input.body.t }}", "true"),
        ("{{ .Input.body.nul }}", "<no value>"),
        ("{{ .Input.body.gone }}", "<no value>"),
        ("{{ .Input.gone.deeper }}", "<no value>"),
        ("{{ .Input.list }}", "[1 2 3]"),
        ('{{ .Input.body.ref | trimPrefix "refs/heads/" | replace "/" "-" | lower }}', "feature-add-login"),
        ("{{ range $i, $e := .Input.strs }}{{ $i }}={{ $e }};{{ end }}", "0=b;1=a;"),
        ('{{ default "x" .Input.body.gone }}', "x"),
        ('{{ eq .Input.body.gone "x" }}{{ ne .Input.body.nul "x" }}{{ eq .Input.body.gone nil }}', "falsetruetrue"),
        ('{{ eq .Input.body.s "x" "hello" }}', "true"),
        ('{{ hasKey .Input.gone "k" }}', "false"),
        ("{{ toString .Input.gone }}", "<nil>"),
        ('{{ (semver "1.2.3").Major }}', "1"),
        ("{{ toJson .Input.strs }}", '["b","a"]'),
        ('{{ regexReplaceAll "(a)(b)" "xaby" "$2$1" }}', "xbay"),
        ('{{ regexReplaceAll "(?P<n>a)" "xaby" "<${n}$$>" }}', "x<a$>by"),
        ('{{ regexReplaceAll "(a)" "xaby" "$1x" }}', "xby"),
        ('{{ regexReplaceAll "a*" "baac" "X" }}', "XbXcX"),
        ('{{ regexSplit "a*" "baac" -1 }}', "[b c]"),
        ('{{ regexSplit "," "a,b,c" 2 }}', "[a b,c]"),
        ('{{ regexFindAll "[0-9]" "a1b2c3" 2 }}', "[1 2]"),
        ('{{ regexReplaceAllLiteral "a" "xax" "$0" }}', "x$0x"),
        ('{{ regexMatch "(" "a" }}', "false"),
        ('{{ regexMatch "\\\\p{L}" "日" }}', "true"),
        ('{{ regexQuoteMeta "a.b" }}', "a\\.b"),
    ],
)
def test_a_template_prints_what_go_prints(text: str, printed: str) -> None:
    assert render(text) == printed


@pytest.mark.parametrize(
    "text",
    [
        "{{ .Input.body",
        "{{ nosuchfunction 1 }}",
        "{{ end }}",
        "{{ else }}",
        "{{ if true }}",
        "{{ if }}{{ end }}",
        "{{ range 3 }}{{ else }}{{ else }}{{ end }}",
        "{{ $x }}",
        '{{ $x := 1 }}{{ define "a" }}{{ $x }}{{ end }}',
        "{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}",
        "{{ $x, $y := 1 }}",
        "{{ range $a, $b, $c := .Input.list }}{{ end }}",
        "{{ break }}",
        '{{ range 3 }}{{ block "b" . }}{{ continue }}{{ end }}{{ end }}',
        "{{ 1 | 2 }}",
        "{{ (1 }}",
        "{{ 1) }}",
        "{{ 1.a }}",
        "{{ nil.a }}",
        '{{ "a }}',
        "{{ `a }}",
        "{{ 'ab' }}",
        "{{ 1a }}",
        "{{ 99999999999999999999 }}",
        '{{ "\\q" }}',
        "{{ .a=b }}",
        "{{ /* open }}",
        "{{/* a */ b }}",
        "{{ template }}",
        '{{ define "a" }}x{{ end }}{{ define "a" }}y{{ end }}',
        "{{ § }}",
        "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
        "{{ if 1 }}" * 5000 + "{{ end }}" * 5000,
        "x" * 300_000,
    ],
)
def test_a_template_that_is_wrong_is_refused_when_it_is_compiled(text: str) -> None:
    with pytest.raises(TemplateError):
        gotemplate.compile(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ .Input.body.s.x }}",
        "{{ .Input.list.x }}",
        "{{ .Input.body.nul.x }}",
        "{{ upper .Input.body.gone }}",
        "{{ keys .Input.body.s }}",
        "{{ index .Input.list 5 }}",
        '{{ fail "no" }}',
        '{{ regexFind "(" "a" }}',
        '{{ mustRegexMatch "(" "a" }}',
        '{{ template "gone" }}',
        "{{ nil }}",
        "{{ upper 1 }}",
        "{{ upper }}",
        '{{ upper "a" "b" }}',
        "{{ upper nil }}",
        "{{ upper .Input.body.nul }}",
        "{{ trunc .Input.body.n .Input.body.s }}",
        '{{ .Input.body.s "x" }}',
        '{{ "x" | .Input.body.s }}',
        "{{ range .Input.body.s }}{{ end }}",
        "{{ range .Input.body.f }}{{ end }}",
        "{{ range $i, $e := 3 }}{{ end }}",
        "{{ range .Input.nulls }}{{ .x }}{{ end }}",
        "{{ range $e := .Input.nulls }}{{ $e.x }}{{ end }}",
        "{{ eq 1 1.0 }}",
        "{{ eq .Input.list .Input.list }}",
        "{{ lt nil 1 }}",
        "{{ lt true false }}",
        "{{ eq 1 }}",
        "{{ index .Input.body 1 }}",
        "{{ index .Input.list .Input.body.f }}",
        "{{ index nil 1 }}",
        "{{ len 3 }}",
        "{{ call .Input.body.s }}",
        "{{ 9223372036854775808 }}",
        "{{ (now).Format }}",
        "{{ (now).Nothing }}",
        "{{ if false }}{{ $x := 1 }}{{ else }}{{ $x }}{{ end }}",
        "{{ $x = 1 }}",
    ],
)
def test_a_template_that_fails_in_go_fails_here(text: str) -> None:
    with pytest.raises(TemplateError):
        render(text)


@pytest.mark.parametrize("name", ["format", "upper", "__class__", "__doc__", "encode"])
def test_a_field_is_never_an_attribute_of_a_python_object(name: str) -> None:
    for path in (".Input.body.s", ".Input.list", ".Input.body.n", ".Input"):
        try:
            assert render(f"{{{{ {path}.{name} }}}}") == gotemplate.NO_VALUE
        except TemplateError:
            continue


@pytest.mark.parametrize("call", ['env "HOME"', 'expandenv "$HOME"', 'getHostByName "localhost"'])
def test_a_template_cannot_read_the_environment_or_ask_the_network(call: str) -> None:
    with pytest.raises(TemplateError, match=f"{call.split(maxsplit=1)[0]} is not available"):
        render("{{ " + call + " }}")


STALLS = [
    '{{ repeat 1000000000 "x" }}',
    "{{ until 1000000000 }}",
    "{{ untilStep 0 1000000000 1 }}",
    "{{ seq 1 100000000 }}",
    '{{ $x := "aaaaaaaaaa" }}{{ range until 60 }}{{ $x = printf "%s%s" $x $x }}{{ end }}',
    "{{ $x := list 1 }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}{{ toJson $x }}",
    '{{ $d := dict }}{{ $_ := set $d "self" $d }}{{ toJson $d }}',
    '{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}',
    "{{ range until 200 }}{{ range until 200 }}{{ range until 200 }}x{{ end }}{{ end }}{{ end }}",
    "{{ range 1000000000 }}x{{ end }}",
    '{{ printf "%9999999d" 1 }}',
    '{{ printf "%1000000v" .Input.wide }}',
    "{{ $x := list 1 }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}",
    '{{ $d := dict }}{{ $_ := set $d "self" $d }}{{ $d }}',
    "{{ range until 20000 }}{{ $a := sha256sum $.Input.long }}{{ end }}",
    "{{ range until 20000 }}{{ $a := reverse (keys $.Input.wide) }}{{ end }}",
    '{{ indent 100000000 "a" }}',
    '{{ replace "" .Input.long .Input.long }}',
    '{{ regexReplaceAll "" .Input.long .Input.long }}',
    "{{ randAlphaNum 1000000000 }}",
    "{{ join .Input.long (until 100000) }}",
    "{{ range until 20000 }}{{ $.Input.long }}{{ end }}",
    "{{ range until 20000 }}{{ $a := toJson $.Input }}{{ end }}",
    "{{ range until 10000 }}{{ range $.Input.wide }}{{ break }}{{ end }}{{ end }}",
    '{{ mustFromJson (repeat 100000 "[") }}',
]


@pytest.mark.parametrize("text", STALLS)
def test_a_template_cannot_stall_the_process(text: str) -> None:
    value = {"long": "x" * 500_000, "wide": {f"k{number}": number for number in range(50_000)}}
    with pytest.raises(TemplateError):
        render(text, value)


def test_a_limit_that_was_reached_says_what_to_do() -> None:
    with pytest.raises(TemplateError, match=r"repeat would make .* do this work in the Workflow"):
        render('{{ repeat 1000000000 "x" }}')


def test_a_call_on_a_large_text_takes_many_steps() -> None:
    with pytest.raises(TemplateError, match="took more than 20,000 steps"):
        render("{{ range until 1000 }}{{ $a := upper $.Input }}{{ end }}", "x" * 500_000)


def test_a_template_leaves_the_event_as_it_was() -> None:
    value = {"o": {"k": "v"}}
    assert render('{{ $_ := set .Input "a" "b" }}{{ $_ = set .Input.o "k" "w" }}{{ .Input.o.k }}', value) == "w"
    assert value == {"o": {"k": "v"}}


def test_every_rendering_starts_from_nothing() -> None:
    template = gotemplate.compile('{{ $_ := set .Input "n" (add1 .Input.n) }}{{ .Input.n }}')
    assert [template.render({"n": 1}) for _ in range(3)] == ["2", "2", "2"]


def test_a_text_without_a_template_does_not_import_the_engine() -> None:
    script = (
        "import sys; from tiphys.languages import gotemplate; gotemplate.compile('plain').render({}); "
        "print('tiphys.languages.sprig' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout.strip() == "False"


def test_printf_is_misused_as_in_go_and_no_width_can_stall_it() -> None:
    assert render('{{ printf "%999999999d" 1 }}') == "%!(NOVERB)%!(EXTRA int=1)"
    assert render('{{ printf "%*d" 1000000000 1 }}') == "%!(BADWIDTH)1"
    assert render('{{ printf "%d %s %!" "x" 1 }}') == "%!d(string=x) %!s(int=1) %!!(MISSING)"


def test_a_failure_says_where_it_is() -> None:
    with pytest.raises(TemplateError, match=r"at 12: <\.Input\.body\.s\.x>: can't evaluate field x in type string") as caught:
        render("a {{ upper (.Input.body.s.x) }}")
    assert caught.value.offset == 12


def test_a_template_may_have_other_data_than_an_event() -> None:
    assert (
        gotemplate.compile("{{ .push.n }}{{ $.push.n }}{{ with .push }}{{ .n }}{{ end }}").render_data({"push": {"n": 1}}) == "111"
    )


def test_the_paths_that_a_template_reads_are_known() -> None:
    assert gotemplate.compile("{{ .Input.body.a }}{{ if $.Input.b }}{{ end }}").paths == {("Input", "body", "a"), ("Input", "b")}
    assert gotemplate.compile("{{ range . }}{{ end }}").paths is None
    assert gotemplate.compile("plain").paths == frozenset()


def test_strings_are_bytes_and_what_is_not_utf_8_is_replaced_at_the_end() -> None:
    assert render('{{ substr 0 1 "é" }}{{ substr 1 2 "é" }}{{ substr 0 1 "é" }}') == "é\ufffd"


@pytest.mark.parametrize(("text", "printed"), [("{{ .n }}", "12345678"), ("{{ .o.k }}{{ if .gone_is_null }}x{{ end }}", "v")])
def test_a_strict_template_keeps_whole_numbers_whole(text: str, printed: str) -> None:
    assert gotemplate_strict.compile(text).render({"n": 12345678, "o": {"k": "v"}, "gone_is_null": None}) == printed


@pytest.mark.parametrize("text", ["{{ .gone }}", "{{ .o.gone }}", "{{ .nul }}", "{{ with .o }}{{ .gone }}{{ end }}"])
def test_a_strict_template_refuses_what_is_absent_or_null(text: str) -> None:
    with pytest.raises(TemplateError):
        gotemplate_strict.compile(text).render({"o": {"k": 1}, "nul": None})


def test_a_strict_template_leaves_its_data_as_it_was() -> None:
    data = {"o": {"k": 1}}
    assert gotemplate_strict.compile('{{ $_ := set .o "k" 2 }}{{ .o.k }}').render(data) == "2"
    assert data == {"o": {"k": 1}}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_whatever_comes_in_to_json_gives_it_back(value: object) -> None:
    # Every number is a float64, in whatever notation it is printed.
    assert json.loads(render("{{ toRawJson .Input }}", value), parse_int=float) == json.loads(json.dumps(value), parse_int=float)


@given(st.text(alphabet='{}()|."$:=-/ \nabIinput0123', max_size=60), json_values)
def test_any_text_is_rendered_or_refused_and_nothing_else_comes_out(text: str, value: object) -> None:
    try:
        assert isinstance(gotemplate.compile(text).render(value), str)
    except TemplateError:
        return


ORACLE = shutil.which("gotp", path=str(Path(sys.executable).parent))


@pytest.mark.skipif(ORACLE is None, reason="gotp, a real Go template engine, is not installed (development dependency)")
@pytest.mark.parametrize(
    "text",
    [
        "{{ .Input.body.n }}|{{ .Input.body.big }}|{{ .Input.body.gone }}|{{ .Input.body.nul }}",
        "{{ .Input }}",
        "{{ range .Input.list }}{{ . }},{{ end }}",
        "{{ with .Input.body }}{{ .s | upper | quote }}{{ end }}",
        '{{ regexReplaceAll "l+" .Input.body.s "<$0>" }}|{{ regexSplit "l" .Input.body.s -1 }}|{{ regexSplit "x*" .Input.body.s 3 }}',
        '{{ printf "%5.2f|%-6s|%v|%q" .Input.body.f .Input.body.s .Input.strs .Input.body.s }}',
        "{{ add 1 2 }}{{ div 7 2 }}{{ mul 3 4 }}",
        '{{ eq .Input.body.gone nil }}{{ eq "a" .Input.body.gone }}{{ ne .Input.body.gone "a" }}',
        "{{ keys .Input.gone }}{{ list 1 .Input.gone }}",
    ],
)
def test_go_itself_prints_the_same(text: str) -> None:
    command = [str(ORACLE), "--text", "--sprig", "-d", json.dumps({"Input": EVENT}), "-"]
    found = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=30)
    assert render(text) == found.stdout.decode()


def test_a_rendering_is_stopped_by_its_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from tiphys.languages.gotemplate import execution

    monkeypatch.setattr(execution, "TIME_LIMIT", -1.0)
    started = time.thread_time()
    with pytest.raises(TemplateError, match="took more than -1 s"):
        render('{{ range until 1000 }}{{ upper "a" }}{{ end }}')
    assert time.thread_time() >= started
