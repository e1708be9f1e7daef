-- The way back to schema 3: datasets, runs, their results and kept answers go, and what evidence says about dimensions and
-- judges. The rest of the evidence stays.
DROP FUNCTION promptops.forget_completions, promptops.keep_completion, promptops.results_after,
    promptops.record_results, promptops.set_leases, promptops.claim_tasks, promptops.locked_run;
DROP INDEX promptops.evidence_version;
ALTER TABLE promptops.evidence DROP COLUMN scores;
DROP TABLE promptops.completion, promptops.result, promptops.lease, promptops.run, promptops.dataset_entry,
    promptops.dataset_version, promptops.dataset;
DROP SEQUENCE promptops.entry_list;
