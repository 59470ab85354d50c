"""One file per mode. `run` makes from a case's input what we do, in the form of its `expect`; `same` compares the two."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Found = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mode:
    run: Callable[[Mapping[str, Any]], Found]
    same: Callable[[Found, Found], bool]


def _load(name: str) -> Mode:
    module = importlib.import_module(f"{__name__}.{name}")
    return Mode(module.run, module.same)


MODES: Mapping[str, Mode] = {module.name: _load(module.name) for module in pkgutil.iter_modules(__path__)}
