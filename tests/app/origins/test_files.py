"""Manifests from files and folders: what is told, what is kept, and what is doubted."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tiphys.app.origins import Change, FilesOrigin

MANIFEST = """\
apiVersion: argoproj.io/v1alpha1
kind: {kind}
metadata:
  name: {name}
spec: {{value: {value}}}
"""


def manifest(name: str, value: int = 1, kind: str = "Sensor") -> str:
    return MANIFEST.format(kind=kind, name=name, value=value)


class Reader:
    """Reads an origin's changes as the roof does, into what is there now."""

    def __init__(self, origin: FilesOrigin) -> None:
        self.origin = origin
        self.changes: list[Change] = []
        self.present: dict[str, int] = {}

    async def run(self) -> None:
        async for change in self.origin.changes():
            self.changes.append(change)
            if change.document is None:
                del self.present[change.name]
            else:
                self.present[change.name] = change.document.object.get("spec", {}).get("value", 0)

    async def until(self, **present: int) -> None:
        async with asyncio.timeout(15):
            while self.present != present:
                await asyncio.sleep(0.01)

    async def until_fault(self, text: str) -> None:
        async with asyncio.timeout(15):
            while not any(text in sentence for sentences in self.origin.faults.values() for sentence in sentences):
                await asyncio.sleep(0.01)

    async def until_well(self) -> None:
        async with asyncio.timeout(15):
            while self.origin.faults:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def reading(*paths: Path, **options):
    reader = Reader(FilesOrigin(paths, **{"settle": 0.1, "interval": 0.5, **options}))
    task = asyncio.create_task(reader.run())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), task.exception()


async def synced(reader: Reader) -> None:
    async with asyncio.timeout(15):
        await reader.origin.synced.wait()


async def test_everything_that_is_there_is_told_before_it_is_synced(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a.yaml").write_text(manifest("a") + "---\n" + manifest("b"))
    (tmp_path / "deep" / "c.yml").write_text(manifest("c"))
    (tmp_path / "deep" / "er" / "d.json").write_text('{"kind":"Sensor","metadata":{"name":"d"},"spec":{"value":4}}')
    (tmp_path / "note.txt").write_text(manifest("no"))
    (tmp_path / ".hidden.yaml").write_text(manifest("no"))
    async with reading(tmp_path) as reader:
        await synced(reader)
        assert reader.present == {"a": 1, "b": 1, "c": 1, "d": 4}
    assert reader.changes[0].where == f"{tmp_path}/a.yaml:1"
    assert reader.changes[1].where == f"{tmp_path}/a.yaml:7"


async def test_an_empty_folder_has_answered(tmp_path: Path) -> None:
    async with reading(tmp_path) as reader:
        await synced(reader)
        assert reader.changes == []


async def test_changes_are_picked_up_live(tmp_path: Path) -> None:
    async with reading(tmp_path, interval=60) as reader:
        await synced(reader)
        (tmp_path / "a.yaml").write_text(manifest("a"))
        await reader.until(a=1)
        (tmp_path / "a.yaml").write_text(manifest("a", 2))
        await reader.until(a=2)
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "b.yaml").write_text(manifest("b"))
        await reader.until(a=2, b=1)
        (tmp_path / "a.yaml").write_text(manifest("c"))
        await reader.until(c=1, b=1)
        (tmp_path / "a.yaml").unlink()
        await reader.until(b=1)


