//! The database refuses to change what never changes, and what was changed behind its back is found.

use promptops_core::ErrorKind;
use promptops_core::base::audit::AuditAction;
use promptops_core::base::{Actor, ClosureHash, DatasetName, PageRequest, RunId, Timestamp, VersionNumber};
use promptops_core::environment::{Approval, ApprovalEntry, EnvironmentStore};
use promptops_core::evaluation::run::{Claim, Claimed, EvaluatorRecord, Recorded, ResultBatch};
use promptops_core::evaluation::{
    DatasetHasher, DatasetStore, Entry, EntryResult, EvaluationStore, Evidence, EvidenceRecord, NewDataset,
    Run, RunState,
};
use promptops_core::prompt::{Store, VersionFilter};
use promptops_store_sqlite::SqliteBackend;

use crate::desk::{acme, audit, audit_log, draft, fails, name, production, promote, raw, reference, save};

/// A database with a row in every table that is only added to.
pub async fn filled(path: &std::path::Path) -> SqliteBackend {
    let backend = SqliteBackend::open(path).await.unwrap();
    let mut new = draft("p", "one");
    new.semver = Some("1.0.0".parse().unwrap());
    let version = backend.save_version(new).await.unwrap().version;
    promote(&backend, &version).await.unwrap();
    let at = version.created_at;
    let approval = Approval {
        prompt: version.prompt.clone(),
        environment: production(),
        version: version.number,
        closure_hash: ClosureHash::from_bytes([7; 32]),
        base_revision: 1,
        approved_by: version.author.clone(),
        note: String::new(),
        at,
    };
    let entry = ApprovalEntry {
        tenant: acme(),
        approval,
        audit: audit(AuditAction::Approve, "p@production"),
    };
    backend.approve(entry).await.unwrap();
    let evidence = Evidence {
        prompt: version.prompt.clone(),
        closure_hash: ClosureHash::from_bytes([7; 32]),
        dataset: DatasetName::new("golden").unwrap(),
        dataset_version: VersionNumber::FIRST,
        run: "r1".into(),
        entries: 2,
        passed: 1,
        dimensions: [("format".to_owned(), 0.5)].into(),
        judges: Default::default(),
    };
    let record = EvidenceRecord {
        tenant: acme(),
        evidence,
        recorded_by: version.author.clone(),
        recorded_at: at,
        audit: audit(AuditAction::RecordEvidence, "p on golden v1"),
    };
    backend.record_evidence(record).await.unwrap();
    backend
}

/// That a table with rows in it only grows, but for these of its columns.
pub fn only_grows(raw: &rusqlite::Connection, table: &str, but: &[&str]) {
    let mut statement = raw
        .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
        .unwrap();
    let columns = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let count = || -> i64 {
        raw.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .unwrap()
    };
    assert!(count() > 0, "{table}");
    let mut attempts = vec![
        format!("DELETE FROM {table}"),
        format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table}"),
        format!("REPLACE INTO {table} SELECT * FROM {table}"),
    ];
    for column in columns.map(Result::unwrap) {
        if !but.contains(&column.as_str()) {
            attempts.push(format!("UPDATE {table} SET {column} = {column}"));
            attempts.push(format!("UPDATE OR REPLACE {table} SET {column} = {column}"));
        }
    }
    for attempt in attempts {
        let error = raw.execute_batch(&attempt).unwrap_err();
        assert!(error.to_string().contains("promptops: "), "{attempt}: {error}");
    }
    assert!(count() > 0, "{table}");
}

