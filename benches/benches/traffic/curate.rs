//! A dataset made of traces.

use std::path::Path;
use std::time::{Duration, Instant};

use promptops_benches::measure::{Pair, Samples};
use promptops_benches::table::{Goal, Table};
use promptops_core::base::PromptName;
use promptops_core::observation::TraceFilter;
use promptops_store_sqlite::SqliteBackend;
use rusqlite::Connection;

use crate::rows;
use crate::world::{World, ana};

const ENTRIES: usize = 1_000;
const TURNS: usize = 9;

pub async fn run() {
    let mut table = Table::new(
        "a dataset of 1,000 traces (2 KB in, 500 B out) on SQLite",
        "bare rusqlite: the traces read as text, and 1,000 of the texts written to a table in one transaction",
    );
    for traces in [ENTRIES, 10 * ENTRIES] {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("prompts.db");
        let world = World::new(SqliteBackend::open(&file).await.expect("it opens")).await;
        let begin = Instant::now();
        let recorder = world.acme.traces();
        for i in 0..traces {
            recorder.record(world.trace(i));
        }
        let stats = recorder
            .flush(Duration::from_secs(60))
            .await
            .expect("it is written");
        assert_eq!(stats.written, traces as u64, "{stats:?}");
        let recorded = begin.elapsed();
        let mut pair = Pair::default();
        for turn in 0..TURNS {
            save(&world, &format!("tickets-{turn}"), traces, &mut pair.ours).await;
            floor(&file, turn, traces, &mut pair.floor);
        }
        let goal = if traces == ENTRIES {
            Goal::AtMost(1e9)
        } else {
            Goal::None
        };
        table.pair(&format!("drawn of {traces} and saved"), &pair, goal);
        table.times(
            &format!("drawn of {traces} and saved, best"),
            pair.ours.percentile(0.0),
            Some(pair.floor.percentile(0.0)),
            Goal::None,
        );
        table.times(
            &format!("{traces} recorded and flushed before"),
            recorded.as_nanos() as f64,
            None,
            Goal::None,
        );
    }
}

async fn save(world: &World, name: &str, traces: usize, samples: &mut Samples) {
    let filter = TraceFilter {
        prompt: Some(PromptName::new("support/triage").expect("a name")),
        ..TraceFilter::default()
    };
    let curation = world.acme.curation();
    let dataset = curation
        .dataset(name)
        .from(filter)
        .sample(ENTRIES)
        .expect_successes();
    let begin = Instant::now();
    let curated = dataset.save(&ana()).await.expect("it is saved");
    samples.push(begin.elapsed().as_nanos() as f64);
    let report = curated.report;
    assert_eq!((report.looked_at, report.saved), (traces as u64, ENTRIES as u64));
}

fn floor(file: &Path, turn: usize, traces: usize, samples: &mut Samples) {
    let connection = rows::bare(file);
    let mut copy: Connection = rows::bare(&file.with_extension("floor"));
    copy.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; CREATE TABLE entry_{turn} (text TEXT NOT NULL) STRICT"
    ))
    .expect("the table is made");
    let texts = samples.time(|| {
        let mut statement = connection
            .prepare("SELECT body FROM promptops_trace ORDER BY id DESC")
            .expect("it fits the tables");
        let texts: Vec<String> = statement
            .query_map([], |row| row.get(0))
            .expect("it reads")
            .collect::<Result<_, _>>()
            .expect("it reads");
        let tx = copy.transaction().expect("it begins");
        for text in texts.iter().take(ENTRIES) {
            let sql = format!("INSERT INTO entry_{turn} VALUES (?1)");
            let mut add = tx.prepare_cached(&sql).expect("it fits the table");
            add.execute([text]).expect("it fits the table");
        }
        tx.commit().expect("it is written");
        texts.len()
    });
    assert_eq!(texts, traces);
}
