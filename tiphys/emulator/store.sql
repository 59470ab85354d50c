-- The statements of the embedded API's store, by name. One table in the manner of etcd: every change is a row, the newest row of a
-- key is the object. `type` is 0 added, 1 modified, 2 deleted; `previous` is the revision that a row replaces.

-- name: schema
CREATE TABLE IF NOT EXISTS revisions (
    revision  INTEGER PRIMARY KEY,
    storage   TEXT    NOT NULL,
    namespace TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    type      INTEGER NOT NULL,
    previous  INTEGER,
    value     BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS revisions_by_key ON revisions (storage, namespace, name, revision);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO facts (name, value) VALUES ('layout', 1), ('compacted', 0);

-- name: layout
SELECT value FROM facts WHERE name = 'layout';

-- name: newest
SELECT coalesce(max(revision), 0) FROM revisions;

-- name: compacted
SELECT value FROM facts WHERE name = 'compacted';

-- name: get
SELECT revision, type, value FROM revisions
WHERE storage = ?1 AND namespace = ?2 AND name = ?3 AND revision <= ?4
ORDER BY revision DESC LIMIT 1;

-- name: put
INSERT INTO revisions (revision, storage, namespace, name, type, previous, value) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: list_all
SELECT r.namespace, r.name, r.value FROM revisions AS r
WHERE r.storage = ?1 AND (r.namespace, r.name) > (?2, ?3) AND r.revision <= ?4 AND r.type <> 2
  AND r.revision = (
      SELECT max(n.revision) FROM revisions AS n
      WHERE n.storage = r.storage AND n.namespace = r.namespace AND n.name = r.name AND n.revision <= ?4
  )
ORDER BY r.namespace, r.name LIMIT ?5;

-- name: list_namespace
SELECT r.namespace, r.name, r.value FROM revisions AS r
WHERE r.storage = ?1 AND r.namespace = ?2 AND r.name > ?3 AND r.revision <= ?4 AND r.type <> 2
  AND r.revision = (
      SELECT max(n.revision) FROM revisions AS n
      WHERE n.storage = r.storage AND n.namespace = r.namespace AND n.name = r.name AND n.revision <= ?4
  )
ORDER BY r.name LIMIT ?5;

-- name: live
SELECT r.namespace, r.name FROM revisions AS r
WHERE r.storage = ?1 AND (?2 IS NULL OR r.namespace = ?2) AND r.type <> 2
  AND NOT EXISTS (
      SELECT 1 FROM revisions AS n
      WHERE n.storage = r.storage AND n.namespace = r.namespace AND n.name = r.name AND n.revision > r.revision
  );

-- name: changes
SELECT r.revision, r.storage, r.namespace, r.name, r.type, r.value, p.value FROM revisions AS r
LEFT JOIN revisions AS p ON p.revision = r.previous
WHERE r.revision > ?1 AND r.revision <= ?2 AND +r.storage = ?3 -- "+": by revision, never by the index of keys
ORDER BY r.revision LIMIT ?4;

-- name: compact_replaced
DELETE FROM revisions WHERE revision IN (
    SELECT previous FROM revisions WHERE revision > ?1 AND revision <= ?2 AND previous IS NOT NULL
);

-- name: compact_deleted
DELETE FROM revisions WHERE revision > ?1 AND revision <= ?2 AND type = 2;

-- name: set_compacted
UPDATE facts SET value = ? WHERE name = 'compacted';