#[tokio::test]
async fn the_database_refuses_to_change_what_never_changes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = filled(&path).await;
    let raw = raw(&path);
    only_grows(&raw, "promptops_version", &["status"]);
    for table in ["history", "approval", "evidence", "audit"] {
        only_grows(&raw, &format!("promptops_{table}"), &[]);
    }
    for attempt in [
        // The same semver under another number, and the same row under another number.
        "INSERT OR REPLACE INTO promptops_version SELECT prompt, 2, zeroblob(32), semver, parents, author_id,
            author_role, message, status, created_at, content FROM promptops_version",
        "INSERT OR REPLACE INTO promptops_version (rowid, prompt, number, hash, parents, author_id, author_role,
            message, status, created_at, content) SELECT rowid, prompt, 2, zeroblob(32), parents, author_id,
            author_role, message, status, created_at, content FROM promptops_version",
        "INSERT OR REPLACE INTO promptops_version SELECT prompt, 2, hash, NULL, parents, author_id,
            author_role, message, status, created_at, content FROM promptops_version",
        "UPDATE promptops_prompt SET name = 'other'",
    ] {
        let error = raw.execute_batch(attempt).unwrap_err();
        assert!(error.to_string().contains("promptops: "), "{attempt}: {error}");
    }
    raw.execute_batch("UPDATE promptops_version SET status = 'active'")
        .unwrap();
    assert_eq!(audit_log(&backend).verify().await.unwrap(), 4);
}

/// A database with a dataset of two entries, and a run with a result.
async fn evaluated(path: &std::path::Path) -> SqliteBackend {
    let backend = SqliteBackend::open(path).await.unwrap();
    let entries = ["a", "b"].map(|id| Entry::new(id, serde_json::Map::new()));
    let mut hasher = DatasetHasher::new();
    entries.iter().for_each(|entry| hasher.add(entry));
    let by = Actor::owner("ana");
    let new = NewDataset {
        tenant: acme(),
        name: DatasetName::new("golden").unwrap(),
        hash: hasher.finish(),
        entries: std::sync::Arc::new(entries.into()),
        expected_latest: None,
        prompt: None,
        metadata: serde_json::Map::new(),
        message: String::new(),
        created_by: by.clone(),
        created_at: Timestamp::default(),
        audit: audit(AuditAction::SaveDataset, ""),
    };
    let golden = backend.save_dataset(new).await.unwrap().dataset;
    let run = Run {
        id: run(),
        prompt: name("p"),
        version: VersionNumber::FIRST,
        closure_hash: ClosureHash::from_bytes([7; 32]),
        dataset: golden.name,
        dataset_version: golden.version,
        entries: golden.entries,
        evaluator: EvaluatorRecord {
            provider: "p".into(),
            model: "m".into(),
            repeats: 1,
            criteria: Vec::new(),
        },
        state: RunState::Running,
        started_by: by,
        started_at: Timestamp::default(),
    };
    let entry = audit(AuditAction::StartRun, "run-1");
    backend.create_run(&acme(), run, entry).await.unwrap();
    claim(&backend).await.unwrap();
    record(&backend, 0, "a").await.unwrap();
    backend
}

fn run() -> RunId {
    RunId::new("run-1").unwrap()
}

async fn claim(backend: &SqliteBackend) -> promptops_core::Result<Claimed> {
    let claim = Claim {
        tenant: acme(),
        run: run(),
        worker: "w".into(),
        limit: 9,
        now: Timestamp::default(),
        until: Timestamp::default(),
    };
    backend.claim_tasks(claim).await
}

async fn record(backend: &SqliteBackend, ordinal: u64, entry: &str) -> promptops_core::Result<Recorded> {
    let result = EntryResult {
        ordinal,
        entry: entry.into(),
        repeat: 0,
        output: None,
        finish: None,
        error: None,
        scores: Vec::new(),
        latency: std::time::Duration::ZERO,
        usage: Default::default(),
        cost: None,
        cached: false,
        model: None,
        at: Timestamp::default(),
    };
    let batch = ResultBatch {
        tenant: acme(),
        run: run(),
        results: vec![result],
    };
    backend.record_results(batch).await
}

