-- A database as version 1 of the schema left it. Frozen: later releases must read it.
BEGIN TRANSACTION;
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
INSERT INTO "batch_lines" VALUES(1,0,2,1,0,100,'custom-0');
INSERT INTO "batch_lines" VALUES(1,1,1,1,100,100,'custom-1');
INSERT INTO "batch_lines" VALUES(1,2,0,0,200,100,'custom-2');
CREATE TABLE batch_results (
    batch INTEGER NOT NULL,
    line INTEGER NOT NULL,
    is_done INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (batch, line)
) STRICT;
INSERT INTO "batch_results" VALUES(1,0,1,X'7B226964223A2272227D');
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
INSERT INTO "batches" VALUES(1,'batch_1','acme','/v1/chat/completions','file_1','24h','in_progress',1700000001,NULL,9,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[]',NULL,NULL,'{}',3,1,0,NULL,NULL);
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
INSERT INTO "files" VALUES(1,'file_1','acme','batch','1.jsonl',3,1700000001,NULL,'uploaded');
CREATE TABLE meters (
    deployment_id TEXT PRIMARY KEY,
    state BLOB NOT NULL,
    at REAL NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meters" VALUES('groq/one/m',X'006C6576656C',4.0,2);
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT;
INSERT INTO "schema_version" VALUES(1,1795234769);
CREATE TABLE states (
    name TEXT PRIMARY KEY,
    state BLOB NOT NULL,
    at REAL NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "states" VALUES('circuits',X'7B7D',5.0,1);
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
INSERT INTO "usage" VALUES(1,1728000010.0,'req_1','acme','answered','','','','','','','','','','openai/gpt-oss-20b','','',100,10,0,0,0.0,0,7,0.0,0,0);
INSERT INTO "usage" VALUES(2,1728000020.0,'req_2','acme','answered','','','','','','','','','','openai/gpt-oss-20b','','',100,10,0,0,0.0,0,7,0.0,0,0);
CREATE INDEX usage_by_time ON usage (at);
CREATE INDEX usage_by_tenant ON usage (tenant, at);
CREATE INDEX files_by_tenant ON files (tenant, seq);
CREATE INDEX files_by_expiry ON files (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX batches_by_tenant ON batches (tenant, seq);
CREATE INDEX batches_unfinished ON batches (seq)
WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling');
CREATE INDEX batch_lines_pending ON batch_lines (batch, line) WHERE state = 0;
CREATE INDEX batch_lines_running ON batch_lines (batch, line) WHERE state = 1;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('files',1);
INSERT INTO "sqlite_sequence" VALUES('batches',1);
COMMIT;
