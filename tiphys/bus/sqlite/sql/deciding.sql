-- name: publish
INSERT INTO publishing (rows, before, now, data) VALUES (:rows, :before, :now, :data);

-- name: insert_ids
-- An id that is known keeps its first position.
INSERT OR IGNORE INTO ids (id, position)
SELECT unhex(value ->> 0), value ->> 1 FROM json_each(:rows);

-- name: usage
SELECT namespace, events, stored, unsettled, pinned FROM usage;

-- name: insert_tick
INSERT OR IGNORE INTO ticks (minute, position) VALUES (:minute, :position);

-- name: set_last_position
UPDATE state SET last_position = :position WHERE last_position < :position;

-- name: insert_origin
INSERT INTO origins (number, namespace, source, subject, type, bus) VALUES (:number, :namespace, :source, :subject, :type, :bus);

-- name: origins
SELECT number, namespace, source, subject, type, bus FROM origins;

-- name: insert_trigger
INSERT INTO triggers (number, namespace, sensor, "trigger") VALUES (:number, :namespace, :sensor, :trigger);

-- name: triggers
SELECT number, namespace, sensor, "trigger" FROM triggers;

-- name: state
SELECT epoch, settled, read_from, readers, replay, last_position, damaged FROM state;

-- name: raise_epoch
UPDATE state SET epoch = epoch + 1 RETURNING epoch;

-- name: begin_reading
UPDATE state SET readers = iif(read_from = settled, readers + 1, 1), read_from = settled RETURNING readers, settled;

-- name: settle_usage
UPDATE usage SET unsettled = unsettled - passed.size
FROM (
    SELECT o.namespace AS namespace, sum(e.size) AS size
    FROM events e JOIN origins o ON o.number = e.origin
    WHERE e.position > :settled AND e.position <= :position
    GROUP BY o.namespace
) AS passed
WHERE usage.namespace = passed.namespace;

-- name: set_settled
UPDATE state SET settled = :position WHERE settled < :position;

-- name: insert_verdicts
INSERT INTO verdicts (position, packed)
SELECT value ->> 0, unhex(value ->> 1) FROM json_each(:rows) WHERE true
ON CONFLICT (position) DO UPDATE SET packed = CAST(packed || excluded.packed AS BLOB);

-- name: retire_used
-- A verdict that names a revision which no longer stands keeps it for longer.
UPDATE revisions SET retired = max(retired, :position) WHERE number = :revision AND retired IS NOT NULL;

-- name: release_held
DELETE FROM held WHERE "trigger" IN (SELECT value FROM json_each(:triggers)) RETURNING position, dependency;

-- name: release_held_of
DELETE FROM held WHERE "trigger" = :trigger AND dependency = :dependency RETURNING position, dependency;

-- name: drop_held
DELETE FROM held WHERE ("trigger", correlated, dependency, position) IN (
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(:rows)) RETURNING position;

-- name: put_held
-- :data starts with a byte of filling, since the data of an empty parameter is NULL to substr.
INSERT INTO held ("trigger", correlated, dependency, position, at, digest, event_id, crc, transformed)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
       iif(value ->> 9 < 0, NULL, substr(:data, value ->> 8, value ->> 9))
FROM json_each(:rows);

-- name: insert_firings
INSERT OR IGNORE INTO firings (number, id, "trigger", state, decided, not_before, attempts, first_attempt, ended, crc, record)
SELECT value ->> 0, value ->> 1, value ->> 2, 0, :now, 0, 0, 0, 0, value ->> 3, value ->> 4 FROM json_each(:rows);

-- name: inserted_firings
SELECT j.value FROM json_each(:numbers) AS j WHERE EXISTS (SELECT 1 FROM firings WHERE number = j.value);

-- name: last_firing
SELECT coalesce(max(number), 0) FROM firings;

-- name: insert_firing_events
INSERT OR IGNORE INTO firing_events (position, firing) SELECT value ->> 0, value ->> 1 FROM json_each(:rows);

-- name: pin
INSERT INTO pins (position, namespace, size, count)
SELECT value ->> 0, value ->> 1, coalesce((SELECT size FROM events WHERE position = value ->> 0), 0), value ->> 2
FROM json_each(:rows) WHERE true
ON CONFLICT (position) DO UPDATE SET count = count + excluded.count;

-- name: unpin
UPDATE pins SET count = pins.count - (j.value ->> 1) FROM json_each(:rows) AS j WHERE pins.position = j.value ->> 0;

-- name: drop_pins
DELETE FROM pins WHERE count <= 0 AND position IN (SELECT value ->> 0 FROM json_each(:rows));

-- name: settle_replay
UPDATE replays SET settled = :now WHERE number = :number AND settled = 0 RETURNING position;

-- name: known_ids
SELECT unhex(j.value) FROM json_each(:ids) AS j
WHERE (SELECT position FROM ids WHERE id = unhex(j.value)) <= (SELECT settled FROM state);

-- name: newest_position
SELECT coalesce(max(position), 0) FROM events;

-- name: first_position
SELECT position FROM ids WHERE id = :id;
