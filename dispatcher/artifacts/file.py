"""`source.file`: the objects stand in a file of the machine that the service runs on, below a folder that its settings name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from dispatcher.artifact import LARGEST, Artifact, objects_of, register_artifact
from dispatcher.fetching import failure, fetching
from dispatcher.trigger import Services
from tiphys.clients import files
from tiphys.errors import ClientError, FieldError
from tiphys.schema.model import Model

__all__ = ["File", "FileArtifact"]


class FileArtifact(Model):
    """The absolute `path` of a file (reference 6.7)."""

    path: str = ""


@register_artifact
class File(Artifact):
    """The objects in a file."""

    key: ClassVar[str] = "file"
    value_type: ClassVar[Any] = FileArtifact

    @classmethod
    def check(cls, value: FileArtifact) -> list[FieldError]:
        """A path that is none."""
        if value.path.startswith("/"):
            return []
        return [FieldError("path", "must be the absolute path of a file", "write it like /config/workflow.yaml", repr(value.path))]

    @classmethod
    async def read(cls, value: FileArtifact, namespace: str, services: Services, since: float) -> Sequence[bytes]:
        """The objects as JSON texts."""
        where = f"source.file {value.path}"

        async def fetch() -> Sequence[bytes]:
            try:
                text = await files.read_file(value.path, LARGEST)
            except ClientError as error:
                raise failure("source.file", error) from error
            return await objects_of(text, where)

        return await fetching().get((cls.key, value.path), since, fetch)
