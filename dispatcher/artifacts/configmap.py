"""`source.configmap`: the object stands as YAML or JSON text in a ConfigMap of the Sensor's namespace, and is read for each firing."""

from __future__ import annotations

from typing import Any, ClassVar

from dispatcher.artifact import Artifact, one_object, register_artifact
from dispatcher.trigger import Services
from tiphys.errors import FieldError, TriggerError
from tiphys.schema.secret import ConfigMapRef

__all__ = ["ConfigMap"]


@register_artifact
class ConfigMap(Artifact):
    """The object below one key of a ConfigMap."""

    key: ClassVar[str] = "configmap"
    value_type: ClassVar[Any] = ConfigMapRef

    @classmethod
    def check(cls, value: ConfigMapRef) -> list[FieldError]:
        """A reference that names no ConfigMap or no key."""
        return [
            FieldError(field, "is empty", f"give the ConfigMap's {field}") for field in ("name", "key") if not getattr(value, field)
        ]

    @classmethod
    async def read(cls, value: ConfigMapRef, namespace: str, services: Services) -> bytes:
        """The object as JSON text. Raises `SecretError` while the ConfigMap or its key is not there."""
        where = f"source.configmap: {value.key} of ConfigMap {value.name}"
        try:
            text = (await services.secrets.configmap(namespace, value)).decode()
        except UnicodeDecodeError as error:
            raise TriggerError("InvalidObject", f"{where} is no text: {error}", transient=True) from error
        return one_object(text, where)
