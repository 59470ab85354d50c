"""govaluate's lexer: what its characters become, and which token may follow which.

A backslash takes the next character as it is, anywhere. A run of symbols is one operator, so that `a--b` has the unknown operator `--`
and `a==-b` the unknown `==-`. Whether `-`, `!` or `~` is a prefix is decided by the token before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from tiphys.errors import PatternError
from tiphys.languages import regex
from tiphys.languages.expression.frame import Fault
from tiphys.languages.expression.tokens import END, Kind, Reader, Token, is_digit, is_letter, is_space
from tiphys.languages.gonumber import parse_float
from tiphys.languages.govaluate.dates import unix_time

__all__ = ["lex"]

_HEXADECIMAL: Final = re.compile("0*[0-9a-fA-F]{1,16}")
_PREFIXES: Final = frozenset("-!~")
_SYMBOLS: Final = {
    **dict.fromkeys(("+", "-", "*", "/", "%", "**", "&", "|", "^", ">>", "<<"), Kind.MODIFIER),
    **dict.fromkeys(("&&", "||"), Kind.LOGICAL),
    **dict.fromkeys(("==", "!=", ">", ">=", "<", "<=", "=~", "!~"), Kind.COMPARATOR),
    **dict.fromkeys(("?", ":", "??"), Kind.TERNARY),
}
_REMEDIES: Final = {
    "=": "compare with ==",
    "===": "compare with ==",
    "!==": "compare with !=",
    "<>": "compare with !=",
}
_WORDS: Final = {"and": "join with &&", "AND": "join with &&", "or": "join with ||", "OR": "join with ||", "not": "negate with !"}

_OPERANDS: Final = frozenset((Kind.NUMBER, Kind.BOOLEAN, Kind.NAME, Kind.ACCESSOR, Kind.OPEN))
_VALUES: Final = _OPERANDS | {Kind.STRING, Kind.TIME, Kind.PATTERN}
_JOINTS: Final = frozenset((Kind.MODIFIER, Kind.COMPARATOR, Kind.LOGICAL, Kind.CLOSE, Kind.SEPARATOR))
_FOLLOWING: Final = {
    Kind.START: _VALUES | {Kind.PREFIX},
    Kind.OPEN: _VALUES | {Kind.PREFIX, Kind.CLOSE},
    Kind.CLOSE: _JOINTS | {Kind.TERNARY, Kind.NUMBER, Kind.BOOLEAN, Kind.NAME, Kind.STRING, Kind.PATTERN, Kind.TIME, Kind.OPEN},
    Kind.NUMBER: _JOINTS | {Kind.TERNARY},
    Kind.BOOLEAN: _JOINTS | {Kind.TERNARY},
    Kind.STRING: _JOINTS | {Kind.TERNARY},
    Kind.TIME: _JOINTS,
    Kind.PATTERN: _JOINTS,
    Kind.NAME: _JOINTS | {Kind.TERNARY},
    Kind.MODIFIER: _OPERANDS | {Kind.PREFIX, Kind.STRING, Kind.CLOSE},
    Kind.COMPARATOR: _VALUES | {Kind.PREFIX, Kind.CLOSE},
    Kind.LOGICAL: _OPERANDS | {Kind.PREFIX, Kind.STRING, Kind.TIME, Kind.CLOSE},
    Kind.PREFIX: _OPERANDS | {Kind.CLOSE},
    Kind.TERNARY: _OPERANDS | {Kind.PREFIX, Kind.STRING, Kind.TIME, Kind.SEPARATOR},
    Kind.ACCESSOR: _JOINTS | {Kind.TERNARY, Kind.OPEN},
    Kind.SEPARATOR: _OPERANDS | {Kind.PREFIX, Kind.STRING, Kind.TIME},
}
_ENDINGS: Final = frozenset((Kind.CLOSE, Kind.NUMBER, Kind.BOOLEAN, Kind.STRING, Kind.TIME, Kind.PATTERN, Kind.NAME, Kind.ACCESSOR))


def lex(text: str) -> list[Token]:
    """The tokens of an expression, checked for which may follow which; the last is of kind `END`. Raises `Fault`."""
    lexer = _Lexer(text)
    tokens: list[Token] = []
    kind = Kind.START
    while (token := lexer.token(kind)) is not None:
        tokens.append(token)
        kind = token.kind
    _check_balance(tokens)
    _check_order(tokens, len(text))
    return [*_with_patterns(tokens), Token(Kind.END, None, len(text))]


class _Lexer:
    """Reads one token after another."""

    def __init__(self, text: str) -> None:
        self.reader = Reader(text)

    def token(self, before: Kind) -> Token | None:
        """The next token; `None` at the end."""
        reader = self.reader
        reader.run(is_space)
        start = reader.at
        character = reader.read()
        if character == END:
            return None
        kind, value = self._read(character, before, start)
        return Token(kind, value, start)

    def _read(self, character: str, before: Kind, start: int) -> tuple[Kind, Any]:
        if _is_numeric(character):
            return Kind.NUMBER, self._number(character, start)
        if character == ",":
            return Kind.SEPARATOR, ","
        if character == "[":
            name = self._quoted(lambda found: found != "]")
            if name is None:
                raise Fault("the bracket is not closed", "end the parameter's name with ]", start)
            return Kind.NAME, name
        if is_letter(character):
            return self._word(start)
        if character in "'\"":
            return self._string(start)
        if character in "()":
            return (Kind.OPEN if character == "(" else Kind.CLOSE), character
        return self._symbol(before, start)

    def _number(self, first: str, start: int) -> float:
        reader = self.reader
        if first == "0" and reader.at + 1 < len(reader.text) and reader.peek() == "x":
            reader.read()
            digits = self._until(_is_hexadecimal)
            if not _HEXADECIMAL.fullmatch(digits):
                raise Fault(f"0x{digits} is no number of 64 bits", "", start)
            return float(int(digits, 16))
        reader.at = start
        digits = self._until(_is_numeric)
        try:
            return parse_float(digits)
        except ValueError as error:
            raise Fault(f"{digits} is no number", "", start) from error

    def _word(self, start: int) -> tuple[Kind, Any]:
        self.reader.at = start
        word = self._until(_is_variable)
        if word.find(".") > 0:
            return Kind.ACCESSOR, _accessor(word, start)
        if word in ("true", "false"):
            return Kind.BOOLEAN, word == "true"
        if word in ("in", "IN"):
            return Kind.COMPARATOR, "in"
        return Kind.NAME, word

    def _string(self, start: int) -> tuple[Kind, Any]:
        text = self._quoted(lambda found: found not in "'\"")
        if text is None:
            raise Fault("the string is not closed", "end it with a quote", start)
        seconds = unix_time(text)
        return (Kind.STRING, text) if seconds is None else (Kind.TIME, seconds)

    def _symbol(self, before: Kind, start: int) -> tuple[Kind, Any]:
        self.reader.at = start
        symbol = self._until(_is_symbol)
        if symbol in _PREFIXES and Kind.PREFIX in _FOLLOWING[before]:
            return Kind.PREFIX, symbol
        kind = _SYMBOLS.get(symbol)
        if kind is None:
            raise Fault(f"{symbol!r} is no operator", _REMEDIES.get(symbol, "put blanks between operators"), start)
        return kind, symbol

    def _until(self, condition: Callable[[str], bool]) -> str:
        """What fulfils a condition; blanks before it are passed, and one after it."""
        found: list[str] = []
        reader = self.reader
        while (character := reader.peek()) != END:
            if character == "\\":
                found.append(self._escaped())
            elif is_space(character):
                reader.read()
                if found:
                    break
            elif condition(character):
                found.append(reader.read())
            else:
                break
        return "".join(found)

    def _quoted(self, condition: Callable[[str], bool]) -> str | None:
        """What fulfils a condition, blanks included, and the end of it passed; `None` if there is no end."""
        found: list[str] = []
        reader = self.reader
        while (character := reader.peek()) != END:
            if character == "\\":
                found.append(self._escaped())
            elif condition(character):
                found.append(reader.read())
            else:
                reader.read()
                return "".join(found)
        return None

    def _escaped(self) -> str:
        at = self.reader.at
        self.reader.read()
        character = self.reader.read()
        if character == END:
            raise Fault("a backslash ends the expression", "write \\\\ for a backslash", at)
        return character


def _is_numeric(character: str) -> bool:
    return character == "." or is_digit(character)


def _is_hexadecimal(character: str) -> bool:
    return is_digit(character) or character.lower() in "abcdef"


def _is_variable(character: str) -> bool:
    return character in "_." or is_letter(character) or is_digit(character)


def _is_symbol(character: str) -> bool:
    return not (character in "()[]'\"" or is_digit(character) or is_letter(character))


def _accessor(word: str, start: int) -> tuple[str, ...]:
    """The names of `a.B`, which asks for a field of a Go struct. Events have none, so that it can never be evaluated."""
    remedy = f"a field's name with a dot is written [{word}]; reach into objects by the path of `fields`"
    if word.endswith("."):
        raise Fault(f"{word} ends in a dot", remedy, start)
    names = tuple(word.split("."))
    for name in names[1:]:
        if name[:1].upper() != name[:1]:
            raise Fault(f"{name} in {word} is no exported field", remedy, start)
    return names


def _check_balance(tokens: list[Token]) -> None:
    opened = [token.offset for token in tokens if token.kind is Kind.OPEN]
    closed = [token.offset for token in tokens if token.kind is Kind.CLOSE]
    if len(opened) != len(closed):
        raise Fault("the parentheses do not match", "close each one that is opened", (opened or closed)[-1])


def _check_order(tokens: list[Token], end: int) -> None:
    before = Token(Kind.START, None, 0)
    for token in tokens:
        if token.kind not in _FOLLOWING[before.kind]:
            if before.kind is Kind.NAME and token.kind is Kind.OPEN:
                raise Fault(f"there is no function {before.value}", "govaluate has no functions here", before.offset)
            remedy = _WORDS.get(token.value, "") if isinstance(token.value, str) else ""
            place = f" after {before.shown()}" if before.kind is not Kind.START else " at the beginning"
            raise Fault(f"unexpected {token.shown()}{place}", remedy, token.offset)
        before = token
    if before.kind not in _ENDINGS:
        raise Fault("ends where a value is expected", "write the missing part", end)


def _with_patterns(tokens: list[Token]) -> list[Token]:
    """The string after `=~` or `!~` compiled."""
    for index, token in enumerate(tokens[:-1]):
        following = tokens[index + 1]
        if token.kind is Kind.COMPARATOR and token.value in ("=~", "!~") and following.kind is Kind.STRING:
            try:
                tokens[index + 1] = Token(Kind.PATTERN, regex.compile(following.value), following.offset)
            except PatternError as error:
                raise Fault(
                    f"the regular expression {following.value!r}: {error.problem}", error.remedy, following.offset
                ) from error
    return tokens
