"""A trigger as the queue runs it: everything that can be compiled is compiled when the manifest loads.

A template without parameters of its own gives one `Trigger` for all firings. One with template-level parameters is kept as JSON text; each
firing sets its values in it, and the result is read through the same models as a manifest (a value of the wrong type is an error of the
attempt, as in argo-events). The last one is kept, since most events set the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from pydantic import ValidationError

from dispatcher.gates import Gate
from dispatcher.manifest import TriggerSpec, chosen_type
from dispatcher.naming import lane_label
from dispatcher.ordering import StrictOrder
from dispatcher.parameters import apply
from dispatcher.policy import confirm
from dispatcher.rates import RateGate
from dispatcher.retry import RetryPolicy
from dispatcher.trigger import Request, Services, Trigger, Work
from tiphys.bus.event import Event
from tiphys.bus.firing import Firing, Target, TriggerKey
from tiphys.bus.identity import firing_id
from tiphys.errors import LanguageError, TriggerError
from tiphys.schema.limits import ordered
from tiphys.schema.model import Model, field_errors

__all__ = ["TriggerProgram", "render", "retry_policy"]


class TriggerProgram:
    """One compiled trigger.

    `key` names it in the ledger, `name` is its template's (that of a `dlqTrigger` differs from its key's), `server` the server whose pace
    it shares (empty: none), `dlq` the program of its `dlqTrigger`, `waits_for` its `policy.k8s`. `refuses` says that it is to be asked
    about each firing before there is one: by `refusal`, and `instead` (a `Check` of the Matcher's).
    """

    def __init__(self, key: TriggerKey, spec: TriggerSpec, services: Services, *, impersonate: str | None = None) -> None:
        """`spec` has passed `dispatcher.manifest.check`; `impersonate` is the Sensor's account where impersonation is switched on."""
        self.key = key
        self.name = spec.template.name
        self.policy = retry_policy(spec)
        self.services = services
        self.dlq = TriggerProgram(key, spec.dlq_trigger, services, impersonate=impersonate) if spec.dlq_trigger else None
        self._impersonate = impersonate
        self._model = type(spec.template)
        self._parameters = spec.parameters
        kind, settings = chosen_type(spec.template)
        self.server = kind.server
        self.refuses = kind.refuses
        self.waits_for = spec.policy.k8s if spec.policy is not None and kind.makes_objects else None
        self.rate_limit = spec.rate_limit
        self.suspended = spec.on_resume if spec.suspend else None
        self.order, self.concurrency = ordered(spec.order), spec.concurrency
        self._allows = spec.policy
        self._waits_again = spec.retry_strategy is not None
        self._trigger = self._new(kind, settings)
        self._template = orjson.dumps(spec.template.model_dump(by_alias=True, exclude_unset=True)) if spec.parameters else b""
        self._current = self._template

    def of(self, firing: Firing) -> TriggerProgram:
        """The program that carries a firing out: this one, or that of its dead letters. Raises `TriggerError` if that is gone."""
        if not firing.dlq:
            return self
        if self.dlq is None:
            raise TriggerError("NoDlqTrigger", f"trigger {self.name} has no dlqTrigger any more")
        return self.dlq

    def trigger(self, events: Mapping[str, Event], warnings: list[str] | None = None) -> Trigger[Any]:
        """The trigger for these events. Raises `TriggerError` or `LanguageError` where template-level parameters cannot be set;
        `warnings` as in `dispatcher.parameters.apply`."""
        if not self._parameters:
            return self._trigger
        text = apply(self._parameters, self._template, events, warnings)
        if text != self._current:
            self._trigger, self._current = self._built(text, events), text
        return self._trigger

    def _built(self, text: bytes, events: Mapping[str, Event]) -> Trigger[Any]:
        try:
            template = self._model.model_validate(orjson.loads(text))
        except orjson.JSONDecodeError as error:
            raise TriggerError("InvalidTemplate", f"the template is no JSON after its parameters were set ({error})") from error
        except ValidationError as error:
            faults = "; ".join(map(str, field_errors(error, "template")))
            raise TriggerError("InvalidTemplate", f"after its parameters were set: {faults}") from error
        kind, settings = chosen_type(template)
        faults = "; ".join(map(str, kind.check(settings, frozenset(events))))
        if faults:
            raise TriggerError("InvalidTemplate", f"after its parameters were set: {faults}")
        return self._new(kind, settings)

    def _new(self, kind: type[Trigger[Any]], settings: Model) -> Trigger[Any]:
        made = kind(settings, self.key.namespace, self.services, impersonate=self._impersonate)
        made.policy = self._allows
        return made

    async def confirm(self, made: Target) -> None:
        """Wait for what `policy.k8s` asks of the object. Raises `TriggerError` `PolicyNotMet`."""
        if self.waits_for is not None:
            await confirm(self.services.kube, self.waits_for, made, transient=self._waits_again)

    @property
    def account(self) -> str | None:
        """Whom it acts as, `None` for our own account."""
        return self._impersonate

    def lane_label(self, firing: Firing) -> str:
        """The label that the Workflow of a firing bears, so that it is counted; empty without `concurrency`."""
        if self.concurrency is None or firing.dlq:
            return ""
        return lane_label(self.key, firing.lane if self.concurrency.key is not None else "")

    def gates(self) -> list[Gate]:
        """New gates for the limits of its manifest."""
        gates: list[Gate] = []
        if self.rate_limit is not None:
            gates.append(RateGate(self.rate_limit))
        if self.order == "strict":
            gates.append(StrictOrder())
        return gates

    def refusal(self, events: Mapping[str, Event]) -> TriggerError | LanguageError | None:
        """Why a firing with these events would be refused, as far as can be said at once, without I/O; for the Matcher's verdict."""
        try:
            return self.trigger(events).refusal(events)
        except (TriggerError, LanguageError) as error:
            return error

    def instead(self, firing: Firing) -> tuple[Firing, ...]:
        """What is done for a firing that is refused or given up: that of the `dlqTrigger`, if there is one (which has none itself)."""
        if self.dlq is None:
            return ()
        ids = {name: seen.id for name, seen in firing.events.items()}
        number = firing_id(*firing.key, ids, replay=firing.replay, dlq=True, document=firing.document)
        return (replace(firing, id=number, dlq=True, parent=firing.id),)


async def render(program: TriggerProgram, events: Mapping[str, Event], firing: Firing) -> Request:
    """A dry run: what the firing would do, with its preview; needs no ledger. Raises `TriggerError`, `LanguageError`, `ClientError`."""
    chosen = program.of(firing)
    warnings: list[str] = []
    request = await chosen.trigger(events, warnings).render(
        Work(firing, events, trigger=chosen.name, lane=chosen.lane_label(firing))
    )
    return replace(request, warnings=(*warnings, *request.warnings))


def retry_policy(spec: TriggerSpec) -> RetryPolicy:
    """How an entry of `triggers` wants its failures treated (the table in `dispatcher.retry`)."""
    on_unknown = spec.on_unknown or ("dead" if spec.at_least_once is False else "retry")
    if spec.retry_strategy is None:
        return RetryPolicy(on_unknown=on_unknown, on_conflict=spec.on_conflict)
    written = spec.retry_strategy
    return RetryPolicy(steps=written.attempts, delays=written, on_unknown=on_unknown, on_conflict=spec.on_conflict)