async def test_a_file_alone_is_watched_even_when_it_is_replaced_by_renaming(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(manifest("a"))
    (tmp_path / "other.yaml").write_text(manifest("other"))
    async with reading(path, interval=60) as reader:
        await reader.until(a=1)
        for value in (2, 3):
            (tmp_path / "new").write_text(manifest("a", value))
            (tmp_path / "new").rename(path)
            await reader.until(a=value)


async def test_a_mounted_config_map_swaps_its_links(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "a.yaml").write_text(manifest("a", number))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    async with reading(tmp_path, interval=60) as reader:
        await reader.until(a=1)
        (tmp_path / "..next").symlink_to("..2")
        (tmp_path / "..next").rename(tmp_path / "..data")
        await reader.until(a=2)


@pytest.mark.parametrize("broken", ["kind: Sensor\nmetadata: {name: a\n", "\x00", "- a\n", "kind: [\n"])
async def test_a_broken_file_keeps_its_objects_and_says_what_is_wrong(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(manifest("a") + "---\n" + manifest("b"))
    async with reading(tmp_path) as reader:
        await reader.until(a=1, b=1)
        path.write_text(broken)
        await reader.until_fault(f"{path}:")
        assert reader.present == {"a": 1, "b": 1}
        path.write_text(manifest("a", 2))
        await reader.until(a=2)
        await reader.until_well()


async def test_the_good_part_of_a_broken_file_takes_effect(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(manifest("a") + "---\n" + manifest("b"))
    async with reading(tmp_path) as reader:
        await reader.until(a=1, b=1)
        path.write_text(manifest("a", 2) + "---\nkind: [\n")
        await reader.until(a=2, b=1)


async def test_a_file_that_is_broken_from_the_start_does_not_hinder_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: [")
    (tmp_path / "b.yaml").write_text(manifest("b"))
    async with reading(tmp_path) as reader:
        await synced(reader)
        assert reader.present == {"b": 1}
        assert list(reader.origin.faults) == [str(tmp_path / "a.yaml")]


async def test_an_editor_that_truncates_or_removes_first_deletes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(manifest("a"))
    async with reading(tmp_path, settle=5.0) as reader:
        await reader.until(a=1)
        for value, spoil in ((2, lambda: path.write_text("")), (3, path.unlink)):
            spoil()
            await asyncio.sleep(0.4)
            path.write_text(manifest("a", value))
            await reader.until(a=value)
    assert all(change.document is not None for change in reader.changes)


async def test_an_emptied_file_counts_after_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(manifest("a"))
    async with reading(tmp_path) as reader:
        await reader.until(a=1)
        path.write_text("# nothing here any more\n")
        await reader.until()


async def test_a_folder_that_is_away_is_no_empty_folder(tmp_path: Path) -> None:
    folder, aside = tmp_path / "manifests", tmp_path / "aside"
    folder.mkdir()
    (folder / "a.yaml").write_text(manifest("a"))
    async with reading(folder) as reader:
        await reader.until(a=1)
        folder.rename(aside)
        await reader.until_fault("there is no such file or folder")
        await asyncio.sleep(0.3)
        assert reader.present == {"a": 1}
        (aside / "a.yaml").write_text(manifest("a", 2))
        aside.rename(folder)
        await reader.until(a=2)
        await reader.until_well()


async def test_a_folder_that_is_not_there_yet_has_not_answered(tmp_path: Path) -> None:
    folder = tmp_path / "late"
    async with reading(folder, interval=0.1) as reader:
        await reader.until_fault("there is no such file or folder")
        assert not reader.origin.synced.is_set()
        folder.mkdir()
        (folder / "a.yaml").write_text(manifest("a"))
        await reader.until(a=1)
        await synced(reader)


async def test_a_named_file_that_is_absent_is_told(tmp_path: Path) -> None:
    async with reading(tmp_path / "a.yaml", interval=0.1) as reader:
        await reader.until_fault("there is no such file")
        await synced(reader)
        (tmp_path / "a.yaml").write_text(manifest("a"))
        await reader.until(a=1)
        await reader.until_well()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_an_unreadable_file_keeps_its_objects(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(manifest("a"))
    async with reading(tmp_path) as reader:
        await reader.until(a=1)
        path.chmod(0)
        await reader.until_fault("cannot be read")
        assert reader.present == {"a": 1}
        path.chmod(0o600)
        await reader.until_well()


async def test_an_object_in_two_files_is_told_once_and_the_second_takes_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(manifest("x", 1))
    (tmp_path / "b.yaml").write_text(manifest("x", 2))
    async with reading(tmp_path) as reader:
        await reader.until(x=1)
        await reader.until_fault(f"Sensor default/x stands in {tmp_path}/a.yaml as well")
        (tmp_path / "a.yaml").unlink()
        await reader.until(x=2)
        await reader.until_well()
    assert all(change.document is not None for change in reader.changes)


async def test_an_object_that_moves_to_another_file_is_no_change(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(manifest("x"))
    async with reading(tmp_path) as reader:
        await reader.until(x=1)
        (tmp_path / "a.yaml").rename(tmp_path / "b.yaml")
        (tmp_path / "c.yaml").write_text(manifest("z"))
        await reader.until(x=1, z=1)
        await asyncio.sleep(0.3)
        assert not reader.origin.faults
    assert [change.name for change in reader.changes] == ["x", "z"]


async def test_the_namespace_is_the_objects_own_or_the_setting(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(manifest("a"))
    (tmp_path / "b.yaml").write_text(manifest("b").replace("  name: b", "  name: b\n  namespace: own"))
    (tmp_path / "c.yaml").write_text(manifest("c", kind="ClusterWorkflowTemplate"))
    async with reading(tmp_path, namespace="tools") as reader:
        await synced(reader)
    assert {change.name: change.namespace for change in reader.changes} == {"a": "tools", "b": "own", "c": ""}


async def test_what_others_need_comes_first_and_goes_last(tmp_path: Path) -> None:
    kinds = ("Sensor", "EventSource", "WorkflowTemplate", "Namespace", "EventBus")
    (tmp_path / "a.yaml").write_text("---\n".join(manifest(kind.lower(), kind=kind) for kind in kinds))
    async with reading(tmp_path) as reader:
        await synced(reader)
        (tmp_path / "a.yaml").unlink()
        await reader.until()
    order = ["Namespace", "WorkflowTemplate", "EventBus", "EventSource", "Sensor"]
    assert [change.kind for change in reader.changes] == [*order, *reversed(order)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("metadata: {name: a}\n", ":1: kind: is missing"),
        ("kind: Sensor\n", "metadata.name: is missing"),
        ("kind: Sensor\nmetadata: {name: a, namespace: 1}\n", "metadata.namespace: must be a string"),
        (manifest("a") + "---\n" + manifest("a"), ":7: Sensor default/a stands twice"),
    ],
)
async def test_an_object_without_an_identity_is_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    async with reading(tmp_path) as reader:
        await reader.until_fault(says)


async def test_a_lost_event_is_made_up_for_by_looking_again(tmp_path: Path) -> None:
    async with reading(tmp_path, polling=True, interval=0.1) as reader:
        await synced(reader)
        (tmp_path / "a.yaml").write_text(manifest("a"))
        await reader.until(a=1)


async def test_cases_beside_manifests_are_none_and_no_fault(tmp_path: Path) -> None:
    # given
    (tmp_path / "one.yaml").write_text(manifest("one"))
    (tmp_path / "cases" / "push").mkdir(parents=True)
    (tmp_path / "cases" / "tick.case.yaml").write_text("steps: []\n")
    (tmp_path / "cases" / "push" / "case.yaml").write_text("steps: []\n")
    (tmp_path / "cases" / "push" / "event.json").write_text("[]")
    # when
    async with reading(tmp_path) as reader:
        await reader.origin.synced.wait()
        # then
        assert reader.present == {"one": 1}
        assert dict(reader.origin.faults) == {}
