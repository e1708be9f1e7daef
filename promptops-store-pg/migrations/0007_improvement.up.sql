-- Schema 7: what the improvement loop remembers, who works on which slot, and what was spent on a day.

-- A record is JSON text in `record`; the other columns repeat what it is looked for by.
CREATE TABLE promptops.improvement (
    tenant      bigint NOT NULL REFERENCES promptops.tenant (id),
    kind        text   COLLATE "C" NOT NULL CHECK (kind IN ('cluster', 'attempt', 'watch', 'control')),
    id          text   COLLATE "C" NOT NULL,
    prompt      text   COLLATE "C",
    environment text   COLLATE "C",
    status      text   COLLATE "C" NOT NULL,
    revision    bigint NOT NULL CHECK (revision >= 0),
    record      text   NOT NULL,
    PRIMARY KEY (tenant, kind, id)
) WITH (fillfactor = 50);

CREATE INDEX improvement_prompt ON promptops.improvement (tenant, kind, prompt, id);
CREATE INDEX improvement_status ON promptops.improvement (tenant, kind, status, id);

CREATE TABLE promptops.slot_lease (
    tenant      bigint NOT NULL REFERENCES promptops.tenant (id),
    prompt      text   COLLATE "C" NOT NULL,
    environment text   COLLATE "C" NOT NULL,
    worker      text   COLLATE "C" NOT NULL,
    until       bigint NOT NULL,
    PRIMARY KEY (tenant, prompt, environment)
) WITH (fillfactor = 50);

-- `day` is 'YYYY-MM-DD', in UTC. A figure that is too large stays at the most that a column takes.
CREATE TABLE promptops.spending (
    tenant   bigint NOT NULL REFERENCES promptops.tenant (id),
    day      text   COLLATE "C" NOT NULL,
    calls    bigint NOT NULL CHECK (calls >= 0),
    tokens   bigint NOT NULL CHECK (tokens >= 0),
    nano_usd bigint NOT NULL CHECK (nano_usd >= 0),
    PRIMARY KEY (tenant, day)
) WITH (fillfactor = 50);

-- What never changes, as in schema 1.

CREATE TRIGGER improvement_identity BEFORE UPDATE ON promptops.improvement FOR EACH ROW
WHEN ((OLD.tenant, OLD.kind, OLD.id) IS DISTINCT FROM (NEW.tenant, NEW.kind, NEW.id))
EXECUTE FUNCTION promptops.refuse('a record of improvement keeps its kind and id');

CREATE TRIGGER improvement_delete BEFORE DELETE OR TRUNCATE ON promptops.improvement FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('a record of improvement is never deleted');

CREATE TRIGGER spending_identity BEFORE UPDATE ON promptops.spending FOR EACH ROW
WHEN ((OLD.tenant, OLD.day) IS DISTINCT FROM (NEW.tenant, NEW.day))
EXECUTE FUNCTION promptops.refuse('what was spent stays with its day');

-- A day that is forgotten could be spent again.
CREATE TRIGGER spending_delete BEFORE DELETE OR TRUNCATE ON promptops.spending FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('what was spent is never deleted');

-- Keeps records, if each is at its base still; nothing is written before that is known. `place` is that of the first that
-- is not, from 1, and `actual` its revision; NULL when all of them are kept.
--
-- The tenant's row is locked, as by everybody who adds to the audit log, and nothing beside it: who commits records has
-- locked it. The joins go by the key: a commit may have thousands of records.
CREATE FUNCTION promptops.commit_improvement(
    in_tenant text, in_lock_timeout text,
    in_kinds text[], in_ids text[], in_prompts text[], in_environments text[], in_statuses text[], in_bases bigint[],
    in_revisions bigint[], in_records text[],
    in_audit_ats bigint[], in_actor_ids text[], in_actor_roles text[], in_actions text[], in_subjects text[],
    in_details text[], in_befores bytea[], in_afters bytea[],
    in_told text[],
    OUT place bigint, OUT actual bigint
) LANGUAGE plpgsql SET jit TO off SET enable_seqscan TO off SET enable_hashjoin TO off SET enable_mergejoin TO off AS $$
DECLARE
    owner bigint;
