//! Evaluation: durable runs, a slow model, what a gate and a comparison take, and what a client adds to a call.
//!
//! `cargo bench -p promptops-benches --bench evaluate -- durable gate` runs two of the sections.

mod comparison;
mod durable;
mod gate;
mod provider;
mod slow;
mod world;

use promptops_benches::is_bench;

fn main() {
    if durable::is_child() || !is_bench() {
        return;
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let wants = |section: &str| wanted.is_empty() || wanted.iter().any(|name| name == section);
    if wants("durable") {
        durable::run();
    }
    if wants("provider") {
        provider::run();
    }
    let runtime = world::runtime();
    // On a worker, as a host's requests are.
    let others: Vec<_> = ["gate", "comparison", "slow"]
        .into_iter()
        .filter(|name| wants(name))
        .collect();
    let all = runtime.spawn(async move {
        for name in others {
            match name {
                "gate" => gate::run().await,
                "comparison" => comparison::run().await,
                _ => slow::run().await,
            }
        }
    });
    runtime.block_on(all).expect("no section panics");
}
