"""Fetching a source once for all who ask, and never giving anybody what is older than its firing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from dispatcher.fetching import Fetching, Same, failure
from dispatcher.retry import RetryPolicy, decide
from tiphys.bus.firing import OutcomeKind
from tiphys.errors import ClientError, NotAllowed, OutcomeUnknown, Refused, TriggerError, Unreachable


class Shelf:
    """What is fetched: it has a number that grows, and waits until it is let go."""

    def __init__(self) -> None:
        self.fetched = 0
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def fetch(self) -> Sequence[bytes]:
        self.fetched += 1
        number = self.fetched
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return (b"%d" % number,)


async def test_what_was_fetched_after_a_firing_was_decided_is_good_for_it() -> None:
    fetching, shelf = Fetching(), Shelf()
    decided = time.time()

    found = [await fetching.get("a", decided - age, shelf.fetch) for age in (0.0, 1.0, 100.0)]

    assert found == [(b"1",)] * 3


async def test_what_was_fetched_before_a_firing_was_decided_is_too_old_for_it() -> None:
    fetching, shelf = Fetching(), Shelf()
    await fetching.get("a", time.time(), shelf.fetch)

    later = time.time() + 3600  # its clock was an hour ahead of ours
    assert await fetching.get("a", later, shelf.fetch) == (b"2",)
    assert shelf.fetched == 2


async def test_all_who_wait_share_one_fetch_and_who_comes_later_gets_the_next_one() -> None:
    fetching, shelf = Fetching(), Shelf()
    shelf.open.clear()
    before = time.time()
    first = [asyncio.create_task(fetching.get("a", before, shelf.fetch)) for _ in range(20)]
    await asyncio.sleep(0.01)
    after = time.time()
    later = [asyncio.create_task(fetching.get("a", after, shelf.fetch)) for _ in range(20)]
    await asyncio.sleep(0)
    shelf.open.set()

    assert await asyncio.gather(*first) == [(b"1",)] * 20
    assert await asyncio.gather(*later) == [(b"2",)] * 20
    assert shelf.fetched == 2


async def test_things_with_other_keys_do_not_wait_for_each_other() -> None:
    fetching, slow, quick = Fetching(), Shelf(), Shelf()
    slow.open.clear()
    waiting = asyncio.create_task(fetching.get("slow", time.time(), slow.fetch))
    await asyncio.sleep(0)

    assert await fetching.get("quick", time.time(), quick.fetch) == (b"1",)

    slow.open.set()
    await waiting


async def test_an_error_goes_to_all_who_wait_and_is_not_kept() -> None:
    fetching, shelf = Fetching(), Shelf()
    shelf.error = TriggerError("SourceNotFound", "gone", transient=True)
    since = time.time()
    found = await asyncio.gather(*(fetching.get("a", since, shelf.fetch) for _ in range(3)), return_exceptions=True)
    shelf.error = None

    assert [type(one) for one in found] == [TriggerError] * 3
    assert shelf.fetched == 1
    assert await fetching.get("a", since, shelf.fetch) == (b"2",)


async def test_who_is_cut_off_does_not_cut_off_the_others() -> None:
    fetching, shelf = Fetching(), Shelf()
    shelf.open.clear()
    since = time.time()
    one, other = (asyncio.create_task(fetching.get("a", since, shelf.fetch)) for _ in range(2))
    await asyncio.sleep(0.01)
    one.cancel()
    await asyncio.sleep(0.01)
    shelf.open.set()

    assert await other == (b"1",)
    assert one.cancelled()


async def test_a_fetch_that_takes_too_long_is_tried_again_soon() -> None:
    fetching, shelf = Fetching(), Shelf()
    shelf.open.clear()

    with pytest.raises(TriggerError, match=r"SourceUnavailable: .* within 0\.01 s"):
        await fetching.get("a", time.time(), shelf.fetch, seconds=0.01)


async def test_what_one_object_fetched_is_not_given_to_another_that_takes_its_place_in_memory() -> None:
    fetching, shelf = Fetching(), Shelf()
    since = time.time()

    for _ in range(50):
        await fetching.get((Same(object()), "a"), since, shelf.fetch)

    assert shelf.fetched == 50
    one = object()
    assert [await fetching.get(Same(one), since, shelf.fetch) for _ in range(2)] == [(b"51",)] * 2


async def test_what_is_kept_is_bounded() -> None:
    fetching = Fetching()
    since = time.time()
    for number in range(40):
        await fetching.get(number, since, large)

    again = Shelf()
    assert await fetching.get(39, since, again.fetch) == (b"x" * (1 << 20),)
    assert await fetching.get(0, since, again.fetch) == (b"1",)


async def large() -> Sequence[bytes]:
    return (b"x" * (1 << 20),)


@pytest.mark.parametrize(
    ("error", "reason", "kind", "waits"),
    [
        (Unreachable("host", "no"), "SourceUnavailable", OutcomeKind.RELEASED, 1),
        (OutcomeUnknown("host", "cut"), "SourceUnavailable", OutcomeKind.RELEASED, 1),
        (ClientError("host", "git failed"), "SourceUnavailable", OutcomeKind.RELEASED, 1),
        (Refused("host", 429, "", "slowly"), "SourceUnavailable", OutcomeKind.RELEASED, 1),
        (Refused("host", 503, "", "away"), "SourceUnavailable", OutcomeKind.RELEASED, 1),
        (Refused("host", 404, "NoSuchFile", "gone"), "SourceNotFound", OutcomeKind.RELEASED, 10),
        (Refused("host", 401, "Unauthorized", "who?"), "SourceRefused", OutcomeKind.RELEASED, 10),
        (Refused("host", 403, "SymbolicLink", "a link"), "SourceRefused", OutcomeKind.DEAD, 0),
        (Refused("host", 413, "TooLarge", "large"), "SourceRefused", OutcomeKind.DEAD, 0),
        (NotAllowed("host", "inside"), "SourceRefused", OutcomeKind.DEAD, 0),
    ],
)
def test_what_an_error_of_a_fetch_means_for_the_attempt(error: ClientError, reason: str, kind: OutcomeKind, waits: int) -> None:
    outcome = decide(failure("source.url", error), RetryPolicy(), attempt=1, first_attempt=0, now=1000, draw=0)

    assert (outcome.reason, outcome.kind) == (reason, kind)
    assert outcome.retry_at == (1000 + waits if waits else 0)


def test_a_fetch_that_fails_forgets_no_target_of_an_earlier_attempt() -> None:
    error = failure("source.url", Refused("host", 404, "", "gone"))

    assert decide(error, RetryPolicy(), attempt=2, first_attempt=1, now=9, draw=0, standing=True).kind is OutcomeKind.RETRY
