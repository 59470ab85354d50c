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
from tiphys.languages import gotemplate

EVENT = {
    "body": {"n": 10, "f": 1.5, "big": 12345678, "ref": "refs/heads/feature/Add-Login", "nul": None, "t": True, "s": "hello"},
    "list": [1, 2, 3],
    "strs": ["b", "a"],
}


def render(text: str, value: object = EVENT) -> str:
    return gotemplate.compile(text).render(value)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("plain text", "plain text"),
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
    '{{ printf "%999999999d" 1 }}',
    '{{ printf "%*d" 1000000000 1 }}',
    '{{ indent 100000000 "a" }}',
    '{{ replace "" .Input.long .Input.long }}',
    '{{ regexReplaceAll "" .Input.long .Input.long }}',
    "{{ randAlphaNum 1000000000 }}",
    "{{ uniq (until 100000) }}",
    "{{ join .Input.long (until 100000) }}",
    "{{ range until 20000 }}{{ $.Input.long }}{{ end }}",
    "{{ range until 20000 }}{{ $a := toJson $.Input }}{{ end }}",
    "{{ range until 10000 }}{{ range $.Input.wide }}{{ break }}{{ end }}{{ end }}",
    '{{ fromJson (repeat 100000 "[") }}',
]


@pytest.mark.parametrize("text", STALLS)
def test_a_template_cannot_stall_the_process(text: str) -> None:
    value = {"long": "x" * 500_000, "wide": {f"k{number}": number for number in range(50_000)}}
    with pytest.raises(TemplateError):
        render(text, value)


def test_a_limit_that_was_reached_says_what_to_do() -> None:
    with pytest.raises(TemplateError, match=r"repeat would make more than 4,194,304 .* do this work in the Workflow"):
        render('{{ repeat 1000000000 "x" }}')


def test_a_template_leaves_the_event_as_it_was() -> None:
    value = {"o": {"k": "v"}}
    assert render('{{ $_ := set .Input "a" "b" }}{{ $_ = set .Input.o "k" "w" }}{{ .Input.o.k }}', value) == "w"
    assert value == {"o": {"k": "v"}}


def test_every_rendering_starts_from_nothing() -> None:
    template = gotemplate.compile('{{ $_ := set .Input "n" (add1 .Input.n) }}{{ .Input.n }}')
    assert [template.render({"n": 1}) for _ in range(3)] == ["2", "2", "2"]


def test_a_text_without_a_template_does_not_import_the_engine() -> None:
    script = (
        "import sys; from tiphys.languages import gotemplate; gotemplate.compile('plain').render({}); print('gotpl' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert found.stdout.strip() == "False"


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
    from tiphys.languages import gotemplate_limits

    monkeypatch.setattr(gotemplate_limits, "TIME_LIMIT", -1.0)
    started = time.thread_time()
    with pytest.raises(TemplateError, match="took more than"):
        render('{{ range until 20000 }}{{ upper "a" }}{{ end }}')
    assert time.thread_time() >= started
