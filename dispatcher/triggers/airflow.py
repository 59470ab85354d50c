"""`airflow`: our short form for Apache Airflow 3. Start a run of a Dag with a `conf` from events, or report an event of an asset.

    template:
      name: load
      airflow:
        url: https://airflow.example
        dag: nightly                               # or asset: s3://uploads/incoming
        conf:
          key: {from: upload, path: body.key}      # JSON stays what it is: a number is a number
          revision: "{{ .push.body.after }}"
        login: {username: {name: airflow, key: username}, password: {name: airflow, key: password}}

The run's id ends in the firing's, so that a second request meets the first one's run (409): one that is there under our id is the one.
Airflow lets a Dag have one run for a logical date. Ours is the time of the event; where another run has that, it is later by less than a
millisecond, by an amount that is the firing's own. A logical date that the manifest gives is kept to.

An asset's event has no id of ours, so its `extra` has the firing's, and the asset's events are looked through for it before another is
sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode, urlsplit

import orjson
from pydantic import Field, field_validator, model_validator

from dispatcher.airflow import AirflowServer, Identity, nothing_done
from dispatcher.arguments import Argument, ArgumentValue
from dispatcher.jsonvalues import JsonArgument, JsonValue, json_faults
from dispatcher.retry import NAME_TAKEN
from dispatcher.trigger import Notice, Request, Services, Trigger, Work, register
from tiphys.bus.event import Event, rfc3339, template_root
from tiphys.bus.firing import Firing, Target
from tiphys.clients.http import destination, flaw_in_url
from tiphys.errors import FaultKind, FieldError, OutcomeUnknown, Refused, TriggerError, shorten
from tiphys.schema.model import Model, problem

__all__ = ["Airflow", "AirflowSpec"]

_TIMEOUT: Final = 60
_PAGE: Final = 100
_PAGES: Final = 50
_FIRING: Final = "tiphys_firing"
_ASSET: Final = "asset:"
_SHIFTS: Final = 3
_NOTE: Final = 1000
_DAG: Final = re.compile(r"[\w.-]{1,250}")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.~:+-]{0,200}")
_RESERVED: Final = ("scheduled__", "backfill__", "operator_triggered__", "asset_triggered__", "asset_materialization__")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


class AirflowSpec(Identity):
    """`airflow` of a trigger's template: the `url` of the server without `/api/v2`, and one of `dag` (its id) and `asset` (its URI or
    name).

    `conf` is the run's, or the event's `extra`; `note` is the run's (default: what fired). `logicalDate` is `event` (default: the time of
    the event that completed the firing), `none`, or RFC 3339 text from events. A run's id begins with `runIdPrefix` (`tiphys__`). One of
    `login`, `basicAuth` and `bearerToken` says who we are. `timeout`, for all requests of an attempt, is in seconds (60).
    """

    url: str = Field(min_length=1)
    dag: str = ""
    asset: str = ""
    conf: dict[str, JsonValue] = Field(default_factory=dict)
    logical_date: ArgumentValue = "event"
    note: ArgumentValue = ""
    run_id_prefix: str = "tiphys__"
    timeout: int = Field(default=0, ge=0, le=24 * 3600)

    @field_validator("dag")
    @classmethod
    def _is_id(cls, value: str) -> str:
        if value and not _DAG.fullmatch(value):
            raise problem("is no id of a Dag", "it has letters, digits, dashes, dots and underscores")
        return value

    @field_validator("run_id_prefix")
    @classmethod
    def _is_prefix(cls, value: str) -> str:
        if not _PREFIX.fullmatch(value):
            raise problem("may not stand in a run's id", "use letters, digits and _ . ~ : + -")
        if value.startswith(_RESERVED):
            raise problem("is what Airflow calls its own runs", "choose another, for instance tiphys__")
        return value

    @model_validator(mode="after")
    def _one_of_each(self) -> AirflowSpec:
        if bool(self.dag) == bool(self.asset):
            raise problem("must name either a Dag or an asset", "set dag: its-id, or asset: its-uri", FaultKind.MISSING)
        ways = [name for name in ("login", "basicAuth", "bearerToken") if getattr(self, _FIELDS[name]) is not None]
        if len(ways) > 1:
            raise problem(f"has {' and '.join(ways)}", "leave one of them", FaultKind.IGNORED)
        if self.asset:
            for name in ("logicalDate", "note", "runIdPrefix"):
                if _FIELDS[name] in self.model_fields_set:
                    raise problem(f"has {name}, which an asset's event has not", f"leave {name} out", FaultKind.IGNORED)
        return self


_FIELDS: Final = {
    "login": "login",
    "basicAuth": "basic_auth",
    "bearerToken": "bearer_token",
    "logicalDate": "logical_date",
    "note": "note",
    "runIdPrefix": "run_id_prefix",
}


@dataclass(frozen=True, slots=True)
class _Call:
    """What is about to be sent. `logical` are the logical dates to try, one after the other; `strict`: the manifest gives it."""

    conf: bytes
    note: str = ""
    run_id: str = ""
    logical: tuple[str | None, ...] = (None,)
    strict: bool = False


@register
class Airflow(Trigger[AirflowSpec]):
    """Starts one run, or sends one event of an asset, for each firing."""

    key: ClassVar[str] = "airflow"
    spec: ClassVar[type[Model]] = AirflowSpec
    refuses: ClassVar[bool] = True

    def __init__(self, spec: AirflowSpec, namespace: str, services: Services, *, impersonate: str | None = None) -> None:
        super().__init__(spec, namespace, services, impersonate=impersonate)
        self._conf = {name: JsonArgument(f"conf.{name}", value) for name, value in spec.conf.items()}
        self._logical = Argument("logicalDate", spec.logical_date)
        self._note = Argument("note", spec.note)
        self._asks_all = self._note.asks_all or self._logical.asks_all or any(one.asks_all for one in self._conf.values())
        self._server = AirflowServer(spec, namespace, services)

    @classmethod
    def check(cls, spec: AirflowSpec, dependencies: frozenset[str]) -> list[FieldError]:
        """A URL that is none, templates, paths and patterns that do not compile, and dependencies that the sensor does not have."""
        faults = []
        if flaw := flaw_in_url(spec.url):
            faults.append(FieldError("url", flaw, "write it like https://airflow.example", repr(spec.url)))
        elif "?" in spec.url or "#" in spec.url or urlsplit(spec.url).username is not None:
            faults.append(FieldError("url", "has more than a server and a path", "use login, basicAuth or bearerToken"))
        elif spec.url.rstrip("/").endswith(("/api/v1", "/api/v2")):
            faults.append(FieldError("url", "names the API", "leave /api/v… out: version 2 is used", repr(spec.url)))
        for name, value in spec.conf.items():
            faults += json_faults(value, dependencies, f"conf.{name}")
        faults += Argument.faults("note", spec.note, dependencies, "note")
        faults += Argument.faults("logicalDate", spec.logical_date, dependencies, "logicalDate")
        if not faults:
            fixed = Argument("logicalDate", spec.logical_date).constant
            if fixed not in (None, "event", "none"):
                text = "is the same for every firing, and a Dag has one run for a logical date"
                faults.append(FieldError("logicalDate", text, "write event, none, or a template", repr(fixed)))
        return faults

    @classmethod
    def notices(cls, spec: AirflowSpec) -> list[Notice]:
        """Credentials that anybody on the way can read."""
        named = spec.login or spec.basic_auth or spec.bearer_token
        if named is not None and spec.url.startswith("http://"):
            text = "is not encrypted: whoever is on the way can read the password or the token; use https"
            return [Notice("url", text, FaultKind.UNPROTECTED)]
        return []

    def patience(self, request: Request) -> float:
        """The time limit of all requests."""
        return float(self.settings.timeout or _TIMEOUT)

    def refusal(self, events: Mapping[str, Event]) -> TriggerError | None:
        """The first value that is missing, or that its pattern or its type does not let through."""
        try:
            root = template_root(events, all_too=self._asks_all)
            self._rendered(events, root)
            self._given_date(events, root)
        except TriggerError as error:
            return error
        return None

    async def render(self, work: Work) -> Request:
        """The run or the event, with its values."""
        spec, firing = self.settings, work.firing
        root = template_root(work.events, all_too=self._asks_all)
        conf = self._rendered(work.events, root)
        if spec.asset:
            conf = _with_member(conf, _FIRING, firing.id)
            name, call = f"{_ASSET}{spec.asset}/{firing.id}", _Call(conf)
            path, body = "/assets/events", {"asset": spec.asset, "extra": _shown(conf)}
        else:
            run_id = spec.run_id_prefix + firing.id
            if work.standing is not None and work.standing.kind == self.key:
                dag, _, standing = work.standing.name.rpartition("/")
                run_id = standing if dag == spec.dag else run_id
            key = firing.key
            note = self._note.value(work.events, root)
            note = (
                note or f"firing {firing.id} of trigger {work.trigger or key.trigger}, sensor {key.namespace}/{key.sensor} (Tiphys)"
            )
            given = self._given_date(work.events, root)
            logical = _logical_dates(given if given is not None else self._event_time(work), firing.id, strict=given is not None)
            name, call = f"{spec.dag}/{run_id}", _Call(conf, note[:_NOTE], run_id, logical, strict=given is not None)
            path = f"/dags/{spec.dag}/dagRuns"
            body = {"dag_run_id": run_id, "logical_date": logical[0], "conf": _shown(conf), "note": call.note}
        preview = {"method": "POST", "url": f"{spec.url.rstrip('/')}/api/v2{path}", "body": body}
        digest = hashlib.sha256(orjson.dumps(preview, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return Request(Target("", self.key, self.namespace, name, digest), preview, call)

    async def execute(self, request: Request, firing: Firing) -> Target:
        """Start the run or send the event. One that this firing started before counts as started."""
        call: _Call = request.body
        until = asyncio.get_running_loop().time() + self.patience(request)
        if self.settings.asset:
            with nothing_done():
                number = await self._asset(self.settings.asset, until)
            body = b'{"asset_id":%d,"extra":%b}' % (number, call.conf)
            await self._server.change("/assets/events", body, until, "asset_id", number)
            return request.target
        for logical in call.logical:
            try:
                fields = {"dag_run_id": call.run_id, "logical_date": logical, "note": call.note, "conf": orjson.Fragment(call.conf)}
                path = f"/dags/{quote(self.settings.dag)}/dagRuns"
                await self._server.change(path, orjson.dumps(fields), until, "dag_run_id", call.run_id)
            except Refused as refusal:
                if refusal.status != 409:
                    raise
                with nothing_done():
                    if await self._run(self.settings.dag, call.run_id, until):
                        return request.target
                if logical is None:
                    raise
            else:
                return request.target
        text = f"another run of {self.settings.dag} has the logical date {call.logical[0]}; leave logicalDate out, or set onConflict: skip"
        raise TriggerError(NAME_TAKEN, text)

    async def look(self, target: Target, firing: Firing) -> Target | None:
        """The run, or the event with our id. While the server does not say, nothing is concluded."""
        until = asyncio.get_running_loop().time() + float(self.settings.timeout or _TIMEOUT)
        place, _, run_id = target.name.rpartition("/")
        try:
            if not place.startswith(_ASSET):
                return target if await self._run(place, run_id, until) else None
            number = await self._asset(place.removeprefix(_ASSET), until)
            return target if await self._sent(number, firing.id, until) else None
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise OutcomeUnknown(refusal.target, f"it cannot be looked for: {refusal}") from refusal

    def _rendered(self, events: Mapping[str, Event], root: Mapping[str, Any]) -> bytes:
        members = (b"%b:%b" % (orjson.dumps(name), value.json(events, root)) for name, value in self._conf.items())
        return b"{%b}" % b",".join(members)

    def _given_date(self, events: Mapping[str, Event], root: Mapping[str, Any]) -> str | None:
        """The logical date that the manifest gives: an instant, `none`, or `None` where it is the event's. Raises `TriggerError`."""
        text = self._logical.value(events, root)
        if self._logical.constant == "event":
            return None
        return text if text == "none" else _instant(text)

    @staticmethod
    def _event_time(work: Work) -> str:
        event = work.events.get(work.firing.completed_by) or next(iter(work.events.values()), None)
        try:
            return _instant(event.time) if event is not None else "none"
        except TriggerError:
            return "none"

    async def _run(self, dag: str, run_id: str, until: float) -> bool:
        """Whether there is that run. Nobody else's has the firing's id in its own."""
        try:
            await self._server.ask(f"/dags/{quote(dag)}/dagRuns/{quote(run_id, safe='')}", until, "dag_run_id", run_id)
        except Refused as refusal:
            if refusal.status == 404:
                return False
            raise
        return True

    async def _asset(self, asset: str, until: float) -> int:
        """The number of the asset with that URI, else with that name. Raises `Refused` 404."""
        for field in ("uri", "name"):
            numbers = []
            for page in range(_PAGES):
                query = urlencode({f"{field}_pattern": asset, "limit": _PAGE, "offset": page * _PAGE, "order_by": "id"})
                found = (await self._server.ask(f"/assets?{query}", until, "assets"))["assets"]
                numbers += [one["id"] for one in found if one.get(field) == asset]
                if len(found) < _PAGE:
                    break
            if len(numbers) > 1:
                raise TriggerError("AssetAmbiguous", f"{len(numbers)} assets have the {field} {shorten(asset)}", transient=True)
            if numbers:
                return int(numbers[0])
        text = f"there is no asset {shorten(asset)}; it comes into being with the first Dag that names it"
        raise Refused(destination("GET", self.settings.url), 404, "NotFound", text)

    async def _sent(self, number: int, firing: str, until: float) -> bool:
        """Whether an event with the firing's id is there, looked for from the latest back. Raises `OutcomeUnknown` past 5,000 events."""
        for page in range(_PAGES):
            query = urlencode({"asset_id": number, "order_by": "-timestamp", "limit": _PAGE, "offset": page * _PAGE})
            found = (await self._server.ask(f"/assets/events?{query}", until, "asset_events"))["asset_events"]
            if any((one.get("extra") or {}).get(_FIRING) == firing for one in found):
                return True
            if len(found) < _PAGE:
                return False
        raise OutcomeUnknown(destination("GET", self.settings.url), f"not among the latest {_PAGES * _PAGE} events of the asset")


