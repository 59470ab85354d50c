"""How `text/template` hands a value to a parameter: it must have the very type, or the parameter must be able to be nil or anything.

A number is never converted: a float64 is no int. Only a literal takes the type of its parameter (that is the compiler's part).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tiphys.languages.golang.values import INVALID, GoError, NilList, NilStrings
from tiphys.languages.golang.verbs import type_name

__all__ = ["converter", "nil_of", "shown"]

_NILS: Final[dict[str, Callable[[], Any]]] = {"[]interface{}": NilList, "[]string": NilStrings}
_INVALID_VALUES: Final = "reflect.Value"


def shown(parameter: str) -> str:
    """A parameter's type as Go prints it: `map[string]interface {}`."""
    return parameter.removeprefix("...").replace("interface{}", "interface {}")


def nil_of(parameter: str) -> Any:
    """The nil of a type: nothing at all for `reflect.Value`, an empty list for a slice. Raises `GoError` for a type that has none."""
    if parameter == _INVALID_VALUES:
        return INVALID
    if parameter in _NILS:
        return _NILS[parameter]()
    if parameter in ("interface{}", "error") or parameter.startswith(("map[", "[]", "*", "func")):
        return None
    raise GoError(f"cannot assign nil to {shown(parameter)}")


def converter(parameter: str) -> Callable[[Any], Any]:
    """A function that checks one value against a parameter's type and gives what the function receives. It raises `GoError`."""
    if parameter == _INVALID_VALUES:
        return _as_it_is
    if parameter == "interface{}":
        return _or_nil
    if parameter == "string":
        return _string
    name = {"[]byte": "[]uint8"}.get(parameter, shown(parameter))

    def convert(value: Any) -> Any:
        if type_name(value) == name and value is not None:
            return value
        if value is INVALID:
            try:
                return nil_of(parameter)
            except GoError as error:
                raise GoError(f"invalid value; expected {name}") from error
        raise _wrong(name, value)

    return convert


def _as_it_is(value: Any) -> Any:
    return value


def _or_nil(value: Any) -> Any:
    return None if value is INVALID else value


def _string(value: Any) -> Any:
    if type(value) is str:
        return value
    if value is INVALID:
        raise GoError("invalid value; expected string")
    raise _wrong("string", value)


def _wrong(name: str, value: Any) -> GoError:
    return GoError(f"wrong type for value; expected {name}; got {'interface {}' if value is None else type_name(value)}")
