"""A notice: something about an accepted manifest that its owner should know, for its status and for `tiphys lint`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tiphys.errors import FaultKind, FieldError

__all__ = ["Level", "Notice", "warning"]

Level = Literal["error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Its level, the path of the field, the text, `file:line` where it is known, and the kind, which is a rule of lint."""

    level: Level
    path: str
    text: str
    where: str = ""
    kind: FaultKind = FaultKind.REMARK


def warning(fault: FieldError, path: str = "") -> Notice:
    """A finding of a room that is no fault, as a notice; `path` is where the room's part stands."""
    where = f"{path}.{fault.path}" if path and fault.path else path or fault.path
    kind = FaultKind.REMARK if fault.kind is FaultKind.INVALID else fault.kind
    return Notice("warning", where, f"{fault.problem}; {fault.remedy}" if fault.remedy else fault.problem, kind=kind)