BEGIN
    PERFORM set_config('lock_timeout', in_lock_timeout, true);
    SELECT t.id INTO owner FROM promptops.locked(in_tenant) t;
    SELECT n.place, coalesce(r.revision, 0) INTO place, actual
        FROM unnest(in_kinds, in_ids, in_bases) WITH ORDINALITY n (kind, id, base, place)
        LEFT JOIN promptops.improvement r ON r.tenant = owner AND r.kind = n.kind AND r.id = n.id
        WHERE coalesce(r.revision, 0) <> n.base ORDER BY n.place LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    INSERT INTO promptops.improvement AS r (tenant, kind, id, prompt, environment, status, revision, record)
        SELECT owner, n.* FROM unnest(in_kinds, in_ids, in_prompts, in_environments, in_statuses, in_revisions, in_records) n
        ON CONFLICT (tenant, kind, id) DO UPDATE SET prompt = excluded.prompt, environment = excluded.environment,
            status = excluded.status, revision = excluded.revision, record = excluded.record;
    FOR i IN 1 .. cardinality(in_audit_ats) LOOP
        PERFORM promptops.append_audit(owner, in_audit_ats[i], in_actor_ids[i], in_actor_roles[i], in_actions[i],
            in_subjects[i], in_details[i], in_befores[i], in_afters[i]);
    END LOOP;
    INSERT INTO promptops.change (tenant, change) SELECT in_tenant, t.told FROM unnest(in_told) t (told);
END
$$;

