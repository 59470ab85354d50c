"""`conditions` of a trigger: dependency names, `&&`, `||` and parentheses (reference 5.1), compiled to masks.

argo-events expands the text with one language and evaluates it with another, which makes some names unusable; here a name is a
name. What it lets through and can never be true (`A == B`, a number) is refused instead, since such a trigger would never fire and
nobody would know why. `docs/compatibility.md` lists both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from tiphys.errors import ConditionError

__all__ = ["Condition", "compile"]

_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+ | /\*.*?\*/ | //[^\n]*)
      | (?P<operator>&& | \|\| | [()])
      | (?P<name>[^\W\d][\w-]*)
      | (?P<quoted>'[^'\\]*' | "[^"\\]*")""",
    re.VERBOSE | re.DOTALL,
)
_DEEPEST: Final = 64


@dataclass(frozen=True, slots=True)
class _Node:
    """`every` operand or `any` of them: the mask of its own names, and inner nodes."""

    every: bool
    mask: int
    inner: tuple[_Node, ...] = ()

    def holds(self, received: int) -> bool:
        if self.every:
            return received & self.mask == self.mask and all(node.holds(received) for node in self.inner)
        return bool(received & self.mask) or any(node.holds(received) for node in self.inner)


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition over a sensor's dependencies.

    `text` is what the manifest says (all dependencies joined by `&&` where it says nothing). `names` are the dependencies that
    it mentions, in the sensor's order. With `requires_and` events are held until it is true; without, each event stands alone.
    """

    text: str
    names: tuple[str, ...]
    requires_and: bool
    _root: _Node
    _bits: dict[str, int] = field(repr=False)

    def evaluate(self, received: Iterable[str]) -> bool:
        """Is it true once these dependencies have an event? Names that it does not mention count for nothing."""
        mask = 0
        for name in received:
            mask |= self._bits.get(name, 0)
        return self._root.holds(mask)

    def missing(self, received: Collection[str]) -> tuple[str, ...]:
        """The mentioned dependencies without an event, in order."""
        return tuple(name for name in self.names if name not in received)


def compile(text: str, dependencies: Sequence[str]) -> Condition:  # noqa: A001  the verb that every language module has
    """Compile `conditions`; an empty text asks for every dependency.

    Raises `ConditionError` for a syntax error and for a name that is no dependency.
    """
    bits = {name: 1 << number for number, name in enumerate(dict.fromkeys(dependencies))}
    if not text.strip():
        everything = (1 << len(bits)) - 1
        return Condition(" && ".join(bits), tuple(bits), len(bits) > 1, _Node(every=True, mask=everything), bits)
    parser = _Parser(text, bits)
    root = parser.parse()
    mentioned = tuple(name for name in bits if name in parser.mentioned)
    return Condition(text.strip(), mentioned, parser.has_and, root, {name: bits[name] for name in mentioned})


class _Parser:
    """Recursive descent, `||` below `&&` below names and parentheses."""

    def __init__(self, text: str, bits: dict[str, int]) -> None:
        self.text, self.bits = text, bits
        self.tokens = list(self._scan())
        self.at = 0
        self.depth = 0
        self.mentioned: set[str] = set()
        self.has_and = False

    def _scan(self) -> Iterable[tuple[str, str, int]]:
        position = 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self._error(
                    f"unexpected {self.text[position]!r}", "only dependency names, &&, || and parentheses may stand here", position
                )
            kind = str(match.lastgroup)
            if kind != "blank":
                yield kind, match.group(), position
            position = match.end()

    def _error(self, problem: str, remedy: str, offset: int) -> ConditionError:
        return ConditionError(self.text, problem, remedy, offset)

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) and self.tokens[self.at][0] == "operator" else ""

    def parse(self) -> _Node:
        root = self._either()
        if self.at < len(self.tokens):
            _, word, offset = self.tokens[self.at]
            problem = "this closes no parenthesis" if word == ")" else f"unexpected {word!r}"
            raise self._error(problem, "join dependencies by && or ||", offset)
        return root

    def _either(self) -> _Node:
        operands = [self._both()]
        while self._peek() == "||":
            self.at += 1
            operands.append(self._both())
        return _join(operands, every=False)

    def _both(self) -> _Node:
        operands = [self._single()]
        while self._peek() == "&&":
            self.has_and = True
            self.at += 1
            operands.append(self._single())
        return _join(operands, every=True)

    def _single(self) -> _Node:
        if self.at >= len(self.tokens):
            raise self._error("it ends where a dependency is expected", "name a dependency", len(self.text))
        kind, word, offset = self.tokens[self.at]
        if word == "(" and kind == "operator":
            return self._parenthesis(offset)
        if kind == "operator":
            raise self._error(f"unexpected {word!r}", "name a dependency here", offset)
        name = word[1:-1] if kind == "quoted" else word
        if name not in self.bits:
            near = get_close_matches(name, self.bits, n=1)
            listed = f"the dependencies are {', '.join(self.bits)}"
            known = f"did you mean {near[0]!r}? {listed}" if near else listed
            raise self._error(f"{name!r} is not a dependency of this sensor", known, offset)
        self.at += 1
        self.mentioned.add(name)
        return _Node(every=True, mask=self.bits[name])

    def _parenthesis(self, offset: int) -> _Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._error(f"parentheses nest deeper than {_DEEPEST}", "write it flatter", offset)
        self.at += 1
        inner = self._either()
        if self._peek() != ")":
            raise self._error("this parenthesis is not closed", "add )", offset)
        self.at += 1
        self.depth -= 1
        return inner


def _join(operands: list[_Node], *, every: bool) -> _Node:
    """One node for several: single names become bits of one mask, so that forty-nine names are one comparison."""
    if len(operands) == 1:
        return operands[0]
    mask, inner = 0, []
    for node in operands:
        single = not node.inner and node.mask.bit_count() == 1
        if single:
            mask |= node.mask
        else:
            inner.append(node)
    return _Node(every, mask, tuple(inner))
