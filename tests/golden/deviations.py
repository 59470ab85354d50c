"""What we do otherwise, read from `deviations.yaml`.

A deviation fits a case that we answer otherwise if `mode` names its mode and all that it asks for holds: `id`, a regular expression for
the case's id; `where`, regular expressions for what stands at paths (gjson) of `{"input": …, "expect": …, "found": …}`; `equal`, pairs of
such paths at which the same text stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tiphys.languages import gjson

TABLE: Final = Path(__file__).with_name("deviations.yaml")


@dataclass(frozen=True, slots=True)
class Deviation:
    """`argo` is what argo-events does, `we` what we do, `why` it is better for the user; all for `docs/compatibility.md`."""

    name: str
    topic: str
    modes: Sequence[str]
    argo: str
    we: str
    why: str
    id: str = ""
    where: Mapping[str, str] = field(default_factory=dict)
    equal: Sequence[tuple[str, str]] = ()

    def fits(self, case: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
        """Whether this is why we answer the case otherwise."""
        if case["mode"] not in self.modes or not re.search(self.id, case["id"]):
            return False
        text = json.dumps({"input": case["input"], "expect": case["expect"], "found": found}, default=repr).encode()
        at = {path: gjson.compile(path).get(text) for path in (*self.where, *(path for pair in self.equal for path in pair))}
        return all(
            at[path].exists and re.search(pattern, at[path].string, re.DOTALL) for path, pattern in self.where.items()
        ) and all(at[one].exists and at[one].string == at[other].string for one, other in self.equal)


def load(table: Path = TABLE) -> list[Deviation]:
    """All of the table, in its order."""
    return [
        Deviation(**{**item, "equal": [tuple(pair) for pair in item.get("equal", ())]})
        for item in yaml.safe_load(table.read_text("utf-8"))
    ]
