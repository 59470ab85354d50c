"""`python -m tests.soak kill --kills N --seed S`: kill the real service N times and balance the books.

`python -m tests.soak sensors --count N --seed S`: decide N generated sensors with their events, and say what must not be.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from tests.soak import generated, kill
from tiphys.bus.crashpoints import POINTS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    commands = parser.add_subparsers(dest="command", required=True)
    killing = commands.add_parser("kill", help="SIGKILL at every named step once, then at random instants")
    killing.add_argument("--kills", type=int, default=100)
    killing.add_argument("--seed", type=int, default=1)
    making = commands.add_parser("sensors", help="generated sensors and events: no crash, no hang, no other sensor affected")
    making.add_argument("--count", type=int, default=1000)
    making.add_argument("--seed", type=int, default=1)
    making.add_argument("--small", action="store_true", help="events of at most 100 KB")
    arguments = parser.parse_args()
    return _kill(arguments) if arguments.command == "kill" else _sensors(arguments)


def _kill(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="tiphys-soak-") as folder:
        result = asyncio.run(kill.run(Path(folder), kills=arguments.kills, seed=arguments.seed, points=POINTS[: arguments.kills]))
    for line in (*result.lost, *result.duplicated):
        print(line)
    print(
        f"kills {arguments.kills}, acknowledged {result.acknowledged}, lost {len(result.lost)}, duplicated {len(result.duplicated)}"
    )
    return 1 if result.lost or result.duplicated else 0


def _sensors(arguments: argparse.Namespace) -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    report = asyncio.run(generated.run(arguments.count, arguments.seed, large=not arguments.small, tell=sys.stderr.isatty()))
    print("; ".join(f"{name} {number:,}" for name, number in sorted(report.counts.items())))
    print(
        "slowest: "
        + "; ".join(f"{what} of case {case} of seed {seed} {seconds:.3f} s" for seconds, seed, case, what in report.slow[:8])
    )
    print(f"sensors {arguments.count:,}, flaws {len(report.flaws)}")
    return 1 if report.flaws else 0


if __name__ == "__main__":
    sys.exit(main())
