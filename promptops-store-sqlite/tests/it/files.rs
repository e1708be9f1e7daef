//! Opening: what is refused, and how it is said.

use std::path::Path;
use std::time::{Duration, Instant};

use promptops_core::ErrorKind;
use promptops_core::base::PageRequest;
use promptops_core::prompt::{PromptFilter, Store};
use promptops_store_sqlite::SqliteBackend;

use crate::desk::{acme, draft, fails, name, raw, save};

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    raw(&path)
        .execute_batch(
            "CREATE TABLE promptops_schema (version INTEGER PRIMARY KEY, applied_by TEXT NOT NULL) STRICT;
            INSERT INTO promptops_schema VALUES (1, 'old'), (99, 'new');",
        )
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = fails(
        SqliteBackend::open(&path).await,
        ErrorKind::Unsupported,
        &[
            "schema 99",
            "newer than 6",
            "use the release that wrote it",
            "prompts.db",
        ],
    );
    assert!(!error.is_retryable());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, 1);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    let text = "Not a database, but notes that somebody still needs.\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    fails(
        SqliteBackend::open(&path).await,
        ErrorKind::Corrupt,
        &["not a SQLite database", "notes.txt"],
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn paths_that_cannot_be_a_database_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let missing = SqliteBackend::open(dir.path().join("no/such/prompts.db")).await;
    fails(
        missing,
        ErrorKind::Invalid,
        &["directory of the database does not exist", "no/such"],
    );
    fails(
        SqliteBackend::open(dir.path()).await,
        ErrorKind::Invalid,
        &["is a directory"],
    );
    for path in ["", ":memory:"] {
        fails(
            SqliteBackend::open(path).await,
            ErrorKind::Invalid,
            &["needs a file"],
        );
    }
}

#[tokio::test]
async fn a_path_like_a_uri_is_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file:odd?mode=memory&x=%41.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    save(&backend, "p", "one").await;
    backend.close().await;
    assert!(path.is_file());
}

#[tokio::test]
async fn the_hosts_tables_and_user_version_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("host.db");
    raw(&path)
        .execute_batch("CREATE TABLE prompt (id); INSERT INTO prompt VALUES (7); PRAGMA user_version = 42;")
        .unwrap();
    let backend = SqliteBackend::open(&path).await.unwrap();
    save(&backend, "p", "one").await;
    backend.close().await;
    let raw = raw(&path);
    let version: i64 = raw
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 42);
    let foreign: Vec<String> = raw
        .prepare("SELECT name FROM sqlite_schema WHERE tbl_name NOT LIKE 'promptops\\_%' ESCAPE '\\'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(foreign, ["prompt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_open_a_new_file_at_once() {
    for _ in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("prompts.db");
        let mut opening = tokio::task::JoinSet::new();
        for n in 0..6 {
            let path = path.clone();
            opening.spawn(async move {
                let backend = SqliteBackend::open(path).await.unwrap();
                save(&backend, "p", &n.to_string()).await
            });
        }
        let mut numbers: Vec<_> = opening.join_all().await.iter().map(|v| v.number.get()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    }
}

#[tokio::test]
async fn a_lock_held_too_long_is_unavailable_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prompts.db");
    let patience = Duration::from_millis(100);
    let open = || SqliteBackend::options().busy_timeout(patience).open(&path);
    let backend = open().await.unwrap();
    save(&backend, "p", "one").await;

    let other = raw(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begin = Instant::now();
    let error = fails(
        backend.save_version(draft("p", "two")).await,
        ErrorKind::Unavailable,
        &["another connection", "try again"],
    );
    assert!(error.is_retryable());
    assert!(begin.elapsed() >= patience);
    // Reading goes on, also for who opens now.
    let second = open().await.unwrap();
    assert!(second.prompt(&acme(), &name("p")).await.unwrap().is_some());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(save(&backend, "p", "two").await.number.get(), 2);
    backend.close().await;
    second.close().await;

    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE host (id);")
        .unwrap();
    fails(open().await, ErrorKind::Unavailable, &["prompts.db"]);
    drop(other);
    open().await.unwrap();
}

#[tokio::test]
async fn lists_go_by_byte_order_of_names_and_prefixes() {
    let dir = tempfile::tempdir().unwrap();
    let backend = SqliteBackend::open(dir.path().join("prompts.db")).await.unwrap();
    for prompt in ["a/b", "a", "a-b", "a/b/c", "a0", "b", "a/", "a_"]
        .iter()
        .filter(|n| !n.ends_with('/'))
    {
        save(&backend, prompt, "x").await;
    }
    for (prefix, expected) in [
        (None, vec!["a", "a-b", "a/b", "a/b/c", "a0", "a_", "b"]),
        (Some("a/"), vec!["a/b", "a/b/c"]),
        (Some(""), vec!["a", "a-b", "a/b", "a/b/c", "a0", "a_", "b"]),
        (Some("a_"), vec!["a_"]),
        (Some("%"), vec![]),
        (Some("ä"), vec![]),
        (Some("\0"), vec![]),
    ] {
        let filter = PromptFilter {
            prefix: prefix.map(str::to_owned),
            ..PromptFilter::default()
        };
        let mut names = Vec::new();
        let mut page = PageRequest::first(2);
        loop {
            let found = backend.list_prompts(&acme(), &filter, &page).await.unwrap();
            names.extend(found.items.into_iter().map(|record| record.name.to_string()));
            match found.next {
                Some(cursor) => page = page.after(cursor),
                None => break,
            }
        }
        assert_eq!(names, expected, "{prefix:?}");
    }
}

/// Called in a process that may read the file but not write it.
pub async fn open_read_only(path: &Path) {
    let error = SqliteBackend::open(path).await.expect_err("read-only");
    println!("\nack {} {error}", error.kind());
}

#[test]
fn a_follower_that_nobody_runs_does_not_hold_up_closing() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.db");
    let idle = runtime();
    let (backend, _ops) = idle.block_on(async {
        let backend = SqliteBackend::open(&path).await.unwrap();
        let ops = promptops_core::PromptOps::builder(backend.clone()).build();
        tokio::time::sleep(Duration::from_millis(50)).await;
        (backend, ops)
    });
    // From now on nobody runs the follower, but its runtime is there.
    runtime().block_on(async {
        let other = SqliteBackend::open(&path).await.unwrap();
        for text in ["one", "two", "three"] {
            save(&other, "triage", text).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        let closed = tokio::time::timeout(Duration::from_secs(10), backend.close()).await;
        closed.expect("it closes");
    });
}
