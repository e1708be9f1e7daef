//! Durable runs with a model that costs nothing: processor time and memory, each in a process of its own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use promptops_benches::measure::{Samples, processor_time};
use promptops_benches::memory::{peak_resident, resident};
use promptops_benches::table::{Table, bytes, time};
use rusqlite::{Connection, params};

use crate::world::{self, Free};

/// What another process is to do, and with which file and how many entries.
const TASK: &str = "PROMPTOPS_BENCH_TASK";
const FILE: &str = "PROMPTOPS_BENCH_FILE";
const ENTRIES: &str = "PROMPTOPS_BENCH_ENTRIES";

/// Results in a commit, as the runner's at most.
const BATCH: usize = 512;
const BATCHED: &str = "CREATE TABLE floor (run INTEGER NOT NULL, task INTEGER NOT NULL, result TEXT NOT NULL, UNIQUE (run, task)) STRICT";

/// What a process took.
#[derive(Default)]
struct Taken {
    processor: Samples,
    wall: Samples,
    /// Peak, and what the process took before it began.
    memory: (usize, usize),
}

/// Does what another process was started for; whether it was.
pub fn is_child() -> bool {
    let Ok(task) = std::env::var(TASK) else {
        return false;
    };
    let variable = |name| std::env::var(name).expect("it is set");
    let (file, entries) = (variable(FILE), variable(ENTRIES).parse().expect("a number"));
    let file = Path::new(&file);
    let before = resident();
    let begin = (processor_time(), std::time::Instant::now());
    let took = match task.as_str() {
        "prepare" => {
            world::runtime().block_on(async {
                world::prepare(&world::open(file).await, entries).await;
            });
            Duration::ZERO
        }
        "run" => {
            let runtime = world::runtime();
            let run = runtime.spawn({
                let file = file.to_owned();
                async move {
                    let acme = world::open(&file).await;
                    let version = world::first(&acme).await;
                    world::evaluate(&acme, &version, entries, Free::default()).await;
                }
            });
            runtime.block_on(run).expect("it does not panic");
            processor_time() - begin.0
        }
        _ => floor(file, entries),
    };
    println!(
        "{} {} {} {before}",
        took.as_nanos(),
        begin.1.elapsed().as_nanos(),
        peak_resident()
    );
    true
}

/// Writes the results of the last run once more, as they are.
fn floor(file: &Path, entries: usize) -> Duration {
    let texts: Vec<String> = {
        let connection = world::bare(file);
        let mut statement = connection
            .prepare("SELECT result FROM promptops_result WHERE run = (SELECT max(run) FROM promptops_result) ORDER BY task")
            .expect("the tables are there");
        let rows = statement.query_map([], |row| row.get(0)).expect("it reads");
        rows.collect::<Result<_, _>>().expect("it reads")
    };
    assert_eq!(texts.len(), entries);
    let begin = processor_time();
    let copy = file.with_extension("floor");
    let written: rusqlite::Result<()> = (|| {
        let mut connection = Connection::open(&copy)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(BATCHED)?;
        for (i, batch) in texts.chunks(BATCH).enumerate() {
            let tx = connection.transaction()?;
            {
                let mut add =
                    tx.prepare_cached("INSERT INTO floor (run, task, result) VALUES (1, ?1, ?2)")?;
                for (task, text) in batch.iter().enumerate() {
                    add.execute(params![(i * BATCH + task) as i64, text])?;
                }
            }
            tx.commit()?;
        }
        Ok(())
    })();
    written.expect("it writes");
    let took = processor_time() - begin;
    std::fs::remove_file(copy).expect("it is there");
    took
}

fn child(task: &str, file: &Path, entries: usize, taken: &mut Taken) {
    let output = Command::new(std::env::current_exe().expect("it has a path"))
        .env(TASK, task)
        .env(FILE, file)
        .env(ENTRIES, entries.to_string())
        .output()
        .expect("it starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = text
        .split_whitespace()
        .filter_map(|figure| figure.parse().ok())
        .collect();
    let [processor, wall, peak, before] = figures[..] else {
        panic!("the process said {text:?}");
    };
    taken.processor.push(processor);
    taken.wall.push(wall);
    taken.memory = (taken.memory.0.max(peak as usize), before as usize);
}

pub fn run() {
    let mut table = Table::new(
        "durable entries on SQLite, a model that costs nothing",
        "bare rusqlite: the same rows in batches of 512",
    );
    let mut before = None;
    for (entries, turns) in [(10_000, 5), (100_000, 2)] {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("prompts.db");
        child("prepare", &file, entries, &mut Taken::default());
        let (mut ours, mut floor) = (Taken::default(), Taken::default());
        for _ in 0..turns {
            child("run", &file, entries, &mut ours);
            child("floor", &file, entries, &mut floor);
        }
        let (cpu, bare) = (ours.processor.median(), floor.processor.median());
        let is_small = before.is_none();
        table.row(
            [
                &format!("{entries} entries, processor time"),
                &time(cpu),
                &time(bare),
                &format!("{:.2}", cpu / bare),
                if is_small { "< 0.5 s" } else { "" },
            ],
            is_small.then_some(cpu < 0.5e9),
        );
        table.row(
            [
                &format!("{entries} entries, from start to end of the process"),
                &time(ours.wall.median()),
                "",
                "",
                "",
            ],
            None,
        );
        let (peak, empty) = ours.memory;
        table.row(
            [
                &format!("{entries} entries, peak resident"),
                &bytes(peak),
                &format!("{} at start", bytes(empty)),
                "",
                if is_small { "< 60 MB" } else { "" },
            ],
            is_small.then_some(peak < 60_000_000),
        );
        if let Some((cpu_before, peak_before)) = before {
            for (what, ratio) in [
                ("processor time", cpu / cpu_before),
                ("peak resident", peak as f64 / peak_before as f64),
            ] {
                table.row(
                    [
                        &format!("ten times the entries, {what}"),
                        "",
                        "",
                        &format!("{ratio:.2}"),
                        "≤ 11 ×",
                    ],
                    Some(ratio <= 11.0),
                );
            }
        }
        before = Some((cpu, peak));
    }
}
