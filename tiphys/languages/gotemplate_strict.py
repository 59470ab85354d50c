"""Go templates for what is ours to define: the short form of a `workflow` trigger.

The same engine, functions and limits as `tiphys.languages.gotemplate`, with three differences that make a wrong value impossible to miss:

* the data is the root: `{{ .push.body.after }}`, without `.Input`;
* a name that a map lacks is an error, and so is a `null` that would be printed: never `<no value>`;
* whole numbers stay whole: `12345678`, not `1.2345678e+07`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tiphys.errors import TemplateError
from tiphys.languages.gotemplate import MAX_TEMPLATE, NO_VALUE

__all__ = ["StrictTemplate", "compile"]


class StrictTemplate:
    """A compiled template. `text` is as it was written."""

    __slots__ = ("_engine", "text")

    def __init__(self, text: str, engine: Any) -> None:
        self.text, self._engine = text, engine

    def render(self, data: Mapping[str, Any]) -> str:
        """The text for `data` (JSON-like; not changed, whatever the template does). Raises `TemplateError`."""
        if self._engine is None:
            return self.text
        text = self._run(data, "")
        # The data itself may hold the text "<no value>": with that taken out, what is left of it came from a null.
        if NO_VALUE in text and NO_VALUE in self._run(data, NO_VALUE):
            raise TemplateError(
                self.text, "a value in it is null or absent", "use from, path and default, or test it with {{ if }}"
            )
        return text

    def _run(self, data: Mapping[str, Any], without: str) -> str:
        from tiphys.languages import gotemplate_limits  # noqa: PLC0415  gotpl is imported at the first template

        try:
            with gotemplate_limits.metered():
                return str(self._engine.render(_copy(data, without)))
        except RecursionError as error:
            raise TemplateError(self.text, "is nested too deeply to be run", "make it or its input flatter") from error
        except Exception as error:  # gotpl lets what its functions raise pass through
            remedy = gotemplate_limits.remedy(error) or "use from, path and default where a value may be absent"
            raise TemplateError(self.text, str(error).removeprefix("template: "), remedy) from error

    def __repr__(self) -> str:
        return f"StrictTemplate({self.text!r})"


@lru_cache(maxsize=4096)
def compile(text: str) -> StrictTemplate:  # noqa: A001  callers write `gotemplate_strict.compile`, as with `re.compile`
    """Compile a template. Raises `TemplateError` as `gotemplate.compile` does."""
    if len(text) > MAX_TEMPLATE:
        raise TemplateError(text, f"is longer than {MAX_TEMPLATE:,} characters", "make it shorter")
    if "{{" not in text:
        return StrictTemplate(text, None)
    from tiphys.languages import gotemplate_limits  # noqa: PLC0415  gotpl is imported at the first template

    try:
        return StrictTemplate(text, gotemplate_limits.environment("error").from_string(text))
    except RecursionError as error:
        raise TemplateError(text, "is nested too deeply", "take some parentheses or blocks out") from error
    except Exception as error:  # gotpl's parser has errors of several kinds
        raise TemplateError(text, str(error).removeprefix("template: "), gotemplate_limits.remedy(error)) from error


def _copy(value: Any, without: str) -> Any:
    if isinstance(value, str):
        return value.replace(without, "") if without else value
    if isinstance(value, Mapping):
        return {key: _copy(item, without) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item, without) for item in value]
    return value
