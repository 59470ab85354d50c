"""A case made of events in the journal of a running service: what came, when it came, and what happens to it now."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tiphys.app.casefiles import CASE_FILE
from tiphys.app.dryrun.yaml_text import dump_yaml
from tiphys.errors import SettingsError

__all__ = ["Recorded", "default_folder", "write_case"]

_SHORT: Final = 8


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event of the journal: what the API shows of it, and all of it as a CloudEvent (`tiphys.bus.wire.to_document`)."""

    shown: Mapping[str, Any]
    document: bytes


def default_folder(manifests: Sequence[Path], first: Recorded) -> Path:
    """Where a case goes whose folder nobody named: among the cases of the first folder of manifests."""
    holder = manifests[0] if manifests[0].is_dir() else manifests[0].parent
    return holder / "cases" / f"{first.shown['source']}-{first.shown['event']}-{first.shown['id'][:_SHORT]}"


def write_case(folder: Path, manifests: Sequence[Path], recorded: Sequence[Recorded]) -> Path:
    """Write a case of these events, in the order in which they came, without an expectation; returns its file.

    Raises `SettingsError` where there is one already, or nothing can be written.
    """
    file = folder / CASE_FILE
    if file.exists():
        raise SettingsError(str(file), "is there already", "name another folder with --to, or remove it")
    try:
        return _write_case(file, folder, manifests, recorded)
    except OSError as error:
        raise SettingsError(str(folder), f"cannot be written: {error.strerror}", "name another folder with --to") from error


def _write_case(file: Path, folder: Path, manifests: Sequence[Path], recorded: Sequence[Recorded]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    steps = []
    for number, one in enumerate(sorted(recorded, key=lambda one: int(one.shown["position"])), 1):
        name = "event.json" if len(recorded) == 1 else f"{number}-{one.shown['source']}-{one.shown['event']}.json"
        (folder / name).write_bytes(one.document)
        steps.append({"event": name, "at": one.shown["stored"]})
    start = steps[0].pop("at")
    case: dict[str, Any] = {"about": f"As recorded on {start[:10]}."}
    if [path.resolve() for path in manifests] != [folder.parent.parent.resolve()] or folder.parent.name != "cases":
        case["manifests"] = [os.path.relpath(path, folder) for path in manifests]
    case |= {"at": start, "steps": steps}
    file.write_text(dump_yaml(case))
    return file
