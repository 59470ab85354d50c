"""Lua 5.1 as gopher-lua 1.1.2 runs it: what `filters.script` and `transform.script` are written in.

Real Lua 5.1 does the work. `prelude.lua` sets its libraries right where gopher-lua's differ and takes away every way out of the
process; `translation` does the same for the operators that no library can reach. Each run has a state of its own, so nothing stays from
one event to the next.

The functions here run a script in this process, without a time limit: a script may loop for ever, and nothing in a process can stop
one that sits in a pattern match. They are for the worker processes of `sensors.scripts` and for tests. `fault` only reads.
"""

from tiphys.languages.lua.running import fault, filter, transform  # noqa: A004  the name of what it is: `lua.filter`

__all__ = ["fault", "filter", "transform"]
