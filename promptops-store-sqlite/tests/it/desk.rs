//! Shared by the tests: short ways to make changes.

use std::path::Path;
use std::sync::Arc;

use promptops_core::base::audit::{Audit, AuditAction, AuditEntry};
use promptops_core::base::{Actor, EnvironmentName, PromptName, TenantId, Timestamp};
use promptops_core::environment::{EnvironmentStore, MoveKind, Pointer, PointerMove};
use promptops_core::prompt::{Content, NewVersion, Reference, Status, Store, Version, closure_hash};
use promptops_core::{Error, ErrorKind, Result};
use promptops_store_sqlite::SqliteBackend;

pub fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

pub fn name(name: &str) -> PromptName {
    PromptName::new(name).unwrap()
}

pub fn production() -> EnvironmentName {
    EnvironmentName::new("production").unwrap()
}

pub fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

pub fn audit(action: AuditAction, subject: &str) -> AuditEntry {
    AuditEntry {
        tenant: acme(),
        at: Timestamp::default(),
        actor: Actor::owner("ana"),
        action,
        subject: subject.into(),
        detail: "{}".into(),
    }
}

pub fn draft(prompt: &str, text: &str) -> NewVersion {
    let content = Content::text(text);
    NewVersion {
        tenant: acme(),
        prompt: name(prompt),
        hash: content.hash(),
        content: Arc::new(content),
        includes: Vec::new(),
        semver: None,
        parents: None,
        author: Actor::owner("ana"),
        message: String::new(),
        tags: Vec::new(),
        status: Status::Draft,
        created_at: Timestamp::default(),
        audit: audit(AuditAction::SaveVersion, ""),
    }
}

pub fn promotion(version: &Version, expected_revision: u64) -> PointerMove {
    PointerMove {
        tenant: acme(),
        prompt: version.prompt.clone(),
        environment: production(),
        kind: MoveKind::Promote,
        to: version.number,
        closure_hash: closure_hash(&version.hash, &[]),
        expected_revision,
        policy_revision: 0,
        source: None,
        actor: Actor::owner("ana"),
        reason: String::new(),
        waiver: None,
        at: Timestamp::default(),
        audit: audit(AuditAction::Promote, &format!("{}@production", version.prompt)),
    }
}

pub async fn save(backend: &SqliteBackend, prompt: &str, text: &str) -> Version {
    backend.save_version(draft(prompt, text)).await.unwrap().version
}

/// Promotes on top of whatever is live, however often others are faster.
pub async fn promote(backend: &SqliteBackend, version: &Version) -> Result<Pointer> {
    let mut revision = 0;
    loop {
        match backend.move_pointer(promotion(version, revision)).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                revision = error.current_revision().unwrap();
            }
            result => return result,
        }
    }
}

pub fn audit_log(backend: &SqliteBackend) -> Audit {
    Audit::new(Arc::new(backend.clone()), acme())
}

/// A connection of another program.
pub fn raw(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).unwrap()
}

#[track_caller]
pub fn fails<T>(result: Result<T>, kind: ErrorKind, words: &[&str]) -> Error {
    let error = result.err().expect("the call should fail");
    assert_eq!(error.kind(), kind, "{error:?}");
    for word in words {
        assert!(error.to_string().contains(word), "{error} lacks {word:?}");
    }
    error
}
