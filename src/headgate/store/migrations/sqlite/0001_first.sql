-- What survives a restart, version 1. Never edit a migration that was released: write the next one.
-- Times are seconds since 1970 UTC. seq orders rows as they came.

CREATE TABLE usage (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    request_id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    outcome TEXT NOT NULL,
    user TEXT NOT NULL,
    session TEXT NOT NULL,
    agent TEXT NOT NULL,
    task TEXT NOT NULL,
    route TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    provider TEXT NOT NULL,
    organisation TEXT NOT NULL,
    model_asked TEXT NOT NULL,
    model_served TEXT NOT NULL,
    source TEXT NOT NULL,
    reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    audio_s REAL NOT NULL,
    characters INTEGER NOT NULL,
    cost_nanousd INTEGER NOT NULL,
    duration_s REAL NOT NULL,
    calls INTEGER NOT NULL,
    attempts INTEGER NOT NULL
) STRICT;
CREATE INDEX usage_by_time ON usage (at);
CREATE INDEX usage_by_tenant ON usage (tenant, at);

CREATE TABLE files (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    purpose TEXT NOT NULL,
    filename TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    status TEXT NOT NULL
) STRICT;
CREATE INDEX files_by_tenant ON files (tenant, seq);
CREATE INDEX files_by_expiry ON files (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE batches (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    input_file_id TEXT NOT NULL,
    completion_window TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    in_progress_at INTEGER,
    finalizing_at INTEGER,
    completed_at INTEGER,
    failed_at INTEGER,
    expired_at INTEGER,
    cancelling_at INTEGER,
    cancelled_at INTEGER,
    output_file_id TEXT,
    error_file_id TEXT,
    problems TEXT NOT NULL, -- JSON array
    metadata TEXT, -- JSON object
    model TEXT,
    usage TEXT NOT NULL, -- JSON object
    total INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    handed_to TEXT,
    handed_id TEXT
) STRICT;
CREATE INDEX batches_by_tenant ON batches (tenant, seq);
CREATE INDEX batches_unfinished ON batches (seq)
WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling');

-- state: 0 pending, 1 running, 2 done, 3 failed
CREATE TABLE batch_lines (
    batch INTEGER NOT NULL,
    line INTEGER NOT NULL,
    state INTEGER NOT NULL,
    claims INTEGER NOT NULL,
    start_byte INTEGER NOT NULL,
    length_bytes INTEGER NOT NULL,
    custom_id TEXT NOT NULL,
    PRIMARY KEY (batch, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_lines_pending ON batch_lines (batch, line) WHERE state = 0;
CREATE INDEX batch_lines_running ON batch_lines (batch, line) WHERE state = 1;

-- One result per line: the primary key sees to it.
CREATE TABLE batch_results (
    batch INTEGER NOT NULL,
    line INTEGER NOT NULL,
    is_done INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (batch, line)
) STRICT;

CREATE TABLE meters (
    deployment_id TEXT PRIMARY KEY,
    state BLOB NOT NULL,
    at REAL NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE states (
    name TEXT PRIMARY KEY,
    state BLOB NOT NULL,
    at REAL NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
