-- Schema 3. Datasets, runs with their results, and answers of models. Structured values are JSON text.

CREATE TABLE promptops_dataset (
    id     INTEGER PRIMARY KEY,
    tenant INTEGER NOT NULL REFERENCES promptops_tenant (id),
    name   TEXT    NOT NULL,
    latest INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;

-- The entries of a version are those with the ids from `first_entry` on, in their order: one commit writes them all.
CREATE TABLE promptops_dataset_version (
    dataset         INTEGER NOT NULL REFERENCES promptops_dataset (id),
    number          INTEGER NOT NULL CHECK (number BETWEEN 1 AND 4294967295),
    hash            BLOB    NOT NULL CHECK (length(hash) = 32),
    first_entry     INTEGER NOT NULL CHECK (first_entry > 0),
    entries         INTEGER NOT NULL CHECK (entries > 0),
    prompt          TEXT,
    metadata        TEXT    NOT NULL,
    message         TEXT    NOT NULL,
    created_by_id   TEXT    NOT NULL,
    created_by_role TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (dataset, number),
    UNIQUE (dataset, hash)
) STRICT;

CREATE TABLE promptops_dataset_entry (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    -- Last, so that reading the name does not walk the overflow pages of a long text.
    entry TEXT NOT NULL
) STRICT;

-- `number` counts a tenant's runs, from 1. `next_task` is the first task that was never handed out.
CREATE TABLE promptops_run (
    id              INTEGER PRIMARY KEY,
    tenant          INTEGER NOT NULL REFERENCES promptops_tenant (id),
    name            TEXT    NOT NULL,
    number          INTEGER NOT NULL CHECK (number > 0),
    prompt          TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    closure_hash    BLOB    NOT NULL CHECK (length(closure_hash) = 32),
    dataset         TEXT    NOT NULL,
    dataset_version INTEGER NOT NULL,
    first_entry     INTEGER NOT NULL,
    entries         INTEGER NOT NULL,
    repeats         INTEGER NOT NULL,
    started_by_id   TEXT    NOT NULL,
    started_by_role TEXT    NOT NULL,
    started_at      INTEGER NOT NULL,
    next_task       INTEGER NOT NULL DEFAULT 0,
    state           TEXT    NOT NULL,
    evaluator       TEXT    NOT NULL,
    UNIQUE (tenant, name),
    UNIQUE (tenant, number)
) STRICT;

CREATE INDEX promptops_run_prompt ON promptops_run (tenant, prompt, number);
CREATE INDEX promptops_run_closure ON promptops_run (tenant, closure_hash, number);
CREATE INDEX promptops_run_dataset ON promptops_run (tenant, dataset, number);

-- Tasks without a result that were handed out. One that was given back is nobody's (''), and its lease has ended.
CREATE TABLE promptops_lease (
    run    INTEGER NOT NULL REFERENCES promptops_run (id),
    task   INTEGER NOT NULL,
    worker TEXT    NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (run, task)
) STRICT, WITHOUT ROWID;

CREATE TABLE promptops_result (
    run    INTEGER NOT NULL REFERENCES promptops_run (id),
    task   INTEGER NOT NULL,
    result TEXT    NOT NULL,
    UNIQUE (run, task)
) STRICT;

CREATE TABLE promptops_completion (
    tenant     INTEGER NOT NULL REFERENCES promptops_tenant (id),
    key        BLOB    NOT NULL CHECK (length(key) = 32),
    at         INTEGER NOT NULL,
    completion TEXT    NOT NULL,
    UNIQUE (tenant, key)
) STRICT;

CREATE INDEX promptops_completion_age ON promptops_completion (tenant, at);

-- Scores in each dimension, and which judges are calibrated.
ALTER TABLE promptops_evidence ADD COLUMN scores TEXT NOT NULL DEFAULT '{}';
-- Ends in the row id, as `promptops_evidence_latest` does.
CREATE INDEX promptops_evidence_version
    ON promptops_evidence (tenant, prompt, closure_hash, dataset, dataset_version);

-- What never changes, as in schema 1.

CREATE TRIGGER promptops_dataset_identity BEFORE UPDATE OF id, tenant, name ON promptops_dataset
BEGIN SELECT RAISE(ABORT, 'promptops: a dataset keeps its tenant and name'); END;

CREATE TRIGGER promptops_dataset_version_update BEFORE UPDATE ON promptops_dataset_version
BEGIN SELECT RAISE(ABORT, 'promptops: a version of a dataset never changes'); END;

CREATE TRIGGER promptops_dataset_version_delete BEFORE DELETE ON promptops_dataset_version
BEGIN SELECT RAISE(ABORT, 'promptops: a version of a dataset is never deleted'); END;

CREATE TRIGGER promptops_dataset_version_replace BEFORE INSERT ON promptops_dataset_version
WHEN EXISTS (SELECT 1 FROM promptops_dataset_version WHERE rowid = NEW.rowid)
  OR EXISTS (SELECT 1 FROM promptops_dataset_version WHERE dataset = NEW.dataset AND number = NEW.number)
  OR EXISTS (SELECT 1 FROM promptops_dataset_version WHERE dataset = NEW.dataset AND hash = NEW.hash)
BEGIN SELECT RAISE(ABORT, 'promptops: a version of a dataset is never replaced'); END;

CREATE TRIGGER promptops_dataset_entry_update BEFORE UPDATE ON promptops_dataset_entry
BEGIN SELECT RAISE(ABORT, 'promptops: an entry of a dataset never changes'); END;

CREATE TRIGGER promptops_dataset_entry_delete BEFORE DELETE ON promptops_dataset_entry
BEGIN SELECT RAISE(ABORT, 'promptops: an entry of a dataset is never deleted'); END;

CREATE TRIGGER promptops_dataset_entry_replace BEFORE INSERT ON promptops_dataset_entry
WHEN EXISTS (SELECT 1 FROM promptops_dataset_entry WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'promptops: an entry of a dataset is never replaced'); END;

CREATE TRIGGER promptops_run_identity
BEFORE UPDATE OF id, tenant, name, number, prompt, version, closure_hash, dataset, dataset_version, first_entry,
    entries, repeats, started_by_id, started_by_role, started_at, evaluator
ON promptops_run
BEGIN SELECT RAISE(ABORT, 'promptops: a run never changes, but for its state'); END;

CREATE TRIGGER promptops_run_delete BEFORE DELETE ON promptops_run
BEGIN SELECT RAISE(ABORT, 'promptops: a run is never deleted'); END;

CREATE TRIGGER promptops_run_replace BEFORE INSERT ON promptops_run
WHEN EXISTS (SELECT 1 FROM promptops_run WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM promptops_run WHERE tenant = NEW.tenant AND name = NEW.name)
  OR EXISTS (SELECT 1 FROM promptops_run WHERE tenant = NEW.tenant AND number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'promptops: a run is never replaced'); END;

CREATE TRIGGER promptops_result_update BEFORE UPDATE ON promptops_result
BEGIN SELECT RAISE(ABORT, 'promptops: results are only added to'); END;

CREATE TRIGGER promptops_result_delete BEFORE DELETE ON promptops_result
BEGIN SELECT RAISE(ABORT, 'promptops: results are only added to'); END;

CREATE TRIGGER promptops_result_replace BEFORE INSERT ON promptops_result
WHEN EXISTS (SELECT 1 FROM promptops_result WHERE rowid = NEW.rowid)
  OR EXISTS (SELECT 1 FROM promptops_result WHERE run = NEW.run AND task = NEW.task)
BEGIN SELECT RAISE(ABORT, 'promptops: results are only added to'); END;
