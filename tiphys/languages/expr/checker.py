"""expr's type checker (antonmedv/expr 1.15.5, `checker`): what can never fit is refused when the expression is compiled.

As there, what is given to a function of the environment (`sprig.trim(…)`, `toJson(…)`) is not looked at: nothing is known of the function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tiphys.errors import PatternError
from tiphys.languages import regex
from tiphys.languages.expr.names import BUILTINS, ENVIRONMENT, PREDICATES
from tiphys.languages.expr.signatures import SIGNATURES, Overloads, Signature
from tiphys.languages.expr.types import (
    ANY,
    ARRAY,
    BOOL,
    DURATION,
    FLOAT,
    FUNCTION,
    GROUPS,
    INT,
    INTS,
    MAP,
    NIL,
    STRING,
    TIME,
    Type,
    comparable,
    named,
)
from tiphys.languages.expression.frame import Fault
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
    Logical,
    MapLiteral,
    Member,
    Name,
    Node,
    Pointer,
    Slice,
    Unary,
)
from tiphys.languages.expression.values import Int

__all__ = ["Checker"]

_LITERALS: Final = {type(None): NIL, bool: BOOL, Int: INT, float: FLOAT, str: STRING}
_ORDERS: Final = frozenset(("<", ">", ">=", "<="))
_TEXTUAL: Final = frozenset(("contains", "startsWith", "endsWith", "matches"))


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a value: its type; for a list that is written out, what all its elements are; for a function, its name."""

    type: Type
    element: Type = NIL
    function: str = ""


@dataclass(slots=True)
class _Loop:
    """A loop around: what its collection is, and what `#…` names can be used."""

    collection: Type
    names: dict[str, Type] = field(default_factory=dict)


def _number_like(kind: Type) -> bool:
    return kind.number


