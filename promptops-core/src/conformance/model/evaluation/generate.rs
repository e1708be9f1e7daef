//! Which work comes next.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy};
use proptest::sample::select;
use proptest::strategy::Union;

use super::super::generate::{by, mostly, prompt, sometimes, tenant};
use super::super::names::{ANSWERS, CLOSURES, DATASETS, ENTRY_SETS, KEYS, RUN_IDS, RUNS, WORKERS};
use super::super::operation::Operation;
use super::super::read::{Read, pages_of_names, pages_of_numbers};
use super::{EvaluationRead, State, Work};
use crate::conformance::fixture::*;
use crate::evaluation::run::RunFilter;

type On = (&'static str, &'static str);

/// What work can be about.
#[derive(Default)]
pub(in super::super) struct Evaluated {
    /// Tenant, dataset and version.
    pub versions: Vec<(&'static str, &'static str, u32)>,
    /// Tenant and run.
    pub runs: Vec<On>,
}

impl Evaluated {
    /// Adds what memory keeps of a tenant.
    pub async fn read(&mut self, desk: &Desk, tenant: &'static str) {
        for of in DATASETS {
            if let Ok(latest) = desk.dataset(of, None).await {
                let versions = 1..=latest.version.get();
                self.versions
                    .extend(versions.map(|version| (tenant, of, version)));
            }
        }
        for run in RUN_IDS {
            if desk.run(run).await.is_ok() {
                self.runs.push((tenant, run));
            }
        }
    }

    /// Mostly a version that is there.
    fn version(&self) -> BoxedStrategy<(&'static str, &'static str, u32)> {
        let anywhere = (tenant(), select(&DATASETS[..]), 1..4_u32);
        if self.versions.is_empty() {
            return anywhere.boxed();
        }
        mostly(select(self.versions.clone()), anywhere, 10)
    }

    /// Mostly a run that is there.
    fn run(&self) -> BoxedStrategy<On> {
        let anywhere = (tenant(), select(&RUN_IDS[..]));
        if self.runs.is_empty() {
            return anywhere.boxed();
        }
        mostly(select(self.runs.clone()), anywhere, 6)
    }
}

fn time() -> impl Strategy<Value = i64> + Clone {
    0..8_i64
}

fn worker() -> impl Strategy<Value = &'static str> + Clone {
    select(&WORKERS[..])
}

fn save_dataset() -> BoxedStrategy<Operation> {
    (tenant(), select(&DATASETS[..]), 0..ENTRY_SETS, by())
        .prop_map(|(tenant, dataset, entries, by)| {
            Operation::Work(tenant, Work::SaveDataset { dataset, entries, by })
        })
        .boxed()
}

fn create_run(there: &Evaluated) -> BoxedStrategy<Operation> {
    // Few, so that some evidence is of a run that is on record.
    let closure = mostly(Just(CLOSURES[0]), select(&CLOSURES[..]), 30);
    let what = (
        select(&RUN_IDS[..]),
        mostly(Just("triage"), prompt(), 40),
        closure,
    );
    (there.version(), what, 1..3_u32, sometimes(6), by())
        .prop_map(
            |((tenant, dataset, version), (run, prompt, closure), repeats, miscounted, by)| {
                let work = Work::CreateRun {
                    run,
                    dataset,
                    version,
                    prompt,
                    closure,
                    repeats,
                    miscounted,
                    by,
                };
                Operation::Work(tenant, work)
            },
        )
        .boxed()
}

fn claim(there: &Evaluated) -> BoxedStrategy<Operation> {
    (there.run(), worker(), 1..5_u32, time(), 0..5_i64)
        .prop_map(|((tenant, run), worker, limit, now, lasting)| {
            let work = Work::Claim {
                run,
                worker,
                limit,
                now,
                until: now + lasting,
            };
            Operation::Work(tenant, work)
        })
        .boxed()
}

fn hold(there: &Evaluated) -> BoxedStrategy<Operation> {
    (there.run(), worker(), option::weighted(0.6, time()))
        .prop_map(|((tenant, run), worker, until)| {
            let work = match until {
                Some(until) => Work::Renew { run, worker, until },
                None => Work::Release { run, worker },
            };
            Operation::Work(tenant, work)
        })
        .boxed()
}

fn record(there: &Evaluated) -> BoxedStrategy<Operation> {
    let tasks = mostly(vec(0..8_u64, 1..4), vec(0..1_u64, 0..1), 50);
    (there.run(), tasks, sometimes(8), time())
        .prop_map(|((tenant, run), tasks, foreign, at)| {
            let work = Work::Record {
                run,
                tasks,
                foreign,
                at,
            };
            Operation::Work(tenant, work)
        })
        .boxed()
}

