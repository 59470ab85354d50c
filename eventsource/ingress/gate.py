"""What happens to one request, in this order, and nothing before its turn:

    route → bearer token → method → declared size → read (bounded in bytes and time) → signature over the raw bytes → openings → endpoint

Nothing is parsed before the sender is verified. Content codings are never undone, so a body cannot grow after it was measured: a
compressed body is no JSON and gets the answer for that. Every request ends in one answer with one reason, which is counted.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote

import structlog

from eventsource.health import trace
from eventsource.ingress.alarm import Alarm
from eventsource.ingress.incoming import Incoming
from eventsource.ingress.limits import CUT_OFF, TOO_LARGE, Budget, Flight, Limits, Refusal, openings, read_body
from eventsource.ingress.observer import Observer
from eventsource.ingress.routes import Binding, Table
from eventsource.ingress.signatures import SCHEMES, Headers, Unverified, first, verify
from eventsource.source import Answer, Request
from tiphys.errors import SecretError, StoreUnavailable
from tiphys.schema.secret import SecretRef

__all__ = ["Gate"]

_log = structlog.get_logger(__name__)

HEALTHY: Final = Answer(200, "OK", "health")
NOT_FOUND: Final = Answer(404, "404 page not found\n", "no-route")
NOT_READY: Final = Answer(503, "the manifests are not loaded yet", "not-ready", {"Retry-After": "2"})
NO_TOKEN: Final = Answer(401, "Invalid Authorization Header", "no-token")
WRONG_TOKEN: Final = Answer(401, "Invalid Auth token", "wrong-token")
TOKEN_MISSING: Final = Answer(500, "Error loading auth token", "secret-missing")
SECRET_UNREADABLE: Final = Answer(503, "a secret cannot be read at the moment", "secret-unreadable", {"Retry-After": "5"})
WRONG_METHOD: Final = Answer(400, "http method does not match", "method")
TOO_MANY_OPENINGS: Final = Answer(400, "the request body has too many arrays and objects", "too-many-openings")
FAILED: Final = Answer(500, "internal error", "error")
NOT_RECORDED: Final = "failed to record event"
_BEARER: Final = "Bearer "


class Gate:
    """Answers requests by the table. `ready` is set once the manifests are loaded: until then an unknown path is 503, not 404. `clock`
    gives Unix seconds, for signatures that hold for a while."""

    def __init__(self, table: Table, observer: Observer, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self.table = table
        self._clock = clock
        self.ready = False
        self._observer = observer
        self._limits = limits
        self._budget = Budget(limits)
        self._alarm = Alarm()

    @property
    def in_flight(self) -> int:
        """Requests that are being served."""
        return self._budget.requests

    async def answer(self, port: int, request: Incoming) -> tuple[Answer, bool]:
        """The answer to a request that came in at a port of the table, and whether the connection must end with it."""
        started = time.perf_counter()
        path, _, query = request.target.partition("?")
        if "%" in path:
            path = unquote(path)
        found = self.table.find(port, path)
        close, size = False, 0
        if found is None:
            answer, address = self._without_route(path), None
        else:
            binding, params = found
            address = binding.address
            try:
                flight = self._budget.enter()
                try:
                    body = await self._verified(binding, request, flight)
                    answer = await self._handled(binding, Request(request.method, path, query, request.headers, body, params))
                finally:
                    size = flight.size
                    flight.end()
            except Refusal as refusal:
                answer, close = refusal.answer, refusal.close
        self._observer.answered(address, answer.status, answer.reason, time.perf_counter() - started, size)
        return answer, close

    def _without_route(self, path: str) -> Answer:
        if path == "/health":
            return HEALTHY
        return NOT_FOUND if self.ready else NOT_READY

    async def _verified(self, binding: Binding, request: Incoming, flight: Flight) -> bytes:
        """The body of a request that passed every check before parsing, its bytes counted in `flight`. Raises `Refusal`."""
        route, headers = binding.route, request.headers
        if route.auth_secret is not None:
            await self._authorize(binding, route.auth_secret, first(headers, "Authorization"))
        if route.method is not None and request.method != route.method:
            raise Refusal(WRONG_METHOD)
        length = headers.get("Content-Length")
        if length is not None and int(length[0]) > route.max_body:  # digits, or it would be no request
            raise Refusal(TOO_LARGE, close=True)
        if "Expect" in headers:
            _tell_to_continue(request)
        try:
            body = await read_body(request.body, route.max_body, self._limits.body, flight)
        except ConnectionError as error:
            raise Refusal(CUT_OFF, close=True) from error
        if route.signature is not None:
            await self._check_signature(binding, route.signature, headers, body)
        if len(body) > route.max_openings and openings(body) > route.max_openings:
            raise Refusal(TOO_MANY_OPENINGS)
        return body

    async def _authorize(self, binding: Binding, ref: SecretRef, header: str) -> None:
        if not header.startswith(_BEARER):
            raise Refusal(NO_TOKEN)
        secret = await self._secret(binding, ref, TOKEN_MISSING)
        if not secret or not hmac.compare_digest(header.removeprefix(_BEARER).encode(), secret):
            raise Refusal(WRONG_TOKEN)

    async def _check_signature(self, binding: Binding, name: str, headers: Headers, body: bytes) -> None:
        scheme, ref = SCHEMES[name], binding.route.secret
        missing = Answer(scheme.status, "the signature cannot be checked: this endpoint has no secret", "secret-missing")
        secret = b"" if ref is None else await self._secret(binding, ref, missing)
        try:
            verify(scheme, secret, headers, body, self._clock())
        except Unverified as refusal:
            raise Refusal(Answer(scheme.status, refusal.problem, "signature")) from refusal

    async def _secret(self, binding: Binding, ref: SecretRef, missing: Answer) -> bytes:
        topic = f"secret {ref.name}/{ref.key}"
        try:
            secret = await binding.endpoint.context.secret(ref)
        except SecretError as error:
            binding.trouble(topic, str(error))
            raise Refusal(missing if error.known else SECRET_UNREADABLE) from error
        if binding.problems:
            binding.trouble(topic, problem_of(ref, secret))
        return secret

    async def _handled(self, binding: Binding, request: Request) -> Answer:
        try:
            with self._alarm.within(self._limits.publish):
                answer = await binding.endpoint.handle(request, binding.emit)
        except Refusal:
            raise
        except StoreUnavailable as error:
            binding.trouble("store", str(error))
            return Answer(503, NOT_RECORDED, "store", {"Retry-After": f"{max(1, round(error.retry_after))}"})
        except TimeoutError:
            binding.trouble("store", "the log did not take an event in time")
            return Answer(503, NOT_RECORDED, "store", {"Retry-After": "5"})
        except Exception as error:  # noqa: BLE001  whatever an endpoint does, the sender gets an answer and the rest goes on
            if "error" not in binding.problems:
                where = str(binding.address)
                _log.error("an endpoint failed", action="endpoint-failed", address=where, error=repr(error), trace=trace(error))
            binding.trouble("error", f"the last request failed: {type(error).__name__}")
            return FAILED
        if binding.problems:
            binding.trouble("store", None)
            binding.trouble("error", None)
        return answer


def problem_of(ref: SecretRef, secret: bytes) -> str | None:
    """What is wrong with a secret that can be read, for status: the usual reasons why no signature ever matches."""
    if not secret:
        return f"secret {ref.name}, key {ref.key} is empty: every request is refused"
    if secret.strip() != secret:
        return f"secret {ref.name}, key {ref.key} begins or ends with white space, which is part of it; was it made with echo or an editor?"
    return None


def _tell_to_continue(request: Incoming) -> None:
    """RFC 9110, 10.1.1: the sender waits for this before it sends the body. It comes only after the checks that need none."""
    if request.headers["Expect"][0].lower() == "100-continue":
        request.proceed()
