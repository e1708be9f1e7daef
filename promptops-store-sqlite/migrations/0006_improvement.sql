-- Schema 6. What the improvement loop remembers, who works on which slot, and what was spent on a day.

-- `name` is the record's id in core. `body` is all of it; the other columns repeat what records are found by.
CREATE TABLE promptops_improvement (
    id          INTEGER PRIMARY KEY,
    tenant      INTEGER NOT NULL REFERENCES promptops_tenant (id),
    kind        TEXT    NOT NULL CHECK (kind IN ('cluster', 'attempt', 'watch', 'control')),
    name        TEXT    NOT NULL,
    prompt      TEXT,
    environment TEXT,
    status      TEXT    NOT NULL,
    revision    INTEGER NOT NULL CHECK (revision >= 0),
    -- Last, so that looking at the columns before it does not walk the overflow pages of a long text.
    body        TEXT    NOT NULL,
    UNIQUE (tenant, kind, name)
) STRICT;

CREATE INDEX promptops_improvement_prompt ON promptops_improvement (tenant, kind, prompt, name);
CREATE INDEX promptops_improvement_status ON promptops_improvement (tenant, kind, status, name);

CREATE TABLE promptops_slot_lease (
    tenant      INTEGER NOT NULL REFERENCES promptops_tenant (id),
    prompt      TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    worker      TEXT    NOT NULL,
    until       INTEGER NOT NULL,
    PRIMARY KEY (tenant, prompt, environment)
) STRICT, WITHOUT ROWID;

-- `day` is 'YYYY-MM-DD', in UTC. A figure that is too large stays at the most that a column takes.
CREATE TABLE promptops_spending (
    tenant   INTEGER NOT NULL REFERENCES promptops_tenant (id),
    day      TEXT    NOT NULL,
    calls    INTEGER NOT NULL CHECK (calls >= 0),
    tokens   INTEGER NOT NULL CHECK (tokens >= 0),
    nano_usd INTEGER NOT NULL CHECK (nano_usd >= 0),
    PRIMARY KEY (tenant, day)
) STRICT, WITHOUT ROWID;

-- What never changes, as in schema 1.

CREATE TRIGGER promptops_improvement_identity BEFORE UPDATE OF id, tenant, kind, name ON promptops_improvement
BEGIN SELECT RAISE(ABORT, 'promptops: a record of improvement keeps its tenant, kind and id'); END;

CREATE TRIGGER promptops_improvement_delete BEFORE DELETE ON promptops_improvement
BEGIN SELECT RAISE(ABORT, 'promptops: a record of improvement is never deleted'); END;

CREATE TRIGGER promptops_improvement_replace BEFORE INSERT ON promptops_improvement
WHEN EXISTS (SELECT 1 FROM promptops_improvement WHERE id = NEW.id)
  OR EXISTS (
    SELECT 1 FROM promptops_improvement WHERE tenant = NEW.tenant AND kind = NEW.kind AND name = NEW.name
)
BEGIN SELECT RAISE(ABORT, 'promptops: a record of improvement is never replaced'); END;

CREATE TRIGGER promptops_spending_identity BEFORE UPDATE OF tenant, day ON promptops_spending
BEGIN SELECT RAISE(ABORT, 'promptops: what was spent stays with its tenant and day'); END;

-- A day that is forgotten could be spent again.
CREATE TRIGGER promptops_spending_delete BEFORE DELETE ON promptops_spending
BEGIN SELECT RAISE(ABORT, 'promptops: what was spent is never deleted'); END;

CREATE TRIGGER promptops_spending_replace BEFORE INSERT ON promptops_spending
WHEN EXISTS (SELECT 1 FROM promptops_spending WHERE tenant = NEW.tenant AND day = NEW.day)
BEGIN SELECT RAISE(ABORT, 'promptops: what was spent is never replaced'); END;
