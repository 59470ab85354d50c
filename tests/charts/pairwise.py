"""Rows in which every two values of every two switches meet, in few rows: all pairs, chosen greedily.

Thirty switches of two values have two to the thirtieth combinations; what breaks a template is nearly always one switch, or two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TypeVar

V = TypeVar("V")


def rows(switches: Mapping[str, Sequence[V]]) -> list[dict[str, V]]:
    """Rows that cover every pair of values; the same switches give the same rows."""
    names = list(switches)
    waiting = {
        (first, i, second, j)
        for first, second in combinations(names, 2)
        for i in range(len(switches[first]))
        for j in range(len(switches[second]))
    }
    found = []
    while waiting:
        row: dict[str, int] = {}
        first, i, second, j = min(waiting)
        row[first], row[second] = i, j
        for name in names:
            if name not in row:
                row[name] = max(range(len(switches[name])), key=lambda k, name=name: (_covers(row, name, k, waiting, names), -k))
        waiting -= {(a, row[a], b, row[b]) for a, b in combinations(names, 2)}
        found.append({name: switches[name][row[name]] for name in names})
    return found


def _covers(row: Mapping[str, int], name: str, value: int, waiting: set[tuple[str, int, str, int]], names: Sequence[str]) -> int:
    """How many waiting pairs of this value with what the row has."""
    place = names.index(name)
    return sum(
        ((name, value, other, chosen) if place < names.index(other) else (other, chosen, name, value)) in waiting
        for other, chosen in row.items()
    )
