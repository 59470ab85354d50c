"""The contract of an artifact (where a trigger's object comes from), and the model of `source` composed from those that exist.

An artifact yields its objects as JSON texts, so that parameters can be set in them byte by byte; it is read again for every firing, as in
argo-events, unless it stands in the manifest itself. That a source may hold several objects is ours.
"""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import orjson
from pydantic import Field, create_model, model_validator

from tiphys.errors import FaultKind, FieldError, TriggerError, shorten
from tiphys.schema.loader import load_documents
from tiphys.schema.model import Model, problem

if TYPE_CHECKING:
    from dispatcher.trigger import Notice, Services, Work

__all__ = [
    "LARGEST",
    "MOST_OBJECTS",
    "Artifact",
    "Source",
    "as_object",
    "check_object",
    "chosen",
    "known_artifacts",
    "may_set",
    "objects_of",
    "parse_objects",
    "parse_one",
    "read_source",
    "register_artifact",
    "single",
    "source_model",
    "to_json",
]

ClassT = TypeVar("ClassT", bound="type[Artifact]")

PRECEDENCE: Final = ("s3", "inline", "file", "url", "git", "configmap", "resource")
"""argo-events' artifacts (reference 6.7); of several the first in this order is used."""

LARGEST: Final = 3 << 19
"""Bytes of the largest text that is fetched, 1.5 MiB: no Kubernetes object can be larger."""

MOST_OBJECTS: Final = 100
"""Objects of one source: each is a firing of its own, one after the other."""

_QUICKLY_PARSED: Final = 8 * 1024

Objects = tuple[tuple[bytes, ...], tuple[FieldError, ...]]
"""Objects as JSON texts, or what is wrong instead."""


class Artifact(ABC):
    """One origin of objects. `key` is its key below `source`, `value_type` the type of what stands there."""

    key: ClassVar[str]
    value_type: ClassVar[Any]

    @classmethod
    def check(cls, value: Any) -> list[FieldError]:
        """Faults of the value, with paths relative to it (an empty path is the value itself). Pure."""
        return []

    @classmethod
    def known(cls, value: Any) -> Sequence[Mapping[str, Any]] | None:
        """The objects, where the manifest holds them; `None` where they have to be fetched. Call it for a value that passed `check`."""
        return None

    @classmethod
    def notices(cls, value: Any) -> list[Notice]:
        """What the owner of an accepted source should know, with paths as in `check`."""
        return []

    @classmethod
    @abstractmethod
    async def read(cls, value: Any, namespace: str, services: Services, since: float) -> Sequence[bytes]:
        """The objects as JSON texts, at least one, for a Sensor in `namespace`; what was fetched before `since` (Unix seconds) is too old.
        Raises `TriggerError`, or `SecretError`."""


_artifacts: dict[str, type[Artifact]] = {}


def register_artifact(cls: ClassT) -> ClassT:
    """Class decorator: `cls.key` below `source` means this class."""
    if cls.key in _artifacts:
        raise ValueError(f"two artifacts for the key {cls.key!r}: {_artifacts[cls.key].__name__} and {cls.__name__}")
    _artifacts[cls.key] = cls
    return cls


def known_artifacts() -> Mapping[str, type[Artifact]]:
    """Every artifact by its key."""
    import dispatcher.artifacts  # noqa: F401, PLC0415  the files register themselves; imported here, since they import this module

    return _artifacts


class Source(Model):
    """What the composed model of `source` is made from; its fields are the artifacts' keys."""


@cache
def source_model() -> type[Source]:
    """The model of `source`: one field for each artifact, of which at least one is set."""
    fields: dict[str, Any] = {
        key: (cls.value_type | None, Field(default=None, alias=key)) for key, cls in known_artifacts().items()
    }

    def some(self: Source) -> Source:
        if all(getattr(self, key) is None for key in type(self).model_fields):
            raise problem(
                "says nothing of where the object comes from", f"set one of {', '.join(known_artifacts())}", kind=FaultKind.MISSING
            )
        return self

    validators: dict[str, Any] = {"_some": model_validator(mode="after")(some)}
    return create_model("Source", __base__=Source, __doc__="Where the object comes from.", __validators__=validators, **fields)


def chosen(source: Source) -> tuple[type[Artifact], Any]:
    """The artifact that is used, and its value."""
    order = {key: place for place, key in enumerate(PRECEDENCE)}
    keys = sorted(known_artifacts(), key=lambda key: order.get(key, len(order)))
    key = next(key for key in keys if getattr(source, key) is not None)
    return known_artifacts()[key], getattr(source, key)