-- The id of a tenant who is entered, and made if need be. Not locked, if it is there: leases and spending are not to wait
-- for promotions. After this they lock one row and no other.
CREATE FUNCTION promptops.entered_or_made(in_tenant text, in_lock_timeout text, OUT id bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM promptops.need_read_committed();
    PERFORM set_config('lock_timeout', in_lock_timeout, true);
    SELECT t.id INTO id FROM promptops.entered(in_tenant) t;
    IF id IS NULL THEN
        SELECT t.id INTO id FROM promptops.locked(in_tenant) t;
    END IF;
END
$$;

-- Takes a slot or prolongs what a worker has of it, and says who has it now.
CREATE FUNCTION promptops.take_slot_lease(
    in_tenant text, in_prompt text, in_environment text, in_worker text, in_until bigint, in_now bigint,
    in_lock_timeout text,
    OUT holder text, OUT holder_until bigint
) LANGUAGE plpgsql SET enable_seqscan TO off AS $$
DECLARE
    owner bigint;
BEGIN
    SELECT t.id INTO owner FROM promptops.entered_or_made(in_tenant, in_lock_timeout) t;
    INSERT INTO promptops.slot_lease AS l (tenant, prompt, environment, worker, until)
        VALUES (owner, in_prompt, in_environment, in_worker, in_until)
        ON CONFLICT (tenant, prompt, environment) DO UPDATE SET worker = excluded.worker, until = excluded.until
            WHERE l.worker = excluded.worker OR l.until <= in_now
        RETURNING l.worker, l.until INTO holder, holder_until;
    IF NOT FOUND THEN
        -- It was locked on the way, so that it is there.
        SELECT l.worker, l.until INTO holder, holder_until FROM promptops.slot_lease l
            WHERE l.tenant = owner AND l.prompt = in_prompt AND l.environment = in_environment;
    END IF;
END
$$;

CREATE FUNCTION promptops.return_slot_lease(
    in_tenant text, in_prompt text, in_environment text, in_worker text, in_lock_timeout text
) RETURNS void LANGUAGE plpgsql SET enable_seqscan TO off AS $$
DECLARE
    owner bigint;
BEGIN
    PERFORM promptops.need_read_committed();
    PERFORM set_config('lock_timeout', in_lock_timeout, true);
    SELECT t.id INTO owner FROM promptops.entered(in_tenant) t;
    DELETE FROM promptops.slot_lease l
        WHERE l.tenant = owner AND l.prompt = in_prompt AND l.environment = in_environment AND l.worker = in_worker;
END
$$;

-- A figure with what is added and taken off it, as core counts: neither above 2^64 - 1 on the way nor below 0. The columns
-- take 2^63 - 1 at most.
CREATE FUNCTION promptops.settled(present bigint, added numeric, taken numeric) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT least(greatest(least(present + added, 18446744073709551615) - taken, 0), 9223372036854775807)::bigint
$$;

-- Sets aside what is to be spent on a day, and says what all of it comes to; NULLs when that would not be within the limits.
-- A limit that is NULL is none.
CREATE FUNCTION promptops.reserve_spending(
    in_tenant text, in_day text, in_calls numeric, in_tokens numeric, in_nano_usd numeric,
    in_most_calls numeric, in_most_tokens numeric, in_most_nano_usd numeric, in_lock_timeout text,
    OUT all_calls bigint, OUT all_tokens bigint, OUT all_nano_usd bigint
) LANGUAGE plpgsql SET enable_seqscan TO off AS $$
DECLARE
    owner bigint;
BEGIN
    SELECT t.id INTO owner FROM promptops.entered_or_made(in_tenant, in_lock_timeout) t;
    -- What is not within the limits by itself is not with what there is.
    INSERT INTO promptops.spending AS s (tenant, day, calls, tokens, nano_usd)
        SELECT owner, in_day, promptops.settled(0, in_calls, 0), promptops.settled(0, in_tokens, 0),
            promptops.settled(0, in_nano_usd, 0)
        WHERE (in_most_calls IS NULL OR in_calls <= in_most_calls)
            AND (in_most_tokens IS NULL OR in_tokens <= in_most_tokens)
            AND (in_most_nano_usd IS NULL OR in_nano_usd <= in_most_nano_usd)
        ON CONFLICT (tenant, day) DO UPDATE SET calls = promptops.settled(s.calls, in_calls, 0),
            tokens = promptops.settled(s.tokens, in_tokens, 0), nano_usd = promptops.settled(s.nano_usd, in_nano_usd, 0)
            WHERE (in_most_calls IS NULL OR s.calls + in_calls <= in_most_calls)
                AND (in_most_tokens IS NULL OR s.tokens + in_tokens <= in_most_tokens)
                AND (in_most_nano_usd IS NULL OR s.nano_usd + in_nano_usd <= in_most_nano_usd)
        RETURNING s.calls, s.tokens, s.nano_usd INTO all_calls, all_tokens, all_nano_usd;
END
$$;

-- Replaces what was set aside on a day by what was spent, and says what all of it comes to.
CREATE FUNCTION promptops.settle_spending(
    in_tenant text, in_day text, in_reserved_calls numeric, in_reserved_tokens numeric, in_reserved_nano_usd numeric,
    in_calls numeric, in_tokens numeric, in_nano_usd numeric, in_lock_timeout text,
    OUT all_calls bigint, OUT all_tokens bigint, OUT all_nano_usd bigint
) LANGUAGE plpgsql SET enable_seqscan TO off AS $$
DECLARE
    owner bigint;
BEGIN
    SELECT t.id INTO owner FROM promptops.entered_or_made(in_tenant, in_lock_timeout) t;
    INSERT INTO promptops.spending AS s (tenant, day, calls, tokens, nano_usd)
        VALUES (owner, in_day, promptops.settled(0, in_calls, in_reserved_calls),
            promptops.settled(0, in_tokens, in_reserved_tokens), promptops.settled(0, in_nano_usd, in_reserved_nano_usd))
        ON CONFLICT (tenant, day) DO UPDATE SET calls = promptops.settled(s.calls, in_calls, in_reserved_calls),
            tokens = promptops.settled(s.tokens, in_tokens, in_reserved_tokens),
            nano_usd = promptops.settled(s.nano_usd, in_nano_usd, in_reserved_nano_usd)
        RETURNING s.calls, s.tokens, s.nano_usd INTO all_calls, all_tokens, all_nano_usd;
END
$$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['improvement', 'slot_lease', 'spending']
    LOOP
        EXECUTE format('ALTER TABLE promptops.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own ON promptops.%I USING (tenant = (SELECT promptops.own_tenant()))
            WITH CHECK (tenant = (SELECT promptops.own_tenant()))', name);
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION promptops.commit_improvement, promptops.entered_or_made, promptops.take_slot_lease,
    promptops.return_slot_lease, promptops.settled, promptops.reserve_spending, promptops.settle_spending FROM PUBLIC;
