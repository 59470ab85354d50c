"""Statements compiled to closures: text, actions, `if`, `with`, `range`, `template` (`text/template/exec.go`, walk)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from typing import Any, Final

from tiphys.languages.golang import fmt
from tiphys.languages.golang.comparing import truth
from tiphys.languages.golang.values import INVALID, Function, GoError, Uint8
from tiphys.languages.gotemplate import NO_VALUE
from tiphys.languages.gotemplate.calling import Evaluate, Frame, failure
from tiphys.languages.gotemplate.execution import Failure, Run
from tiphys.languages.gotemplate.expressions import UNSET, Expressions
from tiphys.languages.gotemplate.nodes import Action, Break, Conditional, Continue, Invoke, Range, Statement, Text
from tiphys.languages.gotemplate.parser import ROOT

__all__ = ["Bodies", "Body", "compile_bodies"]

_BITS_OF_TEXT: Final = 5


class Jump(Enum):
    """How a statement ends other than by its end."""

    BREAK = auto()
    CONTINUE = auto()


Execute = Callable[[Frame, Any], Jump | None]


class Body:
    """A compiled template of a set: `run` it with a dot (for the root, the data of the run is one). `paths` as in `Expressions`."""

    __slots__ = ("execute", "paths", "places")

    def __init__(self, execute: Execute, places: int, paths: frozenset[tuple[str, ...]] | None) -> None:
        self.execute, self.places, self.paths = execute, places, paths

    def run(self, run: Run, dot: Any) -> None:
        """Write what the template writes. Raises `Failure`, `LimitError`."""
        frame: Frame = [run, dot, *(UNSET for _ in range(self.places - 2))]
        self.execute(frame, dot)


Bodies = dict[str, Body]


def compile_bodies(
    blocks: Mapping[str, list[Statement]], functions: Mapping[str, Function], *, strict: bool, changes: bool
) -> Bodies:
    """The templates of a set, by name."""
    bodies: Bodies = {}
    for name, block in blocks.items():
        expressions = Expressions(functions, is_root=name == ROOT, strict=strict, changes=changes)
        compiler = _Statements(expressions, bodies, strict=strict)
        execute = compiler.block(block)
        bodies[name] = Body(execute, expressions.places, expressions.paths)
    return bodies


class _Statements:
    def __init__(self, expressions: Expressions, bodies: Bodies, *, strict: bool) -> None:
        self._expressions, self._bodies, self._strict = expressions, bodies, strict

    def block(self, statements: list[Statement]) -> Execute:
        """A list of statements. What they declare stays visible until the caller hides it."""
        compiled = [self._statement(statement) for statement in statements]
        if not compiled:
            return _nothing
        if len(compiled) == 1:
            return compiled[0]

        def execute(frame: Frame, dot: Any) -> Jump | None:
            for statement in compiled:
                jump = statement(frame, dot)
                if jump is not None:
                    return jump
            return None

        return execute

    def _statement(self, node: Statement) -> Execute:
        match node:
            case Text():
                return _text(node.text)
            case Action():
                return self._action(node)
            case Conditional():
                return self._conditional(node)
            case Range():
                return self._range(node)
            case Break():
                return lambda _frame, _dot: Jump.BREAK
            case Continue():
                return lambda _frame, _dot: Jump.CONTINUE
            case Invoke():
                return self._invoke(node)

    def _scoped(self, statements: list[Statement], *, moves: bool = False) -> Execute:
        """A body whose declarations end with it, and in which the dot is another one if it `moves`."""
        expressions = self._expressions
        mark, at_root = expressions.visible(), expressions.at_root
        expressions.at_root = at_root and not moves
        execute = self.block(statements)
        expressions.hide(mark)
        expressions.at_root = at_root
        return execute

    def _action(self, node: Action) -> Execute:
        evaluate = self._expressions.pipe(node.pipe)
        if node.pipe.names:
            return _evaluating(evaluate)
        return _printing(evaluate, node, strict=self._strict)

    def _conditional(self, node: Conditional) -> Execute:
        expressions, mark = self._expressions, self._expressions.visible()
        branches: list[tuple[Evaluate, Execute]] = []
        for pipe, body in node.branches:
            evaluate = expressions.pipe(pipe)
            branches.append((evaluate, self._scoped(body, moves=node.moves)))
        otherwise = self._scoped(node.otherwise)
        expressions.hide(mark)
        moves = node.moves

        def execute(frame: Frame, dot: Any) -> Jump | None:
            for evaluate, body in branches:
                value = evaluate(frame, dot)
                if truth(value):
                    return body(frame, value if moves else dot)
            return otherwise(frame, dot)

        return execute

    def _range(self, node: Range) -> Execute:
        expressions, mark = self._expressions, self._expressions.visible()
        pipe = node.pipe
        evaluate = expressions.pipe(pipe)
        places = [expressions.place_of(name) for name in pipe.names]
        body, otherwise = self._scoped(node.body, moves=True), self._scoped(node.otherwise)
        expressions.hide(mark)
        key_place = places[0] if len(places) > 1 else None
        item_place = places[-1] if places else None

        def execute(frame: Frame, dot: Any) -> Jump | None:
            run: Run = frame[0]
            value = evaluate(frame, dot)
            if isinstance(value, dict):
                run.sorted(len(value))
            try:
                items = _items(value, pairs=key_place is not None)
            except GoError as error:
                raise failure(error, pipe, pipe.offset) from error
            empty = True
            for key, item in items:
                empty = False
                run.step()
                if key_place is not None:
                    frame[key_place] = key
                if item_place is not None:
                    frame[item_place] = item
                if body(frame, item) is Jump.BREAK:
                    break
            return otherwise(frame, dot) if empty else None

        return execute

    def _invoke(self, node: Invoke) -> Execute:
        evaluate = self._expressions.pipe(node.pipe) if node.pipe else _invalid
        name, bodies, offset = node.name, self._bodies, node.offset

        def execute(frame: Frame, dot: Any) -> None:
            body, run = bodies.get(name), frame[0]
            if body is None:
                raise Failure(f"template {name!r} not defined", "", offset)
            value = evaluate(frame, dot)
            run.enter()
            body.run(run, value)
            run.leave()

        return execute


def _nothing(_frame: Frame, _dot: Any) -> None:
    return None


def _invalid(_frame: Frame, _dot: Any) -> Any:
    return INVALID


def _text(text: str) -> Execute:
    def execute(frame: Frame, _dot: Any) -> None:
        frame[0].write(text)

    return execute


def _evaluating(evaluate: Evaluate) -> Execute:
    def execute(frame: Frame, dot: Any) -> None:
        evaluate(frame, dot)

    return execute


def _printing(evaluate: Evaluate, node: Action, *, strict: bool) -> Execute:
    offset = node.offset

    def execute(frame: Frame, dot: Any) -> None:
        value = evaluate(frame, dot)
        if type(value) is str:
            frame[0].write(value)
        elif value is not INVALID:
            if isinstance(value, list | dict):
                frame[0].weigh(value, _BITS_OF_TEXT)
            frame[0].write(fmt.sprint(value))
        elif strict:
            raise Failure("is null or absent", str(node.pipe), offset, "use from, path and default, or test it with {{ if }}")
        else:
            frame[0].write(NO_VALUE)

    return execute


def _items(value: Any, *, pairs: bool) -> Iterable[tuple[Any, Any]]:
    """What a `range` goes over, with keys or numbers. Raises `GoError`."""
    if isinstance(value, list):
        return enumerate(value)
    if isinstance(value, dict):
        return fmt.sorted_items(value)
    if value is INVALID:
        return ()
    if isinstance(value, bytes):
        return ((number, Uint8(item)) for number, item in enumerate(value))
    if isinstance(value, int) and not isinstance(value, bool):
        if pairs:
            raise GoError(f"can't use {value} to iterate over more than one variable")
        kind = type(value)
        return ((INVALID, kind(number)) for number in range(value))
    raise GoError(f"range can't iterate over {fmt.sprint(value)[:60]}")
