"""`validate` of a parameter: which values are let through. Checked before anything is made, so that no Workflow sees another one."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from dispatcher.parameters.conversion import WANTED, ValueType, convert
from dispatcher.parameters.presets import PATTERNS, Shape
from tiphys.errors import FaultKind, PatternError, shorten
from tiphys.languages import gjson
from tiphys.schema.model import Model, problem

__all__ = ["Validation"]

_Word = str | int | float | bool
_SHOWN: Final = 12


class Validation(Model):
    """What a value must be, all of it: `pattern` (RE2) matches the whole text, `enum` has it, it has at most `maxLength` characters, and
    it looks like `preset` says (`PATTERNS`). Of a number, a truth value, an object or a list the JSON text is meant."""

    pattern: str = ""
    enum: list[_Word] | None = None
    max_length: int | None = Field(default=None, ge=1)
    preset: Literal["git-ref", "sha", "semver", "dns-name", "repo", "integer", "name", "word"] | None = None
    _shapes: tuple[Shape, ...] = PrivateAttr(default=())

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        if value in PATTERNS:
            raise problem("is the name of a preset", f"write preset: {value}")
        try:
            Shape(value)
        except PatternError as error:
            raise problem(error.problem, error.remedy) from error
        return value

    @field_validator("enum")
    @classmethod
    def _not_empty(cls, value: list[_Word] | None) -> list[_Word] | None:
        if value is not None and not value:
            raise problem("is empty, so that no value is let through", "name the values, or leave it out", kind=FaultKind.MISSING)
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Validation:
        if not self.pattern and self.enum is None and self.max_length is None and self.preset is None:
            raise problem(
                "says nothing",
                f"add pattern, enum, maxLength or preset ({', '.join(PATTERNS)}), or leave it out",
                kind=FaultKind.MISSING,
            )
        return self

    def model_post_init(self, context: Any, /) -> None:
        """Compile what it looks like."""
        self._shapes = tuple(Shape(text) for text in (self.pattern, self.preset) if text)

    def flaw(self, wanted: ValueType | None) -> tuple[str, str] | None:
        """Why it cannot be beside `type: wanted`: what is wrong, and the remedy."""
        if wanted == "json" and (self._shapes or self.enum is not None):
            text = "validate can only have maxLength beside type: json, since the same JSON can be written in many ways"
            return text, "take the part that matters with dataKey, in a parameter of its own"
        for one in self.enum or ():
            if wanted is not None and convert(_kind(one), _text(one), wanted) is None:
                return f"validate.enum has {shorten(one)}, which is not {WANTED[wanted]}", "correct it, or the type"
        return None

    def complaint(self, text: str, wanted: ValueType | None) -> str:
        """Why a value, converted already, is not let through; empty if it is."""
        if self.max_length is not None and len(text) > self.max_length:
            return f"has {len(text)} characters, and validate.maxLength is {self.max_length}"
        for shape in self._shapes:
            if not shape.allows(text):
                kind = "preset" if shape.text == self.preset else "pattern"
                return f"does not match validate.{kind} {shape.text}"
        if self.enum is not None and not any(_same(one, text, wanted) for one in self.enum):
            more = f" and {len(self.enum) - _SHOWN} more" if len(self.enum) > _SHOWN else ""
            return f"is none of validate.enum: {', '.join(_text(one).decode() for one in self.enum[:_SHOWN])}{more}"
        return ""


def _same(one: _Word, text: str, wanted: ValueType | None) -> bool:
    if wanted is None or wanted == "string":
        return _text(one) == text.encode("utf-8", "surrogatepass")
    known = convert(_kind(one), _text(one), wanted)
    if known is None:
        return False
    return float(known[1]) == float(text) if wanted == "float" else known[1].decode() == text


def _kind(one: _Word) -> gjson.Type:
    if isinstance(one, bool):
        return gjson.Type.TRUE if one else gjson.Type.FALSE
    return gjson.Type.STRING if isinstance(one, str) else gjson.Type.NUMBER


def _text(one: _Word) -> bytes:
    """A manifest's scalar as text: `true`, `3`, `1.5`."""
    return (str(one).lower() if isinstance(one, bool) else str(one)).encode("utf-8", "surrogatepass")
