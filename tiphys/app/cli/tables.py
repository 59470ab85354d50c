"""How the journal looks in a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tiphys.app.cli.trees import COLOURS, explanation_tree, sensor_tree

__all__ = ["print_table"]

_COLUMNS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "events": (
        ("ID", "id"),
        ("STORED (UTC)", "stored"),
        ("NAMESPACE", "namespace"),
        ("SOURCE", "source"),
        ("EVENT", "event"),
        ("OUTCOMES", "outcomes"),
    ),
    "suspensions": (
        ("NAMESPACE", "namespace"),
        ("SENSOR", "sensor"),
        ("TRIGGER", "trigger"),
        ("ON RESUME", "on_resume"),
        ("SINCE (UTC)", "since"),
        ("BY", "actor"),
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
    elif kind == "sensor":
        console.print(sensor_tree(content))
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
        return Text(row["state"], style=COLOURS.get(row["state"], ""))
    return Text(str(row.get(key, "")))


def _text(value: Any) -> Text:
    if isinstance(value, str):
        return Text(value)
    return Text(json.dumps(value, ensure_ascii=False, indent=2) if isinstance(value, (dict, list)) and value else str(value))
