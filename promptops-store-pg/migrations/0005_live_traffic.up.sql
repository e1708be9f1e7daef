-- Schema 5: what comes with live traffic: counts of answers over time, traces, experiments and their outcomes.

-- What is counted of answers, by what they have in common and by time. '' stands for no environment, experiment or
-- variant, and 0 for no version. `metrics` is JSON text, which is added up by the library: counts that a later release
-- keeps need no other table. The prompt is a name: a tenant also gives feedback on prompts that it inherits.
CREATE TABLE promptops.rollup (
    tenant       bigint NOT NULL REFERENCES promptops.tenant (id),
    prompt       text   COLLATE "C" NOT NULL,
    resolution   text   COLLATE "C" NOT NULL CHECK (resolution IN ('total', 'day', 'hour', 'minute')),
    start        bigint NOT NULL,
    closure_hash bytea  NOT NULL CHECK (length(closure_hash) = 32),
    environment  text   COLLATE "C" NOT NULL,
    version      bigint NOT NULL,
    experiment   text   COLLATE "C" NOT NULL,
    variant      text   COLLATE "C" NOT NULL,
    metrics      text   NOT NULL,
    PRIMARY KEY (tenant, prompt, resolution, start, closure_hash, environment, version, experiment, variant)
) WITH (fillfactor = 50);

CREATE INDEX rollup_minute ON promptops.rollup (tenant, start) WHERE resolution = 'minute';

-- What was counted until now was feedback, and said of every answer whether it was a success.
INSERT INTO promptops.rollup
        (tenant, prompt, resolution, start, closure_hash, environment, version, experiment, variant, metrics)
    SELECT m.tenant, m.prompt, 'total', 0, m.closure_hash, m.environment, 0, '', '', format(
        '{"usage_count":%s,"judged_count":%s,"success_count":%s,"rated_count":%s,"rating_sum_millionths":%s}',
        m.usage_count, m.usage_count, m.success_count, m.rated_count, m.rating_sum_millionths)
    FROM promptops.metrics m;

DROP FUNCTION promptops.count_feedback;
DROP TABLE promptops.metrics;

-- A trace is JSON text in `record`, which can hold U+0000 where a text of PostgreSQL cannot; the other columns repeat
-- what traces are looked for by, and tell inputs that are null from none. Models and sessions are any text: their bytes.
-- Ids begin with the time, so that the oldest are at one end of the primary key. No foreign key, for the reason that
-- results have none. A trace of an ordinary size stays in its row and is not compressed, which would take longer than
-- writing it.
CREATE TABLE promptops.trace (
    tenant         bigint  NOT NULL,
    id             uuid    NOT NULL,
    prompt         text    COLLATE "C" NOT NULL,
    closure_hash   bytea   NOT NULL CHECK (length(closure_hash) = 32),
    environment    text    COLLATE "C",
    version        bigint,
    experiment     text    COLLATE "C",
    variant        text    COLLATE "C",
    model          bytea,
    session        bytea,
    rating         bigint,
    success        boolean,
    is_error       boolean NOT NULL,
    has_inputs     boolean NOT NULL,
    has_correction boolean NOT NULL,
    record         text    NOT NULL,
    PRIMARY KEY (tenant, id)
) WITH (toast_tuple_target = 4080);

CREATE INDEX trace_prompt ON promptops.trace (tenant, prompt, id);

-- An experiment is JSON text in `record`; the other columns repeat what it is looked for by. Of its namespace, an
-- open experiment has the buckets from `first_bucket` to the one before `end_bucket`.
CREATE TABLE promptops.experiment (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant       bigint NOT NULL REFERENCES promptops.tenant (id),
    name         text   COLLATE "C" NOT NULL,
    prompt       text   COLLATE "C" NOT NULL,
    environment  text   COLLATE "C" NOT NULL,
    namespace    text   COLLATE "C",
    first_bucket integer,
    end_bucket   integer,
    status       text   NOT NULL CHECK (status IN ('active', 'paused', 'completed')),
    revision     bigint NOT NULL CHECK (revision > 0),
    record       text   NOT NULL,
    UNIQUE (tenant, name)
) WITH (fillfactor = 50);

