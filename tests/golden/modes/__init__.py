"""One file per mode. `run` makes from a case's input what we do, in the form of its `expect`; `same` compares the two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.golden.modes import condexpr, params, path, payload, schedule, source, template, wire

Found = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mode:
    run: Callable[[Mapping[str, Any]], Found]
    same: Callable[[Found, Found], bool]


MODES: Mapping[str, Mode] = {
    name: Mode(module.run, module.same)
    for name, module in {
        "condexpr": condexpr,
        "params": params,
        "path": path,
        "payload": payload,
        "schedule": schedule,
        "source": source,
        "template": template,
        "wire": wire,
    }.items()
}
