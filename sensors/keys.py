"""Keys made from a firing's events: of `once`, and of the limits that tell a trigger's firings apart.

The template is that of the `workflow` trigger's short form: the data of the firing's events by dependency name is the root, with `_` for
every `-` as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tiphys.bus.event import Event, template_root
from tiphys.errors import FaultKind, FieldError, LanguageError, TemplateError, shorten
from tiphys.languages import gotemplate_strict
from tiphys.languages.gotemplate_names import field_name, root_names

__all__ = ["KeyTemplate", "template_faults"]

_LONGEST: Final = 64 * 1024


class KeyTemplate:
    """A compiled template of a key. What is missing is an error, never an empty key."""

    __slots__ = ("_template",)

    def __init__(self, text: str) -> None:
        """Raises `LanguageError`."""
        self._template = gotemplate_strict.compile(text)

    def render(self, events: Mapping[str, Event]) -> str:
        """The key of a firing with these events, by dependency. Raises `TemplateError`."""
        key = self._template.render(template_root(events))
        if not key.strip():
            raise TemplateError(self._template.text, "gives an empty key", "use a value that every event has")
        if len(key) > _LONGEST:
            raise TemplateError(self._template.text, f"gives a key of {len(key):,} characters", "use a value that identifies it")
        return key


def template_faults(text: str, dependencies: Sequence[str], path: str, constant: str) -> Iterator[FieldError]:
    """What is wrong with the template of a key; `dependencies` are those of the trigger's condition, `constant` says what follows from a
    text without a template."""
    try:
        gotemplate_strict.compile(text)
    except LanguageError as error:
        yield FieldError(path, error.problem, error.remedy, shorten(text))
        return
    if "{{" not in text:
        yield FieldError(path, constant, "write a template, such as {{ .push.body.after }}", text)
        return
    names = {field_name(name) for name in dependencies} | set(dependencies)
    for name in root_names(text):
        if name not in names:
            known = ", ".join(dependencies)
            yield FieldError(
                path,
                "names no dependency of this trigger",
                f"its dependencies are {known}",
                repr(name),
                kind=FaultKind.UNKNOWN_DEPENDENCY,
            )
