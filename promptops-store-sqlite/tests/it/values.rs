//! What is stored comes back byte for byte.

use promptops_core::base::PageRequest;
use promptops_core::environment::EnvironmentStore;
use promptops_core::prompt::{Lookup, Store};
use promptops_store_sqlite::SqliteBackend;

use crate::desk::{acme, draft, name, production, promotion, reference};

#[tokio::test]
async fn nul_bytes_and_large_texts_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(dir.path().join("prompts.db")).await.unwrap();
    let mut text = "\0größer\u{10ffff}\0".repeat(60_000);
    text.truncate(900_000);
    let mut new = draft("p", &text);
    new.message = "before\0after".into();
    new.author.id = "ana\0b".into();
    new.audit.detail = "\0".into();
    let saved = backend.save_version(new).await.unwrap().version;
    let mut change = promotion(&saved, 0);
    change.reason = "\0why\0".into();
    backend.move_pointer(change).await.unwrap();

    let Lookup::Found(found) = backend
        .find(&acme(), &[reference("p@production")])
        .await
        .unwrap()
        .remove(0)
    else {
        panic!("not found");
    };
    assert_eq!(found.version.content, saved.content);
    assert_eq!(found.version.message, "before\0after");
    assert_eq!(found.version.author.id, "ana\0b");
    let history = backend
        .history(&acme(), &name("p"), &production(), &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(history.items[0].reason, "\0why\0");
    assert_eq!(crate::desk::audit_log(&backend).verify().await.unwrap(), 2);
}

#[tokio::test]
async fn one_call_sees_one_state_of_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let v1 = crate::desk::save(&backend, "p", "one").await;
    let writer = SqliteBackend::open(&path).await.unwrap();
    let moves = tokio::spawn(async move {
        for _ in 0..200 {
            crate::desk::promote(&writer, &v1).await.unwrap();
        }
    });
    let references = vec![reference("p@production"); 20];
    while !moves.is_finished() {
        let found = backend.find(&acme(), &references).await.unwrap();
        let revisions: Vec<_> = found
            .iter()
            .map(|lookup| match lookup {
                Lookup::Found(found) => found.revision,
                Lookup::Missing(_) => None,
            })
            .collect();
        assert!(
            revisions.iter().all(|revision| *revision == revisions[0]),
            "{revisions:?}"
        );
    }
    moves.await.unwrap();
}
