"""Manifests from files and folders, watched.

Any event of the file system makes us look at everything again; looking costs a `stat` per file, and what changed is found by comparing.
So it does not matter how an editor saves or how a mounted ConfigMap swaps its links. Nor whether an event was lost, as happens to
files in a folder that was made a moment ago: after each event looks without a reason follow, soon at first, then every `interval`.

What is not there, or is there without a document, is doubted at first: editors remove before they rename, and truncate before they
write. It counts from the second look on. A broken file keeps its objects as they were; so do the files of a folder that cannot be read.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import watchfiles

from tiphys.app.casefiles import CASE_SUFFIX, is_case_folder
from tiphys.app.origins.origin import Change, Origin
from tiphys.errors import FieldError
from tiphys.schema.loader import MAX_TEXT, Document, load_documents

__all__ = ["FilesOrigin"]

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_CLUSTER_SCOPED: Final = frozenset((
    "ClusterRole", "ClusterRoleBinding", "ClusterWorkflowTemplate", "CustomResourceDefinition", "Namespace", "PersistentVolume",
    "PriorityClass", "StorageClass",
))  # fmt: skip
_WATCHING: Final = "watching"
_FIRST: Final = ("Namespace", "CustomResourceDefinition")
_LAST: Final = ("EventBus", "EventSource", "Sensor")

_Key = tuple[str, str, str]


_State = tuple[int, int, int, int]


class _Look(NamedTuple):
    """What a look found: the files with what `stat` says of them, and what could not be looked at and why."""

    files: Mapping[Path, _State]
    failed: Mapping[Path, str]


@dataclass(slots=True)
class _File:
    """A file: its state at the last reading, its objects, and what is wrong with it. `doubted`: since when it seems gone or empty,
    in the loop's time."""

    state: _State | None = None
    objects: dict[_Key, Document] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    doubted: float | None = None


