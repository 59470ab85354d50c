"""From a template's text to its tree: the grammar of Go 1.26's `text/template/parse`, with the errors that it finds at once.

`else if` and `else with` are branches of one node, so that a long chain of them is not a deep tree.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final, NoReturn

from tiphys.errors import TemplateError
from tiphys.languages.golang.quoting import unquote
from tiphys.languages.gotemplate import numerals
from tiphys.languages.gotemplate.lexer import Kind, Token, lex
from tiphys.languages.gotemplate.nodes import (
    Action,
    Bool,
    Break,
    Chain,
    Command,
    Conditional,
    Continue,
    Dot,
    Expression,
    Field,
    Identifier,
    Invoke,
    Nil,
    Number,
    Pipe,
    Range,
    Statement,
    String,
    Text,
    Variable,
)

__all__ = ["MAX_NESTING", "ROOT", "parse"]

ROOT: Final = "param"
"""The name of a template that stands in a manifest, as argo-events gives it; no define may take it."""

MAX_NESTING: Final = 100
"""How deep parentheses and blocks may be nested."""

_OPERANDS: Final = frozenset({
    Kind.BOOL, Kind.CHAR_CONSTANT, Kind.COMPLEX, Kind.DOT, Kind.FIELD, Kind.IDENTIFIER, Kind.NUMBER, Kind.NIL, Kind.STRING,
    Kind.VARIABLE, Kind.LEFT_PAREN,
})  # fmt: skip
_NOT_EXECUTABLE: Final = (Bool, Dot, Nil, Number, String)
_LITERALS: Final = (Bool, String, Number, Nil, Dot)
_NUMERALS: Final = {
    Kind.NUMBER: numerals.number,
    Kind.COMPLEX: numerals.complex_number,
    Kind.CHAR_CONSTANT: numerals.character,
}

Block = list[Statement]


def parse(text: str, functions: Container[str]) -> dict[str, Block]:
    """The template under `ROOT`, and those that it defines by their names. Raises `TemplateError`."""
    return _Parser(text, functions).run()


class _Parser:
    def __init__(self, text: str, functions: Container[str]) -> None:
        self._text, self._functions = text, functions
        self._tokens = lex(text)
        self._at = 0
        self._variables = ["$"]
        self._ranges = self._depth = 0
        self._blocks: dict[str, Block] = {}

    def run(self) -> dict[str, Block]:
        root: Block = []
        while self._peek().kind is not Kind.END_OF_TEXT:
            if self._peek().kind is Kind.LEFT:
                mark = self._at
                self._at += 1
                if self._next_word().kind is Kind.DEFINE:
                    self._definition()
                    continue
                self._at = mark
            statement = self._statement()
            if isinstance(statement, Token):
                self._fail(f"unexpected {{{{{statement.text}}}}}", statement.offset)
            root.append(statement)
        self._add(ROOT, root, 0)
        return self._blocks

    # tokens

    def _peek(self) -> Token:
        return self._tokens[min(self._at, len(self._tokens) - 1)]

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _peek_word(self) -> Token:
        while self._peek().kind is Kind.SPACE:
            self._at += 1
        return self._peek()

    def _next_word(self) -> Token:
        token = self._peek_word()
        self._at += 1
        return token

    def _expect(self, kind: Kind, where: str) -> Token:
        token = self._next_word()
        if token.kind is not kind:
            self._unexpected(token, where)
        return token

    def _fail(self, problem: str, offset: int) -> NoReturn:
        raise TemplateError(self._text, problem, offset=offset)

    def _unexpected(self, token: Token, where: str) -> NoReturn:
        self._fail(str(token) if token.kind is Kind.ERROR else f"unexpected {token} in {where}", token.offset)

    def _deeper(self, by: int, offset: int) -> None:
        self._depth += by
        if self._depth > MAX_NESTING:
            raise TemplateError(
                self._text, f"is nested more than {MAX_NESTING} deep", "take some parentheses or blocks out", offset=offset
            )

    # blocks

    def _add(self, name: str, block: Block, offset: int) -> None:
        if _is_blank(self._blocks.get(name, [])):
            self._blocks[name] = block
        elif not _is_blank(block):
            self._fail(f"multiple definition of template {name!r}", offset)

    def _definition(self) -> None:
        where = "define clause"
        token = self._expect(Kind.STRING, where)
        name = self._unquoted(token)
        self._expect(Kind.RIGHT, where)
        self._add(name, self._own_block(where), token.offset)

    def _own_block(self, where: str) -> Block:
        """The body of a `define` or `block`, which sees no variable and no `range` of its surroundings."""
        variables, ranges, self._variables, self._ranges = self._variables, self._ranges, ["$"], 0
        body, end = self._body()
        if end.kind is not Kind.END:
            self._fail(f"unexpected {{{{{end.text}}}}} in {where}", end.offset)
        self._variables, self._ranges = variables, ranges
        return body

    def _body(self) -> tuple[Block, Token]:
        """Statements up to an `end` or `else`, whose token is given as well."""
        offset = self._peek().offset
        self._deeper(1, offset)
        body: Block = []
        while True:
            if self._peek_word().kind is Kind.END_OF_TEXT:
                self._fail("unexpected end of the template: an {{ end }} is missing", offset)
            statement = self._statement()
            if isinstance(statement, Token):
                self._deeper(-1, offset)
                return body, statement
            body.append(statement)

    def _statement(self) -> Statement | Token:
        """The next one; the token of an `end` or `else` (not yet past what follows an `else`)."""
        token = self._next_word()
        if token.kind is Kind.TEXT:
            return Text(token.offset, token.text)
        if token.kind is not Kind.LEFT:
            self._unexpected(token, "input")
        word = self._next_word()
        match word.kind:
            case Kind.BLOCK:
                return self._block()
            case Kind.BREAK | Kind.CONTINUE:
                return self._jump(word)
            case Kind.ELSE:
                if self._peek_word().kind not in (Kind.IF, Kind.WITH):
                    self._expect(Kind.RIGHT, "else")
                return word
            case Kind.END:
                self._expect(Kind.RIGHT, "end")
                return word
            case Kind.IF | Kind.WITH:
                return self._conditional(word)
            case Kind.RANGE:
                return self._range(word)
            case Kind.TEMPLATE:
                return self._invoke()
            case _:
                self._at -= 1
                return Action(word.offset, self._pipe("command", Kind.RIGHT))

    def _jump(self, word: Token) -> Break | Continue:
        token = self._next_word()
        if token.kind is not Kind.RIGHT:
            self._unexpected(token, f"{{{{{word.text}}}}}")
        if not self._ranges:
            self._fail(f"{{{{{word.text}}}}} outside {{{{range}}}}", word.offset)
        return Break(word.offset) if word.kind is Kind.BREAK else Continue(word.offset)

    def _conditional(self, word: Token) -> Conditional:
        visible = len(self._variables)
        node = Conditional(word.offset, word.kind is Kind.WITH, [], [])
        while True:
            pipe = self._pipe(word.text, Kind.RIGHT)
            body, end = self._body()
            node.branches.append((pipe, body))
            if end.kind is Kind.END:
                break
            if self._peek().kind is word.kind:
                self._at += 1
                continue
            node.otherwise = self._else()
            break
        del self._variables[visible:]
        return node

    def _else(self) -> Block:
        body, end = self._body()
        if end.kind is not Kind.END:
            self._fail(f"expected end; found {{{{{end.text}}}}}", end.offset)
        return body

    def _range(self, word: Token) -> Range:
        visible = len(self._variables)
        pipe = self._pipe("range", Kind.RIGHT)
        self._ranges += 1
        body, end = self._body()
        self._ranges -= 1
        otherwise = self._else() if end.kind is Kind.ELSE else []
        del self._variables[visible:]
        return Range(word.offset, pipe, body, otherwise)

    def _block(self) -> Invoke:
        where = "block clause"
        token = self._next_word()
        name = self._template_name(token, where)
        pipe = self._pipe(where, Kind.RIGHT)
        self._add(name, self._own_block(where), token.offset)
        return Invoke(token.offset, name, pipe)

    def _invoke(self) -> Invoke:
        where = "template clause"
        token = self._next_word()
        name = self._template_name(token, where)
        if self._peek_word().kind is Kind.RIGHT:
            self._at += 1
            return Invoke(token.offset, name, None)
        return Invoke(token.offset, name, self._pipe(where, Kind.RIGHT))

    def _template_name(self, token: Token, where: str) -> str:
        if token.kind is not Kind.STRING:
            self._unexpected(token, where)
        return self._unquoted(token)

    # expressions

    def _pipe(self, where: str, end: Kind) -> Pipe:
        pipe = Pipe(self._peek_word().offset)
        while self._declared(pipe, where):
            pass
        while True:
            token = self._peek_word()
            if token.kind is end:
                self._at += 1
                break
            if token.kind not in _OPERANDS:
                self._at += 1
                self._unexpected(token, where)
            pipe.commands.append(self._command())
        if not pipe.commands:
            self._fail(f"missing value for {where}", pipe.offset)
        for stage, command in enumerate(pipe.commands[1:], 2):
            if isinstance(command.operands[0], _NOT_EXECUTABLE):
                self._fail(f"non executable command in pipeline stage {stage}", command.offset)
        return pipe

    def _declared(self, pipe: Pipe, where: str) -> bool:
        """Takes one variable that the pipeline declares or assigns; true if there may be a second one, of a `range`."""
        variable = self._peek_word()
        if variable.kind is not Kind.VARIABLE:
            return False
        mark = self._at
        self._at += 1
        sign = self._next_word()
        if sign.kind not in (Kind.ASSIGN, Kind.DECLARE) and not (sign.kind is Kind.CHAR and sign.text == ","):
            self._at = mark
            return False
        pipe.names.append(variable.text)
        self._variables.append(variable.text)
        if sign.kind is not Kind.CHAR:
            pipe.assigns = sign.kind is Kind.ASSIGN
            return False
        if where != "range" or len(pipe.names) > 1:
            self._fail(f"too many declarations in {where}", variable.offset)
        if self._peek_word().kind not in (Kind.VARIABLE, Kind.RIGHT, Kind.RIGHT_PAREN):
            self._fail("range can only initialize variables", self._peek().offset)
        return True

    def _command(self) -> Command:
        command = Command(self._peek_word().offset)
        while True:
            self._peek_word()
            operand = self._operand()
            if operand is not None:
                command.operands.append(operand)
            token = self._next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in (Kind.RIGHT, Kind.RIGHT_PAREN):
                self._at -= 1
            elif token.kind is not Kind.PIPE:
                self._unexpected(token, "operand")
            break
        if not command.operands:
            self._fail("empty command", command.offset)
        return command

    def _operand(self) -> Expression | None:
        node = self._term()
        if node is None or self._peek().kind is not Kind.FIELD:
            return node
        names: list[str] = []
        while self._peek().kind is Kind.FIELD:
            names.append(self._next().text[1:])
        if isinstance(node, Field):
            return Field(node.offset, (*node.names, *names))
        if isinstance(node, Variable):
            return Variable(node.offset, (*node.names, *names))
        if isinstance(node, _LITERALS):
            self._fail(f"unexpected . after term {str(node)!r}", node.offset)
        return Chain(node.offset, node, tuple(names))

    def _term(self) -> Expression | None:
        token = self._next_word()
        kind, text, offset = token.kind, token.text, token.offset
        match kind:
            case Kind.IDENTIFIER:
                if text not in self._functions:
                    self._fail(f"function {text!r} not defined", offset)
                return Identifier(offset, text)
            case Kind.DOT:
                return Dot(offset)
            case Kind.NIL:
                return Nil(offset)
            case Kind.VARIABLE:
                if text not in self._variables:
                    self._fail(f"undefined variable {text!r}", offset)
                return Variable(offset, (text,))
            case Kind.FIELD:
                return Field(offset, (text[1:],))
            case Kind.BOOL:
                return Bool(offset, text == "true")
            case Kind.NUMBER | Kind.COMPLEX | Kind.CHAR_CONSTANT:
                try:
                    return _NUMERALS[kind](text, offset)
                except ValueError as error:
                    self._fail(str(error), offset)
            case Kind.LEFT_PAREN:
                self._deeper(1, offset)
                pipe = self._pipe("parenthesized pipeline", Kind.RIGHT_PAREN)
                self._deeper(-1, offset)
                return pipe
            case Kind.STRING:
                return String(offset, text, self._unquoted(token))
            case _:
                self._at -= 1
                return None

    def _unquoted(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except ValueError as error:
            self._fail(f"{error} in {token.text}", token.offset)


def _is_blank(block: Block) -> bool:
    return all(isinstance(statement, Text) and not statement.text.strip() for statement in block)
