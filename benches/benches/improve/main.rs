//! What improvement takes: failures grouped, shipped versions watched, steps of deployments, replays, passes of the loop.
//!
//! `cargo bench -p promptops-benches --bench improve -- clusters` runs one of the sections.

mod clusters;
mod deployments;
mod loops;
mod monitor;
// The desk that the loop's tests have, too.
#[allow(dead_code, reason = "the loop's tests have more of it")]
#[path = "../../../promptops-core/tests/it/improving/world.rs"]
mod world;

use promptops_benches::is_bench;

fn main() {
    if !is_bench() {
        return;
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let wants = |section: &str| wanted.is_empty() || wanted.iter().any(|name| name == section);
    if wants("clusters") {
        clusters::run();
    }
    if wants("monitor") {
        monitor::run();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    // On a worker, as a host's requests are.
    let all = runtime.spawn(async move {
        let wants = |section: &str| wanted.is_empty() || wanted.iter().any(|name| name == section);
        if wants("deployments") {
            deployments::run().await;
        }
        if wants("replay") {
            loops::replay().await;
        }
        if wants("pass") {
            loops::idle().await;
        }
    });
    runtime.block_on(all).expect("no section panics");
}
