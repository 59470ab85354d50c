"""jq's grammar as gojq has it, by recursive descent."""

from __future__ import annotations

from typing import Final

from tiphys.errors import ScriptError
from tiphys.languages.jq import tree
from tiphys.languages.jq.lexer import Token, tokens
from tiphys.languages.jq.numbers import number_of
from tiphys.languages.jq.values import is_number

__all__ = ["definitions", "parse"]

_UPDATES: Final = frozenset(("=", "|=", "+=", "-=", "*=", "/=", "%=", "//="))
_COMPARISONS: Final = frozenset(("==", "!=", "<", "<=", ">", ">="))
_LEVELS: Final = {
    "//": 1,
    **dict.fromkeys(_UPDATES, 2),
    "or": 3,
    "and": 4,
    **dict.fromkeys(_COMPARISONS, 5),
    **dict.fromkeys("+-", 6),
    **dict.fromkeys("*/%", 7),
}
_ALONE: Final = (2, 5)  # levels whose operators do not chain
_IDENTITY: Final = tree.Identity()


def parse(text: str) -> tree.Node:
    """The program. Raises `ScriptError`."""
    try:
        parser = _Parser(text, tokens(text))
        if parser.next.text in ("module", "import", "include") and parser.next.kind == "keyword":
            raise ScriptError(text, "modules are not available", offset=parser.next.offset)
        found = parser.program()
    except RecursionError as error:
        raise ScriptError(text, "it is nested too deeply") from error
    return found


def definitions(text: str) -> list[tree.Define]:
    """The functions that a text of nothing else defines."""
    parser = _Parser(text, tokens(text))
    found = []
    while parser.next.kind != "end":
        name, parameters, body = parser.definition()
        found.append(tree.Define(name, parameters, body, _IDENTITY))
    return found


