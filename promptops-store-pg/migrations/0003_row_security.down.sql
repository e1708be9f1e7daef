-- The way back to schema 2: no data is lost.
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA promptops TO PUBLIC;

DO $$
DECLARE
    at record;
BEGIN
    FOR at IN SELECT tablename, policyname FROM pg_policies WHERE schemaname = 'promptops'
    LOOP
        EXECUTE format('DROP POLICY %I ON promptops.%I', at.policyname, at.tablename);
    END LOOP;
    FOR at IN SELECT tablename FROM pg_tables WHERE schemaname = 'promptops' AND rowsecurity
    LOOP
        EXECUTE format('ALTER TABLE promptops.%I DISABLE ROW LEVEL SECURITY', at.tablename);
    END LOOP;
END
$$;

DROP FUNCTION promptops.parent_tenant, promptops.own_tenant;
