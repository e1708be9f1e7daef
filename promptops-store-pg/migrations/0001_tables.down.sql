-- The way back before the first schema: everything goes, with all that was saved.
DROP TABLE promptops.change_head, promptops.change, promptops.audit_head, promptops.audit, promptops.evidence,
    promptops.metrics, promptops.approval, promptops.policy, promptops.history, promptops.pointer, promptops.include,
    promptops.version, promptops.prompt_tag, promptops.prompt, promptops.tenant;
DROP FUNCTION promptops.refuse();
