"""Cases decided by the real parts, twice: straight through, and with a restart in the middle; and what is wrong with what came out."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from dispatcher.program import TriggerProgram, render
from sensors import Matcher
from sensors.filters.finding import Judgement
from sensors.scripts import Program, Runner
from sensors.settling import until_taken
from tests.soak.generated.loading import CONTROL, Case, control, put
from tiphys.app.explanation import explain
from tiphys.bus.event import Event
from tiphys.bus.firing import Claim, Firing, Outcome, OutcomeKind, TriggerKey
from tiphys.bus.ledger import Ledger, Verdict, VerdictKind
from tiphys.bus.sqlite import SqliteBus
from tiphys.errors import ClientError, LanguageError, ScriptError, SecretError, TriggerError

__all__ = ["Flaw", "Report", "decide"]

_PATIENCE: Final = 120.0
_LONGEST: Final = 5.0
_PER_BYTE: Final = 5e-6
_PAUSE: Final = 420.0
_LARGE: Final = 100_000
_EXPECTED: Final = (TriggerError, ClientError, SecretError, LanguageError)
_DROPPED: Final = {VerdictKind.FILTERED: Judgement.FAILED, VerdictKind.ERRORED: Judgement.ERRORED}


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that must not be, in a case (-1: in all of them)."""

    case: int
    text: str


@dataclass
class Report:
    """What was done, by name, and what was wrong, in the cases of a `seed`. `slow` are the steps that took longest, in seconds of the
    processor, with their seeds and cases."""

    seed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    flaws: list[Flaw] = field(default_factory=list)
    slow: list[tuple[float, int, int, str]] = field(default_factory=list)

    def took(self, started: float, case: int, what: str, size: int) -> None:
        """A step over `size` bytes of events began at `started` (`time.thread_time`) and is over."""
        seconds = time.thread_time() - started
        if seconds > _LONGEST + size * _PER_BYTE:
            self.flaws.append(Flaw(case, f"{what} took {seconds:.1f} s"))
        if len(self.slow) < 20 or seconds > self.slow[-1][0]:
            self.slow = sorted([*self.slow, (seconds, self.seed, case, what)], reverse=True)[:20]

    def add(self, other: Report) -> None:
        """Put two reports together."""
        self.counts.update(other.counts)
        self.flaws += other.flaws
        self.slow = sorted([*self.slow, *other.slow], reverse=True)[:20]


class _Remembering(Runner):
    """Scripts that were ended for going over a limit once are not run on the same data again: it would take as long each time."""

    def __init__(self, scripts: Runner) -> None:
        self._scripts = scripts
        self._killed: dict[tuple[Program, bytes], ScriptError] = {}

    async def run(self, program: Program, data: bytes) -> bytes | bool:
        if known := self._killed.get((program, data)):
            raise known
        try:
            return await self._scripts.run(program, data)
        except ScriptError as error:
            if error.killed:
                self._killed[program, data] = error
            raise


_Decisions = tuple[dict[str, list[tuple[Any, ...]]], dict[str, tuple[Any, ...]]]


class _Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def decide(folder: Path, cases: Sequence[Case], scripts: Runner, seed: int = 0) -> Report:
    """Decide all of them in one bus, and once more in another one with a restart in the middle."""
    report = Report(seed)
    report.counts["cases"] += len(cases)
    runner = _Remembering(scripts)
    try:
        async with asyncio.timeout(_PATIENCE):
            straight = await _straight(folder / "straight", cases, runner, report)
            again = await _interrupted(folder / "interrupted", cases, runner)
            for case in cases:
                with _told(case, report):
                    await _agreement(case, runner, report)
    except TimeoutError:
        report.flaws.append(Flaw(-1, f"not all was decided in {_PATIENCE:g} s"))
        return report
    for case in cases:
        if not any(_borderline(case, event) for event in case.events):
            _compare(case, straight, again, report)
    return report


def _borderline(case: Case, event: Event) -> bool:
    """Whether a script may be ended for its time on one run and not on the next."""
    return case.scripted and len(event.data or b"") > _LARGE


# -- running


