"""What the Kubernetes API answers when the answer is no: `Status` objects, shaped to the letter.

Clients decide by these fields: kubectl prints `message`, client-go compares `reason` and `code`, Tiphys reads `details`. The shapes
and texts follow k8s.io/apimachinery `pkg/api/errors`, so that a client which works here works there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tiphys.emulator.kinds import Kind
from tiphys.errors import TiphysError

__all__ = [
    "ApiError",
    "Cause",
    "already_exists",
    "bad_request",
    "conflict",
    "expired",
    "invalid",
    "method_not_allowed",
    "not_found",
    "success",
    "unknown_path",
]

_CODES: Final = {
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "AlreadyExists": 409,
    "Conflict": 409,
    "Expired": 410,
    "Invalid": 422,
    "BadRequest": 400,
    "MethodNotAllowed": 405,
    "NotAcceptable": 406,
    "UnsupportedMediaType": 415,
    "RequestEntityTooLarge": 413,
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "Timeout": 504,
}


class ApiError(TiphysError):
    """A refusal. `reason` is Kubernetes' word for it (empty where the real server gives none), `code` the HTTP status.

    `details` is put into the Status as it is, `meta` into its metadata (a continue token goes there), `retry_after` (seconds)
    into the header and the details.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        code: int | None = None,
        meta: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message
        self.code = code if code is not None else _CODES[reason]
        self.details = dict(details or {})
        self.meta = dict(meta or {})
        self.retry_after = retry_after

    def status(self) -> dict[str, Any]:
        """The body of the answer."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.meta,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        details = self.details if self.retry_after is None else {**self.details, "retryAfterSeconds": self.retry_after}
        if details:
            body["details"] = details
        body["code"] = self.code
        return body


class Cause(NamedTuple):
    """One field at fault: its dotted path, Kubernetes' word for the fault, and the text."""

    field: str
    reason: str
    message: str


def required(field: str, why: str) -> Cause:
    """A field that is missing."""
    return Cause(field, "FieldValueRequired", f"Required value: {why}" if why else "Required value")


def wrong(field: str, value: object, why: str) -> Cause:
    """A field with a value that is not allowed; strings are shown quoted, as Go does."""
    shown = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else str(value)
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown}: {why}")


def _details(kind: Kind, name: str, word: str) -> dict[str, Any]:
    details = {"name": name} if name else {}
    if kind.group:
        details["group"] = kind.group
    details["kind"] = word
    return details


def _qualified(word: str, group: str) -> str:
    return f"{word}.{group}" if group else word


def not_found(kind: Kind, name: str) -> ApiError:
    """404: there is no such object."""
    text = f'{_qualified(kind.plural, kind.group)} "{name}" not found'
    return ApiError("NotFound", text, details=_details(kind, name, kind.plural))


def already_exists(kind: Kind, name: str) -> ApiError:
    """409: the name is taken."""
    text = f'{_qualified(kind.plural, kind.group)} "{name}" already exists'
    return ApiError("AlreadyExists", text, details=_details(kind, name, kind.plural))


def conflict(kind: Kind, name: str, why: str = "") -> ApiError:
    """409: the object is not what the caller read; `why` replaces the usual text about the resourceVersion."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    text = f'Operation cannot be fulfilled on {_qualified(kind.plural, kind.group)} "{name}": {why}'
    return ApiError("Conflict", text, details=_details(kind, name, kind.plural))


def invalid(kind: Kind, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: fields that are wrong, each as a cause."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    shown = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details = _details(kind, name, kind.kind)
    details["causes"] = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    return ApiError("Invalid", f'{_qualified(kind.kind, kind.group)} "{name}" is invalid: {shown}', details=details)


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError("BadRequest", message)


def expired(message: str, continue_token: str = "") -> ApiError:
    """410: the asked version is no longer kept. `continue_token` lets a list go on without consistency."""
    return ApiError("Expired", message, meta={"continue": continue_token} if continue_token else None)


def unknown_path() -> ApiError:
    """404: nothing is served there."""
    return ApiError("NotFound", "the server could not find the requested resource", details={})


def method_not_allowed() -> ApiError:
    """405: the path exists, the verb does not."""
    return ApiError("MethodNotAllowed", "the server does not allow this method on the requested resource", details={})


def success(kind: Kind, name: str, uid: str) -> dict[str, Any]:
    """The answer to a deletion that is done."""
    details = _details(kind, name, kind.plural)
    details["uid"] = uid
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
