"""Cases: what is given, what arrives, and what is expected, in files beside the manifests.

A case is a folder with `case.yaml`, and its events, requests and `expected.yaml` beside it; or one file, `NAME.case.yaml`, with all of it.
What a case reads lies in its own files: it gives the same result from wherever it is started, and no clock, network or cluster has a part
in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError, field_validator, model_validator

from tiphys.app.casefiles import CASE_FILE, CASE_SUFFIX
from tiphys.app.dryrun.arrivals import Arrival, check_keys, event_of, read_event, read_request, request_of
from tiphys.app.dryrun.given import read_instant, read_secret, read_source
from tiphys.app.dryrun.paths import Manifests, load_manifests
from tiphys.app.dryrun.yaml_text import dump_yaml
from tiphys.errors import FieldError, ManifestError, SettingsError, shorten
from tiphys.schema.loader import load_documents
from tiphys.schema.model import Model, field_errors, problem, unknown_fields

__all__ = ["EXPECTED_FILE", "Case", "CaseSpec", "load_case", "read_expected"]

EXPECTED_FILE: Final = "expected.yaml"
NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
"""Where the clock of a case stands that says nothing of it: a Thursday."""


class StepSpec(Model):
    """Something that arrives: an `event` or a `request`, written out or the name of a file.

    `at` is an instant (RFC 3339), or how long after the step before (`+90s`). `as` says whose event it is (`EVENTSOURCE/EVENT`); `sign`
    gives a request what its route asks its senders for.
    """

    event: Any = None
    request: Any = None
    at: str = ""
    as_: str = Field(default="", alias="as")
    sign: bool = False

    @model_validator(mode="after")
    def _one(self) -> StepSpec:
        if (self.event is None) == (self.request is None):
            raise problem("must be one arrival", "write either event or request")
        return self


class CaseSpec(Model):
    """The text of a case. `about` says what it shows.

    `manifests` are files and folders, from the case's own folder (default: what lies beside the folder `cases`); `namespace` is that of
    those that name none. `secrets` are values by `NAME/KEY`, in whichever namespace; `sources` the files of what the sources of triggers
    (`SENSOR/TRIGGER`) would fetch. `at` is where the clock stands first (default: the first event's time, else 2026-01-01T12:00:00Z).
    """

    about: str = ""
    manifests: list[str] = Field(default_factory=list)
    namespace: str = "argo"
    secrets: dict[str, str] = Field(default_factory=dict)
    sources: dict[str, str] = Field(default_factory=dict)
    at: str = ""
    steps: list[StepSpec]
    expect: list[Any] | None = None

    @field_validator("steps")
    @classmethod
    def _some(cls, value: list[StepSpec]) -> list[StepSpec]:
        if not value:
            raise problem("has no entries, so nothing happens", "add an event or a request")
        return value


@dataclass(frozen=True, slots=True)
class Case:
    """A case that can be run. `file` is its YAML file, `name` how it is called; `expected` is `None` where nothing is expected yet, and
    stands in `expected_in`. `at` is Unix seconds."""

    name: str
    file: Path
    spec: CaseSpec
    arrivals: Sequence[Arrival]
    at: float
    expected: Sequence[Any] | None = None
    expected_in: Path = field(default_factory=Path)

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self.file.parent

    def manifests(self) -> Manifests:
        """Those that it is about. Raises `SettingsError` for one that is not there."""
        if self.spec.manifests:
            return load_manifests([self.folder / name for name in self.spec.manifests])
        holder = next((one.parent for one in (self.folder, *self.folder.parents) if one.name == "cases"), self.folder.parent)
        return load_manifests([holder])

    def secrets(self) -> dict[tuple[str, str], bytes]:
        """The values by name and key. Raises `SettingsError`."""
        return dict(read_secret(f"{name}={value}", f"{self.file}: secrets") for name, value in self.spec.secrets.items())

    def sources(self) -> dict[str, str]:
        """The texts by trigger. Raises `SettingsError`."""
        found: dict[str, str] = {}
        for name, file in self.spec.sources.items():
            found |= read_source(f"{name}={self.folder / file}", f"{self.file}: sources")
        return found

    def write_expected(self, expected: Sequence[Any]) -> None:
        """Write it in its place. Raises `SettingsError` where it cannot be written, or a text not be replaced."""
        written = dump_yaml({"expect": list(expected)})
        inside = self.expected_in == self.file
        try:
            self.expected_in.write_text(_in_place(self.file.read_text(), written, self.file) if inside else written)
        except OSError as error:
            raise SettingsError(str(self.expected_in), f"cannot be written: {error.strerror}") from error


def _in_place(text: str, written: str, file: Path) -> str:
    """The case's text with its `expect` replaced, or put at the end; all else stays as it is, comments included."""
    lines = text.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if line.startswith("expect:")]
    if not starts and "expect" not in text:
        return text.rstrip("\n") + "\n" + written
    if len(starts) != 1:
        raise SettingsError(str(file), "its expect cannot be told from the rest", "write it as a list below a line expect:")
    end = starts[0] + 1
    while end < len(lines) and (not lines[end].strip() or lines[end][0] in " \t#-"):
        end += 1
    while not lines[end - 1].strip() or lines[end - 1].startswith("#"):  # they belong to what follows
        end -= 1
    return "".join([*lines[: starts[0]], written, *lines[end:]])


