-- Schema 4: datasets, runs with their results, and answers of models. Structured values are JSON text, for the reasons
-- that contents are.

CREATE TABLE promptops.dataset (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant bigint NOT NULL REFERENCES promptops.tenant (id),
    name   text   COLLATE "C" NOT NULL,
    latest bigint NOT NULL,
    UNIQUE (tenant, name),
    UNIQUE (id, tenant)
);

-- A version's entries are those of `entry_list`: they are written before the version has its number.
CREATE SEQUENCE promptops.entry_list;

CREATE TABLE promptops.dataset_version (
    tenant          bigint NOT NULL,
    dataset         bigint NOT NULL,
    number          bigint NOT NULL CHECK (number BETWEEN 1 AND 4294967295),
    hash            bytea  NOT NULL CHECK (length(hash) = 32),
    entry_list      bigint NOT NULL UNIQUE,
    entries         bigint NOT NULL CHECK (entries > 0),
    prompt          text,
    metadata        text   NOT NULL,
    message         text   NOT NULL,
    created_by_id   text   NOT NULL,
    created_by_role text   NOT NULL,
    created_at      bigint NOT NULL,
    PRIMARY KEY (dataset, number),
    UNIQUE (dataset, hash),
    FOREIGN KEY (dataset, tenant) REFERENCES promptops.dataset (id, tenant)
);

-- Here and in `result` and `lease` no row refers to another by a foreign key: checking each would take longer than
-- writing it. One commit writes a list and its version, and a run's row is locked while its results are written.
CREATE TABLE promptops.dataset_entry (
    tenant     bigint NOT NULL,
    entry_list bigint NOT NULL,
    position   bigint NOT NULL CHECK (position >= 0),
    name       text   COLLATE "C" NOT NULL,
    entry      text   NOT NULL,
    PRIMARY KEY (entry_list, position)
);

-- `number` counts a tenant's runs, from 1. `status` is the name of `state`. `next_task` is the first task that was never
-- handed out, `results` how many have a result.
CREATE TABLE promptops.run (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant          bigint NOT NULL REFERENCES promptops.tenant (id),
    name            text   COLLATE "C" NOT NULL,
    number          bigint NOT NULL CHECK (number > 0),
    prompt          text   COLLATE "C" NOT NULL,
    version         bigint NOT NULL,
    closure_hash    bytea  NOT NULL CHECK (length(closure_hash) = 32),
    dataset         text   COLLATE "C" NOT NULL,
    dataset_version bigint NOT NULL,
    entry_list      bigint NOT NULL,
    entries         bigint NOT NULL CHECK (entries > 0),
    repeats         bigint NOT NULL CHECK (repeats > 0),
    evaluator       text   NOT NULL,
    started_by_id   text   NOT NULL,
    started_by_role text   NOT NULL,
    started_at      bigint NOT NULL,
    status          text   NOT NULL CHECK (status IN ('running', 'stopped', 'completed')),
    state           text   NOT NULL,
    next_task       bigint NOT NULL DEFAULT 0,
    results         bigint NOT NULL DEFAULT 0,
    UNIQUE (tenant, name),
    UNIQUE (tenant, number)
) WITH (fillfactor = 50);

CREATE INDEX run_prompt ON promptops.run (tenant, prompt, number);
CREATE INDEX run_closure ON promptops.run (tenant, closure_hash, number);
CREATE INDEX run_dataset ON promptops.run (tenant, dataset, number);

-- Tasks without a result that were handed out. One that was given back is nobody's (''), and its lease has ended.
CREATE TABLE promptops.lease (
    tenant bigint NOT NULL,
    run    bigint NOT NULL,
    task   bigint NOT NULL,
    worker text   COLLATE "C" NOT NULL,
    until  bigint NOT NULL,
    PRIMARY KEY (run, task)
);

