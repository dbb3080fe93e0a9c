-- CRC-32 of the pictures; that of segments lies in the index data of their chunks.
ALTER TABLE sheets ADD COLUMN checksum INTEGER;
ALTER TABLE generations ADD COLUMN poster_checksum INTEGER;
