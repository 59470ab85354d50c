"""The sqlite driver passes every suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bus.acting_conformance import ActingConformance
from tests.bus.crash_conformance import CrashConformance
from tests.bus.deciding_conformance import DecidingConformance
from tests.bus.journal_conformance import JournalConformance
from tests.bus.lanes_conformance import LanesConformance
from tests.bus.ledger_conformance import LedgerConformance
from tests.bus.log_conformance import LogConformance
from tests.bus.sqlite.place import SqlitePlace


class TestSqliteLog(LogConformance):
    @pytest.fixture
    def place(self, tmp_path: Path) -> SqlitePlace:
        return SqlitePlace(tmp_path)


class TestSqliteLedger(LedgerConformance, DecidingConformance, ActingConformance, LanesConformance, JournalConformance):
    @pytest.fixture
    def place(self, tmp_path: Path) -> SqlitePlace:
        return SqlitePlace(tmp_path)


class TestSqliteCrash(CrashConformance):
    @pytest.fixture
    def place(self, tmp_path: Path) -> SqlitePlace:
        return SqlitePlace(tmp_path / "data")