-- One open experiment at a time, whatever else fails.
CREATE UNIQUE INDEX experiment_open ON promptops.experiment (tenant, prompt, environment) WHERE status <> 'completed';
CREATE INDEX experiment_namespace ON promptops.experiment (tenant, namespace, first_bucket)
    WHERE status <> 'completed' AND namespace IS NOT NULL;
CREATE INDEX experiment_prompt ON promptops.experiment (tenant, prompt, name);

-- A unit's first outcome, under the unit's hash as a number with a sign. What `tally` says was counted of them.
CREATE TABLE promptops.outcome (
    tenant       bigint   NOT NULL,
    experiment   bigint   NOT NULL,
    unit         bigint   NOT NULL,
    at           bigint   NOT NULL,
    epoch        bigint   NOT NULL,
    score        bigint,
    variant      smallint NOT NULL,
    measured     smallint NOT NULL,
    harmed       smallint NOT NULL,
    success      boolean,
    contaminated boolean  NOT NULL DEFAULT false,
    PRIMARY KEY (experiment, unit)
);

-- The counters are those of core.
CREATE TABLE promptops.tally (
    tenant     bigint   NOT NULL,
    experiment bigint   NOT NULL,
    epoch      bigint   NOT NULL,
    variant    smallint NOT NULL,
    counter    integer  NOT NULL,
    count      bigint   NOT NULL,
    PRIMARY KEY (experiment, epoch, variant, counter)
) WITH (fillfactor = 50);

-- What never changes, as in schema 1.

CREATE TRIGGER experiment_identity BEFORE UPDATE ON promptops.experiment FOR EACH ROW
WHEN ((OLD.id, OLD.tenant, OLD.name, OLD.prompt, OLD.environment, OLD.namespace, OLD.first_bucket, OLD.end_bucket)
    IS DISTINCT FROM (NEW.id, NEW.tenant, NEW.name, NEW.prompt, NEW.environment, NEW.namespace, NEW.first_bucket,
        NEW.end_bucket))
EXECUTE FUNCTION promptops.refuse('an experiment keeps what it is on');

CREATE TRIGGER experiment_completed BEFORE UPDATE ON promptops.experiment FOR EACH ROW
WHEN (OLD.status = 'completed') EXECUTE FUNCTION promptops.refuse('a completed experiment never changes');

CREATE TRIGGER experiment_delete BEFORE DELETE OR TRUNCATE ON promptops.experiment FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('an experiment is never deleted');

CREATE TRIGGER outcome_identity BEFORE UPDATE ON promptops.outcome FOR EACH ROW
WHEN ((OLD.tenant, OLD.experiment, OLD.unit, OLD.at, OLD.epoch, OLD.score, OLD.variant, OLD.measured, OLD.harmed,
        OLD.success)
    IS DISTINCT FROM (NEW.tenant, NEW.experiment, NEW.unit, NEW.at, NEW.epoch, NEW.score, NEW.variant, NEW.measured,
        NEW.harmed, NEW.success))
EXECUTE FUNCTION promptops.refuse('an outcome never changes, but for being contaminated');

CREATE TRIGGER outcome_delete BEFORE DELETE OR TRUNCATE ON promptops.outcome FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('outcomes are only added to');

-- Functions for what goes by indexes whatever the tables held when it was planned, as in schema 4, and is not compiled,
-- which takes longer than running it. What is looked up row by row is in a loop or behind OFFSET 0, so that no plan goes
-- through all rows of a tenant instead. Most are called after the tenant was entered, in a transaction that has its lock
-- timeout.

