-- name: begin_firings
UPDATE firings SET
    state = 1, target = j.value ->> 1, attempts = j.value ->> 2,
    first_attempt = iif(first_attempt = 0, j.value ->> 3, first_attempt)
FROM json_each(:rows) AS j WHERE firings.number = j.value ->> 0 AND firings.state < 2;

-- name: insert_starts
INSERT INTO starts ("trigger", at) SELECT value ->> 0, :now FROM json_each(:rows);

-- name: delete_starts
DELETE FROM starts WHERE rowid IN (
    SELECT s.rowid FROM json_each(:rows) AS j JOIN starts s ON s."trigger" = j.value ->> 0 AND s.at < :now - (j.value ->> 1));

-- name: starts_of
SELECT at FROM starts WHERE "trigger" = :trigger AND at > :after ORDER BY at;

-- name: resolve_firings
-- value: number, state (-1: pending, or started while a target stands), not_before, ended, attempt, started, forget the target, outcome
UPDATE firings SET
    target = iif(j.value ->> 6, NULL, target),
    state = iif(j.value ->> 1 < 0, iif(target IS NULL OR j.value ->> 6, 0, 1), j.value ->> 1),
    not_before = j.value ->> 2, ended = j.value ->> 3, attempts = j.value ->> 4,
    first_attempt = iif(first_attempt = 0, j.value ->> 5, first_attempt),
    last = j.value ->> 7
FROM json_each(:rows) AS j WHERE firings.number = j.value ->> 0 AND firings.state < 2;

-- name: insert_attempts
INSERT OR REPLACE INTO attempts (firing, number, started, ended, outcome)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(:rows);

-- name: waiting_triggers_after
-- Skips from trigger to trigger through the index; run it again with the answer.
SELECT "trigger" FROM firings WHERE state < 2 AND "trigger" > :after ORDER BY "trigger" LIMIT 1;

-- name: ready_page
SELECT number FROM firings
WHERE "trigger" = :trigger AND state < 2 AND not_before = 0 AND number > :after ORDER BY number LIMIT :limit;

-- name: delayed_page
SELECT not_before, number FROM firings
WHERE "trigger" = :trigger AND state < 2 AND not_before > 0 AND (not_before, number) >= (:time, :number)
ORDER BY not_before, number LIMIT :limit;

-- name: firings_by_number
SELECT f.number, f.id, t.namespace, t.sensor, t."trigger", f.state, f.decided, f.not_before, f.attempts, f.first_attempt, f.ended,
       f.crc, f.record, f.target, f.last
FROM firings f JOIN triggers t ON t.number = f."trigger"
WHERE f.number IN (SELECT value FROM json_each(:numbers));

-- name: unstarted_page
SELECT f.number, f.id, f.crc, f.record FROM firings f
WHERE f."trigger" = :trigger AND f.state = 0 AND f.state < 2 ORDER BY f.not_before, f.number LIMIT :limit;

-- name: hasten_firings
UPDATE firings SET not_before = 0 WHERE number IN (
    SELECT number FROM firings WHERE "trigger" = :trigger AND state = 0 AND state < 2 AND not_before > 0 LIMIT :limit);

-- name: cancel_firings
UPDATE firings SET state = 4, ended = :now, last = :outcome WHERE number IN (SELECT value FROM json_each(:numbers)) AND state = 0;

-- name: end_firing
UPDATE firings SET state = :state, ended = :now, last = :outcome WHERE number = :number AND state < 2;

-- name: set_firing_aside
INSERT INTO damaged (kind, key, reason, found, content)
SELECT 'firing', id, :reason, :now, CAST(record AS BLOB) FROM firings WHERE number = :key;

-- name: positions_of_firing
SELECT position FROM firing_events WHERE firing = :number;

-- name: delete_firing
DELETE FROM firings WHERE number = :number;

-- name: delete_firing_events
DELETE FROM firing_events WHERE firing = :number;

-- name: delete_attempts
DELETE FROM attempts WHERE firing = :number;

-- name: trigger
SELECT namespace, sensor, "trigger" FROM triggers WHERE number = :number;
