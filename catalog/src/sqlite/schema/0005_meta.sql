-- The publisher's own strings by their names, a JSON object.
ALTER TABLE videos ADD COLUMN meta TEXT NOT NULL DEFAULT '{}';
