//! Which traffic comes next.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::sample::select;
use proptest::strategy::Union;

use super::super::generate::{by, mostly, prompt, revision, sometimes, somewhere, tenant};
use super::super::names::{CLOSURES, EXPERIMENTS};
use super::super::operation::{Operation, Place};
use super::super::read::{Read, pages_of_names};
use super::super::state::There;
use super::{Said, Traced, Traffic, TrafficRead, trace_id};
use crate::conformance::fixture::*;
use crate::experiment::{ExperimentFilter, ExperimentStatus};
use crate::observation::{Resolution, RollupQuery, TraceFilter};

/// So many traces can be meant.
const TRACES: u8 = 8;

/// What traffic can be about.
#[derive(Default)]
pub(in super::super) struct Ongoing {
    /// Tenant and experiment.
    experiments: Vec<(&'static str, &'static str)>,
    /// Tenant and trace.
    traces: Vec<(&'static str, u8)>,
}

impl Ongoing {
    /// Adds what memory keeps of a tenant.
    pub async fn read(&mut self, desk: &Desk, tenant: &'static str) {
        for id in EXPERIMENTS {
            if desk.experiment(id).await.is_some() {
                self.experiments.push((tenant, id));
            }
        }
        for n in 0..TRACES {
            if desk.trace(trace_id(n)).await.is_some() {
                self.traces.push((tenant, n));
            }
        }
    }

