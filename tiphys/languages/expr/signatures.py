"""What the functions of expr take and give, as its type checker knows it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from tiphys.languages.expr.types import ANY, ARRAY, BOOL, DURATION, FLOAT, INT, PAIRS, STRING, STRINGS, TIME, Type
from tiphys.languages.expression.frame import Fault

__all__ = ["SIGNATURES", "Overloads", "Signature"]


@dataclass(frozen=True, slots=True)
class Overloads:
    """One function with several lists of parameters, each with its result."""

    choices: Sequence[tuple[tuple[Type, ...], Type]]


Check = Callable[[str, int, list[Type]], Type]
Signature = Overloads | Check
"""A function's overloads, or a check of its own: name, place and the arguments' types to the result's type."""


def _one(result: Type, *parameters: Type) -> Overloads:
    return Overloads([(parameters, result)])


def _takes(counts: Collection[int], *fits: Callable[[Type], bool], result: Callable[[list[Type]], Type]) -> Check:
    """So many arguments, each of a type that fits or of an unknown one."""

    def check(name: str, offset: int, kinds: list[Type]) -> Type:
        if len(kinds) not in counts:
            wanted = " or ".join(map(str, counts))
            raise Fault(f"{name} takes {wanted} arguments, and not {len(kinds)}", "", offset)
        for kind, fit in zip(kinds, fits, strict=False):
            if not (kind.any or fit(kind)):
                raise Fault(f"{name} does not take {kind}", "", offset)
        return result(kinds)

    return check


def _always(result: Type) -> Callable[[list[Type]], Type]:
    return lambda _kinds: result


def _first(kinds: list[Type]) -> Type:
    return kinds[0]


def _element(kinds: list[Type]) -> Type:
    return kinds[0].element or ANY


def _sized(kind: Type) -> bool:
    return kind.array or kind.map or kind.string


def _number(kind: Type) -> bool:
    return kind.number


def _integer(kind: Type) -> bool:
    return kind.integer and not kind.kind.startswith("uint")


def _readable(kind: Type) -> bool:
    return kind.number or kind.string


def _list(kind: Type) -> bool:
    return kind.array


def _map(kind: Type) -> bool:
    return kind.map


def _string(kind: Type) -> bool:
    return kind.string


def _extreme(name: str, offset: int, kinds: list[Type]) -> Type:
    """`max` and `min`: numbers as far as the first of which nothing is known."""
    if not kinds:
        raise Fault(f"{name} takes one argument or more", "", offset)
    for kind in kinds:
        if kind.any:
            return ANY
        if not kind.number:
            raise Fault(f"{name} does not take {kind}", "", offset)
    return kinds[0]


def _texts(count: int) -> tuple[Type, ...]:
    return (STRING,) * count


SIGNATURES: Final[dict[str, Signature]] = {
    "len": _takes((1,), _sized, result=_always(INT)),
    "type": _one(STRING, ANY),
    "abs": _takes((1,), _number, result=_first),
    **dict.fromkeys(("ceil", "floor", "round"), _takes((1,), _number, result=_always(FLOAT))),
    "int": _takes((1,), _readable, result=_always(INT)),
    "float": _takes((1,), _readable, result=_always(FLOAT)),
    "string": _one(STRING, ANY),
    **dict.fromkeys(("trim", "trimPrefix", "trimSuffix"), Overloads([(_texts(1), STRING), (_texts(2), STRING)])),
    **dict.fromkeys(("upper", "lower", "toBase64", "fromBase64"), _one(STRING, STRING)),
    **dict.fromkeys(("split", "splitAfter"), Overloads([(_texts(2), STRINGS), ((STRING, STRING, INT), STRINGS)])),
    "replace": Overloads([((STRING, STRING, STRING, INT), STRING), (_texts(3), STRING)]),
    "repeat": _one(STRING, STRING, INT),
    "join": Overloads(
        [((STRINGS, STRING), STRING), ((ARRAY, STRING), STRING), ((ARRAY,), STRING), ((STRINGS,), STRING)],
    ),
    **dict.fromkeys(("indexOf", "lastIndexOf"), _one(INT, STRING, STRING)),
    **dict.fromkeys(("hasPrefix", "hasSuffix"), _one(BOOL, STRING, STRING)),
    **dict.fromkeys(("max", "min"), _extreme),
    "sum": _takes((1,), _list, result=_always(ANY)),
    **dict.fromkeys(("mean", "median"), _takes((1,), _list, result=_always(FLOAT))),
    "toJSON": _one(STRING, ANY),
    "fromJSON": _one(ANY, STRING),
    "now": _one(TIME),
    "duration": _one(DURATION, STRING),
    "date": Overloads([(_texts(1), TIME), (_texts(2), TIME), (_texts(3), TIME)]),
    **dict.fromkeys(("first", "last"), _takes((1,), _list, result=_element)),
    "get": _takes((2,), result=_always(ANY)),
    "take": _takes((2,), _list, _integer, result=_first),
    **dict.fromkeys(("keys", "values", "toPairs"), _takes((1,), _map, result=_always(ARRAY))),
    "fromPairs": _takes((1,), _list, result=_always(PAIRS)),
    "sort": _takes((1, 2), _list, _string, result=_always(ARRAY)),
    "sortBy": _takes((2, 3), _list, _string, _string, result=_always(ARRAY)),
}
