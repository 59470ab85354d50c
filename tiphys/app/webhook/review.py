"""An AdmissionReview in, an AdmissionReview out. Pure: nothing is kept and nothing is asked, so a dry run is as good as any.

The judgement is `tiphys.app.admission.examine`, the same as the service's own and `tiphys lint`'s. Faults deny, with every field at fault;
notices are warnings, which kubectl prints. Let through without a look are deletions, changes that leave `spec` as it was (a label on, or
the finalizer off an object that is invalid must be possible), and objects that are not ours to run (`tiphys.app.adoption`).

WorkflowTemplates are not looked at: a Sensor and its template may be applied in one go, in any order. The status says if they disagree.

Followed: `admission.k8s.io/v1`, "Dynamic Admission Control" of the Kubernetes documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tiphys.app.admission import Notice, examine
from tiphys.app.beforehand import prepare
from tiphys.app.origins.cluster import ClusterDocument
from tiphys.errors import FieldError

__all__ = ["InvalidReview", "Reviewer"]

API_VERSION: Final = "admission.k8s.io/v1"
_KINDS: Final = frozenset(("EventBus", "EventSource", "Sensor"))
_LONGEST_WARNING: Final = 256  # what an API server passes on of one
_WARNINGS: Final = 4096  # and of all together
_CAUSES: Final = 100


class InvalidReview(Exception):  # noqa: N818  never leaves the package: it becomes a 400
    """The body is no AdmissionReview that we understand."""


class Reviewer:
    """Judges manifests. `strict` refuses fields that nobody knows; `ours` says whether an object is ours to judge."""

    def __init__(self, *, strict: bool = False, ours: Callable[[Mapping[str, Any]], bool] = lambda _: True) -> None:
        self._strict, self._ours = strict, ours

    async def review(self, body: Any) -> dict[str, Any]:
        """The answer to an AdmissionReview. Raises `InvalidReview`."""
        request = body.get("request") if isinstance(body, dict) and body.get("apiVersion") == API_VERSION else None
        if not isinstance(request, dict) or not isinstance(request.get("uid"), str):
            raise InvalidReview(f"send an AdmissionReview of {API_VERSION} with a request")
        response = {"uid": request["uid"], **await self._judge(request)}
        return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}

    async def _judge(self, request: Mapping[str, Any]) -> dict[str, Any]:
        obj, old = request.get("object"), request.get("oldObject")
        if request.get("operation") not in ("CREATE", "UPDATE") or not isinstance(obj, dict):
            return {"allowed": True}
        if obj.get("kind") not in _KINDS or not self._ours(obj):
            return {"allowed": True}
        if isinstance(old, dict) and old.get("spec") == obj.get("spec"):
            return {"allowed": True}
        await prepare(obj)
        namespace = str(request.get("namespace") or "")
        metadata = obj.get("metadata")
        name = str((metadata.get("name") or request.get("name") or "") if isinstance(metadata, dict) else "")
        if not name and isinstance(metadata, dict) and isinstance(metadata.get("generateName"), str):
            # the API server draws the name after admission; which one it will be makes no difference here
            name = metadata["generateName"]
            obj = {**obj, "metadata": {**metadata, "name": name}}
        found = examine(ClusterDocument(obj, ""), namespace, strict=self._strict)
        warnings = _warnings(found.notices)
        answer: dict[str, Any] = {"allowed": found.accepted is not None}
        if warnings:
            answer["warnings"] = warnings
        if found.accepted is None:
            answer["status"] = _refusal(str(obj["kind"]), name, found.errors)
        return answer


def _refusal(kind: str, name: str, errors: Sequence[FieldError]) -> dict[str, Any]:
    """The Status that kubectl prints, with each field as a cause."""
    causes = [{"reason": "FieldValueInvalid", "field": error.path, "message": _without_path(error)} for error in errors[:_CAUSES]]
    details = {"name": name, "group": "argoproj.io", "kind": kind, "causes": causes}
    message = "; ".join(map(str, errors))
    return {"code": 422, "reason": "Invalid", "message": f"invalid {kind}: {message}", "details": details}


def _without_path(error: FieldError) -> str:
    value = f" (found {error.shown})" if error.shown else ""
    return f"{error.problem}{value}" + (f"; {error.remedy}" if error.remedy else "")


def _warnings(notices: Sequence[Notice]) -> list[str]:
    """Notices as warnings, the worst first, within the bounds of an API server."""
    order = {"error": 0, "warning": 1}
    found: list[str] = []
    left = _WARNINGS
    for notice in sorted(notices, key=lambda one: order.get(one.level, 2)):
        text = f"{notice.path}: {notice.text}"
        text = text if len(text) <= _LONGEST_WARNING else text[: _LONGEST_WARNING - 1] + "…"
        left -= len(text.encode())
        if left < 0:
            break
        found.append(text)
    return found