CREATE TABLE promptops.result (
    tenant bigint NOT NULL,
    run    bigint NOT NULL,
    task   bigint NOT NULL CHECK (task >= 0),
    result text   NOT NULL,
    PRIMARY KEY (run, task)
);

CREATE TABLE promptops.completion (
    tenant     bigint NOT NULL REFERENCES promptops.tenant (id),
    key        bytea  NOT NULL CHECK (length(key) = 32),
    at         bigint NOT NULL,
    completion text   NOT NULL,
    PRIMARY KEY (tenant, key)
);

CREATE INDEX completion_age ON promptops.completion (tenant, at);

-- Scores in each dimension, and which judges are calibrated.
ALTER TABLE promptops.evidence ADD COLUMN scores text NOT NULL DEFAULT '{}';
CREATE INDEX evidence_version ON promptops.evidence (tenant, prompt, closure_hash, dataset, dataset_version, id);

-- What never changes, as in schema 1.

CREATE TRIGGER dataset_identity BEFORE UPDATE ON promptops.dataset FOR EACH ROW
WHEN ((OLD.id, OLD.tenant, OLD.name) IS DISTINCT FROM (NEW.id, NEW.tenant, NEW.name))
EXECUTE FUNCTION promptops.refuse('a dataset keeps its tenant and name');

CREATE TRIGGER dataset_version_change BEFORE UPDATE OR DELETE OR TRUNCATE ON promptops.dataset_version
FOR EACH STATEMENT EXECUTE FUNCTION promptops.refuse('versions of datasets are only added to');

CREATE TRIGGER dataset_entry_change BEFORE UPDATE OR DELETE OR TRUNCATE ON promptops.dataset_entry
FOR EACH STATEMENT EXECUTE FUNCTION promptops.refuse('entries of datasets are only added to');

CREATE TRIGGER run_identity BEFORE UPDATE ON promptops.run FOR EACH ROW
WHEN ((OLD.id, OLD.tenant, OLD.name, OLD.number, OLD.prompt, OLD.version, OLD.closure_hash, OLD.dataset,
        OLD.dataset_version, OLD.entry_list, OLD.entries, OLD.repeats, OLD.evaluator, OLD.started_by_id,
        OLD.started_by_role, OLD.started_at)
    IS DISTINCT FROM (NEW.id, NEW.tenant, NEW.name, NEW.number, NEW.prompt, NEW.version, NEW.closure_hash, NEW.dataset,
        NEW.dataset_version, NEW.entry_list, NEW.entries, NEW.repeats, NEW.evaluator, NEW.started_by_id,
        NEW.started_by_role, NEW.started_at))
EXECUTE FUNCTION promptops.refuse('a run never changes, but for its state');

CREATE TRIGGER run_delete BEFORE DELETE OR TRUNCATE ON promptops.run FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('a run is never deleted');

CREATE TRIGGER result_change BEFORE UPDATE OR DELETE OR TRUNCATE ON promptops.result FOR EACH STATEMENT
EXECUTE FUNCTION promptops.refuse('results are only added to');

-- What workers do to a run waits for others at the same run alone, and not for its tenant's other changes. The functions
-- are one statement each. A plan that was made while a table was small would read all of it later: they go by indexes.

-- Enters the tenant, and locks the run's row until the transaction ends; NULLs when the tenant has no such run.
CREATE FUNCTION promptops.locked_run(in_tenant text, in_run text, in_lock_timeout text) RETURNS promptops.run
LANGUAGE plpgsql AS $$
DECLARE
    owner bigint;
    here promptops.run;
BEGIN
    PERFORM promptops.need_read_committed();
    PERFORM set_config('lock_timeout', in_lock_timeout, true);
    SELECT t.id INTO owner FROM promptops.entered(in_tenant) t;
    SELECT r.* INTO here FROM promptops.run r WHERE r.tenant = owner AND r.name = in_run FOR NO KEY UPDATE;
    RETURN here;
END
$$;

