-- What answers of the cache, and those shared in one call, spared: the tokens that asking again would have used.

ALTER TABLE usage ADD COLUMN saved_tokens INTEGER NOT NULL DEFAULT 0;
