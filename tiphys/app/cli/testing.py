"""`tiphys test`: a dry run of manifests, or a suite of cases."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import typer

from sensors.scripts import Scripts
from tiphys.app.cli.journal import Journal
from tiphys.app.dryrun.arrivals import Arrival, GivenEvent
from tiphys.app.dryrun.cases import read_expected
from tiphys.app.dryrun.comparing import difference, updated
from tiphys.app.dryrun.given import read_files, read_instant, read_secret, read_source
from tiphys.app.dryrun.junit import junit
from tiphys.app.dryrun.paths import find_cases, load_manifests
from tiphys.app.dryrun.recording import Recorded, default_folder, write_case
from tiphys.app.dryrun.suite import CaseResult, Performance, perform, run_suite
from tiphys.app.dryrun.text import performance_lines, result_lines
from tiphys.app.dryrun.yaml_text import dump_yaml
from tiphys.app.logging import configure
from tiphys.errors import ManifestError, SettingsError

__all__ = ["DIFFERS", "Asked", "run_test"]

DIFFERS: Final = 6
"""Exit code: what happens is not what is expected."""
_REFUSED: Final = ManifestError.exit_code
_COLOURS: Final = {
    "fired": "green",
    "passed": "green",
    "held": "yellow",
    "dropped": "yellow",
    "filtered": "cyan",
    "failed": "cyan",
    "duplicate": "cyan",
    "once": "cyan",
    "errored": "red",
}


@dataclass(frozen=True)
class Asked:
    """What was asked on the command line."""

    paths: Sequence[Path]
    events: Sequence[Path] = ()
    requests: Sequence[Path] = ()
    folder: Path | None = None
    belongs: str = ""
    at: str = ""
    secrets: Sequence[str] = ()
    sources: Sequence[str] = ()
    sign: bool = False
    namespace: str = "argo"
    expect: Path | None = None
    update: bool = False
    junit: Path | None = None
    output: str = "text"
    record: Sequence[str] = ()
    to: Path | None = None
    data: Path | None = None
    api: str = ""
    given: Sequence[Path] = field(init=False)

    def __post_init__(self) -> None:
        """All files of arrivals, in order. Raises `SettingsError` where the order is not known."""
        ways = [one for one in (self.events, self.requests, self.folder) if one]
        if len(ways) > 1:
            raise SettingsError("--request", "stands beside another way", "--event takes requests too, in the order given")
        given = [*self.events, *self.requests]
        if self.folder is not None:
            if not self.folder.is_dir():
                raise SettingsError("--from", f"{self.folder} is no folder")
            given = sorted(one for one in self.folder.iterdir() if one.is_file() and not one.name.startswith("."))
        object.__setattr__(self, "given", given)


def run_test(asked: Asked) -> int:
    """Do it and print it; returns the exit code."""
    configure("critical", "console")
    if asked.record:
        return _record(asked)
    return _dry_run(asked) if asked.given or asked.expect else _suite(asked)


def paint(word: str, outcome: str) -> str:
    """Colours for a terminal; they are left out where the output is none."""
    colour = _COLOURS.get(outcome)
    return typer.style(word, fg=colour) if colour else word


# -- one dry run


def _dry_run(asked: Asked) -> int:
    arrivals = _arrivals(asked)
    at = _start(asked, arrivals)
    secrets = dict(read_secret(text, "--secret") for text in asked.secrets)
    sources = {name: text for one in asked.sources for name, text in read_source(one, "--source").items()}
    manifests = load_manifests(asked.paths)

    async def run() -> Performance:
        async with Scripts() as scripts:
            return await perform(manifests, arrivals, scripts, at=at, namespace=asked.namespace, secrets=secrets, sources=sources)

    shown = asyncio.run(run())
    if asked.expect is not None:
        return _expected(asked, asked.expect, shown)
    _print(asked.output, shown.shown(), performance_lines(shown, paint))
    return _REFUSED if shown.problems else 0


def _arrivals(asked: Asked) -> list[Arrival]:
    arrivals = [one.belongs_to(asked.belongs) if asked.belongs else one for one in read_files(asked.given)]
    for one in arrivals:
        if asked.requests and isinstance(one.what, GivenEvent):
            raise SettingsError("--request", f"{one.label} is no HTTP request", "begin with a line such as POST /push HTTP/1.1")
    return [one.signed() for one in arrivals] if asked.sign else arrivals


def _start(asked: Asked, arrivals: Sequence[Arrival]) -> float:
    """Where the clock stands: as asked, else at the first event's time, else now."""
    if asked.at:
        return read_instant(asked.at, "--at")
    time_of = arrivals[0].what.time if arrivals and isinstance(arrivals[0].what, GivenEvent) else ""
    return read_instant(time_of, arrivals[0].label) if time_of else time.time()


def _expected(asked: Asked, file: Path, shown: Performance) -> int:
    if shown.problems:
        raise SettingsError(file.name, "cannot be compared: " + "; ".join(shown.problems))
    if asked.update:
        before = read_expected(file) if file.exists() else None
        _write(file, dump_yaml({"expect": updated(before, shown.arrived)}).encode(), "--expect")
        typer.echo(f"written: {file}")
        return 0
    result = CaseResult(file.stem, file, 0.0, difference(read_expected(file), shown.arrived, str(file)))
    return _report(asked, [replace(result, performance=shown)])


# -- a suite


def _suite(asked: Asked) -> int:
    files = find_cases(asked.paths)
    if not files:
        names = ", ".join(map(str, asked.paths))
        raise SettingsError(names, "holds no case", "give an --event or a --request to try, or write a case (docs/testing.md)")
    results: list[CaseResult] = []

    async def run() -> None:
        async with Scripts() as scripts:
            async for result in run_suite(files, scripts, update=asked.update):
                results.append(result)
                if asked.output == "text":
                    for line in result_lines(result, paint):
                        typer.echo(line)

    asyncio.run(run())
    return _report(asked, results, printed=asked.output == "text")


def _record(asked: Asked) -> int:
    """Make a case of what came, and write what happens to it now."""
    journal = Journal(asked.data, asked.api)
    recorded = [Recorded(journal.get(f"events/{one}"), journal.text(f"events/{one}/cloudevent")) for one in asked.record]
    file = write_case(asked.to or default_folder(asked.paths, recorded[0]), asked.paths, recorded)
    return _suite(replace(asked, paths=[file], update=True, record=()))


def _report(asked: Asked, results: Sequence[CaseResult], *, printed: bool = False) -> int:
    if asked.junit is not None:
        _write(asked.junit, junit(results), "--junit")
    failed = sum(1 for one in results if one.diff)
    erred = sum(1 for one in results if one.error)
    lines = [] if printed else [line for one in results for line in result_lines(one, paint)]
    summary = f"{len(results)} {'case' if len(results) == 1 else 'cases'}: {len(results) - failed - erred} as expected"
    summary += (f", {failed} different" if failed else "") + (f", {erred} in error" if erred else "")
    _print(asked.output, [one.shown() for one in results], [*lines, summary])
    return DIFFERS if failed or erred else 0


def _write(file: Path, content: bytes, flag: str) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise SettingsError(flag, f"{file} cannot be written: {error.strerror}") from error


def _print(form: str, content: Any, lines: Any) -> None:
    if form == "json":
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
    elif form == "yaml":
        typer.echo(dump_yaml(content), nl=False)
    else:
        for line in lines:
            typer.echo(line)
