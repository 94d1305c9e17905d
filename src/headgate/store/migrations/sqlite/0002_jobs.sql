-- Work in the background: jobs with one result each, what is told of them to others, and which due times had their run.

-- status: queued, running, done, failed, cancelled. attempts counts claims: a result is taken from the last one only.
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    request_id TEXT NOT NULL,
    webhook TEXT NOT NULL,
    created_at REAL NOT NULL,
    run_at REAL NOT NULL,
    started_at REAL,
    ended_at REAL,
    attempts INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    problem TEXT NOT NULL,
    payload BLOB NOT NULL,
    result BLOB
) STRICT;
CREATE INDEX jobs_by_tenant ON jobs (tenant, seq);
CREATE INDEX jobs_by_request ON jobs (request_id) WHERE request_id <> '';
CREATE INDEX jobs_queued ON jobs (tenant, seq, run_at) WHERE status = 'queued';
CREATE INDEX jobs_running ON jobs (tenant) WHERE status = 'running';
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;

-- state: pending, delivered, failed. The id is the webhook-id, the same however often it is sent.
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    job INTEGER NOT NULL,
    target TEXT NOT NULL,
    event TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at REAL NOT NULL,
    next_at REAL NOT NULL,
    tries INTEGER NOT NULL,
    last_status INTEGER NOT NULL,
    ended_at REAL,
    UNIQUE (job, target)
) STRICT;
CREATE INDEX deliveries_pending ON deliveries (next_at) WHERE state = 'pending';

-- The last due time of each schedule that had its run.
CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    due REAL NOT NULL
) STRICT, WITHOUT ROWID;
