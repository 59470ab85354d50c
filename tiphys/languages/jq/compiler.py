"""From a program's tree to its steps. Names are resolved here; at run time an entry is found by its distance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tiphys.errors import ScriptError
from tiphys.languages.jq import formats, paths, steps, tree
from tiphys.languages.jq.forms import FORMS, JOINTS, applied, assigned, constant, defined, operated, placed, updated
from tiphys.languages.jq.functions import FUNCTIONS
from tiphys.languages.jq.operators import OPERATORS, negate
from tiphys.languages.jq.parser import parse
from tiphys.languages.jq.scope import Function, Scope
from tiphys.languages.jq.steps import Environment, Found, Path, Step
from tiphys.languages.jq.values import BreakError, JqError, is_number, shown

__all__ = ["compile_program"]

_LABEL: Final = "*label "
_IDENTITY: Final = tree.Identity()


def compile_program(text: str) -> Step:
    """The step that a program is. Raises `ScriptError`."""
    program = parse(text)
    try:
        return _Compiler(text).step(program, Scope())
    except RecursionError as error:
        raise ScriptError(text, "it is nested too deeply") from error


def _identity(value: Any, path: Path, _environment: Environment) -> Found:
    yield value, path


@dataclass(slots=True)
class _Compiler:
    text: str
    builtins: dict[tuple[str, int], Function] = field(default_factory=dict)

    def step(self, node: tree.Node, scope: Scope) -> Step:
        compiler: Callable[[Any, Scope], Step] = getattr(self, f"_{type(node).__name__.lower()}")
        return compiler(node, scope)

    def _identity(self, _node: tree.Identity, _scope: Scope) -> Step:
        return _identity

    def _constant(self, node: tree.Constant, _scope: Scope) -> Step:
        return constant(node.value)

    def _text(self, node: tree.Text, scope: Scope) -> Step:
        form = formats.FORMATS.get(node.form or "@text")
        if form is None:

            def form(_value: Any) -> str:
                raise JqError(f"format not defined: {node.form}")

        if node.parts == (_IDENTITY,) and node.form:
            return applied(form)
        parts = [constant(part) if isinstance(part, str) else self.step(part, scope) for part in node.parts]
        literal = [isinstance(part, str) for part in node.parts]

        def run(value: Any, path: Path, environment: Environment) -> Found:
            for items in steps.products(parts, value, environment):
                yield "".join(item if plain else form(item) for item, plain in zip(items, literal, strict=True)), path

        return run

    def _access(self, node: tree.Access, scope: Scope) -> Step:
        if isinstance(node.key, tree.Constant):
            return self._keys(node, scope)
        base, key = self.step(node.base, scope), self.step(node.key, scope)

        def run(value: Any, path: Path, environment: Environment) -> Found:
            for at, _ in key(value, None, environment):
                for item, where in base(value, path, environment):
                    inner = paths.index(item, at)
                    yield inner, steps.extended(where, item, at, inner)

        return run

    def _keys(self, node: tree.Access, scope: Scope) -> Step:
        """A chain of constant keys is one step."""
        keys: list[Any] = []
        base: tree.Node = node
        while isinstance(base, tree.Access) and isinstance(base.key, tree.Constant):
            keys.append(base.key.value)
            base = base.base
        keys.reverse()

        def follow(value: Any, path: Path) -> tuple[Any, Path]:
            for key in keys:
                inner = paths.index(value, key)
                if path is not None:
                    path = steps.extended(path, value, key, inner)
                value = inner
            return value, path

        if isinstance(base, tree.Identity):

            def chain(value: Any, path: Path, _environment: Environment) -> Found:
                yield follow(value, path)

            return chain
        start = self.step(base, scope)

        def run(value: Any, path: Path, environment: Environment) -> Found:
            for item, where in start(value, path, environment):
                yield follow(item, where)

        return run

    def _slice(self, node: tree.Slice, scope: Scope) -> Step:
        base = self.step(node.base, scope)
        ends = [self.step(end or tree.Constant(None), scope) for end in (node.end, node.start)]

        def run(value: Any, path: Path, environment: Environment) -> Found:
            for end, start in steps.products(ends, value, environment):
                for item, where in base(value, path, environment):
                    inner = paths.slice_of(item, start, end)
                    yield inner, steps.extended(where, item, {"start": start, "end": end}, inner)

        return run

    def _iterate(self, node: tree.Iterate, scope: Scope) -> Step:
        if isinstance(node.base, tree.Identity):
            return lambda value, path, _environment: steps.iterate(value, path)
        base = self.step(node.base, scope)

        def run(value: Any, path: Path, environment: Environment) -> Found:
            for item, where in base(value, path, environment):
                yield from steps.iterate(item, where)

        return run

    def _unary(self, node: tree.Unary, scope: Scope) -> Step:
        operand = self.step(node.operand, scope)

        def run(value: Any, path: Path, environment: Environment) -> Found:
            for item, where in operand(value, path, environment):
                if node.sign == "+" and not is_number(item):
                    raise JqError(f"cannot plus: {shown(item)}")
                yield (item if node.sign == "+" else negate(item)), where

        return run

    def _binary(self, node: tree.Binary, scope: Scope) -> Step:
        left, right = self.step(node.left, scope), self.step(node.right, scope)
        joint = JOINTS.get(node.operator)
        if joint is not None:
            return joint(left, right)
        if node.operator == "=":
            keys = _constant_keys(node.left)
            return assigned(left, right) if keys is None else placed(keys, right)
        if node.operator in OPERATORS:
            return operated(OPERATORS[node.operator], left, right)
        return updated(OPERATORS[node.operator.removesuffix("=")], left, right)

    def _array(self, node: tree.Array, scope: Scope) -> Step:
        if node.query is None:
            return constant([])
        query = self.step(node.query, scope)

        def run(value: Any, path: Path, environment: Environment) -> Found:
            yield [item for item, _ in query(value, None, environment)], path

        return run

    def _object(self, node: tree.Object, scope: Scope) -> Step:
        pairs = [(self.step(key, scope), self.step(value, scope) if value else None) for key, value in node.pairs]

        def built(
            value: Any, environment: Environment, place: int, so_far: list[tuple[Any, Any]]
        ) -> Iterator[list[tuple[Any, Any]]]:
            if place == len(pairs):
                yield so_far
                return
            key, inner = pairs[place]
            for name, _ in key(value, None, environment):
                items = inner(value, None, environment) if inner else iter(((paths.index(value, name), None),))
                for item, _ in items:
                    yield from built(value, environment, place + 1, [*so_far, (name, item)])

        def run(value: Any, path: Path, environment: Environment) -> Found:
            for found in built(value, environment, 0, []):
                for name, _ in found:
                    if type(name) is not str:
                        raise JqError(f"expected a string for object key but got: {shown(name)}")
                yield dict(found), path

        return run

    def _if(self, node: tree.If, scope: Scope) -> Step:
        condition, then, otherwise = (self.step(part, scope) for part in (node.condition, node.then, node.otherwise))

        def run(value: Any, path: Path, environment: Environment) -> Found:
            for item, _ in condition(value, None, environment):
                yield from (then if steps.true(item) else otherwise)(value, path, environment)

        return run

    def _try(self, node: tree.Try, scope: Scope) -> Step:
        body = self.step(node.body, scope)
        handler = self.step(node.handler, scope) if node.handler else None
        return lambda value, path, environment: steps.tried(body, handler, value, path, environment)

    def _label(self, node: tree.Label, scope: Scope) -> Step:
        body = self.step(node.body, scope.entry(_LABEL + node.name))

        def run(value: Any, path: Path, environment: Environment) -> Found:
            label = object()
            return steps.labelled(label, body(value, path, (label, environment)))

        return run

    def _break(self, node: tree.Break, scope: Scope) -> Step:
        found = scope.find(_LABEL + node.name, 0)
        if found is None:
            raise ScriptError(self.text, f"there is no label {node.name}", offset=node.offset)
        distance = scope.depth - found.depth

        def run(_value: Any, _path: Path, environment: Environment) -> Found:
            raise BreakError(steps.outer(environment, distance)[0])
            yield  # a step is a generator

        return run

    def _fold(self, node: tree.Fold, scope: Scope) -> Step:
        source, start = self.step(node.source, scope), self.step(node.start, scope)
        bind, inner = self._pattern(node.pattern, scope)
        update = self.step(node.update, inner)
        extract = self.step(node.extract, inner) if node.extract else None

        def reduce(value: Any, path: Path, environment: Environment) -> Found:
            for state, base in start(value, path, environment):
                for item, where in source(value, base, environment):
                    for bound in bind(item, environment):
                        for new, _ in update(state, where, bound):
                            state = new  # noqa: PLW2901  it is what a fold carries on
                yield state, base

        def each(value: Any, path: Path, environment: Environment) -> Found:
            for state, base in start(value, path, environment):
                for item, where in source(value, base, environment):
                    for bound in bind(item, environment):
                        for new, at in update(state, where, bound):
                            state = new  # noqa: PLW2901  it is what a fold carries on
                            if extract is None:
                                yield new, at
                            else:
                                yield from extract(new, at, bound)

        return each if node.each else reduce

    def _bind(self, node: tree.Bind, scope: Scope) -> Step:
        source = self.step(node.source, scope)
        if len(node.patterns) == 1:
            bind, inner = self._pattern(node.patterns[0], scope)
            body = self.step(node.body, inner)

            def run(value: Any, path: Path, environment: Environment) -> Found:
                for item, _ in source(value, None, environment):
                    for bound in bind(item, environment):
                        yield from body(value, path, bound)

            return run
        names = list(dict.fromkeys(name for pattern in node.patterns for name in pattern.names()))
        inner = scope
        for name in names:
            inner = inner.entry(name)
        body = self.step(node.body, inner)
        binds = [self._pattern(pattern, scope, names)[0] for pattern in node.patterns]

        def alternatives(value: Any, path: Path, environment: Environment) -> Found:
            for item, _ in source(value, None, environment):
                for place, bind in enumerate(binds):
                    try:
                        for bound in bind(item, environment):
                            yield from body(value, path, bound)
                    except (JqError, BreakError):
                        if place == len(binds) - 1:
                            raise
                    else:
                        break

        return alternatives

    def _pattern(
        self, pattern: tree.Pattern, scope: Scope, names: list[str] | None = None
    ) -> tuple[Callable[[Any, Environment], Iterator[Environment]], Scope]:
        """What gives the environments in which a value is bound, and the scope there. With `names` all of those have an entry."""
        wanted = names if names is not None else list(dict.fromkeys(pattern.names()))
        inner = scope
        for name in wanted:
            inner = inner.entry(name)
        matched = self._matched(pattern, scope, wanted)

        def bind(value: Any, environment: Environment) -> Iterator[Environment]:
            for found in matched(value, environment, {}):
                bound = environment
                for name in wanted:
                    bound = (found.get(name), bound)
                yield bound

        return bind, inner

    def _matched(
        self, pattern: tree.Pattern, scope: Scope, wanted: list[str]
    ) -> Callable[[Any, Environment, dict[str, Any]], Iterator[dict[str, Any]]]:
        if pattern.name:

            def single(value: Any, _environment: Environment, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
                yield {**found, pattern.name: value}

            return single
        parts: list[tuple[Step, str, Any]] = []
        known = scope
        for place, inner in enumerate(pattern.places):
            parts.append((constant(place), "", self._matched(inner, scope, wanted)))
        bound: list[str] = []
        for key, name, inner_pattern in pattern.entries:
            parts.append((self.step(key, known), name, self._matched(inner_pattern, scope, wanted) if inner_pattern else None))
            bound += [name] if name else []
        listed = bool(pattern.places)

        def walk(value: Any, environment: Environment, found: dict[str, Any], place: int) -> Iterator[dict[str, Any]]:
            if place == len(parts):
                yield found
                return
            key, name, inner = parts[place]
            for at, _ in key(value, None, environment):
                if listed and value is not None and type(value) is not list:
                    raise JqError(f"expected an array but got: {shown(value)}")
                item = paths.index(value, at)
                with_name = {**found, name: item} if name else found
                for deeper in inner(item, environment, with_name) if inner else (with_name,):
                    yield from walk(value, environment, deeper, place + 1)

        return lambda value, environment, found: walk(value, environment, found, 0)

    def _define(self, node: tree.Define, scope: Scope) -> Step:
        function = Function(node.parameters, scope.depth)
        inner = scope.define(node.name, function)
        self.body(function, node.definition, inner)
        return self.step(node.body, inner)

    def body(self, function: Function, body: tree.Node, scope: Scope) -> None:
        for parameter in function.parameters:
            scope = scope.entry(parameter.removeprefix("$"))
        for parameter in function.parameters:
            if parameter.startswith("$"):
                scope = scope.entry(parameter)
        function.step = self.step(body, scope)

    def _call(self, node: tree.Call, scope: Scope) -> Step:
        count = len(node.arguments)
        found = scope.find(node.name, count)
        if found is not None:
            if found.function is None:
                return self._entry(node.name, scope.depth - found.depth)
            return self._called(found.function, node, scope)
        if node.name == "$ENV":
            return constant({})
        if node.name.startswith("$"):
            raise ScriptError(self.text, f"the variable {node.name} is not defined", offset=node.offset)
        special = FORMS.get((node.name, count))
        if special is not None:
            return special([self.step(argument, scope) for argument in node.arguments])
        builtin = self._builtin(node.name, count)
        if builtin is not None:
            return self._called(builtin, node, scope)
        function = FUNCTIONS.get((node.name, count))
        if function is None or (node.name.startswith("_") and self.text):
            remedy = "an event is all the input there is" if node.name in ("input", "inputs") else ""
            raise ScriptError(self.text, f"the function {node.name}/{count} is not defined", remedy, offset=node.offset)
        return applied(function, [self.step(argument, scope) for argument in node.arguments])

    def _builtin(self, name: str, count: int) -> Function | None:
        known = self.builtins.get((name, count))
        if known is None and (definition := defined().get((name, count))) is not None:
            known = self.builtins[name, count] = Function(definition.parameters, 0)
            scope = Scope().define(name, known)
            _Compiler("", self.builtins).body(known, definition.definition, scope)
        return known

    @staticmethod
    def _entry(name: str, distance: int) -> Step:
        if name.startswith("$"):

            def variable(_value: Any, path: Path, environment: Environment) -> Found:
                yield steps.outer(environment, distance)[0], path

            return variable

        def argument(value: Any, path: Path, environment: Environment) -> Found:
            step, there = steps.outer(environment, distance)[0]
            found: Found = step(value, path, there)
            return found

        return argument

    def _called(self, function: Function, node: tree.Call, scope: Scope) -> Step:
        arguments = [self.step(argument, scope) for argument in node.arguments]
        distance = scope.depth - function.depth if self._is_local(node, scope) else None
        variables = [place for place, name in enumerate(function.parameters) if name.startswith("$")]

        def run(value: Any, path: Path, environment: Environment) -> Found:
            frame = steps.outer(environment, distance) if distance is not None else None
            for argument in arguments:
                frame = ((argument, environment), frame)
            if not variables:
                return function.step(value, path, frame)
            return bound(value, path, environment, frame, 0)

        def bound(value: Any, path: Path, environment: Environment, frame: Environment, place: int) -> Found:
            if place == len(variables):
                yield from function.step(value, path, frame)
                return
            for item, _ in arguments[variables[place]](value, None, environment):
                yield from bound(value, path, environment, (item, frame), place + 1)

        return run

    @staticmethod
    def _is_local(node: tree.Call, scope: Scope) -> bool:
        return scope.find(node.name, len(node.arguments)) is not None


def _constant_keys(node: tree.Node) -> list[Any] | None:
    """The keys of `.a["b"][0]`."""
    keys: list[Any] = []
    while isinstance(node, tree.Access) and isinstance(node.key, tree.Constant):
        keys.append(node.key.value)
        node = node.base
    return keys[::-1] if keys and isinstance(node, tree.Identity) else None
