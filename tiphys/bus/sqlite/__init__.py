"""The embedded driver: log and ledger in one SQLite file."""

from tiphys.bus.sqlite.bus import SqliteBus
from tiphys.bus.sqlite.settings import SqliteSettings

__all__ = ["SqliteBus", "SqliteSettings"]
