//! PostgreSQL: what is cold, promotions, steps of deployments, what other processes see of them, feedback.
//!
//! `cargo bench -p promptops-benches --bench postgres -- cold feedback` runs two of the sections.

mod catch_up;
mod cold;
mod database;
mod deployments;
mod elsewhere;
mod feedback;
mod promote;
mod warm;

use promptops_benches::is_bench;

use crate::database::Database;

fn main() {
    if let Some(world) = elsewhere::World::of_second_process() {
        elsewhere::serve(&world);
        return;
    }
    if !is_bench() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let wants = move |section: &str| wanted.is_empty() || wanted.iter().any(|name| name == section);
    // On a worker, as a host's requests are.
    let all = runtime.spawn(async move {
        let database = Database::start().await;
        if wants("cold") {
            cold::run(&database).await;
        }
        if wants("promote") {
            promote::run(&database).await;
        }
        if wants("deployments") {
            deployments::run(&database).await;
        }
        if wants("elsewhere") {
            elsewhere::run(&database).await;
        }
        if wants("feedback") {
            feedback::run(&database).await;
        }
        if wants("warm") {
            warm::run(&database).await;
        }
        if wants("catch_up") {
            catch_up::run(&database).await;
        }
    });
    runtime.block_on(all).expect("no section panics");
}
