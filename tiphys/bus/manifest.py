"""The `EventBus` manifest (reference 2.1, 2.2, 8.2): which bus its EventSources and Sensors share, by `eventBusName`.

Here the bus is the service's own log, or one that the service is told to join; an `EventBus` is a name. What it says of servers that
argo-events would run or connect to is read and checked as argo-events does, so that the same manifest is valid on both sides, and its
owner is told what serves in their place. What argo-events accepts and then cannot use (a `tls` block that says nothing, a `streamConfig`
that is no YAML) is a notice: nothing here depends on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema, field_validator, model_validator

from tiphys.errors import FaultKind, FieldError, shorten
from tiphys.schema.loader import load_documents
from tiphys.schema.model import Model, UnknownField, field_errors, problem, unknown_fields
from tiphys.schema.secret import SecretRef

__all__ = ["EventBus", "EventBusSpec", "Examined", "examine"]

_QUANTITY: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
_MECHANISMS: Final = ("PLAIN", "OAUTHBEARER", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI")
_PARTITIONERS: Final = ("random", "hash", "roundrobin", "manual")
_STREAM_KEYS: Final = frozenset(("maxmsgs", "maxage", "maxbytes", "replicas", "duplicates", "retention", "discard"))
_TITLES: Final = {
    "nats": "NATS Streaming",
    "jetstream": "NATS JetStream",
    "kafka": "Kafka",
    "jetstreamExotic": "an existing NATS JetStream",
}
"""In the order in which argo-events' runtime picks one of several; `jetstreamExotic` is resolved into `jetstream`."""


def _quantity(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and (not value or not _QUANTITY.fullmatch(value)):
        raise problem("is no quantity", "write it as 10Gi")
    return value


Quantity = Annotated[str, BeforeValidator(_quantity), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]})]
"""An amount in Kubernetes' words (`10Gi`, `500M`, `1e9`), as text or as a number."""


class ContainerTemplate(Model):
    """How argo-events shapes a container of its bus; without effect here."""

    resources: dict[str, Any] | None = None
    image_pull_policy: str = ""
    security_context: dict[str, Any] | None = None


class PersistenceStrategy(Model):
    """The volume of argo-events' bus; without effect here."""

    storage_class_name: str | None = None
    access_mode: str | None = None
    volume_size: Quantity | None = None


class Labelling(Model):
    """Labels and annotations of argo-events' pods; without effect here."""

    annotations: dict[str, str] | None = None
    labels: dict[str, str] | None = None


class Pods(Model):
    """What shapes the pods of a bus that argo-events runs; without effect here."""

    container_template: ContainerTemplate | None = None
    metrics_container_template: ContainerTemplate | None = None
    persistence: PersistenceStrategy | None = None
    metadata: Labelling | None = None
    node_selector: dict[str, str] | None = None
    tolerations: list[dict[str, Any]] | None = None
    security_context: dict[str, Any] | None = None
    image_pull_secrets: list[dict[str, Any]] | None = None
    priority_class_name: str = ""
    priority: int | None = None
    affinity: dict[str, Any] | None = None
    service_account_name: str = ""


class NativeStrategy(Pods):
    """`nats.native`: NATS Streaming that argo-events runs. `auth` is `none` or `token`."""

    replicas: int = 0
    auth: str | None = None
    max_age: str | None = None
    max_msgs: int | None = Field(default=None, ge=0)
    max_bytes: str | None = None
    max_subs: int | None = Field(default=None, ge=0)
    max_payload: str | None = None
    raft_heartbeat_timeout: str | None = None
    raft_election_timeout: str | None = None
    raft_lease_timeout: str | None = None
    raft_commit_timeout: str | None = None


class NATSConfig(Model):
    """`nats.exotic`: a NATS Streaming that exists. `url` and `clusterID` are needed; `auth` is `none` or `token`."""

    url: str = ""
    cluster_id: str | None = Field(default=None, alias="clusterID")
    auth: str | None = None
    access_secret: SecretRef | None = None

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if self.cluster_id is None:
            raise problem("has no clusterID", "write the id of the cluster", FaultKind.MISSING)
        if not self.url:
            raise problem("has no url", "write where the servers are: nats://host:4222", FaultKind.MISSING)
        return self


class NATSBus(Model):
    """NATS Streaming: `native`, or `exotic` for one that exists."""

    native: NativeStrategy | None = None
    exotic: NATSConfig | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.native is None) == (self.exotic is None):
            raise problem("needs one of native and exotic, and not both", "write native: {} for a bus that argo-events runs")
        return self


