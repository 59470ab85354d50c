"""What would never end or never fit, in a filter and in a parameter, on a small and on a large event. It is decided, with a verdict that
says so, the same after a restart; and the sensor beside it notices nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sensors.scripts import Scripts, ScriptSettings
from tests.soak.generated import texts
from tests.soak.generated.deciding import Report, decide
from tests.soak.generated.loading import accepted
from tiphys.bus.event import Event

SMALL = b'{"body":{"ref":"refs/heads/main","size":3,"flag":true,"text":"some text","list":[{"name":"x","id":1}]}}'
LARGE = b'{"body":{"ref":"refs/heads/main","size":1e308,"flag":true,"text":"%b","list":[%b{"name":"x","id":1}]}}' % (
    b"a" * 50_000,
    b'{"name":"y","id":2},' * 300,
)
UNREADABLE = ('body.list.#(name="x"', "body.#(")
FIELDS = [{"path": f"body.{name}", "name": name} for name in ("ref", "size", "flag", "text", "list")]


@pytest.fixture
async def scripts() -> AsyncIterator[Scripts]:
    async with Scripts(ScriptSettings(time=0.2, memory=64 << 20)) as pool:
        yield pool


def sensor(dependency: dict[str, Any], **parameter: Any) -> dict[str, Any]:
    """It makes an object of each event that passes, with a parameter from it; another trigger of it fires for each that passes."""
    hears = {"name": "push", "eventSourceName": "hooks", "eventName": "push", **dependency}
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}, "data": {"a": ""}}
    source = {"dependencyName": "push", **(parameter or {"dataKey": "body.ref"})}
    k8s = {"operation": "create", "source": {"resource": made}, "parameters": [{"src": source, "dest": "data.a"}]}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Sensor",
        "metadata": {"name": "bomb"},
        "spec": {"dependencies": [hears], "triggers": [{"template": {"name": "make", "k8s": k8s}}]},
    }


async def decided(folder: Path, scripts: Scripts, *manifests: dict[str, Any]) -> Report:
    """Everything that holds for a generated case holds for each of these; what was decided is returned."""
    told = [Event("", "hooks", "webhook", "push", "argo", data, "2026-03-01T08:00:00Z") for data in (SMALL, LARGE, b"[" * 5000)]
    cases = [accepted(manifest, told, number) for number, manifest in enumerate(manifests)]
    report = await decide(folder, [case for case in cases if case], scripts)
    assert [(flaw.text, manifests[flaw.case]["spec"]) for flaw in report.flaws] == []
    assert report.counts["cases"] == len(manifests)
    return report


def by_name(name: str, more: Sequence[str] = ()) -> Sequence[Any]:
    """A dozen of them at a time, since opening a store three times takes longer than most of them."""
    every = [*texts.samples(name), *more]
    return [pytest.param(every[start : start + 12], id=f"{name}-{start + 1}") for start in range(0, len(every), 12)]


@pytest.mark.parametrize("templates", by_name("templates.bombs", texts.samples("templates.whims")))
async def test_a_template_of_a_filter(tmp_path: Path, scripts: Scripts, templates: Sequence[str]) -> None:
    asked = [{"path": "body", "type": "string", "value": ["never"], "template": text} for text in templates]
    report = await decided(tmp_path, scripts, *(sensor({"filters": {"data": [one]}}) for one in asked))
    assert report.counts["verdicts fired"] == 0


@pytest.mark.parametrize("templates", by_name("templates.bombs"))
async def test_a_template_of_a_parameter(tmp_path: Path, scripts: Scripts, templates: Sequence[str]) -> None:
    await decided(tmp_path, scripts, *(sensor({}, dataTemplate=text, value="otherwise") for text in templates))


@pytest.mark.parametrize("patterns", by_name("patterns"))
async def test_a_regular_expression(tmp_path: Path, scripts: Scripts, patterns: Sequence[str]) -> None:
    asked = [{"path": "body.text", "type": "string", "value": [text, "z$"], "comparator": "!="} for text in patterns]
    await decided(tmp_path, scripts, *(sensor({"filters": {"data": [one]}}) for one in asked if one["value"][0] != "["))


@pytest.mark.parametrize("paths", by_name("paths", texts.PATH_BOMBS))
async def test_a_path(tmp_path: Path, scripts: Scripts, paths: Sequence[str]) -> None:
    asked = [path for path in paths if path not in UNREADABLE]
    filters = [{"data": [{"path": path, "type": "string", "value": ["."]}], "dataLogicalOperator": "or"} for path in asked]
    exprs = [{"exprs": [{"expr": "it != 1", "fields": [{"path": path, "name": "it"}]}]} for path in asked]
    made = [
        sensor({"filters": one | two}, dataKey=path, value="otherwise")
        for one, two, path in zip(filters, exprs, asked, strict=True)
    ]
    await decided(tmp_path, scripts, *made)


async def test_an_expression(tmp_path: Path, scripts: Scripts) -> None:
    filters = [{"exprs": [{"expr": text, "fields": FIELDS}]} for text in texts.EXPRESSION_BOMBS]
    await decided(tmp_path, scripts, *(sensor({"filters": one}) for one in filters))


async def test_a_script(tmp_path: Path, scripts: Scripts) -> None:
    asked = [
        {"filters": {"script": "while true do end"}},
        {"filters": {"script": "local t = {} while true do t[#t + 1] = string.rep('x', 1e5) end"}},
        {"transform": {"jq": "[repeat(1)]"}},
        {"transform": {"jq": "def f: f; f"}},
        {"transform": {"script": "return string.rep('x', 1e9)"}},
    ]
    report = await decided(tmp_path, scripts, *map(sensor, asked))
    assert report.counts["verdicts errored"] == report.counts["events"] == 3 * len(asked)


async def test_ten_megabytes_of_text_go_through_and_of_surrogates_and_of_a_string_without_an_end(
    tmp_path: Path, scripts: Scripts
) -> None:
    size = 10 << 20
    texts_of = (b"a" * size, b"\\ud800" * (size // 6), b"\xff" * size, b'\\"' * (size // 2))
    data = [b'{"body":{"ref":"refs/heads/main","text":"' + text + (b'"}}' if text[:2] != b'\\"' else b"") for text in texts_of]
    told = [Event("", "hooks", "webhook", "push", "argo", one, "2026-03-01T08:00:00Z") for one in data]
    filters = {"data": [{"path": "body.ref", "type": "string", "value": ["main$"]}]}
    case = accepted(sensor({"filters": filters}), told, 1)
    assert case is not None
    report = await decide(tmp_path, [case], scripts)
    assert report.flaws == []
    assert (report.counts["verdicts fired"], report.counts["verdicts errored"], report.counts["rendered"]) == (3, 1, 3 + 4 + 1)