async def read_source(source: Source, work: Work, namespace: str, services: Services) -> Sequence[bytes]:
    """The objects of a trigger's source as JSON texts, fresh enough for its firing. Raises as `Artifact.read`."""
    artifact, value = chosen(source)
    return await artifact.read(value, namespace, services, work.since or time.time())


class _Parsed:
    """What texts hold, of those that were asked for last, as far as there is room: a manifest's text is asked for by each firing."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._kept: OrderedDict[str, Objects] = OrderedDict()

    def get(self, text: str) -> Objects | None:
        found = self._kept.get(text)
        if found is not None:
            self._kept.move_to_end(text)
        return found

    def put(self, text: str, found: Objects) -> Objects:
        if text not in self._kept:
            self._kept[text] = found
            self._size += len(text)
        while self._size > self._most:
            self._size -= len(self._kept.popitem(last=False)[0])
        return found


_parsed: Final = _Parsed(16 << 20)


def parse_objects(text: str) -> Objects:
    """The objects of a YAML or JSON text, items of a `List` included, as JSON texts; or what is wrong instead."""
    return _parsed.get(text) or _parsed.put(text, _parse(text))


def _parse(text: str) -> Objects:
    loaded = load_documents(text)
    if loaded.errors:
        return (), loaded.errors
    if not loaded.documents:
        return (), (FieldError("", "holds no object", "write one object", kind=FaultKind.MISSING),)
    if (number := len(loaded.documents)) > MOST_OBJECTS:
        return (), (FieldError("", f"holds {number} objects", f"put at most {MOST_OBJECTS} into one source"),)
    return tuple(to_json(document.object) for document in loaded.documents), ()


def parse_one(text: str) -> tuple[bytes, tuple[FieldError, ...]]:
    """The one object of a YAML or JSON text, as JSON text, and what is wrong instead."""
    found, faults = parse_objects(text)
    if len(found) == 1:
        return found[0], ()
    return b"", faults or (FieldError("", f"holds {len(found)} objects", "leave one of them"),)


async def objects_of(text: str | bytes, where: str, *, transient: bool = True) -> tuple[bytes, ...]:
    """As `parse_objects`, for a text that was fetched; a long one does not hold up the event loop.

    `where` begins the error's text. Raises `TriggerError` `InvalidObject`; `transient` as there.
    """
    try:
        whole = text if isinstance(text, str) else text.decode()
    except UnicodeDecodeError as error:
        raise TriggerError("InvalidObject", f"{where} is no text: {error}", transient=transient) from error
    known = _parsed.get(whole)
    if known is None and len(whole) > _QUICKLY_PARSED:
        known = _parsed.put(whole, await asyncio.to_thread(_parse, whole))
    found, faults = known or parse_objects(whole)
    if faults:
        raise TriggerError("InvalidObject", f"{where}: {faults[0]}", transient=transient)
    return found


def single(texts: Sequence[bytes]) -> bytes:
    """The one object of a source that may hold no more. Raises `TriggerError` `InvalidObject`."""
    if len(texts) > 1:
        raise TriggerError("InvalidObject", f"the source holds {len(texts)} objects, and one is what this is about", transient=True)
    return texts[0]


def may_set(dests: Iterable[str], path: str) -> bool:
    """Whether one of these parameters may set what is at that path of an object: it names it, something above or below it, or it is no
    plain path."""
    return any(
        dest == path or path.startswith(f"{dest}.") or dest.startswith(f"{path}.") or any(mark in dest for mark in "*?#|@\\:")
        for dest in dests
    )


def to_json(value: Mapping[str, Any]) -> bytes:
    """A map of JSON-like values as JSON text, integers of any size with all their digits."""
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(value, ensure_ascii=False).encode()


def as_object(text: bytes) -> dict[str, Any]:
    """JSON text as an object with a kind. Raises `TriggerError` `InvalidObject`."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise TriggerError(
            "InvalidObject", f"the object is no JSON after its parameters were set ({error}): {shorten(text)}"
        ) from error
    return check_object(value)


def check_object(value: Any) -> dict[str, Any]:
    """A value, which must be an object with a kind. Raises `TriggerError` `InvalidObject`."""
    if not isinstance(value, dict):
        raise TriggerError("InvalidObject", f"a Kubernetes object must be a map, not {shorten(value)}")
    for key in ("apiVersion", "kind"):
        if not isinstance(value.get(key), str) or not value[key]:
            raise TriggerError(
                "InvalidObject", f"the object's {key} is {shorten(value.get(key))}; it must be a text such as {_EXAMPLES[key]}"
            )
    if not isinstance(value.get("metadata", {}), dict | None):
        raise TriggerError("InvalidObject", f"the object's metadata must be a map, not {shorten(value['metadata'])}")
    return value


_EXAMPLES: Final = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
