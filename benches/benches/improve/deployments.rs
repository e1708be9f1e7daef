//! Steps of deployments in memory and on SQLite; those on PostgreSQL are a section of that bench.

use promptops_benches::table::{Goal, Table};
use promptops_benches::transitions::Transitions;
use promptops_core::{MemoryBackend, PromptOps};
use promptops_store_sqlite::SqliteBackend;
use rusqlite::Connection;

pub async fn run() {
    let mut table = Table::new(
        "steps of deployments",
        "bare rusqlite: a transaction of one changed row with an fsync in the same directory",
    );
    let ops = PromptOps::builder(MemoryBackend::new()).build();
    let took = Transitions::measure(&ops.tenant("acme").expect("a name"), || std::future::ready(())).await;
    took.rows(&mut table, "memory", false, Goal::None);

    let directory = tempfile::tempdir().expect("a directory");
    let backend = SqliteBackend::open(directory.path().join("prompts.db"))
        .await
        .expect("it opens");
    let ops = PromptOps::builder(backend).build();
    let bare = Connection::open(directory.path().join("floor.db")).expect("it opens");
    bare.execute_batch(
        "PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        CREATE TABLE floor (n INTEGER NOT NULL);
        INSERT INTO floor VALUES (0);",
    )
    .expect("the table is made");
    let floor = move || {
        bare.prepare_cached("UPDATE floor SET n = n + 1")
            .and_then(|mut update| update.execute([]))
            .expect("it commits");
        std::future::ready(())
    };
    let took = Transitions::measure(&ops.tenant("acme").expect("a name"), floor).await;
    took.rows(&mut table, "SQLite", true, Goal::AtMost(10e6));
}
