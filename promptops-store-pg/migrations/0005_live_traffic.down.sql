-- The way back to schema 4: traces, experiments and their outcomes go, and of what was counted all but the successes and
-- ratings of answers of which somebody said how they went, in total.
DROP FUNCTION promptops.count_outcomes, promptops.contaminate, promptops.add_outcomes, promptops.locked_experiment,
    promptops.prune_traces, promptops.traces_between, promptops.locked_traces, promptops.prune_minutes,
    promptops.locked_rollups;

-- As it was.
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

INSERT INTO promptops.metrics
        (tenant, prompt, closure_hash, environment, usage_count, success_count, rated_count, rating_sum_millionths)
    SELECT x.tenant, x.prompt, x.closure_hash, x.environment,
        least(sum((x.counts ->> 'judged_count')::numeric), 9223372036854775807),
        least(sum((x.counts ->> 'success_count')::numeric), 9223372036854775807),
        least(sum((x.counts ->> 'rated_count')::numeric), 9223372036854775807),
        least(sum((x.counts ->> 'rating_sum_millionths')::numeric), 9223372036854775807)
    FROM (
        SELECT r.tenant, r.prompt, r.closure_hash, r.environment, r.metrics::json AS counts
        FROM promptops.rollup r WHERE r.resolution = 'total'
    ) x
    -- One that was made and never added to.
    WHERE x.counts ->> 'judged_count' IS NOT NULL
    GROUP BY x.tenant, x.prompt, x.closure_hash, x.environment;

DROP TABLE promptops.tally, promptops.outcome, promptops.experiment, promptops.trace, promptops.rollup;

ALTER TABLE promptops.metrics ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON promptops.metrics USING (tenant = (SELECT promptops.own_tenant()))
    WITH CHECK (tenant = (SELECT promptops.own_tenant()));

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

REVOKE ALL ON FUNCTION promptops.count_feedback FROM PUBLIC;
