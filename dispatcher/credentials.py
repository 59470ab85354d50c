"""What identifies us to a server that a trigger calls: texts of Secrets, an `Authorization` header, certificates.

They are read when the request is made, never before, so that one that was changed counts at once and a dry run has none.
"""

from __future__ import annotations

import base64

from tiphys.clients.http import TlsMaterial
from tiphys.schema.secret import SecretRef, Secrets
from tiphys.schema.tls import TLSConfig

__all__ = ["basic", "credential", "tls_material"]


async def credential(secrets: Secrets, namespace: str, ref: SecretRef | None) -> bytes:
    """The Secret's value without one line break at its end; empty where no Secret is named. Raises `SecretError`."""
    return b"" if ref is None else (await secrets.secret(namespace, ref)).removesuffix(b"\n")


def basic(user: bytes, password: bytes) -> str:
    """The value of an `Authorization` header (RFC 7617)."""
    return f"Basic {base64.b64encode(user + b':' + password).decode()}"


async def tls_material(secrets: Secrets, namespace: str, tls: TLSConfig | None) -> TlsMaterial | None:
    """What a `tls` of a manifest asks for; `None` without one. Raises `SecretError`."""
    if tls is None:
        return None
    if tls.insecure_skip_verify:
        return TlsMaterial(verify=False)
    authorities = await credential(secrets, namespace, tls.ca_cert_secret)
    certificate = await credential(secrets, namespace, tls.client_cert_secret)
    return TlsMaterial(authorities, certificate, await credential(secrets, namespace, tls.client_key_secret))