class Checker:
    """Sets `type` of each node that it visits. Raises `Fault` for the first that does not fit."""

    def __init__(self) -> None:
        self._loops: list[_Loop] = []
        self._variables: list[tuple[str, _Known]] = []
        self._handlers: dict[type[Node], Callable[[Any], _Known | Type]] = {
            Literal: lambda node: _LITERALS[type(node.value)],
            Name: self._name,
            Unary: self._unary,
            Binary: self._binary,
            Logical: self._logical,
            Conditional: self._conditional,
            Member: self._member,
            Chain: lambda node: self._know(node.inner),
            Slice: self._slice,
            Call: self._call,
            Block: self._block,
            Builtin: self._builtin,
            Pointer: self._pointer,
            Let: self._let,
            Array: self._array,
            MapLiteral: self._map,
        }

    def visit(self, node: Node) -> Type:
        """The type of a node."""
        return self._know(node).type

    def _know(self, node: Node) -> _Known:
        found = self._handlers[type(node)](node)
        known = _Known(found) if isinstance(found, Type) else found
        node.type = known.type
        return known

    # -- names

    def _name(self, node: Name) -> _Known | Type:
        for name, known in reversed(self._variables):
            if name == node.name:
                return known
        if node.name == ENVIRONMENT:
            return MAP
        return _Known(FUNCTION, function=node.name) if node.name in BUILTINS else ANY

    def _let(self, node: Let) -> _Known:
        if node.name in BUILTINS:
            raise Fault(f"{node.name} is a function", "choose another name", node.offset)
        if any(name == node.name for name, _ in self._variables):
            raise Fault(f"{node.name} is a variable already", "choose another name", node.offset)
        self._variables.append((node.name, self._know(node.value)))
        known = self._know(node.body)
        self._variables.pop()
        return known

    def _pointer(self, node: Pointer) -> Type:
        if not self._loops:
            raise Fault("# stands outside of a predicate", "", node.offset)
        loop = self._loops[-1]
        if node.name:
            if node.name in loop.names:
                return loop.names[node.name]
            raise Fault(f"there is no #{node.name} here", "there are #, in map and reduce #index, and in reduce #acc", node.offset)
        return loop.collection.element or ANY

    # -- operators

    def _unary(self, node: Unary) -> Type:
        kind = self.visit(node.operand)
        if node.operator in ("!", "not"):
            if kind.boolean or kind.any:
                return BOOL
        elif kind.number or kind.any:
            return kind
        raise _misfit(node.operator, node.offset, kind)

    def _logical(self, node: Logical) -> Type:
        kinds = [self.visit(operand) for operand in node.operands]
        for before, kind in zip([*kinds[:1], *[BOOL] * len(kinds)], kinds[1:], strict=False):
            if not ((before.boolean or before.any) and (kind.boolean or kind.any)):
                raise _misfit(node.operator, node.offset, before, kind)
        return BOOL

    def _binary(self, node: Binary) -> Type:
        left = self._know(node.left)
        right = self._know(node.right)
        if node.operator == "matches" and isinstance(node.right, Literal) and isinstance(node.right.value, str):
            try:
                regex.compile(node.right.value)
            except PatternError as error:
                raise Fault(f"the regular expression {node.right.value!r}: {error.problem}", error.remedy, node.offset) from error
        is_in = node.operator == "in"
        found = _member_of(node, left.type, right) if is_in else _result(node.operator, left.type, right.type)
        if found is None:
            raise _misfit(node.operator, node.offset, left.type, right.type)
        return found

    def _conditional(self, node: Conditional) -> Type:
        kind = self.visit(node.condition)
        if not (kind.boolean or kind.any):
            raise Fault(f"? asks for a boolean, and not {kind}", "compare it with something", node.offset)
        yes, no = self.visit(node.yes), self.visit(node.no)
        if yes.nil or no.nil:
            return no if yes.nil else yes
        return yes if yes.fits(no) else ANY

    # -- members

    def _member(self, node: Member) -> _Known | Type:
        base, key = self.visit(node.base), self.visit(node.key)
        word = node.key.value if isinstance(node.key, Literal) and isinstance(node.key.value, str) else None
        if isinstance(node.base, Name) and node.base.name == ENVIRONMENT:
            return _Known(FUNCTION, function=word) if word in BUILTINS else ANY
        if word is not None and word in base.methods:
            return _Known(FUNCTION, function=f"{base.name}.{word}")
        if base.any:
            return ANY
        if base.map and base.key and base.element:
            if not (key.nil or key.fits(base.key) or key.any):
                raise Fault(f"a {base} has no keys of type {key}", "", node.offset)
            return base.element
        if base.array and base.element:
            if not (key.integer or key.any):
                raise Fault(f"an element of a list has an integer for its key, and not {key}", "write list[0]", node.offset)
            return base.element
        raise Fault(f"a value of type {base} has no members", "", node.offset)

    def _slice(self, node: Slice) -> Type:
        kind = self.visit(node.base)
        if not (kind.any or kind.string or kind.array):
            raise Fault(f"{kind} cannot be sliced", "slice lists and strings", node.offset)
        for bound in (node.start, node.stop):
            if bound is not None and not ((found := self.visit(bound)).integer or found.any):
                raise Fault(f"a slice has integers for its bounds, and not {found}", "", node.offset)
        return kind

    # -- calls

    def _call(self, node: Call) -> Type:
        known = self._know(node.callee)
        if known.function in SIGNATURES:
            node.function = known.function
            return self._signature(SIGNATURES[known.function], known.function, node, node.arguments)
        if known.function in PREDICATES:
            raise Fault(f"{known.function} cannot be called by another name", "", node.offset)
        if known.function:
            return self._method(known.function, node)
        if known.type.any:
            return ANY
        if known.type.nil:
            raise Fault("nil is no function", "", node.offset)
        raise Fault(f"a value of type {known.type} is no function", "", node.offset)

    def _method(self, name: str, node: Call) -> Type:
        owner, _, word = name.rpartition(".")
        method = named(owner).methods[word]
        overload = (tuple(map(named, method.parameters)), named(method.result))
        return self._overloads(Overloads([overload]), word, node, node.arguments)

    def _builtin(self, node: Builtin) -> Type:
        if node.name in PREDICATES:
            return self._predicate(node)
        if node.name == "get":
            return self._get(node)
        return self._signature(SIGNATURES[node.name], node.name, node, node.arguments)

    def _signature(self, signature: Signature, name: str, node: Node, arguments: list[Node]) -> Type:
        if isinstance(signature, Overloads):
            return self._overloads(signature, name, node, arguments)
        return signature(name, node.offset, [self.visit(argument) for argument in arguments])

    def _overloads(self, signature: Overloads, name: str, node: Node, arguments: list[Node]) -> Type:
        kinds = [self.visit(argument) for argument in arguments]
        for parameters, result in signature.choices:
            if len(parameters) == len(kinds) and all(map(_accepts, parameters, kinds)):
                return result
        wanted = " or ".join(f"({', '.join(map(str, parameters))})" for parameters, _ in signature.choices)
        raise Fault(f"{name} takes {wanted}, and not ({', '.join(map(str, kinds))})", "", node.offset)

    def _get(self, node: Builtin) -> Type:
        if len(node.arguments) != 2:
            raise Fault(f"get takes 2 arguments, and not {len(node.arguments)}", "write get(map, key)", node.offset)
        base, key = node.arguments
        if isinstance(base, Name) and base.name == ENVIRONMENT:
            return NIL if isinstance(key, Literal) and isinstance(key.value, str) else ANY
        kind = self.visit(base)
        if kind.any:
            return ANY
        found = self.visit(key)
        if kind.array and kind.element and (found.integer or found.any):
            return kind.element
        if kind.map and kind.key and kind.element and not found.nil and (found.fits(kind.key) or found.any):
            return kind.element
        raise Fault(f"get finds nothing in {kind} by {found}", "", node.offset)

    def _predicate(self, node: Builtin) -> Type:
        collection = self.visit(node.arguments[0])
        if not (collection.array or collection.any):
            raise Fault(f"{node.name} goes over a list, and not {collection}", "", node.offset)
        loop = _Loop(collection)
        if node.name in ("map", "reduce"):
            loop.names["index"] = INT
        if node.name == "reduce":
            loop.names["acc"] = ANY
        self._loops.append(loop)
        body = self.visit(node.arguments[1])
        self._loops.pop()
        for argument in node.arguments[2:]:
            self.visit(argument)
        if node.name in _RESULTS and not (body.boolean or body.any):
            raise Fault(
                f"the predicate of {node.name} gives {body}, and should give a boolean", "compare it with something", node.offset
            )
        return _loop_result(node.name, collection, body)

    def _block(self, node: Block) -> Type:
        kind = self.visit(node.body)
        if kind.nil:
            raise Fault("a predicate cannot be nil", "", node.offset)
        return kind

    # -- literals

    def _array(self, node: Array) -> _Known:
        kinds = [self.visit(item) for item in node.items]
        same = all(not kind.nil and kind.kind == kinds[0].kind for kind in kinds) if len(kinds) > 1 else True
        return _Known(ARRAY, element=kinds[-1] if kinds and same else NIL)

    def _map(self, node: MapLiteral) -> Type:
        for part in node.pairs:
            self.visit(part)
        return MAP