class JetStreamBus(Pods):
    """`jetstream`: NATS JetStream that argo-events runs. `version` is needed; `replicas` is 1, or 3 and more."""

    version: str = ""
    replicas: int | None = None
    reloader_container_template: ContainerTemplate | None = None
    settings: str | None = None
    start_args: list[str] | None = None
    stream_config: str | None = None
    max_payload: str | None = None

    @field_validator("replicas")
    @classmethod
    def _can_agree(cls, value: int | None) -> int | None:
        if value is not None and (value <= 0 or value == 2):
            raise problem("must be 1, or 3 and more", "write 3")
        return value

    @model_validator(mode="after")
    def _has_a_version(self) -> Self:
        if not self.version:
            raise problem("has no version", "write one that argo-events' controller has, or latest", FaultKind.MISSING)
        return self


class BusTLS(Model):
    """TLS towards a bus (reference 2.2, `TLSConfig`); read, and not used here."""

    ca_cert_secret: SecretRef | None = None
    client_cert_secret: SecretRef | None = None
    client_key_secret: SecretRef | None = None
    insecure_skip_verify: bool = False
    enabled: bool = False

    @property
    def fault(self) -> str:
        """Why argo-events cannot connect with it; empty if it can."""
        if self.insecure_skip_verify:
            return ""
        if (self.client_cert_secret is None) != (self.client_key_secret is None):
            return "clientCertSecret and clientKeySecret must come together"
        if self.enabled or self.ca_cert_secret or self.client_cert_secret:
            return ""
        return "it says nothing: enabled, caCertSecret or insecureSkipVerify is needed"


class SASLConfig(Model):
    """SASL towards Kafka. `mechanism` is `PLAIN` (default), `OAUTHBEARER`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `GSSAPI`."""

    mechanism: str = ""
    user_secret: SecretRef | None = None
    password_secret: SecretRef | None = None


class KafkaConsumerGroup(Model):
    """The consumer group of argo-events' Sensors."""

    group_name: str = ""
    oldest: bool = False
    rebalance_strategy: str = ""


class JetStreamConfig(Model):
    """`jetstreamExotic`: a NATS JetStream that exists. `url` is needed; `streamConfig` is YAML."""

    url: str = ""
    access_secret: SecretRef | None = None
    stream_config: str = ""
    tls: BusTLS | None = None

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if not self.url:
            raise problem("has no url", "write where the servers are: nats://host:4222", FaultKind.MISSING)
        return self


class KafkaBus(Model):
    """`kafka`: a Kafka that exists. `url` is needed; `partitioner` is `random` (default), `hash`, `roundrobin` or `manual`."""

    url: str = ""
    topic: str = ""
    version: str = ""
    tls: BusTLS | None = None
    sasl: SASLConfig | None = None
    consumer_group: KafkaConsumerGroup | None = None
    partitioner: str = ""

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if not self.url:
            raise problem("has no url", "write where the brokers are: host:9092, several with commas between", FaultKind.MISSING)
        return self


