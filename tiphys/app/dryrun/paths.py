"""Which files a run is about: its cases, and its manifests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tiphys.app.casefiles import CASE_FILE, CASE_SUFFIX, belongs_to_case, is_case_folder
from tiphys.errors import SettingsError
from tiphys.schema.loader import Document, load_documents

__all__ = ["Manifests", "find_cases", "load_manifests"]

_SUFFIXES: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Manifests:
    """The documents of files, and what is wrong with the texts."""

    documents: list[Document]
    problems: list[str]


def find_cases(paths: Sequence[Path]) -> list[Path]:
    """The YAML files of all cases in these files and folders, in order. Raises `SettingsError` for a path that is not there."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found |= dict.fromkeys(_below(path))
        elif not path.is_file():
            raise SettingsError(str(path), "is no file and no folder", "name manifests, cases or folders of them")
        elif path.name == CASE_FILE or path.name.endswith(CASE_SUFFIX):
            found[path] = None
    return list(found)


def _below(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if is_case_folder(names):
            folders.clear()
            yield Path(folder, CASE_FILE)
        else:
            yield from (Path(folder, name) for name in sorted(names) if name.endswith(CASE_SUFFIX) and not name.startswith("."))


def load_manifests(paths: Sequence[Path]) -> Manifests:
    """The documents of files and folders but for cases, each file once. Raises `SettingsError` for a path that is not there."""
    documents: list[Document] = []
    problems: list[str] = []
    for file in dict.fromkeys(_files(paths)):
        try:
            text = file.read_bytes()
        except OSError as error:
            raise SettingsError(str(file), f"cannot be read: {error.strerror}") from error
        loaded = load_documents(text, str(file))
        documents += loaded.documents
        problems += map(str, loaded.errors)
    return Manifests(documents, problems)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            files = sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
            yield from (_plain(one) for one in files if not belongs_to_case(one, path))
        elif path.is_file():
            yield _plain(path)
        else:
            raise SettingsError(str(path), "is no file and no folder", "name files or folders of manifests")


def _plain(path: Path) -> Path:
    """A path as people write it: without steps down and up again, from here if that is shorter."""
    return Path(min(os.path.relpath(path), os.path.normpath(path), key=len))
