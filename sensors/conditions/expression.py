"""`conditions` of a trigger: dependency names, `&&`, `||` and parentheses (reference 5.1), compiled to masks.

argo-events expands the text with one language and evaluates it with another, which makes some names unusable; here a name is a
name. What it lets through and can never be true (`A == B`, a number) is refused instead, since such a trigger would never fire and
nobody would know why. `docs/compatibility.md` lists both.

Ours on top: `!A` (no event of A is held), `!( … )`, and `count(A) >= 3` (so many events of A are held; also `>`, `<=`, `<`, `==`, `!=`).
A condition is looked at when an event arrives and at no other time. One that is true without any event is refused, and so is one that
asks of a dependency what cannot be.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from sensors.conditions.nodes import Count, Node, contradiction, join
from tiphys.errors import ConditionError, FaultKind

__all__ = ["HIGHEST_COUNT", "MOST_WORDS", "Condition", "compile"]

MOST_WORDS: Final = 10_000
"""Names, operators and parentheses of the longest condition."""
HIGHEST_COUNT: Final = 1000
"""The greatest number that a count can be compared with; as many events are held of one dependency."""

_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+ | /\*.*?\*/ | //[^\n]*)
      | (?P<operator>&& | \|\| | [()])
      | (?P<comparison>>= | <= | == | != | > | <)
      | (?P<not>!)
      | (?P<number>[0-9]+(?![\w.-]))
      | (?P<name>\w[\w-]*(?:\.[\w-]+)*)
      | (?P<quoted>'[^'\\]*' | "[^"\\]*")""",
    re.VERBOSE | re.DOTALL,
)
_DEEPEST: Final = 64
_MAY_STAND: Final = "only dependency names, &&, ||, !, count(name) >= 2 and parentheses may stand here"
_NOTHING: Final = ("", "", 0)


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition over a sensor's dependencies.

    `text` is what the manifest says (all dependencies joined by `&&` where it says nothing). `names` are the dependencies that
    it mentions, in the sensor's order; `bits` their bits. With `requires_and` events are held until it is true; without, each event
    stands alone. `counts` are the counts that it compares, with their bits; `root` holds for a set of bits.
    """

    text: str
    names: tuple[str, ...]
    requires_and: bool
    root: Node = field(repr=False)
    bits: Mapping[str, int] = field(repr=False)
    counts: Mapping[Count, int] = field(repr=False, default_factory=dict)

    def evaluate(self, received: Iterable[str]) -> bool:
        """Is it true once these dependencies have an event? A name stands as often as there are events of it. Names that it does not
        mention count for nothing."""
        if self.counts:
            return self.root.holds(self.bits_of(Counter(received)))
        bits, mask = self.bits, 0
        for name in received:
            mask |= bits.get(name, 0)
        return self.root.holds(mask)

    def bits_of(self, numbers: Mapping[str, int]) -> int:
        """The bits that are set where a dependency has that number of events."""
        mask = 0
        for name, number in numbers.items():
            if number:
                mask |= self.bits.get(name, 0)
        for count, bit in self.counts.items():
            if count.holds(numbers.get(count.name, 0)):
                mask |= bit
        return mask

    def blocking(self) -> tuple[str, ...]:
        """Dependencies of which a held event keeps the condition from ever being true, whatever else is held, in order."""
        asked = refused = 0
        for node in self.root.nodes():
            asked |= node.present
            refused |= node.absent
        return tuple(name for name in self.names if refused & self.bits[name] and not self.root.holds(asked | self.bits[name]))

    def missing(self, received: Collection[str]) -> tuple[str, ...]:
        """The mentioned dependencies without an event, in order."""
        return tuple(name for name in self.names if name not in received)


def compile(text: str, dependencies: Sequence[str]) -> Condition:  # noqa: A001  the verb that every language module has
    """Compile `conditions`; an empty text asks for every dependency.

    Raises `ConditionError` for a syntax error, a name that is no dependency, what is true without any event, and what can never be.
    """
    bits = {name: 1 << number for number, name in enumerate(dict.fromkeys(dependencies))}
    if not text.strip():
        everything = (1 << len(bits)) - 1
        return Condition(" && ".join(bits), tuple(bits), len(bits) > 1, Node(every=True, present=everything), bits)
    parser = _Parser(text, bits)
    root = parser.parse()
    mentioned = {name: bit for name, bit in bits.items() if name in parser.mentioned}
    condition = Condition(text.strip(), tuple(mentioned), parser.holding, root, mentioned, parser.counts)
    if condition.evaluate(()):
        raise ConditionError(
            text,
            "it is true without any event, so nothing says when to fire",
            "join it by && with what shall be waited for",
            kind=FaultKind.NEVER_TRUE,
        )
    if (name := contradiction(root, mentioned, parser.counts)) is not None:
        problem = f"it asks of {name!r} what cannot be at one time"
        raise ConditionError(text, problem, "take one of the two away", kind=FaultKind.NEVER_TRUE)
    return condition


class _Parser:
    """Recursive descent, `||` below `&&` below `!` below names, counts and parentheses."""

    def __init__(self, text: str, bits: dict[str, int]) -> None:
        self.text, self.bits = text, bits
        self.counts: dict[Count, int] = {}
        self.tokens = list(self._scan())
        self.at = 0
        self.depth = 0
        self.mentioned: set[str] = set()
        self.holding = False

    def _scan(self) -> Iterable[tuple[str, str, int]]:
        position = words = 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self._error(f"unexpected {self.text[position]!r}", _MAY_STAND, position)
            kind = str(match.lastgroup)
            if kind != "blank":
                words += 1
                if words > MOST_WORDS:
                    raise self._error(f"it has more than {MOST_WORDS:,} words", "write it shorter, or leave it out", position)
                yield kind, match.group(), position
            position = match.end()

    def _error(self, problem: str, remedy: str, offset: int) -> ConditionError:
        return ConditionError(self.text, problem, remedy, offset)

    def _token(self) -> tuple[str, str, int]:
        return self.tokens[self.at] if self.at < len(self.tokens) else _NOTHING

    def _peek(self) -> str:
        kind, word, _ = self._token()
        return word if kind == "operator" else ""

    def parse(self) -> Node:
        root = self._either()
        if self.at < len(self.tokens):
            _, word, offset = self.tokens[self.at]
            if word == ")":
                raise self._error("this closes no parenthesis", "take it away", offset)
            raise self._error(f"unexpected {word!r}", f"join dependencies by && or ||; {_MAY_STAND}", offset)
        return root

    def _either(self) -> Node:
        operands = [self._both()]
        while self._peek() == "||":
            self.at += 1
            operands.append(self._both())
        return join(operands, every=False)

    def _both(self) -> Node:
        operands = [self._single()]
        while self._peek() == "&&":
            self.holding = True
            self.at += 1
            operands.append(self._single())
        return join(operands, every=True)

    def _single(self) -> Node:
        if self.at >= len(self.tokens):
            raise self._error("it ends where a dependency is expected", "name a dependency", len(self.text))
        kind, word, offset = self.tokens[self.at]
        if kind == "not":
            return self._negated(offset)
        if word == "(" and kind == "operator":
            return self._parenthesis(offset)
        if kind == "name" and word == "count" and self._calls():
            return self._count()
        return Node(every=True, present=self.bits[self._name()])

    def _name(self) -> str:
        if self.at >= len(self.tokens):
            raise self._error("it ends where a dependency is expected", "name a dependency", len(self.text))
        kind, word, offset = self.tokens[self.at]
        if kind not in ("name", "quoted") and not (kind == "number" and word in self.bits):
            raise self._error(f"unexpected {word!r}", f"name a dependency here; {_MAY_STAND}", offset)
        name = word[1:-1] if kind == "quoted" else word
        if name not in self.bits:
            near = get_close_matches(name, self.bits, n=1)
            listed = f"the dependencies are {', '.join(self.bits)}"
            known = f"did you mean {near[0]!r}? {listed}" if near else listed
            problem = f"{name!r} is not a dependency of this sensor"
            raise ConditionError(self.text, problem, known, offset, kind=FaultKind.UNKNOWN_DEPENDENCY)
        self.at += 1
        self.mentioned.add(name)
        return name

    def _negated(self, offset: int) -> Node:
        self.holding = True
        self._deeper(offset)
        self.at += 1
        if self._token()[1] == "count" and self._calls():
            raise self._error("! before a comparison says not what it applies to", "write !(count(…) >= 2)", offset)
        node = self._single().negated()
        self.depth -= 1
        return node

    def _calls(self) -> bool:
        return self.at + 1 < len(self.tokens) and self.tokens[self.at + 1][1] == "("

    def _count(self) -> Node:
        self.holding = True
        self.at += 2
        name = self._name()
        if self._peek() != ")":
            raise self._error(f"count({name} is not closed", f"write count({name}) >= 2", self._token()[2] or len(self.text))
        self.at += 1
        kind, comparison, offset = self._token()
        if kind != "comparison":
            raise self._error(f"count({name}) is compared with nothing", f"write count({name}) >= 2", offset or len(self.text))
        self.at += 1
        kind, digits, offset = self._token()
        if kind != "number":
            raise self._error(f"count({name}) is compared with no number", f"write count({name}) >= 2", offset or len(self.text))
        if len(digits) > 9 or int(digits) > HIGHEST_COUNT:
            raise self._error(f"{digits[:20]} is over {HIGHEST_COUNT:,}", f"at most {HIGHEST_COUNT:,} events are held", offset)
        self.at += 1
        return self._compared(Count(name, comparison, int(digits)), offset)

    def _compared(self, count: Count, offset: int) -> Node:
        """Where it asks no more than whether there is one, the name's bit says it."""
        low, high = count.bounds(negated=False)
        bit = self.bits[count.name]
        if (high is not None and low > high) or (count.comparison != "!=" and (low, high) == (0, None)):
            always = "never" if high is not None else "always"
            raise self._error(f"this is {always} true", f"write count({count.name}) >= 2, or leave it out", offset)
        if (low, high) == (1, None):
            return Node(every=True, present=bit)
        if (low, high) == (0, 0):
            return Node(every=True, absent=bit)
        own = self.counts.setdefault(count, 1 << (len(self.bits) + len(self.counts)))
        return Node(every=True, present=own)

    def _deeper(self, offset: int) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._error(f"parentheses nest deeper than {_DEEPEST}", "write it flatter", offset)

    def _parenthesis(self, offset: int) -> Node:
        self._deeper(offset)
        self.at += 1
        inner = self._either()
        if self._peek() != ")":
            raise self._error("this parenthesis is not closed", "add )", offset)
        self.at += 1
        self.depth -= 1
        return inner