-- Locks counts in the order in which they are given, which is the same for everybody: nobody can change or remove them
-- then. Each is returned with its place, from 1. Those that are not there are made, or left out.
CREATE FUNCTION promptops.locked_rollups(
    in_tenant bigint, in_prompts text[], in_resolutions text[], in_starts bigint[], in_closure_hashes bytea[],
    in_environments text[], in_versions bigint[], in_experiments text[], in_variants text[], in_is_made boolean,
    OUT place integer, OUT metrics text
) RETURNS SETOF record
LANGUAGE plpgsql SET jit TO off SET enable_seqscan TO off AS $$
BEGIN
    PERFORM promptops.need_read_committed();
    IF in_is_made THEN
        -- A row that meets a conflict is locked before it is found that there is nothing to update.
        INSERT INTO promptops.rollup
                (tenant, prompt, resolution, start, closure_hash, environment, version, experiment, variant, metrics)
            SELECT in_tenant, k.*, '{}' FROM unnest(in_prompts, in_resolutions, in_starts, in_closure_hashes,
                in_environments, in_versions, in_experiments, in_variants) k
            ON CONFLICT ON CONSTRAINT rollup_pkey DO UPDATE SET metrics = excluded.metrics WHERE false;
    END IF;
    FOR i IN 1 .. cardinality(in_prompts) LOOP
        SELECT r.metrics INTO metrics FROM promptops.rollup r
            WHERE r.tenant = in_tenant AND r.prompt = in_prompts[i] AND r.resolution = in_resolutions[i]
                AND r.start = in_starts[i] AND r.closure_hash = in_closure_hashes[i]
                AND r.environment = in_environments[i] AND r.version = in_versions[i]
                AND r.experiment = in_experiments[i] AND r.variant = in_variants[i]
            FOR NO KEY UPDATE;
        IF FOUND THEN
            place := i;
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

-- Removes the oldest counts by the minute, and says how many. They are locked in the order of `locked_rollups`.
CREATE FUNCTION promptops.prune_minutes(
    in_tenant text, in_before bigint, in_limit bigint, in_lock_timeout text, OUT removed bigint
) LANGUAGE plpgsql SET jit TO off SET enable_seqscan TO off AS $$
DECLARE
    owner bigint;
    here  record;
BEGIN
    PERFORM promptops.need_read_committed();
    PERFORM set_config('lock_timeout', in_lock_timeout, true);
    SELECT t.id INTO owner FROM promptops.entered(in_tenant) t;
    removed := 0;
    FOR here IN
        SELECT r.prompt, r.start, r.closure_hash, r.environment, r.version, r.experiment, r.variant
        FROM promptops.rollup r WHERE r.tenant = owner AND r.resolution = 'minute' AND r.start < in_before
        ORDER BY r.start, r.prompt, r.version, r.closure_hash, r.environment, r.experiment, r.variant
        LIMIT in_limit FOR UPDATE
    LOOP
        DELETE FROM promptops.rollup r WHERE r.tenant = owner AND r.prompt = here.prompt AND r.resolution = 'minute'
            AND r.start = here.start AND r.closure_hash = here.closure_hash AND r.environment = here.environment
            AND r.version = here.version AND r.experiment = here.experiment AND r.variant = here.variant;
        removed := removed + 1;
    END LOOP;
END
$$;

-- Locks these traces, which are given in the order of their ids, and returns those that are there.
CREATE FUNCTION promptops.locked_traces(in_tenant bigint, in_ids uuid[], OUT record text, OUT has_inputs boolean)
RETURNS SETOF record
LANGUAGE plpgsql SET jit TO off SET enable_seqscan TO off AS $$
DECLARE
    here uuid;
BEGIN
    PERFORM promptops.need_read_committed();
    FOREACH here IN ARRAY in_ids LOOP
        SELECT t.record, t.has_inputs INTO record, has_inputs FROM promptops.trace t
            WHERE t.tenant = in_tenant AND t.id = here FOR NO KEY UPDATE;
        IF FOUND THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;

-- Traces of a range of ids, the newest first: at most `in_limit` of those that meet the conditions, among the `in_looks`
-- newest of the range (of the prompt, where one is named). Where there are fewer, and more of the range is left, a row
-- without a record comes last, which has the id that was looked at last. Rows are looked at one by one, until there are
-- enough.
--
-- What has no column is looked for in the text of the record, as the library writes it: all of `in_texts`, which may also
-- be elsewhere in a record that is not wanted. Nothing in it is parsed: JSON with U+0000 is none to PostgreSQL.
CREATE FUNCTION promptops.traces_between(
    in_tenant text, in_first uuid, in_last uuid, in_limit bigint, in_looks bigint, in_prompt text, in_version bigint,
    in_closure_hash bytea, in_environment text, in_experiment text, in_variant text, in_model bytea, in_session bytea,
    in_max_rating bigint, in_min_rating bigint, in_success boolean, in_is_error boolean, in_has_inputs boolean,
    in_has_correction boolean, in_texts text[], OUT id text, OUT record text, OUT has_inputs boolean
) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET jit TO off SET enable_seqscan TO off SET enable_bitmapscan TO off
SET enable_sort TO off AS $$
DECLARE
    owner bigint;
