"""Files that a manifest names: those below the folders of the settings, wherever a path really leads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiphys.clients import files
from tiphys.errors import ClientError, Refused


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "a.yaml").write_text("kind: A")
    (tmp_path / "secret").write_text("t0ps3cret")
    files.use([folder])
    yield folder
    files.use([])


async def test_a_file_below_a_folder_of_the_settings_is_read(root: Path) -> None:
    assert await files.read_file(f"{root}/a.yaml", 7) == b"kind: A"
    (root / "link").symlink_to("a.yaml")
    assert await files.read_file(f"{root}/link", 7) == b"kind: A"


async def test_without_a_folder_of_the_settings_nothing_is_read(root: Path) -> None:
    files.use([])

    with pytest.raises(Refused, match=r"of no folder.*file-sources"):
        await files.read_file(f"{root}/a.yaml", 7)


async def test_a_path_that_leads_out_is_refused(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "secret")
    (root / "folder").symlink_to(root.parent)
    (root.parent / "config-of-another").mkdir()
    (root.parent / "config-of-another" / "x").write_text("x")

    for path in (
        f"{root}/../secret", f"{root}/link", f"{root}/folder/secret", f"{root}-of-another/x", "config/a.yaml", f"{root}/a\0", "/dev/null"
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            await files.read_file(path, 100)
        assert (refused.value.status, refused.value.reason) == (400, "Place")


async def test_what_is_no_file_is_refused_at_once(root: Path) -> None:
    os.mkfifo(root / "pipe")

    with pytest.raises(Refused, match="no file"):
        await files.read_file(f"{root}/pipe", 100)
    with pytest.raises((Refused, ClientError), match=r"no file|directory"):
        await files.read_file(str(root), 100)
    with pytest.raises(Refused, match="404"):
        await files.read_file(f"{root}/nope", 100)


async def test_a_file_over_the_limit_is_refused(root: Path) -> None:
    with pytest.raises(Refused, match="larger than 6 bytes") as refused:
        await files.read_file(f"{root}/a.yaml", 6)
    assert refused.value.status == 413
