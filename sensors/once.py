"""`once` of a trigger (ours, DESIGN section 3): a rendered key stands in place of the events, so that what is one thing to the user fires
once, however many events told of it: a push that both a hook and polling saw.

The template is that of the `workflow` trigger's short form: the data of the firing's events by dependency name is the root, with `_` for
every `-` as well. What is missing is an error, never an empty key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tiphys.bus.event import Event, template_root
from tiphys.errors import FaultKind, FieldError, LanguageError, TemplateError, shorten
from tiphys.languages import duration, gotemplate_strict
from tiphys.languages.gotemplate_names import field_name, root_names
from tiphys.schema.once import Once

__all__ = ["OnceKey"]

_LONGEST: Final = 64 * 1024


class OnceKey:
    """A compiled `once`. `span` is how long a key counts, in seconds."""

    __slots__ = ("_template", "span")

    def __init__(self, spec: Once) -> None:
        """Raises `LanguageError`."""
        self._template = gotemplate_strict.compile(spec.key)
        self.span = duration.seconds(spec.for_)

    @classmethod
    def faults(cls, spec: Once, dependencies: Sequence[str], path: str) -> Iterator[FieldError]:
        """What is wrong with it; `dependencies` are those of the trigger's condition, `path` that of `once`."""
        try:
            gotemplate_strict.compile(spec.key)
        except LanguageError as error:
            yield FieldError(f"{path}.key", error.problem, error.remedy, shorten(spec.key))
            return
        if "{{" not in spec.key:
            remedy = "write a template, such as {{ .push.body.after }}"
            yield FieldError(f"{path}.key", "is the same for every event, so the trigger would fire once in all", remedy, spec.key)
            return
        names = {field_name(name) for name in dependencies} | set(dependencies)
        for name in root_names(spec.key):
            if name not in names:
                known = ", ".join(dependencies)
                yield FieldError(
                    f"{path}.key",
                    "names no dependency of this trigger",
                    f"its dependencies are {known}",
                    repr(name),
                    kind=FaultKind.UNKNOWN_DEPENDENCY,
                )

    def render(self, events: Mapping[str, Event]) -> str:
        """The key of a firing with these events, by dependency. Raises `TemplateError`."""
        key = self._template.render(template_root(events))
        if not key.strip():
            raise TemplateError(self._template.text, "gives an empty key", "use a value that every event has")
        if len(key) > _LONGEST:
            raise TemplateError(self._template.text, f"gives a key of {len(key):,} characters", "use a value that identifies it")
        return key
