"""Crash points: nothing unless asked for, SIGKILL at the arrival that was asked for."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from tiphys.bus.crashpoints import POINTS, VARIABLE, reach


async def child(asked: str, code: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code),
        env={**os.environ, VARIABLE: asked},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 45)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


def test_nothing_happens_where_nobody_asked() -> None:
    for point in POINTS:
        reach(point)


@pytest.mark.kill
@pytest.mark.parametrize(
    ("asked", "arrivals"), [("settle:before-commit", 1), ("settle:before-commit:1", 1), ("settle:before-commit:3", 3)]
)
async def test_the_process_dies_at_the_arrival_that_was_asked_for(asked: str, arrivals: int) -> None:
    code = (
        "from tiphys.bus.crashpoints import reach\n"
        "for n in range(9):\n reach('publish:before-commit'); print(n, flush=True); reach('settle:before-commit')"
    )

    status, output, _ = await child(asked, code)

    assert status == -signal.SIGKILL
    assert len(output.split()) == arrivals


@pytest.mark.kill
async def test_an_unknown_point_is_an_error_that_lists_the_known_ones() -> None:
    status, _, errors = await child("settle:sometime", "import tiphys.bus.crashpoints")

    assert status == 1
    assert "'settle:sometime' is no crash point" in errors
    assert "settle:before-commit" in errors
