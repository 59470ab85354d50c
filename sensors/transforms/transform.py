"""`transform` of a dependency (reference 4.2): the data rewritten by jq or Lua, in a worker process.

What it makes is an object (Lua may also make a list) and takes the place of the data, for filters, conditions and parameters of this
dependency; `datacontenttype` becomes `application/json`. An event without data is left as it is. A transform that fails drops the event
for this dependency, and the verdict says so; argo-events drops it and says nothing.
"""

from __future__ import annotations

from dataclasses import replace

from sensors.manifest import Transform
from sensors.scripts import Program, Runner
from tiphys.bus.event import Event
from tiphys.errors import FaultKind, FieldError, ScriptError, shorten
from tiphys.languages import jq, lua

__all__ = ["TransformProgram"]


class TransformProgram:
    """A compiled transform that has something to do; of jq and Lua, jq. `number` is its clause number in the dependency's program;
    `faults` and `notices` have paths from `transform`."""

    def __init__(self, transform: Transform, number: int) -> None:
        self.number = number
        by_jq = bool(transform.jq)
        text = transform.jq or transform.script
        self._program = Program("jq" if by_jq else "lua-transform", text)
        self.asked = f"transform by {'jq' if by_jq else 'Lua'}: {shorten(text)}"
        fault = jq.fault(text) if by_jq else lua.fault(text)
        field = "jq" if by_jq else "script"
        self.faults = (FieldError(field, fault.problem, fault.remedy, shorten(text)),) if fault else ()
        twice = FieldError(
            "script",
            "does nothing, since jq is there as well",
            "keep one of them",
            shorten(transform.script),
            kind=FaultKind.IGNORED,
        )
        self.notices = (twice,) if transform.jq and transform.script else ()

    async def apply(self, event: Event, scripts: Runner) -> Event:
        """The event with its new data. Raises `ScriptError` if there is none."""
        if event.data is None:
            return event
        made = await scripts.run(self._program, event.data)
        if not isinstance(made, bytes):
            raise ScriptError(self._program.text, "made no data")
        return replace(event, data=made, datacontenttype="application/json")
