-- What the writing connection has beside the file: nothing of it is stored.

-- Inserting into this view stores a batch of events in one statement: the interpreter's lock changes hands twice for all of it.

-- Inserting into this view stores a batch of events in one statement: the interpreter's lock changes hands twice for all of it.
-- `rows` is a JSON array of [id, origin, size, crc, time, attributes, length of the data or -1, the id's key in hex]; `data` has the data
-- of all, one after the other, behind one byte of filling, since the data of an empty parameter is NULL to substr.
CREATE TEMP VIEW publishing AS SELECT NULL AS rows, NULL AS before, NULL AS now, NULL AS data;

-- An id that is known keeps its first position.
CREATE TEMP TRIGGER publish INSTEAD OF INSERT ON publishing BEGIN
    INSERT INTO events (position, stored, id, origin, size, crc, time, attributes, data)
    SELECT new.before + 1 + key, new.now, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
           iif(value ->> 6 < 0, NULL, substr(new.data, 2 + sum(max(value ->> 6, 0)) OVER (ORDER BY key) - (value ->> 6), value ->> 6))
    FROM json_each(new.rows);
    INSERT OR IGNORE INTO ids (id, position)
    SELECT unhex(value ->> 7), new.before + 1 + key FROM json_each(new.rows);
    INSERT INTO usage (namespace, events, stored, unsettled, pinned)
    SELECT namespace, count(*), sum(value ->> 2), sum(value ->> 2), 0
    FROM json_each(new.rows) JOIN origins ON number = value ->> 1 GROUP BY namespace
    ON CONFLICT (namespace) DO UPDATE SET
        events = events + excluded.events,
        stored = stored + excluded.stored,
        unsettled = unsettled + excluded.unsettled;
END;
