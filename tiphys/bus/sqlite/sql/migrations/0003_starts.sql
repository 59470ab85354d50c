-- When attempts of a trigger with a limit per time began; older ones than its limit asks for are gone.
CREATE TABLE starts (
    "trigger" INTEGER NOT NULL,
    at REAL NOT NULL
);
CREATE INDEX starts_by_trigger ON starts ("trigger", at);
