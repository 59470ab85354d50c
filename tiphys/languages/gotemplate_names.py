"""Which fields of its root a template's text asks for: enough to find a misspelt name at load, and nothing where it cannot be told."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["field_name", "mentioned", "root_names"]

_ACTION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_QUOTED: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|`[^`]*`|'(?:[^'\\]|\\.)*'")
_MOVES_THE_DOT: Final = re.compile(r"\b(range|with|define|block|template)\b")
_ROOT_FIELD: Final = re.compile(r"(?<![\w.)$])\.([A-Za-z_]\w*)")


def mentioned(text: str) -> tuple[str, ...]:
    """Every name after a dot that stands alone, in order, each once: also those below something else, where the dot was moved."""
    return tuple(dict.fromkeys(name for action in _actions(text) for name in _ROOT_FIELD.findall(action)))


def root_names(text: str) -> tuple[str, ...]:
    """The names of the root's fields; none where something moves the dot, since it cannot be told then."""
    return () if any(_MOVES_THE_DOT.search(action) for action in _actions(text)) else mentioned(text)


def field_name(name: str) -> str:
    """A name as a template can write it behind a dot: with `_` for every `-`."""
    return name.replace("-", "_")


def _actions(text: str) -> list[str]:
    """What stands in double braces, without the quoted texts in it."""
    return [_QUOTED.sub('""', action) for action in _ACTION.findall(text)]
