"""Metrics: ours, and argo-events' names beside them so that dashboards survive the move (reference 10.1).

Children are looked up once per label set and kept; a counter on the hot path is one dictionary look-up and one addition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from sensors.program import SensorProgram
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Decision, Loss, StoreHealth

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]


class Metrics:
    """One registry for one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        source = ("eventsource_name", "event_name", "namespace")
        action = ("sensor_name", "trigger_name", "namespace")
        add = self.registry
        self._sent = Counter("argo_events_events_sent", "Events that the log has.", source, registry=add)
        self._sent_failed = Counter("argo_events_events_sent_failed", "Events that the log refused.", source, registry=add)
        self._processing_failed = Counter(
            "argo_events_events_processing_failed", "Inputs that became no event.", source, registry=add
        )
        self._triggered = Counter("argo_events_action_triggered", "Attempts that succeeded.", action, registry=add)
        self._failed = Counter("argo_events_action_failed", "Attempts that failed.", action, registry=add)
        self._dead = Counter("argo_events_action_retries_failed", "Firings that became dead letters.", action, registry=add)
        self._unacted = Counter(
            "tiphys_firings_unacted",
            "Firings that ended without having been carried out: Skipped, Replaced, Suspended.",
            (*action, "reason"),
            registry=add,
        )
        self._duration = Summary("argo_events_action_duration_milliseconds", "Time of an attempt.", action, registry=add)
        self._verdicts = Counter("tiphys_verdicts", "Decisions by outcome.", ("namespace", "outcome"), registry=add)
        self._refusals = Counter(
            "tiphys_firings_refused", "Firings that were refused when they were decided.", (*action, "reason"), registry=add
        )
        self._lost = Counter(
            "tiphys_held_events_lost", "Events that were held and went without a firing.", (*action, "reason"), registry=add
        )
        self._held = Gauge("tiphys_events_held", "Events that a trigger holds; absent: none.", action, registry=add)
        self._deferred = Gauge(
            "tiphys_events_deferred", "Events that a trigger is still to decide; absent: none.", action, registry=add
        )
        self._answers = Counter(
            "tiphys_http_answers", "Answers of the ingress by reason.", ("eventsource", "event", "reason"), registry=add
        )
        self._filtered = Counter(
            "tiphys_events_filtered",
            "Events that an EventSource's filter kept back: discarded, or failed to be evaluated.",
            (*source, "outcome"),
            registry=add,
        )
        self.writable = Gauge("tiphys_store_writable", "1 while the store takes writes.", registry=add)
        self.stored = Gauge("tiphys_store_events", "Events in the log.", registry=add)
        self.bytes = Gauge("tiphys_store_bytes", "Size of the store.", registry=add)
        self.damaged = Gauge("tiphys_store_damaged", "Damaged records that were set aside.", registry=add)
        self.lag = Gauge("tiphys_loop_lag_seconds", "How late the event loop ran its last heartbeat.", registry=add)
        self.manifests = Gauge("tiphys_manifests", "Manifests by kind and state.", ("kind", "state"), registry=add)
        self._source_child = cache(self._sent.labels)
        self._source_failed_child = cache(self._sent_failed.labels)
        self._verdict_child = cache(self._verdicts.labels)
        self._answer_child = cache(self._answers.labels)
        self._filtered_child = cache(self._filtered.labels)

    def published(self, event: Event) -> None:
        """The log has an event."""
        self._source_child(event.source, event.subject, event.namespace).inc()

    def refused(self, event: Event) -> None:
        """The log refused an event."""
        self._source_failed_child(event.source, event.subject, event.namespace).inc()

    def answered(self, source: str, event: str, reason: str) -> None:
        """The ingress answered; anything but a publish or a ping is an input that became no event."""
        self._answer_child(source, event, reason).inc()

    def filtered(self, source: str, event: str, namespace: str, outcome: str) -> None:
        """A filter kept an event back; `outcome` is `discarded` or `failed`."""
        self._filtered_child(source, event, namespace, outcome).inc()

    def decided(self, event: Event, decision: Decision) -> None:
        """A decision is durable."""
        for verdict in decision.verdicts:
            self._verdict_child(event.namespace, verdict.kind.name.lower()).inc()
        self.lost(decision.losses)
        for refusal in decision.refusals:
            key = refusal.trigger
            self._refusals.labels(key.sensor, key.trigger, key.namespace, refusal.reason).inc()

    def lost(self, losses: Sequence[Loss]) -> None:
        """Held events went without a firing."""
        for loss in losses:
            key = loss.trigger
            self._lost.labels(key.sensor, key.trigger, key.namespace, loss.reason).inc()

    def waiting(self, counts: Mapping[TriggerKey, tuple[int, int]]) -> None:
        """How many events each trigger holds, and has still to decide. Called when somebody asks for the metrics."""
        for number, gauge in enumerate((self._held, self._deferred)):
            gauge.clear()
            for key, both in counts.items():
                if both[number]:
                    gauge.labels(key.sensor, key.trigger, key.namespace).set(both[number])

    def acted(self, key: TriggerKey, seconds: float, *, succeeded: bool, dead: bool) -> None:
        """An attempt ended."""
        labels = (key.sensor, key.trigger, key.namespace)
        (self._triggered if succeeded else self._failed).labels(*labels).inc()
        if dead:
            self._dead.labels(*labels).inc()
        self._duration.labels(*labels).observe(seconds * 1000)

    def unacted(self, key: TriggerKey, reason: str) -> None:
        """A firing ended without having been carried out, for a limit of its trigger."""
        self._unacted.labels(key.sensor, key.trigger, key.namespace, reason).inc()

    def expect_sensor(self, sensor: SensorProgram) -> None:
        """Counters of a sensor start at 0, so that a rate has a beginning."""
        for trigger in sensor.triggers:
            for counter in (self._triggered, self._failed, self._dead):
                counter.labels(trigger.key.sensor, trigger.key.trigger, trigger.key.namespace)

    def store(self, health: StoreHealth) -> None:
        """What the store says of itself."""
        self.writable.set(health.writable)
        self.stored.set(health.events)
        self.bytes.set(health.bytes)
        self.damaged.set(health.damaged)

    def exposition(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)