fn change(there: &Evaluated) -> BoxedStrategy<Operation> {
    let to = select(
        &[
            State::Running,
            State::Stopped,
            State::Stopped,
            State::Completed,
            State::Completed,
            State::Completed,
        ][..],
    );
    (there.run(), to, sometimes(80), by())
        .prop_map(|((tenant, run), to, evidence, by)| {
            let work = Work::Change {
                run,
                to,
                evidence,
                by,
            };
            Operation::Work(tenant, work)
        })
        .boxed()
}

/// Evidence that a run could have come to.
fn evidence(there: &Evaluated) -> BoxedStrategy<Operation> {
    (there.version(), select(&RUNS[..]), by())
        .prop_map(
            |((tenant, dataset, dataset_version), run, by)| Operation::RecordEvidence {
                tenant,
                prompt: "triage",
                closure: CLOSURES[0],
                dataset,
                dataset_version,
                run,
                entries: 3,
                passed: 2,
                by,
            },
        )
        .boxed()
}

fn answers() -> BoxedStrategy<Operation> {
    let keep = (0..KEYS, 0..ANSWERS.len(), time())
        .prop_map(|(key, answer, at)| Work::Keep { key, answer, at })
        .boxed();
    let forget = time().prop_map(|before| Work::Forget { before }).boxed();
    (tenant(), Union::new_weighted(vec![(2, keep), (1, forget)]))
        .prop_map(|(tenant, work)| Operation::Work(tenant, work))
        .boxed()
}

fn read(there: &Evaluated) -> BoxedStrategy<Operation> {
    let of_dataset = there.version().prop_flat_map(|(tenant, of, version)| {
        let reads = Union::new_weighted(vec![
            (
                1,
                option::of(1..3_u32)
                    .prop_map(move |version| EvaluationRead::Dataset(dataset(of), version))
                    .boxed(),
            ),
            (3, pages_of_names().prop_map(EvaluationRead::Datasets).boxed()),
            (
                2,
                pages_of_numbers()
                    .prop_map(move |page| EvaluationRead::DatasetVersions(dataset(of), page))
                    .boxed(),
            ),
            (
                2,
                pages_of_numbers()
                    .prop_map(move |page| EvaluationRead::Entries(dataset(of), version, page))
                    .boxed(),
            ),
        ]);
        reads.prop_map(move |read| (tenant, read))
    });
    let of_run = there.run().prop_flat_map(|(tenant, run)| {
        let filter = (
            option::weighted(0.2, prompt()),
            option::weighted(0.2, select(&CLOSURES[..])),
            option::weighted(0.2, select(&DATASETS[..])),
        );
        let filter = filter.prop_map(|(prompt, of, on)| RunFilter {
            prompt: prompt.map(name),
            closure_hash: of.map(closure),
            dataset: on.map(dataset),
        });
        let reads = Union::new_weighted(vec![
            (
                3,
                (filter, pages_of_numbers())
                    .prop_map(|(filter, page)| EvaluationRead::Runs(filter, page))
                    .boxed(),
            ),
            (
                3,
                pages_of_numbers()
                    .prop_map(move |page| EvaluationRead::Results(run, page))
                    .boxed(),
            ),
            (
                1,
                (prompt(), select(&DATASETS[..]), 1..3_u32)
                    .prop_map(|(prompt, on, version)| {
                        EvaluationRead::EvidenceOn(prompt, CLOSURES[0], on, version)
                    })
                    .boxed(),
            ),
        ]);
        reads.prop_map(move |read| (tenant, read))
    });
    Union::new(vec![of_dataset.boxed(), of_run.boxed()])
        .prop_map(|(tenant, read)| Operation::Read(tenant, Read::Evaluation(read)))
        .boxed()
}

/// Work on datasets, runs and answers, each kind with its weight.
pub(in super::super) fn work(there: &Evaluated) -> Vec<(u32, BoxedStrategy<Operation>)> {
    let mut choices = vec![(6, save_dataset()), (7, answers())];
    if !there.versions.is_empty() {
        choices.push((10, create_run(there)));
        choices.push((20, read(there)));
        choices.push((12, evidence(there)));
    }
    if !there.runs.is_empty() {
        choices.push((24, claim(there)));
        choices.push((14, hold(there)));
        choices.push((20, record(there)));
        choices.push((18, change(there)));
    }
    choices
}
