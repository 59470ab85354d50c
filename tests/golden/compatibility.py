"""`docs/compatibility.md`, made from the table of deviations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.golden.deviations import Deviation

PAGE: Final = Path(__file__).parents[2] / "docs" / "compatibility.md"

_HEAD: Final = """\
# What differs from argo-events

<!-- Made from tests/golden/deviations.yaml by `python -m tests.golden --write-docs`. Edit that file. -->

Tiphys reads argo-events' manifests and does with them what argo-events does. That is tested with thousands of cases that were made by
running argo-events itself. This page lists where we decided otherwise, and why that is better for you. Fields of ours that argo-events does
not know are on the page of each source and trigger.
"""


def page(deviations: Sequence[Deviation]) -> str:
    """The page's text."""
    parts = [_HEAD]
    for topic, items in groupby(deviations, key=lambda item: item.topic):
        parts.append(f"## {topic}\n")
        for item in items:
            title = item.name.replace("-", " ").capitalize()
            rows = [("argo-events", item.argo), ("Tiphys", item.we), ("Why", item.why)]
            parts.append("\n".join([f"**{title}**\n", *(f"- {who}: {' '.join(text.split())}" for who, text in rows), ""]))
    return "\n".join(parts)
