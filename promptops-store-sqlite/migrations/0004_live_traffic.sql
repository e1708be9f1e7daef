-- Schema 4. What live traffic says: roll-ups of metrics, traces, experiments with their outcomes.

-- What answers of equal columns add up to, as JSON. `start` is the beginning of the time, 0 for totals. '' stands for no
-- environment and no variant, 0 for no version. With row ids, since a histogram of latencies outgrows what a page of a
-- table without them keeps of a row.
CREATE TABLE promptops_rollup (
    id           INTEGER PRIMARY KEY,
    tenant       INTEGER NOT NULL REFERENCES promptops_tenant (id),
    prompt       TEXT    NOT NULL,
    resolution   TEXT    NOT NULL CHECK (resolution IN ('total', 'day', 'hour', 'minute')),
    start        INTEGER NOT NULL,
    closure_hash BLOB    NOT NULL CHECK (length(closure_hash) = 32),
    environment  TEXT    NOT NULL,
    version      INTEGER NOT NULL CHECK (version BETWEEN 0 AND 4294967295),
    experiment   TEXT    NOT NULL,
    variant      TEXT    NOT NULL,
    metrics      TEXT    NOT NULL,
    UNIQUE (tenant, prompt, resolution, start, closure_hash, environment, version, experiment, variant)
) STRICT;

-- Minutes are removed when they are old.
CREATE INDEX promptops_rollup_minute ON promptops_rollup (tenant, start) WHERE resolution = 'minute';

-- Until now every answer that was counted was judged, and none was counted by time.
INSERT INTO promptops_rollup
    (tenant, prompt, resolution, start, closure_hash, environment, version, experiment, variant, metrics)
SELECT tenant, prompt, 'total', 0, closure_hash, environment, 0, '', '', json_object(
    'usage_count', usage_count, 'judged_count', usage_count, 'success_count', success_count,
    'rated_count', rated_count, 'rating_sum_millionths', rating_sum_millionths)
FROM promptops_metrics;

DROP TABLE promptops_metrics;

-- `body` is the whole trace; the other columns repeat what traces are found by, `success` as far as it is known. Ids begin
-- with the time, so that rows are added at the end and removed at the beginning.
CREATE TABLE promptops_trace (
    tenant       INTEGER NOT NULL REFERENCES promptops_tenant (id),
    id           BLOB    NOT NULL CHECK (length(id) = 16),
    prompt       TEXT    NOT NULL,
    version      INTEGER,
    closure_hash BLOB    NOT NULL CHECK (length(closure_hash) = 32),
    environment  TEXT,
    is_error     INTEGER NOT NULL,
    success      INTEGER,
    rating       INTEGER,
    model        TEXT,
    session      TEXT,
    -- The body cannot tell inputs that are null from none.
    has_inputs   INTEGER NOT NULL,
    -- Last, so that looking at the columns before it does not walk the overflow pages of a long text.
    body         TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX promptops_trace_prompt ON promptops_trace (tenant, prompt, id);

-- `name` is the experiment's id in core; `experiment` is all of it.
CREATE TABLE promptops_experiment (
    id          INTEGER PRIMARY KEY,
    tenant      INTEGER NOT NULL REFERENCES promptops_tenant (id),
    name        TEXT    NOT NULL,
    prompt      TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('active', 'paused', 'completed')),
    revision    INTEGER NOT NULL CHECK (revision > 0),
    experiment  TEXT    NOT NULL,
    UNIQUE (tenant, name)
) STRICT;

CREATE INDEX promptops_experiment_prompt ON promptops_experiment (tenant, prompt, name);

-- Also what lets one begin and no second.
CREATE UNIQUE INDEX promptops_experiment_open ON promptops_experiment (tenant, prompt, environment)
    WHERE status <> 'completed';

-- Each unit's first outcome; the unit is its key with a sign. No foreign key: it would be looked up for every outcome, and
-- experiments are never deleted.
CREATE TABLE promptops_outcome (
    experiment   INTEGER NOT NULL,
    unit         INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    variant      INTEGER NOT NULL,
    success      INTEGER,
    score        INTEGER,
    measured     INTEGER NOT NULL,
    harmed       INTEGER NOT NULL,
    contaminated INTEGER NOT NULL DEFAULT 0,
    at           INTEGER NOT NULL,
    PRIMARY KEY (experiment, unit)
) STRICT, WITHOUT ROWID;

CREATE TABLE promptops_tally (
    experiment INTEGER NOT NULL REFERENCES promptops_experiment (id),
    epoch      INTEGER NOT NULL,
    variant    INTEGER NOT NULL,
    counter    INTEGER NOT NULL,
    count      INTEGER NOT NULL CHECK (count >= 0),
    PRIMARY KEY (experiment, epoch, variant, counter)
) STRICT, WITHOUT ROWID;

-- What never changes, as in schema 1.

CREATE TRIGGER promptops_experiment_identity BEFORE UPDATE OF id, tenant, name ON promptops_experiment
BEGIN SELECT RAISE(ABORT, 'promptops: an experiment keeps its tenant and id'); END;

CREATE TRIGGER promptops_experiment_final BEFORE UPDATE ON promptops_experiment WHEN OLD.status = 'completed'
BEGIN SELECT RAISE(ABORT, 'promptops: a completed experiment never changes'); END;

CREATE TRIGGER promptops_experiment_delete BEFORE DELETE ON promptops_experiment
BEGIN SELECT RAISE(ABORT, 'promptops: an experiment is never deleted'); END;

CREATE TRIGGER promptops_experiment_replace BEFORE INSERT ON promptops_experiment
WHEN EXISTS (SELECT 1 FROM promptops_experiment WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM promptops_experiment WHERE tenant = NEW.tenant AND name = NEW.name)
  OR EXISTS (
    SELECT 1 FROM promptops_experiment
    WHERE tenant = NEW.tenant AND prompt = NEW.prompt AND environment = NEW.environment AND status <> 'completed'
      AND NEW.status <> 'completed'
)
BEGIN SELECT RAISE(ABORT, 'promptops: an experiment is never replaced'); END;
