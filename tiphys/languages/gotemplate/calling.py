"""Calls of functions, and what their arguments become on the way: the leaves of the closures that `expressions` builds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tiphys.errors import LanguageError
from tiphys.languages.golang.converting import converter, shown
from tiphys.languages.golang.costs import PRICES
from tiphys.languages.golang.values import Function, GoError, Int32, Int64, LimitError, Uint8, Uint64
from tiphys.languages.gotemplate.execution import TOO_MUCH, Failure
from tiphys.languages.gotemplate.functions import RefusedFunction
from tiphys.languages.gotemplate.nodes import Bool, Command, Expression, Number, String

__all__ = [
    "Evaluate",
    "Frame",
    "calling",
    "calling_after",
    "constant",
    "converted",
    "failing",
    "failure",
    "literal",
    "miscounted",
    "parameter_of",
]

Frame = list[Any]
Evaluate = Callable[[Frame, Any], Any]

_INTEGERS: Final[Mapping[str, type[int]]] = {
    **dict.fromkeys(("int", "int8", "int16", "uint", "uint16", "uint32"), int),
    "int64": Int64, "int32": Int32, "uint8": Uint8, "uint64": Uint64,
}  # fmt: skip
_REFUSED: Final = "pass the value in the event, in the manifest or in a Secret"


def failure(error: Exception, node: object, offset: int, calling: str = "") -> Failure:
    """The failure of an expression, from the error of what it did."""
    if isinstance(error, RefusedFunction):
        return Failure(str(error), "", offset, _REFUSED)
    reason = error.problem if isinstance(error, LanguageError) else str(error)
    remedy = TOO_MUCH if isinstance(error, LimitError) else ""
    return Failure(f"error calling {calling}: {reason}" if calling else reason, _short(str(node)), offset, remedy)


def _short(context: str) -> str:
    return context if len(context) <= 60 else context[:59] + "…"


def failing(reason: str, node: object, offset: int) -> Evaluate:
    """What is wrong at compile time and in Go only when it is run."""
    context = _short(str(node))

    def fail(_frame: Frame, _dot: Any) -> Any:
        raise Failure(reason, context, offset)

    return fail


def constant(value: Any) -> Evaluate:
    """Always this value."""
    return lambda _frame, _dot: value


def converted(evaluate: Evaluate, parameter: str, node: Expression | Command, offset: int) -> Evaluate:
    """An argument as the parameter's type wants it."""
    if parameter == "reflect.Value":
        return evaluate
    convert = converter(parameter)

    def checked(frame: Frame, dot: Any) -> Any:
        value = evaluate(frame, dot)
        try:
            return convert(value)
        except GoError as error:
            raise failure(error, node, offset) from error

    return checked


def literal(node: Bool | Number | String, parameter: str) -> Evaluate:
    """A literal for a parameter that wants a certain type."""
    value: Any = None
    if parameter in _INTEGERS:
        wanted = "integer"
        found = node.unsigned if isinstance(node, Number) and parameter.startswith("u") else None
        found = node.integer if isinstance(node, Number) and not parameter.startswith("u") else found
        value = None if found is None else _INTEGERS[parameter](found)
    elif parameter == "float64":
        wanted = "float"
        value = node.real if isinstance(node, Number) else None
    elif parameter in ("string", "bool"):
        wanted = parameter
        kind = String if parameter == "string" else Bool
        value = node.value if isinstance(node, kind) else None
    else:
        return failing(f"can't handle {node} for arg of type {shown(parameter)}", node, node.offset)
    return constant(value) if value is not None else failing(f"expected {wanted}; found {node}", node, node.offset)


def parameter_of(function: Function, number: int) -> str:
    """The type of an argument by its number, where the last parameter may take many."""
    last = len(function.parameters) - 1
    return function.parameters[min(number, last)].removeprefix("...")


def miscounted(function: Function, given: int) -> str:
    """What is wrong with the number of arguments."""
    parameters = function.parameters
    if parameters and parameters[-1].startswith("..."):
        wanted = len(parameters) - 1
        return f"wrong number of args for {function.name}: want at least {wanted} got {given}" if given < wanted else ""
    if given != len(parameters):
        return f"wrong number of args for {function.name}: want {len(parameters)} got {given}"
    return ""


def calling(function: Function, arguments: list[Evaluate], node: object, offset: int) -> Evaluate:
    """A call with these arguments, in order."""
    call, name = function.call, function.name
    if name in PRICES:
        return _paid(function, lambda frame, dot: [argument(frame, dot) for argument in arguments], node, offset)
    if len(arguments) == 1:
        only = arguments[0]

        def call_with_one(frame: Frame, dot: Any) -> Any:
            value = only(frame, dot)
            try:
                result = call(value)
            except (GoError, LanguageError) as error:
                raise failure(error, node, offset, name) from error
            frame[0].called(value, result)
            return result

        return call_with_one

    def call_with_any(frame: Frame, dot: Any) -> Any:
        values = [argument(frame, dot) for argument in arguments]
        try:
            result = call(*values)
        except (GoError, LanguageError) as error:
            raise failure(error, node, offset, name) from error
        frame[0].called(values[-1] if values else None, result)
        return result

    return call_with_any


def calling_after(function: Function, before: Evaluate, arguments: list[Evaluate], node: object, offset: int) -> Evaluate:
    """A call whose last argument comes from the stage before it, which is evaluated first."""
    call, name = function.call, function.name
    if name in PRICES:

        def values_after(frame: Frame, dot: Any) -> list[Any]:
            last = before(frame, dot)
            return [*(argument(frame, dot) for argument in arguments), last]

        return _paid(function, values_after, node, offset)

    def call_after(frame: Frame, dot: Any) -> Any:
        last = before(frame, dot)
        values = [argument(frame, dot) for argument in arguments]
        try:
            result = call(*values, last)
        except (GoError, LanguageError) as error:
            raise failure(error, node, offset, name) from error
        frame[0].called(last, result)
        return result

    return call_after


def _paid(function: Function, evaluate: Callable[[Frame, Any], list[Any]], node: object, offset: int) -> Evaluate:
    """A call of a function that has a price."""
    call, name, price = function.call, function.name, PRICES[function.name]

    def call_paid(frame: Frame, dot: Any) -> Any:
        values = evaluate(frame, dot)
        run = frame[0]
        try:
            price(run, values)
            result = call(*values)
        except (GoError, LanguageError) as error:
            raise failure(error, node, offset, name) from error
        run.called(values[-1] if values else None, result)
        return result

    return call_paid
