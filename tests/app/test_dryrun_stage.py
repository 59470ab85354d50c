"""A dry run shows what the service would do: the same routes, checks, filters, conditions and objects, and nothing of the world."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from tests.app.staging import act, acts, sensor, staged, verdicts
from tiphys.errors import SettingsError

SOURCE = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: hooks, namespace: argo}
spec:
  webhook:
    in: {endpoint: /in, port: "12000", method: POST}
    other: {endpoint: /in, port: "12001", method: POST, authSecret: {name: hooks, key: token}}
  github:
    push:
      repositories: [{owner: acme, names: [shop]}]
      webhook: {endpoint: /github, port: "12000"}
      webhookSecret: {name: github, key: secret}
"""
SECRET = """\
---
apiVersion: v1
kind: Secret
metadata: {name: github, namespace: argo}
data: {secret: czNjcmV0Cg==}
"""
DEPENDENCY = "- {name: dep, eventSourceName: hooks, eventName: in}"
NOTE = """\
- template:
    name: note
    k8s:
      operation: create
      source: {resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: note-}, data: {text: ""}}}
      parameters:
      - {src: {dependencyName: dep, dataKey: body.text}, dest: data.text}
"""
NOTES = sensor("notes", DEPENDENCY, NOTE)


# -- requests


async def test_a_request_finds_its_route_becomes_an_event_and_shows_the_object() -> None:
    async with staged(SOURCE, NOTES) as play:
        arrived = await play.request("/in", {"text": "hello"})
    assert arrived.answer == (200, "published", "success")
    assert verdicts(arrived) == [("notes/note", "fired")]
    made = act(arrived)
    assert made.does == f"create ConfigMap argo/note-{made.firing}"
    assert made.preview["data"] == {"text": "hello"}
    assert made.preview["metadata"]["labels"]["tiphys.dev/firing"] == made.firing


async def test_the_same_request_has_the_same_ids_in_each_run_and_two_of_it_have_not_the_same() -> None:
    ids = []
    for _ in range(2):
        async with staged(SOURCE, NOTES) as play:
            ids.append([act(await play.request("/in", {"text": "hello"})).firing for _ in range(2)])
    assert ids[0] == ids[1]
    assert ids[0][0] != ids[0][1]


async def test_a_signature_is_checked_with_the_secret_of_a_manifest() -> None:
    listening = sensor("ci", "- {name: dep, eventSourceName: hooks, eventName: push}", "- template: {name: seen, log: {}}")
    headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d-1"}
    async with staged(SOURCE, SECRET, listening) as play:
        unsigned = await play.request("/github", {"ref": "refs/heads/main"}, headers)
        signed = await play.request("/github", {"ref": "refs/heads/main"}, headers, sign=True)
        repeated = await play.request("/github", {"ref": "refs/heads/main"}, headers, sign=True)
        forged = await play.request("/github", {"ref": "x"}, headers | {"X-Hub-Signature-256": "sha256=" + "0" * 64})
    assert (unsigned.answer or ())[:2] == (forged.answer or ())[:2] == (400, "signature")
    assert (verdicts(unsigned), verdicts(signed), verdicts(repeated)) == ([], [("ci/seen", "fired")], [("ci/seen", "duplicate")])
    assert "delivered again" in repeated.events[0].explained["verdicts"][0]["why"]


async def test_a_given_secret_is_used_and_a_missing_one_is_answered_as_in_the_service() -> None:
    async with staged(SOURCE) as play:
        missing = await play.request("/github", {"ref": "x"}, sign=True)
    async with staged(SOURCE, secrets={("github", "secret"): b"given"}) as play:
        given = await play.request("/github", {"ref": "x"}, sign=True)
    assert (missing.answer or ())[1] == "secret-missing"
    assert (given.answer or ())[1] == "published"


async def test_the_port_of_the_host_header_chooses_among_routes_of_one_path() -> None:
    async with staged(SOURCE, secrets={("hooks", "token"): b"t0ken"}) as play:
        refused = await play.request("/in", {}, {"Host": "hooks.example:12001"})
        signed = await play.request("/in", {}, {"Host": "hooks.example:12001"}, sign=True)
        plain = await play.request("/in", {}, {"Host": "hooks.example:12000"})
    assert (refused.answer or ())[:2] == (401, "no-token")
    assert [came.explained["event"] for one in (signed, plain) for came in one.events] == ["other", "in"]


