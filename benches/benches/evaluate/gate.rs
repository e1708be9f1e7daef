//! What a gate takes whose evidence is there.

use std::time::Instant;

use promptops_benches::measure::Samples;
use promptops_benches::table::{Goal, Table};
use promptops_core::Tenant;
use promptops_core::environment::{EvaluationGate, Policy};
use promptops_core::prompt::Version;
use rusqlite::Connection;

use crate::world::{self, Answers, Free, ana};

pub async fn run() {
    let mut table = Table::new(
        "a gate whose evidence is there, `environments.check` on SQLite",
        "bare rusqlite: the row of the evidence; with a comparison also all rows of both runs, no JSON read",
    );
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("prompts.db");
    let acme = world::open(&file).await;
    let threshold = |entries| EvaluationGate::new(format!("tickets-{entries}"), 0.8).expect("a name");
    for (entries, rounds) in [(1_000, 101), (10_000, 11)] {
        let versions = world::prepare(&acme, entries).await;
        let goal = match entries {
            1_000 => Goal::AtMost(5e6),
            _ => Goal::None,
        };
        for (answers, what, gate) in [
            (Answers::Word, "a threshold", threshold(entries)),
            (
                Answers::Word,
                "no regression, ten passes differ",
                threshold(entries).no_regression(0.02),
            ),
            (
                Answers::Text,
                "no regression, every score differs",
                threshold(entries).no_regression(0.02),
            ),
        ] {
            for version in &versions {
                let model = Free {
                    answers,
                    ..Free::default()
                };
                world::evaluate(&acme, version, entries, model).await;
            }
            let compares = gate.no_regression.is_some();
            guard(&acme, &versions, gate).await;
            let bare = world::bare(&file);
            let (mut ours, mut floor) = (Samples::default(), Samples::default());
            for _ in 0..rounds {
                let environments = acme.environments();
                let begin = Instant::now();
                let conditions = environments.check(&versions[1], "production", &ana()).await;
                ours.push(begin.elapsed().as_nanos() as f64);
                assert!(!conditions.expect("it is checked").is_empty());
                floor.time(|| read(&bare, compares));
            }
            let what = format!("{what}, runs of {entries} entries");
            table.times(&what, ours.median(), Some(floor.median()), goal);
        }
    }
}

/// The first version is live in production, whose gate this is.
async fn guard(acme: &Tenant, versions: &[Version; 2], gate: EvaluationGate) {
    let environments = acme.environments();
    let set = async |policy| {
        environments
            .set_policy("production", policy, &ana())
            .await
            .expect("it is set")
    };
    set(Policy::open()).await;
    environments
        .promote(&versions[0], "production", &ana())
        .await
        .expect("it is promoted");
    set(Policy::open().require(gate)).await;
}

/// The bytes of what was read.
fn read(bare: &Connection, compares: bool) -> usize {
    let read = || -> rusqlite::Result<usize> {
        let mut evidence = bare.prepare_cached(
            "SELECT run, entries, passed, scores FROM promptops_evidence ORDER BY id DESC LIMIT 1",
        )?;
        let mut bytes = evidence.query_row([], |row| Ok(row.get_ref(3)?.as_str()?.len()))?;
        if compares {
            bytes += crate::comparison::read(bare)?;
        }
        Ok(bytes)
    };
    read().expect("it reads")
}