@contextlib.asynccontextmanager
async def _running(
    folder: Path, cases: Sequence[Case], clock: _Clock, runner: Runner, *, beside: bool = False
) -> AsyncIterator[tuple[SqliteBus, dict[TriggerKey, TriggerProgram], int]]:
    async with SqliteBus.open(folder, clock=clock) as bus:
        epoch = await bus.ledger.open_epoch()
        matcher = Matcher(bus.log, bus.ledger, epoch, scripts=runner, clock=clock)
        await matcher.load()
        triggers: dict[TriggerKey, TriggerProgram] = {}
        for case in cases:
            triggers |= await put(bus.ledger, matcher, case.accepted)
        for case in cases if beside else ():
            triggers |= await put(bus.ledger, matcher, control(case.plan.namespace))
        task = asyncio.create_task(matcher.run())
        try:
            yield bus, triggers, epoch
        finally:
            ended = task.done()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert not ended


async def _publish(bus: SqliteBus, clock: _Clock, rounds: Iterable[int], cases: Sequence[Case]) -> int:
    """The events of all cases with these numbers, some minutes apart. Returns the last position."""
    last = 0
    for number in rounds:
        clock.now += _PAUSE
        told = [until_taken(partial(bus.log.publish, case.events[number])) for case in cases if number < len(case.events)]
        last = max([last, *await asyncio.gather(*told)])
    return last


def _rounds(cases: Sequence[Case]) -> range:
    return range(max(len(case.events) for case in cases))


async def _decided(bus: SqliteBus, last: int) -> None:
    while await bus.ledger.position() < last or await bus.ledger.deferring():
        await asyncio.sleep(0.002)


async def _straight(folder: Path, cases: Sequence[Case], runner: Runner, report: Report) -> _Decisions:
    clock = _Clock()
    async with _running(folder, cases, clock, runner, beside=True) as (bus, triggers, epoch):
        await _decided(bus, await _publish(bus, clock, _rounds(cases), cases))
        found = await _decisions(bus.ledger, cases)
        for case in cases:
            _check_control(case, found, report)
            with _told(case, report):
                await _explained(bus.ledger, case, runner, report)
        await _render_all(bus.ledger, epoch, triggers, report)
    return found


async def _interrupted(folder: Path, cases: Sequence[Case], runner: Runner) -> _Decisions:
    clock, rounds = _Clock(), _rounds(cases)
    half = len(rounds) // 2
    async with _running(folder, cases, clock, runner) as (bus, _, _):
        await _publish(bus, clock, rounds[:half], cases)
    async with _running(folder, cases, clock, runner) as (bus, _, _):
        await _decided(bus, await _publish(bus, clock, rounds[half:], cases))
        return await _decisions(bus.ledger, cases)


async def _decisions(ledger: Ledger, cases: Sequence[Case]) -> _Decisions:
    verdicts = {}
    for case in cases:
        for event in case.events:
            record = await ledger.event(event.id)
            assert record.decided
            mine = [one for one in record.verdicts if one.revision <= len(cases)]  # the others beside them were kept later
            verdicts[event.id] = sorted((one.trigger, one.dependency, one.kind, one.clause, one.revision) for one in mine)
    records = await ledger.firings(limit=1_000_000)
    return verdicts, {one.firing.id: _shape(one.firing) for one in records}


def _shape(firing: Firing) -> tuple[Any, ...]:
    events = {name: (one.id, one.transformed) for name, one in firing.events.items()}
    more = {name: [(one.id, one.transformed) for one in earlier] for name, earlier in firing.more.items()}
    return firing.key, events, more, firing.completed_by


# -- what must hold


def _compare(case: Case, straight: _Decisions, again: _Decisions, report: Report) -> None:
    for event in case.events:
        if straight[0][event.id] != again[0][event.id]:
            report.flaws.append(
                Flaw(case.number, f"decided otherwise after a restart: {straight[0][event.id]}, {again[0][event.id]}")
            )
    mine = [
        {key: one for key, one in found[1].items() if one[0].namespace == case.plan.namespace and one[0].sensor != CONTROL}
        for found in (straight, again)
    ]
    if mine[0] != mine[1]:
        report.flaws.append(Flaw(case.number, f"fires otherwise after a restart: {mine[0]}, {mine[1]}"))


def _check_control(case: Case, found: _Decisions, report: Report) -> None:
    """The sensor beside it fired once for each event."""
    fired = Counter(
        (one[0].trigger, event_id)
        for one in found[1].values()
        if one[0].namespace == case.plan.namespace and one[0].sensor == CONTROL
        for event_id, _ in one[1].values()
    )
    wanted = Counter(("marked" if event.source == "control" else "every", event.id) for event in case.events)
    if fired != wanted:
        report.flaws.append(Flaw(case.number, f"the sensor beside it fired for {fired}, not {wanted}"))


