"""TLS of a connection that we make (reference 2.2, `TLSConfig`)."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from tiphys.schema.model import Model, problem
from tiphys.schema.secret import SecretRef

__all__ = ["TLSConfig"]


class TLSConfig(Model):
    """`caCertSecret` is trusted beside the system's authorities; `clientCertSecret` and `clientKeySecret` identify us and come together;
    `enabled` asks for TLS without any of them; `insecureSkipVerify` trusts everybody, and nothing else then counts."""

    ca_cert_secret: SecretRef | None = None
    client_cert_secret: SecretRef | None = None
    client_key_secret: SecretRef | None = None
    insecure_skip_verify: bool = False
    enabled: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.insecure_skip_verify:
            return self
        if not (self.enabled or self.ca_cert_secret or self.client_cert_secret or self.client_key_secret):
            raise problem("says nothing", "set enabled: true, or name caCertSecret, or clientCertSecret and clientKeySecret")
        if (self.client_cert_secret is None) != (self.client_key_secret is None):
            there, lacking = (
                ("clientCertSecret", "clientKeySecret") if self.client_cert_secret else ("clientKeySecret", "clientCertSecret")
            )
            raise problem(f"has {there} without {lacking}", f"name both, or take {there} away")
        return self
