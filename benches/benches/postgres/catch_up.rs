//! A listener that was away.

use std::str::FromStr;
use std::time::Instant;

use promptops_benches::measure::Samples;
use promptops_benches::table::{Goal, Table};
use promptops_core::base::{ChangeFeed, Event};
use promptops_store_pg::PgBackend;
use sqlx::postgres::PgConnectOptions;

use crate::database::{Database, execute};

const CHANGES: usize = 10_000;

pub async fn run(database: &Database) {
    let mut table = Table::new("a listener that was away for 10,000 changes", "none");
    let listen = PgConnectOptions::from_str(&database.server.socket_url("postgres"))
        .expect("a URL")
        .application_name("away");
    let backend = PgBackend::options()
        .listen_with(listen)
        .with_pool(database.pool.clone());
    let mut reader = backend.reader().expect("other processes can change something");
    reader.next().await.expect("the server answers");
    let mut samples = Samples::default();
    for _ in 0..5 {
        execute(
            &database.pool,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'away'",
        )
        .await;
        for _ in 0..10 {
            execute(
                &database.pool,
                "INSERT INTO promptops.change (tenant, change)
                    SELECT 'tenant-0000', '{\"type\":\"version_changed\",\"prompt\":\"support/triage-000000\",\"version\":1}'
                    FROM generate_series(1, 1000)",
            )
            .await;
        }
        assert!(reader.next().await.is_err(), "its connection is lost");
        let begin = Instant::now();
        let events = reader.next().await.expect("the server is there");
        samples.push(begin.elapsed().as_nanos() as f64);
        assert_eq!(events.len(), CHANGES, "all are told");
        assert!(!events.contains(&Event::Missed), "and all are read");
    }
    table.times(
        "ChangeReader::next, connecting included",
        samples.median(),
        None,
        Goal::None,
    );
}
