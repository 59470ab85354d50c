"""One rendering: what it has written, the event's data as Go sees it, and how much it may still do.

A template runs on the event loop, so its cost has to be bounded, whoever wrote it. A step is an iteration, a call or a `template`; a
call takes more for a large text or list, and a dear function for what it is given (`golang.costs`), so that `MAX_STEPS` steps take
about 10 ms. A large event gives some more, once: what a few passes over it take. The clock is asked now and then for what takes longer
all the same. What is written is bounded, and so is the depth of `template`. What a single function makes is bounded where it is made
(`tiphys.languages.sprig.bounds`, `tiphys.languages.golang.verbs`).
"""

from __future__ import annotations

import time
from typing import Any, Final

from tiphys.languages.golang.costs import weight
from tiphys.languages.golang.values import LimitError

__all__ = ["MAX_DEPTH", "MAX_OUTPUT", "MAX_STEPS", "MOST_WEIGHT", "TIME_LIMIT", "TOO_MUCH", "Failure", "Run"]

MAX_STEPS: Final = 20_000
MAX_DEPTH: Final = 50
MAX_OUTPUT: Final = 4 << 20
"""Characters that a template may write."""
MOST_WEIGHT: Final = 1 << 20
"""Items of an event, and sixteenths of its characters, beyond which it gives no more steps."""
TIME_LIMIT: Final = 0.5
"""Seconds of processor time for one rendering."""
_BETWEEN_LOOKS: Final = 32
_BITS_OF_TEXT: Final = 10
_BITS_OF_ITEMS: Final = 5
_PASSES: Final = 4
_BITS_OF_EVENT: Final = 4
TOO_MUCH: Final = "do this work in the Workflow, and pass it the part of the event that it needs"
"""The remedy for whatever goes over a limit."""


class Failure(Exception):  # noqa: N818  what it is; it becomes a TemplateError in the facade
    """A template failed while it was run: `reason`, the `context` (the source of the expression at fault) and its `offset`."""

    def __init__(self, reason: str, context: str, offset: int, remedy: str = "") -> None:
        super().__init__(f"<{context}>: {reason}" if context else reason)
        self.offset, self.remedy = offset, remedy


class Run:
    """The state of one rendering.

    `root` is the data as it came; `whole` and `part` give it as Go has it after decoding JSON, its numbers as float64, unless
    `whole_numbers`.
    """

    __slots__ = (
        "_converted",
        "_depth",
        "_extended",
        "_look_at",
        "_paid",
        "_room",
        "_started",
        "left",
        "parts",
        "root",
        "whole_numbers",
    )

    def __init__(self, root: Any, *, whole_numbers: bool) -> None:
        self.root, self.whole_numbers = root, whole_numbers
        self.parts: list[str] = []
        self.left = MAX_STEPS
        self._depth = 0
        self._look_at = MAX_STEPS - _BETWEEN_LOOKS
        self._room = MAX_OUTPUT
        self._started = 0.0
        self._converted: dict[int, Any] = {}
        self._paid: set[str] = set()
        self._extended = False

    def step(self) -> None:
        """An iteration. Raises `LimitError`."""
        self.left -= 1
        if self.left < self._look_at:
            self._look()

    def pay(self, steps: int) -> None:
        """For what is about to be done. Raises `LimitError`."""
        self.left -= steps
        if self.left < self._look_at:
            self._look()

    def pay_once(self, what: str, steps: int) -> None:
        """The same, but for what was paid for before. Raises `LimitError`."""
        if what not in self._paid:
            self._paid.add(what)
            self.pay(steps)

    def weigh(self, value: Any, bits: int) -> None:
        """Pay for going over a value: a step for each item within it, one for each 2 to the `bits` characters. Raises `LimitError`."""
        found = weight(value, bits, self.left)
        if found > self.left:
            self._extend()
            found = weight(value, bits, self.left)
        self.pay(found)

    def enter(self) -> None:
        """Into a `template`; `leave` comes after it. Raises `LimitError`."""
        self.step()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise LimitError(f"more than {MAX_DEPTH} templates within each other")

    def leave(self) -> None:
        """Out of it again."""
        self._depth -= 1

    def called(self, value: Any, result: Any) -> None:
        """A call with `value` as its last argument was made. Raises `LimitError`."""
        size = 0
        kind = type(result)
        if kind is str:
            size = len(result) >> _BITS_OF_TEXT
        elif kind is dict or isinstance(result, list):
            size = len(result) >> _BITS_OF_ITEMS
        if type(value) is str:
            size += len(value) >> _BITS_OF_TEXT
        self.left -= 1 + size
        if self.left < self._look_at:
            self._look()

    def _look(self) -> None:
        if self.left < 0:
            self._extend()
            if self.left < 0:
                raise LimitError(f"took more than {MAX_STEPS:,} steps")
        self._look_at = self.left - _BETWEEN_LOOKS
        now = time.thread_time()
        if not self._started:
            self._started = now
        elif now - self._started > TIME_LIMIT:
            raise LimitError(f"took more than {TIME_LIMIT:g} s")

    def _extend(self) -> None:
        """What a large event gives beyond `MAX_STEPS`, the first time that it is needed."""
        if not self._extended:
            self._extended = True
            self.left += _PASSES * weight(self.root, _BITS_OF_EVENT, MOST_WEIGHT)

    def write(self, text: str) -> None:
        """Text that comes out. Raises `LimitError`."""
        self._room -= len(text)
        if self._room < 0:
            raise LimitError(f"wrote more than {MAX_OUTPUT:,} characters")
        self.parts.append(text)

    def sorted(self, items: int) -> None:
        """A map was sorted to be ranged over."""
        self.left -= items >> _BITS_OF_ITEMS

    def whole(self) -> Any:
        """All of the data."""
        return self.part(self.root)

    def part(self, value: Any) -> Any:
        """A map or list out of the data; the same one each time it is asked for. Raises `LimitError`."""
        if self.whole_numbers:
            return value
        found = self._converted.get(id(value))
        if found is None:
            found = self._converted[id(value)] = as_decoded(value)
        return found


def as_decoded(value: Any) -> Any:
    """A copy of a JSON-like value with its numbers as Go decodes them, all of them float64. Raises `LimitError` for one beyond that."""
    kind = type(value)
    if kind is int:
        try:
            return float(value)
        except OverflowError as error:
            raise LimitError("the event has a number beyond a float64") from error
    if kind is dict:
        return {
            key: item if type(item) is str or item is None or type(item) is bool else as_decoded(item)
            for key, item in value.items()
        }
    if kind is list:
        return [item if type(item) is str else as_decoded(item) for item in value]
    return value


def copied(value: Any) -> Any:
    """A copy of a JSON-like value whose maps and lists are its own."""
    if type(value) is dict:
        return {key: copied(item) for key, item in value.items()}
    if type(value) is list:
        return [copied(item) for item in value]
    return value
