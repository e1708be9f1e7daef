//! The database refuses to change what never changes, and what was changed behind its back is found.

use promptops_core::ErrorKind;
use promptops_core::base::audit::AuditAction;
use promptops_core::base::{ClosureHash, DatasetName, PageRequest};
use promptops_core::environment::{Approval, ApprovalEntry, EnvironmentStore};
use promptops_core::evaluation::{EvaluationStore, Evidence, EvidenceRecord};
use promptops_core::prompt::{Store, VersionFilter};
use promptops_store_sqlite::SqliteBackend;

use crate::desk::{acme, audit, audit_log, draft, fails, name, production, promote, raw, reference, save};

/// A database with a row in every table that is only added to.
async fn filled(path: &std::path::Path) -> SqliteBackend {
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
        dataset_version: 1,
        run: "r1".into(),
        entries: 2,
        passed: 1,
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

#[tokio::test]
async fn the_database_refuses_to_change_what_never_changes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = filled(&path).await;
    let raw = raw(&path);
    let columns = |table: &str| {
        let mut statement = raw
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
            .unwrap();
        let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        names.map(Result::unwrap).collect::<Vec<_>>()
    };
    for table in [
        "promptops_version",
        "promptops_history",
        "promptops_approval",
        "promptops_evidence",
        "promptops_audit",
    ] {
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
        for column in columns(table) {
            if (table, column.as_str()) != ("promptops_version", "status") {
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
