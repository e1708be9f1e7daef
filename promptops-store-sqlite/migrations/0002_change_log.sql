-- Schema 2. What other processes must hear of, in the order of commits. The oldest are given up, the last never, so that
-- no position is given twice.
CREATE TABLE promptops_change (
    position INTEGER PRIMARY KEY,
    tenant   TEXT NOT NULL,
    change   TEXT NOT NULL
) STRICT;
