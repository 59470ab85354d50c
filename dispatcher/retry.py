"""What becomes of an attempt that failed: a value, returned by a pure function (the queue is the one place that waits).

Without a `retryStrategy` (all times in seconds; every wait varies by up to a fifth):

    error                                       becomes     then
    Unreachable                                 released    again after 1, 2, 4 … 30, for 24 hours
    OutcomeUnknown (time limit, reset, 5xx)     retry       the same; the target stands and is looked for first
    Refused 429                                 released    the same, not before Retry-After
    Refused 4xx, a TriggerError that may heal   released    again after 10, 20, 40 … 900, for 24 hours: a corrected manifest, role or
                                                            template heals the firings that wait
    Refused 5xx (an `http` target that answered) released    as Unreachable
    Refused 2xx or 3xx (one that a policy does  dead        at once; with a `retryStrategy` as 4xx
    not allow)
    a source that is away (SourceUnavailable)   released    as Unreachable
    SecretError                                 released    as 4xx if the secret is known to be absent, else as Unreachable
    NameTaken                                   dead        at once; with `onConflict: skip` succeeded
    any other TriggerError, a LanguageError     dead        at once: the same events would fail again

With a `retryStrategy` its `steps` (attempts in all, 5 unless given), `duration`, `factor` and `jitter` are used as written for whatever
may heal; 429 alone does not use them up. Once an attempt's outcome is unknown, a firing never dies without one more look at its target.

`atLeastOnce: false` asks for at most once: what may have been done is not tried again (`onUnknown: dead`), a 5xx included; what was
certainly not done is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tiphys.bus.firing import Outcome, OutcomeKind
from tiphys.errors import LanguageError, OutcomeUnknown, Refused, SecretError, TiphysError, TriggerError, Unreachable
from tiphys.schema.backoff import Backoff

__all__ = [
    "NAME_TAKEN",
    "POLICY_NOT_MET",
    "SOURCE_UNAVAILABLE",
    "Delays",
    "RetryPolicy",
    "decide",
    "give_up_after_look",
    "may_act_again",
]

NAME_TAKEN: Final = "NameTaken"
"""The reason of a `TriggerError` for an object that somebody else made under the name we need."""

POLICY_NOT_MET: Final = "PolicyNotMet"
"""The reason of a `TriggerError` for an object that was made and does not have what `policy.k8s` asks for: its target stands."""

SOURCE_UNAVAILABLE: Final = "SourceUnavailable"
"""The reason of a `TriggerError` for an object that cannot be fetched now: waiting heals it, and it says nothing about the target."""

_MAX_EXPONENT: Final = 64


@dataclass(frozen=True, slots=True)
class Delays:
    """Waits in seconds: `first`, then each `factor` times the one before, at most `ceiling`, each longer by up to `jitter` of itself."""

    first: float = 1.0
    factor: float = 2.0
    jitter: float = 0.2
    ceiling: float = 30.0

    def delay(self, attempt: int, random: float) -> float:
        """The wait after attempt number `attempt` (from 1) failed. `random` is drawn from 0 to 1 by the caller."""
        exponent = min(max(attempt - 1, 0), _MAX_EXPONENT)
        wait = min(self.first * self.factor**exponent, self.ceiling)
        return wait * (1 + self.jitter * random)


_SLOW: Final = Delays(first=10.0, ceiling=900.0)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a trigger wants its failures treated.

    `steps` is the number of attempts in all (`None`: as many as fit into `horizon` seconds after the first). `delays` are for what heals
    by itself, `slow` for what somebody has to correct.
    """

    steps: int | None = None
    delays: Delays | Backoff = Delays()
    slow: Delays = _SLOW
    horizon: float = 86_400.0
    on_unknown: Literal["retry", "dead"] = "retry"
    on_conflict: Literal["fail", "skip"] = "fail"

    def spent(self, attempt: int, first_attempt: float, now: float) -> bool:
        """Whether attempt number `attempt` was the last. `first_attempt` (0: this is the first) and `now` are Unix seconds."""
        if self.steps is not None:
            return attempt >= self.steps
        return first_attempt > 0 and now - first_attempt >= self.horizon


