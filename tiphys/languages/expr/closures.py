"""The closures of expr's nodes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from tiphys.languages import regex
from tiphys.languages.expr.builtins import FUNCTIONS, INDIRECT
from tiphys.languages.expr.environment import FUNCTIONS as ENVIRONMENT_FUNCTIONS
from tiphys.languages.expr.fetching import Invoke, call, fetch, invocation, length, sliced
from tiphys.languages.expr.loops import LOOPS, Loop
from tiphys.languages.expr.names import ENVIRONMENT, PREDICATES
from tiphys.languages.expr.operators import INFIXES, PREFIXES, equal_integers, is_nil, misfit
from tiphys.languages.expr.optimizer import Keys
from tiphys.languages.expression.closures import Compiler, Evaluate, located
from tiphys.languages.expression.frame import Fault, Frame
from tiphys.languages.expression.nodes import (
    Array,
    Binary,
    Block,
    Builtin,
    Call,
    Chain,
    Conditional,
    Let,
    Literal,
    MapLiteral,
    Member,
    Name,
    Node,
    Pointer,
    Slice,
)
from tiphys.languages.expression.values import Int, go_type
from tiphys.languages.golang.values import Function

__all__ = ["Closures"]


class _Stopped:
    """What a chain gives from the nil on that its `?.` found."""


_STOPPED: Final = _Stopped()


def _arity(function: Callable[..., Any]) -> tuple[int, float]:
    """The least and the largest number of arguments, beside the frame."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    least = sum(parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL for parameter in parameters)
    endless = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    return least, float("inf") if endless else len(parameters)


_ARITIES: Final = {name: _arity(function) for name, function in FUNCTIONS.items()}


