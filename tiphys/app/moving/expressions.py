"""Expressions of WorkflowEventBindings, as far as they can be said in EventSources and Sensors.

Both sides speak expr, over other names: `payload` is `body`, `metadata["x-a"]` is `header["X-A"]`, and `discriminator` and `namespace` are
known once the URL is. Where an EventSource cannot hold the filter (several bindings at one URL) simple comparisons are said in the
govaluate of a Sensor's `exprs`.
https://argo-workflows.readthedocs.io/en/latest/events/
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from tiphys.errors import ExpressionError
from tiphys.languages import expr
from tiphys.languages.expr.grammar import Reading
from tiphys.languages.expr.lexer import lex
from tiphys.languages.expression.frame import Fault
from tiphys.languages.expression.nodes import Array, Binary, Chain, Literal, Logical, Member, Name, Node, Unary
from tiphys.languages.expression.tokens import Kind, Token

__all__ = ["Comparisons", "Untranslatable", "discriminator_of", "filter_of", "template_of"]

_PLAIN: Final = re.compile(r"[A-Za-z_]\w*\Z")
_SPECIAL: Final = re.compile(r"([.*?|#@!{}\[\]()\\:=<>%~])")
_COMPARED: Final = frozenset(("==", "!=", "<", "<=", ">", ">="))
_AFFIXES: Final = {"startsWith": "^{}", "endsWith": "{}$", "contains": "{}"}


class Untranslatable(Exception):  # noqa: N818  it says what cannot be said here, and is caught where the remark is made
    """An expression, or a part of it, that has no counterpart; `reason` is for the report."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _read(text: str) -> Node:
    try:
        return Reading(lex(text)).all()
    except Fault as fault:
        raise Untranslatable(f"it cannot be read: {fault.problem}") from fault


def discriminator_of(text: str) -> str | None:
    """The discriminator that a selector asks for, `None` if it asks for none. Raises `Untranslatable` for any other use of it."""
    node = _read(text)
    operands = node.operands if isinstance(node, Logical) and node.operator == "and" else [node]
    found = [value for operand in operands if (value := _asked(operand)) is not None]
    used = sum(token.kind is Kind.NAME and token.value == "discriminator" for token in lex(text))
    if used != len(found) or len(set(found)) > 1:
        raise Untranslatable("it uses `discriminator` for more than one comparison with a text")
    return found[0] if found else None


def _asked(node: Node) -> str | None:
    if isinstance(node, Binary) and node.operator == "==":
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if (
                isinstance(one, Name)
                and one.name == "discriminator"
                and isinstance(other, Literal)
                and isinstance(other.value, str)
            ):
                return other.value
    return None


def filter_of(text: str, discriminator: str, namespace: str) -> str:
    """A selector as the filter of an EventSource's entry. Raises `Untranslatable`."""
    try:
        tokens = list(lex(text))
    except Fault as fault:
        raise Untranslatable(f"it cannot be read: {fault.problem}") from fault
    found: list[tuple[int, int, str]] = []
    for place, token in enumerate(tokens):
        if token.kind is not Kind.NAME or (place and tokens[place - 1].value in (".", "?.")):
            continue
        end = token.offset + len(token.value)
        if token.value == "payload":
            found.append((token.offset, end, "body"))
        elif token.value in ("discriminator", "namespace"):
            found.append((token.offset, end, json.dumps(discriminator if token.value == "discriminator" else namespace)))
        elif token.value == "metadata":
            found.append((token.offset, *_header(text, tokens[place + 1 : place + 4])))
    for start, end, new in reversed(found):
        text = text[:start] + new + text[end:]
    try:
        expr.compile(text)
    except ExpressionError as error:
        raise Untranslatable(f"it does not compile here: {error.problem}") from error
    return text


def _header(text: str, following: list[Token]) -> tuple[int, str]:
    """Where `metadata["x-a"]` ends, and the header that it is."""
    if [token.value for token in following[::2]] != ["[", "]"] or following[1].kind is not Kind.STRING:
        raise Untranslatable("it uses `metadata` as a whole, which has no counterpart")
    end = text.index("]", following[1].offset + len(following[1].value)) + 1
    return end, f"header[{json.dumps(_canonical(following[1].value))}]"