def load_case(file: Path) -> Case:
    """Read a case. Raises `ManifestError` for its text, `SettingsError` for a file or a value of it."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise SettingsError(str(file), f"cannot be read: {error.strerror}") from error
    loaded = load_documents(text, str(file)).all()
    if len(loaded) != 1:
        raise SettingsError(str(file), f"holds {len(loaded)} documents", "write one case in a file")
    (document,) = loaded
    if unknown := unknown_fields(CaseSpec, document.object):
        faults = [FieldError(one.path, "is no field of a case", _hint(one.nearest)) for one in unknown]
        raise ManifestError(document.locate(faults))
    try:
        spec = CaseSpec.model_validate(document.object)
    except ValidationError as error:
        raise ManifestError(document.locate(field_errors(error))) from error
    start, arrivals = _arrivals(spec, file)
    whole = file.name == CASE_FILE
    case = Case(file.parent.name if whole else file.name.removesuffix(CASE_SUFFIX), file, spec, arrivals, start)
    apart = file.parent / EXPECTED_FILE
    if spec.expect is None and whole:
        return replace(case, expected=read_expected(apart) if apart.exists() else None, expected_in=apart)
    return replace(case, expected=spec.expect, expected_in=file)


def _hint(nearest: str) -> str:
    return f"did you mean {nearest}?" if nearest else "see docs/testing.md"


def read_expected(file: Path) -> list[Any]:
    """The list below `expect` of a file. Raises `ManifestError`, `SettingsError`."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise SettingsError(str(file), f"cannot be read: {error.strerror}", "--update writes it") from error
    loaded = load_documents(text, str(file)).all()
    expected = loaded[0].object.get("expect") if len(loaded) == 1 else None
    if not isinstance(expected, list):
        raise SettingsError(str(file), "is no expectation", "write a list below expect, or let --update write it")
    return expected


def _arrivals(spec: CaseSpec, file: Path) -> tuple[float, list[Arrival]]:
    """Where the clock stands, and what arrives."""
    steps = [_arrival(step, index, file) for index, step in enumerate(spec.steps)]
    start = read_instant(spec.at, f"{file}: at") if spec.at else _time_of(steps[0], NOON)
    now, arrivals = start, []
    for index, (step, arrival) in enumerate(zip(spec.steps, steps, strict=True)):
        if step.at:
            now = read_instant(step.at, f"{file}: steps[{index}].at", now)
        arrivals.append(replace(arrival, at=now))
    return start, arrivals


def _time_of(arrival: Arrival, otherwise: float) -> float:
    time = getattr(arrival.what, "time", "")
    return read_instant(time, arrival.label) if time else otherwise


def _arrival(step: StepSpec, index: int, file: Path) -> Arrival:
    where, given = f"{file}: steps[{index}]", step.event if step.request is None else step.request
    label = given if isinstance(given, str) and "\n" not in given else f"step {index + 1}"
    if isinstance(given, dict):
        check_keys(given, where)
        arrival = Arrival(label, event_of(given, where) if step.request is None else request_of(given, where))
    elif isinstance(given, str):
        read = read_event if step.request is None else read_request
        arrival = Arrival(label, read(_content(given, file, where), where if label is not given else str(file.parent / given)))
    else:
        raise SettingsError(where, f"{shorten(given)} is no event and no request", "write it out, or name its file")
    if step.as_:
        arrival = arrival.belongs_to(step.as_)
    if step.sign:
        arrival = arrival.signed()
    return arrival


def _content(given: str, file: Path, where: str) -> bytes:
    """A text over several lines is the content itself, one of a line names a file."""
    if "\n" in given:
        return given.encode()
    try:
        return (file.parent / given).read_bytes()
    except OSError as error:
        raise SettingsError(where, f"{file.parent / given} cannot be read: {error.strerror}") from error
