"""`python -m benchmarks [NAME…]`: run the measurements, print a table, write `benchmarks/results/<date>.json`.

Each module has `async def measure() -> list[dict]`, rows of measure, ours, compared_with, ratio, goal and met. Ratios compare within one
run; figures of another day or machine compare with nothing.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

NAMES: Final = ("bus", "ingest", "matching", "settling", "filters", "latency", "dispatching", "dead_targets", "memory", "start")


async def run(names: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in names:
        sys.stderr.write(f"{name} …\n")
        rows += [{"benchmark": name, **row} for row in await importlib.import_module(f"benchmarks.{name}").measure()]
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    columns = ("measure", "ours", "compared_with", "ratio", "goal", "met")
    cells = [columns, *[tuple(_cell(row.get(column)) for column in columns) for row in rows]]
    widths = [max(len(line[number]) for line in cells) for number in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "met" if value else "missed"
    return "" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> int:
    names = sys.argv[1:] or list(NAMES)
    rows = asyncio.run(run(names))
    print(table(rows))
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    target = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    target.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
    print(f"\n{target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
