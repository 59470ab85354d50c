"""What a manifest needs of files and libraries is at hand before the event loop compiles it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.docs.pages import ROOT

PROGRAM = """\
import asyncio, sys, threading

class Finder:
    found = {}
    def find_spec(self, name, path=None, target=None):
        Finder.found.setdefault(name, threading.current_thread() is threading.main_thread())

async def main():
    from tiphys.app.beforehand import prepare
    from sensors import SensorProgram, SensorSpec
    from sensors.manifest import OpaqueTrigger
    sys.meta_path.insert(0, Finder())
    spec = {
        "dependencies": [
            {"name": "a", "eventSourceName": "s", "eventName": "e", "filters": {"script": sys.argv[1]}},
            {"name": "b", "eventSourceName": "s", "eventName": "e", "transform": {"jq": ".body"}},
        ],
        "triggers": [{"template": {"name": "t"}}],
    }
    await prepare({"spec": spec})
    loaded = set(Finder.found)
    SensorProgram.compile("argo", "s", SensorSpec[OpaqueTrigger].model_validate(spec))
    print([Finder.found.get(sys.argv[2]), sorted(name for name in set(Finder.found) - loaded if "lupa" in name)])

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("script", "engine"), [("return event.a", "lupa.lua51"), ("for i = 1, 2 do goto on ::on:: end return true", "lupa.luajit21")]
)
def test_the_engine_of_a_script_is_loaded_by_a_thread_and_not_by_the_loop(script: str, engine: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, script, engine], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )

    assert (done.stdout.strip(), done.stderr) == ("[False, []]", "")
