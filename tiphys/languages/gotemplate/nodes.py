"""The tree of a parsed template. `str` of an expression is its source again, for messages."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "Action",
    "Bool",
    "Break",
    "Chain",
    "Command",
    "Conditional",
    "Continue",
    "Dot",
    "Expression",
    "Field",
    "Identifier",
    "Invoke",
    "Nil",
    "Number",
    "Pipe",
    "Range",
    "Statement",
    "String",
    "Text",
    "Variable",
]


@dataclass(slots=True)
class Dot:
    """`.`"""

    offset: int

    def __str__(self) -> str:
        return "."


@dataclass(slots=True)
class Nil:
    """`nil`"""

    offset: int

    def __str__(self) -> str:
        return "nil"


@dataclass(slots=True)
class Bool:
    """`true`, `false`"""

    offset: int
    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(slots=True)
class Number:
    """A literal under all types that can hold it, as Go's ideal constants are; `None` for a type that cannot."""

    offset: int
    text: str
    integer: int | None = None
    unsigned: int | None = None
    real: float | None = None
    imaginary: complex | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class String:
    """A literal: as it is written, and what it says."""

    offset: int
    written: str
    value: str

    def __str__(self) -> str:
        return self.written


@dataclass(slots=True)
class Field:
    """`.a.b`"""

    offset: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(slots=True)
class Variable:
    """`$x.a.b`; the first name has its dollar."""

    offset: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(slots=True)
class Identifier:
    """The name of a function."""

    offset: int
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Chain:
    """`(pipeline).a.b`, `function.a`"""

    offset: int
    operand: Expression
    names: tuple[str, ...]

    def __str__(self) -> str:
        head = f"({self.operand})" if isinstance(self.operand, Pipe) else str(self.operand)
        return head + "".join(f".{name}" for name in self.names)


@dataclass(slots=True)
class Command:
    """A function, field or operand with what is given to it."""

    offset: int
    operands: list[Expression] = field(default_factory=list)

    def __str__(self) -> str:
        return " ".join(f"({operand})" if isinstance(operand, Pipe) else str(operand) for operand in self.operands)


@dataclass(slots=True)
class Pipe:
    """Commands of which each gets the value of the one before as its last argument; the last value goes to the variables `names`."""

    offset: int
    commands: list[Command] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    assigns: bool = False

    def __str__(self) -> str:
        head = ", ".join(self.names) + (" = " if self.assigns else " := ") if self.names else ""
        return head + " | ".join(map(str, self.commands))


Expression = Dot | Nil | Bool | Number | String | Field | Variable | Identifier | Chain | Pipe


@dataclass(slots=True)
class Text:
    """What is written as it is."""

    offset: int
    text: str


@dataclass(slots=True)
class Action:
    """`{{ pipeline }}`"""

    offset: int
    pipe: Pipe


@dataclass(slots=True)
class Conditional:
    """`if` and `with` (`moves` the dot): one pipeline and body for each `else if`, and the body of a plain `else`."""

    offset: int
    moves: bool
    branches: list[tuple[Pipe, list[Statement]]]
    otherwise: list[Statement]


@dataclass(slots=True)
class Range:
    """`range`, with the body for when there is nothing to range over."""

    offset: int
    pipe: Pipe
    body: list[Statement]
    otherwise: list[Statement]


@dataclass(slots=True)
class Break:
    """`{{ break }}`"""

    offset: int


@dataclass(slots=True)
class Continue:
    """`{{ continue }}`"""

    offset: int


@dataclass(slots=True)
class Invoke:
    """`{{ template "name" pipeline }}`, and the place of a `block`."""

    offset: int
    name: str
    pipe: Pipe | None


Statement = Text | Action | Conditional | Range | Break | Continue | Invoke
