"""One attempt of one firing: look, render, begin, execute; the outcome is a value (the queue records it).

The order is what "one object per firing" rests on. A target that an earlier attempt began, with an unknown outcome, is looked for before
anything else. `begin` is durable before the request leaves. Whatever goes wrong after it, unless the server said so itself, is an unknown
outcome.
"""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections.abc import Awaitable, Callable

import structlog

from dispatcher import objects, retry
from dispatcher.program import TriggerProgram
from dispatcher.trigger import Work
from tiphys.bus.crashpoints import reach
from tiphys.bus.firing import Claim, Firing, Outcome, OutcomeKind, Target
from tiphys.errors import ClientError, LanguageError, OutcomeUnknown, SecretError, StoreError, TiphysError, TriggerError

__all__ = ["Attempt"]

_log = structlog.get_logger(__name__)
_PERSON_CAN_SEE = (TriggerError, ClientError, SecretError, LanguageError)


class Attempt:
    """One attempt at `claim` with the program that is current now.

    `begin` writes the target, `recorded` says of how many attempts the outcome is on record; `seconds` is the time limit of the whole
    attempt, to which comes what a trigger's own settings ask for. After `run`, `error` is what went wrong, if anything, and `documents`
    the number of objects in the trigger's source, where the outcome is a success. `clock` gives Unix seconds. `admit` is awaited
    before anything new is made, and may end the attempt.
    """

    def __init__(
        self,
        claim: Claim,
        program: TriggerProgram,
        begin: Callable[[Target], Awaitable[None]],
        recorded: Callable[[], Awaitable[int]],
        seconds: float,
        clock: Callable[[], float] = time.time,
        admit: Callable[[], Awaitable[Outcome | None]] | None = None,
    ) -> None:
        self.claim = claim
        self.program = program
        self.error: TiphysError | None = None
        self.documents = 0
        self._begin = begin
        self._recorded = recorded
        self._seconds = seconds
        self._clock = clock
        self._admit = admit
        self._begun: Target | None = None

    @property
    def begun(self) -> bool:
        """Whether it came as far as sending a request."""
        return self._begun is not None

    async def run(self) -> Outcome:
        """Carry it out. Raises only what `begin` raises (`StoreError`), and `CancelledError`."""
        outcome = await self._guarded(self._act)
        if outcome.kind is not OutcomeKind.SUCCEEDED or self.documents:
            return outcome

        async def count(_: asyncio.Timeout) -> Outcome:  # it was found there, so that its source has not been read
            self.documents = await self.program.trigger(self.claim.events).documents(self._work())
            return outcome

        return await self._guarded(count)

    async def _guarded(self, act: Callable[[asyncio.Timeout], Awaitable[Outcome]]) -> Outcome:
        """What `act` says, or what becomes of its error."""
        claim = self.claim
        try:
            async with asyncio.timeout(self._seconds) as limit:
                return await act(limit)
        except StoreError:
            raise
        except _PERSON_CAN_SEE as error:
            self.error = error
        except TimeoutError:
            self.error = self._unfinished(f"took longer than {self._seconds:g} s")
        except Exception as error:  # noqa: BLE001  a fault of ours must end neither the queue nor the firing's record
            # a traceback is made of source files, which the event loop shall not wait for
            trace = await asyncio.to_thread(traceback.format_exception, error)
            _log.error(
                "an attempt failed in an unforeseen way", action="attempt-crashed", firing=claim.firing.id, traceback="".join(trace)
            )
            self.error = self._unfinished(f"an error of Tiphys itself, see its log: {type(error).__name__}")
        return retry.decide(
            self.error,
            self.program.policy,
            attempt=claim.attempt,
            first_attempt=claim.first_attempt,
            now=self._clock(),
            draw=random.random(),  # noqa: S311  jitter
            standing=claim.target is not None,
        )

    def _unfinished(self, problem: str) -> TiphysError:
        if self._begun is not None:
            return OutcomeUnknown(str(self._begun), problem)
        return TriggerError("Unfinished", problem, transient=True)

    async def _act(self, limit: asyncio.Timeout) -> Outcome:
        claim, firing = self.claim, self.claim.firing
        program = self.program = self.program.of(firing)
        standing = claim.target
        if standing is not None:
            found = await self._look(standing, firing)
            if found is not None:
                await self._confirm(found, limit)
                return Outcome(OutcomeKind.SUCCEEDED, "Found", f"an earlier attempt had made {found}", result=found)
            recorded = await self._recorded()
            if not retry.may_act_again(program.policy, recorded, claim.first_attempt, self._clock()):
                return retry.give_up_after_look(program.policy, recorded, standing)
        elif self._admit is not None and (early := await self._admit()) is not None:
            return early
        warnings: list[str] = []
        trigger = program.trigger(claim.events, warnings)
        request = await trigger.render(self._work())
        self.documents = request.documents
        if program.lane_label(firing) and request.target.kind != "Workflow":
            raise TriggerError("NotAWorkflow", f"concurrency counts Workflows, and {request.target} is none")
        if standing is not None and _identity(standing) != _identity(request.target):
            text = f"{standing} was not found; the manifest now asks for {request.target}"
            return Outcome(OutcomeKind.RELEASED, "TargetChanged", text, retry_at=self._clock() + 1.0)
        await self._begin(request.target)
        self._begun = request.target
        reach("execute:before")
        self._extend(limit, trigger.patience(request))
        made = await trigger.execute(request, firing)
        reach("execute:after")
        await self._confirm(made, limit)
        warnings += request.warnings
        return Outcome(OutcomeKind.SUCCEEDED, "Warned" if warnings else "", "; ".join(warnings), result=made)

    def _work(self) -> Work:
        claim = self.claim
        # a later attempt reads everything anew: what was read may have been what was wrong
        since = claim.decided if claim.attempt == 1 else 0.0
        lane = self.program.lane_label(claim.firing)
        return Work(claim.firing, claim.events, claim.target, self.program.name, since, lane)

    async def _confirm(self, made: Target, limit: asyncio.Timeout) -> None:
        """What was made is there; waiting for what the policy asks of it may take longer than an attempt does otherwise."""
        if (policy := self.program.waits_for) is not None:
            self._extend(limit, policy.seconds)
            await self.program.confirm(made)

    def _extend(self, limit: asyncio.Timeout, seconds: float) -> None:
        if seconds and (at := limit.when()) is not None:
            self._seconds += seconds
            limit.reschedule(at + seconds)

    async def _look(self, standing: Target, firing: Firing) -> Target | None:
        if standing.api_version:  # an object of Kubernetes, of whatever kind the trigger is now
            return await objects.look(self.program.services.kube, standing, firing)
        return await self.program.trigger(self.claim.events).look(standing, firing)


def _identity(target: Target) -> tuple[str, str, str, str, str]:
    return target.api_version, target.kind, target.namespace, target.name, target.operation
