"""What one evaluation may use, and how it fails.

An expression is written by one person and fed by another, and both run on the event loop: neither may stall it. Every loop, copy and
comparison pays from one purse, which is empty after some milliseconds. Sizes are bounded where values are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tiphys.languages.golang.costs import of_pattern, weight

__all__ = ["MAX_DEPTH", "MAX_EXPRESSION", "MAX_HEIGHT", "MAX_ITEMS", "MAX_TEXT", "STEPS", "Fault", "Frame"]

MAX_EXPRESSION: Final = 10_000
"""Characters of the longest expression."""

MAX_DEPTH: Final = 100
"""Expressions within expressions: parentheses, arguments, operands of a stronger operator."""

MAX_HEIGHT: Final = 200
"""Height of the tree that is evaluated; a chain of one operator counts each of its links but for `and` and `or`."""

MAX_TEXT: Final = 4 << 20
"""Characters of the longest text that an expression makes."""

MAX_ITEMS: Final = 1_000_000
"""Elements of arrays that an expression makes; expr's own memory budget."""

STEPS: Final = 30_000
"""What one evaluation may spend. A step is a fifth of a microsecond or less: one node of a loop's body, one element, 64 characters."""


_STEPS_OF_SPRIG: Final = 3


class Fault(Exception):  # noqa: N818  the word of users: it has a place and a remedy, and never leaves the language
    """An expression does not compile or cannot be evaluated. Never leaves the language: it becomes an `ExpressionError`."""

    def __init__(self, problem: str, remedy: str = "", offset: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.remedy, self.offset = problem, remedy, offset


class Frame:
    """One evaluation: the `names` it can see, what is `left` to spend, the values of `let` and the loops that it is in. It is what pays for
    sprig's functions (`golang.costs.Payer`), whose steps are longer."""

    __slots__ = ("left", "loops", "names", "paid", "variables")

    paid: set[str]

    def __init__(self, names: Mapping[str, Any]) -> None:
        self.names = names
        self.left = STEPS
        self.loops: list[Any] = []
        self.variables: dict[str, Any] = {}

    def spend(self, steps: int) -> None:
        """Pay. Raises `Fault` when nothing is left."""
        self.left -= steps
        if self.left < 0:
            raise Fault("does more work than one evaluation may", "loop over less, or ask a simpler question")

    def pay(self, steps: int) -> None:
        """Pay for a function of sprig."""
        self.spend(steps * _STEPS_OF_SPRIG)

    def pay_once(self, what: str, steps: int) -> None:
        """The same, but for what was paid for before."""
        try:
            paid = self.paid
        except AttributeError:
            paid = self.paid = set()
        if what not in paid:
            paid.add(what)
            self.pay(steps)

    def pattern(self, text: str) -> None:
        """Pay for a regular expression that is not known before."""
        self.pay_once(text, of_pattern(text))

    def weigh(self, value: Any, bits: int) -> None:
        """Pay for going over a list or map."""
        self.pay(weight(value, bits, self.left))

    def text(self, value: str) -> str:
        """A text that was made: paid for, and within bounds."""
        size = len(value)
        if size > 64:
            if size > MAX_TEXT:
                raise Fault(f"makes a text of more than {MAX_TEXT:,} characters", "make a shorter one")
            self.spend(size >> 8)
        return value
