"""Lua scripts and jq programs, run where they can do no harm: in worker processes with limits, without files, network or environment."""

from sensors.scripts.pool import Scripts
from sensors.scripts.program import Program, Runner, ScriptSettings

__all__ = ["Program", "Runner", "ScriptSettings", "Scripts"]