class _Parser:
    def __init__(self, text: str, found: list[Token] | tuple[Token, ...]) -> None:
        self._text, self._tokens, self._at = text, found, 0

    @property
    def next(self) -> Token:
        return self._tokens[self._at]

    def program(self) -> tree.Node:
        if self.next.kind == "end":
            raise ScriptError(self._text, "there is no query", "write . for the input itself")
        found = self.query()
        if self.next.kind != "end":
            raise self._unexpected()
        return found

    def query(self, level: int = 0) -> tree.Node:
        """Level 0 takes `|` and `,`, 1 takes `,`, 2 neither."""
        left = self._head()
        while True:
            if self._is(",") and level < 2:
                self._advance()
                left = tree.Binary(",", left, self.query(2))
            elif self._is("|") and level < 1:
                self._advance()
                return tree.Binary("|", left, self.query())
            else:
                return left

    def _head(self) -> tree.Node:
        if self._is("def"):
            name, parameters, body = self.definition()
            return tree.Define(name, parameters, body, self.query())
        if self._is("label"):
            self._advance()
            name = self._take("variable")
            self._expect("|")
            return tree.Label(name, self.query())
        found = self._expression()
        if not self._is("as"):
            return found
        self._advance()
        patterns = [self._pattern()]
        while self._is("?//"):
            self._advance()
            patterns.append(self._pattern())
        self._expect("|")
        return tree.Bind(found, tuple(patterns), self.query())

    def definition(self) -> tuple[str, tuple[str, ...], tree.Node]:
        self._expect("def")
        name = self._take("name")
        parameters: list[str] = []
        if self._is("("):
            self._advance()
            while True:
                if self.next.kind not in ("name", "variable"):
                    raise self._unexpected()
                parameters.append(self._advance().text)
                if not self._is(";"):
                    break
                self._advance()
            self._expect(")")
        self._expect(":")
        body = self.query()
        self._expect(";")
        return name, tuple(parameters), body

    def _expression(self, floor: int = 1) -> tree.Node:
        left = self._term()
        alone = 0
        while (level := _LEVELS.get(self.next.text, 0) if self.next.kind in _LEVELS or self._word() else 0) >= floor:
            if level == alone:
                raise self._unexpected()
            operator = self._advance().text
            right = self._expression(level if operator == "//" else level + 1)
            left = tree.Binary(operator, left, right)
            alone = level if level in _ALONE else 0
        return left

    def _word(self) -> bool:
        return self.next.kind == "keyword" and self.next.text in ("and", "or")

    def _term(self) -> tree.Node:
        found = self._base()
        while True:
            token = self.next
            if token.kind == "field":
                self._advance()
                found = tree.Access(found, tree.Constant(token.text))
            elif token.kind == "[":
                found = self._bracket(found)
            elif token.kind == "?":
                self._advance()
                found = _optional(found)
            elif token.kind == "." and self._tokens[self._at + 1].kind in ("[", "string"):
                self._advance()
                found = self._bracket(found) if self._is("[") else tree.Access(found, self._string(""))
            else:
                return found

    def _base(self) -> tree.Node:
        token = self._advance()
        match token.kind:
            case ".":
                if self._is("["):
                    return self._bracket(_IDENTITY)
                if self._is("string"):
                    return tree.Access(_IDENTITY, self._string(""))
                return _IDENTITY
            case "..":
                return tree.Call("recurse")
            case "field":
                return tree.Access(_IDENTITY, tree.Constant(token.text))
            case "+" | "-":
                operand = self._term()
                if isinstance(operand, tree.Constant) and is_number(operand.value):
                    return operand if token.kind == "+" else tree.Constant(-operand.value)
                return tree.Unary(token.kind, operand)
            case "(":
                found = self.query()
                self._expect(")")
                return found
            case "[":
                query = None if self._is("]") else self.query()
                self._expect("]")
                return tree.Array(query)
            case "{":
                return self._object()
            case _:
                return self._leaf(token)

    def _leaf(self, token: Token) -> tree.Node:
        match token.kind:
            case "number":
                return tree.Constant(number_of(token.text))
            case "variable":
                return tree.Call(token.text, offset=token.offset)
            case "format":
                return self._string(token.text) if self._is("string") else tree.Text((_IDENTITY,), token.text)
            case "string":
                self._at -= 1
                return self._string("")
            case "name":
                return tree.Call(token.text, self._arguments(), token.offset)
            case "keyword":
                return self._keyword(token)
            case _:
                self._at -= 1
                raise self._unexpected()

    def _keyword(self, token: Token) -> tree.Node:
        match token.text:
            case "null":
                return tree.Constant(None)
            case "true" | "false":
                return tree.Constant(token.text == "true")
            case "if":
                return self._if()
            case "try":
                body = self._term()
                handler = None
                if self._is("catch"):
                    self._advance()
                    handler = self._term()
                return tree.Try(body, handler)
            case "reduce" | "foreach":
                return self._fold(each=token.text == "foreach")
            case "break":
                return tree.Break(self._take("variable"), token.offset)
            case _:
                self._at -= 1
                raise self._unexpected()

    def _if(self) -> tree.Node:
        condition = self.query()
        self._expect("then")
        then = self.query()
        otherwise: tree.Node = _IDENTITY
        if self._is("elif"):
            self._advance()
            return tree.If(condition, then, self._if())
        if self._is("else"):
            self._advance()
            otherwise = self.query()
        self._expect("end")
        return tree.If(condition, then, otherwise)

    def _fold(self, *, each: bool) -> tree.Node:
        source = self._expression()
        self._expect("as")
        pattern = self._pattern()
        self._expect("(")
        start = self.query()
        self._expect(";")
        update = self.query()
        extract = None
        if each and self._is(";"):
            self._advance()
            extract = self.query()
        self._expect(")")
        return tree.Fold(each, source, pattern, start, update, extract)

    def _arguments(self) -> tuple[tree.Node, ...]:
        if not self._is("("):
            return ()
        found = []
        while True:
            self._advance()
            found.append(self.query())
            if not self._is(";"):
                break
        self._expect(")")
        return tuple(found)

    def _bracket(self, base: tree.Node) -> tree.Node:
        self._expect("[")
        if self._is("]"):
            self._advance()
            return tree.Iterate(base)
        start = None if self._is(":") else self.query()
        if self._is("]") and start is not None:
            self._advance()
            return tree.Access(base, start)
        self._expect(":")
        end = None if self._is("]") and start is not None else self.query()
        self._expect("]")
        return tree.Slice(base, start, end)

    def _string(self, form: str) -> tree.Node:
        token = self._advance()
        parts: list[str | tree.Node] = []
        for part in token.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            inner = _Parser(self._text, part)
            parts.append(inner.query())
            if inner.next.kind != "end":
                raise inner._unexpected()
        if len(parts) == 1:
            return tree.Constant(parts[0])
        return tree.Text(tuple(part for part in parts if part != ""), form)

    def _object(self) -> tree.Node:
        pairs: list[tuple[tree.Node, tree.Node | None]] = []
        while not self._is("}"):
            pairs.append(self._pair())
            if not self._is(","):
                break
            self._advance()
        self._expect("}")
        return tree.Object(tuple(pairs))

    def _pair(self) -> tuple[tree.Node, tree.Node | None]:
        token = self.next
        if token.kind == "(":
            self._advance()
            key = self.query()
            self._expect(")")
            self._expect(":")
            return key, self._value()
        if token.kind == "string":
            key = self._string("")
        elif token.kind in ("name", "keyword") and "::" not in token.text:
            self._advance()
            key = tree.Constant(token.text)
        elif token.kind == "variable":
            self._advance()
            variable = tree.Call(token.text, offset=token.offset)
            if not self._is(":"):
                return tree.Constant(token.text[1:]), variable
            key = variable
        else:
            raise self._unexpected()
        if not self._is(":"):
            return key, None
        self._advance()
        return key, self._value()

    def _value(self) -> tree.Node:
        found = self._expression()
        if self._is("|"):
            self._advance()
            return tree.Binary("|", found, self._value())
        return found

    def _pattern(self) -> tree.Pattern:
        token = self._advance()
        if token.kind == "variable":
            return tree.Pattern(token.text)
        if token.kind == "[":
            places = [self._pattern()]
            while self._is(","):
                self._advance()
                places.append(self._pattern())
            self._expect("]")
            return tree.Pattern(places=tuple(places))
        if token.kind == "{":
            entries = [self._entry()]
            while self._is(","):
                self._advance()
                entries.append(self._entry())
            self._expect("}")
            return tree.Pattern(entries=tuple(entries))
        self._at -= 1
        raise self._unexpected()

    def _entry(self) -> tuple[tree.Node, str, tree.Pattern | None]:
        token = self.next
        name = ""
        if token.kind == "variable":
            self._advance()
            name = token.text
            key: tree.Node = tree.Constant(name[1:])
            if not self._is(":"):
                return key, name, None
        elif token.kind == "string":
            key = self._string("")
        elif token.kind == "(":
            self._advance()
            key = self.query()
            self._expect(")")
        elif token.kind in ("name", "keyword"):
            self._advance()
            key = tree.Constant(token.text)
        else:
            raise self._unexpected()
        self._expect(":")
        return key, name, self._pattern()

    def _is(self, wanted: str) -> bool:
        token = self.next
        return token.kind == wanted or (token.kind == "keyword" and token.text == wanted)

    def _advance(self) -> Token:
        token = self.next
        if token.kind == "end":
            raise self._unexpected()
        self._at += 1
        return token

    def _expect(self, wanted: str) -> None:
        if not self._is(wanted):
            raise self._unexpected()
        self._advance()

    def _take(self, kind: str) -> str:
        if self.next.kind != kind:
            raise self._unexpected()
        return self._advance().text

    def _unexpected(self) -> ScriptError:
        token = self.next
        if token.kind == "end":
            return ScriptError(self._text, "it ends too early", offset=token.offset)
        return ScriptError(self._text, f"{token.text or 'a string'!r} is not expected here", offset=token.offset)


def _optional(term: tree.Node) -> tree.Node:
    """`term?`. As in gojq only the last step of a path is tried: of `.a.b?`, an error in `.a` stays one."""
    match term:
        case tree.Access(base, key) if not isinstance(base, tree.Identity):
            return tree.Binary("|", base, tree.Try(tree.Access(_IDENTITY, key), None))
        case tree.Slice(base, start, end) if not isinstance(base, tree.Identity):
            return tree.Binary("|", base, tree.Try(tree.Slice(_IDENTITY, start, end), None))
        case tree.Iterate(base) if not isinstance(base, tree.Identity):
            return tree.Binary("|", base, tree.Try(tree.Iterate(_IDENTITY), None))
    return tree.Try(term, None)
