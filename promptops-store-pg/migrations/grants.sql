-- What a role needs that serves requests and changes prompts, and no more: it cannot rewrite or delete what only grows.
-- `{role}` is replaced by the role's quoted name.
-- One after the other, and not beside a migration: PostgreSQL fails when two grant on one object at the same time.
SELECT pg_advisory_xact_lock(7239811400218763113);
GRANT USAGE ON SCHEMA promptops TO {role};
GRANT SELECT ON promptops.schema_version TO {role};
GRANT SELECT, INSERT ON promptops.version, promptops.include, promptops.history, promptops.approval,
    promptops.evidence, promptops.audit, promptops.dataset_version, promptops.dataset_entry, promptops.result,
    promptops.transition, promptops.document TO {role};
GRANT UPDATE (status) ON promptops.version TO {role};
GRANT SELECT, INSERT, UPDATE ON promptops.tenant, promptops.prompt, promptops.pointer,
    promptops.audit_head, promptops.dataset TO {role};
GRANT SELECT, INSERT, UPDATE (status, state, next_task, results) ON promptops.run TO {role};
GRANT SELECT, INSERT, DELETE ON promptops.completion TO {role};
GRANT SELECT, INSERT, UPDATE (metrics), DELETE ON promptops.rollup TO {role};
GRANT SELECT, INSERT, UPDATE (rating, success, has_correction, record), DELETE ON promptops.trace TO {role};
GRANT SELECT, INSERT, UPDATE (status, revision, record) ON promptops.experiment TO {role};
GRANT SELECT, INSERT, UPDATE (state, has_slot, revision, record) ON promptops.deployment TO {role};
GRANT SELECT, INSERT, UPDATE (revision, record) ON promptops.slot TO {role};
GRANT SELECT, INSERT, UPDATE (prompt, environment, status, revision, record) ON promptops.improvement TO {role};
GRANT SELECT, INSERT, UPDATE (worker, until), DELETE ON promptops.slot_lease TO {role};
GRANT SELECT, INSERT, UPDATE (calls, tokens, nano_usd) ON promptops.spending TO {role};
GRANT SELECT, INSERT, UPDATE (contaminated) ON promptops.outcome TO {role};
GRANT SELECT, INSERT, UPDATE (count) ON promptops.tally TO {role};
GRANT USAGE ON SEQUENCE promptops.entry_list TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON promptops.policy, promptops.prompt_tag, promptops.lease TO {role};
GRANT INSERT ON promptops.change TO {role};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA promptops TO {role};
-- The trigger fires without it. Who may use it on a table of their own could give changes other positions.
REVOKE EXECUTE ON FUNCTION promptops.number_change() FROM {role};