async def _explained(ledger: Ledger, case: Case, runner: Runner, report: Report) -> None:
    """Each event has a verdict of each trigger that it concerns, and explaining it comes to the same."""
    for event in case.events[:-1]:
        report.counts["events"] += 1
        record = await ledger.event(event.id)
        mine: list[Verdict] = []
        started = time.thread_time()
        shown = await explain(ledger, event.id, runner)
        report.took(started, case.number, "explain", len(event.data or b""))
        orjson.dumps(shown)
        for verdict, told in zip(record.verdicts, shown["verdicts"], strict=True):
            if told["sensor"] == CONTROL:
                continue
            mine.append(verdict)
            report.counts[f"verdicts {verdict.kind.name.lower()}"] += 1
            judgement = _DROPPED.get(verdict.kind, Judgement.PASSED).value
            later = verdict.kind is VerdictKind.ERRORED and told["filters"]["judgement"] == Judgement.PASSED.value
            if later and ("join" in told or "why" in told):
                continue
            if told["filters"]["judgement"] != judgement and not _borderline(case, event):
                report.flaws.append(Flaw(case.number, f"{event.id} is {verdict}, and explained as {told}"))
        wanted = {
            (trigger.index, dependency.index)
            for dependency in case.program.listening(event)
            for trigger in case.program.triggers
            if dependency.name in trigger.condition.names
        }
        if {(one.trigger, one.dependency) for one in mine} != wanted:
            report.flaws.append(Flaw(case.number, f"{event.id} has the verdicts {mine}, and concerns {wanted}"))


async def _agreement(case: Case, runner: Runner, report: Report) -> None:
    """`judge` and `explain` of each dependency say the same of each event, and leave it as it is."""
    for event in case.events:
        for dependency in case.program.listening(event):
            text = _text(event)
            filters = dependency.filters
            judged = await _timed(filters.judge_away(event, runner), case, f"judge {dependency.name}", report)
            tree = await _timed(filters.explain_away(event, runner), case, f"explain {dependency.name}", report)
            if (judged.judgement, judged.clause) != (tree.judgement, tree.clause) and not _borderline(case, event):
                report.flaws.append(Flaw(case.number, f"{dependency.name} judged {judged}, explained {tree}"))
            if _text(event) != text:
                report.flaws.append(Flaw(case.number, f"{dependency.name} has changed the event"))
        event.forget()


@contextlib.contextmanager
def _told(case: Case, report: Report) -> Iterator[None]:
    """What is raised is a flaw of this case, and the others go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  what must not be is told, with all others
        report.flaws.append(Flaw(case.number, "".join(traceback.format_exception(error))[-1500:]))


def _text(event: Event) -> str:
    """Its payload as it is now, where it is neither large nor deep."""
    try:
        return repr(event.payload) if len(event.data or b"") < _LARGE else ""
    except RecursionError:
        return ""


async def _timed(work: Awaitable[Any], case: Case, what: str, report: Report) -> Any:
    started = time.thread_time()
    found = await work
    report.took(started, case.number, what, max(len(event.data or b"") for event in case.events))
    return found


async def _render_all(ledger: Ledger, epoch: int, triggers: dict[TriggerKey, TriggerProgram], report: Report) -> None:
    """Every firing is claimed, rendered and resolved, as the dispatcher does it but for sending."""
    while claims := await ledger.claim(100):
        for claim in claims:
            number = int(claim.firing.key.namespace[1:])
            outcome = Outcome(OutcomeKind.DEAD, "Refused")
            started = time.thread_time()
            try:
                await _render(ledger, epoch, triggers[claim.firing.key], claim)
                outcome = Outcome(OutcomeKind.SUCCEEDED)
                report.counts["rendered"] += 1
            except _EXPECTED as error:
                report.counts[f"not rendered: {getattr(error, 'reason', type(error).__name__)}"] += 1
                str(error).encode("utf-8", "surrogateescape")
            except Exception as error:  # noqa: BLE001  what must not be is told, with all others
                report.flaws.append(Flaw(number, "".join(traceback.format_exception(error))[-1500:]))
            report.took(
                started, number, f"render {claim.firing.key.trigger}", sum(len(one.data or b"") for one in claim.events.values())
            )
            await ledger.resolve(epoch, claim, outcome)


async def _render(ledger: Ledger, epoch: int, program: TriggerProgram, claim: Claim) -> None:
    request = await render(program, claim.events, claim.firing)
    orjson.dumps(request.preview)
    for warning in request.warnings:
        warning.encode()
    body = request.body
    if isinstance(body, bytes):
        orjson.loads(body)
    await ledger.begin(epoch, claim, request.target)
