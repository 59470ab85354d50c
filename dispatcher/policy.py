"""`policy` of a trigger: what has to be so for an execution to count as a success (reference 6.6).

`policy.k8s` waits until the object that was made or changed has all of its labels; `policy.status` lists the HTTP statuses that are good.
Waiting is repeated after a restart, since the object is found again by its name; it is never made again because of a policy.
"""

from __future__ import annotations

import asyncio
import random

from pydantic import Field, field_validator

from dispatcher.retry import POLICY_NOT_MET
from tiphys.bus.firing import Target
from tiphys.clients.kube import Kube
from tiphys.errors import ClientError, FaultKind, TriggerError
from tiphys.schema.backoff import Backoff
from tiphys.schema.model import Model, problem

__all__ = ["K8sPolicy", "Policy", "StatusPolicy", "confirm"]


class K8sPolicy(Model):
    """`policy.k8s`: `labels` that the object is to have. `backoff` says how often and how long it is looked at (5 times, a second apart);
    `errorOnBackoffTimeout` whether it is a failure that they have not come by then."""

    labels: dict[str, str] = Field(default_factory=dict)
    backoff: Backoff = Field(default_factory=Backoff)
    error_on_backoff_timeout: bool = False

    @property
    def seconds(self) -> float:
        """The longest that waiting may take."""
        return sum(self.backoff.delay(number, 1.0) for number in range(1, min(self.backoff.attempts, 10_000)))


class StatusPolicy(Model):
    """`policy.status`: the HTTP statuses that count as success."""

    allow: list[int] = Field(default_factory=list)

    @field_validator("allow")
    @classmethod
    def _some(cls, value: list[int]) -> list[int]:
        if not value:
            raise problem(
                "is empty, so nothing could ever succeed", "list the good statuses, for example [200, 201]", kind=FaultKind.MISSING
            )
        return value


class Policy(Model):
    """`policy` of a trigger. `k8s` is for `k8s`, `argoWorkflow` and `workflow`, `status` for `http`; elsewhere neither has an effect."""

    k8s: K8sPolicy | None = Field(default=None, alias="k8s")
    status: StatusPolicy | None = None


async def confirm(kube: Kube | None, policy: K8sPolicy, target: Target, *, transient: bool) -> None:
    """Wait until the object has the labels. Raises `TriggerError` `PolicyNotMet`: it is gone, the server does not say, or they did not come
    and that is an error; `transient` says whether looking again later may help there."""
    if kube is None or not target.api_version or target.operation == "delete":
        return
    for number in range(1, policy.backoff.attempts + 1):
        try:
            found = await kube.get(target.api_version, target.kind, target.name, target.namespace or None)
        except ClientError as error:
            raise TriggerError(POLICY_NOT_MET, f"{target} was made and cannot be looked at: {error}", transient=True) from error
        if found is None:
            raise TriggerError(POLICY_NOT_MET, f"{target} is gone, so it can have no labels")
        labels = (found.get("metadata") or {}).get("labels") or {}
        if all(labels.get(key) == value for key, value in policy.labels.items()):
            return
        if number < policy.backoff.attempts:
            await asyncio.sleep(policy.backoff.delay(number, random.random()))  # noqa: S311  jitter
    if policy.error_on_backoff_timeout:
        missing = ", ".join(f"{key}={value}" for key, value in policy.labels.items())
        raise TriggerError(POLICY_NOT_MET, f"{target} did not get the labels {missing} in time", transient=transient)
