-- Schema 1: tables, and what the database itself refuses.
-- Times are microseconds since 1970 in UTC, hashes the bare 32 bytes, enums their text forms in core, names in byte
-- order (COLLATE "C"). Every table has its rows' tenant, for row-level security.
-- Never edit a released migration: add the next one, with its way back.

CREATE TABLE promptops.tenant (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text   COLLATE "C" NOT NULL UNIQUE,
    parent          bigint REFERENCES promptops.tenant (id) CHECK (parent <> id),
    policy_revision bigint NOT NULL DEFAULT 0
);

-- For "is this tenant a parent?".
CREATE INDEX tenant_parent ON promptops.tenant (parent) WHERE parent IS NOT NULL;

-- `latest`, `latest_active` and `status` follow from the versions; every commit that touches a version sets them,
-- so that lists and bare references need no aggregate.
CREATE TABLE promptops.prompt (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant        bigint NOT NULL REFERENCES promptops.tenant (id),
    name          text   COLLATE "C" NOT NULL,
    latest        bigint NOT NULL,
    latest_active bigint,
    status        text   NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
    created_at    bigint NOT NULL,
    updated_at    bigint NOT NULL,
    UNIQUE (tenant, name),
    UNIQUE (id, tenant)
);

CREATE INDEX prompt_status ON promptops.prompt (tenant, status, name);

-- The name is repeated here because pages by tag are in order of names.
CREATE TABLE promptops.prompt_tag (
    tenant bigint NOT NULL,
    tag    text   COLLATE "C" NOT NULL,
    name   text   COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, tag, name),
    FOREIGN KEY (tenant, name) REFERENCES promptops.prompt (tenant, name)
);

CREATE INDEX prompt_tag_name ON promptops.prompt_tag (tenant, name, tag);

-- The content is text and not jsonb: its numbers must come back bit for bit, and jsonb has no U+0000.
CREATE TABLE promptops.version (
    tenant      bigint NOT NULL,
    prompt      bigint NOT NULL,
    number      bigint NOT NULL CHECK (number BETWEEN 1 AND 4294967295),
    hash        bytea  NOT NULL CHECK (length(hash) = 32),
    semver      text,
    parents     text   NOT NULL,
    author_id   text   NOT NULL,
    author_role text   NOT NULL,
    message     text   NOT NULL,
    status      text   NOT NULL CHECK (status IN ('draft', 'active', 'archived')),
    created_at  bigint NOT NULL,
    content     text   NOT NULL,
    PRIMARY KEY (prompt, number),
    UNIQUE (prompt, hash),
    FOREIGN KEY (prompt, tenant) REFERENCES promptops.prompt (id, tenant)
);

CREATE UNIQUE INDEX version_semver ON promptops.version (prompt, semver) WHERE semver IS NOT NULL;
CREATE INDEX version_status ON promptops.version (prompt, status, number);

CREATE TABLE promptops.include (
    tenant    bigint NOT NULL,
    snippet   text   COLLATE "C" NOT NULL,
    name      text   COLLATE "C" NOT NULL,
    number    bigint NOT NULL,
    reference text   COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, snippet, name, number, reference),
    FOREIGN KEY (tenant, name) REFERENCES promptops.prompt (tenant, name)
);

CREATE TABLE promptops.pointer (
    tenant        bigint NOT NULL,
    prompt        bigint NOT NULL,
    environment   text   COLLATE "C" NOT NULL,
    version       bigint NOT NULL,
    closure_hash  bytea  NOT NULL CHECK (length(closure_hash) = 32),
    revision      bigint NOT NULL CHECK (revision > 0),
    moved_by_id   text   NOT NULL,
    moved_by_role text   NOT NULL,
    moved_at      bigint NOT NULL,
    PRIMARY KEY (prompt, environment),
    FOREIGN KEY (prompt, version) REFERENCES promptops.version (prompt, number),
    FOREIGN KEY (prompt, tenant) REFERENCES promptops.prompt (id, tenant)
);

CREATE TABLE promptops.history (
    tenant       bigint NOT NULL,
    prompt       bigint NOT NULL,
    environment  text   COLLATE "C" NOT NULL,
    revision     bigint NOT NULL CHECK (revision > 0),
    kind         text   NOT NULL,
    from_version bigint,
    to_version   bigint NOT NULL,
    closure_hash bytea  NOT NULL CHECK (length(closure_hash) = 32),
    actor_id     text   NOT NULL,
    actor_role   text   NOT NULL,
    reason       text   NOT NULL,
    waiver       text,
    at           bigint NOT NULL,
    PRIMARY KEY (prompt, environment, revision),
    FOREIGN KEY (prompt, tenant) REFERENCES promptops.prompt (id, tenant)
);

-- `prompt` is NULL for a policy that is for all prompts. It is a name because a policy may come before its prompt.
CREATE TABLE promptops.policy (
    tenant      bigint NOT NULL REFERENCES promptops.tenant (id),
    prompt      text   COLLATE "C",
    environment text   COLLATE "C" NOT NULL,
    policy      text   NOT NULL
);

-- One policy for all prompts of an environment, and one of a prompt's own.
CREATE UNIQUE INDEX policy_for_all ON promptops.policy (tenant, environment) WHERE prompt IS NULL;
CREATE UNIQUE INDEX policy_of_prompt ON promptops.policy (tenant, prompt, environment) WHERE prompt IS NOT NULL;

