//! What the database refuses by itself, whatever program asks.

use sqlx::{Connection, Executor, PgConnection};

use crate::databases::Database;
use crate::desk::{acme, ana, promote, save};

async fn world() -> Database {
    let database = Database::new().await;
    let ops = promptops_core::PromptOps::builder(database.backend()).build();
    let tenant = acme(database.backend());
    let v1 = save(&tenant, "triage", "one").await;
    promote(&tenant, &v1).await;
    tenant.prompts().set_tags("triage", ["a"], &ana()).await.unwrap();
    let environments = tenant.environments();
    let policy = promptops_core::environment::Policy::open();
    environments.set_policy("staging", policy, &ana()).await.unwrap();
    environments.approve(&v1, "staging", &ana(), "").await.unwrap();
    let resolved = tenant.resolve("triage@production").await.unwrap();
    let metrics = tenant.metrics();
    metrics
        .record_feedback(resolved.stamp(), true, None)
        .await
        .unwrap();
    let evidence = promptops_core::evaluation::Evidence {
        prompt: v1.prompt.clone(),
        closure_hash: resolved.closure_hash(),
        dataset: promptops_core::base::DatasetName::new("golden").unwrap(),
        dataset_version: promptops_core::base::VersionNumber::FIRST,
        run: "run".into(),
        entries: 1,
        passed: 1,
        dimensions: Default::default(),
        judges: Default::default(),
    };
    tenant
        .evaluations()
        .record_evidence(evidence, &ana())
        .await
        .unwrap();
    // Another tenant, which has a prompt of the same name.
    let other = ops.tenant("other").unwrap();
    save(&other, "rules", "Be brief.").await;
    save(&other, "triage", "{% include \"rules\" %}").await;
    database
}

