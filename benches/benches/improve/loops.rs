//! What the loop adds to what it does: a replay beside the same runs without it, and a pass that finds nothing to do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use promptops_benches::measure::{Samples, processor_time};
use promptops_benches::table::{Goal, Table};
use promptops_core::base::PageRequest;
use promptops_core::deployment::{DeploymentSettings, State};
use promptops_core::evaluation::{DatasetDraft, Entry};
use promptops_core::improvement::proposer::LlmProposer;
use promptops_core::improvement::{AttemptLimits, LookBack, ReplayRecord};
use promptops_core::observation::TraceFilter;
use promptops_core::{MemoryBackend, Stores};
use promptops_store_sqlite::SqliteBackend;

use crate::world::{REFUNDS, USUAL, World, evaluation_by, mo, model, olga, proposing};

const ROUNDS: usize = 7;
/// Enough that a replay has its 100 target and 300 guard traces.
const TICKETS: u64 = 1_300;
const TRACES: usize = 5_000;

/// What something took by the clock and of the processors.
#[derive(Default)]
struct Took {
    wall: Samples,
    processor: Samples,
}

impl Took {
    async fn time<T>(&mut self, share: f64, work: impl Future<Output = T>) -> T {
        let (wall, processor) = (Instant::now(), processor_time());
        let done = work.await;
        self.wall.push(wall.elapsed().as_nanos() as f64 / share);
        self.processor
            .push((processor_time() - processor).as_nanos() as f64 / share);
        done
    }

    fn rows(&self, table: &mut Table, what: &str, floor: &Self) {
        let wall = floor.wall.median();
        table.times(
            &format!("{what}, on the clock"),
            self.wall.median(),
            Some(wall),
            Goal::None,
        );
        let processor = floor.processor.median();
        table.times(
            &format!("{what}, processor time"),
            self.processor.median(),
            Some(processor),
            Goal::None,
        );
    }
}

/// A backend that nothing is in, with the directory that it may be in.
async fn stores(on: &str) -> (Stores, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = match on {
        "memory" => MemoryBackend::new().into(),
        _ => {
            let file = directory.path().join("prompts.db");
            SqliteBackend::open(file).await.expect("it opens").into()
        }
    };
    (stores, directory)
}

pub async fn replay() {
    let mut table = Table::new(
        "a pass that replays a candidate, per item of two arms",
        "the same two runs on the same entries, both at once, without the loop around them",
    );
    for on in ["memory", "SQLite"] {
        let (mut ours, mut floor) = (Took::default(), Took::default());
        let mut items = 0;
        for _ in 0..ROUNDS {
            let (stores, _directory) = stores(on).await;
            let world = World::on(stores, DeploymentSettings::default()).await;
            world.traffic(TICKETS).await;
            let entries = ours_of(&world, &mut ours).await;
            items = entries.len();
            floor_of(on, entries, &mut floor).await;
        }
        ours.rows(&mut table, &format!("{items} items, {on}"), &floor);
    }
}

/// One replay; its entries.
async fn ours_of(world: &World, took: &mut Took) -> Vec<Entry> {
    let improver = world.improver();
    // Failures are grouped before, so that the pass has the replay alone to do.
    world.pass(&improver).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments
        .propose(&better, "production", &mo())
        .await
        .expect("it is proposed");
    let mut alone = Took::default();
    alone.time(1.0, world.pass(&improver)).await;
    let replayed = deployments.get(&proposed.id).await.expect("it is there");
    assert_eq!(replayed.state, State::AbPassed);
    let report = replayed.evidence.expect("it was replayed").report;
    let report = deployments.document(&report).await.expect("it is kept");
    let record = ReplayRecord::read(&report).expect("it is a replay's");
    let (name, version) = record.dataset.expect("there were traces");
    let datasets = world.acme.datasets();
    let dataset = datasets
        .get(&format!("{name}@{version}"))
        .await
        .expect("it is kept");
    let entries = datasets.all_entries(&dataset).await.expect("it reads");
    let share = entries.len() as f64;
    took.wall.push(alone.wall.median() / share);
    took.processor.push(alone.processor.median() / share);
    entries
}

/// The same runs.
async fn floor_of(on: &str, entries: Vec<Entry>, took: &mut Took) {
    let (stores, _directory) = stores(on).await;
    let world = World::on(stores, DeploymentSettings::default()).await;
    let share = entries.len() as f64;
    let versions = [
        world
            .acme
            .prompts()
            .get("support/triage@v1")
            .await
            .expect("it is saved"),
        world.save(REFUNDS).await,
    ];
    let draft = DatasetDraft::new(entries);
    world
        .acme
        .datasets()
        .save("bare", draft, &olga())
        .await
        .expect("it is saved");
    let evaluation = evaluation_by(model(world.weather.clone())).reuse_answers();
    let evaluations = world.acme.evaluations();
    took.time(share, async {
        let mut handles = Vec::new();
        for version in &versions {
            let started = evaluations.start(version, "bare", &evaluation, &olga()).await;
            handles.push(started.expect("it starts"));
        }
        for handle in handles {
            assert!(handle.finish().await.expect("it ends").is_complete());
        }
    })
    .await;
}

pub async fn idle() {
    let mut table = Table::new(
        "a pass over 5,000 traces that finds nothing to do",
        "the same traces read, with their content",
    );
    for on in ["memory", "SQLite"] {
        for (what, kinds) in [
            ("none failed", &["login", "parcel"][..]),
            ("2,000 failed", &USUAL),
        ] {
            let (stores, _directory) = stores(on).await;
            let world = World::on(stores, DeploymentSettings::default()).await;
            world.traffic_of(TRACES as u64, kinds).await;
            let plan = world
                .plan()
                .look_back(LookBack {
                    traces: TRACES,
                    ..LookBack::default()
                })
                .attempts(AttemptLimits {
                    pause: Duration::from_secs(365 * 86_400),
                    ..AttemptLimits::default()
                })
                .proposer(Arc::new(LlmProposer::new(proposing())));
            let improver = world.improver_by(plan);
            let mut passes = 0;
            while !world.pass(&improver).await.did.is_empty() {
                passes += 1;
                assert!(passes < 10, "there is always something to do");
            }
            let (mut ours, mut floor) = (Took::default(), Took::default());
            for _ in 0..ROUNDS {
                assert!(ours.time(1.0, world.pass(&improver)).await.did.is_empty());
                assert_eq!(floor.time(1.0, read(&world)).await, TRACES);
            }
            ours.rows(&mut table, &format!("{what}, {on}"), &floor);
        }
    }
}

async fn read(world: &World) -> usize {
    let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
    let mut count = 0;
    loop {
        let traces = world.acme.traces();
        let found = traces
            .list(&TraceFilter::default(), &page)
            .await
            .expect("it reads");
        count += found.items.len();
        match found.next {
            Some(next) => page = page.after(next),
            None => return count,
        }
    }
}
