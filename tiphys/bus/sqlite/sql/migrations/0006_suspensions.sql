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
