"""References to Secrets and ConfigMaps, and the contract of what resolves them."""

from __future__ import annotations

from typing import Protocol

from tiphys.schema.model import Model

__all__ = ["ConfigMapRef", "SecretRef", "Secrets"]


class SecretRef(Model):
    """A key of a Secret in the manifest's own namespace (Kubernetes `SecretKeySelector`)."""

    name: str = ""
    key: str
    optional: bool = False


class ConfigMapRef(Model):
    """A key of a ConfigMap in the manifest's own namespace (Kubernetes `ConfigMapKeySelector`)."""

    name: str = ""
    key: str
    optional: bool = False


class Secrets(Protocol):
    """Reads secrets and config maps, from memory where they were read before."""

    async def secret(self, namespace: str, ref: SecretRef) -> bytes:
        """The value, as stored. Raises `SecretError`."""

    async def configmap(self, namespace: str, ref: ConfigMapRef) -> bytes:
        """The value, as stored. Raises `SecretError`."""
