"""A thousand sensors and events that nobody would write: none ends, stalls or fills the process, and none touches another one."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 1001])
async def test_any_sensor_decides_any_event_and_no_other_sensor_notices(seed: int) -> None:
    """In a process of its own, whose memory is bounded; what is printed names the seed, the manifest and the event at fault."""
    command = ["-W", "error", "-m", "tests.soak", "sensors", "--count", "500", "--seed", str(seed), "--small"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
