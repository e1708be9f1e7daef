-- Schema 6: deployments, their steps, their slots, and what is kept with them.

-- A deployment is JSON text in `record`; the other columns repeat what it is looked for by. Core says which ones have
-- their slot.
CREATE TABLE promptops.deployment (
    tenant       bigint  NOT NULL REFERENCES promptops.tenant (id),
    id           text    COLLATE "C" NOT NULL,
    prompt       text    COLLATE "C" NOT NULL,
    environment  text    COLLATE "C" NOT NULL,
    closure_hash bytea   NOT NULL CHECK (length(closure_hash) = 32),
    state        text    NOT NULL CHECK (state IN ('proposed', 'ab_running', 'ab_passed', 'ab_failed', 'shipped',
        'monitoring', 'regressed', 'rolled_back', 'rejected')),
    has_slot     boolean NOT NULL CHECK (NOT has_slot OR state IN ('shipped', 'monitoring', 'regressed')),
    revision     bigint  NOT NULL CHECK (revision > 0),
    record       text    NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (fillfactor = 50);

-- One deployment has a slot, and a text is on its way into it once, whatever else fails.
CREATE UNIQUE INDEX deployment_slot ON promptops.deployment (tenant, prompt, environment) WHERE has_slot;
CREATE UNIQUE INDEX deployment_candidate ON promptops.deployment (tenant, prompt, environment, closure_hash)
    WHERE state IN ('proposed', 'ab_running', 'ab_passed', 'ab_failed');
CREATE INDEX deployment_closure ON promptops.deployment (tenant, prompt, environment, closure_hash, id);
CREATE INDEX deployment_prompt ON promptops.deployment (tenant, prompt, id);
CREATE INDEX deployment_state ON promptops.deployment (tenant, state, id);

-- A step is JSON text in `record`.
CREATE TABLE promptops.transition (
    tenant     bigint NOT NULL,
    deployment text   COLLATE "C" NOT NULL,
    number     bigint NOT NULL CHECK (number > 0),
    key        text   COLLATE "C",
    record     text   NOT NULL,
    PRIMARY KEY (tenant, deployment, number),
    FOREIGN KEY (tenant, deployment) REFERENCES promptops.deployment (tenant, id)
);

-- A command is carried out once.
CREATE UNIQUE INDEX transition_key ON promptops.transition (tenant, key) WHERE key IS NOT NULL;

-- What is known of a prompt in an environment, as JSON text in `record`. There is no row of one that nothing happened in.
CREATE TABLE promptops.slot (
    tenant      bigint NOT NULL REFERENCES promptops.tenant (id),
    prompt      text   COLLATE "C" NOT NULL,
    environment text   COLLATE "C" NOT NULL,
    revision    bigint NOT NULL CHECK (revision >= 0),
    record      text   NOT NULL,
    PRIMARY KEY (tenant, prompt, environment)
) WITH (fillfactor = 50);

CREATE TABLE promptops.document (
    tenant bigint NOT NULL REFERENCES promptops.tenant (id),
    hash   bytea  NOT NULL CHECK (length(hash) = 32),
    json   text   NOT NULL,
    PRIMARY KEY (tenant, hash)
);

-- What never changes, as in schema 1.

CREATE TRIGGER deployment_identity BEFORE UPDATE ON promptops.deployment FOR EACH ROW
WHEN ((OLD.tenant, OLD.id, OLD.prompt, OLD.environment, OLD.closure_hash)
    IS DISTINCT FROM (NEW.tenant, NEW.id, NEW.prompt, NEW.environment, NEW.closure_hash))
EXECUTE FUNCTION promptops.refuse('a deployment keeps its candidate and where it goes');

CREATE TRIGGER deployment_final BEFORE UPDATE ON promptops.deployment FOR EACH ROW
WHEN (OLD.state IN ('rolled_back', 'rejected'))
EXECUTE FUNCTION promptops.refuse('a deployment that came to its end never changes');

CREATE TRIGGER deployment_delete BEFORE DELETE OR TRUNCATE ON promptops.deployment FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('a deployment is never deleted');

CREATE TRIGGER transition_change BEFORE UPDATE OR DELETE OR TRUNCATE ON promptops.transition FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('the steps of deployments are only added to');

CREATE TRIGGER document_change BEFORE UPDATE OR DELETE OR TRUNCATE ON promptops.document FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('documents are only added to');

-- What `move_pointer` takes.
CREATE TYPE promptops.pointer_move AS (
    tenant text, prompt text, environment text, kind text, version bigint, hash bytea, closure_hash bytea,
    revision bigint, policy_revision bigint, source text, source_revision bigint, actor_id text, actor_role text,
    reason text, waiver text, at bigint, moved text, activated text, audit_at bigint, audit_actor_id text,
    audit_actor_role text, action text, subject text, detail text, before bytea, after bytea, lock_timeout text
);

-- Commits what happens to deployments of one slot, if all that it was decided on holds still; nothing is written before
-- that is known. `outcome` says what was found: `place` is that of a transition or deployment, from 1, `actual` the
-- revision that is in force, `present` the deployment that is there (of a refused move: why it was). The deployment that
-- comes to be, if any, is the first one. Expected revisions are `bases`.
--
-- Rows are locked in one order, which is everybody's: the tenant's, the slot's, the deployments' by id, and then what
-- `move_pointer` locks. It is a function for the reason that `move_pointer` is one, and goes by indexes as those of
-- schema 5 do.
CREATE FUNCTION promptops.commit_deployments(
    in_tenant text, in_lock_timeout text,
    in_slot_prompt text, in_slot_environment text, in_slot_base bigint, in_slot_revision bigint, in_slot text,
    in_is_created boolean, in_version bigint, in_hash bytea, in_pointer_base bigint,
    in_ids text[], in_prompts text[], in_environments text[], in_closure_hashes bytea[], in_states text[],
    in_have_slots boolean[], in_bases bigint[], in_revisions bigint[], in_records text[],
    in_step_deployments text[], in_step_numbers bigint[], in_step_keys text[], in_steps text[],
    in_document_hashes bytea[], in_documents text[],
    in_audit_ats bigint[], in_actor_ids text[], in_actor_roles text[], in_actions text[], in_subjects text[],
    in_details text[], in_befores bytea[], in_afters bytea[],
    in_told text[],
    in_move promptops.pointer_move,
    OUT outcome text, OUT place integer, OUT actual bigint, OUT present text
) LANGUAGE plpgsql SET jit TO off SET enable_seqscan TO off AS $$
DECLARE
    -- From here on, deployments are there already.
    first_changed integer := 1 + in_is_created::integer;
    owner         record;
    here          record;
    moved         record;
    revisions     bigint[];
    records       text[];
BEGIN
    PERFORM set_config('lock_timeout', in_lock_timeout, true);
    SELECT * INTO owner FROM promptops.locked(in_tenant);
    IF in_slot_prompt IS NOT NULL THEN
        SELECT s.revision INTO actual FROM promptops.slot s
            WHERE s.tenant = owner.id AND s.prompt = in_slot_prompt AND s.environment = in_slot_environment
            FOR NO KEY UPDATE;
        actual := coalesce(actual, 0);
    END IF;
    FOR here IN
        SELECT d.id, d.revision, d.record FROM promptops.deployment d
        WHERE d.tenant = owner.id AND d.id = ANY (in_ids) ORDER BY d.id FOR NO KEY UPDATE
    LOOP
        place := array_position(in_ids, here.id);
        revisions[place] := here.revision;
        records[place] := here.record;
    END LOOP;

    IF actual <> in_slot_base THEN
        outcome := 'slot';
        RETURN;
    END IF;
    FOR i IN 1 .. cardinality(in_step_keys) LOOP
        place := i;
        IF in_step_keys[i] IS NOT NULL
            AND EXISTS (SELECT FROM promptops.transition t WHERE t.tenant = owner.id AND t.key = in_step_keys[i])
        THEN
            outcome := 'key';
            RETURN;
        END IF;
    END LOOP;
    IF in_is_created THEN
        SELECT v.hash, v.status INTO here
            FROM promptops.prompt p JOIN promptops.version v ON v.prompt = p.id AND v.number = in_version
            WHERE p.tenant = owner.id AND p.name = in_prompts[1];
        outcome := CASE
            WHEN here.hash IS NULL THEN 'version'
            WHEN here.hash <> in_hash THEN 'content'
            WHEN here.status = 'archived' THEN 'archived'
        END;
        IF outcome IS NOT NULL THEN
            RETURN;
        END IF;
        SELECT o.revision INTO actual
            FROM promptops.prompt p JOIN promptops.pointer o ON o.prompt = p.id AND o.environment = in_environments[1]
            WHERE p.tenant = owner.id AND p.name = in_prompts[1];
        actual := coalesce(actual, 0);
        IF actual <> in_pointer_base THEN
            outcome := 'base';
            RETURN;
        END IF;
        IF revisions[1] IS NOT NULL THEN
            outcome := 'id';
            RETURN;
        END IF;
    END IF;
    FOR i IN first_changed .. cardinality(in_ids) LOOP
        place := i;
        present := records[i];
        outcome := CASE
            WHEN present IS NULL THEN 'unknown'
            WHEN revisions[i] <> in_bases[i] THEN 'revision'
        END;
        IF outcome IS NOT NULL THEN
            RETURN;
        END IF;
    END LOOP;

    -- The others of a slot are those that stay as they are, and those that are there and change.
    FOR i IN 1 .. cardinality(in_ids) LOOP
        CONTINUE WHEN in_states[i] NOT IN ('proposed', 'ab_running', 'ab_passed', 'ab_failed');
        place := i;
        SELECT x.record INTO present FROM (
            SELECT d.id, d.record FROM promptops.deployment d
            WHERE d.tenant = owner.id AND d.prompt = in_prompts[i] AND d.environment = in_environments[i]
                AND d.closure_hash = in_closure_hashes[i]
                AND d.state IN ('proposed', 'ab_running', 'ab_passed', 'ab_failed') AND d.id <> ALL (in_ids)
            UNION ALL
            SELECT in_ids[n], records[n] FROM generate_series(first_changed, cardinality(in_ids)) n
            WHERE n <> i AND in_prompts[n] = in_prompts[i] AND in_environments[n] = in_environments[i]
                AND in_closure_hashes[n] = in_closure_hashes[i]
                AND in_states[n] IN ('proposed', 'ab_running', 'ab_passed', 'ab_failed')
        ) x ORDER BY x.id COLLATE "C" LIMIT 1;
        IF FOUND THEN
            outcome := 'candidate';
            RETURN;
        END IF;
    END LOOP;
    FOR i IN 1 .. cardinality(in_ids) LOOP
        CONTINUE WHEN NOT in_have_slots[i];
        place := i;
        SELECT x.record INTO present FROM (
            SELECT d.id, d.record FROM promptops.deployment d
            WHERE d.tenant = owner.id AND d.prompt = in_prompts[i] AND d.environment = in_environments[i] AND d.has_slot
                AND d.id <> ALL (in_ids)
            UNION ALL
            SELECT in_ids[n], records[n] FROM generate_series(first_changed, cardinality(in_ids)) n
            WHERE n <> i AND in_prompts[n] = in_prompts[i] AND in_environments[n] = in_environments[i]
                AND in_have_slots[n]
        ) x ORDER BY x.id COLLATE "C" LIMIT 1;
        IF FOUND THEN
            outcome := 'taken';
            RETURN;
        END IF;
    END LOOP;
    -- The last thing that can be refused, and the first that is written.
    IF in_move.tenant IS NOT NULL THEN
        SELECT m.* INTO moved FROM promptops.move_pointer(in_move.tenant, in_move.prompt, in_move.environment, in_move.kind,
            in_move.version, in_move.hash, in_move.closure_hash, in_move.revision, in_move.policy_revision,
            in_move.source, in_move.source_revision, in_move.actor_id, in_move.actor_role, in_move.reason,
            in_move.waiver, in_move.at, in_move.moved, in_move.activated, in_move.audit_at, in_move.audit_actor_id,
            in_move.audit_actor_role, in_move.action, in_move.subject, in_move.detail, in_move.before, in_move.after,
            in_move.lock_timeout) m;
        IF moved.outcome <> 'moved' THEN
            outcome := 'move';
            present := moved.outcome;
            actual := moved.actual;
            RETURN;
        END IF;
    END IF;

    IF in_slot_prompt IS NOT NULL THEN
        INSERT INTO promptops.slot AS s (tenant, prompt, environment, revision, record)
            VALUES (owner.id, in_slot_prompt, in_slot_environment, in_slot_revision, in_slot)
            ON CONFLICT (tenant, prompt, environment) DO UPDATE SET revision = excluded.revision, record = excluded.record;
    END IF;
    -- What gives a place up goes before what takes it, since the indexes look at each row.
    FOR here IN
        SELECT n AS at FROM generate_series(first_changed, cardinality(in_ids)) n
        ORDER BY in_states[n] IN ('proposed', 'ab_running', 'ab_passed', 'ab_failed'), in_have_slots[n], n
    LOOP
        UPDATE promptops.deployment d SET state = in_states[here.at], has_slot = in_have_slots[here.at],
                revision = in_revisions[here.at], record = in_records[here.at]
            WHERE d.tenant = owner.id AND d.id = in_ids[here.at];
    END LOOP;
    IF in_is_created THEN
        INSERT INTO promptops.deployment
                (tenant, id, prompt, environment, closure_hash, state, has_slot, revision, record)
            VALUES (owner.id, in_ids[1], in_prompts[1], in_environments[1], in_closure_hashes[1], in_states[1],
                in_have_slots[1], in_revisions[1], in_records[1]);
    END IF;
    INSERT INTO promptops.transition (tenant, deployment, number, key, record)
        SELECT owner.id, s.* FROM unnest(in_step_deployments, in_step_numbers, in_step_keys, in_steps) s;
    INSERT INTO promptops.document (tenant, hash, json)
        SELECT owner.id, d.* FROM unnest(in_document_hashes, in_documents) d
        ON CONFLICT (tenant, hash) DO NOTHING;
    FOR i IN 1 .. cardinality(in_audit_ats) LOOP
        PERFORM promptops.append_audit(owner.id, in_audit_ats[i], in_actor_ids[i], in_actor_roles[i], in_actions[i],
            in_subjects[i], in_details[i], in_befores[i], in_afters[i]);
    END LOOP;
    INSERT INTO promptops.change (tenant, change) SELECT in_tenant, t.told FROM unnest(in_told) t (told);
    outcome := 'committed';
END
$$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['deployment', 'transition', 'slot', 'document']
    LOOP
        EXECUTE format('ALTER TABLE promptops.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own ON promptops.%I USING (tenant = (SELECT promptops.own_tenant()))
            WITH CHECK (tenant = (SELECT promptops.own_tenant()))', name);
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION promptops.commit_deployments FROM PUBLIC;
