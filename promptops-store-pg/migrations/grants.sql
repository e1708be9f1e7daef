-- What a role needs that serves requests and changes prompts, and no more: it cannot rewrite or delete what only grows.
-- `{role}` is replaced by the role's quoted name.
GRANT USAGE ON SCHEMA promptops TO {role};
GRANT SELECT ON promptops.schema_version TO {role};
GRANT SELECT, INSERT ON promptops.version, promptops.include, promptops.history, promptops.approval,
    promptops.evidence, promptops.audit TO {role};
GRANT UPDATE (status) ON promptops.version TO {role};
GRANT SELECT, INSERT, UPDATE ON promptops.tenant, promptops.prompt, promptops.pointer, promptops.metrics,
    promptops.audit_head TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON promptops.policy, promptops.prompt_tag TO {role};
GRANT INSERT ON promptops.change TO {role};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA promptops TO {role};
