"""Values that people give on the command line or in a case: instants, secrets, files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tiphys.app.dryrun.arrivals import Arrival, read_arrival
from tiphys.errors import DurationError, LanguageError, SettingsError, shorten
from tiphys.languages import duration

__all__ = ["read_files", "read_instant", "read_secret", "read_source"]


def read_instant(text: str, name: str, before: float | None = None) -> float:
    """Unix seconds of RFC 3339 text; with `before` also of `+DURATION` after that. Raises `SettingsError`."""
    try:
        if before is not None and text.startswith("+"):
            return before + duration.parse(text[1:]) / duration.SECOND
        found = datetime.fromisoformat(text)
    except (ValueError, DurationError) as error:
        problem = error.problem if isinstance(error, LanguageError) else "is no instant"
        raise SettingsError(name, f"{shorten(text)} {problem}", "write it as 2026-01-31T08:00:00Z") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def read_secret(text: str, name: str) -> tuple[tuple[str, str], bytes]:
    """`NAME/KEY=VALUE` in its parts. Raises `SettingsError`, without the value."""
    address, equals, value = text.partition("=")
    secret, slash, key = address.partition("/")
    if not (equals and slash and secret and key):
        raise SettingsError(name, "is no secret's value", "write NAME/KEY=VALUE")
    return (secret, key), value.encode()


def read_source(text: str, name: str) -> dict[str, str]:
    """`SENSOR/TRIGGER=FILE` as the text of the file, by the trigger. Raises `SettingsError`."""
    trigger, equals, file = text.partition("=")
    if not (equals and trigger.count("/") == 1 and file):
        raise SettingsError(name, f"{shorten(text)} is no source of a trigger", "write SENSOR/TRIGGER=FILE")
    try:
        return {trigger: Path(file).read_text()}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(name, f"{file} cannot be read: {error}") from error


def read_files(files: Sequence[Path]) -> list[Arrival]:
    """An arrival of each file, event or request. Raises `SettingsError`."""
    arrivals = []
    for file in files:
        try:
            text = file.read_bytes()
        except OSError as error:
            raise SettingsError(str(file), f"cannot be read: {error.strerror}") from error
        arrivals.append(read_arrival(text, str(file)))
    return arrivals