BEGIN
    SELECT t.id INTO owner FROM promptops.entered(in_tenant) t;
    RETURN QUERY WITH looked AS MATERIALIZED (
        (SELECT t.id, t.closure_hash, t.environment, t.version, t.experiment, t.variant, t.model, t.session, t.rating,
                t.success, t.is_error, t.has_inputs, t.has_correction
            FROM promptops.trace t
            WHERE in_prompt IS NULL AND t.tenant = owner AND t.id >= in_first AND t.id <= in_last
            ORDER BY t.id DESC LIMIT in_looks)
        UNION ALL
        (SELECT t.id, t.closure_hash, t.environment, t.version, t.experiment, t.variant, t.model, t.session, t.rating,
                t.success, t.is_error, t.has_inputs, t.has_correction
            FROM promptops.trace t
            WHERE t.prompt = in_prompt AND t.tenant = owner AND t.id >= in_first AND t.id <= in_last
            ORDER BY t.id DESC LIMIT in_looks)
    ), hit AS MATERIALIZED (
        SELECT l.id, l.has_inputs FROM looked l
            WHERE (in_version IS NULL OR l.version = in_version)
                AND (in_closure_hash IS NULL OR l.closure_hash = in_closure_hash)
                AND (in_environment IS NULL OR l.environment = in_environment)
                AND (in_experiment IS NULL OR l.experiment = in_experiment AND l.variant = in_variant)
                AND (in_model IS NULL OR l.model = in_model)
                AND (in_session IS NULL OR l.session = in_session)
                AND (in_max_rating IS NULL OR l.rating <= in_max_rating)
                AND (in_min_rating IS NULL OR l.rating >= in_min_rating)
                AND (in_success IS NULL OR l.success = in_success)
                AND (in_is_error IS NULL OR l.is_error = in_is_error)
                AND (l.has_inputs OR NOT in_has_inputs)
                AND (l.has_correction OR NOT in_has_correction)
                AND (in_texts IS NULL OR (
                    SELECT (SELECT bool_and(strpos(t.record COLLATE "C", x.text) > 0) FROM unnest(in_texts) x (text))
                    FROM promptops.trace t WHERE t.tenant = owner AND t.id = l.id
                ))
            LIMIT in_limit
    )
    SELECT h.id::text, (SELECT t.record FROM promptops.trace t WHERE t.tenant = owner AND t.id = h.id), h.has_inputs
        FROM hit h
    UNION ALL
    (SELECT l.id::text, NULL, NULL FROM looked l WHERE (SELECT count(*) FROM hit) < in_limit
        LIMIT 1 OFFSET in_looks - 1);
END
$$;

-- Removes the oldest traces, and says how many. They are locked in the order of their ids, as everywhere.
CREATE FUNCTION promptops.prune_traces(
    in_tenant text, in_end uuid, in_limit bigint, in_lock_timeout text, OUT removed bigint
) LANGUAGE plpgsql SET jit TO off SET enable_seqscan TO off SET enable_bitmapscan TO off AS $$
DECLARE
    owner bigint;
    here  record;
BEGIN
    PERFORM promptops.need_read_committed();
    PERFORM set_config('lock_timeout', in_lock_timeout, true);
    SELECT t.id INTO owner FROM promptops.entered(in_tenant) t;
    removed := 0;
    FOR here IN
        SELECT t.id FROM promptops.trace t WHERE t.tenant = owner AND t.id < in_end ORDER BY t.id LIMIT in_limit
        FOR UPDATE
    LOOP
        DELETE FROM promptops.trace t WHERE t.tenant = owner AND t.id = here.id;
        removed := removed + 1;
    END LOOP;
