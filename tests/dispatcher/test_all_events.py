"""`all`: every event of a dependency that holds several (`hold: all`), for parameters, arguments and templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.manifest import check, trigger_model
from dispatcher.parameters import PayloadParameter, TriggerParameter, apply, construct_payload
from dispatcher.program import render
from tests.dispatcher.support import KEY, World, event, firing, program
from tiphys.bus.event import Event, Events, every, template_root
from tiphys.bus.firing import DependencyEvent, Firing
from tiphys.bus.identity import firing_id
from tiphys.bus.ledger import Decision
from tiphys.bus.sqlite import SqliteBus
from tiphys.errors import TriggerError

SHAS = ("a1", "b2", "c3")


def several(*shas: str, **single: Any) -> Events:
    """Events of `push` with these, oldest first, and one of each other dependency."""
    pushes = [event({"body": {"sha": sha, "n": 1.50}}, number) for number, sha in enumerate(shas, 1)]
    return Events({"push": pushes[-1]} | {name: event(data, 99) for name, data in single.items()}, {"push": tuple(pushes[:-1])})


def one(dest: str = "x", **src: Any) -> TriggerParameter:
    return TriggerParameter.model_validate({"src": {"dependencyName": "push", **src}, "dest": dest})


def applied(events: Events | dict[str, Event], **src: Any) -> Any:
    return json.loads(apply([one(**src)], b"{}", events))["x"]


async def argued(written: Any, events: Any = None) -> str:
    entry = {"template": {"name": "t", "workflow": {"templateRef": {"name": "ci"}, "arguments": {"x": written}}}}
    request = await render(program(entry, World()), several(*SHAS) if events is None else events, firing())
    (argument,) = request.preview["spec"]["arguments"]["parameters"]
    return str(argument["value"])


class TestParameters:
    @pytest.mark.parametrize(
        ("src", "value"),
        [
            ({"dataKey": "#.body.sha"}, '["a1","b2","c3"]'),
            ({"dataKey": "0.body.sha"}, "a1"),
            ({"dataKey": "2.body.sha"}, "c3"),
            ({"dataKey": "#"}, "3"),
            ({"dataKey": "#.body.sha", "useRawData": True}, ["a1", "b2", "c3"]),
            ({"dataTemplate": "{{ range .Input }}{{ .body.sha }} {{ end }}"}, "a1 b2 c3 "),
            ({"contextKey": "#.id"}, json.dumps([f"{number:032x}" for number in (1, 2, 3)], separators=(",", ":"))),
            ({"contextTemplate": "{{ len .Input }}"}, "3"),
        ],
    )
    def test_with_all_a_source_looks_in_the_list_oldest_first(self, src: dict[str, Any], value: Any) -> None:
        assert applied(several(*SHAS), all=True, **src) == value

    def test_without_it_the_latest_is_meant(self) -> None:
        assert applied(several(*SHAS), dataKey="body.sha") == "c3"

    def test_numbers_keep_their_digits(self) -> None:
        held = Events({"push": event(1)}, {"push": (Event("e", "s", "webhook", "in", "argo", b'{"n":1.50}'),)})
        text = apply([one(all=True, dataKey="#.n", useRawData=True)], b"{}", held)
        assert text == b'{"x":[1.50]}'

    def test_nothing_else_asked_for_it_is_every_event_as_a_whole(self) -> None:
        whole = json.loads(applied(several(*SHAS), all=True))
        assert [one["context"]["id"][-1] for one in whole] == ["1", "2", "3"]

    @pytest.mark.parametrize("events", [several("a1"), {"push": event({"body": {"sha": "a1"}})}])
    def test_where_one_is_held_the_list_has_one(self, events: dict[str, Event]) -> None:
        assert applied(events, all=True, dataKey="#.body.sha") == '["a1"]'

    def test_an_event_that_is_no_json_is_an_error_as_for_one(self) -> None:
        held = several(*SHAS)
        held.earlier = {"push": (Event("e", "s", "webhook", "in", "argo", b"<xml/>"),)}
        with pytest.raises(TriggerError, match="ParameterDataUnusable"):
            applied(held, all=True, dataKey="#")

    def test_a_default_is_used_where_the_list_has_nothing_there(self) -> None:
        assert applied(several(*SHAS), all=True, dataKey="7.body.sha", value="none") == "none"

    def test_a_payload_has_the_list(self) -> None:
        src = {"dependencyName": "push", "all": True, "dataKey": "#.body.sha", "useRawData": True}
        payload = [PayloadParameter.model_validate({"src": src, "dest": "shas"})]
        assert json.loads(construct_payload(payload, several(*SHAS))) == {"shas": list(SHAS)}


class TestArguments:
    @pytest.mark.parametrize(
        ("written", "value"),
        [
            ("{{ range .all.push }}{{ .body.sha }};{{ end }}", "a1;b2;c3;"),
            ("{{ len .all.push }} pushes, the last of {{ .push.body.sha }}", "3 pushes, the last of c3"),
            ("{{ (index .all.push 0).body.sha }}", "a1"),
            ({"from": "push", "all": True, "path": "#.body.sha"}, '["a1","b2","c3"]'),
            ({"from": "push", "all": True, "path": "1.body.sha"}, "b2"),
            ({"from": "push", "all": True, "path": "9.body.sha", "default": "none"}, "none"),
            ({"from": "push", "path": "body.sha"}, "c3"),
        ],
    )
    async def test_templates_and_paths_find_all_events(self, written: Any, value: str) -> None:
        assert await argued(written) == value

    async def test_what_is_missing_in_the_list_is_an_error_that_says_so(self) -> None:
        with pytest.raises(TriggerError, match=r"there is no 9\.x in the list of all events of dependency 'push'"):
            await argued({"from": "push", "all": True, "path": "9.x"})

    async def test_names_with_a_dash_are_found_as_templates_write_them(self) -> None:
        held = Events({"git-push": event({"n": 2}, 2)}, {"git-push": (event({"n": 1}, 1),)})
        assert await argued("{{ range .all.git_push }}{{ .n }}{{ end }}", held) == "12"

    async def test_a_dependency_of_that_name_comes_first(self) -> None:
        assert await argued("{{ .all.body }}", several(*SHAS, all={"body": "mine"})) == "mine"

    async def test_an_event_that_is_no_json_is_null_so_that_the_number_is_right(self) -> None:
        held = several(*SHAS)
        held.earlier = {"push": (Event("e", "s", "webhook", "in", "argo", b"<xml/>"),)}
        assert template_root(held, all_too=True)["all"]["push"][0] is None
        assert await argued({"from": "push", "all": True, "path": "#"}, held) == "2"

    def test_all_is_no_unknown_dependency(self) -> None:
        arguments = {"x": "{{ len .all.push }}", "y": {"value": "v", "all": True}}
        entry = {"template": {"name": "t", "workflow": {"templateRef": {"name": "ci"}, "arguments": {"x": arguments["x"]}}}}
        assert check(trigger_model().model_validate(entry), frozenset({"push"})) == []


async def test_events_that_would_fill_the_memory_are_left_out_and_are_an_error_only_where_they_are_asked_for(
    tmp_path: Path,
) -> None:
    async with SqliteBus.open(tmp_path) as bus:
        epoch = await bus.ledger.open_epoch()
        sent = [event({"n": number, "much": "x" * (3 << 20)}, number) for number in range(1, 8)]
        seen = [DependencyEvent(one.id, await bus.log.publish(one)) for one in sent]
        made = Firing(firing_id(*KEY, {"push": "all"}), KEY, {"push": seen[-1]}, "push", more={"push": tuple(seen[:-1])})
        await bus.ledger.settle(epoch, seen[-1].position, [Decision(sent[-1].id, seen[-1].position, firings=(made,))])
        (claim,) = await bus.ledger.claim(1)

    assert (claim.events["push"], claim.earlier) == (sent[-1], {})
    assert applied(claim.events, dataKey="n") == "7"
    for asked in (
        every,
        lambda events, _: applied(events, all=True, dataKey="#"),
        lambda events, _: template_root(events, all_too=True),
    ):
        with pytest.raises(TriggerError, match=r"EventsTooLarge: all events of dependency push .* 18 MiB; .*transform.*within"):
            asked(claim.events, "push")


def test_every_of_a_plain_map_is_the_one_event() -> None:
    lone = {"push": event()}
    assert (every(lone, "push"), every(lone, "other")) == ((lone["push"],), ())


async def test_a_firing_that_is_claimed_has_all_its_events_with_what_transforms_made_of_them(tmp_path: Path) -> None:
    async with SqliteBus.open(tmp_path) as bus:
        epoch = await bus.ledger.open_epoch()
        sent = [event({"n": number}, number) for number in (1, 2, 3)]
        positions = [await bus.log.publish(one) for one in sent]
        seen = [
            DependencyEvent(one.id, position, b'{"n":"first"}' if not number else None)
            for number, (one, position) in enumerate(zip(sent, positions, strict=True))
        ]
        made = Firing(firing_id(*KEY, {"dep": sent[-1].id}), KEY, {"dep": seen[-1]}, "dep", more={"dep": tuple(seen[:-1])})
        await bus.ledger.settle(epoch, positions[-1], [Decision(sent[-1].id, positions[-1], firings=(made,))])
        (claim,) = await bus.ledger.claim(1)
        assert await bus.ledger.events_of(made) == claim.events

    entry = {
        "template": {
            "name": "build",
            "http": {
                "url": "http://127.0.0.1:9/",
                "payload": [{"src": {"dependencyName": "dep", "all": True, "dataKey": "#.n", "useRawData": True}, "dest": "ns"}],
            },
        }
    }
    request = await render(program(entry, World()), claim.events, claim.firing)
    assert json.loads(request.preview["body"]) == {"ns": ["first", 2, 3]}