_RESULTS: Final = {
    **dict.fromkeys(("all", "none", "any", "one"), BOOL),
    **dict.fromkeys(("count", "findIndex", "findLastIndex"), INT),
    "find": ANY,
    "findLast": ANY,
    "filter": ARRAY,
}


def _loop_result(name: str, collection: Type, body: Type) -> Type:
    element = collection.element or ANY
    if name == "map":
        return Type("slice", element=body)
    if name == "filter":
        return Type("slice", element=element)
    if name in ("find", "findLast"):
        return element
    if name == "reduce":
        return body
    return GROUPS if name == "groupBy" else _RESULTS[name]


def _accepts(parameter: Type, kind: Type) -> bool:
    if kind.nil or kind.any or kind.fits(parameter):
        return True
    return parameter.integer and kind.integer and parameter.kind != kind.kind


def _misfit(operator: str, offset: int, *kinds: Type) -> Fault:
    remedy = 'the values of a header are a list: write header["Name"][0]' if any(kind.array for kind in kinds) else ""
    return Fault(f"{operator} does not fit {' and '.join(map(str, kinds))}", remedy, offset)


def _either(left: Type, right: Type, *fit: Callable[[Type], bool]) -> bool:
    """Whether one side is unknown and the other fits, or both are unknown."""
    if left.any:
        return right.any or any(test(right) for test in fit)
    return right.any and any(test(left) for test in fit)