async def test_a_path_without_a_route_says_which_routes_there_are() -> None:
    async with staged(SOURCE) as play:
        arrived = await play.request("/nowhere", {})
    assert (arrived.answer or ())[0] == 404
    assert "POST :12000/in (argo/hooks/in)" in arrived.notes[0]


async def test_what_is_no_http_is_answered_as_such() -> None:
    async with staged(SOURCE) as play:
        arrived = await play.request("/in", {}, {"Bad header": "x"})
    assert (arrived.answer or ())[:2] == (400, "malformed")


FILTERED = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: hooks, namespace: argo}
spec:
  webhook:
    forge:
      endpoint: /forge
      port: "12000"
      method: POST
      filter:
        expression: header["X-Codeup-Token"] == "tok-7" && header["X-Codeup-Event"] in ["Push Hook", "Merge Request Hook"]
"""
CORRECTED = FILTERED.replace('Token"]', 'Token"][0]').replace('Event"]', 'Event"][0]')


async def test_argo_events_3403_a_filter_of_an_event_source_says_that_it_kept_the_request_back() -> None:
    headers = {"X-Codeup-Token": "tok-7", "X-Codeup-Event": "Push Hook"}
    async with staged(FILTERED) as play:
        as_written = await play.request("/forge", {"ref": "refs/heads/main"}, headers)
    async with staged(CORRECTED) as play:
        corrected = await play.request("/forge", {"ref": "refs/heads/main"}, headers)
        without = await play.request("/forge", {"ref": "refs/heads/main"})
    assert [(one.answer or ())[0] for one in (as_written, corrected, without)] == [200, 200, 200]
    assert as_written.kept_back == "the filter of forge: the expression is false"
    assert corrected.events[0].explained["data"]["header"]["X-Codeup-Event"] == ["Push Hook"]
    assert (without.events, without.kept_back.startswith("the filter of forge: the expression failed: ")) == ([], True)


async def test_nothing_is_listened_to_or_polled() -> None:
    source = """\
apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: clock, namespace: argo}
spec:
  calendar: {each: {interval: 1ms}}
"""
    async with staged(SOURCE, source) as play:
        await play.event("hooks", "in")
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith(("source-", "ingress-"))]


# -- events


async def test_an_event_shows_why_a_filter_dropped_it() -> None:
    filtered = sensor(
        "ci", DEPENDENCY + "\n  filters: {data: [{path: body.n, type: number, comparator: '>', value: ['10']}]}", NOTE
    )
    async with staged(SOURCE, filtered.replace("in}\n    filters", "in, filters").replace("['10']}]}", "['10']}]}}")) as play:
        arrived = await play.event("hooks", "in", {"body": {"n": 7}})
    (verdict,) = arrived.events[0].explained["verdicts"]
    clause = verdict["filters"]["children"][0]["children"][0]
    assert (verdict["outcome"], clause["judgement"], clause["found"]) == ("filtered", "failed", "'7'")


async def test_an_event_gets_what_the_manifests_know_of_it() -> None:
    async with staged(
        SOURCE.replace("namespace: argo", "namespace: ci"), NOTES.replace("namespace: argo", "namespace: ci")
    ) as play:
        arrived = await play.event("hooks", "in", {"body": {"text": "x"}})
    explained = arrived.events[0].explained
    assert (explained["namespace"], explained["type"], explained["time"]) == ("ci", "webhook", "2026-01-01T12:00:00.000000Z")
    assert verdicts(arrived) == [("notes/note", "fired")]


async def test_data_alone_is_of_the_only_event_that_is_listened_to() -> None:
    async with staged(NOTES) as play:
        arrived = await play.event("", "", {"body": {"text": "x"}})
    assert verdicts(arrived) == [("notes/note", "fired")]


async def test_data_alone_is_refused_where_several_events_are_listened_to() -> None:
    other = sensor("other", "- {name: dep, eventSourceName: hooks, eventName: push}", "- template: {name: seen, log: {}}")
    async with staged(NOTES, other) as play:
        with pytest.raises(SettingsError, match="the Sensors listen to hooks/in, hooks/push; choose one with --as"):
            await play.event("", "", {})


async def test_an_event_that_nobody_listens_to_says_what_comes_nearest() -> None:
    async with staged(SOURCE, NOTES) as play:
        arrived = await play.event("hooks", "inn")
    assert "listens to event 'in', this one is 'inn'" in arrived.events[0].explained["why"]


async def test_time_never_goes_back() -> None:
    async with staged(NOTES) as play:
        await play.event("hooks", "in", at="2026-01-02T00:00:00Z")
        with pytest.raises(SettingsError, match="arrives before the one before it"):
            await play.event("hooks", "in", at="2026-01-01T23:00:00Z")


async def test_a_time_filter_is_judged_by_the_event_s_own_time_or_the_clock() -> None:
    office = NOTES.replace("eventName: in}", "eventName: in, filters: {time: {start: '08:00:00', stop: '17:00:00'}}}")
    async with staged(SOURCE, office, at="2026-01-05T07:59:59Z") as play:
        early = await play.event("hooks", "in", {"body": {"text": "x"}})
        in_time = await play.event("hooks", "in", {"body": {"text": "x"}}, at="2026-01-05T08:00:00Z")
        old = await play.event("hooks", "in", {"body": {"text": "x"}}, time="2026-01-04T20:00:00Z")
    assert [verdicts(one)[0][1] for one in (early, in_time, old)] == ["filtered", "fired", "filtered"]


async def test_transforms_and_scripts_run_in_real_workers() -> None:
    dependency = """\
