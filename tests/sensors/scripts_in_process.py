"""Scripts without worker processes, for tests that ask what a program decides, and not how it is kept in bounds."""

from __future__ import annotations

from sensors.scripts import Program
from tiphys.languages import jq, lua

__all__ = ["InProcess"]

lua.filter("return true", b"{}")  # reads its library from a file, once, and not while an event loop runs


class InProcess:
    """A `Runner` that runs a script here and now. `asked` are the programs that it ran, in order."""

    def __init__(self) -> None:
        self.asked: list[Program] = []

    async def run(self, program: Program, data: bytes) -> bytes | bool:
        self.asked.append(program)
        if program.kind == "lua-filter":
            return lua.filter(program.text, data)
        return jq.transform(program.text, data) if program.kind == "jq" else lua.transform(program.text, data)
