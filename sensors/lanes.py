"""The key by which a trigger's firings are told apart (`order`, `concurrency`, `debounce`, `batch`: ours), and how they gather.

The key is rendered when the firing is decided, from its events, and stays with it: what is before what does not change with a manifest.
The template is that of `once`. What is missing is an error of the event, never an empty key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from sensors.keys import KeyTemplate, template_faults
from tiphys.bus.event import Event
from tiphys.bus.firing import Gather
from tiphys.errors import FaultKind, FieldError
from tiphys.languages import duration
from tiphys.schema.limits import Batch, Debounce, Limits, keys

__all__ = ["Lane", "faults", "gather"]

_SAME: Final = "is the same for every event"


class Lane:
    """The compiled key."""

    __slots__ = ("_template",)

    def __init__(self, key: str) -> None:
        """Raises `LanguageError`."""
        self._template = KeyTemplate(key)

    @classmethod
    def of(cls, limits: Limits) -> Lane | None:
        """That of a trigger without faults; `None` if it has none."""
        named = keys(limits)
        return cls(next(iter(named.values()))) if named else None

    def render(self, events: Mapping[str, Event]) -> str:
        """The key of a firing with these events, by dependency. Raises `TemplateError`."""
        return self._template.render(events)


def faults(limits: Limits, dependencies: Sequence[str], path: str) -> Iterator[FieldError]:
    """What is wrong with a trigger's keys and with what gathers; `dependencies` are those of its condition, `path` that of the trigger."""
    named = keys(limits)
    for field, key in named.items():
        yield from template_faults(key, dependencies, f"{path}.{field}", _SAME)
    if len(set(named.values())) > 1:
        first, *others = named
        for field in others:
            if named[field] != named[first]:
                text = f"is another key than that of {first}"
                yield FieldError(f"{path}.{field}", text, "a trigger has one key: make them equal, or leave one out")
    if limits.order == "key" and not named:
        yield FieldError(
            f"{path}.order", "goes by a key, and the trigger has none", "write order: {key: …}", "key", kind=FaultKind.MISSING
        )
    if limits.debounce is not None and limits.batch is not None:
        yield FieldError(f"{path}.debounce", "stands beside batch", "keep one: the last of a burst, or all of it")
    if limits.debounce is not None and limits.once is not None:
        text = "stands beside once: a key whose firing another takes the place of would never be acted on"
        yield FieldError(f"{path}.debounce", text, "keep one, or gather with batch")


def gather(debounce: Debounce | None, batch: Batch | None) -> Gather | None:
    """How a trigger's firings gather; `None` if they do not."""
    if batch is not None:
        return Gather(duration.seconds(batch.wait), batch.size)
    if debounce is not None:
        most = None if debounce.max is None else duration.seconds(debounce.max)
        return Gather(duration.seconds(debounce.wait), most=most)
    return None
