"""The loops of expr: `all`, `any`, `filter`, `map`, `reduce` and their like, as closures.

Each element pays for the nodes of the body, so that no loop, and no loop within a loop, lasts longer than an evaluation may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from tiphys.languages.expr.operators import misfit, pair_key
from tiphys.languages.expression.closures import Evaluate
from tiphys.languages.expression.frame import Fault, Frame
from tiphys.languages.expression.nodes import Builtin, Node
from tiphys.languages.expression.values import Int, Pairs, go_type
from tiphys.languages.golang.quoting import to_bytes
from tiphys.languages.golang.values import Ints, NilList, Uint8

__all__ = ["LOOPS", "Loop", "weight"]


class Loop:
    """One run over a collection: where it is, and what it has gathered."""

    __slots__ = ("accumulated", "convert", "index", "items", "limit")

    def __init__(self, frame: Frame, value: Any) -> None:
        self.convert: Callable[[Any], Any] | None = None
        self.items: Sequence[Any] = value
        if type(value) is not list:
            self._prepare(frame, value)
        self.limit = len(self.items) if isinstance(value, str) else len(value)
        self.index = 0
        self.accumulated: Any = None

    def _prepare(self, frame: Frame, value: Any) -> None:
        """For what is no list of any values."""
        if isinstance(value, range | Ints):
            self.convert = Int
        elif isinstance(value, str | bytes):
            if isinstance(value, str):
                frame.spend(len(value) >> 8)
                self.items = to_bytes(value)
            self.convert = Uint8
        elif isinstance(value, dict):
            self.items = ()
        elif not isinstance(value, list):
            raise Fault(f"{go_type(value)} is no list to go over", "use ?? [] where it may be missing" if value is None else "")

    def item(self) -> Any:
        """The element that `#` is. Raises `Fault` in a map, which has no order."""
        if self.index >= len(self.items):
            raise Fault(f"there is no element {self.index}", "a map has keys(…) and values(…)")
        found = self.items[self.index]
        return self.convert(found) if self.convert else found


def weight(node: Node) -> int:
    """What one evaluation of a node costs, without the loops in it."""
    return 1 + sum(map(weight, node.parts()))


def _truth(name: str, value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise misfit(f"the predicate of {name}", value)


def _each(name: str, body: Evaluate, cost: int, order: Callable[[int], Iterable[int]]) -> Callable[[Frame, Loop], Iterable[bool]]:
    """The predicate's verdict for each element, in that order."""

    def each(frame: Frame, loop: Loop) -> Iterable[bool]:
        for index in order(loop.limit):
            loop.index = index
            frame.spend(cost)
            yield _truth(name, body(frame))

    return each


def _looping(collection: Evaluate, run: Callable[[Frame, Loop], Any]) -> Evaluate:
    def looping(frame: Frame) -> Any:
        loop = Loop(frame, collection(frame))
        frame.loops.append(loop)
        found = run(frame, loop)
        frame.loops.pop()
        return found

    return looping


Make = Callable[[Builtin, Callable[[Node], Evaluate]], Evaluate]
"""A node and the compiler to its closure."""


def _predicate(decide: Callable[[Iterable[bool]], Any]) -> Make:
    def make(node: Builtin, compile_: Callable[[Node], Evaluate]) -> Evaluate:
        collection, block = node.arguments
        each = _each(node.name, compile_(block), weight(block), range)
        return _looping(compile_(collection), lambda frame, loop: decide(each(frame, loop)))

    return make


def _one(verdicts: Iterable[bool]) -> bool:
    return sum(verdicts) == 1


def _found(*, backwards: bool, index: bool) -> Make:
    def make(node: Builtin, compile_: Callable[[Node], Evaluate]) -> Evaluate:
        collection, block = node.arguments
        order: Callable[[int], Iterable[int]] = (lambda count: range(count - 1, -1, -1)) if backwards else range
        each = _each(node.name, compile_(block), weight(block), order)
        mapping, throws = compile_(node.mapping) if node.mapping else None, node.throws

        def run(frame: Frame, loop: Loop) -> Any:
            if any(each(frame, loop)):
                if index:
                    return Int(loop.index)
                return mapping(frame) if mapping else loop.item()
            if throws:
                raise Fault("no element passes the filter", "use find(…), which gives nil then")
            return None

        return _looping(compile_(collection), run)

    return make


def _filter(node: Builtin, compile_: Callable[[Node], Evaluate]) -> Evaluate:
    collection, block = node.arguments
    each = _each(node.name, compile_(block), weight(block), range)
    mapping = compile_(node.mapping) if node.mapping else None

    def run(frame: Frame, loop: Loop) -> list[Any]:
        return [mapping(frame) if mapping else loop.item() for verdict in each(frame, loop) if verdict]

    return _looping(compile_(collection), run)


def _map(node: Builtin, compile_: Callable[[Node], Evaluate]) -> Evaluate:
    collection, block = node.arguments
    body, cost = compile_(block), weight(block)

    def run(frame: Frame, loop: Loop) -> list[Any]:
        found = []
        for index in range(loop.limit):
            loop.index = index
            frame.spend(cost)
            found.append(body(frame))
        return found

    return _looping(compile_(collection), run)


def _group(node: Builtin, compile_: Callable[[Node], Evaluate]) -> Evaluate:
    collection, block = node.arguments
    body, cost = compile_(block), weight(block)

    def run(frame: Frame, loop: Loop) -> Pairs:
        groups = Pairs()
        groups.missing = NO_GROUP
        for index in range(loop.limit):
            loop.index = index
            frame.spend(cost)
            groups.setdefault(pair_key(body(frame)), []).append(loop.item())
        return groups

    return _looping(compile_(collection), run)


def _reduce(node: Builtin, compile_: Callable[[Node], Evaluate]) -> Evaluate:
    collection, block = node.arguments[:2]
    body, cost = compile_(block), weight(block)
    initial = compile_(node.arguments[2]) if len(node.arguments) > 2 else None

    def run(frame: Frame, loop: Loop) -> Any:
        loop.accumulated = initial(frame) if initial else loop.item()
        for index in range(0 if initial else 1, loop.limit):
            loop.index = index
            frame.spend(cost)
            loop.accumulated = body(frame)
        return loop.accumulated

    return _looping(compile_(collection), run)


NO_GROUP: Final = NilList()
"""The group that nothing belongs to."""

LOOPS: Final[dict[str, Make]] = {
    "all": _predicate(all),
    "none": _predicate(lambda verdicts: not any(verdicts)),
    "any": _predicate(any),
    "one": _predicate(_one),
    "count": _predicate(lambda verdicts: Int(sum(verdicts))),
    "filter": _filter,
    "map": _map,
    "find": _found(backwards=False, index=False),
    "findIndex": _found(backwards=False, index=True),
    "findLast": _found(backwards=True, index=False),
    "findLastIndex": _found(backwards=True, index=True),
    "groupBy": _group,
    "reduce": _reduce,
}
"""What makes the closure of each loop."""
