//! Which operations come next: most should succeed, and each refusal should come up too, so arguments are chosen from
//! what memory keeps by then.

use std::fmt;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::sample::select;
use proptest::strategy::Union;
use proptest_state_machine::ReferenceStateMachine;

use super::evaluation;
use super::names::{CLOSURES, CONTENTS, DATASETS, OUTSIDER, POLICIES, RUNS, SEMVERS, STATUSES, TAGS};
use super::operation::{Answered, By, Move, Operation, Place, Revision};
use super::read;
use super::state::{Known, Model, There};
use super::traffic;
use crate::environment::MoveKind;
use crate::prompt::Status;

/// Makes sequences of operations on prompts, environments and evaluations.
pub(super) struct Generator;

impl ReferenceStateMachine for Generator {
    type State = Model;
    type Transition = Operation;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::new()).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Operation> {
        let there = There::read(model);
        let mut choices = vec![
            (22, save_version(&there)),
            (4, set_tags(&there)),
            (7, set_parent(&there)),
            (9, set_policy(&there)),
            (4, record_feedback()),
            (4, record_evidence()),
            (24, read::read(&there)),
            (1, Just(Operation::Reopen).boxed()),
        ];
        choices.extend(evaluation::work(&there.evaluated));
        // Without any version there is nothing to say about one.
        if !there.versions.is_empty() {
            choices.push((10, set_status(&there)));
            choices.push((20, move_pointer(&there)));
            choices.push((10, approve(&there)));
            choices.push((7, select(model.done.clone()).boxed()));
            choices.extend(evidence_beside(&model.done).map(|beside| (3, beside)));
        }
        Union::new_weighted(choices).boxed()
    }

    fn apply(mut model: Model, operation: &Operation) -> Model {
        model.perform(operation);
        model
    }
}

/// Makes sequences of operations on prompts, environments, experiments and traces. Apart from the others, so that sequences
/// are short and still come to something.
pub(super) struct TrafficGenerator;

impl ReferenceStateMachine for TrafficGenerator {
    type State = Model;
    type Transition = Operation;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::new()).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Operation> {
        let there = There::read(model);
        let mut choices = vec![
            (16, save_version(&there)),
            (2, set_parent(&there)),
            (3, set_policy(&there)),
            (4, record_feedback()),
            (1, Just(Operation::Reopen).boxed()),
        ];
        choices.extend(traffic::traffic(&there));
        if !there.versions.is_empty() {
            choices.push((6, set_status(&there)));
            choices.push((14, move_pointer(&there)));
            choices.push((4, select(model.done.clone()).boxed()));
        }
        Union::new_weighted(choices).boxed()
    }

    fn apply(mut model: Model, operation: &Operation) -> Model {
        model.perform(operation);
        model
    }
}

// Some names come up more often, so that operations meet.

pub(super) fn tenant() -> impl Strategy<Value = &'static str> + Clone {
    select(&["shared", "shared", "acme", "acme", "acme", "globex"][..])
}

pub(super) fn prompt() -> impl Strategy<Value = &'static str> + Clone {
    select(&["safety", "safety", "triage", "triage", "triage", "triage/short"][..])
}

pub(super) fn somewhere() -> impl Strategy<Value = &'static str> + Clone {
    select(&["dev", "dev", "dev", "staging", "production"][..])
}

pub(super) fn by() -> impl Strategy<Value = By> {
    (0..By::ACTORS, -2_i64..6).prop_map(|(actor, at)| By { actor, at })
}

/// Mostly the revision in force: else one of the others, with this weight in a hundred.
pub(super) fn revision(wrong: u32) -> BoxedStrategy<Revision> {
    let others = select(
        &[
            Revision::Before,
            Revision::Before,
            Revision::After,
            Revision::Last,
        ][..],
    );
    mostly(Just(Revision::Current), others, wrong)
}

/// One or, with this weight in a hundred, the other.
pub(super) fn mostly<T: fmt::Debug + 'static>(
    usual: impl Strategy<Value = T> + 'static,
    other: impl Strategy<Value = T> + 'static,
    weight: u32,
) -> BoxedStrategy<T> {
    Union::new_weighted(vec![(100 - weight, usual.boxed()), (weight, other.boxed())]).boxed()
}

