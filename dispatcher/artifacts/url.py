"""`source.url`: the objects stand at a URL (reference 6.7).

argo-events skips the verification of certificates unless `verifyCert` is true; here it is skipped where it is false. Where requests may go
is the service's to say, as for `http` triggers, redirects included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from dispatcher.artifact import LARGEST, Artifact, objects_of, register_artifact
from dispatcher.fetching import SECONDS, Same, failure, fetching
from dispatcher.trigger import Notice, Services
from tiphys.clients.http import HttpRequest, TlsMaterial, destination, flaw_in_url
from tiphys.errors import ClientError, FaultKind, FieldError, Refused, TriggerError
from tiphys.schema.model import Model

__all__ = ["Url", "UrlArtifact"]


class UrlArtifact(Model):
    """`path` is the URL. `verifyCert: false` trusts any certificate."""

    path: str = ""
    verify_cert: bool = True


@register_artifact
class Url(Artifact):
    """The objects that a GET is answered with."""

    key: ClassVar[str] = "url"
    value_type: ClassVar[Any] = UrlArtifact

    @classmethod
    def check(cls, value: UrlArtifact) -> list[FieldError]:
        """What is no URL."""
        flaw = flaw_in_url(value.path)
        return [FieldError("path", flaw, "write it like https://host/workflow.yaml", repr(value.path))] if flaw else []

    @classmethod
    def notices(cls, value: UrlArtifact) -> list[Notice]:
        """What anybody on the way can replace by another object."""
        if value.path.startswith("http://"):
            return [
                Notice("path", "is not encrypted: whoever is on the way can replace the object; use https", FaultKind.UNPROTECTED)
            ]
        if not value.verify_cert:
            return [Notice("verifyCert", "is false: whoever is on the way can replace the object", FaultKind.UNPROTECTED)]
        return []

    @classmethod
    async def read(cls, value: UrlArtifact, namespace: str, services: Services, since: float) -> Sequence[bytes]:
        """The objects as JSON texts."""
        client = services.http
        if client is None:
            raise TriggerError("NoHttp", "source.url cannot be fetched here", transient=True)
        if flaw := flaw_in_url(value.path):
            raise TriggerError("InvalidUrl", f"source.url.path {flaw}")

        async def fetch() -> Sequence[bytes]:
            tls = None if value.verify_cert else TlsMaterial(verify=False)
            target = destination("GET", value.path)
            try:
                answer = await client.send(HttpRequest("GET", value.path, timeout=SECONDS, tls=tls, answer=LARGEST))
                if answer.status != 200:
                    raise Refused(target, answer.status, "", "only an answer with the status 200 has the object")
                if not answer.complete:
                    raise Refused(target, 413, "TooLarge", f"the answer is larger than {LARGEST:,} bytes")
            except ClientError as error:
                raise failure("source.url", error) from error
            return await objects_of(answer.body, f"source.url: {target}")

        return await fetching().get((cls.key, Same(client), value.path, value.verify_cert), since, fetch)