#[tokio::test]
async fn the_database_refuses_to_change_datasets_runs_and_results() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = evaluated(&path).await;
    let raw = raw(&path);
    for table in ["dataset_version", "dataset_entry", "result"] {
        only_grows(&raw, &format!("promptops_{table}"), &[]);
    }
    only_grows(&raw, "promptops_run", &["state", "next_task"]);
    for attempt in [
        "UPDATE promptops_dataset SET name = 'other'",
        "INSERT OR REPLACE INTO promptops_dataset_version SELECT dataset, 2, hash, first_entry, entries, prompt, metadata,
            message, created_by_id, created_by_role, created_at FROM promptops_dataset_version",
        "INSERT OR REPLACE INTO promptops_result (rowid, run, task, result) SELECT rowid, run, 1, result
            FROM promptops_result",
        "INSERT OR REPLACE INTO promptops_result (run, task, result) SELECT run, task, '{}' FROM promptops_result",
    ] {
        let error = raw.execute_batch(attempt).unwrap_err();
        assert!(error.to_string().contains("promptops: "), "{attempt}: {error}");
    }
    record(&backend, 1, "b").await.unwrap();
    assert_eq!(backend.count_results(&acme(), &run()).await.unwrap(), 2);
}

#[tokio::test]
async fn evaluations_changed_behind_the_backend_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = evaluated(&path).await;
    let raw = raw(&path);
    raw.execute_batch(
        "DROP TRIGGER promptops_dataset_entry_update; DROP TRIGGER promptops_dataset_entry_delete;
        DROP TRIGGER promptops_result_update; DROP TRIGGER promptops_run_identity;
        UPDATE promptops_result SET result = '{}'",
    )
    .unwrap();
    let (all, of) = (PageRequest::default(), DatasetName::new("golden").unwrap());
    let read = backend.results(&acme(), &run(), &all).await;
    fails(read, ErrorKind::Corrupt, &["result cannot be read back"]);
    raw.execute_batch("UPDATE promptops_dataset_entry SET entry = '{\"id\": 7}'")
        .unwrap();
    let words = ["entry of a dataset cannot be read back"];
    let read = backend.entries(&acme(), &of, VersionNumber::FIRST, &all).await;
    fails(read, ErrorKind::Corrupt, &words);
    fails(claim(&backend).await, ErrorKind::Corrupt, &words);
    raw.execute_batch("DELETE FROM promptops_dataset_entry").unwrap();
    let words = ["list of a dataset's entries"];
    let read = backend.entries(&acme(), &of, VersionNumber::FIRST, &all).await;
    fails(read, ErrorKind::Corrupt, &words);
    fails(claim(&backend).await, ErrorKind::Corrupt, &words);
    for (column, value) in [
        ("evaluator", "{}"),
        ("state", r#"{"status":"asleep"}"#),
        ("state", ""),
    ] {
        let sql = format!("UPDATE promptops_run SET {column} = ?1");
        raw.execute(&sql, [value]).unwrap();
        fails(
            backend.run(&acme(), &run()).await,
            ErrorKind::Corrupt,
            &["of a run cannot be read back"],
        );
    }
    fails(claim(&backend).await, ErrorKind::Corrupt, &["state of a run"]);
    fails(
        record(&backend, 1, "b").await,
        ErrorKind::Corrupt,
        &["state of a run"],
    );
}

#[tokio::test]
async fn a_version_changed_behind_the_backend_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = filled(&path).await;
    let raw = raw(&path);
    raw.execute_batch(
        "DROP TRIGGER promptops_version_update;
        UPDATE promptops_version SET content = replace(content, 'one', 'two');",
    )
    .unwrap();
    for text in ["p", "p@v1", "p@production"] {
        let found = backend.find(&acme(), &[reference(text)]).await;
        fails(found, ErrorKind::Corrupt, &["it was changed", "p v1", "acme"]);
    }
    let listed = backend
        .list_versions(
            &acme(),
            &name("p"),
            &VersionFilter::default(),
            &PageRequest::default(),
        )
        .await;
    fails(listed, ErrorKind::Corrupt, &["p v1"]);
    raw.execute_batch("UPDATE promptops_version SET content = 'no JSON'")
        .unwrap();
    fails(
        backend.find(&acme(), &[reference("p")]).await,
        ErrorKind::Corrupt,
        &["cannot be read"],
    );
}

