-- name: next_replay
UPDATE state SET replay = replay + 1 RETURNING replay;

-- name: insert_replay
INSERT INTO replays (number, position, firing, triggers, actor, asked, settled)
VALUES (:number, :position, :firing, :triggers, :actor, :now, :settled);

-- name: cursor
SELECT crc, value FROM cursors WHERE key = :key;

-- name: put_cursor
INSERT OR REPLACE INTO cursors (key, crc, value) VALUES (:key, :crc, :value);

-- name: set_cursor_aside
INSERT INTO damaged (kind, key, reason, found, content) SELECT 'cursor', key, :reason, :now, value FROM cursors WHERE key = :key;

-- name: delete_cursor
DELETE FROM cursors WHERE key = :key;

-- name: manifest
SELECT m.revision, m.since, m.origin, m.deleted, r.crc, r.body
FROM manifests m LEFT JOIN revisions r ON r.number = m.revision
WHERE m.kind = :kind AND m.namespace = :namespace AND m.name = :name;

-- name: manifests
SELECT m.kind, m.namespace, m.name, m.revision, m.since, m.origin, m.deleted, r.crc, r.body
FROM manifests m LEFT JOIN revisions r ON r.number = m.revision
WHERE m.kind = coalesce(:kind, m.kind) AND (:deleted OR m.deleted = 0) ORDER BY m.kind, m.namespace, m.name;

-- name: put_manifest
INSERT OR REPLACE INTO manifests (kind, namespace, name, revision, since, origin, deleted)
VALUES (:kind, :namespace, :name, :revision, :since, :origin, 0);

-- name: forget_manifest
UPDATE manifests SET deleted = :now WHERE kind = :kind AND namespace = :namespace AND name = :name AND deleted = 0 RETURNING revision;

-- name: insert_revision
INSERT INTO revisions (kind, namespace, name, since, origin, crc, body)
VALUES (:kind, :namespace, :name, :since, :origin, :crc, :body) RETURNING number;

-- name: retire_revision
UPDATE revisions SET retired = max(coalesce(retired, 0), :position) WHERE number = :number;

-- name: restore_revision
UPDATE revisions SET retired = NULL WHERE number = :number;

-- name: revision
SELECT kind, namespace, name, since, origin, crc, body FROM revisions WHERE number = :number;

-- name: standing_revisions
SELECT revision FROM manifests WHERE deleted = 0;

-- name: set_revision_aside
INSERT INTO damaged (kind, key, reason, found, content)
SELECT 'manifest', concat(kind, '/', namespace, '/', name, '@', number), :reason, :now, body FROM revisions WHERE number = :key;

-- name: delete_manifest_of
DELETE FROM manifests WHERE revision = :key;

-- name: delete_revision
DELETE FROM revisions WHERE number = :key;

-- name: set_event_aside
INSERT INTO damaged (kind, key, reason, found, content) SELECT 'event', concat(id, '@', position), :reason, :now, data FROM events WHERE position = :key;

-- name: delete_event
DELETE FROM events WHERE position = :key;

-- name: set_held_aside
INSERT INTO damaged (kind, key, reason, found, content)
SELECT 'held', concat(event_id, '@', position), :reason, :now, transformed FROM held WHERE number = :key;

-- name: held_row
SELECT position FROM held WHERE number = :key;

-- name: delete_held_row
DELETE FROM held WHERE number = :key;

-- name: count_damaged
UPDATE state SET damaged = damaged + 1;

-- name: position_at
SELECT position FROM ticks WHERE minute >= :minute ORDER BY minute LIMIT 1;

-- name: oldest_removable
-- Settled events up to a position that nothing unfinished needs.
SELECT e.position, e.size FROM events e
WHERE e.position > :after AND e.position <= :upto AND NOT EXISTS (SELECT 1 FROM pins p WHERE p.position = e.position)
ORDER BY e.position LIMIT :limit;

-- name: remove_events
DELETE FROM events WHERE position IN (SELECT value FROM json_each(:positions))
  AND position <= (SELECT settled FROM state) AND NOT EXISTS (SELECT 1 FROM pins p WHERE p.position = events.position);

-- name: remove_verdicts
DELETE FROM verdicts WHERE position IN (SELECT value FROM json_each(:positions))
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.position = verdicts.position);

-- name: old_verdicts
SELECT position FROM verdicts v WHERE position > :after AND position <= :upto
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.position = v.position) ORDER BY position LIMIT :limit;

-- name: old_firings
SELECT number, state, ended, decided FROM firings WHERE number > :after ORDER BY number LIMIT :limit;

-- name: remove_firing_events_of
DELETE FROM firing_events WHERE (position, firing) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:rows));

-- name: remove_attempts_of
DELETE FROM attempts WHERE firing IN (SELECT value FROM json_each(:numbers));

-- name: remove_firings
DELETE FROM firings WHERE number IN (SELECT value FROM json_each(:numbers)) AND state >= 2;

-- name: remove_replays
DELETE FROM replays WHERE settled > 0 AND settled < :before AND number IN (
    SELECT number FROM replays WHERE settled > 0 ORDER BY number LIMIT :limit);

-- name: remove_ids
DELETE FROM ids WHERE id IN (SELECT id FROM ids WHERE position <= :upto ORDER BY position LIMIT :limit);

-- name: remove_ticks
DELETE FROM ticks WHERE minute < :before;

-- name: oldest_verdict
SELECT coalesce(min(position), 9223372036854775807) FROM verdicts;

-- name: remove_revisions
DELETE FROM revisions WHERE number IN (
    SELECT number FROM revisions WHERE retired IS NOT NULL AND retired < :oldest
    AND number NOT IN (SELECT revision FROM manifests) ORDER BY retired LIMIT :limit);

-- name: remove_manifests
DELETE FROM manifests WHERE deleted > 0 AND deleted < :before;

-- name: probe
INSERT OR REPLACE INTO probe (one, filling) VALUES (1, zeroblob(65536));

-- name: event_exists
SELECT 1 FROM events WHERE position = :position;

-- name: oldest_event
SELECT coalesce(min(position), 9223372036854775807) FROM events;

-- name: put_suspension
-- One that stands keeps its instant.
INSERT INTO suspensions (namespace, sensor, "trigger", on_resume, since, actor)
VALUES (:namespace, :sensor, :trigger, :on_resume, :now, :actor)
ON CONFLICT (namespace, sensor, "trigger") DO UPDATE SET on_resume = excluded.on_resume, actor = excluded.actor;

-- name: suspensions
SELECT namespace, sensor, "trigger", on_resume, since, actor FROM suspensions ORDER BY namespace, sensor, "trigger";

-- name: suspension
SELECT namespace, sensor, "trigger", on_resume, since, actor FROM suspensions
WHERE namespace = :namespace AND sensor = :sensor AND "trigger" = :trigger;

-- name: delete_suspension
DELETE FROM suspensions WHERE namespace = :namespace AND sensor = :sensor AND "trigger" = :trigger;
