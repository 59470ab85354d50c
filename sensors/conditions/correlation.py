"""`correlate` (ours): events that share a value are decided among themselves, so that A and B of the same commit meet.

The value is read from the event as the dependency sees it, after its transform. Texts, numbers and booleans are values, compared as texts:
`7` and `"7"` are one. Nothing, null, an empty text, an object or a list is none, and the event is an error of this trigger, not held.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from sensors.conditions.state import Dropped, HeldEvent, Loss
from tiphys.bus.event import Event
from tiphys.errors import PathError
from tiphys.languages import gjson

__all__ = ["MOST_IN_ALL", "MOST_KEYS", "Correlate", "JoinStates", "NoJoinKey"]

MOST_KEYS: Final = 10_000
"""Join keys of one trigger for which events are held."""
MOST_IN_ALL: Final = 100_000
"""Events that one trigger holds over all of its join keys."""
_LONGEST: Final = 200


class NoJoinKey(Exception):  # noqa: N818  as `StopIteration`: not a fault of the program but of the event
    """An event has no value to be correlated by. `path` is where it was looked for, `found` what stands there."""

    def __init__(self, path: str, found: str) -> None:
        super().__init__(f"there is {found} at {path}, and events are correlated by a text or a number there")
        self.path, self.found = path, found


class Correlate:
    """Compiled paths by dependency."""

    __slots__ = ("_paths",)

    def __init__(self, paths: Mapping[str, str]) -> None:
        """Raises `PathError`."""
        self._paths = {name: gjson.compile(path) for name, path in paths.items()}

    def key(self, dependency: str, event: Event) -> str:
        """The join key of an event, as `HeldEvent.join` has it; one of more than 200 characters is its SHA-256. Raises `NoJoinKey`."""
        path = self._paths[dependency]
        try:
            found = path.get_from(event.payload, event.data or b"")
        except PathError as error:
            raise NoJoinKey(path.text, f"too much to read ({error.problem})") from error
        if not found.exists or found.type is gjson.Type.NULL:
            raise NoJoinKey(path.text, "nothing")
        if found.type is gjson.Type.JSON:
            raise NoJoinKey(path.text, "a list" if found.raw[:1] == b"[" else "an object")
        text = found.string
        if not text:
            raise NoJoinKey(path.text, "an empty text")
        if len(text) > _LONGEST:
            return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return text


class JoinStates:
    """What a trigger holds, by join key: a bounded map that gives up the key that has been still for longest.

    It is a plain value of the Matcher's: `held` before `Gate.arrive`, `keep` after it.
    """

    __slots__ = ("_by_key", "_number")

    def __init__(self) -> None:
        self._by_key: OrderedDict[str, Sequence[HeldEvent]] = OrderedDict()
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> Iterator[HeldEvent]:
        for held in self._by_key.values():
            yield from held

    def items(self) -> Iterator[tuple[str, Sequence[HeldEvent]]]:
        """The keys, stillest first, with what is held for each."""
        yield from self._by_key.items()

    def held(self, join: str) -> Sequence[HeldEvent]:
        """What is held for a key, oldest first."""
        return self._by_key.get(join, ())

    def keep(self, join: str, held: Sequence[HeldEvent]) -> list[Dropped]:
        """Replace what is held for a key. Returns what had to go so that this is not too much: all of other keys, whole."""
        self._number += len(held) - len(self._by_key.pop(join, ()))
        dropped: list[Dropped] = []
        if held:
            self._by_key[join] = held
            while len(self._by_key) > 1 and (len(self._by_key) > MOST_KEYS or self._number > MOST_IN_ALL):
                _, gone = self._by_key.popitem(last=False)
                self._number -= len(gone)
                dropped += (Dropped(one, Loss.FULL) for one in gone)
        return dropped
