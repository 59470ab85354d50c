"""Expressions compiled to closures: fields, variables, calls and pipelines (`text/template/exec.go`, evalPipeline and below).

A closure takes the frame and the dot, and gives a value. A frame is a list: the run, the variable `$`, then a place for each variable
that the template declares. Three things look like nothing, and are kept apart as Go keeps them:

* `INVALID`, the zero `reflect.Value`: a key that a map lacks; a field of it is `INVALID` again;
* `None`, an `interface{}` that holds nil: a null of JSON; a field of it is an error;
* at the end of a pipeline the second becomes the first.

Most templates read `.Input.a.b` outside of any `range` or `with`. There the dot is known to be the whole data, so that the path is
followed in the event as it was decoded, and only what is found is converted to what Go would have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tiphys.languages.golang.comparing import truth
from tiphys.languages.golang.converting import nil_of
from tiphys.languages.golang.values import INVALID, Function, GoError
from tiphys.languages.gotemplate import numerals
from tiphys.languages.gotemplate.calling import (
    Evaluate,
    Frame,
    calling,
    calling_after,
    constant,
    converted,
    failing,
    failure,
    literal,
    miscounted,
    parameter_of,
)
from tiphys.languages.gotemplate.execution import Failure, Run
from tiphys.languages.gotemplate.fields import member, method, methods_called
from tiphys.languages.gotemplate.functions import SHORT_CIRCUIT
from tiphys.languages.gotemplate.nodes import (
    Bool,
    Chain,
    Command,
    Dot,
    Expression,
    Field,
    Identifier,
    Nil,
    Number,
    Pipe,
    String,
    Variable,
)

__all__ = ["UNSET", "Expressions"]

UNSET: Final = object()
"""What stands in the place of a variable whose declaration was not reached."""


class Expressions:
    """Compiles the expressions of one template (the root or a defined one).

    `at_root` says whether the dot is the whole data here; `strict` makes a key that a map lacks an error.
    """

    def __init__(self, functions: Mapping[str, Function], *, is_root: bool, strict: bool, changes: bool) -> None:
        self._functions, self._strict = functions, strict
        self._direct = is_root and not changes
        self.at_root = is_root
        self._is_root = is_root
        self._names: list[tuple[str, int]] = [("$", 1)]
        self._paths: set[tuple[str, ...]] = set()
        self._reads_all = False
        self.places = 2

    @property
    def paths(self) -> frozenset[tuple[str, ...]] | None:
        """The paths into the data that it reads, like `("Input", "body", "ref")`; `None` if it may read anything."""
        return None if self._reads_all else frozenset(self._paths)

    # variables

    def visible(self) -> int:
        """A mark of which variables are visible, for `hide`."""
        return len(self._names)

    def hide(self, mark: int) -> None:
        """Variables declared since `mark` go out of sight."""
        del self._names[mark:]

    def declare(self, name: str) -> int:
        """A new variable; its place in the frame."""
        place = self.places
        self.places += 1
        self._names.append((name, place))
        return place

    def place_of(self, name: str) -> int | None:
        """Where a visible variable stands."""
        return next((place for known, place in reversed(self._names) if known == name), None)

    # pipelines

    def pipe(self, pipe: Pipe) -> Evaluate:
        """A pipeline with its declarations. Its value is never `None`."""
        evaluate = self._stages(pipe)
        places = []
        for name in pipe.names:
            # To assign to `$` of the root leaves the data as it is, and is a new variable.
            declares = not pipe.assigns or (name == "$" and self._is_root and self.place_of(name) == 1)
            place = self.declare(name) if declares else self.place_of(name)
            if place is None:
                return failing(f"undefined variable: {name}", pipe, pipe.offset)
            places.append(place)
        return _storing(evaluate, places) if places else evaluate

    def _stages(self, pipe: Pipe) -> Evaluate:
        evaluate = _settled(self._command(pipe.commands[0], None))
        for command in pipe.commands[1:]:
            evaluate = _settled(self._command(command, evaluate))
        return evaluate

    def _command(self, command: Command, before: Evaluate | None) -> Evaluate:
        """One stage; `before` is the one whose value is its last argument."""
        first, rest = command.operands[0], command.operands[1:]
        match first:
            case Identifier():
                return self._function(first, rest, before, command)
            case Field():
                return self._fields(self._dot(), first.names, first, rest, before) if rest or before else self._field(first)
            case Chain():
                return self._chain(first, rest, before)
            case Variable() if len(first.names) > 1:
                if rest or before:
                    return self._fields(self._variable(first.names[0], first), first.names[1:], first, rest, before)
                return self._value(first)
            case Nil():
                return failing("nil is not a command", first, first.offset)
            case _:
                pass
        if rest or before:
            return failing(f"can't give argument to non-function {first}", command, command.offset)
        return self._value(first)

    # operands

    def _value(self, node: Expression) -> Evaluate:
        """An operand where any type will do."""
        match node:
            case Dot():
                return self._dot()
            case Bool() | String():
                return constant(node.value)
            case Number():
                try:
                    return constant(numerals.ideal(node))
                except ValueError as error:
                    return failing(str(error), node, node.offset)
            case Field():
                return self._field(node)
            case Variable():
                return self._variable_fields(node)
            case Pipe():
                return self.pipe(node)
            case Identifier():
                return self._function(node, [], None, node)
            case Chain():
                return self._chain(node, [], None)
            case Nil():
                return failing("nil is not a value", node, node.offset)

    def _dot(self) -> Evaluate:
        return self._all() if self.at_root else _the_dot

    def _all(self) -> Evaluate:
        self._reads_all = True
        return _whole

    def _field(self, node: Field) -> Evaluate:
        if self.at_root and self._direct:
            return self._path(node.names, node)
        return self._fields(self._dot(), node.names, node, [], None)

    def _variable_fields(self, node: Variable) -> Evaluate:
        name, *names = node.names
        if name == "$" and self._is_root and self.place_of("$") == 1:
            if names and self._direct:
                return self._path(tuple(names), node)
            evaluate = self._all()
        else:
            evaluate = self._variable(name, node)
        return self._fields(evaluate, tuple(names), node, [], None) if names else evaluate

    def _variable(self, name: str, node: Expression) -> Evaluate:
        place = self.place_of(name)
        if place is None:
            return failing(f"undefined variable: {name}", node, node.offset)
        if place == 1:
            return self._all() if self._is_root else lambda frame, _dot: frame[1]
        reason, context, offset = f"undefined variable: {name}", str(node), node.offset

        def evaluate(frame: Frame, _dot: Any) -> Any:
            value = frame[place]
            if value is UNSET:
                raise Failure(reason, context, offset)
            return value

        return evaluate

    def _path(self, names: tuple[str, ...], node: Expression) -> Evaluate:
        """A path into the data as it was decoded; only what is found there is converted."""
        self._paths.add(names)
        strict, offset = self._strict, node.offset

        def evaluate(frame: Frame, _dot: Any) -> Any:
            run: Run = frame[0]
            value = run.root
            for name in names:
                if type(value) is dict:
                    value = value.get(name, INVALID)
                else:
                    try:
                        value = member(value, name)
                    except GoError as error:
                        raise failure(error, node, offset) from error
                if strict and value is INVALID:
                    raise Failure(f"map has no entry for key {name!r}", str(node), offset)
            kind = type(value)
            if kind is str:
                return value
            if kind is int and not run.whole_numbers:
                return float(value)
            return run.part(value) if kind is dict or kind is list else value

        return evaluate

    def _chain(self, node: Chain, rest: list[Expression], before: Evaluate | None) -> Evaluate:
        if isinstance(node.operand, Nil):
            return failing(f"indirection through explicit nil in {node}", node, node.offset)
        return self._fields(self._value(node.operand), node.names, node, rest, before)

    def _fields(
        self, receiver: Evaluate, names: tuple[str, ...], node: Expression, rest: list[Expression], before: Evaluate | None
    ) -> Evaluate:
        """`receiver.a.b`; the last name may be a method that is given something."""
        strict, offset = self._strict, node.offset
        calling = names[-1] if rest or before is not None else ""
        walked = names[:-1] if calling else names

        def walk(frame: Frame, dot: Any) -> Any:
            value = receiver(frame, dot)
            for name in walked:
                try:
                    value = value.get(name, INVALID) if type(value) is dict else member(value, name)
                except GoError as error:
                    raise failure(error, node, offset) from error
                if strict and value is INVALID:
                    raise Failure(f"map has no entry for key {name!r}", str(node), offset)
            return value

        return self._method(walk, calling, node, rest, before) if calling else walk

    def _method(self, receiver: Evaluate, name: str, node: Expression, rest: list[Expression], before: Evaluate | None) -> Evaluate:
        """A method with arguments. Which one it is turns out when the value is there, so that each of that name is compiled."""
        place = self.places
        self.places += 1

        def held(frame: Frame, _dot: Any) -> Any:
            return frame[place]

        calls = {id(found): self._call(found, held, rest, before, node) for found in methods_called(name)}
        offset = node.offset

        def evaluate(frame: Frame, dot: Any) -> Any:
            value = receiver(frame, dot)
            if value is INVALID:
                return INVALID
            found = method(value, name)
            if found is None:
                reason = "is not a method but has arguments" if isinstance(value, dict) else "cannot be called"
                raise Failure(f"{name} {reason}", str(node), offset)
            frame[place] = value
            return calls[id(found)](frame, dot)

        return evaluate

    # calls

    def _function(
        self, node: Identifier, rest: list[Expression], before: Evaluate | None, command: Command | Identifier
    ) -> Evaluate:
        function = self._functions[node.name]
        if node.name in SHORT_CIRCUIT:
            return self._short_circuit(node, rest, before)
        return self._call(function, None, rest, before, command)

    def _call(
        self,
        function: Function,
        receiver: Evaluate | None,
        rest: list[Expression],
        before: Evaluate | None,
        node: Expression | Command,
    ) -> Evaluate:
        given = len(rest) + (before is not None)
        if problem := miscounted(function, given):
            return failing(problem, node, node.offset)
        arguments = [receiver] if receiver is not None else []
        arguments += [self._argument(operand, parameter_of(function, number)) for number, operand in enumerate(rest)]
        if before is None:
            return calling(function, arguments, node, node.offset)
        convert = converted(before, parameter_of(function, given - 1), node, node.offset)
        return calling_after(function, convert, arguments, node, node.offset)

    def _argument(self, node: Expression, parameter: str) -> Evaluate:
        """An operand for a parameter of a type: a literal takes it, a value must have it."""
        match node:
            case Nil():
                try:
                    nil = nil_of(parameter)
                except GoError as error:
                    return failing(str(error), node, node.offset)
                return constant(nil)
            case Bool() | Number() | String():
                return self._value(node) if parameter in ("interface{}", "reflect.Value") else literal(node, parameter)
            case _:
                return converted(self._value(node), parameter, node, node.offset)

    def _short_circuit(self, node: Identifier, rest: list[Expression], before: Evaluate | None) -> Evaluate:
        """`and`, `or`: the first argument that decides, or the last one."""
        if not rest and before is None:
            return failing(f"wrong number of args for {node.name}: want at least 1 got 0", node, node.offset)
        arguments = [self._argument(operand, "reflect.Value") for operand in rest]
        deciding = node.name == "or"

        def evaluate(frame: Frame, dot: Any) -> Any:
            final = before(frame, dot) if before is not None else INVALID
            value: Any = INVALID
            for argument in arguments:
                value = argument(frame, dot)
                if truth(value) is deciding:
                    return value
            return value if before is None else final

        return evaluate


def _whole(frame: Frame, _dot: Any) -> Any:
    return frame[0].whole()


def _the_dot(_frame: Frame, dot: Any) -> Any:
    return dot


def _settled(evaluate: Evaluate) -> Evaluate:
    """The value at the end of a stage: what an `interface{}` holds, which is nothing where it holds nil."""

    def settle(frame: Frame, dot: Any) -> Any:
        value = evaluate(frame, dot)
        return INVALID if value is None else value

    return settle


def _storing(evaluate: Evaluate, places: list[int]) -> Evaluate:
    def store(frame: Frame, dot: Any) -> Any:
        value = evaluate(frame, dot)
        for place in places:
            frame[place] = value
        return value

    return store
