-- The way back to schema 1: no data is lost.
DROP TRIGGER change_number ON promptops.change;
DROP FUNCTION promptops.trim_changes, promptops.last_change, promptops.changes_after, promptops.number_change,
    promptops.count_feedback, promptops.move_pointer, promptops.refresh_prompt, promptops.put_status,
    promptops.append_audit, promptops.locked, promptops.need_read_committed, promptops.find, promptops.entered;
