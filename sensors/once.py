"""`once` of a trigger (ours, DESIGN section 3): a rendered key stands in place of the events, so that what is one thing to the user fires
once, however many events told of it: a push that both a hook and polling saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sensors.keys import KeyTemplate, template_faults
from tiphys.bus.event import Event
from tiphys.errors import FieldError
from tiphys.languages import duration
from tiphys.schema.once import Once

__all__ = ["OnceKey"]


class OnceKey:
    """A compiled `once`. `span` is how long a key counts, in seconds."""

    __slots__ = ("_template", "span")

    def __init__(self, spec: Once) -> None:
        """Raises `LanguageError`."""
        self._template = KeyTemplate(spec.key)
        self.span = duration.seconds(spec.for_)

    @classmethod
    def faults(cls, spec: Once, dependencies: Sequence[str], path: str) -> Iterator[FieldError]:
        """What is wrong with it; `dependencies` are those of the trigger's condition, `path` that of `once`."""
        return template_faults(
            spec.key, dependencies, f"{path}.key", "is the same for every event, so the trigger would fire once in all"
        )

    def render(self, events: Mapping[str, Event]) -> str:
        """The key of a firing with these events, by dependency. Raises `TemplateError`."""
        return self._template.render(events)
