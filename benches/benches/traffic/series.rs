//! Counts of a million traces over thirty days, kept without content, read by time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use promptops_benches::load;
use promptops_benches::measure::{Pair, processor_time};
use promptops_benches::memory::resident;
use promptops_benches::table::{Goal, Table, bytes};
use promptops_core::Stores;
use promptops_core::base::{Clock, PromptName, ScoreName, SystemClock, TenantId, Timestamp};
use promptops_core::llm::{Cost, Usage};
use promptops_core::observation::{
    MetricsFilter, Omitted, Period, Resolution, SeriesQuery, Step, TraceEntry, TraceRecord, TraceScore,
};
use promptops_store_sqlite::SqliteBackend;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::database::Database;
use crate::rows;
use crate::world::{World, trace_id, unit};

const TRACES: usize = 1_000_000;
const DAYS: i64 = 30;
const BATCH: usize = 8_192;
const READS: usize = 31;

pub async fn run() {
    sqlite().await;
    postgres().await;
}

/// When the first of the days begins.
fn start() -> Timestamp {
    Resolution::Day.start(SystemClock::new().now()) - TimeDelta::days(DAYS)
}

/// Fills in so many traces without content, and says how long that took on the clock and of processors.
async fn fill(world: &World, stores: &Stores, start: Timestamp, server: Option<u32>) -> [Duration; 2] {
    let tenant = TenantId::new("acme").expect("a name");
    let apart = TimeDelta::microseconds(DAYS * 86_400 * 1_000_000 / TRACES as i64);
    let mut at = start;
    let (mut wall, mut processor) = (Duration::ZERO, Duration::ZERO);
    for from in (0..TRACES).step_by(BATCH) {
        let numbers = from..(from + BATCH).min(TRACES);
        let batch: Vec<TraceEntry> = numbers
            .map(|i| {
                at += apart;
                TraceEntry {
                    tenant: tenant.clone(),
                    trace: record(world, i, at),
                }
            })
            .collect();
        let used = || processor_time() + server.map_or(Duration::ZERO, load::processes);
        let (begin, before) = (Instant::now(), used());
        let traces = &stores.traces;
        traces.record_traces(&batch).await.expect("they are recorded");
        wall += begin.elapsed();
        processor += used().saturating_sub(before);
    }
    [wall, processor]
}

fn record(world: &World, i: usize, at: Timestamp) -> TraceRecord {
    let score = |value_millionths| TraceScore {
        value_millionths,
        reason: None,
    };
    TraceRecord {
        id: trace_id(at, i),
        stamp: world.stamp(&unit(i)),
        at,
        inputs: None,
        output: None,
        omitted: Some(Omitted::Sampled),
        error: None,
        success: Some(!i.is_multiple_of(5)),
        rating_millionths: None,
        corrected_output: None,
        comment: None,
        scores: BTreeMap::from([(
            ScoreName::new("helpful").expect("a name"),
            score((i % 1_000_001) as u32),
        )]),
        latency: Some(Duration::from_millis(200 + (i * 7_919 % 2_000) as u64)),
        usage: Some(Usage::new(500, 120)),
        cost: Some(Cost::from_nano_usd(40_000)),
        model: Some("model-1".to_owned()),
        session: None,
        tags: BTreeSet::new(),
    }
}

/// What is read, with how many points, of how many rows that the store keeps: one for each variant.
struct Read {
    what: &'static str,
    period: Period,
    points: usize,
}

impl Read {
    fn all(start: Timestamp) -> [Self; 3] {
        let end = start + TimeDelta::days(DAYS);
        let read = |what, from, step, points| Self {
            what,
            period: Period::new(from, end, step).expect("a period"),
            points,
        };
        [
            read("30 days by the day", start, Step::Day, 30),
            read("30 days by the hour", start, Step::Hour, 720),
            read(
                "the last day by the minute",
                end - TimeDelta::days(1),
                Step::Minute,
                1_440,
            ),
        ]
    }

    async fn run(&self, world: &World) {
        let prompt = PromptName::new("support/triage").expect("a name");
        let query = SeriesQuery::new(MetricsFilter::of(prompt), self.period);
        let metrics = world.acme.metrics();
        let series = metrics.series(&query).await.expect("it reads");
        assert_eq!(series.lines[0].points.len(), self.points);
    }

    /// The columns that rows are found by.
    fn key(&self) -> (&'static str, i64, i64) {
        (
            self.period.step().resolution().as_str(),
            self.period.from().timestamp_micros(),
            self.period.to().timestamp_micros(),
        )
    }
}

fn filled(table: &mut Table, [wall, processor]: [Duration; 2]) {
    let rate = |time: Duration| format!("{:.0} k/s", TRACES as f64 / time.as_secs_f64() / 1e3);
    table.row(
        ["recorded per second on the clock", &rate(wall), "", "", ""],
        None,
    );
    table.row(
        [
            "recorded per second of processor time",
            &rate(processor),
            "",
            "",
            "",
        ],
        None,
    );
}

