-- name: insert_deferred
INSERT INTO deferred ("trigger", position, event_id, at, replay, crc)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(:rows);

-- name: delete_deferred
DELETE FROM deferred WHERE number IN (SELECT value FROM json_each(:numbers)) RETURNING number, position;

-- name: abandon_deferred
DELETE FROM deferred WHERE number IN (
    SELECT number FROM deferred WHERE "trigger" = :trigger ORDER BY number LIMIT :limit) RETURNING position;

-- name: deferring_after
-- Skips from trigger to trigger through the index; run it again with the answer.
SELECT "trigger", count(*) FROM deferred WHERE "trigger" = (
    SELECT "trigger" FROM deferred WHERE "trigger" > :after ORDER BY "trigger" LIMIT 1) GROUP BY "trigger";

-- name: deferred_of
SELECT d.number, d.position, d.event_id, d.at, d.replay, d.crc, coalesce(e.size, 0)
FROM deferred d LEFT JOIN events e ON e.position = d.position
WHERE d."trigger" = :trigger ORDER BY d.number LIMIT :limit;

-- name: deciding_at
-- The triggers that are still to decide, by event.
SELECT d.position, t.namespace, t.sensor, t."trigger" FROM deferred d JOIN triggers t ON t.number = d."trigger"
WHERE d.position IN (SELECT value FROM json_each(:positions)) ORDER BY d.number;

-- name: deferred_row
SELECT position FROM deferred WHERE number = :key;

-- name: set_deferred_aside
INSERT INTO damaged (kind, key, reason, found, content)
SELECT 'deferred', concat(event_id, '@', position), :reason, :now, NULL FROM deferred WHERE number = :key;

-- name: delete_deferred_row
DELETE FROM deferred WHERE number = :key;

-- name: put_once
INSERT OR REPLACE INTO once ("trigger", key, firing, at, until, before)
SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(:rows);

-- name: once_of
SELECT key, firing, at, until, before FROM once
WHERE "trigger" = :trigger AND key IN (SELECT unhex(value) FROM json_each(:keys));

-- name: remove_once
-- As long as the firing is recorded its id must not be given again.
DELETE FROM once WHERE ("trigger", key) IN (
    SELECT k."trigger", k.key FROM once k WHERE k.until < :before
    AND NOT EXISTS (SELECT 1 FROM firings f WHERE f.id = k.firing) ORDER BY k.until LIMIT :limit);

-- name: insert_repeats
INSERT OR IGNORE INTO repeats (position, "trigger", firing)
SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(:rows);

-- name: repeats_of
SELECT t.namespace, t.sensor, t."trigger", r.firing FROM repeats r JOIN triggers t ON t.number = r."trigger" WHERE r.position = :position;

-- name: remove_repeats
DELETE FROM repeats WHERE position IN (SELECT value FROM json_each(:positions));

-- name: put_refusals
INSERT OR REPLACE INTO refusals (position, "trigger", dependency, heals, record)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(:rows);

-- name: refusals_of
SELECT t.namespace, t.sensor, t."trigger", r.dependency, r.record
FROM refusals r JOIN triggers t ON t.number = r."trigger" WHERE r.position = :position;

-- name: healing_refusals
-- The events of a trigger that are to be decided again, oldest first.
SELECT DISTINCT r.position FROM refusals r JOIN events e ON e.position = r.position
WHERE r."trigger" = :trigger AND r.heals >= :since ORDER BY r.position LIMIT :limit;

-- name: close_refusals
UPDATE refusals SET heals = NULL
WHERE "trigger" = :trigger AND heals IS NOT NULL AND position IN (SELECT value FROM json_each(:positions));

-- name: remove_refusals
DELETE FROM refusals WHERE position IN (SELECT value FROM json_each(:positions));

-- name: put_losses
INSERT OR REPLACE INTO losses (position, "trigger", dependency, at, reason)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(:rows);

-- name: losses_of
SELECT t.namespace, t.sensor, t."trigger", l.dependency, l.at, l.reason
FROM losses l JOIN triggers t ON t.number = l."trigger" WHERE l.position = :position;

-- name: remove_losses
DELETE FROM losses WHERE position IN (SELECT value FROM json_each(:positions));

-- name: forget_trials
DELETE FROM trials WHERE number > 0 AND NOT EXISTS (SELECT 1 FROM deferred d WHERE d.number = trials.number)
    OR number < 0 AND NOT EXISTS (SELECT 1 FROM replays p WHERE p.number = -trials.number AND p.settled = 0);

-- name: first_deferred
SELECT min(number) FROM deferred WHERE "trigger" = :trigger;

-- name: count_starts
INSERT INTO trials (number, starts, alone) SELECT value, 1, 0 FROM json_each(:rows) WHERE true
ON CONFLICT (number) DO UPDATE SET starts = starts + 1;

-- name: trials
SELECT n.number, n.starts, n.alone, t.namespace, t.sensor, t."trigger"
FROM trials n LEFT JOIN deferred d ON d.number = n.number LEFT JOIN triggers t ON t.number = d."trigger" ORDER BY n.number;

-- name: try_alone
UPDATE trials SET alone = max(0, alone + :change) WHERE number = :number;

-- name: begin_trial
INSERT OR IGNORE INTO trials (number, starts, alone) VALUES (:number, 0, 0);
