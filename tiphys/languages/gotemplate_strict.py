"""Templates for what is ours to define: the short form of a `workflow` trigger.

The same engine, functions and limits as `tiphys.languages.gotemplate`, with three differences that make a wrong value impossible to miss:

* the data is the root: `{{ .push.body.after }}`, without `.Input`;
* a name that a map lacks is an error, and so is a `null` that would be printed: never `<no value>`;
* whole numbers stay whole: `12345678`, not `1.2345678e+07`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tiphys.errors import TemplateError
from tiphys.languages import gotemplate

if TYPE_CHECKING:
    from tiphys.languages.gotemplate.program import Program

__all__ = ["StrictTemplate", "compile"]

_HINT = "use from, path and default where a value may be absent"


class StrictTemplate:
    """A compiled template. `text` is as it was written."""

    __slots__ = ("_program", "text")

    def __init__(self, text: str, program: Program | None) -> None:
        self.text, self._program = text, program

    def render(self, data: Mapping[str, Any]) -> str:
        """The text for `data` (JSON-like; not changed, whatever the template does). Raises `TemplateError`."""
        if self._program is None:
            return self.text
        try:
            return self._program.render(dict(data))
        except TemplateError as error:
            raise TemplateError(self.text, error.problem, error.remedy or _HINT, error.offset) from error

    def __repr__(self) -> str:
        return f"StrictTemplate({self.text!r})"


@lru_cache(maxsize=4096)
def compile(text: str) -> StrictTemplate:  # noqa: A001  callers write `gotemplate_strict.compile`, as with `re.compile`
    """Compile a template. Raises `TemplateError` as `gotemplate.compile` does."""
    return StrictTemplate(text, gotemplate.compiled(text, strict=True))
