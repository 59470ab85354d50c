"""The table of routes: what is found, and who holds a path that two want."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventsource.ingress.routes import Age, Binding, Claim, Owner, Table, compile_path, normal_path
from eventsource.source import Address, Answer, Emit, Endpoint, Request, Route
from tiphys.errors import PatternError
from tiphys.schema.model import Model


class Nothing(Endpoint[Model]):
    key, event_type, spec = "nothing", "nothing", Model

    def __init__(self) -> None:
        return

    @property
    def route(self) -> Route:
        return Route(12000, "/")

    async def handle(self, request: Request, emit: Emit) -> Answer:
        return Answer(200, "", "")


class Shown:
    def __init__(self) -> None:
        self.problem = ""

    def well(self) -> None:
        self.problem = ""

    def ill(self, problem: str) -> None:
        self.problem = problem


async def nowhere(event: Any) -> None:
    return


def binding(name: str, path: str, arrival: int, created: str = "", port: int = 12000) -> Binding:
    return Binding(Nothing(), Route(port, path), Address("argo", name, "ev"), nowhere, Shown(), Age(created, arrival))


def put(table: Table, *bindings: Binding) -> None:
    for one in bindings:
        table.replace(one.owner, [Claim(one.route.port, one.route.path, one)])


def found(table: Table, path: str, port: int = 12000) -> str | None:
    hit = table.find(port, path)
    return hit[0].address.eventsource if hit else None


def problem(one: Binding) -> str:
    assert isinstance(one.health, Shown)
    return one.health.problem


def test_a_path_is_found_on_its_port_only() -> None:
    table = Table()
    put(table, binding("a", "/push", 1), binding("b", "/push", 2, port=12001))
    assert found(table, "/push") == "a"
    assert found(table, "/push", 12001) == "b"
    assert found(table, "/push/") is None
    assert found(table, "/push", 12002) is None
    assert table.ports == {12000, 12001}


def test_variables_match_one_segment_or_their_pattern() -> None:
    table = Table()
    put(table, binding("a", "/r/{my-id}", 1), binding("b", "/n/{id:[0-9]{1,3}}/x", 2))
    assert table.find(12000, "/r/7") == (next(iter(table.owned(Owner("argo", "a")))), {"my-id": "7"})
    assert found(table, "/r/") is None
    assert found(table, "/r/7/8") is None
    assert found(table, "/n/123/x") == "b"
    assert found(table, "/n/1234/x") is None
    assert found(table, "/n/a/x") is None


def test_an_exact_path_comes_before_a_pattern_and_an_older_pattern_before_a_younger() -> None:
    table = Table()
    put(table, binding("young", "/{a}", 3), binding("old", "/{b}", 1), binding("exact", "/x", 4))
    assert found(table, "/x") == "exact"
    assert found(table, "/y") == "old"


def test_a_clash_hits_the_younger_object_and_ends_with_the_older() -> None:
    table = Table()
    old, young = (
        binding("old", "/push", 7, created="2026-01-01T00:00:00Z"),
        binding("young", "/push", 1, created="2026-02-01T00:00:00Z"),
    )
    put(table, young, old)
    assert found(table, "/push") == "old"
    assert problem(old) == ""
    assert "belongs to the older argo/old/ev" in problem(young)
    assert "/argo/young/ev" in problem(young)
    table.replace(old.owner, ())
    assert found(table, "/push") == "young"
    assert problem(young) == ""


def test_a_manifest_cannot_take_the_qualified_path_of_an_older_object() -> None:
    table = Table()
    victim, thief = binding("victim", "/v", 1), binding("thief", "/argo/victim/ev", 2)
    table.replace(victim.owner, [Claim(12000, "/v", victim), Claim(12000, "/argo/victim/ev", victim, qualified=True)])
    put(table, thief)
    assert found(table, "/argo/victim/ev") == "victim"
    assert problem(thief)


def test_a_younger_objects_lost_qualified_path_is_no_trouble() -> None:
    table = Table()
    first, second = binding("first", "/argo/second/ev", 1), binding("second", "/s", 2)
    put(table, first)
    table.replace(second.owner, [Claim(12000, "/s", second), Claim(12000, "/argo/second/ev", second, qualified=True)])
    assert found(table, "/argo/second/ev") == "first"
    assert problem(second) == ""


def test_two_events_of_one_object_with_one_path_are_told_apart() -> None:
    table = Table()
    one, two = binding("a", "/push", 1), binding("a", "/push", 1)
    table.replace(one.owner, [Claim(12000, "/push", one), Claim(12000, "/push", two)])
    hit = table.find(12000, "/push")
    assert hit is not None
    assert hit[0] is one
    assert "twice in this object" in problem(two)


def test_an_empty_table_has_no_ports() -> None:
    table = Table()
    one = binding("a", "/{x}", 1)
    put(table, one)
    table.replace(one.owner, ())
    assert table.ports == set()
    assert table.bindings() == set()
    assert found(table, "/1") is None


@pytest.mark.parametrize("path", ["/{", "/}", "/{a}}", "/{a{b}", "/{}", "/{a:}", "/{a:(}", "/{a:(?=x)}", "/{a}/{a}"])
def test_a_bad_path_is_refused_with_a_remedy(path: str) -> None:
    with pytest.raises(PatternError) as error:
        compile_path(path)
    assert error.value.remedy


def test_an_endpoint_gets_its_leading_slash() -> None:
    assert normal_path("push") == "/push"
    assert normal_path("/push") == "/push"


@given(st.text(max_size=30))
def test_any_text_is_a_path_or_refused(path: str) -> None:
    try:
        pattern = compile_path(path)
    except PatternError:
        return
    assert (pattern is None) == ("{" not in path and "}" not in path)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["/p", "/q", "/{v}"]), st.booleans()), max_size=20))
def test_after_any_changes_the_oldest_claimant_of_each_path_holds_it(changes: list[tuple[str, str, bool]]) -> None:
    table, standing = Table(), dict[str, Binding]()
    for name, path, gone in changes:
        one = binding(name, path, ord(name))
        standing.pop(name, None)
        if not gone:
            standing[name] = one
        table.replace(one.owner, [] if gone else [Claim(12000, path, one)])
    for path in ("/p", "/q"):
        exact = sorted(name for name, one in standing.items() if one.route.path == path)
        wild = sorted(name for name, one in standing.items() if one.route.path == "/{v}")
        assert found(table, path) == (exact or wild or [None])[0]
    assert {name for name, one in standing.items() if problem(one)} == {
        name
        for name, one in standing.items()
        if any(other < name and standing[other].route.path == one.route.path for other in standing)
    }
