//! Frozen hashes: content, closure and audit record. See the head of the vectors' file.

use std::collections::BTreeSet;

use chrono::DateTime;
use promptops_core::base::audit::{AuditEntry, AuditRecord};
use promptops_core::base::{Actor, ClosureHash, ContentHash, TenantId};
use promptops_core::prompt::{Content, closure_hash};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    contents: Vec<ContentVector>,
    closures: Vec<ClosureVector>,
    audit_records: Vec<AuditVector>,
}

#[derive(Deserialize)]
struct ContentVector {
    name: String,
    content: serde_json::Value,
    hash: ContentHash,
}

#[derive(Deserialize)]
struct ClosureVector {
    name: String,
    root: ContentHash,
    snippets: Vec<(String, ContentHash)>,
    hash: ClosureHash,
}

#[derive(Deserialize)]
struct AuditVector {
    name: String,
    tenant: TenantId,
    seq: u64,
    previous_hash: String,
    at_micros: i64,
    actor_id: String,
    actor_role: String,
    action: String,
    subject: String,
    detail: String,
    hash: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/content_hash.json")).unwrap()
}

/// 32 bytes from 64 hexadecimal digits.
fn bytes(digits: &str) -> [u8; 32] {
    *format!("sha256:{digits}")
        .parse::<ContentHash>()
        .unwrap()
        .as_bytes()
}

#[test]
fn content_hashes_are_frozen() {
    let vectors = vectors().contents;
    assert!(vectors.len() >= 28, "vectors are only ever added");
    for ContentVector { name, content, hash } in &vectors {
        let content: Content = serde_json::from_value(content.clone()).unwrap();
        assert_eq!(content.hash(), *hash, "{name}");
        // As a store keeps it.
        let kept = Content::from_json(&content.to_json().unwrap(), hash).unwrap();
        assert_eq!(kept, content, "{name}");
    }
    let distinct: BTreeSet<_> = vectors.iter().map(|vector| vector.hash).collect();
    assert!(distinct.len() >= 24, "too many vectors with one hash");
}

#[test]
fn closure_hashes_are_frozen() {
    let vectors = vectors().closures;
    assert!(vectors.len() >= 4, "vectors are only ever added");
    for ClosureVector {
        name,
        root,
        snippets,
        hash,
    } in &vectors
    {
        let snippets: Vec<_> = snippets
            .iter()
            .map(|(reference, found)| (reference.as_str(), *found))
            .collect();
        assert_eq!(closure_hash(root, &snippets), *hash, "{name}");
    }
}

#[test]
fn audit_hashes_are_frozen() {
    let vectors = vectors().audit_records;
    assert!(vectors.len() >= 4, "vectors are only ever added");
    for vector in vectors {
        let record = AuditRecord {
            seq: vector.seq,
            entry: AuditEntry {
                tenant: vector.tenant,
                at: DateTime::from_timestamp_micros(vector.at_micros).unwrap(),
                actor: Actor::new(vector.actor_id, vector.actor_role.parse().unwrap()),
                action: vector.action.parse().unwrap(),
                subject: vector.subject,
                detail: vector.detail,
            },
            previous_hash: bytes(&vector.previous_hash),
            hash: bytes(&vector.hash),
        };
        assert_eq!(record.compute_hash(), record.hash, "{}", vector.name);
    }
}