class Closures(Compiler):
    """The closures of expr."""

    prefixes = PREFIXES
    infixes = INFIXES

    def __init__(self) -> None:
        super().__init__()
        self._variables: list[tuple[str, str]] = []
        self._declared = 0
        self.handlers |= {
            Name: self._name,
            Member: self._member,
            Chain: self._chain,
            Slice: self._slice,
            Call: self._call,
            Builtin: self._builtin,
            Block: lambda node: self.compile(node.body),
            Pointer: self._pointer,
            Let: self._let,
            Conditional: self._conditional,
            Array: self._array,
            MapLiteral: self._map,
        }

    def decides(self, operator: str, value: Any) -> bool:
        """Never: what is no boolean is an error."""
        raise misfit(operator, value)

    def last(self, operator: str, value: Any) -> Any:
        """The last operand as it is, boolean or not."""
        return value

    # -- names

    def _name(self, node: Name) -> Evaluate:
        name = node.name
        for known, key in reversed(self._variables):
            if known == name:
                return lambda frame: frame.variables[key]
        if name == ENVIRONMENT:
            return lambda frame: {**frame.names, **ENVIRONMENT_FUNCTIONS}
        if name in ENVIRONMENT_FUNCTIONS:
            function = ENVIRONMENT_FUNCTIONS[name]
            return lambda _frame: function
        return lambda frame: frame.names.get(name)

    def _let(self, node: Let) -> Evaluate:
        value = self.compile(node.value)
        self._declared += 1
        key = f"{node.name} {self._declared}"
        self._variables.append((node.name, key))
        body = self.compile(node.body)
        self._variables.pop()

        def let(frame: Frame) -> Any:
            frame.variables[key] = value(frame)
            return body(frame)

        return let

    def _pointer(self, node: Pointer) -> Evaluate:
        if node.name == "index":
            return lambda frame: Int(frame.loops[-1].index)
        if node.name == "acc":
            return lambda frame: frame.loops[-1].accumulated
        if node.name:
            raise Fault(f"there is no #{node.name}", "there are #, #index and #acc", node.offset)

        def element(frame: Frame) -> Any:
            loop: Loop = frame.loops[-1]
            return loop.item()

        return element

    # -- operators

    def _binary(self, node: Binary) -> Evaluate:
        right = node.right
        if node.operator == "??":
            return self._coalesce(node)
        if node.operator in ("==", "!=") and isinstance(right, Literal) and type(right.value) is str:
            return self._same(node.left, right.value, negated=node.operator == "!=")
        if node.operator == "==" and _is_int(node.left) and _is_int(right):
            return self._joined(node, equal_integers)
        if node.operator == "in" and isinstance(right, Literal) and isinstance(right.value, Keys):
            return self._among(node, right.value)
        if node.operator == "matches" and isinstance(right, Literal) and type(right.value) is str and node.type is not None:
            return self._matching(node, regex.compile(right.value))
        return super()._binary(node)

    def _joined(self, node: Binary, operation: Callable[[Frame, Any, Any], Any]) -> Evaluate:
        left, right, offset = self.compile(node.left), self.compile(node.right), node.offset

        def joined(frame: Frame) -> Any:
            try:
                return operation(frame, left(frame), right(frame))
            except Fault as fault:
                raise located(fault, offset)  # noqa: B904  the same fault

        return joined

    def _same(self, node: Node, text: str, *, negated: bool) -> Evaluate:
        """`a == "text"`, by far the most frequent expression: no other value equals a string."""
        left = self.compile(node)
        if negated:
            return lambda frame: bool(left(frame) != text)
        return lambda frame: bool(left(frame) == text)

    def _coalesce(self, node: Binary) -> Evaluate:
        left, right = self.compile(node.left), self.compile(node.right)

        def coalesce(frame: Frame) -> Any:
            value = left(frame)
            return right(frame) if is_nil(value) else value

        return coalesce

    def _among(self, node: Binary, keys: Keys) -> Evaluate:
        left, offset = self.compile(node.left), node.offset
        kind, absent = (str, "") if any(type(key) is str for key in keys) else (Int, Int(0))

        def among(frame: Frame) -> bool:
            value = left(frame)
            if type(value) is kind:
                return value in keys
            if value is None:
                return absent in keys
            wanted = "strings" if kind is str else "integers"
            remedy = 'the values of a header are a list: write header["Name"][0]' if isinstance(value, list) else ""
            raise Fault(f"in asks for one of some {wanted}, and {go_type(value)} is none", remedy, offset)

        return among

    def _matching(self, node: Binary, pattern: regex.Pattern) -> Evaluate:
        left, offset = self.compile(node.left), node.offset

        def matching(frame: Frame) -> bool:
            value = left(frame)
            if type(value) is not str:
                raise located(misfit("matches", value), offset)
            frame.spend(len(value) >> 6)
            return pattern.search(value)

        return matching

    def _conditional(self, node: Conditional) -> Evaluate:
        condition, yes, no, offset = self.compile(node.condition), self.compile(node.yes), self.compile(node.no), node.offset

        def conditional(frame: Frame) -> Any:
            value = condition(frame)
            if value is True:
                return yes(frame)
            if value is False:
                return no(frame)
            raise located(misfit("?", value), offset)

        return conditional

    # -- members

    def _member(self, node: Member) -> Evaluate:
        offset, key = node.offset, node.key
        if isinstance(node.base, Name) and node.base.name == ENVIRONMENT and isinstance(key, Literal) and type(key.value) is str:
            return self._global(key.value)
        base = self.compile(node.base)
        if isinstance(key, Literal) and type(key.value) is str:
            return _by_name(base, key.value, offset)
        index = self.compile(key)

        def member(frame: Frame) -> Any:
            try:
                return fetch(frame, base(frame), index(frame))
            except Fault as fault:
                raise located(fault, offset)  # noqa: B904  the same fault

        return member

    @staticmethod
    def _global(name: str) -> Evaluate:
        """`$env.name`, which no variable hides."""
        if name in ENVIRONMENT_FUNCTIONS:
            function = ENVIRONMENT_FUNCTIONS[name]
            return lambda _frame: function
        return lambda frame: frame.names.get(name)

    def _chain(self, node: Chain) -> Evaluate:
        inner = self._link(node.inner)

        def chain(frame: Frame) -> Any:
            value = inner(frame)
            return None if value is _STOPPED else value

        return chain

    def _link(self, node: Node) -> Evaluate:
        """A member or call of a chain, which is passed over after a nil."""
        if isinstance(node, Member):
            base, key, optional, offset = self._link(node.base), self.compile(node.key), node.optional, node.offset

            def link(frame: Frame) -> Any:
                value = base(frame)
                if value is _STOPPED or (optional and is_nil(value)):
                    return _STOPPED
                try:
                    return fetch(frame, value, key(frame))
                except Fault as fault:
                    raise located(fault, offset)  # noqa: B904  the same fault

            return link
        if isinstance(node, Call) and not node.function:
            return self._called(node, self._link(node.callee))
        return self.compile(node)

    def _slice(self, node: Slice) -> Evaluate:
        base, offset = self.compile(node.base), node.offset
        start = self.compile(node.start) if node.start else None
        stop = self.compile(node.stop) if node.stop else None

        def slice_(frame: Frame) -> Any:
            try:
                value = base(frame)
                high = stop(frame) if stop else Int(length(frame, value))
                return sliced(frame, value, start(frame) if start else Int(0), high)
            except Fault as fault:
                raise located(fault, offset)  # noqa: B904  the same fault

        return slice_

    # -- calls

    def _call(self, node: Call) -> Evaluate:
        if node.function:
            if node.function not in INDIRECT:
                raise Fault(f"{node.function} cannot be called by another name", "", node.offset)
            return self._applied(node.function, node.arguments, node.offset)
        known = self._known(node.callee)
        if known is not None:
            try:
                return self._invoked(node, invocation(known, len(node.arguments)))
            except Fault:
                pass  # too many arguments, or too few: an error only where it is called
        return self._called(node, self.compile(node.callee))

    def _known(self, callee: Node) -> Function | None:
        """The function that `asInt` or `sprig.trim` names, whatever the event."""
        name = callee.base if isinstance(callee, Member) else callee
        if not isinstance(name, Name) or any(known == name.name for known, _ in self._variables):
            return None
        found = ENVIRONMENT_FUNCTIONS.get(name.name)
        if isinstance(callee, Member):
            word = callee.key.value if isinstance(callee.key, Literal) else None
            found = found.get(word) if isinstance(found, dict) and type(word) is str else None
        return found if isinstance(found, Function) else None

    def _invoked(self, node: Call, invoke: Invoke) -> Evaluate:
        arguments, offset = tuple(map(self.compile, node.arguments)), node.offset

        def invoked(frame: Frame) -> Any:
            try:
                return invoke(frame, [argument(frame) for argument in arguments])
            except Fault as fault:
                raise located(fault, offset)  # noqa: B904  the same fault

        return invoked

    def _called(self, node: Call, callee: Evaluate) -> Evaluate:
        arguments, offset = tuple(map(self.compile, node.arguments)), node.offset

        def called(frame: Frame) -> Any:
            values = [argument(frame) for argument in arguments]
            function = callee(frame)
            if function is _STOPPED:
                return _STOPPED
            try:
                return call(frame, function, values)
            except Fault as fault:
                raise located(fault, offset)  # noqa: B904  the same fault

        return called

    def _builtin(self, node: Builtin) -> Evaluate:
        if node.name not in PREDICATES:
            return self._applied(node.name, node.arguments, node.offset)
        loop, offset = LOOPS[node.name](node, self.compile), node.offset

        def builtin(frame: Frame) -> Any:
            try:
                return loop(frame)
            except Fault as fault:
                raise located(fault, offset)  # noqa: B904  the same fault

        return builtin

    def _applied(self, name: str, nodes: Sequence[Node], offset: int) -> Evaluate:
        function, arguments = FUNCTIONS[name], tuple(map(self.compile, nodes))
        least, most = _ARITIES[name]
        if not least <= len(arguments) <= most:
            raise Fault(f"{name} does not take {len(arguments)} arguments", "", offset)
        if len(arguments) == 1:
            return _applied_to_one(function, arguments[0], offset)

        def applied(frame: Frame) -> Any:
            try:
                return function(frame, *[argument(frame) for argument in arguments])
            except Fault as fault:
                raise located(fault, offset)  # noqa: B904  the same fault

        return applied

    # -- literals

    def _array(self, node: Array) -> Evaluate:
        items = tuple(map(self.compile, node.items))
        return lambda frame: [item(frame) for item in items]

    def _map(self, node: MapLiteral) -> Evaluate:
        parts = tuple(map(self.compile, node.pairs))
        pairs, offset = tuple(zip(parts[::2], parts[1::2], strict=True)), node.offset

        def map_(frame: Frame) -> dict[str, Any]:
            found: dict[str, Any] = {}
            for key, value in pairs:
                name = key(frame)
                if type(name) is not str:
                    raise Fault(f"a map's keys are strings, and no {go_type(name)} is one", "use string(…)", offset)
                found.setdefault(name, value(frame))  # of a key that is repeated the first counts
            return found

        return map_


def _is_int(node: Node) -> bool:
    """Whether a node is known to give an `int`, and none with a name of its own."""
    return node.type is not None and bool(node.type.kind == "int") and not node.type.name


def _by_name(base: Evaluate, name: str, offset: int) -> Evaluate:
    def by_name(frame: Frame) -> Any:
        value = base(frame)
        if type(value) is dict:
            return value.get(name)
        try:
            return fetch(frame, value, name)
        except Fault as fault:
            raise located(fault, offset)  # noqa: B904  the same fault

    return by_name


def _applied_to_one(function: Callable[..., Any], argument: Evaluate, offset: int) -> Evaluate:
    def applied(frame: Frame) -> Any:
        try:
            return function(frame, argument(frame))
        except Fault as fault:
            raise located(fault, offset)  # noqa: B904  the same fault

    return cast("Evaluate", applied)
