"""Git repositories that somebody else holds, through GitPython, in threads.

The roof installs the process's client with `use` (its cache below the data folder, `file://` only where that is allowed); sources and
artifacts take it with `client`. Without it there is one with the defaults.
"""

from tiphys.clients.git.address import PROTOCOLS, Address, faults, parse
from tiphys.clients.git.commits import Commit, Person
from tiphys.clients.git.credentials import Credentials
from tiphys.clients.git.patterns import Patterns
from tiphys.clients.git.reading import LARGEST_FILE, File, flaw_in_path, flaw_in_ref
from tiphys.clients.git.repository import COMMITS, ZERO, Change, Details, Git, Refs, Target

__all__ = [
    "COMMITS",
    "LARGEST_FILE",
    "PROTOCOLS",
    "ZERO",
    "Address",
    "Change",
    "Commit",
    "Credentials",
    "Details",
    "File",
    "Git",
    "Patterns",
    "Person",
    "Refs",
    "Target",
    "client",
    "faults",
    "flaw_in_path",
    "flaw_in_ref",
    "parse",
    "use",
]

_installed: list[Git] = []


def use(git: Git) -> None:
    """Make this the process's client, in the place of the one before."""
    _installed[:] = [git]


def client() -> Git:
    """The process's client."""
    if not _installed:
        _installed.append(Git())
    return _installed[0]
