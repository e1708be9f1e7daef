//! What the database refuses by itself, whatever program asks.

use promptops_core::ErrorKind;
use promptops_core::base::{DatasetName, PageRequest, VersionNumber};
use promptops_core::deployment::DeploymentStore;
use promptops_core::evaluation::{DatasetStore, EvaluationStore};
use promptops_core::experiment::{ExperimentStatus, ExperimentStore};
use sqlx::{Connection, Executor, PgConnection};

use crate::databases::Database;
use crate::desk::{
    acme, acme_id, ana, begin, change, claim, evaluate, experiment, fails, improve, live, promote, propose,
    record, run_id, save, shipping,
};

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
        dataset: DatasetName::new("golden").unwrap(),
        dataset_version: VersionNumber::FIRST,
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
    evaluate(&database.backend()).await;
    live(&database.backend(), &v1, 1).await;
    let proposed = propose(&tenant, &save(&tenant, "triage", "two").await).await;
    let backend = database.backend();
    backend.commit_deployments(shipping(&proposed, 1)).await.unwrap();
    improve(&backend).await;
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
    evaluate(&database.backend()).await;
    improve(&database.backend()).await;
    let open = live(&database.backend(), &v1, 0).await;
    let done = change(&open, ExperimentStatus::Completed);
    database.backend().change_experiment(done).await.unwrap();
    let texts = ["two", "three", "four"];
    let mut proposed = Vec::new();
    for text in texts {
        proposed.push(propose(&tenant, &save(&tenant, "triage", text).await).await);
    }
    let ship = shipping(&proposed[0], 0);
    database.backend().commit_deployments(ship).await.unwrap();
    let deployments = tenant.deployments();
    deployments
        .reject(&proposed[1].id, "worse", &ana())
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
        "UPDATE promptops.dataset SET name = 'x'",
        "UPDATE promptops.dataset_version SET message = 'x'",
        "DELETE FROM promptops.dataset_version",
        "TRUNCATE promptops.dataset_version",
        "UPDATE promptops.dataset_entry SET entry = 'x'",
        "DELETE FROM promptops.dataset_entry",
        "TRUNCATE promptops.dataset_entry",
        "UPDATE promptops.run SET name = 'x'",
        "UPDATE promptops.run SET closure_hash = sha256('x')",
        "UPDATE promptops.run SET evaluator = 'x'",
        "UPDATE promptops.run SET entries = 7",
        "UPDATE promptops.run SET started_at = 7",
        "DELETE FROM promptops.run",
        "TRUNCATE promptops.run",
        "UPDATE promptops.result SET result = 'x'",
        "DELETE FROM promptops.result",
        "TRUNCATE promptops.result",
        "UPDATE promptops.experiment SET name = 'x'",
        "UPDATE promptops.experiment SET status = 'active'",
        "DELETE FROM promptops.experiment",
        "TRUNCATE promptops.experiment",
        "UPDATE promptops.outcome SET success = false",
        "UPDATE promptops.outcome SET variant = 1",
        "DELETE FROM promptops.outcome",
        "TRUNCATE promptops.outcome",
        "UPDATE promptops.deployment SET id = 'x'",
        "UPDATE promptops.deployment SET environment = 'x' WHERE has_slot",
        "UPDATE promptops.deployment SET closure_hash = sha256('x') WHERE has_slot",
        "UPDATE promptops.deployment SET record = 'x' WHERE state = 'rejected'",
        "UPDATE promptops.deployment SET state = 'proposed' WHERE state = 'rejected'",
        "DELETE FROM promptops.deployment",
        "TRUNCATE promptops.deployment CASCADE",
        "UPDATE promptops.transition SET record = 'x'",
        "DELETE FROM promptops.transition",
        "TRUNCATE promptops.transition",
        "UPDATE promptops.document SET json = 'x'",
        "DELETE FROM promptops.document",
        "TRUNCATE promptops.document",
        "UPDATE promptops.improvement SET id = 'x'",
        "UPDATE promptops.improvement SET kind = 'watch'",
        "UPDATE promptops.improvement SET tenant = 7",
        "DELETE FROM promptops.improvement",
        "TRUNCATE promptops.improvement",
        "UPDATE promptops.spending SET day = '2026-01-02'",
        "DELETE FROM promptops.spending",
        "TRUNCATE promptops.spending",
    ] {
        refused(&mut owner, sql, "promptops: ").await;
    }
    begin(&database.backend(), &experiment("x-2", 2, &[&v1, &v1]), 0)
        .await
        .unwrap();
    // The status is what may change.
    let changed = owner
        .execute("UPDATE promptops.version SET status = 'archived'")
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 4);
    for (sql, word) in [
        (
            "INSERT INTO promptops.experiment (tenant, name, prompt, environment, status, revision, record)
                SELECT tenant, 'x-3', prompt, environment, 'paused', 1, record FROM promptops.experiment
                WHERE name = 'x-2'",
            "experiment_open",
        ),
        (
            "INSERT INTO promptops.deployment SELECT tenant, 'd', prompt, environment, closure_hash, state, has_slot, 1, record
                FROM promptops.deployment WHERE has_slot",
            "deployment_slot",
        ),
        (
            "INSERT INTO promptops.deployment SELECT tenant, 'd', prompt, environment, closure_hash, 'ab_running', false, 1,
                record FROM promptops.deployment WHERE state = 'proposed'",
            "deployment_candidate",
        ),
        (
            "INSERT INTO promptops.deployment SELECT tenant, 'd', prompt, environment, closure_hash, state, true, 1, record
                FROM promptops.deployment WHERE state = 'rejected'",
            "check constraint",
        ),
        (
            "INSERT INTO promptops.transition SELECT tenant, deployment, number + 10, 'k', record
                FROM promptops.transition",
            "transition_key",
        ),
        (
            "INSERT INTO promptops.improvement SELECT tenant, 'prompt', id, prompt, environment, status, 1, record
                FROM promptops.improvement",
            "check constraint",
        ),
        ("UPDATE promptops.spending SET calls = -1", "check constraint"),
        (
            "INSERT INTO promptops.policy (tenant, environment, policy)
                SELECT id, 'dev', '{}' FROM promptops.tenant, generate_series(1, 2)",
            "policy_for_all",
        ),
        (
            "INSERT INTO promptops.version SELECT tenant, prompt, number + 10, hash, NULL, parents, author_id, author_role,
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
        "DELETE FROM promptops.dataset",
        "UPDATE promptops.dataset_version SET entries = 1",
        "UPDATE promptops.dataset_entry SET entry = 'x'",
        "UPDATE promptops.run SET evaluator = 'x'",
        "DELETE FROM promptops.run",
        "UPDATE promptops.result SET result = 'x'",
        "DELETE FROM promptops.result",
        "UPDATE promptops.completion SET completion = 'x'",
        "UPDATE promptops.trace SET prompt = 'x'",
        "TRUNCATE promptops.trace",
        "UPDATE promptops.rollup SET prompt = 'x'",
        "UPDATE promptops.experiment SET name = 'x'",
        "DELETE FROM promptops.experiment",
        "UPDATE promptops.outcome SET success = true",
        "DELETE FROM promptops.outcome",
        "UPDATE promptops.tally SET counter = 7",
        "DELETE FROM promptops.tally",
        "UPDATE promptops.deployment SET prompt = 'x'",
        "DELETE FROM promptops.deployment",
        "UPDATE promptops.transition SET record = 'x'",
        "DELETE FROM promptops.transition",
        "UPDATE promptops.slot SET prompt = 'x'",
        "DELETE FROM promptops.slot",
        "UPDATE promptops.document SET json = 'x'",
        "DELETE FROM promptops.document",
        "UPDATE promptops.improvement SET id = 'x'",
        "DELETE FROM promptops.improvement",
        "UPDATE promptops.slot_lease SET prompt = 'x'",
        "TRUNCATE promptops.slot_lease",
        "UPDATE promptops.spending SET day = 'x'",
        "DELETE FROM promptops.spending",
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

const TABLES: [&str; 31] = [
    "tenant",
    "prompt",
    "prompt_tag",
    "version",
    "include",
    "pointer",
    "history",
    "policy",
    "approval",
    "rollup",
    "evidence",
    "audit",
    "audit_head",
    "dataset",
    "dataset_version",
    "dataset_entry",
    "run",
    "lease",
    "result",
    "completion",
    "trace",
    "experiment",
    "outcome",
    "tally",
    "deployment",
    "transition",
    "slot",
    "document",
    "improvement",
    "slot_lease",
    "spending",
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
        "INSERT INTO promptops.result (tenant, run, task, result) VALUES (999, 1, 1, '{}')",
        "INSERT INTO promptops.dataset_entry (tenant, entry_list, position, name, entry) VALUES (999, 9, 0, 'a', '{}')",
        "INSERT INTO promptops.tally VALUES (999, 1, 1, 1, 1, 1)",
        "INSERT INTO promptops.slot VALUES (999, 'p', 'e', 1, '{}')",
        "INSERT INTO promptops.document VALUES (999, sha256('x'), '{}')",
        "INSERT INTO promptops.deployment VALUES (999, 'd', 'p', 'e', sha256('x'), 'proposed', false, 1, '{}')",
        "INSERT INTO promptops.transition VALUES (999, 'd', 1, NULL, '{}')",
        "INSERT INTO promptops.improvement VALUES (999, 'control', 'control', NULL, NULL, 'on', 1, '{}')",
        "INSERT INTO promptops.slot_lease VALUES (999, 'p', 'e', 'w', 1)",
        "INSERT INTO promptops.spending VALUES (999, '2026-01-01', 1, 1, 1)",
        "INSERT INTO promptops.outcome VALUES (999, 1, 1, 1, 1, 1, 1, 1, 1, true)",
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evaluations_changed_behind_the_backend_are_errors() {
    let database = Database::new().await;
    let backend = database.backend();
    evaluate(&backend).await;
    let behind = async |sql: &str| database.execute(sql).await.unwrap();
    behind(
        "ALTER TABLE promptops.dataset_entry DISABLE TRIGGER ALL; ALTER TABLE promptops.result DISABLE TRIGGER ALL;
        ALTER TABLE promptops.run DISABLE TRIGGER ALL; UPDATE promptops.result SET result = '{}'",
    )
    .await;
    let all = PageRequest::default();
    let read = backend.results(&acme_id(), &run_id(), &all).await;
    fails(read, ErrorKind::Corrupt, &["result cannot be read back"]);
    let of = DatasetName::new("golden").unwrap();
    for (sql, words) in [
        (
            "UPDATE promptops.dataset_entry SET entry = '{\"id\": 7}'",
            "entry of a dataset cannot be read back",
        ),
        (
            "DELETE FROM promptops.dataset_entry WHERE position = 2",
            "entry of a dataset",
        ),
        (
            "DELETE FROM promptops.dataset_entry WHERE position < 2",
            "list of a dataset's entries",
        ),
    ] {
        behind("DELETE FROM promptops.lease; UPDATE promptops.run SET next_task = 0").await;
        behind(sql).await;
        let read = backend.entries(&acme_id(), &of, VersionNumber::FIRST, &all).await;
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt);
        fails(claim(&backend, "w", 2).await, ErrorKind::Corrupt, &[words]);
    }
    for (column, value) in [
        ("evaluator", "{}"),
        ("state", "{\"status\":\"asleep\"}"),
        ("state", ""),
    ] {
        behind(&format!("UPDATE promptops.run SET {column} = '{value}'")).await;
        let run = backend.run(&acme_id(), &run_id()).await;
        fails(run, ErrorKind::Corrupt, &["of a run cannot be read back"]);
    }
    fails(
        record(&backend, 1, "b").await,
        ErrorKind::Invalid,
        &["of no task"],
    );
    fails(
        claim(&backend, "w", 2).await,
        ErrorKind::Corrupt,
        &["state of a run"],
    );
}

/// Workers at a run do not wait for other changes of their tenant.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_on_a_run_does_not_wait_for_its_tenants_changes() {
    let database = Database::new().await;
    let backend = database.backend();
    evaluate(&backend).await;
    let mut other = PgConnection::connect_with(&database.owner()).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other.execute("SELECT promptops.locked('acme')").await.unwrap();
    let work = async {
        assert_eq!(claim(&backend, "v", 1).await.unwrap().tasks.len(), 1);
        record(&backend, 1, "b").await.unwrap();
        backend.release_tasks(&acme_id(), &run_id(), "v").await.unwrap();
    };
    tokio::time::timeout(std::time::Duration::from_secs(4), work)
        .await
        .expect("nobody holds the run");
    other.execute("ROLLBACK").await.unwrap();
}