    /// Mostly an experiment that is there.
    fn experiment(&self) -> BoxedStrategy<(&'static str, &'static str)> {
        let anywhere = (tenant(), select(&EXPERIMENTS[..]));
        if self.experiments.is_empty() {
            return anywhere.boxed();
        }
        mostly(select(self.experiments.clone()), anywhere, 6)
    }
}

fn said() -> impl Strategy<Value = Said> {
    let score = select(&[0, 4_999, 5_000, 333_333, 1_000_000][..]);
    (option::of(any::<bool>()), option::of(score), 0..16_u8).prop_map(|(success, score, more)| Said {
        success,
        score,
        more,
    })
}

fn begin(there: &There) -> BoxedStrategy<Operation> {
    let anywhere = (tenant(), prompt(), somewhere()).prop_map(|(tenant, prompt, environment)| Place {
        tenant,
        prompt,
        environment,
    });
    let place = mostly(select(there.pointers.clone()), anywhere, 8);
    let known = there.versions.clone();
    let place = place.prop_flat_map(move |at| {
        let known = known
            .iter()
            .filter(|of| of.tenant == at.tenant && of.prompt == at.prompt);
        let numbers: Vec<_> = known.map(|of| of.number).collect();
        let number = || match numbers[..] {
            [] => (1..3_u32).boxed(),
            _ => mostly(select(numbers.clone()), 1..6_u32, 3),
        };
        (Just(at), (number(), number()))
    });
    let namespace = option::weighted(0.6, select(&[(0, 5_000), (5_000, 10_000), (4_999, 5_001)][..]));
    let rests_on = (revision(5), revision(4));
    let what = (select(&EXPERIMENTS[..]), sometimes(94));
    (place, what, rests_on, namespace, by())
        .prop_map(
            |((at, versions), (id, same_content), (pointer, policy), namespace, by)| {
                let work = Traffic::Begin {
                    id,
                    prompt: at.prompt,
                    environment: at.environment,
                    versions: versions.into(),
                    same_content,
                    pointer,
                    policy,
                    namespace,
                    by,
                };
                Operation::Traffic(at.tenant, work)
            },
        )
        .boxed()
}

fn change(there: &Ongoing) -> BoxedStrategy<Operation> {
    use ExperimentStatus::{Active, Completed, Paused};
    let to = select(&[Active, Paused, Paused, Completed][..]);
    let promotion = option::weighted(0.4, (revision(12), revision(12)));
    (there.experiment(), revision(12), to, promotion, by())
        .prop_map(|((tenant, id), on, to, promotion, by)| {
            let work = Traffic::Change {
                id,
                on,
                to,
                promotion,
                by,
            };
            Operation::Traffic(tenant, work)
        })
        .boxed()
}

fn outcomes(there: &Ongoing) -> BoxedStrategy<Operation> {
    let units = select(&[0, 1, 2, 3, u64::MAX][..]);
    let outcomes = vec((units, 0..2_u8, said()), 0..6);
    (there.experiment(), outcomes)
        .prop_map(|((tenant, id), outcomes)| Operation::Traffic(tenant, Traffic::Outcomes(id, outcomes)))
        .boxed()
}

fn losses(there: &Ongoing) -> BoxedStrategy<Operation> {
    let losses = vec((1..3_u32, 0..2_u8, 0..3_u64), 0..3);
    (there.experiment(), losses)
        .prop_map(|((tenant, id), losses)| Operation::Traffic(tenant, Traffic::Losses(id, losses)))
        .boxed()
}

fn traces() -> BoxedStrategy<Operation> {
    // Both sides of an hour and of a day, and before 1970.
    let at = mostly(-2..5_i64, select(&[-301, -300, 60, 10_000, -30_000_000][..]), 20);
    let of = (
        prompt(),
        select(&CLOSURES[..2]),
        option::weighted(0.8, somewhere()),
    );
    let how = (
        option::weighted(0.2, select(&["a", "b"][..])),
        sometimes(20),
        sometimes(75),
    );
    let traced = (0..TRACES, at, of, how, said()).prop_map(
        |(id, at, (prompt, closure, environment), (variant, is_error, has_content), said)| Traced {
            id,
            at,
            prompt,
            closure,
            environment,
            variant,
            is_error,
            has_content,
            said,
        },
    );
    (tenant(), vec(traced, 0..4))
        .prop_map(|(tenant, traces)| Operation::Traffic(tenant, Traffic::Traces(traces)))
        .boxed()
}

fn annotate(there: &Ongoing) -> BoxedStrategy<Operation> {
    let strange = tenant().prop_map(|tenant| (tenant, TRACES));
    let of = mostly(select(there.traces.clone()), strange, 5);
    let others = vec((0..TRACES, said()), 0..2);
    (of, vec(said(), 1..3), others)
        .prop_map(|((tenant, id), first, others)| {
            let mut batch: Vec<_> = first.into_iter().map(|said| (id, said)).collect();
            batch.extend(others);
            Operation::Traffic(tenant, Traffic::Annotate(batch))
        })
        .boxed()
}

fn prune() -> BoxedStrategy<Operation> {
    let before = select(&[-30_000_000, -1, 0, 1, 2, 3, 4, 20_000][..]);
    let traces = (before.clone(), 0..4_usize)
        .prop_map(|(before, at_most)| Traffic::PruneTraces { before, at_most })
        .boxed();
    // Which counts of one minute go first is the backend's own, so that all go, or none.
    let minutes = (before, select(&[0, 1_000, 1_000][..]))
        .prop_map(|(before, at_most)| Traffic::PruneMinutes { before, at_most })
        .boxed();
    (tenant(), Union::new(vec![traces, minutes]))
        .prop_map(|(tenant, work)| Operation::Traffic(tenant, work))
        .boxed()
}

fn read(there: &Ongoing) -> BoxedStrategy<Operation> {
    use ExperimentStatus::{Active, Completed, Paused};
    let status = option::weighted(0.3, select(&[Active, Paused, Completed][..]));
    let filter = (option::weighted(0.3, prompt()), status).prop_map(|(prompt, status)| ExperimentFilter {
        prompt: prompt.map(name),
        status,
    });
    let cursor = |page: crate::base::PageRequest| match page.cursor() {
        Some("triage/") | None => page,
        Some(_) => page.after("exp-2"),
    };
    let experiments = (filter, pages_of_names())
        .prop_map(move |(filter, page)| TrafficRead::Experiments(filter, cursor(page)))
        .boxed();
    let wanted = (
        (
            option::weighted(0.3, prompt()),
            option::weighted(0.2, select(&CLOSURES[..2])),
        ),
        (
            option::weighted(0.2, somewhere()),
            option::weighted(0.2, any::<bool>()),
        ),
        (option::weighted(0.2, -1..4_i64), option::weighted(0.2, 0..5_i64)),
        (
            option::weighted(0.2, any::<bool>()),
            option::weighted(0.2, 0..500_000_u32),
        ),
        (
            sometimes(20),
            option::weighted(0.2, 0..16_u32),
            option::weighted(0.1, 0..3),
        ),
    );
    let traces = (wanted, 1..4_u32)
        .prop_map(
            |(
                ((of, text), (place, success), (from, to), (is_error, rating), (corrected, score, tag)),
                limit,
            )| {
                let filter = TraceFilter {
                    prompt: of.map(name),
                    closure_hash: text.map(closure),
                    environment: place.map(environment),
                    success,
                    from: from.map(|minute| second(minute * 60)),
                    to: to.map(|minute| second(minute * 60)),
                    is_error,
                    min_rating_millionths: rating,
                    has_correction: corrected,
                    max_score: score.map(|most| (score_name("exact"), most)),
                    tags: tag.map(|n| format!("tag {n}")).into_iter().collect(),
                    ..TraceFilter::default()
                };
                TrafficRead::Traces(Box::new(filter), limit)
            },
        )
        .boxed();
    let span = (-2..3_i64, -1..6_i64);
    let rollups = (
        prompt(),
        select(&Resolution::ALL[..]),
        span,
        option::weighted(0.2, somewhere()),
    )
        .prop_map(|(prompt, resolution, (from, to), of)| {
            TrafficRead::Rollups(RollupQuery {
                from: second(from * 60),
                to: second(to * 60),
                environment: of.map(environment),
                ..rollup_query(prompt, resolution)
            })
        })
        .boxed();
    let of_experiments = mostly_of(there.experiments.iter().map(|of| of.0).collect());
    let of_traces = mostly_of(there.traces.iter().map(|of| of.0).collect());
    let reads = Union::new_weighted(vec![
        (2, (of_experiments, experiments).boxed()),
        (3, (of_traces.clone(), traces).boxed()),
        (2, (of_traces, rollups).boxed()),
    ]);
    reads
        .prop_map(|(tenant, read)| Operation::Read(tenant, Read::Traffic(read)))
        .boxed()
}

/// Mostly one of these tenants.
fn mostly_of(tenants: Vec<&'static str>) -> BoxedStrategy<&'static str> {
    if tenants.is_empty() {
        return tenant().boxed();
    }
    mostly(select(tenants), tenant(), 10)
}

/// Experiments and traces, each kind with its weight.
pub(in super::super) fn traffic(all: &There) -> Vec<(u32, BoxedStrategy<Operation>)> {
    let there = &all.ongoing;
    let mut choices = vec![(8, traces()), (4, prune())];
    if !all.pointers.is_empty() {
        choices.push((14, begin(all)));
    }
    if !there.experiments.is_empty() {
        choices.push((18, change(there)));
        choices.push((18, outcomes(there)));
        choices.push((6, losses(there)));
    }
    if !there.traces.is_empty() {
        choices.push((7, annotate(there)));
    }
    if !there.experiments.is_empty() || !there.traces.is_empty() {
        choices.push((9, read(there)));
    }
    choices
}
