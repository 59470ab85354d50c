"""The report of a move, and the manifests that it gives."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tiphys.app.dryrun.yaml_text import dump_yaml
from tiphys.app.moving.remarks import Moved
from tiphys.errors import SettingsError

__all__ = ["print_move", "write_manifests"]

_FILL_IN: Final = "# Fill in every CHANGE-ME, and keep the result out of Git.\n"


def print_move(moved: Sequence[Moved], shared: Sequence[dict[str, Any]], form: str) -> None:
    """The report: `text`, or `json` with the objects as well."""
    if form == "json":
        items = [
            {
                "kind": one.kind,
                "namespace": one.namespace,
                "name": one.name,
                "ready": one.ready,
                "becomes": one.objects,
                "remarks": [asdict(remark) for remark in one.remarks],
            }
            for one in moved
        ]
        sys.stdout.write(json.dumps({"items": items, "shared": list(shared)}, indent=2, ensure_ascii=False) + "\n")
        return
    for one in moved:
        sys.stdout.write(_lines(one))
    weights = Counter(remark.weight for one in moved for remark in one.remarks)
    ready = sum(one.ready for one in moved)
    counts = f"{weights['by hand']} by hand, {weights['differs']} differ, {weights['note']} notes"
    sys.stdout.write(f"{ready} of {len(moved)} objects are ready; {counts}\n")


def _lines(moved: Moved) -> str:
    became = ", ".join(moved.becomes())
    same = became == f"{moved.kind} {moved.name}"
    fate = "stays as it is" if same else f"becomes {became}" if became else "is not written"
    lines = [f"{moved.kind} {moved.namespace}/{moved.name} {fate}"]
    for remark in moved.remarks:
        rest = f"; {remark.remedy}" if remark.remedy else ""
        lines.append(f"  {remark.weight}: {remark.where}: {remark.path}: {remark.text}{rest}")
    return "\n".join(lines) + "\n"


def write_manifests(folder: Path, moved: Sequence[Moved], shared: Sequence[dict[str, Any]]) -> list[Path]:
    """Write every object to `folder/NAMESPACE/kind-name.yaml`; Secrets to fill in end in `.template.yaml`. Raises `SettingsError` for a
    folder that has something in it already, or that cannot be written."""
    written = []
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SettingsError("--write", f"{folder} is there already", "name a folder that is new or empty")
        for obj in [*shared, *(obj for one in moved for obj in one.objects)]:
            metadata = obj["metadata"]
            secret = obj["kind"] == "Secret"
            name = f"{obj['kind'].lower()}-{metadata['name']}{'.template' if secret else ''}.yaml"
            path = folder / metadata["namespace"] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text((_FILL_IN if secret else "") + dump_yaml(obj))
            written.append(path)
    except OSError as error:
        raise SettingsError("--write", f"{folder} cannot be written: {error.strerror}", "name another folder") from error
    return written
