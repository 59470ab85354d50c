"""A template's text compiled, and run with its failures told as `TemplateError`s."""

from __future__ import annotations

from typing import Any, Final

from tiphys.errors import TemplateError
from tiphys.languages.golang.quoting import from_bytes, to_bytes
from tiphys.languages.golang.values import LimitError
from tiphys.languages.gotemplate.execution import TOO_MUCH, Failure, Run, copied
from tiphys.languages.gotemplate.functions import CHANGING, functions
from tiphys.languages.gotemplate.parser import ROOT, parse
from tiphys.languages.gotemplate.statements import compile_bodies

__all__ = ["Program"]

_FFFD: Final = dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)


class Program:
    """A compiled template.

    `strict` is for what is ours to define: a name that a map lacks is an error, and so is a null that would be printed; whole numbers
    of the data stay whole. `paths` are those that are read of the data, `None` if it may be any.
    """

    __slots__ = ("_bodies", "_changes", "_root", "_strict", "_text", "paths")

    def __init__(self, text: str, *, strict: bool) -> None:
        """Raises `TemplateError`."""
        self._text, self._strict = text, strict
        known = functions()
        try:
            blocks = parse(text, known)
            # A word of the text is enough: a copy of the data that was not needed does no harm.
            self._changes = any(name in text for name in CHANGING)
            self._bodies = compile_bodies(blocks, known, strict=strict, changes=self._changes)
        except RecursionError as error:
            raise TemplateError(text, "is nested too deeply", "take some parentheses or blocks out") from error
        self._root = self._bodies[ROOT]
        self.paths = self._root.paths

    def render(self, data: dict[str, Any]) -> str:
        """What it writes for `.` = `data`. Raises `TemplateError`."""
        run = Run(copied(data) if self._strict and self._changes else data, whole_numbers=self._strict)
        try:
            self._root.run(run, None)
        except Failure as error:
            raise TemplateError(self._text, str(error), error.remedy, error.offset) from error
        except LimitError as error:
            raise TemplateError(self._text, str(error), TOO_MUCH) from error
        except RecursionError as error:
            raise TemplateError(self._text, "is nested too deeply to be run", "make it or its input flatter") from error
        parts = run.parts
        text = parts[0] if len(parts) == 1 else "".join(parts)
        # Bytes that are not UTF-8 end here: together they may be, and each that is not is U+FFFD in JSON.
        return text if text.isascii() or not _has_bytes(text) else from_bytes(to_bytes(text)).translate(_FFFD)


def _has_bytes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
