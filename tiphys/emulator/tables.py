"""How objects are shown: as they are, as a `Table` for `kubectl get`, or as metadata alone.

A client asks by `Accept: application/json;as=Table;…`. Columns come from the table of kinds or from a definition's
additionalPrinterColumns; ages are printed by the server, as Kubernetes does.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import orjson

from tiphys.emulator.kinds import Column, Kind
from tiphys.emulator.selectors import at_path

__all__ = ["Shape", "asked_shape", "human_age", "partial", "renderer", "table"]

Shape = Literal["object", "table", "metadata"]

_META: Final = "meta.k8s.io/v1"
_AGE: Final = Column("Age", "metadata.creationTimestamp", "date")


def asked_shape(accept: str) -> Shape:
    """The first form in an Accept header that is served."""
    for part in accept.split(","):
        media, *parameters = (piece.strip() for piece in part.split(";"))
        shape = dict(piece.partition("=")[::2] for piece in parameters).get("as", "")
        if media == "application/json" and shape == "Table":
            return "table"
        if media == "application/json" and shape in {"PartialObjectMetadata", "PartialObjectMetadataList"}:
            return "metadata"
        if media in {"application/json", "*/*", "application/*"} and not shape:
            return "object"
    return "object"


def renderer(kind: Kind, shape: Shape, include: str) -> Callable[[bytes], bytes]:
    """A function from an object's stored JSON to what is sent; `include` is the query's includeObject."""
    if shape == "table":
        first = True

        def as_table(value: bytes) -> bytes:
            nonlocal first
            rows = table(kind, [orjson.loads(value)], include, headed=first)
            first = False
            return orjson.dumps(rows)

        return as_table
    if shape == "metadata":
        return lambda value: orjson.dumps(partial(orjson.loads(value)))
    if kind.converts:
        return lambda value: orjson.dumps({**orjson.loads(value), "apiVersion": kind.api_version})
    return _as_it_is


def _as_it_is(value: bytes) -> bytes:
    return value


def partial(obj: Mapping[str, Any]) -> dict[str, Any]:
    """An object's metadata as a PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": obj["metadata"]}


def table(
    kind: Kind, objects: Sequence[Mapping[str, Any]], include: str, *, meta: Mapping[str, Any] | None = None, headed: bool = True
) -> dict[str, Any]:
    """A Table of objects. `headed` false leaves out the columns, as in all but the first event of a watch."""
    columns = kind.columns if any(column.type == "date" for column in kind.columns) else (*kind.columns, _AGE)
    rows = []
    for obj in objects:
        row: dict[str, Any] = {"cells": [obj["metadata"].get("name", ""), *(_cell(obj, column) for column in columns)]}
        if include != "None":
            row["object"] = obj if include == "Object" else partial(obj)
        rows.append(row)
    if meta is None:
        meta = {"resourceVersion": objects[0]["metadata"].get("resourceVersion", "")} if objects else {}
    heads = [{"name": "Name", "type": "string", "format": "name", "description": "Name of the object", "priority": 0}]
    heads += [{"name": c.name, "type": c.type, "format": "", "description": f".{c.path}", "priority": c.priority} for c in columns]
    return {"kind": "Table", "apiVersion": _META, "metadata": meta, "columnDefinitions": heads if headed else None, "rows": rows}


_CHOSEN: Final = re.compile(r"""(?P<list>[^\[]+)\[\?\(@\.(?P<field>\w+)\s*==\s*["'](?P<value>[^"']*)["']\)\]\.?(?P<rest>.*)""")


def _at(obj: Any, path: str) -> Any:
    """The value at a column's path: dotted, with at most one choice of a list's item, as conditions are chosen by their type."""
    chosen = _CHOSEN.fullmatch(path)
    if chosen is None:
        return at_path(obj, path)
    items = at_path(obj, chosen["list"])
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get(chosen["field"]) == chosen["value"]:
            return at_path(item, chosen["rest"]) if chosen["rest"] else item
    return None


def _cell(obj: Mapping[str, Any], column: Column) -> Any:
    found = _at(obj, column.path)
    if column.type == "date":
        return human_age(found) if isinstance(found, str) else ""
    if found is None:
        return ""
    return found if isinstance(found, str | int | float) else orjson.dumps(found).decode()


def human_age(stamp: str, at: float | None = None) -> str:
    """How long before `at` (now) a Kubernetes time was, as `kubectl get` prints it (k8s.io/apimachinery `util/duration`)."""
    try:
        seconds = int(time.time() if at is None else at) - calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return "<invalid>"
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    return f"{days}d" if days < 730 else f"{days // 365}y"
