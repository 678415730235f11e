"""The tables of the journal, as SQLite makes them."""

SCHEMA = 2
"""The version of the tables, which a file of another version does not have."""
TABLES = """
CREATE TABLE IF NOT EXISTS studies (
    study TEXT PRIMARY KEY,      -- name and variant
    record TEXT NOT NULL,        -- JSON: what its MLflow run shall say
    sent TEXT                    -- the record that MLflow knows
);
CREATE TABLE IF NOT EXISTS home (
    id TEXT PRIMARY KEY          -- of this journal, in one row
);
CREATE TABLE IF NOT EXISTS cells (
    cell TEXT PRIMARY KEY,       -- unique key of a cell
    study TEXT NOT NULL,
    trial TEXT NOT NULL,         -- content id
    description TEXT NOT NULL,   -- JSON: what its MLflow run shall say
    state TEXT NOT NULL,
    tags TEXT NOT NULL,          -- JSON: what became known while it ran
    run_id TEXT,                 -- MLflow's run, once there is one
    state_sent TEXT              -- the state MLflow knows
);
CREATE TABLE IF NOT EXISTS points (
    cell TEXT NOT NULL,
    key TEXT NOT NULL,
    step INTEGER NOT NULL,
    value REAL,                  -- NULL: not a number
    time_ms INTEGER NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (cell, key, step)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unsent ON points (cell) WHERE sent = 0;
CREATE INDEX IF NOT EXISTS trials ON cells (trial);
CREATE INDEX IF NOT EXISTS states ON cells (study, cell, state, run_id, state_sent);
"""
