-- Schema 3: row-level security, a second wall behind statements that name their tenant. It binds every role but the
-- owner of the tables and superusers. `promptops.entered` and `promptops.locked` say whose rows a transaction sees;
-- one that has called neither sees none.

-- Rows that are the tenant's own.
CREATE FUNCTION promptops.own_tenant() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('promptops.tenant_id', true), '')::bigint
$$;

-- Rows that it inherits.
CREATE FUNCTION promptops.parent_tenant() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('promptops.parent_id', true), '')::bigint
$$;

ALTER TABLE promptops.tenant ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON promptops.tenant
    USING (name = current_setting('promptops.tenant', true))
    WITH CHECK (name = current_setting('promptops.tenant', true));
-- The tenant's parent, and which tenants inherit from it.
CREATE POLICY related ON promptops.tenant FOR SELECT
    USING (id = (SELECT promptops.parent_tenant()) OR parent = (SELECT promptops.own_tenant()));

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['prompt', 'prompt_tag', 'version', 'include', 'pointer', 'history', 'policy',
        'approval', 'metrics', 'evidence', 'audit', 'audit_head']
    LOOP
        EXECUTE format('ALTER TABLE promptops.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own ON promptops.%I USING (tenant = (SELECT promptops.own_tenant()))
            WITH CHECK (tenant = (SELECT promptops.own_tenant()))', name);
    END LOOP;
    -- What a reference can lead to in the parent.
    FOREACH name IN ARRAY ARRAY['prompt', 'version', 'pointer']
    LOOP
        EXECUTE format('CREATE POLICY inherited ON promptops.%I FOR SELECT
            USING (tenant = (SELECT promptops.parent_tenant()))', name);
    END LOOP;
END
$$;

-- The log is written by whoever changes something, and read through `changes_after` alone.
ALTER TABLE promptops.change ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON promptops.change FOR INSERT
    WITH CHECK (tenant = current_setting('promptops.tenant', true) AND position IS NULL);
ALTER TABLE promptops.change_head ENABLE ROW LEVEL SECURITY;

-- Functions that run as the owner are for roles that were granted them, and for nobody else.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA promptops FROM PUBLIC;