def _is_string(kind: Type) -> bool:
    return kind.string


def _is_integer(kind: Type) -> bool:
    return kind.integer


def _is_time(kind: Type) -> bool:
    return kind == TIME


def _is_duration(kind: Type) -> bool:
    return kind == DURATION


def _combined(left: Type, right: Type) -> Type:
    if left.kind == right.kind:
        return left
    return FLOAT if FLOAT.kind in (left.kind, right.kind) else INT


def _result(operator: str, left: Type, right: Type) -> Type | None:
    """What an operator gives; `None` if it does not fit."""
    if operator in ("==", "!="):
        return BOOL if comparable(left, right) else None
    if operator in _ORDERS:
        same = (left.number and right.number) or (left.string and right.string) or (left == right == TIME)
        return BOOL if same or _either(left, right, _number_like, _is_string, _is_time) else None
    if operator in _TEXTUAL:
        return BOOL if (left.string and right.string) or _either(left, right, _is_string) else None
    if operator == "..":
        return INTS if (left.integer and right.integer) or _either(left, right, _is_integer) else None
    if operator == "??":
        if left.nil or right.nil:
            return right if left.nil else left
        return left if right.fits(left) else ANY
    return _arithmetic(operator, left, right)


def _arithmetic(operator: str, left: Type, right: Type) -> Type | None:
    if operator == "%":
        if left.integer and right.integer:
            return _combined(left, right)
        return ANY if _either(left, right, _is_integer) else None
    if left.number and right.number:
        return FLOAT if operator in ("/", "**", "^") else _combined(left, right)
    if operator in ("/", "**", "^"):
        return FLOAT if _either(left, right, _number_like) else None
    if operator == "*":
        return ANY if _either(left, right, _number_like) else None
    if operator == "-":
        return _difference(left, right)
    if left.string and right.string:
        return STRING
    if {left, right} == {TIME, DURATION}:
        return TIME
    return ANY if _either(left, right, _number_like, _is_string, _is_time, _is_duration) else None


def _difference(left: Type, right: Type) -> Type | None:
    if left == TIME and right in (TIME, DURATION):
        return DURATION if right == TIME else TIME
    return ANY if _either(left, right, _number_like, _is_time) else None


def _member_of(node: Binary, left: Type, right: _Known) -> Type | None:
    """What `in` gives."""
    kind = right.type
    if kind == TIME:
        return BOOL if left.string or left.any else None
    if kind.map and kind.key:
        if not (left.nil or left.any or left.fits(kind.key)):
            raise Fault(f"a {kind} has no keys of type {left}", "", node.offset)
        return BOOL
    if kind.array and kind.element:
        if not (left.nil or (comparable(left, kind.element) and comparable(left, right.element))):
            raise Fault(f"no {left} is in a list of {right.element}", "", node.offset)
        return BOOL
    return BOOL if kind.any or (left.any and kind.string) else None
