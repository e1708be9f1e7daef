-- Schema 5. Deployments with their steps, their slots, and what is kept as evidence.

-- `name` is the deployment's id in core. `body` is all of it; the other columns repeat what deployments are found by.
CREATE TABLE promptops_deployment (
    id           INTEGER PRIMARY KEY,
    tenant       INTEGER NOT NULL REFERENCES promptops_tenant (id),
    name         TEXT    NOT NULL,
    prompt       TEXT    NOT NULL,
    environment  TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN (
        'proposed', 'ab_running', 'ab_passed', 'ab_failed', 'shipped', 'monitoring', 'regressed', 'rolled_back', 'rejected'
    )),
    closure_hash BLOB    NOT NULL CHECK (length(closure_hash) = 32),
    has_slot     INTEGER NOT NULL CHECK (has_slot = 0 OR has_slot = 1 AND state IN ('shipped', 'monitoring', 'regressed')),
    revision     INTEGER NOT NULL CHECK (revision >= 0),
    -- Last, so that looking at the columns before it does not walk the overflow pages of a long text.
    body         TEXT    NOT NULL,
    UNIQUE (tenant, name)
) STRICT;

CREATE INDEX promptops_deployment_prompt ON promptops_deployment (tenant, prompt, name);
CREATE INDEX promptops_deployment_state ON promptops_deployment (tenant, state, name);
CREATE INDEX promptops_deployment_closure ON promptops_deployment (tenant, closure_hash, name);
CREATE INDEX promptops_deployment_live ON promptops_deployment (tenant, name) WHERE has_slot = 1;

-- Also what lets one have a slot and no second.
CREATE UNIQUE INDEX promptops_deployment_slot ON promptops_deployment (tenant, prompt, environment) WHERE has_slot = 1;

-- Also what lets a text be on its way into a slot once.
CREATE UNIQUE INDEX promptops_deployment_candidate ON promptops_deployment (tenant, prompt, environment, closure_hash)
    WHERE state IN ('proposed', 'ab_running', 'ab_passed', 'ab_failed');

-- The tenant is repeated here because a command's key is unique among a tenant's.
CREATE TABLE promptops_transition (
    deployment INTEGER NOT NULL REFERENCES promptops_deployment (id),
    number     INTEGER NOT NULL CHECK (number BETWEEN 0 AND 4294967295),
    tenant     INTEGER NOT NULL,
    step       TEXT    NOT NULL,
    key        TEXT,
    body       TEXT    NOT NULL,
    UNIQUE (deployment, number)
) STRICT;

CREATE UNIQUE INDEX promptops_transition_key ON promptops_transition (tenant, key) WHERE key IS NOT NULL;

CREATE TABLE promptops_slot (
    id          INTEGER PRIMARY KEY,
    tenant      INTEGER NOT NULL REFERENCES promptops_tenant (id),
    prompt      TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    revision    INTEGER NOT NULL CHECK (revision >= 0),
    body        TEXT    NOT NULL,
    UNIQUE (tenant, prompt, environment)
) STRICT;

CREATE TABLE promptops_document (
    tenant INTEGER NOT NULL REFERENCES promptops_tenant (id),
    hash   BLOB    NOT NULL CHECK (length(hash) = 32),
    body   TEXT    NOT NULL,
    UNIQUE (tenant, hash)
) STRICT;

-- What never changes, as in schema 1.

CREATE TRIGGER promptops_deployment_identity BEFORE UPDATE OF id, tenant, name ON promptops_deployment
BEGIN SELECT RAISE(ABORT, 'promptops: a deployment keeps its tenant and id'); END;

CREATE TRIGGER promptops_deployment_final BEFORE UPDATE ON promptops_deployment
WHEN OLD.state IN ('rolled_back', 'rejected')
BEGIN SELECT RAISE(ABORT, 'promptops: a deployment that has ended never changes'); END;

CREATE TRIGGER promptops_deployment_delete BEFORE DELETE ON promptops_deployment
BEGIN SELECT RAISE(ABORT, 'promptops: a deployment is never deleted'); END;

