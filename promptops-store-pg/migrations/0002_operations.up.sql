-- Schema 2: what must happen within the server, because it is on the way of requests and promotions (one round trip),
-- or because nobody may do it otherwise.

-- Makes a tenant the one whose rows the rest of the transaction sees, and returns its row; NULLs when it never wrote
-- anything. To be the outer side of a LATERAL join that cannot be flattened, so that it comes first.
CREATE FUNCTION promptops.entered(
    in_tenant text, OUT id bigint, OUT parent bigint, OUT policy_revision bigint
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    done text;
BEGIN
    -- Assigned, not performed: an expression costs a fraction of a statement, and every request comes by here.
    done := set_config('promptops.tenant', in_tenant, true);
    SELECT t.id, t.parent, t.policy_revision INTO id, parent, policy_revision
        FROM promptops.tenant t WHERE t.name = in_tenant;
    done := set_config('promptops.tenant_id', coalesce(id::text, ''), true);
    done := set_config('promptops.parent_id', coalesce(parent::text, ''), true);
END
$$;

-- What each reference leads a tenant to, a row for each in their order: the tenant's own prompt where it can answer, or
-- else the parent's. NULLs say what is missing. A reference without number, hash and environment is to the latest.
-- Its statements are few and plain, so that the server plans them once for a connection: one statement over arrays of
-- references is planned anew for every request, which takes five times as long as running it.
CREATE FUNCTION promptops.find(
    in_tenant text, in_prompts text[], in_numbers bigint[], in_hashes bytea[], in_environments text[],
    OUT prompt bigint, OUT inherited_from text, OUT revision bigint,
    OUT number bigint, OUT hash bytea, OUT semver text, OUT parents text, OUT author_id text, OUT author_role text,
    OUT message text, OUT status text, OUT created_at bigint, OUT content text
) RETURNS SETOF record LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant         record;
    owner          bigint;
    here           bigint;
    in_environment text;
    in_number      bigint;
    is_fixed       boolean;
BEGIN
    tenant := promptops.entered(in_tenant);
    FOR i IN 1 .. cardinality(in_prompts) LOOP
        in_environment := in_environments[i];
        -- Numbers and hashes are a prompt's own: the tenant's own prompt is meant as soon as there is one.
        is_fixed := in_numbers[i] IS NOT NULL OR in_hashes[i] IS NOT NULL;
        prompt := NULL;
        inherited_from := NULL;
        owner := tenant.id;
        LOOP
            in_number := in_numbers[i];
            IF in_hashes[i] IS NOT NULL THEN
                SELECT v.number INTO in_number
                    FROM promptops.prompt p JOIN promptops.version v ON v.prompt = p.id AND v.hash = in_hashes[i]
                    WHERE p.tenant = owner AND p.name = in_prompts[i];
            END IF;
            SELECT p.id, o.revision, v.number, v.hash, v.semver, v.parents, v.author_id, v.author_role, v.message,
                    v.status, v.created_at, v.content
                INTO here, revision, number, hash, semver, parents, author_id, author_role, message, status,
                    created_at, content
                FROM promptops.prompt p
                LEFT JOIN promptops.pointer o ON o.prompt = p.id AND o.environment = in_environment
                LEFT JOIN promptops.version v ON v.prompt = p.id AND v.number = CASE
                    WHEN in_environment IS NOT NULL THEN o.version
                    WHEN is_fixed THEN in_number
                    ELSE p.latest_active END
                WHERE p.tenant = owner AND p.name = in_prompts[i];
            prompt := coalesce(prompt, here);
            EXIT WHEN number IS NOT NULL OR (is_fixed AND here IS NOT NULL) OR tenant.parent IS NULL
                OR owner = tenant.parent;
            owner := tenant.parent;
            SELECT t.name INTO inherited_from FROM promptops.tenant t WHERE t.id = owner;
        END LOOP;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Whoever makes a change by one statement begins a transaction of the right kind when it hears of this.
CREATE FUNCTION promptops.need_read_committed() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'promptops: changes are made in transactions of isolation level READ COMMITTED'
            USING ERRCODE = 'PO001';
    END IF;
END
$$;

-- The same for a change: the tenant's row is made if need be, and locked until the commit. So changes of one tenant come
-- one after the other, and what is read after this holds until the commit. References to the row are let through.
-- What is read after the lock must be what was committed before it: refused where a snapshot is older than the lock.
CREATE FUNCTION promptops.locked(
    in_tenant text, OUT id bigint, OUT parent bigint, OUT policy_revision bigint
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM promptops.need_read_committed();
    PERFORM set_config('promptops.tenant', in_tenant, true);
    LOOP
        SELECT t.id, t.parent, t.policy_revision INTO id, parent, policy_revision
            FROM promptops.tenant t WHERE t.name = in_tenant FOR NO KEY UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO promptops.tenant (name) VALUES (in_tenant) ON CONFLICT DO NOTHING;
    END LOOP;
    PERFORM set_config('promptops.tenant_id', id::text, true),
        set_config('promptops.parent_id', coalesce(parent::text, ''), true);
END
$$;

-- Adds the next link of a tenant's chain, whose row is locked. `in_before` and `in_after` are the canonical encoding of
-- the record before its number and after the previous hash, as core makes them.
CREATE FUNCTION promptops.append_audit(
    in_tenant bigint, in_at bigint, in_actor_id text, in_actor_role text, in_action text, in_subject text,
    in_detail text, in_before bytea, in_after bytea
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    next_seq  bigint;
    last_hash bytea;
    next_hash bytea;
BEGIN
    SELECT h.seq + 1, h.hash INTO next_seq, last_hash FROM promptops.audit_head h WHERE h.tenant = in_tenant;
    IF NOT FOUND THEN
        next_seq := 1;
        last_hash := decode(repeat('00', 32), 'hex');
    END IF;
    next_hash := sha256(in_before || int8send(next_seq) || int8send(32) || last_hash || in_after);
    INSERT INTO promptops.audit
            (tenant, seq, at, actor_id, actor_role, action, subject, detail, previous_hash, hash)
        VALUES (in_tenant, next_seq, in_at, in_actor_id, in_actor_role, in_action, in_subject, in_detail, last_hash,
            next_hash);
    INSERT INTO promptops.audit_head AS h (tenant, seq, hash) VALUES (in_tenant, next_seq, next_hash)
        ON CONFLICT (tenant) DO UPDATE SET seq = excluded.seq, hash = excluded.hash;
END
$$;

-- Sets a version's status, and what follows from it for the prompt.
CREATE FUNCTION promptops.put_status(in_prompt bigint, in_number bigint, in_status text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE promptops.version v SET status = in_status WHERE v.prompt = in_prompt AND v.number = in_number;
    PERFORM promptops.refresh_prompt(in_prompt);
END
$$;

-- Sets what follows from a prompt's versions.
CREATE FUNCTION promptops.refresh_prompt(in_prompt bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE promptops.prompt p SET
        latest_active = (SELECT max(v.number) FROM promptops.version v
            WHERE v.prompt = in_prompt AND v.status = 'active'),
        status = CASE
            WHEN EXISTS (SELECT FROM promptops.version v WHERE v.prompt = in_prompt AND v.status = 'active')
                THEN 'active'
            WHEN EXISTS (SELECT FROM promptops.version v WHERE v.prompt = in_prompt AND v.status = 'draft')
                THEN 'draft'
            ELSE 'archived' END
        WHERE p.id = in_prompt;
END
$$;

-- Moves a pointer, if all that the move was decided on holds still. `outcome` says what was found; `actual` is the
-- revision that is in force where one was expected that is not.
CREATE FUNCTION promptops.move_pointer(
    in_tenant text, in_prompt text, in_environment text, in_kind text, in_version bigint, in_hash bytea,
    in_closure_hash bytea, in_revision bigint, in_policy_revision bigint, in_source text, in_source_revision bigint,
    in_actor_id text, in_actor_role text, in_reason text, in_waiver text, in_at bigint,
    in_moved text, in_activated text,
    in_audit_at bigint, in_audit_actor_id text, in_audit_actor_role text, in_action text, in_subject text,
    in_detail text, in_before bytea, in_after bytea, in_lock_timeout text,
    OUT outcome text, OUT actual bigint
) LANGUAGE plpgsql AS $$
DECLARE
    owner         record;
    target        record;
    here_revision bigint;
    here_version  bigint;
BEGIN
    PERFORM set_config('lock_timeout', in_lock_timeout, true);
    SELECT * INTO owner FROM promptops.locked(in_tenant);

    SELECT o.revision, o.version INTO here_revision, here_version
        FROM promptops.prompt p JOIN promptops.pointer o ON o.prompt = p.id AND o.environment = in_environment
        WHERE p.tenant = owner.id AND p.name = in_prompt;
    actual := coalesce(here_revision, 0);
    IF actual <> in_revision THEN
        outcome := 'revision';
        RETURN;
    END IF;
    actual := owner.policy_revision;
    IF actual <> in_policy_revision THEN
        outcome := 'policy';
        RETURN;
    END IF;
    IF in_source IS NOT NULL THEN
        SELECT o.revision INTO actual
            FROM promptops.prompt p JOIN promptops.pointer o ON o.prompt = p.id AND o.environment = in_source
            WHERE p.tenant = owner.id AND p.name = in_prompt;
        actual := coalesce(actual, 0);
        IF actual <> in_source_revision THEN
            outcome := 'source';
            RETURN;
        END IF;
    END IF;
    actual := NULL;
    SELECT p.id, v.status, v.hash INTO target
        FROM promptops.prompt p JOIN promptops.version v ON v.prompt = p.id AND v.number = in_version
        WHERE p.tenant = owner.id AND p.name = in_prompt;
    outcome := CASE
        WHEN target.id IS NULL THEN 'version'
        WHEN target.hash <> in_hash THEN 'content'
        WHEN target.status = 'archived' THEN 'archived'
    END;
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;

    IF target.status = 'draft' THEN
        PERFORM promptops.put_status(target.id, in_version, 'active');
        INSERT INTO promptops.change (tenant, change) VALUES (in_tenant, in_activated);
    END IF;
    INSERT INTO promptops.pointer AS o
            (tenant, prompt, environment, version, closure_hash, revision, moved_by_id, moved_by_role, moved_at)
        VALUES (owner.id, target.id, in_environment, in_version, in_closure_hash, in_revision + 1, in_actor_id,
            in_actor_role, in_at)
        ON CONFLICT (prompt, environment) DO UPDATE SET
            version = excluded.version, closure_hash = excluded.closure_hash, revision = excluded.revision,
            moved_by_id = excluded.moved_by_id, moved_by_role = excluded.moved_by_role, moved_at = excluded.moved_at;
    INSERT INTO promptops.history
            (tenant, prompt, environment, revision, kind, from_version, to_version, closure_hash, actor_id, actor_role,
            reason, waiver, at)
        VALUES (owner.id, target.id, in_environment, in_revision + 1, in_kind, here_version, in_version,
            in_closure_hash, in_actor_id, in_actor_role, in_reason, in_waiver, in_at);
    PERFORM promptops.append_audit(owner.id, in_audit_at, in_audit_actor_id, in_audit_actor_role, in_action,
        in_subject, in_detail, in_before, in_after);
    INSERT INTO promptops.change (tenant, change) VALUES (in_tenant, in_moved);
    outcome := 'moved';
END
$$;

-- Counts feedback of one tenant, a row for each text and environment.
CREATE FUNCTION promptops.count_feedback(
    in_tenant text, in_prompts text[], in_closure_hashes bytea[], in_environments text[], in_usage bigint[],
    in_success bigint[], in_rated bigint[], in_rating_sum bigint[], in_lock_timeout text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    owner bigint;
BEGIN
    PERFORM promptops.need_read_committed();
    PERFORM set_config('lock_timeout', in_lock_timeout, true);
    -- Not locked, if it is there: feedback is not to wait for promotions.
    SELECT t.id INTO owner FROM promptops.entered(in_tenant) t;
    IF owner IS NULL THEN
        SELECT t.id INTO owner FROM promptops.locked(in_tenant) t;
    END IF;
    INSERT INTO promptops.metrics AS m
            (tenant, prompt, closure_hash, environment, usage_count, success_count, rated_count,
            rating_sum_millionths)
        SELECT owner, f.* FROM unnest(in_prompts, in_closure_hashes, in_environments, in_usage, in_success, in_rated,
            in_rating_sum) f
        ON CONFLICT (tenant, prompt, closure_hash, environment) DO UPDATE SET
            usage_count = m.usage_count + excluded.usage_count,
            success_count = m.success_count + excluded.success_count,
            rated_count = m.rated_count + excluded.rated_count,
            rating_sum_millionths = m.rating_sum_millionths + excluded.rating_sum_millionths;
END
$$;

-- Gives a change its position while its transaction commits. The head's row is locked for that moment alone: by then
-- the client has said its last word. It runs as the owner, since nobody else may write positions.
CREATE FUNCTION promptops.number_change() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    next_position bigint;
BEGIN
    IF TG_RELID <> 'promptops.change'::regclass THEN
        RAISE EXCEPTION 'promptops: only the change log has positions' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE promptops.change_head SET position = position + 1 RETURNING position INTO next_position;
    UPDATE promptops.change SET position = next_position WHERE id = NEW.id;
    -- The position is in the table: this only wakes who reads it.
    PERFORM pg_notify('promptops', next_position::text);
    -- Whoever follows gives up the oldest, by its own settings; where nobody does, this is the bound.
    IF next_position % 10000 = 0 THEN
        DELETE FROM promptops.change WHERE position <= next_position - 1000000;
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER change_number AFTER INSERT ON promptops.change
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION promptops.number_change();

-- The changes after a position, for who follows them for all tenants of the process. They name tenants, prompts and
-- versions, and hold no text.
CREATE FUNCTION promptops.changes_after(
    in_position bigint, in_limit bigint, OUT at bigint, OUT tenant text, OUT change text
) RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.position, c.tenant, c.change FROM promptops.change c
        WHERE c.position > in_position ORDER BY c.position LIMIT in_limit
$$;

-- The position of the last change.
CREATE FUNCTION promptops.last_change() RETURNS bigint LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.position FROM promptops.change_head h
$$;

-- Gives up all but the last changes, at least 1,000.
CREATE FUNCTION promptops.trim_changes(in_keep bigint) RETURNS void LANGUAGE sql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM promptops.change c
        WHERE c.position <= (SELECT h.position FROM promptops.change_head h) - greatest(in_keep, 1000)
$$;
