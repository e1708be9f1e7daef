//! Live traffic: assignment, recording, what the stores take in, series, and what is queued.
//!
//! `cargo bench -p promptops-benches --bench traffic -- assign record` runs two of the sections.

mod assign;
mod curate;
mod database;
mod outcomes;
mod queue;
mod record;
mod rows;
mod series;
mod serve;
mod stores;
mod traces;
mod world;

use promptops_benches::memory::Counting;
use promptops_benches::{is_bench, load};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    if queue::is_child() || !is_bench() {
        return;
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let wants = move |section: &str| {
        let is_wanted = wanted.is_empty() || wanted.iter().any(|name| name == section);
        if is_wanted {
            println!("\n{section}: load {:.1}", load::average());
        }
        is_wanted
    };
    let runtime = world::runtime();
    if wants("assign") {
        assign::run(&runtime);
    }
    if wants("serve") {
        serve::run(&runtime);
    }
    if wants("record") {
        record::run(&runtime);
    }
    if wants("queue") {
        queue::run();
    }
    // On a worker, as a host's requests are.
    let rest = runtime.spawn(async move {
        if wants("outcomes") {
            outcomes::run().await;
        }
        if wants("traces") {
            traces::run().await;
        }
        if wants("curate") {
            curate::run().await;
        }
        if wants("series") {
            series::run().await;
        }
    });
    runtime.block_on(rest).expect("no section panics");
}
