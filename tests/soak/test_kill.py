"""The service is killed at every named step once and at twenty random instants; the books balance."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak import kill
from tiphys.bus.crashpoints import POINTS as ALL_POINTS

# nobody suspends anything here
POINTS = tuple(point for point in ALL_POINTS if not point.startswith("suspend"))
HALF = len(POINTS) // 2


@pytest.mark.kill
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("points", "more", "seed"),
    [(POINTS[:HALF], 0, 1), (POINTS[HALF:], 0, 2), ((), 10, 3), ((), 10, 4)],
    ids=["steps-1", "steps-2", "random-1", "random-2"],
)
async def test_nothing_acknowledged_is_lost_and_nothing_fires_twice(
    tmp_path: Path, points: tuple[str, ...], more: int, seed: int
) -> None:
    result = await kill.run(tmp_path, kills=len(points) + more, seed=seed, points=points)
    assert (result.lost, result.duplicated) == ([], [])
    assert result.acknowledged > 0