async fn refused(connection: &mut PgConnection, sql: &'static str, word: &str) {
    let error = connection.execute(sql).await.expect_err(sql).to_string();
    assert!(error.contains(word), "{sql}: {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_changes_is_refused_by_the_database() {
    let database = Database::new().await;
    let tenant = acme(database.backend());
    let v1 = save(&tenant, "triage", "one").await;
    promote(&tenant, &v1).await;
    tenant
        .environments()
        .approve(&v1, "staging", &ana(), "")
        .await
        .unwrap();
    let mut owner = PgConnection::connect_with(&database.owner()).await.unwrap();
    for sql in [
        "UPDATE promptops.version SET content = 'x'",
        "UPDATE promptops.version SET hash = sha256('x')",
        "UPDATE promptops.version SET message = 'x'",
        "UPDATE promptops.version SET number = 7",
        "UPDATE promptops.version SET author_id = 'x'",
        "UPDATE promptops.version SET created_at = 7",
        "DELETE FROM promptops.version",
        "TRUNCATE promptops.version CASCADE",
        "UPDATE promptops.prompt SET name = 'x'",
        "UPDATE promptops.history SET reason = 'x'",
        "DELETE FROM promptops.history",
        "TRUNCATE promptops.history",
        "UPDATE promptops.approval SET note = 'x'",
        "DELETE FROM promptops.approval",
        "TRUNCATE promptops.approval",
        "UPDATE promptops.evidence SET passed = 7",
        "DELETE FROM promptops.evidence",
        "UPDATE promptops.audit SET detail = 'x'",
        "DELETE FROM promptops.audit",
        "TRUNCATE promptops.audit",
    ] {
        refused(&mut owner, sql, "promptops: ").await;
    }
    // The status is what may change.
    let changed = owner
        .execute("UPDATE promptops.version SET status = 'archived'")
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 1);
    for (sql, word) in [
        (
            "INSERT INTO promptops.policy (tenant, environment, policy)
                SELECT id, 'dev', '{}' FROM promptops.tenant, generate_series(1, 2)",
            "policy_for_all",
        ),
        (
            "INSERT INTO promptops.version SELECT tenant, prompt, number + 1, hash, NULL, parents, author_id, author_role,
                message, status, created_at, content FROM promptops.version",
            "version_prompt_hash_key",
        ),
    ] {
        refused(&mut owner, sql, word).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_role_cannot_rewrite_what_only_grows() {
    let database = world().await;
    let mut app = PgConnection::connect_with(&database.app()).await.unwrap();
    for sql in [
        "UPDATE promptops.version SET content = 'x'",
        "DELETE FROM promptops.version",
        "TRUNCATE promptops.history",
        "DELETE FROM promptops.audit",
        "DELETE FROM promptops.tenant",
        "SELECT * FROM promptops.change",
        "UPDATE promptops.change_head SET position = 0",
        "ALTER TABLE promptops.version DISABLE TRIGGER ALL",
        "CREATE TEMP TABLE mine (id bigint); CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW
            EXECUTE FUNCTION promptops.number_change()",
        "DROP SCHEMA promptops CASCADE",
    ] {
        let error = app.execute(sqlx::raw_sql(sql)).await.expect_err(sql).to_string();
        assert!(
            error.contains("permission denied") || error.contains("must be owner"),
            "{sql}: {error}"
        );
    }
}

const TABLES: [&str; 13] = [
    "tenant",
    "prompt",
    "prompt_tag",
    "version",
    "include",
    "pointer",
    "history",
    "policy",
    "approval",
    "metrics",
    "evidence",
    "audit",
    "audit_head",
];

/// How many rows of each table a connection sees, and of how many tenants.
async fn seen(connection: &mut PgConnection) -> Vec<(i64, i64)> {
    let mut seen = Vec::new();
    for table in TABLES {
        let tenant = if table == "tenant" { "id" } else { "tenant" };
        let sql = format!("SELECT count(*), count(DISTINCT {tenant}) FROM promptops.{table}");
        let counts = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .fetch_one(&mut *connection)
            .await;
        seen.push(counts.unwrap());
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_role_sees_the_entered_tenant_alone() {
    let database = world().await;
    let mut owner = PgConnection::connect_with(&database.owner()).await.unwrap();
    let all = seen(&mut owner).await;
    assert!(all.iter().all(|(rows, _)| *rows > 0), "{all:?}");
    let mut app = PgConnection::connect_with(&database.app()).await.unwrap();
    assert!(
        seen(&mut app).await.iter().all(|(rows, _)| *rows == 0),
        "none was entered"
    );

    app.execute("BEGIN").await.unwrap();
    app.execute("SELECT promptops.entered('acme')").await.unwrap();
    for (table, (rows, tenants)) in TABLES.iter().zip(seen(&mut app).await) {
        assert!(tenants <= 1, "{table} shows {tenants} tenants");
        assert!(rows > 0 || *table == "include", "{table} shows nothing");
    }
    for sql in [
        "INSERT INTO promptops.tenant (name) VALUES ('evil')",
        "INSERT INTO promptops.policy (tenant, environment, policy) VALUES (999, 'dev', '{}')",
        "INSERT INTO promptops.change (tenant, change) VALUES ('other', '{}')",
    ] {
        app.execute("SAVEPOINT here").await.unwrap();
        refused(&mut app, sql, "row-level security").await;
        app.execute("ROLLBACK TO here").await.unwrap();
    }
    let stolen =
        app.execute("UPDATE promptops.prompt SET latest = 7 WHERE tenant <> (SELECT promptops.own_tenant())");
    assert_eq!(stolen.await.unwrap().rows_affected(), 0);
    app.execute("COMMIT").await.unwrap();
    // The setting is the transaction's: afterwards it is empty.
    assert!(seen(&mut app).await.iter().all(|(rows, _)| *rows == 0));

    app.execute("BEGIN").await.unwrap();
    app.execute("SELECT promptops.entered('nobody')").await.unwrap();
    assert!(seen(&mut app).await.iter().all(|(rows, _)| *rows == 0));
}
