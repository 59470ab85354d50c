"""The expressions within a path: `@.price < 10 && @.name =~ '^a'`, read as evilmonkeyinc/jsonpath's standard engine reads them.

An expression is cut at the first operator of the weakest kind that stands in it, so that `a - b - c` is `a - (b - c)`; a text that is
neither quoted nor a number stands for itself; values are compared as numbers if both look like one, else by what they print as.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tiphys.errors import PatternError
from tiphys.languages import regex
from tiphys.languages.expression.arithmetic import divide
from tiphys.languages.golang import json_text
from tiphys.languages.golang.fmt import sprint
from tiphys.languages.golang.powers import power
from tiphys.languages.golang.values import GoError, Int64
from tiphys.languages.gonumber import parse_bool, parse_float
from tiphys.languages.jsonpath.purse import Purse
from tiphys.languages.jsonpath.steps import Step
from tiphys.languages.jsonpath.tokens import tokenize

__all__ = ["compile_script"]

_OPERATORS: Final = (
    "||", "&&", "==", "!=", "<=", ">=", "<", ">", "=~", "!", "+", "-", "**", "*", "/", "%", "not in", "in", "@", "$",
)  # fmt: skip
_NAMES: Final = ("$", "@", "nil", "null")

Parse = Callable[[str, Purse], Step]


@dataclass(frozen=True, slots=True)
class _Scene:
    """Where an expression is evaluated."""

    purse: Purse
    root: Any
    current: Any

    def named(self, value: Any) -> Any:
        """A text that is a name stands for its value."""
        if isinstance(value, str) and value in _NAMES:
            return {"$": self.root, "@": self.current}.get(value)
        return value


@dataclass(frozen=True, slots=True)
class _Operation:
    """An operator with its sides: other operations, texts, or lists and maps that are written out."""

    sign: str
    left: Any
    right: Any

    def evaluate(self, scene: _Scene) -> Any:
        scene.purse.spend(2)
        return _APPLY[self.sign](scene, self.left, self.right)


@dataclass(frozen=True, slots=True)
class _Path:
    """A path within an expression. A text that it finds is quoted, to be told from one that stands for itself."""

    steps: tuple[Step, ...]

    def evaluate(self, scene: _Scene) -> Any:
        value = self.steps[0].apply(scene.purse, scene.root, scene.current, self.steps[1:])
        if isinstance(value, str):
            return value if len(value) > 1 and value[0] == value[-1] == "'" else f"'{value}'"
        return value


@dataclass(frozen=True, slots=True)
class _Script:
    """A compiled expression."""

    text: str
    operation: _Operation | _Path | None

    def evaluate(self, purse: Purse, root: Any, current: Any) -> Any:
        """Its value. Raises `GoError`."""
        if not self.text:
            raise GoError("jsonpath: the expression is empty")
        scene = _Scene(purse, root, current)
        if self.operation is not None:
            return self.operation.evaluate(scene)
        if self.text in _NAMES:
            return scene.named(self.text)
        for read in (_number, _boolean):
            try:
                return read(scene, self.text)
            except GoError:
                continue  # it is something else
        return self.text


def compile_script(text: str, purse: Purse, parse: Parse) -> _Script:
    """Compile an expression; `parse` reads the tokens of paths in it. Raises `GoError`."""
    return _Script(text, _Building(purse, parse).operation(text, _OPERATORS))


class _Building:
    def __init__(self, purse: Purse, parse: Parse) -> None:
        self.purse, self.parse = purse, parse

    def operation(self, text: str, signs: Sequence[str]) -> _Operation | _Path | None:
        """The operation that a text is, by the first of the signs that stands in it; `None` if none does."""
        while True:
            sign, text = signs[0], text.strip()
            if not text:
                return None
            if text.startswith("(") and text.endswith(")"):
                text, signs = text[1:-1].strip(), ("", *_OPERATORS)
            self.purse.spend(1 + len(text) // 8)
            found = self._split(text, sign, signs)
            if found is not None:
                return found
            if len(signs) == 1:
                return None
            signs = signs[1:]

    def _split(self, text: str, sign: str, signs: Sequence[str]) -> _Operation | _Path | None:
        at = _find(text, sign)
        if at < 0:
            return None
        is_path = sign in ("$", "@")
        left, right = text[:at].strip(), text[at + len(sign) :].strip()
        if (not right and not is_path) or (not left and not is_path and sign != "!"):
            return None
        after = self._argument(right, signs)
        before = self._argument(left, signs) if left else None
        if is_path:
            if before is not None:
                return None
            return _Path(tuple(self.parse(token, self.purse) for token in tokenize(text)))
        if sign == "!" and before is not None:
            return None
        if sign not in _APPLY:
            raise GoError("jsonpath: an expression has an unknown operator")
        return _Operation(sign, before, after)

    def _argument(self, text: str, signs: Sequence[str]) -> Any:
        operation = self.operation(text, signs)
        if operation is not None:
            return operation
        if (text.startswith("[") and text.endswith("]")) or (text.startswith("{") and text.endswith("}")):
            try:
                return json_text.unmarshal(text)
            except GoError:
                return text
        return text or None


def _find(text: str, sign: str) -> int:
    """Where a sign stands outside of quotes and brackets, -1 if nowhere."""
    single = double = False
    square = round_ = 0
    for at, character in enumerate(text):
        if character in "()" and not (single or double or square > 0):
            round_ += 1 if character == "(" else -1
        elif character in "[]" and not (single or double or round_ > 0):
            square += 1 if character == "[" else -1
        elif character == "'" and not (double or square > 0 or round_ > 0):
            single = not single
        elif character == '"' and not (single or square > 0 or round_ > 0):
            double = not double
        if single or double or square > 0 or round_ > 0:
            continue
        start = at + 1 - len(sign)
        if start >= 0 and text.startswith(sign, start):
            return start
    return -1


# -- what sides stand for


def _value(scene: _Scene, side: Any) -> Any:
    if side is None:
        raise GoError("jsonpath: a side of an operator is missing")
    return scene.named(side.evaluate(scene) if isinstance(side, _Operation | _Path) else side)


def _number(scene: _Scene, side: Any) -> float:
    try:
        return parse_float(sprint(_value(scene, side)))
    except ValueError as error:
        raise GoError("jsonpath: a number is expected") from error


def _boolean(scene: _Scene, side: Any) -> bool:
    value = None if side is None else _value(scene, side)
    if value is None:
        return False
    try:
        return parse_bool(sprint(value))
    except ValueError as error:
        raise GoError("jsonpath: a boolean is expected") from error


def _quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] == "'"


def _text(scene: _Scene, side: Any) -> str:
    if side is None:
        raise GoError("jsonpath: a side of an operator is missing")
    value = side.evaluate(scene) if isinstance(side, _Operation | _Path) else side
    found = scene.named(value)
    if not isinstance(found, str):
        return sprint(found)
    doubled = len(found) > 1 and found[0] == found[-1] == '"'
    if _quoted(found):
        return found
    named = isinstance(value, str) and value in _NAMES
    bare = found[1:-1] if doubled else found
    return f"'{bare}'" if named or doubled else bare


def _elements(scene: _Scene, side: Any) -> list[Any]:
    value = _value(scene, side)
    if isinstance(value, str) and value[:1] + value[-1:] in ("{}", "[]"):
        value = json_text.unmarshal(value)
    if isinstance(value, dict):
        return list(value.values())
    if not isinstance(value, list):
        raise GoError("jsonpath: a collection is expected")
    return value


# -- operators

Apply = Callable[[_Scene, Any, Any], Any]


def _compared(compare: Callable[[float, float], bool]) -> Apply:
    return lambda scene, left, right: compare(_number(scene, left), _number(scene, right))


def _computed(compute: Callable[[float, float], float]) -> Apply:
    return lambda scene, left, right: compute(_number(scene, left), _number(scene, right))


def _equal(scene: _Scene, left: Any, right: Any) -> bool:
    try:
        return _number(scene, left) == _number(scene, right)
    except GoError:
        return _text(scene, left) == _text(scene, right)


def _integer(scene: _Scene, side: Any) -> int:
    text = sprint(_value(scene, side))
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 19):
        raise GoError("jsonpath: an integer is expected")
    return int(text)


def _modulo(scene: _Scene, left: Any, right: Any) -> Int64:
    one, other = _integer(scene, left), _integer(scene, right)
    if not other:
        raise GoError("jsonpath: divides by zero")
    rest = abs(one) % abs(other)
    return Int64(-rest if one < 0 else rest)


def _bare(text: str) -> str:
    return text[1:-1] if _quoted(text) else text


def _matches(scene: _Scene, left: Any, right: Any) -> bool:
    subject, pattern = _bare(_text(scene, left)), _bare(_text(scene, right))
    scene.purse.spend(len(subject) >> 8)
    try:
        return regex.compile(pattern).search(subject)
    except PatternError as error:
        raise GoError(f"jsonpath: {error.problem}") from error


def _in(scene: _Scene, left: Any, right: Any) -> bool:
    item: Any = left
    for read in (_number, _text, _boolean):
        try:
            item = read(scene, left)
            break
        except GoError:
            continue  # it is something else
    elements = _elements(scene, right)
    scene.purse.spend(len(elements))
    return any(isinstance(element, bool) == isinstance(item, bool) and element == item for element in elements)


def _both(scene: _Scene, left: Any, right: Any) -> bool:
    one, other = _boolean(scene, left), _boolean(scene, right)
    return one and other


def _either(scene: _Scene, left: Any, right: Any) -> bool:
    one, other = _boolean(scene, left), _boolean(scene, right)
    return one or other


_APPLY: Final[dict[str, Apply]] = {
    "||": _either,
    "&&": _both,
    "==": _equal,
    "!=": lambda scene, left, right: not _equal(scene, left, right),
    "<": _compared(lambda left, right: left < right),
    "<=": _compared(lambda left, right: left <= right),
    ">": _compared(lambda left, right: left > right),
    ">=": _compared(lambda left, right: left >= right),
    "=~": _matches,
    "!": lambda scene, _left, right: not _boolean(scene, right),
    "+": _computed(lambda left, right: left + right),
    "-": _computed(lambda left, right: left - right),
    "*": _computed(lambda left, right: left * right),
    "/": _computed(divide),
    "**": _computed(power),
    "%": _modulo,
    "in": _in,
    "not in": lambda scene, left, right: not _in(scene, left, right),
}
