"""Go templates with sprig's functions, behind one seam (reference 6.3).

The engine is `gotpl`, pinned; nothing else in the house imports it, so that another can take its place. What it does on its own and
what is set right here:

* `.Input` is bound to the value, its numbers as `float64` (so `12345678` prints as `1.2345678e+07`), as after Go's JSON decoding;
* a name that a map lacks prints `<no value>`; a field of a string, number or list is an error, never an attribute of a Python object;
* `env`, `expandenv` and `getHostByName` are refused: a template is written by a tenant and runs in a process that serves them all;
* the regular expressions are RE2's (`tiphys.languages.regex`), linear and fast;
* nothing can stall. `tiphys.languages.gotemplate_limits` bounds iterations, calls, depth, what a function makes and the processor time.

gotpl differs from Go, as far as known, where a missing key is piped into a function, in methods of `time.Time` and `printf` misuse.

It takes 0.2 s to import, so it is imported at the first template.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, Protocol

from tiphys.errors import TemplateError

__all__ = ["MAX_TEMPLATE", "NO_VALUE", "Template", "compile"]

MAX_TEMPLATE: Final = 262_144
"""Characters of the longest template."""

NO_VALUE: Final = "<no value>"
"""What a template prints for a name that is not there."""


class _Engine(Protocol):
    """What is used of a compiled template of gotpl's."""

    def render(self, data: object) -> str: ...


class Template:
    """A compiled template. `text` is as it was written; `render` is pure but for the functions that tell the time or draw lots."""

    __slots__ = ("_engine", "text")

    def __init__(self, text: str, engine: _Engine | None) -> None:
        self.text, self._engine = text, engine

    def render(self, value: Any) -> str:
        """The text for `.Input` = `value` (JSON-like; not changed, whatever the template does). Raises `TemplateError`."""
        if self._engine is None:
            return self.text
        from tiphys.languages import gotemplate_limits  # noqa: PLC0415  gotpl is imported at the first template

        try:
            with gotemplate_limits.metered():
                return self._engine.render({"Input": go_value(value)})
        except RecursionError as error:
            raise TemplateError(self.text, "is nested too deeply to be run", "make it or its input flatter") from error
        except Exception as error:  # gotpl lets what its functions raise pass through
            raise TemplateError(self.text, _reason(error), gotemplate_limits.remedy(error)) from error

    def __repr__(self) -> str:
        return f"Template({self.text!r})"


@lru_cache(maxsize=4096)
def compile(text: str) -> Template:  # noqa: A001  callers write `gotemplate.compile`, as with `re.compile`
    """Compile a template. Raises `TemplateError` with its place and reason (syntax, a function that does not exist or is refused)."""
    if len(text) > MAX_TEMPLATE:
        raise TemplateError(text, f"is longer than {MAX_TEMPLATE:,} characters", "make it shorter")
    if "{{" not in text:
        return Template(text, None)
    from tiphys.languages import gotemplate_limits  # noqa: PLC0415  gotpl is imported at the first template

    try:
        return Template(text, gotemplate_limits.environment().from_string(text))
    except RecursionError as error:
        raise TemplateError(text, "is nested too deeply", "take some parentheses or blocks out") from error
    except Exception as error:  # gotpl's parser has errors of several kinds
        raise TemplateError(text, _reason(error), gotemplate_limits.remedy(error)) from error


def go_value(value: Any) -> Any:
    """A copy of a JSON-like value with its numbers as Go decodes them: all of them `float64`. Raises `TemplateError` if too deep."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is dict:
        return {key: go_value(item) for key, item in value.items()}
    if kind is list:
        return [go_value(item) for item in value]
    if kind is int:
        try:
            return float(value)
        except OverflowError as error:
            raise TemplateError(str(value), "is a number beyond a float64") from error
    return value


def _reason(error: BaseException) -> str:
    return str(error).removeprefix("template: ").removeprefix("template:") or type(error).__name__