def _canonical(name: str) -> str:
    """A header's name as Go writes it: `x-github-event` is `X-Github-Event`."""
    return "-".join(part.capitalize() for part in name.split("-"))


def _steps(node: Node) -> list[str | int]:
    """The keys from the event's data down to what a chain of members names. Raises `Untranslatable` for anything else."""
    if isinstance(node, Chain):
        return _steps(node.inner)
    if isinstance(node, Name) and node.name == "payload":
        return ["body"]
    if isinstance(node, Member) and isinstance(node.key, Literal) and isinstance(node.key.value, str | int):
        if isinstance(node.base, Name) and node.base.name == "metadata":
            return ["header", _canonical(str(node.key.value))]
        return [*_steps(node.base), node.key.value if isinstance(node.key.value, str) else int(node.key.value)]
    raise Untranslatable("it computes more than the value at a place of the payload")


def _path(steps: list[str | int]) -> str:
    return ".".join(_SPECIAL.sub(r"\\\1", str(step)) for step in steps)


def template_of(text: str, dependency: str) -> dict[str, str] | str:
    """The value of an argument: `{from, path}` for a place, a text with templates for texts and places that are joined. Raises
    `Untranslatable`."""
    node = _read(text)
    if isinstance(node, Literal) and isinstance(node.value, str):
        return _text(node.value)
    if isinstance(node, Binary):
        return "".join(_joined(node, dependency))
    return {"from": dependency, "path": _path(_steps(node))}


def _joined(node: Node, dependency: str) -> list[str]:
    if isinstance(node, Binary) and node.operator == "+":
        return [*_joined(node.left, dependency), *_joined(node.right, dependency)]
    if isinstance(node, Literal) and isinstance(node.value, str):
        return [_text(node.value)]
    steps = _steps(node)
    if all(isinstance(step, str) and _PLAIN.match(step) for step in steps):
        return [f"{{{{ .{dependency}.{'.'.join(map(str, steps))} }}}}"]
    return [f"{{{{ index .{dependency} {' '.join(json.dumps(step) for step in steps)} }}}}"]


def _text(value: str) -> str:
    if "{{" in value:
        raise Untranslatable("its text has {{ in it")
    return value


@dataclass
class Comparisons:
    """A selector as one entry of a Sensor's `exprs`: the text, and the fields that it names. Raises `Untranslatable`."""

    selector: str
    discriminator: str
    fields: dict[str, str] = field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        """The entry."""
        text = self._said(_read(self.selector))
        return {"expr": text, "fields": [{"path": path, "name": name} for path, name in self.fields.items()]}

    def _said(self, node: Node) -> str:
        if isinstance(node, Logical):
            said = [self._said(one) for one in node.operands if _asked(one) is None]
            return f" {'&&' if node.operator == 'and' else '||'} ".join(f"({one})" for one in said) or "true"
        if isinstance(node, Unary) and node.operator in ("!", "not"):
            return f"!({self._said(node.operand)})"
        if isinstance(node, Binary) and node.operator in _COMPARED:
            return f"{self._operand(node.left, node.right)} {node.operator} {self._operand(node.right, node.left)}"
        if isinstance(node, Binary) and node.operator in _AFFIXES and isinstance(node.right, Literal):
            pattern = _AFFIXES[node.operator].format(re.escape(str(node.right.value)))
            return f"{self._named(_path(_steps(node.left)))} =~ {json.dumps(pattern)}"
        raise Untranslatable("several bindings take events at this URL, and it is more than comparisons of values")

    def _operand(self, node: Node, other: Node) -> str:
        if isinstance(node, Literal) and isinstance(node.value, str | bool | int | float):
            return json.dumps(node.value)
        if isinstance(node, Array) and len(node.items) == 1:  # a header's values are a list, compared by its only one
            return self._operand(node.items[0], other)
        steps = _steps(node)
        if isinstance(other, Array) and len(other.items) == 1:
            steps = [*steps, 0]
        return self._named(_path(steps))

    def _named(self, path: str) -> str:
        return self.fields.setdefault(path, f"value{len(self.fields) + 1}")