class EventBusSpec(Model):
    """`spec` of an EventBus: one of `nats`, `jetstream`, `kafka` and `jetstreamExotic`. Of several, argo-events uses the first in this
    order."""

    nats: NATSBus | None = None
    jetstream: JetStreamBus | None = None
    kafka: KafkaBus | None = None
    jetstream_exotic: JetStreamConfig | None = None

    @model_validator(mode="after")
    def _says_of_a_bus(self) -> Self:
        if not self.kinds:
            raise problem("says of no bus", "set one of nats, jetstream, jetstreamExotic and kafka", FaultKind.MISSING)
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of bus that are written, as their keys; the first is the one that argo-events uses."""
        written = {"nats": self.nats, "jetstream": self.jetstream, "kafka": self.kafka, "jetstreamExotic": self.jetstream_exotic}
        return tuple(key for key in _TITLES if written[key] is not None)


@dataclass(frozen=True, slots=True)
class EventBus:
    """An accepted EventBus: the `name` that EventSources and Sensors of its namespace share a bus by."""

    namespace: str
    name: str
    spec: EventBusSpec

    @property
    def asks_for(self) -> str:
        """The servers that it names, for people."""
        kind = self.spec.kinds[0]
        exists = kind == "nats" and self.spec.nats is not None and self.spec.nats.exotic is not None
        return f"an existing {_TITLES[kind]}" if exists or kind == "kafka" else _TITLES[kind]


@dataclass(frozen=True, slots=True)
class Examined:
    """An EventBus with all there is to say about it: faults (then `manifest` is `None`), fields that nobody knows, and what argo-events
    would fail at or pass over."""

    manifest: EventBus | None
    errors: tuple[FieldError, ...] = ()
    unknown: tuple[UnknownField, ...] = ()
    notices: tuple[FieldError, ...] = ()


def examine(manifest: Mapping[str, Any], namespace: str = "default") -> Examined:
    """Read an object of kind EventBus; `namespace` is for one that names none. Raises nothing."""
    metadata = manifest.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    name, space = metadata.get("name"), metadata.get("namespace")
    faults = []
    if not isinstance(name, str) or not name:
        faults.append(FieldError("metadata.name", "is missing", "give the object a name", kind=FaultKind.MISSING))
    raw = manifest.get("spec")
    raw = {} if raw is None else raw
    if not isinstance(raw, Mapping):
        remedy = "write 'key: value' lines below it"
        fault = FieldError("spec", "must be a map", remedy, shorten(raw), kind=FaultKind.WRONG_TYPE)
        return Examined(None, (*faults, fault))
    unknown = tuple(unknown_fields(EventBusSpec, raw, "spec"))
    try:
        spec = EventBusSpec.model_validate(raw)
    except ValidationError as error:
        return Examined(None, (*faults, *field_errors(error, "spec")), unknown)
    bus = EventBus(space if isinstance(space, str) and space else namespace, str(name), spec)
    return Examined(None if faults else bus, tuple(faults), unknown, tuple(_notices(spec)))


def _notices(spec: EventBusSpec) -> Iterator[FieldError]:
    """What argo-events accepts, and then cannot use or does not do."""
    used, *others = spec.kinds
    for key in others:
        yield _unusable(f"spec.{key}", f"is ignored by argo-events, which takes {used}", "keep one of them")
    if spec.jetstream is not None and spec.jetstream.stream_config:
        yield from _stream("spec.jetstream.streamConfig", spec.jetstream.stream_config)
    if (exotic := spec.jetstream_exotic) is not None:
        if exotic.stream_config:
            yield from _stream("spec.jetstreamExotic.streamConfig", exotic.stream_config)
        yield from _tls("spec.jetstreamExotic.tls", exotic.tls)
    if (kafka := spec.kafka) is not None:
        yield from _tls("spec.kafka.tls", kafka.tls)
        yield from _kafka(kafka)


def _kafka(kafka: KafkaBus) -> Iterator[FieldError]:
    if kafka.sasl is not None:
        if kafka.sasl.user_secret is None or kafka.sasl.password_secret is None:
            yield _unusable("spec.kafka.sasl", "cannot be used by argo-events without a user and a password", "name both secrets")
        if kafka.sasl.mechanism not in ("", *_MECHANISMS):
            text = "is taken for PLAIN by argo-events"
            yield _unusable(
                "spec.kafka.sasl.mechanism", text, f"write one of {', '.join(_MECHANISMS)}", shorten(kafka.sasl.mechanism)
            )
    if kafka.partitioner not in ("", *_PARTITIONERS):
        text = "is taken for random by argo-events"
        yield _unusable("spec.kafka.partitioner", text, f"write one of {', '.join(_PARTITIONERS)}", shorten(kafka.partitioner))


def _tls(path: str, tls: BusTLS | None) -> Iterator[FieldError]:
    if tls is not None and tls.fault:
        yield _unusable(path, f"cannot be used by argo-events: {tls.fault}", "complete it, or take it out")


def _stream(path: str, text: str) -> Iterator[FieldError]:
    """`streamConfig` is YAML in a text; argo-events reads it when the stream is made."""
    loaded = load_documents(text)
    if not loaded.documents and not loaded.errors:
        return
    if loaded.errors:
        yield _unusable(path, "cannot be used by argo-events: it is no YAML map", "write 'key: value' lines below |")
        return
    settings = loaded.documents[0].object
    for key, value in settings.items():
        if str(key).lower() not in _STREAM_KEYS:
            yield _unusable(path, f"has {key}, which is ignored by argo-events", f"it knows {', '.join(sorted(_STREAM_KEYS))}")
        elif str(key).lower() in ("retention", "discard"):
            most = 2 if str(key).lower() == "retention" else 1
            if not isinstance(value, int | str) or not str(value).isdecimal() or int(value) > most:
                yield _unusable(path, f"cannot be used by argo-events: {key} is {value}", f"write a whole number from 0 to {most}")


def _unusable(path: str, text: str, remedy: str, shown: str = "") -> FieldError:
    return FieldError(path, text, remedy, shown, kind=FaultKind.UNUSABLE_BUS)
