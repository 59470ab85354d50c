"""What an expression means that its author can hardly have meant.

The values of a header are a list, so that `header["X-Event"] == "push"` compiles and is never true: the fault that users of argo-events
meet first (argo-events#3403).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tiphys.languages.expression.nodes import Array, Binary, Literal, Member, Name, Node

__all__ = ["hints"]

_HEADERS: Final = ("header", "headers")
_COMPARISONS: Final = frozenset(("==", "!=", "startsWith", "endsWith", "contains", "matches"))


def hints(node: Node) -> Iterator[str]:
    """One sentence for each place, in the order of the text."""
    for child in node.parts():
        yield from hints(child)
    if not isinstance(node, Binary):
        return
    asked = _header(node.left)
    if node.operator in _COMPARISONS:
        asked = asked if _is_text(node.right) else _header(node.right) if _is_text(node.left) else ""
    elif node.operator != "in" or not isinstance(node.right, Array) or not all(map(_is_text, node.right.items)):
        asked = ""
    if asked:
        yield f"the values of a header are a list, and no list equals a text: write {asked}[0]"


def _header(node: Node) -> str:
    """`header["Name"]` as it would be written, empty for anything else."""
    if isinstance(node, Member) and isinstance(node.base, Name) and node.base.name in _HEADERS and isinstance(node.key, Literal):
        return f'{node.base.name}["{node.key.value}"]' if isinstance(node.key.value, str) else ""
    return ""


def _is_text(node: Node) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, str)