/// In a hundred, this many times `true`.
pub(super) fn sometimes(weight: u32) -> impl Strategy<Value = bool> {
    proptest::bool::weighted(f64::from(weight) / 100.0)
}

fn tags() -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(&TAGS[..]), 0..4)
}

fn place(of: Known) -> impl Strategy<Value = Place> {
    somewhere().prop_map(move |environment| Place {
        tenant: of.tenant,
        prompt: of.prompt,
        environment,
    })
}

fn save_version(there: &There) -> BoxedStrategy<Operation> {
    let versions = there.versions.clone();
    there
        .prompt(50)
        .prop_flat_map(move |(tenant, prompt)| {
            let latest = versions
                .iter()
                .filter(|known| known.tenant == tenant && known.prompt == prompt)
                .count() as u32;
            let parents = match latest {
                0 => Just(Vec::new()).boxed(),
                _ => vec(1..=latest, 0..3).boxed(),
            };
            let parents = (parents, sometimes(12)).prop_map(move |(mut parents, unknown)| {
                parents.extend(unknown.then_some(latest + 1));
                parents
            });
            (
                (Just(tenant), Just(prompt), 0..CONTENTS),
                select(&[Status::Draft, Status::Active][..]),
                option::weighted(0.4, select(&SEMVERS[..])),
                option::weighted(0.3, parents),
                tags(),
                by(),
            )
        })
        .prop_map(
            |((tenant, prompt, content), status, semver, parents, tags, by)| Operation::SaveVersion {
                tenant,
                prompt,
                content,
                status,
                semver,
                parents,
                tags,
                by,
            },
        )
        .boxed()
}

fn set_status(there: &There) -> BoxedStrategy<Operation> {
    let of = there.version(8).prop_flat_map(|of| {
        let changes: &[Status] = match of.status {
            Status::Draft => &[Status::Archived, Status::Archived, Status::Active],
            Status::Active => &[Status::Archived],
            Status::Archived => &[Status::Active, Status::Active, Status::Draft],
        };
        let any = select(&STATUSES[..]);
        (Just(of), mostly(select(changes), any, 30))
    });
    (of, by())
        .prop_map(|((of, to), by)| Operation::SetStatus {
            tenant: of.tenant,
            prompt: of.prompt,
            number: of.number,
            to,
            by,
        })
        .boxed()
}

fn set_tags(there: &There) -> BoxedStrategy<Operation> {
    (there.prompt(12), tags(), by())
        .prop_map(|((tenant, prompt), tags, by)| Operation::SetTags {
            tenant,
            prompt,
            tags,
            by,
        })
        .boxed()
}

fn set_parent(there: &There) -> BoxedStrategy<Operation> {
    // Most often two tenants that share one parent, as tenants do.
    let usual = select(&[("acme", Some("shared")), ("globex", Some("shared"))][..]);
    let any = (tenant(), option::of(tenant()));
    let mut choices = vec![(5, usual.boxed()), (4, any.boxed())];
    if !there.children.is_empty() {
        let children = || select(there.children.clone());
        let cleared = children().prop_map(|(child, _)| (child, None));
        choices.push((1, cleared.boxed()));
        // A second level, above the first or below it.
        let above = children().prop_map(|(_, parent)| (parent, Some(OUTSIDER)));
        let below = (tenant(), children()).prop_map(|(below, (child, _))| (below, Some(child)));
        choices.push((1, above.boxed()));
        choices.push((1, below.boxed()));
    }
    (Union::new_weighted(choices), by())
        .prop_map(|((tenant, parent), by)| Operation::SetParent { tenant, parent, by })
        .boxed()
}