-- Gives a worker tasks: first those whose leases have ended, then those that were never handed out and have no result.
CREATE FUNCTION promptops.claim_tasks(
    in_tenant text, in_run text, in_worker text, in_limit bigint, in_now bigint, in_until bigint, in_lock_timeout text,
    OUT state text, OUT tasks bigint[], OUT repeats bigint, OUT entry_list bigint, OUT held_elsewhere bigint,
    OUT next_lease_end bigint
) LANGUAGE plpgsql SET enable_seqscan TO off SET enable_hashjoin TO off SET enable_mergejoin TO off AS $$
DECLARE
    here  promptops.run;
    next  bigint;
    stop  bigint;
    last  bigint;
BEGIN
    here := promptops.locked_run(in_tenant, in_run, in_lock_timeout);
    state := here.state;
    repeats := here.repeats;
    entry_list := here.entry_list;
    tasks := '{}';
    IF here.status = 'running' THEN
        SELECT coalesce(array_agg(e.task), '{}') INTO tasks FROM (
            SELECT l.task FROM promptops.lease l WHERE l.run = here.id AND l.until <= in_now ORDER BY l.task LIMIT in_limit
        ) e;
        next := here.next_task;
        last := here.entries * here.repeats;
        WHILE next < last AND cardinality(tasks) < in_limit LOOP
            stop := least(next + in_limit - cardinality(tasks), last);
            SELECT tasks || coalesce(array_agg(f.task ORDER BY f.task), '{}') INTO tasks FROM (
                SELECT s.task FROM generate_series(next, stop - 1) s (task)
                EXCEPT ALL
                SELECT d.task FROM promptops.result d WHERE d.run = here.id AND d.task >= next AND d.task < stop
            ) f;
            next := stop;
        END LOOP;
        IF next <> here.next_task THEN
            UPDATE promptops.run r SET next_task = next WHERE r.id = here.id;
        END IF;
        INSERT INTO promptops.lease AS l (tenant, run, task, worker, until)
            SELECT here.tenant, here.id, t.task, in_worker, in_until FROM unnest(tasks) t (task)
            ON CONFLICT (run, task) DO UPDATE SET worker = excluded.worker, until = excluded.until;
    END IF;
    SELECT count(*), min(l.until) INTO held_elsewhere, next_lease_end FROM promptops.lease l
        WHERE l.run = here.id AND l.worker <> in_worker AND l.until > in_now;
END
$$;

-- Gives all leases of a worker another holder and another end, and says how many there were; NULL without such a run.
CREATE FUNCTION promptops.set_leases(
    in_tenant text, in_run text, in_worker text, in_holder text, in_until bigint, in_lock_timeout text,
    OUT changed bigint
) LANGUAGE plpgsql SET enable_seqscan TO off AS $$
DECLARE
    here promptops.run;
BEGIN
    here := promptops.locked_run(in_tenant, in_run, in_lock_timeout);
    IF here.id IS NOT NULL THEN
        UPDATE promptops.lease l SET worker = in_holder, until = in_until WHERE l.run = here.id AND l.worker = in_worker;
        GET DIAGNOSTICS changed = ROW_COUNT;
    END IF;
END
$$;

-- Keeps results, each of another task: the first of a task stays. `foreign_at` is the place, from 1, of the first that is
-- of no task of the run; none is kept then.
CREATE FUNCTION promptops.record_results(
    in_tenant text, in_run text, in_tasks bigint[], in_entries text[], in_repeats bigint[], in_results text[],
    in_lock_timeout text,
    OUT state text, OUT accepted bigint[], OUT foreign_at bigint
) LANGUAGE plpgsql SET enable_seqscan TO off SET enable_hashjoin TO off SET enable_mergejoin TO off AS $$
DECLARE
    here promptops.run;