#[tokio::test]
async fn a_flipped_byte_in_the_audit_log_is_found_and_the_record_named() {
    for change in [
        "detail = '{ }'",
        "subject = subject || 'x'",
        "at = at + 1",
        "actor_id = 'bob'",
        "actor_role = 'member'",
        "action = 'promote'",
        "hash = zeroblob(32)",
        "previous_hash = zeroblob(32)",
        "actor_role = 'emperor'",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("prompts.db");
        let backend = filled(&path).await;
        let raw = raw(&path);
        raw.execute_batch("DROP TRIGGER promptops_audit_update").unwrap();
        raw.execute_batch(&format!("UPDATE promptops_audit SET {change} WHERE seq = 3"))
            .unwrap();
        let error = fails(
            audit_log(&backend).verify().await,
            ErrorKind::Corrupt,
            &["audit record: 3"],
        );
        assert!(!error.message().is_empty(), "{change}");
    }
}

#[tokio::test]
async fn a_deleted_end_of_the_audit_log_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = filled(&path).await;
    let raw = raw(&path);
    raw.execute_batch("DROP TRIGGER promptops_audit_delete; DELETE FROM promptops_audit WHERE seq > 2")
        .unwrap();
    let verified = audit_log(&backend).verify().await;
    fails(
        verified,
        ErrorKind::Corrupt,
        &["ends at record 2", "record 4 was written"],
    );
    // Going on writing does not hide it.
    save(&backend, "p", "two").await;
    fails(
        audit_log(&backend).verify().await,
        ErrorKind::Corrupt,
        &["record 3 is missing"],
    );
}

#[tokio::test]
async fn an_audit_log_cut_with_its_head_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = filled(&path).await;
    let audit = audit_log(&backend);
    let anchor = audit.head().await.unwrap().unwrap();
    assert_eq!(anchor.seq, 4);
    assert_eq!(audit.verify_since(&anchor).await.unwrap(), 4);
    let raw = raw(&path);
    raw.execute_batch(
        "DROP TRIGGER promptops_audit_delete; DROP TRIGGER promptops_audit_update;
        DELETE FROM promptops_audit WHERE seq > 2; DELETE FROM promptops_audit_head;",
    )
    .unwrap();
    fails(
        audit.verify().await,
        ErrorKind::Corrupt,
        &["head", "is gone", "acme"],
    );
    // Nothing can be written on top of it either.
    let new = backend.save_version(draft("p", "two")).await;
    fails(new, ErrorKind::Backend, &["would break its rules"]);
    // A head that fits hides it, but from who has kept the true one.
    raw.execute_batch(
        "INSERT INTO promptops_audit_head SELECT tenant, seq, hash FROM promptops_audit WHERE seq = 2",
    )
    .unwrap();
    assert_eq!(audit.verify().await.unwrap(), 2);
    let verified = audit.verify_since(&anchor).await;
    fails(
        verified,
        ErrorKind::Corrupt,
        &["ends before record 4", "anchored", "acme"],
    );
    for text in ["two", "three"] {
        save(&backend, "p", text).await;
    }
    assert_eq!(audit.verify().await.unwrap(), 4);
    let verified = audit.verify_since(&anchor).await;
    fails(verified, ErrorKind::Corrupt, &["record 4 is not the one"]);
}

#[tokio::test]
async fn a_deleted_audit_log_is_found_by_a_head_kept_outside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = filled(&path).await;
    let audit = audit_log(&backend);
    let anchor = audit.head().await.unwrap().unwrap();
    raw(&path)
        .execute_batch(
            "DROP TRIGGER promptops_audit_delete; DELETE FROM promptops_audit; DELETE FROM promptops_audit_head;",
        )
        .unwrap();
    assert_eq!(audit.verify().await.unwrap(), 0);
    let verified = audit.verify_since(&anchor).await;
    fails(verified, ErrorKind::Corrupt, &["ends before record 4"]);
}
