"""`source.s3`: the objects stand in an object of a store that speaks S3 (reference 6.7), read with keys from Secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from dispatcher.artifact import LARGEST, Artifact, objects_of, register_artifact
from dispatcher.fetching import Same, failure, fetching
from dispatcher.trigger import Notice, Services
from tiphys.clients import s3
from tiphys.errors import ClientError, FaultKind, FieldError, TriggerError
from tiphys.schema.model import Model
from tiphys.schema.secret import SecretRef

__all__ = ["S3", "S3Artifact", "S3Bucket", "S3Filter"]


class S3Bucket(Model):
    """A bucket, and the key of an object in it."""

    name: str = ""
    key: str = ""


class S3Filter(Model):
    """Has no meaning here."""

    prefix: str = ""
    suffix: str = ""


class S3Artifact(Model):
    """`endpoint` is `host:port`; `insecure` is plain HTTP. `caCertificate` is an authority in PEM to trust (argo-events ignores it).
    `events`, `filter` and `metadata` belong to the event source of the same type and have no meaning here.
    """

    endpoint: str = ""
    bucket: S3Bucket = S3Bucket()
    region: str = ""
    insecure: bool = False
    access_key: SecretRef | None = None
    secret_key: SecretRef | None = None
    ca_certificate: SecretRef | None = None
    events: list[str] = Field(default_factory=list)
    filter: S3Filter | None = None
    metadata: dict[str, str] = Field(default_factory=dict)


@register_artifact
class S3(Artifact):
    """The objects in an object of a bucket."""

    key: ClassVar[str] = "s3"
    value_type: ClassVar[Any] = S3Artifact

    @classmethod
    def check(cls, value: S3Artifact) -> list[FieldError]:
        """What is missing, and an endpoint that is a URL."""
        faults = []
        if not value.endpoint or "/" in value.endpoint:
            text = "must be host:port, without http:// and without a path"
            faults.append(FieldError("endpoint", text, "write it like minio.argo:9000", repr(value.endpoint)))
        needed = {
            "bucket.name": value.bucket.name,
            "bucket.key": value.bucket.key,
            "accessKey": value.access_key,
            "secretKey": value.secret_key,
        }
        return faults + [FieldError(path, "is missing", f"add {path}") for path, one in needed.items() if not one]

    @classmethod
    def notices(cls, value: S3Artifact) -> list[Notice]:
        """Plain HTTP."""
        if value.insecure:
            return [Notice("insecure", "is plain HTTP: whoever is on the way can replace the object", FaultKind.UNPROTECTED)]
        return []

    @classmethod
    async def read(cls, value: S3Artifact, namespace: str, services: Services, since: float) -> Sequence[bytes]:
        """The objects as JSON texts."""
        access, secret, authority = value.access_key, value.secret_key, value.ca_certificate
        if access is None or secret is None or not value.endpoint or not value.bucket.name or not value.bucket.key:
            raise TriggerError("InvalidTemplate", "source.s3 needs endpoint, bucket.name, bucket.key, accessKey and secretKey")

        async def text_of(ref: SecretRef) -> str:
            return (await services.secrets.secret(namespace, ref)).decode(errors="replace").strip()

        async def keys() -> s3.Keys:
            return s3.Keys(await text_of(access), await text_of(secret))

        async def ca() -> bytes:
            return b"" if authority is None else await services.secrets.secret(namespace, authority)

        async def fetch() -> Sequence[bytes]:
            secure, trusted = not value.insecure, None if authority is None else ca
            try:
                async with s3.S3(value.endpoint, keys, secure=secure, region=value.region, ca=trusted) as store:
                    text = await store.read(value.bucket.name, value.bucket.key, LARGEST)
            except ClientError as error:
                raise failure("source.s3", error) from error
            return await objects_of(text, f"source.s3: {value.bucket.key} in the bucket {value.bucket.name}")

        return await fetching().get((cls.key, Same(services), namespace, value.model_dump_json()), since, fetch)
