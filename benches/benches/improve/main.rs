//! What improvement takes: failures grouped, shipped versions watched.
//!
//! `cargo bench -p promptops-benches --bench improve -- clusters` runs one of the sections.

mod clusters;
mod monitor;

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
}
