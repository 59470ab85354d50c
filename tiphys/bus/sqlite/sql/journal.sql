-- name: events_after
SELECT position, stored, id, origin, size, crc, time, attributes, data FROM events
WHERE position > :after AND position <= :end ORDER BY position LIMIT :limit;

-- name: sizes_after
SELECT position, size FROM events WHERE position > :after AND position <= :end ORDER BY position LIMIT :limit;

-- name: events_at
SELECT position, stored, id, origin, size, crc, time, attributes, data FROM events
WHERE position IN (SELECT value FROM json_each(:positions));

-- name: origin
SELECT number, namespace, source, subject, type, bus FROM origins WHERE number = :number;

-- name: positions_of_ids
SELECT position FROM ids WHERE id >= :low AND id <= :high LIMIT 2;

-- name: verdicts_at
SELECT packed FROM verdicts WHERE position = :position;

-- name: origins_of
SELECT number FROM origins
WHERE namespace = coalesce(:namespace, namespace) AND source = coalesce(:source, source) AND subject = coalesce(:subject, subject);

-- name: newest_events
SELECT e.position, e.stored, e.id, e.origin, e.size, e.crc, e.time, e.attributes, NULL, v.packed
FROM events e LEFT JOIN verdicts v ON v.position = e.position
WHERE e.position < :before ORDER BY e.position DESC LIMIT :limit;

-- name: newest_events_of
SELECT e.position, e.stored, e.id, e.origin, e.size, e.crc, e.time, e.attributes, NULL, v.packed
FROM json_each(:origins) AS o
JOIN events e ON e.position IN (
    SELECT x.position FROM events x WHERE x.origin = o.value AND x.position < :before ORDER BY x.position DESC LIMIT :limit
)
LEFT JOIN verdicts v ON v.position = e.position
ORDER BY e.position DESC LIMIT :limit;

-- name: firing_numbers_like
SELECT number FROM firings WHERE id >= :prefix AND id < :end LIMIT 2;

-- name: attempts_of
SELECT number, started, ended, outcome FROM attempts WHERE firing = :firing ORDER BY number;

-- name: triggers_of
SELECT number FROM triggers
WHERE namespace = coalesce(:namespace, namespace) AND sensor = coalesce(:sensor, sensor)
  AND "trigger" = coalesce(:trigger, "trigger");

-- name: newest_firings
SELECT number FROM firings ORDER BY number DESC LIMIT :limit;

-- name: newest_firings_in_states
SELECT f.number FROM json_each(:states) AS s
JOIN firings f ON f.number IN (
    SELECT x.number FROM firings x WHERE x.state = s.value AND x.state <> 2 ORDER BY x.number DESC LIMIT :limit
)
ORDER BY f.number DESC LIMIT :limit;

-- name: newest_firings_with_states
SELECT number FROM firings WHERE state IN (SELECT value FROM json_each(:states)) ORDER BY number DESC LIMIT :limit;

-- name: newest_firings_of
SELECT f.number FROM json_each(:triggers) AS t
JOIN firings f ON f.number IN (
    SELECT x.number FROM firings x
    WHERE x."trigger" = t.value AND x.state IN (SELECT value FROM json_each(:states))
    ORDER BY x.number DESC LIMIT :limit
)
ORDER BY f.number DESC LIMIT :limit;

-- name: firings_of_event
SELECT f.number FROM firing_events fe JOIN firings f ON f.number = fe.firing
WHERE fe.position = :position ORDER BY f.number DESC LIMIT :limit;

-- name: actor_of_replay
SELECT actor FROM replays WHERE number = :number;

-- name: held
SELECT h.number, t.namespace, t.sensor, t."trigger", h.dependency, h.digest, h.event_id, h.position, h.crc, h.transformed, h.at,
       h.correlated, e.stored
FROM held h JOIN triggers t ON t.number = h."trigger" LEFT JOIN events e ON e.position = h.position ORDER BY h.number;

-- name: health
SELECT s.damaged, (SELECT coalesce(sum(events), 0) FROM usage), (SELECT stored FROM events ORDER BY position LIMIT 1),
       (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)
FROM state s;

-- name: open_replays
SELECT number, position, triggers, actor FROM replays WHERE settled = 0 ORDER BY number LIMIT :limit;

-- name: damaged
SELECT kind, key, reason, found, content FROM damaged ORDER BY number;

-- name: bytes_at
SELECT sum(size) FROM events WHERE position IN (SELECT value FROM json_each(:positions));
