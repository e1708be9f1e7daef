//! A model that takes its time: how much of it the runner leaves unused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use promptops_benches::table::{Goal, Table};

use crate::world::{self, Free};

const ENTRIES: usize = 100;
const CONCURRENCY: usize = 10;
const DELAY: Duration = Duration::from_millis(500);

pub async fn run() {
    let mut table = Table::new(
        "a model that takes 500 ms, 10 at a time, on SQLite",
        "ten tasks that sleep in turns",
    );
    let directory = tempfile::tempdir().expect("a directory");
    let acme = world::open(&directory.path().join("prompts.db")).await;
    let [version, _] = world::prepare(&acme, ENTRIES).await;
    let begin = Instant::now();
    world::evaluate(
        &acme,
        &version,
        ENTRIES,
        Free {
            delay: DELAY,
            ..Free::default()
        },
    )
    .await;
    let ours = begin.elapsed();

    let begin = Instant::now();
    let left = Arc::new(AtomicUsize::new(ENTRIES));
    let sleepers: Vec<_> = (0..CONCURRENCY)
        .map(|_| {
            let left = Arc::clone(&left);
            tokio::spawn(async move {
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    tokio::time::sleep(DELAY).await;
                }
            })
        })
        .collect();
    for sleeper in sleepers {
        sleeper.await.expect("it does not panic");
    }
    let floor = begin.elapsed().as_nanos() as f64;
    table.times(
        "100 entries",
        ours.as_nanos() as f64,
        Some(floor),
        Goal::AtMost(5.5e9),
    );
}
