"""What a condition is compiled to: masks of what must be there and of what must not, and inner nodes.

Every dependency has a bit, and so has every comparison of a count (`count(A) >= 3`). Forty-nine names joined by `&&` are one mask and one
comparison, which is why a large condition costs no more than a small one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["COMPARISONS", "Count", "Node", "contradiction", "join"]

COMPARISONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
_OPPOSITE: Final = {">=": "<", ">": "<=", "<=": ">", "<": ">=", "==": "!=", "!=": "=="}


class Count(NamedTuple):
    """`count(name) comparison number`."""

    name: str
    comparison: str
    number: int

    def holds(self, count: int) -> bool:
        """For so many events."""
        return COMPARISONS[self.comparison](count, self.number)

    def bounds(self, *, negated: bool) -> tuple[int, int | None]:
        """The least and the greatest count that it lets through (`None`: no greatest)."""
        comparison = _OPPOSITE[self.comparison] if negated else self.comparison
        number = self.number
        return {
            ">=": (number, None),
            ">": (number + 1, None),
            "<=": (0, number),
            "<": (0, number - 1),
            "==": (number, number),
            "!=": (1 if number == 0 else 0, None),
        }[comparison]


@dataclass(frozen=True, slots=True)
class Node:
    """`every` part or `any` of them: bits that are set, bits that are not, and inner nodes."""

    every: bool
    present: int = 0
    absent: int = 0
    inner: tuple[Node, ...] = ()

    def holds(self, bits: int) -> bool:
        """For the bits that are set."""
        if self.every:
            return (
                bits & self.present == self.present
                and not bits & self.absent
                and (not self.inner or all(node.holds(bits) for node in self.inner))
            )
        return bool(bits & self.present or self.absent & ~bits or any(node.holds(bits) for node in self.inner))

    def negated(self) -> Node:
        """`!` of it, with every `!` at the bits."""
        return Node(not self.every, self.absent, self.present, tuple(node.negated() for node in self.inner))

    @property
    def single(self) -> bool:
        """Whether it is one bit, so that `every` means nothing."""
        return not self.inner and (self.present | self.absent).bit_count() == 1 and not self.present & self.absent

    def nodes(self) -> Iterable[Node]:
        """It and all below it."""
        yield self
        for node in self.inner:
            yield from node.nodes()


def join(operands: list[Node], *, every: bool) -> Node:
    """One node for several; nodes of the same kind and single bits become part of it."""
    if len(operands) == 1:
        return operands[0]
    present, absent = 0, 0
    inner: list[Node] = []
    for node in operands:
        if node.single or node.every == every:
            present |= node.present
            absent |= node.absent
            inner += node.inner
        else:
            inner.append(node)
    return Node(every, present, absent, tuple(inner))


def contradiction(root: Node, names: Mapping[str, int], counts: Mapping[Count, int]) -> str | None:
    """A name of which one node asks two things that cannot both be, so that nothing could make that node true. `None`: none was found,
    which is no proof that there is none."""
    for node in root.nodes():
        if node.every:
            for name in names:
                low, high = _bounds(node, name, names, counts)
                if high is not None and low > high:
                    return name
    return None


def _bounds(node: Node, name: str, names: Mapping[str, int], counts: Mapping[Count, int]) -> tuple[int, int | None]:
    low, high = int(bool(node.present & names[name])), (0 if node.absent & names[name] else None)
    for count, bit in counts.items():
        if count.name == name and (node.present | node.absent) & bit:
            for negated in (False, True):
                if (node.absent if negated else node.present) & bit:
                    least, most = count.bounds(negated=negated)
                    low = max(low, least)
                    high = most if high is None else high if most is None else min(high, most)
    return low, high
