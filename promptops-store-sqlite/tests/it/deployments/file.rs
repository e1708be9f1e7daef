//! What the file of deployments keeps by itself: from older schemas, against changes, behind the backend's back.

use promptops_core::ErrorKind;
use promptops_core::base::PageRequest;
use promptops_core::deployment::{DeploymentFilter, DeploymentStore, Step};
use promptops_store_sqlite::SqliteBackend;

use super::{Steps, holder, propose, report, ship};
use crate::desk::{acme, audit_log, fails, name, production, raw, save};
use crate::integrity::{filled, only_grows};
use crate::traffic;

/// All rows of these tables, as text.
fn rows(raw: &rusqlite::Connection, tables: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    for table in tables {
        let mut statement = raw.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<_> = (0..columns).map(|at| row.get_ref(at).unwrap()).collect();
            all.push(format!("{table} {values:?}"));
        }
    }
    all.sort();
    all
}

fn schema(raw: &rusqlite::Connection, column: &str) -> Vec<String> {
    let sql = format!(
        "SELECT {column} FROM sqlite_schema WHERE sql IS NOT NULL AND name LIKE 'promptops%' AND name <> 'promptops_schema'
        ORDER BY name"
    );
    let mut statement = raw.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_file_of_schema_4_keeps_what_it_has_and_gets_deployments() {
    let dir = tempfile::tempdir().unwrap();
    let (new, path) = (dir.path().join("new.db"), dir.path().join("prompts.db"));
    let backend = filled(&new).await;
    traffic::begin(&backend).await;
    backend.close().await;

    // What a release with schema 4 would have written.
    let old = raw(&path);
    old.execute_batch(
        "PRAGMA foreign_keys = OFF;
        CREATE TABLE promptops_schema (version INTEGER PRIMARY KEY, applied_by TEXT NOT NULL) STRICT;",
    )
    .unwrap();
    for migration in [
        include_str!("../../../migrations/0001_initial.sql"),
        include_str!("../../../migrations/0002_change_log.sql"),
        include_str!("../../../migrations/0003_evaluation.sql"),
        include_str!("../../../migrations/0004_live_traffic.sql"),
    ] {
        old.execute_batch(migration).unwrap();
    }
    let mut tables = schema(&old, "iif(type = 'table', name, '')");
    tables.retain(|table| !table.is_empty());
    old.execute("ATTACH ?1 AS new", [new.to_str().unwrap()]).unwrap();
    for table in &tables {
        old.execute_batch(&format!("INSERT INTO main.{table} SELECT * FROM new.{table}"))
            .unwrap();
    }
    old.execute_batch(
        "DETACH new; INSERT INTO promptops_schema VALUES (1, 'old'), (2, 'old'), (3, 'old'), (4, 'old');",
    )
    .unwrap();
    let before = rows(&old, &tables);
    assert!(before.len() > 15, "{before:#?}");
    drop(old);

    let backend = SqliteBackend::open(&path).await.unwrap();
    let now = raw(&path);
    assert_eq!(rows(&now, &tables), before);
    assert_eq!(schema(&now, "sql"), schema(&raw(&new), "sql"));
    let version = save(&backend, "p", "two").await;
    let deployment = propose(&backend, &version, "dep-1", 1).await;
    let shipped = ship(&backend, &deployment, &version, 1).await;
    assert_eq!(holder(&backend, "p").await, Some(shipped));
    audit_log(&backend).verify().await.unwrap();
}

#[tokio::test]
async fn the_database_itself_keeps_what_deployments_were() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let one = save(&backend, "p", "one").await;
    let two = save(&backend, "p", "two").await;
    let first = propose(&backend, &one, "dep-1", 0).await;
    let raw = raw(&path);
    let changing = [
        "prompt",
        "environment",
        "state",
        "closure_hash",
        "has_slot",
        "revision",
        "body",
    ];
    only_grows(&raw, "promptops_deployment", &changing);
    let copy = "INSERT INTO promptops_deployment (tenant, name, prompt, environment, state, closure_hash, has_slot,
            revision, body)
        SELECT tenant, 'copy', prompt, environment, state, closure_hash, has_slot, 1, body FROM promptops_deployment
        WHERE name = 'dep-1'";
    let refused = |sql: &str| {
        for or in ["", " OR REPLACE"] {
            let sql = sql.replacen("INSERT", &format!("INSERT{or}"), 1).replacen(
                "UPDATE",
                &format!("UPDATE{or}"),
                1,
            );
            let error = raw.execute_batch(&sql).unwrap_err();
            assert!(error.to_string().contains("promptops: "), "{sql}: {error}");
        }
    };
    refused(copy);
    ship(&backend, &first, &one, 0).await;
    let second = propose(&backend, &two, "dep-2", 1).await;
    for table in ["transition", "document"] {
        only_grows(&raw, &format!("promptops_{table}"), &[]);
    }
    only_grows(&raw, "promptops_slot", &["revision", "body"]);
    // A second one in the slot, and a second key.
    refused(copy);
    refused("UPDATE promptops_deployment SET state = 'shipped', has_slot = 1 WHERE name = 'dep-2'");
    refused(
        "INSERT INTO promptops_transition (deployment, number, tenant, step, key, body)
        SELECT deployment, 9, tenant, step, key, body FROM promptops_transition LIMIT 1",
    );

    let mut rejection = Steps::new();
    let mut rejected = second;
    rejected.revision += 1;
    rejection.take(&mut rejected, Step::Reject);
    rejection.0.changed.push(rejected.clone());
    rejection.commit(&backend).await.unwrap();
    refused("UPDATE promptops_deployment SET state = 'proposed' WHERE name = 'dep-2'");
    let mut steps = Steps::new();
    rejected.revision += 1;
    steps.0.changed.push(rejected);
    fails(
        steps.commit(&backend).await,
        ErrorKind::Backend,
        &["break its rules"],
    );
}

