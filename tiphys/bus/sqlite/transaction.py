"""What jobs see of the database: named statements on the writer's connection, the numbers that it allots, and what it interns.

All that is remembered between transactions is taken back by `rollback`, so that memory never knows more than the file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import apsw
import orjson

from tiphys.bus.firing import TriggerKey
from tiphys.bus.sqlite.queries import statements, writer
from tiphys.bus.sqlite.records import Origin

__all__ = ["Transaction", "rows_text"]


def rows_text(rows: Iterable[Any]) -> str:
    """Rows as the JSON text that `json_each` takes."""
    return orjson.dumps(list(rows)).decode()


class Transaction:
    """The writer's transaction. `position` and `firing` are the last numbers given out, `settled` and `epoch` as in the file."""

    def __init__(self, connection: apsw.Connection, clock: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._sql = statements()
        self.clock = clock
        self._synced = True  # as the connection is opened
        self.now = clock()
        epoch, settled, _from, _readers, _replay, last, _damaged = self._one("state")
        newest = self.value("newest_position")
        self.epoch: int = epoch
        self.settled: int = settled
        self.position: int = max(last, settled, newest)
        self.firing: int = self.value("last_firing")
        self.minute = -1
        self.origins = {Origin(*row): number for number, *row in self.run("origins")}
        self.triggers = {TriggerKey(*row): number for number, *row in self.run("triggers")}
        # only `keep` and `forget` change it, and a rollback after them reads it again
        self.standing: set[int] = self._standing()
        self._saved = self._remembered()
        self._new_origins: list[Origin] = []
        self._new_triggers: list[TriggerKey] = []
        connection.execute(writer())

    def sync(self, each: bool) -> None:
        """Whether the commits from now on are synced to the disk; one that is not is synced with the next that is."""
        if each is not self._synced:
            self._connection.execute("PRAGMA synchronous = FULL" if each else "PRAGMA synchronous = NORMAL")
            self._synced = each

    def begin(self, *, single: bool = False) -> None:
        """Start; `now` (Unix seconds) stands still until the end. With `single` what follows is one statement, which is a transaction
        by itself."""
        self._saved = self._remembered()
        self.now = self.clock()
        self._new_origins.clear()
        self._new_triggers.clear()
        if not single:
            self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make it durable, if its statement did not do so by itself."""
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo it, in the file (where SQLite may have done so already) and in memory."""
        self.epoch, self.settled, self.position, self.firing, self.minute = self._saved
        for origin in self._new_origins:
            del self.origins[origin]
        for key in self._new_triggers:
            del self.triggers[key]
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self.standing = self._standing()

    def run(self, name: str, bindings: Mapping[str, Any] | None = None) -> apsw.Cursor:
        """Run a named statement to its first row."""
        return self._connection.execute(self._sql[name], bindings)

    def rows(self, name: str, rows: Iterable[Any], /, **bindings: Any) -> int:
        """Run a named statement over `:rows`; says how many rows it changed."""
        self._connection.execute(self._sql[name], {"rows": rows_text(rows), **bindings})
        return self._connection.changes()

    def changed(self, name: str, /, **bindings: Any) -> int:
        """Run a named statement; says how many rows it changed."""
        self._connection.execute(self._sql[name], bindings)
        return self._connection.changes()

    def total_changes(self) -> int:
        """How many rows were changed since the connection was made, those of triggers too."""
        return self._connection.total_changes()

    def value(self, name: str, /, **bindings: Any) -> Any:
        """The first column of the first row, `None` without one."""
        row = self._connection.execute(self._sql[name], bindings).fetchone()
        return None if row is None else row[0]

    def all(self, name: str, /, **bindings: Any) -> list[Any]:
        """Every row, each a tuple."""
        return self._connection.execute(self._sql[name], bindings).fetchall()

    def origin(self, origin: Origin) -> int:
        """The number of an origin."""
        number = self.origins.get(origin)
        if number is None:
            number = self.origins[origin] = len(self.origins) + 1
            self._new_origins.append(origin)
            self.run("insert_origin", {"number": number, **origin._asdict()})
        return number

    def trigger(self, key: TriggerKey) -> int:
        """The number of a trigger."""
        number = self.triggers.get(key)
        if number is None:
            number = self.triggers[key] = len(self.triggers) + 1
            self._new_triggers.append(key)
            self.run("insert_trigger", {"number": number, **key._asdict()})
        return number

    @property
    def ticks(self) -> bool:
        """Whether `tick` has something to remember."""
        return int(self.clock() // 60) != self.minute

    def tick(self, position: int) -> None:
        """Once in a minute, remember that everything up to `position` is older."""
        minute = int(self.now // 60)
        if minute != self.minute:
            self.minute = minute
            self.run("insert_tick", {"minute": minute, "position": position})

    def pin(self, rows: Mapping[int, tuple[str, int]]) -> None:
        """Keep events from retention: position → the namespace whose work needs it, and how often."""
        if rows:
            self.rows("pin", [(position, namespace, count) for position, (namespace, count) in rows.items()])

    def unpin(self, counts: Mapping[int, int]) -> None:
        """Give pinned events back: position → how often."""
        if counts:
            text = rows_text(counts.items())
            self.run("unpin", {"rows": text})
            self.run("drop_pins", {"rows": text})

    def _one(self, name: str) -> tuple[Any, ...]:
        row = self._connection.execute(self._sql[name]).fetchone()
        return tuple(row) if row is not None else ()

    def _standing(self) -> set[int]:
        return {revision for (revision,) in self.all("standing_revisions")}

    def _remembered(self) -> tuple[int, int, int, int, int]:
        return self.epoch, self.settled, self.position, self.firing, self.minute