BEGIN
    here := promptops.locked_run(in_tenant, in_run, in_lock_timeout);
    state := here.state;
    IF here.id IS NULL THEN
        RETURN;
    END IF;
    SELECT min(i.at) INTO foreign_at
        FROM unnest(in_tasks, in_entries, in_repeats) WITH ORDINALITY i (task, name, repeat, at)
        LEFT JOIN promptops.dataset_entry e ON e.entry_list = here.entry_list AND e.position = i.task / here.repeats
        WHERE i.task < 0 OR i.task % here.repeats <> i.repeat OR e.name IS DISTINCT FROM i.name;
    IF foreign_at IS NOT NULL THEN
        RETURN;
    END IF;
    DELETE FROM promptops.lease l WHERE l.run = here.id AND l.task = ANY (in_tasks);
    WITH added AS (
        INSERT INTO promptops.result AS d (tenant, run, task, result)
            SELECT here.tenant, here.id, i.task, i.result FROM unnest(in_tasks, in_results) i (task, result)
            ON CONFLICT (run, task) DO NOTHING RETURNING d.task
    )
    SELECT coalesce(array_agg(a.task ORDER BY a.task), '{}') INTO accepted FROM added a;
    UPDATE promptops.run r SET results = r.results + cardinality(accepted) WHERE r.id = here.id;
END
$$;

-- Results of a run after a task, in the order of tasks; one row of NULLs when there are none, and no row without such a
-- run.
CREATE FUNCTION promptops.results_after(
    in_tenant text, in_run text, in_task bigint, in_limit bigint, OUT result text
) RETURNS SETOF text LANGUAGE plpgsql STABLE SET enable_seqscan TO off SET enable_bitmapscan TO off AS $$
DECLARE
    owner bigint;
    here  bigint;
BEGIN
    SELECT t.id INTO owner FROM promptops.entered(in_tenant) t;
    SELECT r.id INTO here FROM promptops.run r WHERE r.tenant = owner AND r.name = in_run;
    IF here IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT d.result FROM promptops.result d
        WHERE d.run = here AND d.task > in_task ORDER BY d.task LIMIT in_limit;
    IF NOT FOUND THEN
        RETURN NEXT;
    END IF;
END
$$;

-- Keeps an answer, unless there is one under its key.
CREATE FUNCTION promptops.keep_completion(
    in_tenant text, in_key bytea, in_at bigint, in_completion text, in_lock_timeout text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    owner bigint;
BEGIN
    PERFORM promptops.need_read_committed();
    PERFORM set_config('lock_timeout', in_lock_timeout, true);
    -- Not locked, if it is there: answers are not to wait for promotions.
    SELECT t.id INTO owner FROM promptops.entered(in_tenant) t;
    IF owner IS NULL THEN
        SELECT t.id INTO owner FROM promptops.locked(in_tenant) t;
    END IF;
    INSERT INTO promptops.completion (tenant, key, at, completion) VALUES (owner, in_key, in_at, in_completion)
        ON CONFLICT DO NOTHING;
END
$$;

-- Removes the answers of a tenant kept before a time, and says how many.
CREATE FUNCTION promptops.forget_completions(
    in_tenant text, in_before bigint, in_lock_timeout text, OUT forgotten bigint
) LANGUAGE plpgsql AS $$
DECLARE
    owner bigint;
BEGIN
    PERFORM promptops.need_read_committed();
    PERFORM set_config('lock_timeout', in_lock_timeout, true);
    SELECT t.id INTO owner FROM promptops.entered(in_tenant) t;
    DELETE FROM promptops.completion c WHERE c.tenant = owner AND c.at < in_before;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
END
$$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['dataset', 'dataset_version', 'dataset_entry', 'run', 'lease', 'result', 'completion']
    LOOP
        EXECUTE format('ALTER TABLE promptops.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own ON promptops.%I USING (tenant = (SELECT promptops.own_tenant()))
            WITH CHECK (tenant = (SELECT promptops.own_tenant()))', name);
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION promptops.locked_run, promptops.claim_tasks, promptops.set_leases, promptops.record_results,
    promptops.results_after, promptops.keep_completion, promptops.forget_completions FROM PUBLIC;
