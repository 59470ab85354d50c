"""`python -m tests.soak kill --kills N --seed S`: kill the real service N times and balance the books."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.soak import kill
from tiphys.bus.crashpoints import POINTS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    commands = parser.add_subparsers(dest="command", required=True)
    killing = commands.add_parser("kill", help="SIGKILL at every named step once, then at random instants")
    killing.add_argument("--kills", type=int, default=100)
    killing.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tiphys-soak-") as folder:
        result = asyncio.run(kill.run(Path(folder), kills=arguments.kills, seed=arguments.seed, points=POINTS[: arguments.kills]))
    for line in (*result.lost, *result.duplicated):
        print(line)
    print(
        f"kills {arguments.kills}, acknowledged {result.acknowledged}, lost {len(result.lost)}, duplicated {len(result.duplicated)}"
    )
    return 1 if result.lost or result.duplicated else 0


if __name__ == "__main__":
    sys.exit(main())