fn move_pointer(there: &There) -> BoxedStrategy<Operation> {
    let to = there.version(5).prop_flat_map(|of| (place(of), Just(of.number)));
    let kind = select(&[MoveKind::Promote, MoveKind::Promote, MoveKind::Rollback][..]);
    let source = (somewhere(), revision(20));
    (
        to,
        kind,
        (sometimes(95), select(&CLOSURES[..])),
        (revision(8), revision(5), option::weighted(0.3, source)),
        sometimes(20),
        by(),
    )
        .prop_map(
            |((at, to), kind, (same_content, closure), (expected, policy, source), waived, by)| {
                Operation::MovePointer(Move {
                    at,
                    kind,
                    to,
                    same_content,
                    closure,
                    expected,
                    policy,
                    source,
                    waived,
                    by,
                })
            },
        )
        .boxed()
}

fn set_policy(there: &There) -> BoxedStrategy<Operation> {
    let slot = || (tenant(), somewhere(), option::of(prompt()));
    let set = (slot(), (0..POLICIES).prop_map(Some));
    let removed = (slot(), Just(None));
    let mut choices = vec![(5, set.boxed()), (1, removed.boxed())];
    if !there.policies.is_empty() {
        let known = || select(there.policies.clone());
        choices.push((3, (known(), Just(None)).boxed()));
        // Another for the same environment: for all prompts beside one's own, or the other way round.
        let beside =
            (known(), option::of(prompt())).prop_map(|((tenant, of, _), prompt)| (tenant, of, prompt));
        choices.push((3, (beside, (0..POLICIES).prop_map(Some)).boxed()));
    }
    (Union::new_weighted(choices), by())
        .prop_map(
            |(((tenant, environment, prompt), policy), by)| Operation::SetPolicy {
                tenant,
                environment,
                prompt,
                policy,
                by,
            },
        )
        .boxed()
}

fn approve(there: &There) -> BoxedStrategy<Operation> {
    let of = there.version(5).prop_flat_map(|of| (place(of), Just(of.number)));
    (of, select(&CLOSURES[..]), revision(12), by())
        .prop_map(|((at, number), closure, base, by)| Operation::Approve {
            at,
            number,
            closure,
            base,
            by,
        })
        .boxed()
}

fn record_feedback() -> BoxedStrategy<Operation> {
    let answered = (
        tenant(),
        prompt(),
        select(&CLOSURES[..]),
        option::weighted(0.8, somewhere()),
        any::<bool>(),
        option::of(0..=1_000_000_u32),
    )
        .prop_map(
            |(tenant, prompt, closure, environment, success, rating)| Answered {
                tenant,
                prompt,
                closure,
                environment,
                success,
                rating,
            },
        );
    vec(answered, 0..6).prop_map(Operation::RecordFeedback).boxed()
}

fn record_evidence() -> BoxedStrategy<Operation> {
    // Few, so that some are of a run that is on record.
    let closure = mostly(Just(CLOSURES[0]), select(&CLOSURES[..]), 30);
    let dataset = mostly(Just(DATASETS[0]), select(&DATASETS[..]), 50);
    let run = mostly(Just(RUNS[0]), select(&RUNS[..]), 60);
    (
        (tenant(), prompt(), closure),
        (dataset, 1..4_u32, run),
        (1..100_u64, 0..100_u64),
        by(),
    )
        .prop_map(
            |((tenant, prompt, closure), (dataset, dataset_version, run), (entries, passed), by)| {
                Operation::RecordEvidence {
                    tenant,
                    prompt,
                    closure,
                    dataset,
                    dataset_version,
                    run,
                    entries,
                    passed: passed.min(entries),
                    by,
                }
            },
        )
        .boxed()
}

/// Evidence of a run that is on record, on a dataset and of a closure that may be others.
fn evidence_beside(done: &[Operation]) -> Option<BoxedStrategy<Operation>> {
    let recorded = done
        .iter()
        .filter(|operation| matches!(operation, Operation::RecordEvidence { .. }));
    let recorded: Vec<_> = recorded.cloned().collect();
    if recorded.is_empty() {
        return None;
    }
    let others = (select(&DATASETS[..]), select(&CLOSURES[..2]));
    let beside = (select(recorded), others).prop_map(|(mut operation, (on, of))| {
        if let Operation::RecordEvidence { dataset, closure, .. } = &mut operation {
            (*dataset, *closure) = (on, of);
        }
        operation
    });
    Some(beside.boxed())
}
