-- The schema of the newest version. `migrations/` leads every older file here; a test proves that both ways end in the same schema.

-- One row: what the engine's steps are checked against.
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    settled INTEGER NOT NULL,        -- the position up to which all is settled
    read_from INTEGER NOT NULL,      -- where the last reader began, and how many have begun there in a row
    readers INTEGER NOT NULL,
    replay INTEGER NOT NULL,         -- the last replay number
    last_position INTEGER NOT NULL,  -- never give out a position up to this one again, whatever is left of its event
    damaged INTEGER NOT NULL
);
INSERT INTO state VALUES (1, 0, 0, -1, 0, 0, 0, 0);

-- What many events have in common.
CREATE TABLE origins (
    number INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    source TEXT NOT NULL,
    subject TEXT NOT NULL,
    type TEXT NOT NULL,
    bus TEXT NOT NULL,
    UNIQUE (namespace, source, subject, type, bus)
);

-- `attributes` is NULL for the default content type without extensions. `data` comes last: listings do not read its pages.
CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stored REAL NOT NULL,
    id TEXT NOT NULL,
    origin INTEGER NOT NULL,
    size INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    time TEXT NOT NULL,
    attributes TEXT,
    data BLOB
);
CREATE INDEX events_by_origin ON events (origin, position);

