"""A dry run for people: each arrival, each sensor's verdict with the tree behind it, and what would be made, as YAML to copy."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tiphys.app.dryrun.outcomes import Act, Arrived, Came
from tiphys.app.dryrun.suite import CaseResult, Performance
from tiphys.app.dryrun.yaml_text import dump_yaml

__all__ = ["Paint", "performance_lines", "result_lines"]

Paint = Callable[[str, str], str]
"""Gives a word (the first text) the colour of an outcome (the second)."""

_REFUSED: Final = 400


def performance_lines(shown: Performance, paint: Paint) -> Iterator[str]:
    """The lines of a whole dry run."""
    for text in shown.problems:
        yield f"{paint('refused', 'errored')}: {text}"
    for number, arrived in enumerate(shown.arrived):
        if number or shown.problems:
            yield ""
        yield from _arrived(arrived, paint)
    if shown.held:
        yield ""
        yield "still held:"
    for held in shown.held:
        join = f", correlated by {held.join}" if held.join else ""
        yield f"  sensor {held.sensor}, trigger {held.trigger} ({held.conditions}): {held.dependency} of {held.at}{join}"


def _arrived(arrived: Arrived, paint: Paint) -> Iterator[str]:
    answer = ""
    if arrived.answer is not None:
        status, reason, body = arrived.answer
        answer = f": {paint(f'{status} {reason}', 'errored' if status >= _REFUSED else 'passed')}"
        answer += f" ({body.strip()})" if status >= _REFUSED else ""
    yield f"{arrived.label} at {arrived.at}{answer}"
    for note in arrived.notes:
        yield f"  {note}"
    if arrived.kept_back:
        yield f"  {paint('kept back', 'filtered')}: {arrived.kept_back}"
    for came in arrived.events:
        yield from _came(came, paint)


def _came(came: Came, paint: Paint) -> Iterator[str]:
    explained = came.explained
    yield f"event {explained['namespace']}/{explained['source']}/{explained['event']} {explained['id']}"
    if explained["why"]:
        yield f"  {paint(explained['why'], 'held')}"
    for verdict in explained["verdicts"]:
        yield from _verdict(verdict, paint)
        place = verdict["sensor"], verdict["trigger"], verdict["dependency"]
        acts = [act for act in came.acts if (act.sensor, act.trigger, act.completed_by) == place]
        if not acts and verdict["outcome"] == "fired":
            yield "    gathered: the firing of a later event stands for it"
        for act in acts:
            yield from (f"    {line}" if line else "" for line in _act(act, paint))


def _verdict(verdict: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    outcome = paint(verdict["outcome"], verdict["outcome"])
    conditions = verdict.get("conditions", "")
    completing = f" of {conditions}" if conditions != verdict["dependency"] else ""
    yield f"  sensor {verdict['sensor']}, trigger {verdict['trigger']}: {outcome} (dependency {verdict['dependency']}{completing})"
    for name in ("join", "why"):
        if verdict.get(name):
            yield f"    {verdict[name]}"
    if "filters" in verdict:
        yield from _finding(verdict["filters"], "    ", paint)


def _finding(finding: Mapping[str, Any], margin: str, paint: Paint) -> Iterator[str]:
    found = f", found {finding['found']}" if finding["found"] else ""
    why = f" ({finding['why']})" if finding["why"] else ""
    yield f"{margin}{finding['asked']}: {paint(finding['judgement'], finding['judgement'])}{found}{why}"
    for child in finding["children"]:
        yield from _finding(child, f"{margin}  ", paint)


def _act(act: Act, paint: Paint) -> Iterator[str]:
    instead = "dlqTrigger: " if act.dlq else ""
    if act.error:
        yield f"{instead}{paint('not shown', 'held') if act.unknown else paint('fails', 'errored')}: {act.error}"
        return
    yield f"{instead}{paint(act.does, 'fired')}{f' at {act.due}' if act.due else ''}"
    for text in act.warnings:
        yield f"{paint('warning', 'held')}: {text}"
    for text in act.notes:
        yield f"{paint('note', 'held')}: {text}"
    yield from textwrap.indent(dump_yaml(act.preview), "  ").splitlines()


def result_lines(result: CaseResult, paint: Paint) -> Iterator[str]:
    """The lines of a case in a suite."""
    if result.holds:
        yield f"{paint('updated' if result.updated else 'ok', 'passed')} {result.file}"
        return
    yield f"{paint('FAILED' if result.diff else 'ERROR', 'errored')} {result.file}"
    for line in (result.diff or result.error).splitlines():
        colour = {"-": "errored", "+": "passed", "@": "filtered"}.get(line[:1], "") if result.diff else ""
        yield f"  {paint(line, colour)}"
