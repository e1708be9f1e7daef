//! Promoting with a full gate on SQLite, every commit on disk when the call returns.

use std::path::Path;
use std::sync::Arc;

use promptops_benches::gated::World;
use promptops_benches::is_bench;
use promptops_benches::measure::Samples;
use promptops_benches::table::{Goal, Table};
use promptops_core::PromptOps;
use promptops_core::base::ClosureHash;
use promptops_store_sqlite::SqliteBackend;
use rusqlite::{Connection, TransactionBehavior, params};

const PROMOTIONS: usize = 400;
const RACES: usize = 60;
const RACERS: usize = 8;

fn main() {
    if !is_bench() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let mut table = Table::new(
        "promote on SQLite, synchronous = FULL",
        "bare rusqlite: one transaction with the same four rows and an fsync in the same directory",
    );
    runtime.block_on(async {
        let backend = SqliteBackend::open(directory.path().join("prompts.db"))
            .await
            .expect("it opens");
        let world = World::new(&PromptOps::builder(backend).build()).await;
        let mut floor = Floor::open(directory.path());
        let (mut open, mut gated, mut bare) = (Samples::default(), Samples::default(), Samples::default());
        for i in 0..PROMOTIONS {
            let version = &world.versions[i % 2];
            let begin = std::time::Instant::now();
            world.stage(version).await;
            open.push(begin.elapsed().as_nanos() as f64);
            world.approve(version).await;
            let begin = std::time::Instant::now();
            world.promote(version).await;
            gated.push(begin.elapsed().as_nanos() as f64);
            bare.time(|| floor.promote(i));
        }
        table.spread("without a policy", &open, Some(&bare), Goal::AtMost(10e6));
        table.spread("full gate", &gated, Some(&bare), Goal::AtMost(10e6));

        let (mut raced, mut races) = (Samples::default(), 0);
        for i in 0..RACES {
            let version = &world.versions[i % 2];
            world.stage(version).await;
            world.approve(version).await;
            let before = world.revision().await;
            let racers: Vec<_> = (0..RACERS)
                .map(|_| {
                    let (world, version) = (Arc::clone(&world), version.clone());
                    tokio::spawn(async move {
                        let begin = std::time::Instant::now();
                        let won = world.race(&version, before).await;
                        (won, begin.elapsed())
                    })
                })
                .collect();
            let mut winners = 0;
            for racer in racers {
                let (won, took) = racer.await.expect("it does not panic");
                winners += usize::from(won);
                raced.push(took.as_nanos() as f64);
            }
            races += usize::from(winners == 1 && world.revision().await == before + 1);
        }
        table.spread(
            "full gate, 8 racing for one slot, each",
            &raced,
            None,
            Goal::AtMost(10e6),
        );
        table.row(
            [
                "races with one winner",
                &format!("{races} of {RACES}"),
                "",
                "",
                "all",
            ],
            Some(races == RACES),
        );
    });
}

struct Floor(Connection);

impl Floor {
    fn open(directory: &Path) -> Self {
        let connection = Connection::open(directory.join("floor.db")).expect("it opens");
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL;
                PRAGMA synchronous = FULL;
                CREATE TABLE pointer (prompt INTEGER, environment TEXT, version INTEGER, hash BLOB, revision INTEGER,
                    by TEXT, role TEXT, at INTEGER, PRIMARY KEY (prompt, environment)) WITHOUT ROWID;
                CREATE TABLE history (prompt INTEGER, environment TEXT, revision INTEGER, kind TEXT, was INTEGER,
                    version INTEGER, hash BLOB, by TEXT, role TEXT, reason TEXT, at INTEGER,
                    PRIMARY KEY (prompt, environment, revision)) WITHOUT ROWID;
                CREATE TABLE audit (tenant INTEGER, seq INTEGER, at INTEGER, by TEXT, role TEXT, action TEXT,
                    subject TEXT, detail TEXT, previous BLOB, hash BLOB, PRIMARY KEY (tenant, seq)) WITHOUT ROWID;
                CREATE TABLE head (tenant INTEGER PRIMARY KEY, seq INTEGER, hash BLOB);",
            )
            .expect("the tables are made");
        Self(connection)
    }

    fn promote(&mut self, i: usize) {
        let (i, hash, at) = (
            i as i64,
            ClosureHash::from_bytes([7; 32]),
            1_767_225_600_000_000_i64,
        );
        let hash = hash.as_bytes();
        let detail = "x".repeat(600);
        let mut run = || {
            let tx = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
            tx.prepare_cached(
                "INSERT OR REPLACE INTO pointer VALUES (1, 'production', ?1, ?2, ?3, 'bo', 'owner', ?4)",
            )?
            .execute(params![i % 2, hash, i, at])?;
            tx.prepare_cached(
                "INSERT INTO history VALUES (1, 'production', ?1, 'promote', ?2, ?2, ?3, 'bo', 'owner', '', ?4)",
            )?
            .execute(params![i, i % 2, hash, at])?;
            tx.prepare_cached(
                "INSERT INTO audit VALUES (1, ?1, ?2, 'bo', 'owner', 'promote', 'triage@production', ?3, ?4, ?4)",
            )?
            .execute(params![i, at, detail, hash])?;
            tx.prepare_cached("INSERT OR REPLACE INTO head VALUES (1, ?1, ?2)")?
                .execute(params![i, hash])?;
            tx.commit()
        };
        let result: rusqlite::Result<()> = run();
        result.expect("it commits");
    }
}