def _instant(text: str) -> str:
    """RFC 3339 text in UTC; a date is its first instant. Raises `TriggerError` `ArgumentRefused`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is not None and found.tzinfo is None and _DATE.fullmatch(text):
        found = found.replace(tzinfo=UTC)
    if found is None or found.tzinfo is None:
        wanted = "an instant with a time zone (2026-11-25T02:00:00Z) or a date"
        raise TriggerError("ArgumentRefused", f"argument 'logicalDate': {shorten(text)} is not {wanted}")
    return rfc3339(found)


def _logical_dates(text: str, firing: str, *, strict: bool) -> tuple[str | None, ...]:
    if text == "none":
        return (None,)
    if strict:
        return (text,)
    digest, first = hashlib.sha256(firing.encode()).digest(), datetime.fromisoformat(text)
    steps = (1 + int.from_bytes(digest[2 * number : 2 * number + 2]) % 999 for number in range(_SHIFTS))
    return text, *(rfc3339(first + timedelta(microseconds=step)) for step in steps)


def _with_member(obj: bytes, name: str, value: str) -> bytes:
    """A JSON object with one more member at its end."""
    member = b"%b:%b" % (orjson.dumps(name), orjson.dumps(value))
    return b"{%b}" % member if obj == b"{}" else obj[:-1] + b"," + member + b"}"


def _shown(conf: bytes) -> Any:
    try:
        return orjson.loads(conf)
    except orjson.JSONDecodeError as error:
        raise TriggerError("InvalidConf", f"conf is no JSON with these values ({error})") from error
