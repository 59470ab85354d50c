"""`python -m tests.golden FILE…`: run cases; exit code 1 if one fails, 2 if a mode is unknown. `--write-docs` writes the page."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from tests.golden import compatibility, deviations, runner


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument(
        "files", metavar="FILE", nargs="*", type=Path, help="files of cases, one a line; without any, those of this folder"
    )
    parser.add_argument("--write-docs", action="store_true", help=f"write {compatibility.PAGE.name} from deviations.yaml and end")
    options = parser.parse_args()
    os.environ["TZ"] = "UTC"
    time.tzset()
    table = deviations.load()
    if options.write_docs:
        compatibility.PAGE.write_text(compatibility.page(table), "utf-8")
        return 0
    report = runner.run(runner.cases(options.files or sorted(Path(__file__).parent.glob("*.jsonl"))), table)
    for failure in report.failures:
        print(failure)
    for name, ids in report.deviating.items():
        print(f"deviates: {name}: {', '.join(ids)}")
    for mode, count in report.unknown.items():
        print(f"unknown mode {mode!r}: {count} cases were not run")
    print(report)
    return report.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
