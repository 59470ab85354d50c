"""Metrics of what sensors decide: verdicts, refusals, and what is held, lost and still to decide."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tiphys.app.metrics import Metrics
from tiphys.bus.event import Event
from tiphys.bus.firing import TriggerKey
from tiphys.bus.ledger import Decision, Loss, Refusal, Verdict, VerdictKind

KEY = TriggerKey("argo", "ci", "build")
LABELS = {"namespace": "argo", "sensor_name": "ci", "trigger_name": "build"}
EVENT = Event("e" * 32, "hooks", "webhook", "in", "argo")


def samples(metrics: Metrics, name: str) -> list[tuple[dict[str, str], float]]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return [(one.labels, one.value) for family in families for one in family.samples if one.name == name]


def test_a_refused_firing_counts_as_a_verdict_and_by_its_reason() -> None:
    metrics = Metrics()
    refusal = Refusal(KEY, "push", "ArgumentMissing", "no")
    metrics.decided(EVENT, Decision(EVENT.id, 1, (Verdict(1, 0, 0, VerdictKind.REFUSED),), refusals=(refusal,)))

    assert samples(metrics, "tiphys_verdicts_total") == [({"namespace": "argo", "outcome": "refused"}, 1.0)]
    assert samples(metrics, "tiphys_firings_refused_total") == [(LABELS | {"reason": "ArgumentMissing"}, 1.0)]


def test_what_was_held_and_lost_counts_whether_an_event_or_the_clock_did_it() -> None:
    metrics = Metrics()
    metrics.decided(EVENT, Decision(EVENT.id, 2, losses=(Loss(KEY, "push", 1, "late", 5.0),)))
    metrics.lost([Loss(KEY, "push", 1, "late", 5.0), Loss(KEY, "push", 1, "reset", 5.0)])

    assert samples(metrics, "tiphys_held_events_lost_total") == [
        (LABELS | {"reason": "late"}, 2.0),
        (LABELS | {"reason": "reset"}, 1.0),
    ]


def test_what_triggers_hold_and_have_still_to_decide_is_there_while_there_is_any() -> None:
    metrics = Metrics()
    metrics.waiting({KEY: (3, 0), KEY._replace(trigger="other"): (0, 2)})

    assert samples(metrics, "tiphys_events_held") == [(LABELS, 3.0)]
    assert samples(metrics, "tiphys_events_deferred") == [(LABELS | {"trigger_name": "other"}, 2.0)]
    metrics.waiting({})
    assert samples(metrics, "tiphys_events_held") == []


def test_what_a_limit_let_go_counts_by_trigger_and_reason() -> None:
    metrics = Metrics()
    for reason in ("Skipped", "Skipped", "Replaced"):
        metrics.unacted(KEY, reason)

    assert samples(metrics, "tiphys_firings_unacted_total") == [
        (LABELS | {"reason": "Skipped"}, 2.0),
        (LABELS | {"reason": "Replaced"}, 1.0),
    ]
