-- Schema 1. Times are microseconds since 1970 in UTC, hashes the bare 32 bytes, enums their text forms in core.
-- Never edit a released migration: add the next one.

CREATE TABLE promptops_tenant (
    id              INTEGER PRIMARY KEY,
    name            TEXT    NOT NULL UNIQUE,
    parent          INTEGER REFERENCES promptops_tenant (id) CHECK (parent <> id),
    policy_revision INTEGER NOT NULL DEFAULT 0
) STRICT;

-- For "is this tenant a parent?".
CREATE INDEX promptops_tenant_parent ON promptops_tenant (parent) WHERE parent IS NOT NULL;

-- `latest`, `latest_active` and `status` follow from the versions; every commit that touches a version sets them,
-- so that lists and bare references need no aggregate.
CREATE TABLE promptops_prompt (
    id            INTEGER PRIMARY KEY,
    tenant        INTEGER NOT NULL REFERENCES promptops_tenant (id),
    name          TEXT    NOT NULL,
    latest        INTEGER NOT NULL,
    latest_active INTEGER,
    status        TEXT    NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;

CREATE INDEX promptops_prompt_status ON promptops_prompt (tenant, status, name);

-- The name is repeated here because pages by tag are in order of names.
CREATE TABLE promptops_prompt_tag (
    tenant INTEGER NOT NULL,
    tag    TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    PRIMARY KEY (tenant, tag, name),
    FOREIGN KEY (tenant, name) REFERENCES promptops_prompt (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX promptops_prompt_tag_name ON promptops_prompt_tag (tenant, name, tag);

CREATE TABLE promptops_version (
    prompt      INTEGER NOT NULL REFERENCES promptops_prompt (id),
    number      INTEGER NOT NULL CHECK (number BETWEEN 1 AND 4294967295),
    hash        BLOB    NOT NULL CHECK (length(hash) = 32),
    semver      TEXT,
    parents     TEXT    NOT NULL,
    author_id   TEXT    NOT NULL,
    author_role TEXT    NOT NULL,
    message     TEXT    NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
    created_at  INTEGER NOT NULL,
    -- Last, so that reading the columns before it does not walk the overflow pages of a long text.
    content     TEXT    NOT NULL,
    PRIMARY KEY (prompt, number),
    UNIQUE (prompt, hash)
) STRICT;

CREATE UNIQUE INDEX promptops_version_semver ON promptops_version (prompt, semver) WHERE semver IS NOT NULL;
CREATE INDEX promptops_version_status ON promptops_version (prompt, status, number);

CREATE TABLE promptops_include (
    tenant    INTEGER NOT NULL,
    snippet   TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    number    INTEGER NOT NULL,
    reference TEXT    NOT NULL,
    PRIMARY KEY (tenant, snippet, name, number, reference),
    FOREIGN KEY (tenant, name) REFERENCES promptops_prompt (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE promptops_pointer (
    prompt        INTEGER NOT NULL,
    environment   TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    closure_hash  BLOB    NOT NULL CHECK (length(closure_hash) = 32),
    revision      INTEGER NOT NULL CHECK (revision > 0),
    moved_by_id   TEXT    NOT NULL,
    moved_by_role TEXT    NOT NULL,
    moved_at      INTEGER NOT NULL,
    PRIMARY KEY (prompt, environment),
    FOREIGN KEY (prompt, version) REFERENCES promptops_version (prompt, number)
) STRICT, WITHOUT ROWID;

-- Its versions are not foreign keys: saving a version would then search the whole history of its prompt.
CREATE TABLE promptops_history (
    prompt       INTEGER NOT NULL REFERENCES promptops_prompt (id),
    environment  TEXT    NOT NULL,
    revision     INTEGER NOT NULL CHECK (revision > 0),
    kind         TEXT    NOT NULL,
    from_version INTEGER,
    to_version   INTEGER NOT NULL,
    closure_hash BLOB    NOT NULL CHECK (length(closure_hash) = 32),
    actor_id     TEXT    NOT NULL,
    actor_role   TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    waiver       TEXT,
    at           INTEGER NOT NULL,
    PRIMARY KEY (prompt, environment, revision)
) STRICT, WITHOUT ROWID;

-- `prompt` is '' for a policy that is for all prompts. It is a name because a policy may come before its prompt.
CREATE TABLE promptops_policy (
    tenant      INTEGER NOT NULL REFERENCES promptops_tenant (id),
    prompt      TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    policy      TEXT    NOT NULL,
    PRIMARY KEY (tenant, prompt, environment)
) STRICT, WITHOUT ROWID;

CREATE TABLE promptops_approval (
    id               INTEGER PRIMARY KEY,
    tenant           INTEGER NOT NULL REFERENCES promptops_tenant (id),
    prompt           TEXT    NOT NULL,
    environment      TEXT    NOT NULL,
    base_revision    INTEGER NOT NULL,
    closure_hash     BLOB    NOT NULL CHECK (length(closure_hash) = 32),
    version          INTEGER NOT NULL,
    approved_by_id   TEXT    NOT NULL,
    approved_by_role TEXT    NOT NULL,
    note             TEXT    NOT NULL,
    at               INTEGER NOT NULL,
    UNIQUE (tenant, prompt, base_revision, environment, closure_hash, approved_by_id)
) STRICT;

-- The prompt is a name: a tenant also gives feedback on, and evaluates, prompts that it inherits.
-- `environment` is '' for feedback on a reference without one.
CREATE TABLE promptops_metrics (
    tenant                INTEGER NOT NULL REFERENCES promptops_tenant (id),
    prompt                TEXT    NOT NULL,
    closure_hash          BLOB    NOT NULL CHECK (length(closure_hash) = 32),
    environment           TEXT    NOT NULL,
    usage_count           INTEGER NOT NULL,
    success_count         INTEGER NOT NULL,
    rated_count           INTEGER NOT NULL,
    rating_sum_millionths INTEGER NOT NULL,
    PRIMARY KEY (tenant, prompt, closure_hash, environment)
) STRICT, WITHOUT ROWID;

CREATE TABLE promptops_evidence (
    id               INTEGER PRIMARY KEY,
    tenant           INTEGER NOT NULL REFERENCES promptops_tenant (id),
    prompt           TEXT    NOT NULL,
    closure_hash     BLOB    NOT NULL CHECK (length(closure_hash) = 32),
    dataset          TEXT    NOT NULL,
    dataset_version  INTEGER NOT NULL,
    run              TEXT    NOT NULL,
    entries          INTEGER NOT NULL,
    passed           INTEGER NOT NULL,
    recorded_by_id   TEXT    NOT NULL,
    recorded_by_role TEXT    NOT NULL,
    recorded_at      INTEGER NOT NULL,
    UNIQUE (tenant, prompt, closure_hash, dataset, run)
) STRICT;

-- Ends in the row id, which grows with every record: the last one is one seek away.
CREATE INDEX promptops_evidence_latest ON promptops_evidence (tenant, prompt, closure_hash, dataset);

CREATE TABLE promptops_audit (
    tenant        INTEGER NOT NULL REFERENCES promptops_tenant (id),
    seq           INTEGER NOT NULL CHECK (seq > 0),
    at            INTEGER NOT NULL,
    actor_id      TEXT    NOT NULL,
    actor_role    TEXT    NOT NULL,
    action        TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    detail        TEXT    NOT NULL,
    previous_hash BLOB    NOT NULL CHECK (length(previous_hash) = 32),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant, seq)
) STRICT, WITHOUT ROWID;

-- Beside the log, so that a log cut short is noticed.
CREATE TABLE promptops_audit_head (
    tenant INTEGER PRIMARY KEY REFERENCES promptops_tenant (id),
    seq    INTEGER NOT NULL,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- What never changes, refused by the database itself: a second wall, against other programs. The INSERT triggers
-- are there because INSERT OR REPLACE deletes without firing DELETE triggers.

CREATE TRIGGER promptops_prompt_identity BEFORE UPDATE OF id, tenant, name ON promptops_prompt
BEGIN SELECT RAISE(ABORT, 'promptops: a prompt keeps its tenant and name'); END;

CREATE TRIGGER promptops_version_update
BEFORE UPDATE OF prompt, number, hash, semver, parents, author_id, author_role, message, created_at, content
ON promptops_version
BEGIN SELECT RAISE(ABORT, 'promptops: a version never changes, but for its status'); END;

CREATE TRIGGER promptops_version_delete BEFORE DELETE ON promptops_version
BEGIN SELECT RAISE(ABORT, 'promptops: a version is never deleted'); END;

CREATE TRIGGER promptops_version_replace BEFORE INSERT ON promptops_version
WHEN EXISTS (SELECT 1 FROM promptops_version WHERE rowid = NEW.rowid)
  OR EXISTS (SELECT 1 FROM promptops_version WHERE prompt = NEW.prompt AND number = NEW.number)
  OR EXISTS (SELECT 1 FROM promptops_version WHERE prompt = NEW.prompt AND hash = NEW.hash)
  OR EXISTS (SELECT 1 FROM promptops_version WHERE prompt = NEW.prompt AND semver = NEW.semver)
BEGIN SELECT RAISE(ABORT, 'promptops: a version is never replaced'); END;

CREATE TRIGGER promptops_history_update BEFORE UPDATE ON promptops_history
BEGIN SELECT RAISE(ABORT, 'promptops: history is only added to'); END;

CREATE TRIGGER promptops_history_delete BEFORE DELETE ON promptops_history
BEGIN SELECT RAISE(ABORT, 'promptops: history is only added to'); END;

CREATE TRIGGER promptops_history_replace BEFORE INSERT ON promptops_history
WHEN EXISTS (
    SELECT 1 FROM promptops_history
    WHERE prompt = NEW.prompt AND environment = NEW.environment AND revision = NEW.revision
)
BEGIN SELECT RAISE(ABORT, 'promptops: history is only added to'); END;

CREATE TRIGGER promptops_approval_update BEFORE UPDATE ON promptops_approval
BEGIN SELECT RAISE(ABORT, 'promptops: approvals are only added to'); END;

CREATE TRIGGER promptops_approval_delete BEFORE DELETE ON promptops_approval
BEGIN SELECT RAISE(ABORT, 'promptops: approvals are only added to'); END;

CREATE TRIGGER promptops_approval_replace BEFORE INSERT ON promptops_approval
WHEN EXISTS (SELECT 1 FROM promptops_approval WHERE id = NEW.id)
  OR EXISTS (
    SELECT 1 FROM promptops_approval
    WHERE tenant = NEW.tenant AND prompt = NEW.prompt AND base_revision = NEW.base_revision
      AND environment = NEW.environment AND closure_hash = NEW.closure_hash
      AND approved_by_id = NEW.approved_by_id
)
BEGIN SELECT RAISE(ABORT, 'promptops: approvals are only added to'); END;

CREATE TRIGGER promptops_evidence_update BEFORE UPDATE ON promptops_evidence
BEGIN SELECT RAISE(ABORT, 'promptops: evidence is only added to'); END;

CREATE TRIGGER promptops_evidence_delete BEFORE DELETE ON promptops_evidence
BEGIN SELECT RAISE(ABORT, 'promptops: evidence is only added to'); END;

CREATE TRIGGER promptops_evidence_replace BEFORE INSERT ON promptops_evidence
WHEN EXISTS (SELECT 1 FROM promptops_evidence WHERE id = NEW.id)
  OR EXISTS (
    SELECT 1 FROM promptops_evidence
    WHERE tenant = NEW.tenant AND prompt = NEW.prompt AND closure_hash = NEW.closure_hash
      AND dataset = NEW.dataset AND run = NEW.run
)
BEGIN SELECT RAISE(ABORT, 'promptops: evidence is only added to'); END;

CREATE TRIGGER promptops_audit_update BEFORE UPDATE ON promptops_audit
BEGIN SELECT RAISE(ABORT, 'promptops: the audit log is only added to'); END;

CREATE TRIGGER promptops_audit_delete BEFORE DELETE ON promptops_audit
BEGIN SELECT RAISE(ABORT, 'promptops: the audit log is only added to'); END;

CREATE TRIGGER promptops_audit_replace BEFORE INSERT ON promptops_audit
WHEN EXISTS (SELECT 1 FROM promptops_audit WHERE tenant = NEW.tenant AND seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'promptops: the audit log is only added to'); END;