#[tokio::test]
async fn deployments_changed_behind_the_backend_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let version = save(&backend, "p", "one").await;
    let deployment = propose(&backend, &version, "dep-1", 0).await;
    let deployment = ship(&backend, &deployment, &version, 0).await;
    let raw = raw(&path);
    raw.execute_batch(
        "DROP TRIGGER promptops_deployment_identity; DROP TRIGGER promptops_transition_update;
        DROP TRIGGER promptops_slot_identity; DROP TRIGGER promptops_document_update;
        PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;",
    )
    .unwrap();
    let tables: Vec<_> = ["deployment", "transition", "slot", "document"]
        .map(|table| format!("promptops_{table}"))
        .into();
    let before = rows(&raw, &tables);
    // Each is changed and changed back.
    let with = |table: &str, column: &str, value: &str, of: &str| {
        let found: rusqlite::types::Value = raw
            .query_row(
                &format!("SELECT {column} FROM promptops_{table} WHERE {of}"),
                [],
                |row| row.get(0),
            )
            .unwrap();
        let sql = format!("UPDATE promptops_{table} SET {column} = {value} WHERE {of}");
        assert_eq!(raw.execute(&sql, []).unwrap(), 1, "{sql}");
        found
    };
    let back = |table: &str, column: &str, value, of: &str| {
        let sql = format!("UPDATE promptops_{table} SET {column} = ?1 WHERE {of}");
        raw.execute(&sql, [value]).unwrap();
    };
    let list = || async {
        let page = PageRequest::default();
        backend
            .deployments(&acme(), &DeploymentFilter::default(), &page)
            .await
    };
    for (column, value) in [
        ("name", "'dep-2'"),
        ("prompt", "'q'"),
        ("environment", "'dev'"),
        ("state", "'regressed'"),
        ("closure_hash", "zeroblob(32)"),
        ("has_slot", "0"),
        ("revision", "9"),
        ("body", "'{}'"),
        ("body", "json_set(body, '$.state', 'asleep')"),
    ] {
        let found = with("deployment", column, value, "true");
        fails(list().await, ErrorKind::Corrupt, &["deployment"]);
        if column != "name" {
            let read = backend.deployment(&acme(), &deployment.id).await;
            fails(read, ErrorKind::Corrupt, &["deployment"]);
            let mut steps = Steps::new();
            let mut next = deployment.clone();
            next.revision += 1;
            steps.0.changed.push(next);
            fails(steps.commit(&backend).await, ErrorKind::Corrupt, &["deployment"]);
        }
        back("deployment", column, found, "true");
    }
    for (column, value) in [
        ("number", "9"),
        ("step", "'clear'"),
        ("key", "'another'"),
        ("key", "NULL"),
        ("body", "'{}'"),
        ("body", "json_set(body, '$.deployment', 'dep-2')"),
    ] {
        let found = with("transition", column, value, "number = 2");
        let read = backend.transitions(&acme(), &deployment.id).await;
        fails(read, ErrorKind::Corrupt, &["step of a deployment"]);
        back(
            "transition",
            column,
            found,
            if column == "number" {
                "number = 9"
            } else {
                "number = 2"
            },
        );
    }
    for (column, value) in [
        ("revision", "9"),
        ("body", "'{}'"),
        ("body", "json_set(body, '$.prompt', 'q')"),
    ] {
        let found = with("slot", column, value, "true");
        let read = backend.slot_control(&acme(), &name("p"), &production()).await;
        fails(read, ErrorKind::Corrupt, &["slot of deployments"]);
        back("slot", column, found, "true");
    }
    let document = report("dep-1");
    let found = with("document", "body", "body || ' '", "rowid = 1");
    let read = backend.document(&acme(), &document.hash()).await;
    fails(read, ErrorKind::Corrupt, &["document", &document.hash().short()]);
    back("document", "body", found, "rowid = 1");

    assert_eq!(rows(&raw, &tables), before);
    assert_eq!(list().await.unwrap().items, [deployment]);
}