-- Where an id was seen first: the dedupe window and the way from an id to its event. 16 bytes for the usual 32 hex digits.
CREATE TABLE ids (
    id BLOB PRIMARY KEY,
    position INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX ids_by_position ON ids (position);

CREATE TABLE verdicts (
    position INTEGER PRIMARY KEY,
    packed BLOB NOT NULL
);

CREATE TABLE triggers (
    number INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    sensor TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    UNIQUE (namespace, sensor, "trigger")
);

-- `number` is the order in which they came; `correlated` the value of `correlate`.
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

-- Firings that were refused when they were decided, by the event that made the condition true; `record` has the reason and what was held,
-- `heals` is when it was refused where a correction of something else may heal it, NULL otherwise.
CREATE TABLE refusals (
    position INTEGER NOT NULL,
    "trigger" INTEGER NOT NULL,
    dependency TEXT NOT NULL,
    heals REAL,
    record TEXT NOT NULL,
    PRIMARY KEY (position, "trigger", dependency)
) WITHOUT ROWID;
CREATE INDEX refusals_healing ON refusals ("trigger", heals) WHERE heals IS NOT NULL;

-- Events that were held and went without a firing: when, and why.
CREATE TABLE losses (
    position INTEGER NOT NULL,
    "trigger" INTEGER NOT NULL,
    dependency TEXT NOT NULL,
    at REAL NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (position, "trigger", dependency)
) WITHOUT ROWID;

-- What was first in line when a process began to decide: deferred rows by their number, of each trigger one, and the first open replay by
-- its negative number. How many processes began so, and how often one died while it decided that and nothing else.
CREATE TABLE trials (
    number INTEGER PRIMARY KEY,
    starts INTEGER NOT NULL,
    alone INTEGER NOT NULL
);

-- state: 0 pending, 1 started, 2 succeeded, 3 dead, 4 cancelled
CREATE TABLE firings (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    "trigger" INTEGER NOT NULL,
    state INTEGER NOT NULL,
    decided REAL NOT NULL,
    not_before REAL NOT NULL,
    attempts INTEGER NOT NULL,
    first_attempt REAL NOT NULL,
    ended REAL NOT NULL,
    crc INTEGER NOT NULL,
    record TEXT NOT NULL,
    target TEXT,
    last TEXT
);
CREATE INDEX firings_due ON firings ("trigger", not_before, number) WHERE state < 2;
CREATE INDEX firings_by_trigger ON firings ("trigger", number);
CREATE INDEX firings_by_state ON firings (state, number) WHERE state <> 2;

CREATE TABLE firing_events (
    position INTEGER NOT NULL,
    firing INTEGER NOT NULL,
    PRIMARY KEY (position, firing)
) WITHOUT ROWID;

CREATE TABLE attempts (
    firing INTEGER NOT NULL,
    number INTEGER NOT NULL,
    started REAL NOT NULL,
    ended REAL NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (firing, number)
) WITHOUT ROWID;

-- When attempts of a trigger with a limit per time began; older ones than its limit asks for are gone.
CREATE TABLE starts (
    "trigger" INTEGER NOT NULL,
    at REAL NOT NULL
);
CREATE INDEX starts_by_trigger ON starts ("trigger", at);

-- Unfinished firings that share a key with others (`lane`, 16 bytes, or empty), or that still gather events: how many completions of the
-- condition are in one, 0 if it gathers no more, and since when it has gathered (Unix seconds).
CREATE TABLE lanes (
    firing INTEGER PRIMARY KEY,
    "trigger" INTEGER NOT NULL,
    lane BLOB NOT NULL,
    gathered INTEGER NOT NULL,
    since REAL NOT NULL
);
CREATE INDEX lanes_by_lane ON lanes ("trigger", lane, firing);

-- Events that unfinished work needs, and how often: retention leaves them alone.
CREATE TABLE pins (
    position INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    size INTEGER NOT NULL,
    count INTEGER NOT NULL
);

-- Bytes per namespace: of stored events, of those not settled yet, of those that are pinned.
CREATE TABLE usage (
    namespace TEXT PRIMARY KEY,
    events INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    unsettled INTEGER NOT NULL,
    pinned INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER pin_counted AFTER INSERT ON pins BEGIN
    INSERT INTO usage VALUES (new.namespace, 0, 0, 0, new.size)
    ON CONFLICT (namespace) DO UPDATE SET pinned = pinned + new.size;
END;
CREATE TRIGGER pin_discounted AFTER DELETE ON pins BEGIN
    UPDATE usage SET pinned = pinned - old.size WHERE namespace = old.namespace;
END;
CREATE TRIGGER event_discounted AFTER DELETE ON events BEGIN
    UPDATE usage SET
        events = events - 1,
        stored = stored - old.size,
        unsettled = unsettled - iif(old.position > (SELECT settled FROM state), old.size, 0)
    WHERE namespace = (SELECT namespace FROM origins WHERE number = old.origin);
END;

-- Triggers that somebody has suspended by a command: of a whole sensor where `trigger` is empty.
CREATE TABLE suspensions (
    namespace TEXT NOT NULL,
    sensor TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    on_resume TEXT NOT NULL,
    since REAL NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (namespace, sensor, "trigger")
) WITHOUT ROWID;

CREATE TABLE cursors (
    key TEXT PRIMARY KEY,
    crc INTEGER NOT NULL,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE manifests (
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    since INTEGER NOT NULL,
    origin TEXT NOT NULL,
    deleted REAL NOT NULL,
    PRIMARY KEY (kind, namespace, name)
) WITHOUT ROWID;

-- `retired` is the highest position whose verdict may name a revision that no longer stands; NULL while it stands.
CREATE TABLE revisions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    since INTEGER NOT NULL,
    origin TEXT NOT NULL,
    crc INTEGER NOT NULL,
    retired INTEGER,
    body BLOB NOT NULL
);
CREATE INDEX revisions_retired ON revisions (retired) WHERE retired IS NOT NULL;

-- Requests to decide an event again, and replays of firings (`firing` names the new one). `settled` is 0 until it is done.
CREATE TABLE replays (
    number INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    firing TEXT NOT NULL,
    triggers TEXT NOT NULL,
    actor TEXT NOT NULL,
    asked REAL NOT NULL,
    settled REAL NOT NULL
);
CREATE INDEX replays_open ON replays (number) WHERE settled = 0;

CREATE TABLE damaged (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    reason TEXT NOT NULL,
    found REAL NOT NULL,
    content BLOB
);

-- Where the log stood in each minute: the way from an age to a position.
CREATE TABLE ticks (
    minute INTEGER PRIMARY KEY,
    position INTEGER NOT NULL
);

-- Rewritten to find out whether the disk takes writes again.
CREATE TABLE probe (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    filling BLOB NOT NULL
);
