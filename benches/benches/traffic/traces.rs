//! Full traces through the recorder.

use std::time::Duration;

use promptops_core::observation::Trace;
use promptops_store_sqlite::SqliteBackend;
use sqlx::postgres::PgPool;

use crate::database::Database;
use crate::rows::{self, Intake, Side};
use crate::world::World;

const ROUNDS: usize = 4;
const TRACES: usize = 10_000;
/// Rows of a commit of the floor: about as many as the recorder takes, by their bytes.
const BATCH: usize = 2_048;
/// So that the ids of one round are above those of the one before: each begins with the time at which its call began.
const APART: Duration = Duration::from_millis(1_500);

pub async fn run() {
    sqlite().await;
    postgres().await;
}

/// Reports traces as fast as they are taken.
async fn report(world: &World, traces: Vec<Trace>) {
    let recorder = world.acme.traces();
    for (i, trace) in traces.into_iter().enumerate() {
        if i.is_multiple_of(64) {
            while recorder.stats().queued_bytes > 48 << 20 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let recorded = recorder.try_record(trace).1;
        assert!(recorded.is_queued(), "{recorded:?}");
    }
    let stats = recorder
        .flush(Duration::from_secs(600))
        .await
        .expect("it is written");
    assert_eq!(stats.written, stats.enqueued, "{stats:?}");
}

fn print(world: &World, intake: &Intake, what: &str, floor: &str, bytes: usize) {
    let title = format!(
        "{} traces (2 KB in, 500 B out, 2 scores) into {what}",
        ROUNDS * TRACES
    );
    intake.print(&title, floor, 20_000.0);
    let stats = world.acme.traces().stats();
    println!(
        "  in {} batches; {} bytes each in the store",
        stats.batches,
        bytes / (ROUNDS * TRACES)
    );
}

fn traces(world: &World, round: usize) -> Vec<Trace> {
    let numbers = round * TRACES..(round + 1) * TRACES;
    numbers.map(|i| world.trace(i)).collect()
}

async fn sqlite() {
    let directory = tempfile::tempdir().expect("a directory");
    let [file, copy] = ["ours.db", "floor.db"].map(|name| directory.path().join(name));
    let world = World::new(SqliteBackend::open(&file).await.expect("it opens")).await;
    // The same tables.
    SqliteBackend::open(&copy).await.expect("it opens").close().await;
    let mut floor = rows::bare(&copy);
    floor
        .execute("INSERT INTO promptops_tenant (name) VALUES ('acme')", [])
        .expect("it is added");
    let mut intake = Intake::default();
    for round in 0..ROUNDS {
        tokio::time::sleep(APART).await;
        let traces = traces(&world, round);
        intake
            .round(Side::Ours, TRACES, None, report(&world, traces))
            .await;
        let rows = rows::read(
            &file,
            &format!(
                "SELECT * FROM (SELECT * FROM promptops_trace ORDER BY id DESC LIMIT {TRACES}) ORDER BY id"
            ),
        );
        assert_eq!(rows.len(), TRACES);
        let write = async {
            for batch in rows.chunks(BATCH) {
                rows::add(&mut floor, "promptops_trace", batch);
            }
        };
        intake.round(Side::Floor, TRACES, None, write).await;
    }
    let bytes: usize = std::fs::read_dir(directory.path())
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name() == "ours.db")
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len() as usize)
        .sum();
    print(
        &world,
        &intake,
        "SQLite",
        "bare rusqlite: the same rows of the same table in batches of 2,048, JSON made before; no counts",
        bytes,
    );
}

type Row = (
    i64,
    String,
    String,
    Vec<u8>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<bool>,
    bool,
    bool,
    bool,
    String,
);

const READ: &str = "SELECT tenant, id::text, prompt, closure_hash, environment, version, experiment, variant, model, session,
        rating, success, is_error, has_inputs, has_correction, record
    FROM (SELECT * FROM promptops.trace ORDER BY id DESC LIMIT $1) t ORDER BY t.id";
const ADD: &str = "INSERT INTO floor.trace (tenant, id, prompt, closure_hash, environment, version, experiment, variant,
        model, session, rating, success, is_error, has_inputs, has_correction, record)
    SELECT i.tenant, i.id::uuid, i.prompt, i.closure_hash, i.environment, i.version, i.experiment, i.variant, i.model,
        i.session, i.rating, i.success, i.is_error, i.has_inputs, i.has_correction, i.record
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::text[], $8::text[],
        $9::bytea[], $10::bytea[], $11::bigint[], $12::boolean[], $13::boolean[], $14::boolean[], $15::boolean[],
        $16::text[]) i (tenant, id, prompt, closure_hash, environment, version, experiment, variant, model, session,
        rating, success, is_error, has_inputs, has_correction, record)
    ON CONFLICT (tenant, id) DO NOTHING";

async fn postgres() {
    let database = Database::start().await;
    database.floor("trace").await;
    let server = database.process();
    let world = World::new(database.backend.clone()).await;
    let mut intake = Intake::default();
    for round in 0..ROUNDS {
        tokio::time::sleep(APART).await;
        let traces = traces(&world, round);
        intake
            .round(Side::Ours, TRACES, server, report(&world, traces))
            .await;
        let rows: Vec<Row> = sqlx::query_as(READ)
            .bind(TRACES as i64)
            .fetch_all(&database.pool)
            .await
            .expect("it reads");
        assert_eq!(rows.len(), TRACES);
        let write = async {
            for batch in rows.chunks(BATCH) {
                add(&database.pool, batch).await;
            }
        };
        intake.round(Side::Floor, TRACES, server, write).await;
    }
    print(
        &world,
        &intake,
        "PostgreSQL",
        "bare sqlx: the same rows by UNNEST in batches of 2,048, JSON made before; no counts",
        database.size("promptops.trace").await,
    );
}

async fn add(pool: &PgPool, rows: &[Row]) {
    macro_rules! column {
        ($at:tt) => {
            rows.iter().map(|row| row.$at.clone()).collect::<Vec<_>>()
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
        .bind(column!(10))
        .bind(column!(11))
        .bind(column!(12))
        .bind(column!(13))
        .bind(column!(14))
        .bind(column!(15))
        .execute(pool)
        .await
        .expect("the rows fit the table");
}
