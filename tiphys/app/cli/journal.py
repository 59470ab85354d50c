"""The commands that ask a running service: a small client of its HTTP API, and how its answers are printed.

Where the service listens and its token stand in the data folder (`api-url`, `api-token`), written by the service itself.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tiphys.errors import Refused, SettingsError, UnknownRecord, Unreachable

__all__ = ["Journal", "show"]

_SECONDS = 30
_FIRING = 13  # the length of a firing's id


class Journal:
    """The journal of a running service. `data` is its data folder (default `.tiphys`), `api` an address that wins over it."""

    def __init__(self, data: Path | None, api: str = "") -> None:
        folder = data or Path(os.environ.get("TIPHYS_DATA", ".tiphys"))
        self._url = api or self._read(folder / "api-url")
        self._token = os.environ.get("TIPHYS_TOKEN") or self._read(folder / "api-token")

    @staticmethod
    def _read(path: Path) -> str:
        try:
            return path.read_text().strip()
        except OSError as error:
            raise SettingsError(
                "--data",
                f"no service has its data in {path.parent}",
                "start `tiphys serve` or `tiphys demo` there, or name its folder",
            ) from error

    def get(self, path: str, query: Mapping[str, str] | None = None, **lists: Sequence[str]) -> Any:
        """GET below `/api/v1/`. Raises `Unreachable`, `UnknownRecord`, `Refused`."""
        return self._ask("GET", path, query or {}, lists)

    def text(self, path: str) -> bytes:
        """As `get`, the answer byte for byte."""
        return self._answer("GET", path, {}, {})

    def replay(self, record: str, triggers: Sequence[str]) -> Any:
        """Replay an event (32 hex digits or a beginning of them) or a firing (13 characters)."""
        kind = "firings" if len(record) == _FIRING and not triggers else "events"
        try:
            return self._ask("POST", f"{kind}/{record}/replay", {}, {"trigger": triggers})
        except UnknownRecord:
            if kind == "events":
                raise
            return self._ask("POST", f"events/{record}/replay", {}, {"trigger": triggers})

    def suspend(self, namespace: str, trigger: str, on_resume: str) -> Any:
        """Suspend SENSOR or SENSOR/TRIGGER."""
        return self._ask("POST", "suspensions", self._named(namespace, trigger) | {"onResume": on_resume}, {})

    def resume(self, namespace: str, trigger: str) -> Any:
        """Resume it."""
        return self._ask("DELETE", "suspensions", self._named(namespace, trigger), {})

    @staticmethod
    def _named(namespace: str, trigger: str) -> dict[str, str]:
        sensor, _, name = trigger.partition("/")
        return {"namespace": namespace, "sensor": sensor, "trigger": name}

    def _ask(self, method: str, path: str, query: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> Any:
        return json.loads(self._answer(method, path, query, lists) or b"null")

    def _answer(self, method: str, path: str, query: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> bytes:
        parts = urlsplit(self._url)
        pairs = [(name, value) for name, value in query.items() if value]
        pairs += [(name, value) for name, values in lists.items() for value in values]
        target = f"/api/v1/{quote(path)}" + (f"?{urlencode(pairs)}" if pairs else "")
        connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=_SECONDS)
        try:
            connection.request(method, target, headers={"Authorization": f"Bearer {self._token}"})
            answer = connection.getresponse()
            body = answer.read()
            content = json.loads(body or b"null")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(self._url, f"the service does not answer ({error}); is it running?") from error
        finally:
            connection.close()
        if answer.status == 404 and len(steps := path.split("/")) > 1:
            hint = {"hint": content["hint"]} if isinstance(content, dict) and content.get("hint") else {}
            raise UnknownRecord(steps[0].removesuffix("s"), steps[1], **hint)
        if answer.status >= 400:
            problem = content.get("error", "") if isinstance(content, dict) else ""
            raise Refused(self._url, answer.status, "", problem)
        return body


def show(content: Any, form: str, kind: str) -> None:
    """Print an answer: `json` and `yaml` as it is, `table` for people."""
    if form == "json":
        sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    elif form == "yaml":
        import yaml  # noqa: PLC0415

        sys.stdout.write(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    else:
        from tiphys.app.cli.tables import print_table  # noqa: PLC0415

        print_table(content, kind)
