-- Several held events of a dependency, deferred rows, and the keys of `once`. What was held keeps its checksum: `at` is 0 for it.
CREATE TABLE held_before AS SELECT * FROM held ORDER BY position;
DROP TABLE held;
CREATE TABLE held (
    number INTEGER PRIMARY KEY,
    "trigger" INTEGER NOT NULL,
    correlated TEXT NOT NULL,
    dependency TEXT NOT NULL,
    position INTEGER NOT NULL,
    at REAL NOT NULL,
    digest TEXT NOT NULL,
    event_id TEXT NOT NULL,
    crc INTEGER NOT NULL,
    transformed BLOB,
    UNIQUE ("trigger", correlated, dependency, position)
);
INSERT INTO held ("trigger", correlated, dependency, position, at, digest, event_id, crc, transformed)
SELECT "trigger", '', dependency, position, 0, digest, event_id, crc, transformed FROM held_before ORDER BY position;
DROP TABLE held_before;

-- Events that a trigger decides later, in the order of their numbers.
CREATE TABLE deferred (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    "trigger" INTEGER NOT NULL,
    position INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    at REAL NOT NULL,
    replay INTEGER NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX deferred_by_trigger ON deferred ("trigger", number);
CREATE INDEX deferred_by_position ON deferred (position);

-- Keys that have fired (`once`), as 16 bytes; `before` says how often before that.
CREATE TABLE once (
    "trigger" INTEGER NOT NULL,
    key BLOB NOT NULL,
    firing TEXT NOT NULL,
    at REAL NOT NULL,
    until REAL NOT NULL,
    before INTEGER NOT NULL,
    PRIMARY KEY ("trigger", key)
) WITHOUT ROWID;
CREATE INDEX once_by_until ON once (until);

-- The firings that verdicts ONCE name.
CREATE TABLE repeats (
    position INTEGER NOT NULL,
    "trigger" INTEGER NOT NULL,
    firing TEXT NOT NULL,
    PRIMARY KEY (position, "trigger", firing)
) WITHOUT ROWID;
