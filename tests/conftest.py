"""What every test gets: UTC, a detector of blocking calls on the event loop, and hypothesis profiles."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True, scope="session")
def _utc() -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()


@pytest.fixture(autouse=True, scope="session")
def _no_stray_loop() -> None:
    # looptime asks the policy for the loop of a plain test too; the first such question would make one that nobody closes
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[BlockBuster]:
    """A blocking call on the event loop, made by our own code, fails the test."""
    with blockbuster_ctx(scanned_modules=["tiphys", "eventsource", "sensors", "dispatcher"]) as detector:
        yield detector
