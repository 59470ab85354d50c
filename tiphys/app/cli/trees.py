"""Explanations as trees for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.text import Text
from rich.tree import Tree

__all__ = ["COLOURS", "explanation_tree", "sensor_tree"]

COLOURS: Final = {
    "fired": "green",
    "passed": "green",
    "succeeded": "green",
    "held": "yellow",
    "pending": "yellow",
    "started": "yellow",
    "filtered": "cyan",
    "failed": "cyan",
    "errored": "red",
    "refused": "red",
    "dead": "red",
}
"""Of what came of something."""


def explanation_tree(content: Mapping[str, Any]) -> Tree:
    """An explanation as a tree: the event, each verdict with its filters, each firing with its outcome."""
    tree = Tree(Text(f"event {content['id']}", style="bold"))
    tree.add(Text(f"{content['type']} {content['namespace']}/{content['source']}/{content['event']}, stored {content['stored']}"))
    if content["worldid"]:
        tree.add(Text(f"known to the outside as {content['worldid']}"))
    if content["why"]:
        tree.add(Text(content["why"], style="yellow"))
    _add_event(tree, content)
    return tree


def sensor_tree(content: Mapping[str, Any]) -> Tree:
    """Why a sensor did not fire: its findings, what it listens to, what its triggers hold, and the last events that concerned it."""
    tree = Tree(Text(f"sensor {content['namespace']}/{content['sensor']}", style="bold"))
    for text in content["findings"]:
        tree.add(Text(text))
    branch = tree.add(Text("listens to", style="bold")) if content["dependencies"] else tree
    for one in content["dependencies"]:
        last = f"last {one['last']['stored']}, {one['last']['id']}" if one["last"] else "never came"
        line = Text(f"{one['dependency']}: {one['eventSource']}/{one['event']}, {last}", style="yellow" if one["problems"] else "")
        branch.add(line)
    for trigger in content["triggers"]:
        _add_trigger(tree, trigger)
    title = "the last events that concerned it, newest first" if content["events"] else "no event has concerned it yet"
    branch = tree.add(Text(title, style="bold")) if content["running"] else tree
    for event in content["events"]:
        twig = branch.add(Text(f"{event['stored']} {event['source']}/{event['event']} {event['id']}"))
        if event["why"]:
            twig.add(Text(event["why"], style="yellow"))
        _add_event(twig, event)
    return tree


def _add_trigger(tree: Tree, trigger: Mapping[str, Any]) -> None:
    branch = tree.add(Text.assemble((f"trigger {trigger['trigger']}", "bold"), f", conditions {trigger['conditions']}"))
    for group in trigger["held"]:
        where = f"for {group['join']} " if group["join"] else ""
        for one in group["events"]:
            until = f", until {one['until']}" if one["until"] else ""
            branch.add(Text(f"holds {where}{one['dependency']} {one['event']}, since {one['arrived']}{until}"))
        if group["missing"]:
            branch.add(Text(f"{where}has no {', '.join(group['missing'])}", style="yellow"))
    if trigger["reset"]:
        branch.add(Text(f"drops all that it holds at {trigger['reset']} (conditionsReset)"))


def _add_event(tree: Tree, content: Mapping[str, Any]) -> None:
    """The verdicts on an event, and its firings."""
    for verdict in content["verdicts"]:
        outcome = verdict["outcome"]
        line = Text.assemble(f"sensor {verdict['sensor']}, trigger {verdict['trigger']}: ", (outcome, COLOURS.get(outcome, "")))
        branch = tree.add(line)
        branch.add(Text(f"dependency {verdict['dependency']}, conditions {verdict.get('conditions', '')}"))
        if verdict.get("join"):
            branch.add(Text(verdict["join"]))
        if verdict.get("why"):
            branch.add(Text(verdict["why"], style="yellow" if outcome == "refused" else ""))
        if verdict.get("since"):
            branch.add(Text(verdict["since"]))
        if len(verdict.get("events", ())) > 1:
            branch.add(Text(f"with {', '.join(f'{name} {one}' for name, one in verdict['events'].items())}"))
        if verdict.get("remedy"):
            branch.add(Text(verdict["remedy"]))
        if "filters" in verdict:
            _add_finding(branch, verdict["filters"])
    for firing in content["firings"]:
        _add_firing(tree, firing)


def _add_firing(tree: Tree, firing: Mapping[str, Any]) -> None:
    state = firing["state"]
    line = Text.assemble(f"firing {firing['id']} of {firing['sensor']}/{firing['trigger']}: ", (state, COLOURS.get(state, "")))
    branch = tree.add(line)
    last = firing["last"] or {}
    for text in (last.get("result", ""), last.get("message", "")):
        if text:
            branch.add(Text(text))
    if firing["waits"]:
        branch.add(Text(f"waits for {firing['waits']}", style="yellow"))
    elif firing["next"]:
        branch.add(Text(f"next attempt {firing['next']}, {firing['attempts']} so far"))


def _add_finding(tree: Tree, finding: Mapping[str, Any]) -> None:
    judgement = finding["judgement"]
    line = Text.assemble(f"{finding['asked']}: ", (judgement, COLOURS.get(judgement, "")))
    if finding["found"]:
        line.append(f", found {finding['found']}")
    if finding["why"]:
        line.append(f" ({finding['why']})", style="dim")
    branch = tree.add(line)
    for child in finding["children"]:
        _add_finding(branch, child)
