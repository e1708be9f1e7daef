-- The way back to schema 6: what the improvement loop remembers goes, with who works on what and what was spent: of a day
-- that is begun, all can be spent again. What improving made live stays live, and what people said stays on record.
DROP FUNCTION promptops.settle_spending, promptops.reserve_spending, promptops.settled, promptops.return_slot_lease,
    promptops.take_slot_lease, promptops.entered_or_made, promptops.commit_improvement;
DROP TABLE promptops.spending, promptops.slot_lease, promptops.improvement;
