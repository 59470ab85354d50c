"""What an object of a manifest becomes once its parameters are set, as far as can be known without an event: each sets a stand-in.

So a `dest` that no attempt could set, or that writes past the end of a list, is found when the manifest loads, and what a Workflow would
hold can be held against its template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from dispatcher.artifact import to_json
from dispatcher.trigger import Notice
from tiphys.errors import FaultKind, PathError, shorten
from tiphys.languages import sjson

__all__ = ["STAND_IN", "is_stand_in", "name_flaws", "rehearse"]

STAND_IN: Final = "\ue000"
"""What stands for a value that only an event has: a character of Unicode's private use, which no manifest means."""
_REMEDY: Final = "write the path of a place that it has"
_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")
_PREFIX: Final = re.compile(r"[a-z0-9][-a-z0-9.]*")
_UNPLAIN: Final = "*?#|@\\:!{[("


def is_stand_in(value: Any) -> bool:
    """Whether a value is one of an event, in part or as a whole."""
    return isinstance(value, str) and STAND_IN in value


def rehearse(obj: Mapping[str, Any], dests: Iterable[tuple[int, str]]) -> tuple[dict[str, Any] | None, list[Notice]]:
    """The object with stand-ins, and the parameters that cannot do what they are for, with paths `parameters[N].dest`.

    `dests` are the numbers and places of its parameters. The object is `None` if one of them sets it as a whole.
    """
    text = to_json(obj)
    found: list[Notice] = []
    for index, dest in dests:
        path = f"parameters[{index}].dest"
        found += _beyond(orjson.loads(text), dest, path)
        place = sjson.compile(dest)
        try:
            made = place.set(text, STAND_IN.encode())
        except PathError as error:
            refusal = f"cannot be set in the object: {error.problem}; {error.remedy or _REMEDY}"
            found.append(Notice(path, refusal, FaultKind.WRONG_PLACE, fails=True))
            continue
        if place.searches and made is text:
            found.append(Notice(path, f"matches nothing in the object, so nothing is changed; {_REMEDY}", FaultKind.WRONG_PLACE))
        text = made
    final = orjson.loads(text)
    return final if isinstance(final, dict) else None, found


def _beyond(obj: Any, dest: str, path: str) -> Iterator[Notice]:
    """A plain path whose number is past the end of a list: what lies between becomes null."""
    if any(mark in dest for mark in _UNPLAIN):
        return
    here, walked = obj, ""
    for step in dest.split("."):
        if isinstance(here, list) and step.isdigit():
            number = int(step[:9])
            if number > len(here):
                text = f"is entry {number} of {walked}, which has {len(here)}, so null stands between"
                yield Notice(path, f"{text}; correct the number", FaultKind.WRONG_PLACE, fails=True)
            here = here[number] if number < len(here) else None
        else:
            here = here.get(step) if isinstance(here, dict) else None
        walked = f"{walked}.{step}" if walked else step


def name_flaws(obj: Mapping[str, Any]) -> Iterator[Notice]:
    """An object to be made, with stand-ins: a name that only the first of its kind can have, or that Kubernetes takes for none."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, Mapping):
        return
    name, prefix = metadata.get("name"), metadata.get("generateName")
    if isinstance(name, str) and name and not is_stand_in(name):
        if not _NAME.fullmatch(name) and not str(obj.get("apiVersion")).startswith("rbac."):
            problem = f"{shorten(name)} is no name in Kubernetes: small letters, digits, - and . between them"
            yield Notice("metadata.name", f"{problem}; correct it, or use generateName", FaultKind.INVALID, fails=True)
        else:
            problem = "is the same for every firing: while the object of one is there, the next one fails"
            yield Notice("metadata.name", f"{problem}; use generateName, or onConflict: skip", FaultKind.FIXED_NAME)
    elif not name and isinstance(prefix, str) and prefix and not is_stand_in(prefix) and not _PREFIX.fullmatch(prefix):
        problem = f"{shorten(prefix)} begins no name in Kubernetes: small letters, digits, - and ."
        yield Notice("metadata.generateName", f"{problem}; correct it", FaultKind.INVALID, fails=True)
