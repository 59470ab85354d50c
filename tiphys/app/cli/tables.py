"""How the journal looks in a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

__all__ = ["explanation_tree", "print_table"]

_COLUMNS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "events": (
        ("ID", "id"),
        ("STORED (UTC)", "stored"),
        ("NAMESPACE", "namespace"),
        ("SOURCE", "source"),
        ("EVENT", "event"),
        ("OUTCOMES", "outcomes"),
    ),
    "firings": (
        ("ID", "id"),
        ("DECIDED (UTC)", "decided"),
        ("NAMESPACE", "namespace"),
        ("SENSOR", "sensor"),
        ("TRIGGER", "trigger"),
        ("STATE", "state"),
        ("ATTEMPTS", "attempts"),
        ("RESULT", "result"),
    ),
}
_PIPE_WIDTH: Final = 400
_SHORT: Final = 13
_COLOURS: Final = {
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


def _console() -> Console:
    """Rich's console; wide where nobody looks at a terminal, so that a pipe gets whole values."""
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=_PIPE_WIDTH)


def print_table(content: Any, kind: str) -> None:
    """Print one answer of the API for people."""
    console = _console()
    if kind in _COLUMNS:
        _print_rows(console, content, _COLUMNS[kind], kind)
    elif kind == "explanation":
        console.print(explanation_tree(content))
    else:
        for name, value in content.items():
            console.print(Text(f"{name + ':':<12} ", style="bold"), _text(value), sep="")


def _print_rows(console: Console, rows: Sequence[Mapping[str, Any]], columns: Sequence[tuple[str, str]], kind: str) -> None:
    if not rows:
        console.print(f"No {kind}.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, _ in columns:
        table.add_column(title, no_wrap=True)
    for row in rows:
        table.add_row(*[_cell(row, key) for _, key in columns])
    console.print(table)


def _cell(row: Mapping[str, Any], key: str) -> Text:
    if key == "outcomes":
        return Text(
            ", ".join(f"{name} {count}" for name, count in row["outcomes"].items()) or ("" if row["decided"] else "waiting")
        )
    if key == "result":
        last = row.get("last") or {}
        if row.get("waits"):
            return Text(f"waits for {row['waits']}")
        return Text(last.get("result") or last.get("message") or row.get("target") or "")
    if key in ("stored", "decided"):
        return Text(str(row[key])[:19].replace("T", " "))
    if key == "id":
        return Text(row["id"][:_SHORT])  # any beginning that is unique will do in every command
    if key == "state":
        return Text(row["state"], style=_COLOURS.get(row["state"], ""))
    return Text(str(row.get(key, "")))


def _text(value: Any) -> Text:
    if isinstance(value, str):
        return Text(value)
    return Text(json.dumps(value, ensure_ascii=False, indent=2) if isinstance(value, (dict, list)) and value else str(value))


def explanation_tree(content: Mapping[str, Any]) -> Tree:
    """An explanation as a tree: the event, each verdict with its filters, each firing with its outcome."""
    tree = Tree(Text(f"event {content['id']}", style="bold"))
    tree.add(Text(f"{content['type']} {content['namespace']}/{content['source']}/{content['event']}, stored {content['stored']}"))
    if content["worldid"]:
        tree.add(Text(f"known to the outside as {content['worldid']}"))
    if content["why"]:
        tree.add(Text(content["why"], style="yellow"))
    for verdict in content["verdicts"]:
        outcome = verdict["outcome"]
        line = Text.assemble(f"sensor {verdict['sensor']}, trigger {verdict['trigger']}: ", (outcome, _COLOURS.get(outcome, "")))
        branch = tree.add(line)
        branch.add(Text(f"dependency {verdict['dependency']}, conditions {verdict.get('conditions', '')}"))
        if verdict.get("join"):
            branch.add(Text(verdict["join"]))
        if verdict.get("why"):
            branch.add(Text(verdict["why"], style="yellow" if outcome == "refused" else ""))
        if len(verdict.get("events", ())) > 1:
            branch.add(Text(f"with {', '.join(f'{name} {one}' for name, one in verdict['events'].items())}"))
        if verdict.get("remedy"):
            branch.add(Text(verdict["remedy"]))
        if "filters" in verdict:
            _add_finding(branch, verdict["filters"])
    for firing in content["firings"]:
        state = firing["state"]
        line = Text.assemble(f"firing {firing['id']} of {firing['sensor']}/{firing['trigger']}: ", (state, _COLOURS.get(state, "")))
        branch = tree.add(line)
        last = firing["last"] or {}
        for text in (last.get("result", ""), last.get("message", "")):
            if text:
                branch.add(Text(text))
        if firing["waits"]:
            branch.add(Text(f"waits for {firing['waits']}", style="yellow"))
        elif firing["next"]:
            branch.add(Text(f"next attempt {firing['next']}, {firing['attempts']} so far"))
    return tree


def _add_finding(tree: Tree, finding: Mapping[str, Any]) -> None:
    judgement = finding["judgement"]
    line = Text.assemble(f"{finding['asked']}: ", (judgement, _COLOURS.get(judgement, "")))
    if finding["found"]:
        line.append(f", found {finding['found']}")
    if finding["why"]:
        line.append(f" ({finding['why']})", style="dim")
    branch = tree.add(line)
    for child in finding["children"]:
        _add_finding(branch, child)
