//! Two runs, entry by entry.

use std::time::Instant;

use promptops_benches::measure::Samples;
use promptops_benches::table::{Goal, Table};
use promptops_core::evaluation::{ComparisonOptions, ReportOptions};
use rusqlite::Connection;

use crate::world::{self, Answers, Free};

pub async fn run() {
    let mut table = Table::new(
        "two runs compared, on SQLite",
        "bare rusqlite: all rows of both runs and of the dataset, no JSON read",
    );
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("prompts.db");
    let acme = world::open(&file).await;
    for (entries, rounds) in [(1_000, 51), (10_000, 11)] {
        let versions = world::prepare(&acme, entries).await;
        for (answers, what) in [
            (Answers::Word, "ten passes differ"),
            (Answers::Text, "every score differs"),
        ] {
            let mut runs = Vec::new();
            for version in &versions {
                let model = Free {
                    answers,
                    ..Free::default()
                };
                let report = world::evaluate(&acme, version, entries, model).await;
                runs.push(report.run.id);
            }
            let bare = world::bare(&file);
            let (mut ours, mut floor, mut reports) =
                (Samples::default(), Samples::default(), Samples::default());
            for _ in 0..rounds {
                let (evaluations, options) = (acme.evaluations(), ComparisonOptions::default());
                let begin = Instant::now();
                let compared = evaluations.compare(&runs[0], &runs[1], &options).await;
                let compared = compared.expect("they are alike");
                ours.push(begin.elapsed().as_nanos() as f64);
                assert_eq!(compared.entries, entries as u64);
                floor.time(|| read(&bare).expect("it reads"));
                let begin = Instant::now();
                let report = evaluations.report(&runs[0], &ReportOptions::default()).await;
                reports.push(begin.elapsed().as_nanos() as f64);
                assert!(report.expect("it is there").is_complete());
            }
            let goal = match entries {
                10_000 => Goal::AtMost(1e9),
                _ => Goal::None,
            };
            let what = format!("{entries} entries, {what}");
            table.times(&what, ours.median(), Some(floor.median()), goal);
            let what = format!("the report of one of the two, {entries} entries");
            table.times(&what, reports.median(), None, Goal::None);
        }
    }
}

/// Reads the last two runs and their dataset; says how many bytes that were.
pub fn read(bare: &Connection) -> rusqlite::Result<usize> {
    let mut runs =
        bare.prepare_cached("SELECT id, first_entry, entries FROM promptops_run ORDER BY id DESC LIMIT 2")?;
    let runs = runs.query_map([], |row| {
        Ok((
            row.get::<_, i64>(0)?,
            row.get::<_, i64>(1)?,
            row.get::<_, i64>(2)?,
        ))
    })?;
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let mut bytes = 0;
    let mut results =
        bare.prepare_cached("SELECT result FROM promptops_result WHERE run = ?1 ORDER BY task")?;
    for (run, _, _) in &runs {
        let mut rows = results.query([run])?;
        while let Some(row) = rows.next()? {
            bytes += row.get_ref(0)?.as_str()?.len();
        }
    }
    if let Some((_, first, entries)) = runs.first() {
        let mut read = bare.prepare_cached(
            "SELECT entry FROM promptops_dataset_entry WHERE id >= ?1 AND id < ?2 ORDER BY id",
        )?;
        let mut rows = read.query([first, &(first + entries)])?;
        while let Some(row) = rows.next()? {
            bytes += row.get_ref(0)?.as_str()?.len();
        }
    }
    Ok(bytes)
}