- name: dep
  eventSourceName: hooks
  eventName: in
  transform: {jq: ".body |= {text: (.name + 1)}"}
  filters: {script: "return event.body.text == 42"}
"""
    async with staged(SOURCE, sensor("notes", dependency, NOTE)) as play:
        passed, failed = [
            await play.event("hooks", "in", {"body": {"name": 41}}),
            await play.event("hooks", "in", {"body": {"name": 1}}),
        ]
    assert act(passed).preview["data"] == {"text": "42"}
    assert verdicts(failed) == [("notes/note", "filtered")]


# -- conditions over several events

BOTH = sensor(
    "daily",
    "- {name: A, eventSourceName: queue, eventName: report}\n- {name: B, eventSourceName: clock, eventName: eight}",
    """\
- template:
    name: run
    conditions: "A && B"
    conditionsReset:
    - byTime: {cron: "0 22 * * *", timezone: Europe/Berlin}
    k8s:
      operation: create
      source: {resource: {apiVersion: v1, kind: ConfigMap, metadata: {generateName: run-}, data: {}}}
      parameters:
      - {src: {dependencyName: A, contextKey: id}, dest: data.a}
      - {src: {dependencyName: B, contextKey: id}, dest: data.b}
""",
)


async def test_argo_events_1381_a_reset_lies_between_two_arrivals_by_the_clock_of_the_dry_run() -> None:
    arrivals = [
        ("b1", "clock", "eight", "2026-01-12T07:00:00Z"),
        ("a2", "queue", "report", "2026-01-13T05:10:00Z"),
        ("b2", "clock", "eight", "2026-01-13T07:00:00Z"),
        ("a3", "queue", "report", "2026-01-13T20:59:59Z"),
        ("b3", "clock", "eight", "2026-01-14T07:00:00Z"),
    ]
    async with staged(BOTH, at="2026-01-12T00:00:00Z") as play:
        arrived = [await play.event(source, event, {}, at, id=number, time=at) for number, source, event, at in arrivals]
        held = [(one.dependency, one.event) for one in play.run.held()]
    assert [outcome for one in arrived for _, outcome in verdicts(one)] == ["held", "held", "fired", "held", "held"]
    assert act(arrived[2]).preview["data"] == {"a": "a2", "b": "b2"}
    assert held == [("B", "b3")]


async def test_what_is_held_too_long_is_not_shown_as_held() -> None:
    short = BOTH.replace('    conditions: "A && B"\n', '    conditions: "A && B"\n      within: 10m\n')
    async with staged(short) as play:
        await play.event("queue", "report")
        assert [one.dependency for one in play.run.held()] == ["A"]
        await play.event("hooks", "in", at="2026-01-01T12:30:00Z")
        assert play.run.held() == []


async def test_once_holds_back_what_has_fired_and_names_it() -> None:
    once = NOTES.replace(
        "- template:\n      name: note", '- once: {key: "{{ .dep.body.sha }}", for: 1h}\n    template:\n      name: note'
    )
    async with staged(SOURCE, once) as play:
        first = await play.event("hooks", "in", {"body": {"sha": "a", "text": "x"}})
        again = await play.event("hooks", "in", {"body": {"sha": "a", "text": "y"}})
        later = await play.event("hooks", "in", {"body": {"sha": "a", "text": "z"}}, at="2026-01-01T13:00:01Z")
    assert [verdicts(one)[0][1] for one in (first, again, later)] == ["fired", "once", "fired"]
    assert act(first).firing in again.events[0].explained["verdicts"][0]["why"]


async def test_an_event_that_completes_several_triggers_shows_each_in_the_order_of_the_manifests() -> None:
    async with staged(sensor("two", DEPENDENCY, NOTE.replace("note", "b") + NOTE.replace("note", "a"))) as play:
        arrived = await play.event("hooks", "in", {"body": {"text": "x"}})
    assert [one.trigger for one in acts(arrived)] == ["b", "a"]


async def test_a_payload_of_a_megabyte_and_of_great_depth_is_shown_like_any_other() -> None:
    async with staged(NOTES) as play:
        large = await play.event("hooks", "in", {"body": {"text": "x" * 1_000_000}})
        deep = await play.event("hooks", "in", {"body": {"text": orjson.loads("[" * 500 + "]" * 500)}})
    assert len(act(large).preview["data"]["text"]) == 1_000_000
    assert act(deep).preview["data"]["text"].startswith("[[[")


# -- firings that gather


def gathering(how: str) -> str:
    return NOTES.replace("- template:\n      name: note", f"- {how}\n    template:\n      name: note")


async def test_a_burst_that_is_debounced_is_one_firing_of_the_last_event_when_its_time_has_come() -> None:
    async with staged(SOURCE, gathering("debounce: 30s")) as play:
        arrived = [
            await play.event("hooks", "in", {"body": {"text": text}}, at)
            for text, at in (("a", ""), ("b", "2026-01-01T12:00:20Z"), ("c", "2026-01-01T12:10:00Z"))
        ]
        assert [acts(one) for one in arrived] == [[], [], []]
        arrived = await play.run.finish(arrived)
    assert [outcome for one in arrived for _, outcome in verdicts(one)] == ["fired", "fired", "fired"]
    assert [[(one.preview["data"]["text"], one.due) for one in acts(each)] for each in arrived] == [
        [],
        [("b", "2026-01-01T12:00:50.000Z")],
        [("c", "2026-01-01T12:10:30.000Z")],
    ]


async def test_a_batch_is_one_firing_when_it_is_full_or_its_time_is_over() -> None:
    async with staged(SOURCE, gathering("batch: {size: 2, wait: 1m}")) as play:
        arrived = await play.run.finish([await play.event("hooks", "in", {"body": {"text": text}}) for text in "abc"])
    assert [[(one.preview["data"]["text"], one.due) for one in acts(each)] for each in arrived] == [
        [],
        [("b", "")],
        [("c", "2026-01-01T12:01:00.000Z")],
    ]


async def test_nothing_is_registered_at_a_forge() -> None:
    hooks = SOURCE.replace(
        'webhook: {endpoint: /github, port: "12000"}', 'webhook: {endpoint: /github, port: "12000", url: "https://hooks.example"}'
    ).replace("      webhookSecret", "      events: [push]\n      apiToken: {name: github, key: token}\n      webhookSecret")
    async with staged(hooks, SECRET) as play:
        assert play.run.problems == []
        await play.event("hooks", "in")
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("source-")]
