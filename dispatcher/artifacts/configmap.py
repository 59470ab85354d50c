"""`source.configmap`: the objects stand as YAML or JSON text in a ConfigMap of the Sensor's namespace, and are read for each firing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from dispatcher.artifact import Artifact, objects_of, register_artifact
from dispatcher.trigger import Services
from tiphys.errors import FaultKind, FieldError
from tiphys.schema.secret import ConfigMapRef

__all__ = ["ConfigMap"]


@register_artifact
class ConfigMap(Artifact):
    """The objects below one key of a ConfigMap."""

    key: ClassVar[str] = "configmap"
    value_type: ClassVar[Any] = ConfigMapRef

    @classmethod
    def check(cls, value: ConfigMapRef) -> list[FieldError]:
        """A reference that names no ConfigMap or no key."""
        return [
            FieldError(field, "is empty", f"give the ConfigMap's {field}", kind=FaultKind.MISSING)
            for field in ("name", "key")
            if not getattr(value, field)
        ]

    @classmethod
    async def read(cls, value: ConfigMapRef, namespace: str, services: Services, since: float) -> Sequence[bytes]:
        """The objects as JSON texts. Raises `SecretError` while the ConfigMap or its key is not there."""
        text = await services.secrets.configmap(namespace, value)
        return await objects_of(text, f"source.configmap: {value.key} of ConfigMap {value.name}")
