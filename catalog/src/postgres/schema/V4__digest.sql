-- SHA-256 of the source in lower-case hexadecimal; empty for what was uploaded before. Names of columns have no digits:
-- rows of an export are taken with such names alone.
ALTER TABLE videos ADD COLUMN digest TEXT;
