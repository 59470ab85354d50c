"""The SQL of the driver: named statements in `sql/*.sql`, and the migrations that lead an older file to the present schema.

A file of statements is a sequence of blocks, each headed by `-- name: some_name`. Nothing else in the driver makes SQL text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["migrations", "schema", "statements", "writer"]

_HEADING: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^--.*\n?", re.MULTILINE)
_FILES: Final = ("deciding", "deferring", "lanes", "acting", "journal", "upkeep")


@cache
def statements() -> Mapping[str, str]:
    """Every named statement. Raises `ValueError` if two bear the same name."""
    found: dict[str, str] = {}
    for file in _FILES:
        parts = _HEADING.split(_text(f"{file}.sql"))[1:]
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"two statements are named {name}")
            found[name] = _COMMENT.sub("", body).strip().rstrip(";")
    return found


def schema() -> str:
    """The present schema, for a new file."""
    return _text("schema.sql")


def writer() -> str:
    """What the connection that writes is prepared with."""
    return _text("writer.sql")


def migrations() -> tuple[str, ...]:
    """The steps from an empty file; the one at index n leads from version n to n + 1. Their number is the present version."""
    folder = files(__package__) / "sql" / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple((folder / name).read_text("utf-8") for name in names)


def _text(name: str) -> str:
    return (files(__package__) / "sql" / name).read_text("utf-8")
