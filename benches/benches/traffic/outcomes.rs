//! Outcomes of a million units through the recorder.

use std::time::Duration;

use promptops_core::experiment::Outcome;
use promptops_store_sqlite::SqliteBackend;
use rusqlite::types::Value;
use sqlx::postgres::PgPool;

use crate::database::Database;
use crate::rows::{self, Intake, Side};
use crate::world::World;

const ROUNDS: usize = 5;
const UNITS: usize = 1_000_000 / ROUNDS;
/// Rows of a commit of the floor: what the recorder takes at most.
const BATCH: usize = 16_384;

pub async fn run() {
    sqlite().await;
    postgres().await;
}

/// Reports outcomes of units as fast as they are taken.
async fn report(world: &World, from: usize) {
    let outcomes = world.acme.outcomes();
    let mut stamps = world.stamps();
    for i in from..from + UNITS {
        if i.is_multiple_of(256) {
            while outcomes.stats().queued > 49_152 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let outcome = Outcome::success(i % 10 < 6).latency(Duration::from_millis(700));
        let recorded = outcomes.record(world.with_unit(&mut stamps, i), outcome);
        assert!(recorded.is_queued(), "{recorded:?}");
    }
    let stats = outcomes
        .flush(Duration::from_secs(600))
        .await
        .expect("it is written");
    assert_eq!(stats.written, (from + UNITS) as u64, "{stats:?}");
}

fn print(world: &World, intake: &Intake, what: &str, floor: &str, least: f64) {
    intake.print(&format!("1,000,000 outcomes into {what}"), floor, least);
    let stats = world.acme.outcomes().stats();
    println!("  in {} batches", stats.batches);
}

async fn sqlite() {
    let directory = tempfile::tempdir().expect("a directory");
    let [file, copy] = ["ours.db", "floor.db"].map(|name| directory.path().join(name));
    let world = World::new(SqliteBackend::open(&file).await.expect("it opens")).await;
    // The same tables.
    SqliteBackend::open(&copy).await.expect("it opens").close().await;
    let mut floor = rows::bare(&copy);
    let mut intake = Intake::default();
    let mut last = i64::MIN;
    for round in 0..ROUNDS {
        intake
            .round(Side::Ours, UNITS, None, report(&world, round * UNITS))
            .await;
        let mut rows = rows::read(
            &file,
            &format!("SELECT * FROM promptops_outcome WHERE at > {last} ORDER BY at"),
        );
        assert_eq!(rows.len(), UNITS);
        // The column `at` is the last.
        last = rows.last().map_or(last, |row| integer(&row[row.len() - 1]));
        for batch in rows.chunks_mut(BATCH) {
            batch.sort_by_key(|row| integer(&row[1]));
        }
        let write = async {
            for batch in rows.chunks(BATCH) {
                rows::add(&mut floor, "promptops_outcome", batch);
            }
        };
        intake.round(Side::Floor, UNITS, None, write).await;
    }
    print(
        &world,
        &intake,
        "SQLite",
        "bare rusqlite: the same rows of the same table in batches of 16,384, sorted; no tallies",
        200_000.0,
    );
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Integer(value) => *value,
        other => panic!("{other:?} is no integer"),
    }
}

type Row = (i64, i64, i64, i64, i64, Option<i64>, i16, i16, i16, Option<bool>);

const READ: &str = "SELECT tenant, experiment, unit, at, epoch, score, variant, measured, harmed, success
    FROM promptops.outcome WHERE at > $1 ORDER BY at";
const ADD: &str = "INSERT INTO floor.outcome
        (tenant, experiment, unit, at, epoch, score, variant, measured, harmed, success)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::smallint[], $8::smallint[], $9::smallint[], $10::boolean[])
    ON CONFLICT (experiment, unit) DO NOTHING";

async fn postgres() {
    let database = Database::start().await;
    database.floor("outcome").await;
    let server = database.process();
    let world = World::new(database.backend.clone()).await;
    let mut intake = Intake::default();
    let mut last = i64::MIN;
    for round in 0..ROUNDS {
        intake
            .round(Side::Ours, UNITS, server, report(&world, round * UNITS))
            .await;
        let mut rows: Vec<Row> = sqlx::query_as(READ)
            .bind(last)
            .fetch_all(&database.pool)
            .await
            .expect("it reads");
        assert_eq!(rows.len(), UNITS);
        last = rows.last().map_or(last, |row| row.3);
        for batch in rows.chunks_mut(BATCH) {
            batch.sort_by_key(|row| row.2);
        }
        let write = async {
            for batch in rows.chunks(BATCH) {
                add(&database.pool, batch).await;
            }
        };
        intake.round(Side::Floor, UNITS, server, write).await;
    }
    print(
        &world,
        &intake,
        "PostgreSQL",
        "bare sqlx: the same rows by UNNEST in batches of 16,384, sorted; no tallies",
        80_000.0,
    );
}

async fn add(pool: &PgPool, rows: &[Row]) {
    macro_rules! column {
        ($at:tt) => {
            rows.iter().map(|row| row.$at).collect::<Vec<_>>()
        };
    }
    sqlx::query(ADD)
        .bind(column!(0))
        .bind(column!(1))
        .bind(column!(2))
        .bind(column!(3))
        .bind(column!(4))
        .bind(column!(5))
        .bind(column!(6))
        .bind(column!(7))
        .bind(column!(8))
        .bind(column!(9))
        .execute(pool)
        .await
        .expect("the rows fit the table");
}
