"""Go's `text/template` with sprig's functions (reference 6.3): lexed, parsed and compiled to closures once, then run for each event.

* Syntax and semantics are those of Go 1.26; what differs is said where it differs. `.Input` is the value, its numbers are `float64` (so
  `12345678` prints as `1.2345678e+07`), as after Go's JSON decoding; a name that a map lacks prints `<no value>`.
* `env`, `expandenv` and `getHostByName` are refused: a template is written by a tenant and runs in a process that serves them all. So
  are the functions that make keys and certificates.
* Nothing can stall: `tiphys.languages.gotemplate.execution` counts what a rendering does.

The way of a template: `lexer` → `parser` (`nodes`) → `statements` and `expressions`, which compile them → `execution`. The engine and
sprig are imported at the first text that has an action in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tiphys.errors import TemplateError

if TYPE_CHECKING:
    from tiphys.languages.gotemplate.program import Program

__all__ = ["MAX_TEMPLATE", "NO_VALUE", "Template", "compile", "compiled"]

MAX_TEMPLATE: Final = 262_144
"""Characters of the longest template."""

NO_VALUE: Final = "<no value>"
"""What a template prints for a name that is not there."""


class Template:
    """A compiled template. `text` is as it was written; rendering is pure but for the functions that tell the time or draw lots."""

    __slots__ = ("_program", "text")

    def __init__(self, text: str, program: Program | None) -> None:
        self.text, self._program = text, program

    @property
    def paths(self) -> frozenset[tuple[str, ...]] | None:
        """The paths into the data that it reads, like `("Input", "body", "ref")`; `None` if it may read anything."""
        return self._program.paths if self._program is not None else frozenset()

    def render(self, value: Any) -> str:
        """The text for `.Input` = `value` (JSON-like; not changed, whatever the template does). Raises `TemplateError`."""
        return self.text if self._program is None else self._program.render({"Input": value})

    def render_data(self, data: Mapping[str, Any]) -> str:
        """The text for `.` = `data`, likewise. Raises `TemplateError`."""
        return self.text if self._program is None else self._program.render(dict(data))

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


@lru_cache(maxsize=4096)
def compile(text: str) -> Template:  # noqa: A001  callers write `gotemplate.compile`, as with `re.compile`
    """Compile a template. Raises `TemplateError` with its place and reason (syntax, a function that does not exist)."""
    return Template(text, compiled(text, strict=False))


def compiled(text: str, *, strict: bool) -> Program | None:
    """The program of a text; none for one without an action."""
    if len(text) > MAX_TEMPLATE:
        raise TemplateError(text, f"is longer than {MAX_TEMPLATE:,} characters", "make it shorter")
    if "{{" not in text:
        return None
    from tiphys.languages.gotemplate.program import Program  # noqa: PLC0415  not needed by texts without a template

    return Program(text, strict=strict)
