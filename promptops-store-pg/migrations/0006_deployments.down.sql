-- The way back to schema 5: deployments go, with their steps, what was known of their slots, and what was kept with them.
-- What they made live stays live, and stays in history and on record.
DROP FUNCTION promptops.commit_deployments;
DROP TYPE promptops.pointer_move;
DROP TABLE promptops.document, promptops.slot, promptops.transition, promptops.deployment;
