"""Sensors and events that nobody would write, decided by the real parts: what `python -m tests.soak sensors` runs.

`events` and `sensors` are strategies, `texts` what they are filled with; `loading` and `deciding` run them and say what must not be.
"""

from tests.soak.generated.running import run

__all__ = ["run"]