class FilesOrigin(Origin):
    """Reads `*.yaml`, `*.yml` and `*.json` of `paths` (files, and folders with all below; names that begin with a dot are left
    out, and so are cases of `tiphys test`).

    `namespace` is for objects that name none. `settle`: seconds after which a file that is gone counts as deleted. `interval`:
    seconds between looks without a reason. `polling` watches by asking, for network mounts that give no events.
    Every kind is passed through.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        namespace: str = "default",
        settle: float = 0.3,
        interval: float = 10.0,
        polling: bool = False,
        on_fault: Callable[[], None] | None = None,
    ) -> None:
        super().__init__("files " + ", ".join(map(str, paths)), on_fault)
        self._roots = tuple(dict.fromkeys(path.absolute() for path in paths))
        self._namespace = namespace
        self._settle = settle
        self._interval = interval
        self._polling = polling
        self._files: dict[Path, _File] = {}
        self._told: dict[_Key, Document] = {}

    async def changes(self) -> AsyncGenerator[Change, None]:
        """See `Origin.changes`."""
        again, pause = asyncio.Event(), self._settle
        watcher = asyncio.create_task(self._watch(again), name=f"watch {self.label}")
        try:
            while True:
                again.clear()
                look = await self._look()
                for change in self._differences(look):
                    yield change
                doubtful = any(file.doubted is not None for file in self._files.values())
                if not doubtful and not any(root in look.failed for root in self._roots):
                    self.synced.set()
                try:
                    async with asyncio.timeout(pause):
                        await again.wait()
                except TimeoutError:
                    pause = self._settle if doubtful else min(2 * pause, self._interval)
                else:
                    pause = self._settle
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

    async def _watch(self, again: asyncio.Event) -> None:
        """Set `again` at each event of the file system. Ends and begins anew when a watched folder goes away."""
        while True:
            watched = await asyncio.to_thread(self._watched)
            if not watched:
                await asyncio.sleep(self._interval)
                continue
            stop = asyncio.Event()
            try:
                stream = watchfiles.awatch(
                    *watched,
                    watch_filter=None,
                    debounce=200,
                    step=20,
                    stop_event=stop,
                    force_polling=self._polling or None,
                    ignore_permission_denied=True,
                )
                async with aclosing(stream) as events:
                    async for _ in events:
                        again.set()
                        if await asyncio.to_thread(self._watched) != watched:
                            break
            except (OSError, RuntimeError) as error:
                self.faults.put(_WATCHING, (f"changes are seen by looking every {self._interval:g} s only: {error}",))
            else:
                self.faults.put(_WATCHING, ())
            finally:
                stop.set()
            again.set()
            await asyncio.sleep(min(1.0, self._interval))

    def _watched(self) -> list[Path]:
        """What to watch: folders, and the folders of files, since a saved file is often another one of the same name."""
        folders = [root if root.is_dir() else root.parent for root in self._roots]
        return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]

    async def _look(self) -> _Look:
        look = await asyncio.to_thread(_look_at, self._roots)
        for path in self._files.keys() | look.files.keys():
            file = self._files.setdefault(path, _File())
            state = look.files.get(path)
            if state is None:
                if not _is_below(path, look.failed) and (not file.objects or self._is_settled(file)):
                    del self._files[path]
            elif state != file.state or file.doubted is not None:
                await self._read(path, file, state)
        return look

    def _is_settled(self, file: _File) -> bool:
        """Whether what seems gone has seemed so for long enough."""
        now = asyncio.get_running_loop().time()
        if file.doubted is None:
            file.doubted = now
        return now >= file.doubted + self._settle

    async def _read(self, path: Path, file: _File, state: _State) -> None:
        found, problems = await asyncio.to_thread(self._load, path)
        if not found and not problems and file.objects and not self._is_settled(file):
            return
        file.doubted = None
        file.state = state
        # What a broken file does not show may be in the part that is broken.
        file.objects = {**file.objects, **found} if problems else found
        file.problems = tuple(problems)

    def _load(self, path: Path) -> tuple[dict[_Key, Document], list[str]]:
        """The objects of a file, and what is wrong in it; runs in a thread."""
        try:
            with path.open("rb") as stream:
                text = stream.read(MAX_TEXT + 1)
        except OSError as error:
            return {}, [f"{path}: cannot be read: {error.strerror or error}"]
        loaded = load_documents(text, str(path))
        problems = [str(error) for error in loaded.errors]
        found: dict[_Key, Document] = {}
        for document in loaded.documents:
            key = _identity(document, self._namespace)
            if isinstance(key, FieldError):
                problems.append(str(key))
            elif key in found:
                problems.append(f"{document.where()}: {_title(key)} stands twice in this file; the first counts")
            else:
                found[key] = document
        return found, problems

    def _differences(self, look: _Look) -> Iterator[Change]:
        """What changed since it was told. The first file by name has an object that stands in several; a doubted one comes last, and
        nothing is said about it: an object that moves to another file stands in both for a moment."""
        present: dict[_Key, Document] = {}
        faults = {str(path): [problem] for path, problem in look.failed.items()}
        for root in self._roots:
            if root not in self._files and root not in look.files and root.suffix in _SUFFIXES:
                faults.setdefault(str(root), [f"{root}: there is no such file"])
        for path in sorted(self._files, key=lambda path: (self._files[path].doubted is not None, path)):
            file = self._files[path]
            problems = faults.setdefault(str(path), [])
            problems += file.problems
            for key, document in file.objects.items():
                other = present.setdefault(key, document)
                if other is not document and file.doubted is None:
                    problems.append(
                        f"{document.where()}: {_title(key)} stands in {other.origin} as well, which counts; remove one of them"
                    )
        for place in {*self.faults, *faults} - {_WATCHING}:
            self.faults.put(place, faults.get(place, ()))
        before, self._told = self._told, present
        for key in sorted(present, key=_rank):
            if key not in before or before[key].object != present[key].object:
                yield Change(*key, present[key], present[key].where())
        for key in sorted(before.keys() - present.keys(), key=_rank, reverse=True):
            yield Change(*key, None, before[key].where())


def _look_at(roots: Sequence[Path]) -> _Look:
    files: dict[Path, _State] = {}
    failed: dict[Path, str] = {}

    def fail(error: OSError) -> None:
        failed[Path(error.filename)] = f"{error.filename}: cannot be read: {error.strerror}"

    for root in roots:
        if root.is_dir():
            for folder, folders, names in os.walk(root, onerror=fail):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                if is_case_folder(names):
                    folders.clear()
                    continue
                for name in sorted(names):
                    if name.endswith(_SUFFIXES) and not name.startswith(".") and not name.endswith(CASE_SUFFIX):
                        _stat(Path(folder, name), files, failed)
        elif root.exists():
            _stat(root, files, failed)
        elif root.suffix not in _SUFFIXES or not root.parent.is_dir():
            failed[root] = f"{root}: there is no such file or folder"
    return _Look(files, failed)


def _stat(path: Path, files: dict[Path, _State], failed: dict[Path, str]) -> None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        failed[path] = f"{path}: cannot be read: {error.strerror}"
        return
    files[path] = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _is_below(path: Path, failed: Mapping[Path, str]) -> bool:
    return any(path == folder or folder in path.parents for folder in failed)


def _identity(document: Document, default: str) -> _Key | FieldError:
    obj: dict[str, Any] = document.object
    kind, metadata = obj.get("kind"), obj.get("metadata")
    if not isinstance(kind, str) or not kind:
        return FieldError("kind", "is missing", "is this a manifest?", where=document.where())
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        return FieldError("metadata.name", "is missing", "give the object a name", where=document.where())
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    if namespace is not None and not isinstance(namespace, str):
        return FieldError("metadata.namespace", "must be a string", "put it in quotes", where=document.where("metadata.namespace"))
    return kind, "" if kind in _CLUSTER_SCOPED else namespace or default, name


def _title(key: _Key) -> str:
    kind, namespace, name = key
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _rank(key: _Key) -> tuple[int, str, str, str]:
    """What others need comes first, what needs others last."""
    kind = key[0]
    place = _FIRST.index(kind) if kind in _FIRST else 100 + _LAST.index(kind) if kind in _LAST else 10
    return place, *key
