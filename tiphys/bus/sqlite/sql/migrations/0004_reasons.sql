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
