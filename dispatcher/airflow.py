"""Airflow's REST API v2 (3.3.2) as a trigger asks it: who we are there, and what an answer means.

A token is asked for with a name and a password (`POST /auth/token`), kept until it is refused (401), and asked for anew: many that wait
for one share it. What only asks changes nothing there, so that an answer that did not come is `Unreachable`; of a change without a clear
answer nothing is known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import orjson

from dispatcher.credentials import basic, credential, tls_material
from dispatcher.trigger import Services
from tiphys.clients.http import Answer, HttpRequest, destination, flaw_in_header
from tiphys.errors import NotAllowed, OutcomeUnknown, Refused, TriggerError, Unreachable
from tiphys.schema.model import Model
from tiphys.schema.secret import SecretRef
from tiphys.schema.tls import TLSConfig

__all__ = ["AirflowServer", "Identity", "Login", "nothing_done"]

_ANSWER: Final = 16 * 1024 * 1024


class Login(Model):
    """A user of Airflow's: a token is asked for with it (`POST /auth/token`), kept, and asked for anew when it has expired; or, as
    `basicAuth`, an `Authorization` header for what stands before Airflow."""

    username: SecretRef
    password: SecretRef


class Identity(Model):
    """Who we are at an Airflow, and how it is spoken to: what of a trigger's settings its server needs."""

    url: str
    login: Login | None = None
    basic_auth: Login | None = None
    bearer_token: SecretRef | None = None
    tls: TLSConfig | None = None


class AirflowServer:
    """The REST API of one Airflow, with who we are there. A token is kept until it is refused."""

    def __init__(self, spec: Identity, namespace: str, services: Services) -> None:
        self._spec, self._namespace, self._services = spec, namespace, services
        self._token = ""
        self._asking = asyncio.Lock()

    async def ask(self, path: str, until: float, field: str, value: Any = None) -> dict[str, Any]:
        """The answer to a GET, which does nothing there; it is one only with that field (and that value). Raises `Refused`,
        `Unreachable`, `OutcomeUnknown`, `TriggerError`."""
        answer = await self._authorized("GET", path, b"", until)
        return self._object("GET", answer, field, value)

    async def change(self, path: str, body: bytes, until: float, field: str, value: Any) -> dict[str, Any]:
        """The answer to a POST, as in `ask`. Raises `OutcomeUnknown` wherever it may have been done."""
        answer = await self._authorized("POST", path, body, until)
        try:
            return self._object("POST", answer, field, value)
        except TriggerError as error:
            raise OutcomeUnknown(destination("POST", self._spec.url), error.problem) from error

    async def _authorized(self, method: str, path: str, body: bytes, until: float) -> Answer:
        headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body else {})
        spec, secrets = self._spec, self._services.secrets
        used = ""
        with nothing_done():
            if spec.bearer_token is not None:
                token = (await credential(secrets, self._namespace, spec.bearer_token)).decode("latin-1")
                if flaw := flaw_in_header("Authorization", token):
                    raise TriggerError("InvalidHeader", f"bearerToken {flaw}", transient=True)
                headers["Authorization"] = f"Bearer {token}"
            elif spec.basic_auth is not None:
                user, password = [
                    await credential(secrets, self._namespace, one) for one in (spec.basic_auth.username, spec.basic_auth.password)
                ]
                headers["Authorization"] = basic(user, password)
            elif spec.login is not None:
                used = await self._logged_in(spec.login, "", until)
                headers["Authorization"] = f"Bearer {used}"
        answer = await self._send(method, f"/api/v2{path}", headers, body, until)
        if answer.status == 401 and spec.login is not None:
            with nothing_done():
                headers["Authorization"] = f"Bearer {await self._logged_in(spec.login, used, until)}"
            answer = await self._send(method, f"/api/v2{path}", headers, body, until)
        return answer

    async def _logged_in(self, login: Login, refused: str, until: float) -> str:
        """A token other than the one that was refused; many that wait for one share it."""
        async with self._asking:
            if self._token and self._token != refused:
                return self._token
            self._token = ""
            secrets = self._services.secrets
            user, password = [
                (await credential(secrets, self._namespace, one)).decode() for one in (login.username, login.password)
            ]
            headers = {"Content-Type": "application/json", "Accept": "application/json"}
            body = orjson.dumps({"username": user, "password": password})
            answer = await self._send("POST", "/auth/token", headers, body, until)
            token = self._object("POST", answer, "access_token")["access_token"]
            if not isinstance(token, str) or not token.isascii() or not token.isprintable():
                raise TriggerError("NotAirflow", "/auth/token gave no token; is the url that of an Airflow 3?", transient=True)
            self._token = token
            return token

    async def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes, until: float) -> Answer:
        spec, client = self._spec, self._services.http
        if client is None:
            raise TriggerError("NoHttp", "requests cannot be sent here", transient=True)
        tls = await tls_material(self._services.secrets, self._namespace, spec.tls)
        left = max(0.001, until - asyncio.get_running_loop().time())
        url = spec.url.rstrip("/") + path
        try:
            return await client.send(HttpRequest(method, url, [*headers.items()], body, timeout=left, tls=tls, answer=_ANSWER))
        except NotAllowed as error:
            raise TriggerError("TargetNotAllowed", str(error)) from error

    def _object(self, method: str, answer: Answer, field: str, value: Any = None) -> dict[str, Any]:
        target = destination(method, self._spec.url)
        if answer.status >= 500:
            raise OutcomeUnknown(target, f"answered {answer.status}")
        if not 200 <= answer.status < 300:
            raise Refused(target, answer.status, f"Status{answer.status}", _detail(answer.body), answer.retry_after)
        try:
            found = orjson.loads(answer.body) if answer.complete else None
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict) or found.get(field) is None or value not in (None, found[field]):
            text = f"answered {answer.status} without the {field} that was expected; is the url that of an Airflow 3?"
            raise TriggerError("NotAirflow", text, transient=True)
        return found


@contextmanager
def nothing_done() -> Iterator[None]:
    """What is asked inside changes nothing, so that an answer that did not come leaves nothing unknown."""
    try:
        yield
    except OutcomeUnknown as error:
        raise Unreachable(error.target, str(error).removeprefix(f"{error.target}: ")) from error


def _detail(body: bytes) -> str:
    """What Airflow says (FastAPI's `detail`): a text, or a list of what is wrong with fields, whose values are left out."""
    try:
        detail = orjson.loads(body)["detail"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "no reason was given"
    if isinstance(detail, list):
        detail = "; ".join(
            f"{'.'.join(map(str, one.get('loc', ())))}: {one.get('msg', '')}" for one in detail if isinstance(one, dict)
        )
    elif isinstance(detail, dict):
        detail = detail.get("reason") or detail.get("message") or ""
    return str(detail)[:300] or "no reason was given"
