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