CREATE TRIGGER promptops_deployment_replace BEFORE INSERT ON promptops_deployment
WHEN EXISTS (SELECT 1 FROM promptops_deployment WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM promptops_deployment WHERE tenant = NEW.tenant AND name = NEW.name)
  OR NEW.has_slot = 1 AND EXISTS (
    SELECT 1 FROM promptops_deployment
    WHERE tenant = NEW.tenant AND prompt = NEW.prompt AND environment = NEW.environment AND has_slot = 1
) OR NEW.state IN ('proposed', 'ab_running', 'ab_passed', 'ab_failed') AND EXISTS (
    SELECT 1 FROM promptops_deployment
    WHERE tenant = NEW.tenant AND prompt = NEW.prompt AND environment = NEW.environment
      AND closure_hash = NEW.closure_hash AND state IN ('proposed', 'ab_running', 'ab_passed', 'ab_failed')
)
BEGIN SELECT RAISE(ABORT, 'promptops: a deployment is never replaced'); END;

-- A change, too, can replace another row that is in its way.
CREATE TRIGGER promptops_deployment_oust BEFORE UPDATE ON promptops_deployment
WHEN NEW.has_slot = 1 AND EXISTS (
    SELECT 1 FROM promptops_deployment
    WHERE tenant = NEW.tenant AND prompt = NEW.prompt AND environment = NEW.environment AND has_slot = 1
      AND id <> OLD.id
) OR NEW.state IN ('proposed', 'ab_running', 'ab_passed', 'ab_failed') AND EXISTS (
    SELECT 1 FROM promptops_deployment
    WHERE tenant = NEW.tenant AND prompt = NEW.prompt AND environment = NEW.environment
      AND closure_hash = NEW.closure_hash AND state IN ('proposed', 'ab_running', 'ab_passed', 'ab_failed')
      AND id <> OLD.id
)
BEGIN SELECT RAISE(ABORT, 'promptops: a deployment is never replaced'); END;

CREATE TRIGGER promptops_transition_update BEFORE UPDATE ON promptops_transition
BEGIN SELECT RAISE(ABORT, 'promptops: steps of deployments are only added to'); END;

CREATE TRIGGER promptops_transition_delete BEFORE DELETE ON promptops_transition
BEGIN SELECT RAISE(ABORT, 'promptops: steps of deployments are only added to'); END;

CREATE TRIGGER promptops_transition_replace BEFORE INSERT ON promptops_transition
WHEN EXISTS (SELECT 1 FROM promptops_transition WHERE rowid = NEW.rowid)
  OR EXISTS (SELECT 1 FROM promptops_transition WHERE deployment = NEW.deployment AND number = NEW.number)
  OR EXISTS (SELECT 1 FROM promptops_transition WHERE tenant = NEW.tenant AND key = NEW.key)
BEGIN SELECT RAISE(ABORT, 'promptops: steps of deployments are only added to'); END;

CREATE TRIGGER promptops_slot_identity BEFORE UPDATE OF id, tenant, prompt, environment ON promptops_slot
BEGIN SELECT RAISE(ABORT, 'promptops: a slot keeps its tenant, prompt and environment'); END;

CREATE TRIGGER promptops_slot_delete BEFORE DELETE ON promptops_slot
BEGIN SELECT RAISE(ABORT, 'promptops: a slot is never deleted'); END;

CREATE TRIGGER promptops_slot_replace BEFORE INSERT ON promptops_slot
WHEN EXISTS (SELECT 1 FROM promptops_slot WHERE id = NEW.id)
  OR EXISTS (
    SELECT 1 FROM promptops_slot
    WHERE tenant = NEW.tenant AND prompt = NEW.prompt AND environment = NEW.environment
)
BEGIN SELECT RAISE(ABORT, 'promptops: a slot is never replaced'); END;

CREATE TRIGGER promptops_document_update BEFORE UPDATE ON promptops_document
BEGIN SELECT RAISE(ABORT, 'promptops: documents are only added to'); END;

CREATE TRIGGER promptops_document_delete BEFORE DELETE ON promptops_document
BEGIN SELECT RAISE(ABORT, 'promptops: documents are only added to'); END;

CREATE TRIGGER promptops_document_replace BEFORE INSERT ON promptops_document
WHEN EXISTS (SELECT 1 FROM promptops_document WHERE rowid = NEW.rowid)
  OR EXISTS (SELECT 1 FROM promptops_document WHERE tenant = NEW.tenant AND hash = NEW.hash)
BEGIN SELECT RAISE(ABORT, 'promptops: documents are only added to'); END;
