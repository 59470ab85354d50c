"""The objects that are to move: from files, or from a cluster as they stand there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tiphys.app.admission import API_VERSION
from tiphys.app.casefiles import belongs_to_case
from tiphys.app.dryrun.yaml_text import dump_yaml
from tiphys.app.moving.planning import READ
from tiphys.app.moving.remarks import BOOKKEEPING
from tiphys.clients.kube import Kube, connect
from tiphys.errors import ManifestError, Refused, SettingsError
from tiphys.schema.loader import Document, load_documents

__all__ = ["read_cluster", "read_files"]

_SUFFIXES: Final = (".yaml", ".yml", ".json")


def read_files(paths: Sequence[Path]) -> list[Document]:
    """Every document of these files and folders. Raises `SettingsError` for a path that is not there, `ManifestError` for a file that is
    no YAML."""
    found: list[Document] = []
    for path in dict.fromkeys(_files(paths)):
        loaded = load_documents(path.read_bytes(), str(path))
        if loaded.errors:
            raise ManifestError(loaded.errors)
        found += loaded.documents
    return found


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            files = sorted(one for one in path.rglob("*") if one.suffix in _SUFFIXES and one.is_file())
            yield from (one for one in files if not belongs_to_case(one, path))
        elif path.is_file():
            yield path
        else:
            raise SettingsError(str(path), "is no file and no folder", "name files or folders of manifests")


def read_cluster(kubeconfig: Path | None, context: str, namespaces: Sequence[str]) -> list[Document]:
    """The objects of a cluster, of all namespaces or of these. Kinds that it does not serve are left out. Raises `ClientError`."""
    return asyncio.run(_read(kubeconfig, context, namespaces))


async def _read(kubeconfig: Path | None, context: str, namespaces: Sequence[str]) -> list[Document]:
    found: list[Document] = []
    async with connect(kubeconfig, context=context or None) as kube:
        for kind in READ:
            for namespace in namespaces or (None,):
                found += await _of_kind(kube, kind, namespace)
    return found


async def _of_kind(kube: Kube, kind: str, namespace: str | None) -> list[Document]:
    try:
        listing = await kube.list(API_VERSION, kind, namespace)
    except Refused as error:
        if error.status == 404:
            return []
        raise
    found: list[Document] = []
    for item in listing.items:
        metadata = {key: value for key, value in (item.get("metadata") or {}).items() if key not in BOOKKEEPING}
        obj = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": item.get("spec")}
        origin = "/".join((kind, *filter(None, (metadata.get("namespace"), metadata.get("name")))))
        found += load_documents(dump_yaml(obj).encode(), origin).documents
    return found
