//! What a full queue takes of memory, beside what the recorder says of it. Each in a process of its own.

use std::process::Command;
use std::time::Duration;

use promptops_benches::memory::resident;
use promptops_benches::table::{Table, bytes};
use promptops_core::experiment::Outcome;
use promptops_core::observation::RecordingSettings;

use crate::stores::{Kind, stores};
use crate::world::{self, World, unit};

const TASK: &str = "PROMPTOPS_BENCH_QUEUE";
const ITEMS: usize = 65_536;

/// Does what another process was started for; whether it was.
pub fn is_child() -> bool {
    let Ok(task) = std::env::var(TASK) else {
        return false;
    };
    let mut settings = RecordingSettings::default();
    settings.max_bytes = 1 << 30;
    let runtime = world::runtime();
    let _inside = runtime.enter();
    let world = runtime.block_on(World::with(stores(Kind::Stalled), settings));
    // What is allocated and let go while an item is made is there before.
    for i in 0..64 {
        drop((world.trace(i), world.stamp(&unit(i))));
    }
    let before = resident();
    for i in 0..ITEMS {
        let recorded = match task.as_str() {
            "outcomes" => {
                let outcome = Outcome::success(true);
                world.acme.outcomes().record(world.stamp(&unit(i)), outcome)
            }
            _ => world.acme.traces().try_record(world.trace(i)).1,
        };
        assert!(recorded.is_queued(), "{recorded:?}");
    }
    let grown = resident() - before;
    let stats = match task.as_str() {
        "outcomes" => world.acme.outcomes().stats(),
        _ => world.acme.traces().stats(),
    };
    assert_eq!(stats.queued, ITEMS as u64);
    println!("{grown} {}", stats.queued_bytes);
    runtime.block_on(world.ops.shutdown(Duration::ZERO));
    true
}

pub fn run() {
    let mut table = Table::new("65,536 queued, resident", "the recorder's own estimate");
    for (task, text) in [("outcomes", None), ("traces", Some(2_500))] {
        let output = Command::new(std::env::current_exe().expect("it has a path"))
            .env(TASK, task)
            .output()
            .expect("it starts");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let figures: Vec<usize> = said
            .split_whitespace()
            .filter_map(|figure| figure.parse().ok())
            .collect();
        let [grown, estimate] = figures[..] else {
            panic!("the process said {said:?}");
        };
        let ratio = grown as f64 / estimate as f64;
        table.row(
            [
                task,
                &bytes(grown),
                &bytes(estimate),
                &format!("{ratio:.2}"),
                "0.7 – 1.3 ×",
            ],
            Some((0.7..=1.3).contains(&ratio)),
        );
        let of_text = text.map(|text| format!("{text} B of text")).unwrap_or_default();
        let each = format!("{} B", grown / ITEMS);
        let told = format!("{} B", estimate / ITEMS);
        table.row([&format!("{task}, each"), &each, &told, "", &of_text], None);
    }
}
