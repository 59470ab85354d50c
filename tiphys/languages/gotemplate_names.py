"""Which fields of its root a template's text asks for: enough to find a misspelt name at load, and nothing where it cannot be told."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["root_names"]

_ACTION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_QUOTED: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|`[^`]*`|'(?:[^'\\]|\\.)*'")
_MOVES_THE_DOT: Final = re.compile(r"\b(range|with|define|block|template)\b")
_ROOT_FIELD: Final = re.compile(r"(?<![\w.)$])\.([A-Za-z_]\w*)")


def root_names(text: str) -> tuple[str, ...]:
    """The names after a dot that stands alone, in order, each once; none where something moves the dot."""
    actions = [_QUOTED.sub('""', action) for action in _ACTION.findall(text)]
    if any(_MOVES_THE_DOT.search(action) for action in actions):
        return ()
    return tuple(dict.fromkeys(name for action in actions for name in _ROOT_FIELD.findall(action)))
