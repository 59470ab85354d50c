"""What can be set about the embedded store. Times are seconds, sizes are bytes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SqliteSettings"]

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class SqliteSettings:
    """The defaults are those of DESIGN section 4.

    `retention_age` and `retention_bytes` bound events with their verdicts, `firing_age` ended firings. The dedupe window is
    `dedupe_age` or `dedupe_ids` ids, whichever is smaller. `unfinished_bytes` bounds a namespace's unfinished work: at the bound its
    publishes are refused. A manifest that returns within `deletion_grace` is the same manifest. `queue_events` and `queue_bytes`
    bound what waits for the writer. While the disk takes no writes it is tried every `probe_interval`. `vfs` names a registered
    SQLite VFS (empty: the platform's own); the fault tests use it.
    """

    retention_age: float = 7 * _DAY
    retention_bytes: int = 2 << 30
    firing_age: float = 30 * _DAY
    dedupe_age: float = 7 * _DAY
    dedupe_ids: int = 20_000_000
    unfinished_bytes: int = 1 << 30
    deletion_grace: float = 600.0
    queue_events: int = 20_000
    queue_bytes: int = 64 << 20
    probe_interval: float = 1.0
    vfs: str = ""