END
$$;

-- Enters the tenant, and locks the experiment's row until the transaction ends; NULLs when the tenant has no such
-- experiment. Batches of outcomes, and whatever changes the experiment, come one after the other, and do not wait for
-- its tenant's other changes.
CREATE FUNCTION promptops.locked_experiment(in_tenant text, in_experiment text) RETURNS promptops.experiment
LANGUAGE plpgsql AS $$
DECLARE
    owner bigint;
    here  promptops.experiment;
BEGIN
    PERFORM promptops.need_read_committed();
    SELECT t.id INTO owner FROM promptops.entered(in_tenant) t;
    SELECT e.* INTO here FROM promptops.experiment e WHERE e.tenant = owner AND e.name = in_experiment FOR NO KEY UPDATE;
    RETURN here;
END
$$;

-- Adds outcomes of a locked experiment, each of another unit, and returns those that units have already.
CREATE FUNCTION promptops.add_outcomes(
    in_tenant bigint, in_experiment bigint, in_units bigint[], in_ats bigint[], in_epochs bigint[], in_scores bigint[],
    in_variants smallint[], in_measured smallint[], in_harmed smallint[], in_successes boolean[]
) RETURNS SETOF promptops.outcome
LANGUAGE plpgsql SET jit TO off SET enable_seqscan TO off AS $$
DECLARE
    added bigint[];
BEGIN
    WITH done AS (
        INSERT INTO promptops.outcome AS o
                (tenant, experiment, unit, at, epoch, score, variant, measured, harmed, success)
            SELECT in_tenant, in_experiment, i.* FROM unnest(in_units, in_ats, in_epochs, in_scores, in_variants,
                in_measured, in_harmed, in_successes) i
            ON CONFLICT (experiment, unit) DO NOTHING RETURNING o.unit
    )
    SELECT array_agg(d.unit) INTO added FROM done d;
    IF coalesce(cardinality(added), 0) < cardinality(in_units) THEN
        RETURN QUERY SELECT o.* FROM (
            SELECT u.unit FROM unnest(in_units) u (unit) EXCEPT ALL SELECT a.unit FROM unnest(added) a (unit)
        ) i, LATERAL (
            SELECT o.* FROM promptops.outcome o WHERE o.experiment = in_experiment AND o.unit = i.unit OFFSET 0
        ) o;
    END IF;
END
$$;

-- Marks units of a locked experiment as contaminated.
CREATE FUNCTION promptops.contaminate(in_experiment bigint, in_units bigint[]) RETURNS void
LANGUAGE plpgsql SET jit TO off SET enable_seqscan TO off AS $$
BEGIN
    UPDATE promptops.outcome o SET contaminated = true WHERE o.experiment = in_experiment AND o.unit = ANY (in_units);
END
$$;

-- Adds to the counts of a locked experiment, each another one. A sum above what fits stays at it.
CREATE FUNCTION promptops.count_outcomes(
    in_tenant bigint, in_experiment bigint, in_epochs bigint[], in_variants smallint[], in_counters integer[],
    in_by bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO promptops.tally AS t (tenant, experiment, epoch, variant, counter, count)
        SELECT in_tenant, in_experiment, i.* FROM unnest(in_epochs, in_variants, in_counters, in_by) i
        ON CONFLICT (experiment, epoch, variant, counter) DO UPDATE
            SET count = least(t.count::numeric + excluded.count, 9223372036854775807)::bigint;
END
$$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['rollup', 'trace', 'experiment', 'outcome', 'tally']
    LOOP
        EXECUTE format('ALTER TABLE promptops.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own ON promptops.%I USING (tenant = (SELECT promptops.own_tenant()))
            WITH CHECK (tenant = (SELECT promptops.own_tenant()))', name);
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION promptops.locked_rollups, promptops.prune_minutes, promptops.locked_traces,
    promptops.traces_between, promptops.prune_traces, promptops.locked_experiment,
    promptops.add_outcomes, promptops.contaminate, promptops.count_outcomes FROM PUBLIC;