CREATE TABLE promptops.approval (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant           bigint NOT NULL REFERENCES promptops.tenant (id),
    prompt           text   COLLATE "C" NOT NULL,
    environment      text   COLLATE "C" NOT NULL,
    base_revision    bigint NOT NULL,
    closure_hash     bytea  NOT NULL CHECK (length(closure_hash) = 32),
    version          bigint NOT NULL,
    approved_by_id   text   NOT NULL,
    approved_by_role text   NOT NULL,
    note             text   NOT NULL,
    at               bigint NOT NULL,
    UNIQUE (tenant, prompt, base_revision, environment, closure_hash, approved_by_id)
);

-- The prompt is a name: a tenant also gives feedback on, and evaluates, prompts that it inherits.
-- `environment` is '' for feedback on a reference without one.
CREATE TABLE promptops.metrics (
    tenant                bigint NOT NULL REFERENCES promptops.tenant (id),
    prompt                text   COLLATE "C" NOT NULL,
    closure_hash          bytea  NOT NULL CHECK (length(closure_hash) = 32),
    environment           text   COLLATE "C" NOT NULL,
    usage_count           bigint NOT NULL,
    success_count         bigint NOT NULL,
    rated_count           bigint NOT NULL,
    rating_sum_millionths bigint NOT NULL,
    PRIMARY KEY (tenant, prompt, closure_hash, environment)
);

CREATE TABLE promptops.evidence (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant           bigint NOT NULL REFERENCES promptops.tenant (id),
    prompt           text   COLLATE "C" NOT NULL,
    closure_hash     bytea  NOT NULL CHECK (length(closure_hash) = 32),
    dataset          text   COLLATE "C" NOT NULL,
    dataset_version  bigint NOT NULL,
    run              text   NOT NULL,
    entries          bigint NOT NULL,
    passed           bigint NOT NULL,
    recorded_by_id   text   NOT NULL,
    recorded_by_role text   NOT NULL,
    recorded_at      bigint NOT NULL,
    UNIQUE (tenant, prompt, closure_hash, dataset, run)
);

-- Ends in the id, which grows with every record: the last one is one seek away.
CREATE INDEX evidence_latest ON promptops.evidence (tenant, prompt, closure_hash, dataset, id);

CREATE TABLE promptops.audit (
    tenant        bigint NOT NULL REFERENCES promptops.tenant (id),
    seq           bigint NOT NULL CHECK (seq > 0),
    at            bigint NOT NULL,
    actor_id      text   NOT NULL,
    actor_role    text   NOT NULL,
    action        text   NOT NULL,
    subject       text   NOT NULL,
    detail        text   NOT NULL,
    previous_hash bytea  NOT NULL CHECK (length(previous_hash) = 32),
    hash          bytea  NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant, seq)
);

-- Beside the log, so that a log cut short is noticed.
CREATE TABLE promptops.audit_head (
    tenant bigint PRIMARY KEY REFERENCES promptops.tenant (id),
    seq    bigint NOT NULL,
    hash   bytea  NOT NULL CHECK (length(hash) = 32)
);

-- What other processes must hear of. A change gets its position when it commits, so that positions are in the order of
-- commits and have no gap: who has read up to one has missed nothing before it.
CREATE TABLE promptops.change (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position bigint UNIQUE,
    tenant   text   NOT NULL,
    change   text   NOT NULL
);

CREATE TABLE promptops.change_head (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    position bigint  NOT NULL
) WITH (fillfactor = 10);

INSERT INTO promptops.change_head (position) VALUES (0);

-- What never changes, refused by the database itself: a second wall, against other programs.

CREATE FUNCTION promptops.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'promptops: % is refused on %.%: %', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER prompt_identity BEFORE UPDATE ON promptops.prompt FOR EACH ROW
WHEN ((OLD.id, OLD.tenant, OLD.name) IS DISTINCT FROM (NEW.id, NEW.tenant, NEW.name))
EXECUTE FUNCTION promptops.refuse('a prompt keeps its tenant and name');

CREATE TRIGGER version_update BEFORE UPDATE ON promptops.version FOR EACH ROW
WHEN ((OLD.tenant, OLD.prompt, OLD.number, OLD.hash, OLD.semver, OLD.parents, OLD.author_id, OLD.author_role,
        OLD.message, OLD.created_at, OLD.content)
    IS DISTINCT FROM (NEW.tenant, NEW.prompt, NEW.number, NEW.hash, NEW.semver, NEW.parents, NEW.author_id,
        NEW.author_role, NEW.message, NEW.created_at, NEW.content))
EXECUTE FUNCTION promptops.refuse('a version never changes, but for its status');

CREATE TRIGGER version_delete BEFORE DELETE OR TRUNCATE ON promptops.version FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('a version is never deleted');

CREATE TRIGGER history_change BEFORE UPDATE OR DELETE OR TRUNCATE ON promptops.history FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('history is only added to');

CREATE TRIGGER approval_change BEFORE UPDATE OR DELETE OR TRUNCATE ON promptops.approval FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('approvals are only added to');

CREATE TRIGGER evidence_change BEFORE UPDATE OR DELETE OR TRUNCATE ON promptops.evidence FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('evidence is only added to');

CREATE TRIGGER audit_change BEFORE UPDATE OR DELETE OR TRUNCATE ON promptops.audit FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('the audit log is only added to');