def may_act_again(policy: RetryPolicy, recorded: int, first_attempt: float, now: float) -> bool:
    """Whether to act again although an earlier attempt may have acted: a look at its target found nothing.

    `recorded` is the number of attempts whose outcome is on record; one that ended with our own process is not, and does not count.
    """
    return policy.on_unknown == "retry" and not policy.spent(recorded, first_attempt, now)


def give_up_after_look(policy: RetryPolicy, recorded: int, target: object) -> Outcome:
    """The end of a firing whose earlier attempt's outcome stayed unknown and whose target is not there."""
    why = "it is to be done at most once" if policy.on_unknown == "dead" else f"given up after {recorded} attempts"
    text = f"{target} was not found after an attempt whose outcome is unknown, and {why}; replay the firing to try again"
    return Outcome(OutcomeKind.DEAD, "OutcomeUnknown", text)


def decide(
    error: TiphysError, policy: RetryPolicy, *, attempt: int, first_attempt: float, now: float, draw: float, standing: bool = False
) -> Outcome:
    """What an attempt's error means for its firing.

    `attempt` counts from 1, `now` and `first_attempt` are Unix seconds, `draw` in [0, 1) is for jitter. `standing` says that an earlier
    attempt's outcome is still unknown, so that its target may only be forgotten by a definite refusal.
    """
    reason = _reason(error)
    if isinstance(error, TriggerError) and error.reason == NAME_TAKEN and policy.on_conflict == "skip":
        return Outcome(OutcomeKind.SUCCEEDED, "Skipped", f"{error.problem}; onConflict is skip")
    healing = _healing(error, policy)
    if healing is None:
        return Outcome(OutcomeKind.DEAD, reason, str(error))
    made = isinstance(error, TriggerError) and error.reason == POLICY_NOT_MET
    unknown = not made and (isinstance(error, OutcomeUnknown) or (standing and not isinstance(error, Refused)))
    age = now - (first_attempt or now)
    if unknown:  # one more look decides, and it does not act again; a server that stays away for ever ends that too
        over = age >= 2 * policy.horizon
    elif isinstance(error, Refused) and error.status == 429:
        over = age >= policy.horizon
    else:
        over = policy.spent(attempt, first_attempt, now)
    if over:
        times = "1 attempt" if attempt == 1 else f"{attempt} attempts"
        return Outcome(OutcomeKind.DEAD, reason, f"{error}; given up after {times}")
    delays = policy.slow if healing == "slow" and policy.steps is None else policy.delays
    wait = delays.delay(attempt, draw)
    if isinstance(error, Refused) and error.retry_after is not None:
        wait = max(wait, error.retry_after)
    return Outcome(OutcomeKind.RETRY if unknown or made else OutcomeKind.RELEASED, reason, str(error), retry_at=now + wait)


def _healing(error: TiphysError, policy: RetryPolicy) -> Literal["quick", "slow"] | None:
    """Whether waiting may help: by itself soon, or once somebody corrects something; `None` if not."""
    if isinstance(error, Refused):
        if error.status < 400 and policy.steps is None:
            return None
        if error.status >= 500 and policy.on_unknown == "dead":
            return None
        return "quick" if error.status in (408, 409, 429) or error.status >= 500 else "slow"
    if isinstance(error, Unreachable | OutcomeUnknown):
        return "quick"
    if isinstance(error, SecretError):
        return "slow" if error.known else "quick"
    if isinstance(error, TriggerError) and error.transient:
        return "quick" if error.reason == SOURCE_UNAVAILABLE else "slow"
    return None


def _reason(error: TiphysError) -> str:
    if isinstance(error, Refused):
        return error.reason or f"Status{error.status}"
    if isinstance(error, TriggerError):
        return error.reason
    if isinstance(error, LanguageError):
        return "InvalidTemplate"
    return type(error).__name__
