-- name: insert_lanes
INSERT INTO lanes (firing, "trigger", lane, gathered, since)
SELECT value ->> 0, value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4 FROM json_each(:rows);

-- name: delete_lanes
DELETE FROM lanes WHERE firing IN (SELECT value FROM json_each(:numbers));

-- name: delete_lane
DELETE FROM lanes WHERE firing = :key;

-- name: lanes_of
-- Whether one before it shares its key, and whether it gathers.
SELECT l.firing, EXISTS (SELECT 1 FROM lanes e WHERE e."trigger" = l."trigger" AND e.lane = l.lane AND e.firing < l.firing), l.gathered
FROM lanes l WHERE l.firing IN (SELECT value FROM json_each(:numbers));

-- name: head_of_lane
SELECT l.firing, f.not_before FROM lanes l JOIN firings f ON f.number = l.firing
WHERE l."trigger" = :trigger AND l.lane = :lane ORDER BY l.firing LIMIT :limit;

-- name: gathering_in
SELECT l.firing, l.gathered, l.since, f.id, f.crc, f.record FROM lanes l JOIN firings f ON f.number = l.firing
WHERE l."trigger" = :trigger AND l.lane = :lane AND l.gathered > 0 AND f.state = 0 ORDER BY l.firing DESC LIMIT 1;

-- name: firing_exists
SELECT 1 FROM firings WHERE id = :id;

-- name: put_off
UPDATE firings SET not_before = :at WHERE number = :number;

-- name: grow_firing
UPDATE firings SET crc = :crc, record = :record, not_before = :at WHERE number = :number;

-- name: grow_lane
UPDATE lanes SET gathered = :gathered WHERE firing = :number;

-- name: close_gathering
UPDATE lanes SET gathered = 0 WHERE firing IN (SELECT value FROM json_each(:numbers)) AND lane <> x'';

-- name: drop_gathering
DELETE FROM lanes WHERE firing IN (SELECT value FROM json_each(:numbers)) AND lane = x'';
