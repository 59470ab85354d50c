"""The contract of an artifact (where a trigger's object comes from), and the model of `source` composed from those that exist.

An artifact yields the object as JSON text, so that parameters can be set in it byte by byte; it is read again for every firing, as in
argo-events, unless it stands in the manifest itself.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import orjson
from pydantic import Field, create_model, field_validator, model_validator

from tiphys.errors import FieldError, TriggerError, shorten
from tiphys.schema.loader import load_documents
from tiphys.schema.model import Model, problem

if TYPE_CHECKING:
    from dispatcher.trigger import Services

__all__ = [
    "Artifact",
    "Source",
    "as_object",
    "chosen",
    "known_artifacts",
    "may_set",
    "one_object",
    "parse_one",
    "register_artifact",
    "source_model",
    "to_json",
]

ClassT = TypeVar("ClassT", bound="type[Artifact]")

PRECEDENCE: Final = ("s3", "inline", "file", "url", "git", "configmap", "resource")
"""argo-events' artifacts (reference 6.7); of several the first in this order is used."""


class Artifact(ABC):
    """One origin of objects. `key` is its key below `source`, `value_type` the type of what stands there."""

    key: ClassVar[str]
    value_type: ClassVar[Any]

    @classmethod
    def check(cls, value: Any) -> list[FieldError]:
        """Faults of the value, with paths relative to it (an empty path is the value itself). Pure."""
        return []

    @classmethod
    def known(cls, value: Any) -> Mapping[str, Any] | None:
        """The object, where the manifest holds it; `None` where it has to be fetched. Call it for a value that passed `check`."""
        return None

    @classmethod
    @abstractmethod
    async def read(cls, value: Any, namespace: str, services: Services) -> bytes:
        """The object as JSON text, for a Sensor in `namespace`. Raises `TriggerError`, or `ClientError` or `SecretError` while it cannot
        be fetched."""


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
    """The model of `source`: one field for each artifact; those of argo-events that we do not have yet are refused with a hint."""
    fields: dict[str, Any] = {
        key: (cls.value_type | None, Field(default=None, alias=key)) for key, cls in known_artifacts().items()
    }
    missing = [key for key in PRECEDENCE if key not in fields]
    fields.update({key: (Any, Field(default=None, alias=key)) for key in missing})

    def not_yet(cls: type[Model], value: Any) -> Any:
        if value is not None:
            raise problem(
                "is not supported yet", f"argo-events knows it; for now put the object into one of {', '.join(known_artifacts())}"
            )
        return value

    def some(self: Source) -> Source:
        if all(getattr(self, key) is None for key in type(self).model_fields):
            raise problem("says nothing of where the object comes from", f"set one of {', '.join(known_artifacts())}")
        return self

    validators: dict[str, Any] = {"_some": model_validator(mode="after")(some)}
    if missing:
        validators["_missing_artifacts"] = field_validator(*missing, mode="before")(not_yet)
    return create_model("Source", __base__=Source, __doc__="Where the object comes from.", __validators__=validators, **fields)


def chosen(source: Source) -> tuple[type[Artifact], Any]:
    """The artifact that is used, and its value."""
    order = {key: place for place, key in enumerate(PRECEDENCE)}
    keys = sorted(known_artifacts(), key=lambda key: order.get(key, len(order)))
    key = next(key for key in keys if getattr(source, key) is not None)
    return known_artifacts()[key], getattr(source, key)


@lru_cache(maxsize=1024)
def parse_one(text: str) -> tuple[bytes, tuple[FieldError, ...]]:
    """The one object of a YAML or JSON text, as JSON text, and what is wrong instead."""
    loaded = load_documents(text)
    if loaded.errors:
        return b"", loaded.errors
    if (number := len(loaded.documents)) == 1:
        return to_json(loaded.documents[0].object), ()
    if number == 0:
        return b"", (FieldError("", "holds no object", "write one object"),)
    return b"", (FieldError("", f"holds {number} objects", "put each object into a trigger of its own"),)


def one_object(text: str, where: str) -> bytes:
    """As `parse_one`; `where` begins the error's text. Raises `TriggerError` `InvalidObject`."""
    found, faults = parse_one(text)
    if faults:
        raise TriggerError("InvalidObject", f"{where}: {faults[0]}")
    return found


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