fn pair(table: &mut Table, what: &str, rows: usize, pair: &Pair) {
    table.pair(&format!("{what}, of {rows} rows"), pair, Goal::AtMost(50e6));
    table.times(
        &format!("{what}, best"),
        pair.ours.percentile(0.0),
        Some(pair.floor.percentile(0.0)),
        Goal::None,
    );
}

async fn sqlite() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("prompts.db");
    let backend = SqliteBackend::open(&file).await.expect("it opens");
    let stores = Stores::from(backend.clone());
    let world = World::new(stores.clone()).await;
    let start = start();
    let mut table = Table::new(
        "series of 1,000,000 traces on SQLite",
        "bare rusqlite: the same rows by the same index, no JSON read",
    );
    filled(&mut table, fill(&world, &stores, start, None).await);
    let bare = rows::bare(&file);
    let before = resident();
    for read in Read::all(start) {
        let (mut both, mut rows) = (Pair::default(), 0);
        for _ in 0..READS {
            let begin = Instant::now();
            read.run(&world).await;
            both.ours.push(begin.elapsed().as_nanos() as f64);
            rows = both.floor.time(|| bare_read(&bare, read.key()));
        }
        pair(&mut table, read.what, rows, &both);
    }
    let grown = resident().saturating_sub(before);
    table.row(["resident, grown by reading", &bytes(grown), "", "", ""], None);
    backend.close().await;
    let size = std::fs::metadata(&file).map_or(0, |of| of.len());
    table.row(["the file", &bytes(size as usize), "", "", ""], None);
    let found = rows::read(
        &file,
        "SELECT resolution, count(*), sum(length(metrics)) FROM promptops_rollup GROUP BY resolution",
    );
    for row in found {
        if let [
            Value::Text(resolution),
            Value::Integer(rows),
            Value::Integer(json),
        ] = &row[..]
        {
            let each = json / rows;
            let what = format!("rows by {resolution}, and bytes of JSON in each");
            table.row([&what, &format!("{rows}, {each} B"), "", "", ""], None);
        }
    }
}

fn bare_read(connection: &Connection, key: (&str, i64, i64)) -> usize {
    let mut statement = connection
        .prepare_cached(
            "SELECT r.start, r.closure_hash, r.environment, r.version, r.experiment, r.variant, r.metrics
            FROM promptops_tenant t JOIN promptops_rollup r ON r.tenant = t.id
            WHERE t.name = 'acme' AND r.prompt = 'support/triage' AND r.resolution = ?1 AND r.start >= ?2
                AND r.start < ?3 ORDER BY r.start",
        )
        .expect("it fits the tables");
    let rows = statement.query_map(key, |row| row.get::<_, String>(6));
    rows.expect("it reads").filter(Result::is_ok).count()
}

const READ: &str = "SELECT r.start, r.closure_hash, r.environment, r.version, r.experiment, r.variant, r.metrics
    FROM promptops.tenant t JOIN promptops.rollup r ON r.tenant = t.id
    WHERE t.name = 'acme' AND r.prompt = 'support/triage' AND r.resolution = $1 AND r.start >= $2 AND r.start < $3
    ORDER BY r.start";

type Row = (i64, Vec<u8>, String, i64, String, String, String);

async fn postgres() {
    let database = Database::start().await;
    let stores = Stores::from(database.backend.clone());
    let world = World::new(stores.clone()).await;
    let start = start();
    let mut table = Table::new(
        "series of 1,000,000 traces on PostgreSQL",
        "bare sqlx: the same rows by the same index, no JSON read",
    );
    filled(&mut table, fill(&world, &stores, start, database.process()).await);
    let before = resident();
    for read in Read::all(start) {
        let (mut both, mut rows) = (Pair::default(), 0);
        let (resolution, from, to) = read.key();
        for _ in 0..READS {
            let begin = Instant::now();
            read.run(&world).await;
            both.ours.push(begin.elapsed().as_nanos() as f64);
            let begin = Instant::now();
            let floor: Vec<Row> = sqlx::query_as(READ)
                .bind(resolution)
                .bind(from)
                .bind(to)
                .fetch_all(&database.pool)
                .await
                .expect("it reads");
            both.floor.push(begin.elapsed().as_nanos() as f64);
            rows = floor.len();
        }
        pair(&mut table, read.what, rows, &both);
    }
    let grown = resident().saturating_sub(before);
    table.row(["resident, grown by reading", &bytes(grown), "", "", ""], None);
    let size = database.size("promptops.rollup").await;
    table.row(["the table with its indexes", &bytes(size), "", "", ""], None);
}
