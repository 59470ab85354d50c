"""`log`: write each event to the service's log (reference 6.11): for trying a sensor out.

The event's data goes to the log as it is, so whatever the sender put into it can be read there. `intervalSeconds` keeps the log short: at
most one firing of the trigger is written per interval (in argo-events it has no effect).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import structlog
from pydantic import Field

from dispatcher.trigger import Request, Services, Trigger, Work, register
from tiphys.bus.event import Event
from tiphys.bus.firing import Firing, Target
from tiphys.schema.model import Model

__all__ = ["Log", "LogSpec"]

_log = structlog.get_logger(__name__)


class LogSpec(Model):
    """`log` of a trigger's template. `intervalSeconds`: at most one firing is written in so many seconds (0: all)."""

    interval_seconds: int = Field(default=0, ge=0)


@register
class Log(Trigger[LogSpec]):
    """Writes one log line for each event of a firing."""

    key: ClassVar[str] = "log"
    spec: ClassVar[type[Model]] = LogSpec

    def __init__(self, spec: LogSpec, namespace: str, services: Services, *, impersonate: str | None = None) -> None:
        super().__init__(spec, namespace, services, impersonate=impersonate)
        self._silent_until = 0.0

    async def render(self, work: Work) -> Request:
        """The lines that would be written."""
        lines = [_line(name, event) for name, event in work.events.items()]
        digest = hashlib.sha256(repr(lines).encode()).hexdigest()
        return Request(Target("", self.key, self.namespace, work.firing.id, digest), {"lines": lines}, lines)

    async def execute(self, request: Request, firing: Firing) -> Target:
        """Write them, unless the interval is not over."""
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + self.settings.interval_seconds
            for line in request.body:
                _log.info(
                    "an event reached a log trigger",
                    action="trigger-log",
                    namespace=firing.key.namespace,
                    sensor=firing.key.sensor,
                    trigger=firing.key.trigger,
                    firing=firing.id,
                    **line,
                )
        return request.target

    async def look(self, target: Target, firing: Firing) -> Target | None:
        """A log cannot be asked: a line may be written twice after a crash."""
        return None


def _line(dependency: str, event: Event) -> Mapping[str, Any]:
    context = {"id": event.id, "source": event.source, "type": event.type, "subject": event.subject, "time": event.time}
    return {"dependency": dependency, "context": context, "data": (event.data or b"").decode(errors="replace")}
