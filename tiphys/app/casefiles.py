"""Which files are cases of `tiphys test`, and so are no manifests: a folder with a `case.yaml` in it, and every `*.case.yaml`.

Cases lie beside the manifests that they try. Whoever reads a folder of manifests passes them over.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

__all__ = ["CASE_FILE", "CASE_SUFFIX", "belongs_to_case", "is_case_folder"]

CASE_FILE: Final = "case.yaml"
CASE_SUFFIX: Final = ".case.yaml"


def is_case_folder(names: Collection[str]) -> bool:
    """Whether a folder with files of these names is a case."""
    return CASE_FILE in names


def belongs_to_case(path: Path, root: Path) -> bool:
    """Whether a file somewhere below `root` is a case or part of one."""
    folders = [folder for folder in path.parents if folder == root or root in folder.parents]
    return path.name.endswith(CASE_SUFFIX) or any((folder / CASE_FILE).is_file() for folder in folders)
