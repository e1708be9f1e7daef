//! Calls that change nothing: what they come to, which show everything, and which are generated.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy};
use proptest::sample::select;
use proptest::strategy::Union;
use serde_json::{Value, json};

use super::call::Call;
use super::evaluation::{EvaluationRead, Work};
use super::generate::{mostly, somewhere};
use super::names::{
    CLOSURES, CONTENTS, DATASETS, ENVIRONMENTS, PROMPTS, RUN_IDS, STATUSES, TAGS, TENANTS, content,
};
use super::operation::Operation;
use super::state::There;
use super::traffic::TrafficRead;
use crate::base::audit::AuditRecord;
use crate::base::{
    ClosureHash, DatasetName, EnvironmentName, Page, PageRequest, PromptName, Result, TenantId,
};
use crate::conformance::fixture::*;
use crate::ops::Stores;
use crate::prompt::{Dependent, Lookup, PromptFilter, Reference, Selector, VersionFilter};

/// A call that changes nothing.
#[derive(Debug, Clone)]
pub(super) enum Read {
    Prompt(PromptName),
    Prompts(PromptFilter, PageRequest),
    Versions(PromptName, VersionFilter, PageRequest),
    Find(Vec<Reference>),
    /// To the end in pages of this limit, since the cursor is the backend's own.
    Dependents(PromptName, u32),
    Parent,
    Slots(PromptName),
    History(PromptName, EnvironmentName, PageRequest),
    Policies,
    Metrics(PromptName, ClosureHash, Option<EnvironmentName>),
    LatestEvidence(PromptName, ClosureHash, DatasetName),
    AuditRecords(PageRequest),
    AuditHead,
    Evaluation(EvaluationRead),
    Traffic(TrafficRead),
}

pub(super) fn page_of<T>(page: Page<T>, show: impl FnMut(T) -> Value) -> Value {
    let Page { items, next } = page.map(show);
    json!({ "items": items, "next": next })
}

fn lookup(lookup: &Lookup) -> Value {
    match lookup {
        Lookup::Found(found) => json!({ "version": found.version, "revision": found.revision }),
        Lookup::Missing(missing) => json!({ "missing": format!("{missing:?}") }),
    }
}

fn audit_record(record: AuditRecord) -> Value {
    let entry = &record.entry;
    json!({
        "seq": record.seq,
        "tenant": entry.tenant,
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
        "previous_hash": record.previous_hash,
        "hash": record.hash,
        "verified": record.hash == record.compute_hash(),
    })
}

impl Read {
    pub(super) async fn answer(&self, stores: &Stores, tenant: &TenantId) -> Result<Value> {
        let (prompts, environments) = (&stores.prompts, &stores.environments);
        Ok(match self {
            Self::Prompt(name) => json!(prompts.prompt(tenant, name).await?),
            Self::Prompts(filter, page) => {
                page_of(prompts.list_prompts(tenant, filter, page).await?, |prompt| {
                    json!(prompt)
                })
            }
            Self::Versions(name, filter, page) => page_of(
                prompts.list_versions(tenant, name, filter, page).await?,
                |version| json!(version),
            ),
            Self::Find(references) => {
                let found = prompts.find(tenant, references).await?;
                found.iter().map(lookup).collect()
            }
            Self::Dependents(snippet, limit) => {
                let all = pages(*limit, async |page| {
                    prompts.dependents(tenant, snippet, &page).await
                });
                all.await.iter().map(Dependent::cursor).collect()
            }
            Self::Parent => json!(prompts.parent(tenant).await?),
            Self::Slots(prompt) => {
                let slots = environments.slots(tenant, prompt).await?;
                json!({
                    "pointers": slots.pointers,
                    "policies": slots.policies,
                    "policy_revision": slots.policy_revision,
                    "approvals": slots.approvals,
                })
            }
            Self::History(prompt, environment, page) => page_of(
                environments.history(tenant, prompt, environment, page).await?,
                |record| json!(record),
            ),
            Self::Policies => json!(environments.policies(tenant).await?),
            Self::Metrics(prompt, closure, environment) => {
                let of = environment.as_ref();
                json!(stores.metrics.metrics(tenant, prompt, closure, of).await?)
            }
            Self::LatestEvidence(prompt, closure, dataset) => {
                let evaluations = &stores.evaluations;
                json!(
                    evaluations
                        .latest_evidence(tenant, prompt, closure, dataset, None)
                        .await?
                )
            }
            Self::AuditRecords(page) => {
                page_of(stores.audit.audit_records(tenant, page).await?, audit_record)
            }
            Self::Evaluation(read) => read.answer(stores, tenant).await?,
            Self::Traffic(read) => read.answer(stores, tenant).await?,
            Self::AuditHead => {
                let head = stores.audit.audit_head(tenant).await?;
                json!(head.map(|head| json!({ "seq": head.seq, "hash": head.hash })))
            }
        })
    }

    /// Reads that together show all that is kept about the tenants, when it should be what memory keeps.
    pub(super) async fn everything(memory: &Stores, prefix: &str) -> Vec<Call> {
        let desks = TENANTS.map(|tenant| Desk {
            stores: memory.clone(),
            tenant: tenant_id(&format!("{prefix}{tenant}")),
        });
        let mut calls = Vec::new();
        for desk in &desks {
            let mut read = |read| calls.push(Call::Read(desk.tenant.clone(), read));
            let all = || page(PageRequest::MAX_LIMIT);
            read(Self::Parent);
            read(Self::Policies);
            read(Self::AuditRecords(all()));
            read(Self::AuditHead);
            read(Self::Prompts(PromptFilter::default(), all()));
            read(Self::Find(references(PROMPTS)));
            for prompt in PROMPTS {
                // Of what is not listed and in no slot there are no versions and no history.
                if desk.prompt(prompt).await.is_some() {
                    read(Self::Versions(name(prompt), VersionFilter::default(), all()));
                }
                let slots = desk.slots(prompt).await;
                for pointer in slots.pointers {
                    read(Self::History(name(prompt), pointer.environment, all()));
                }
                read(Self::Slots(name(prompt)));
                read(Self::Dependents(name(prompt), PageRequest::MAX_LIMIT));
            }
            for (prompt, closure) in closures(&desks).await {
                if desk.metrics(prompt.as_str(), &closure, None).await.usage_count > 0 {
                    for of in ENVIRONMENTS {
                        read(Self::Metrics(prompt.clone(), closure, Some(environment(of))));
                    }
                }
                read(Self::Metrics(prompt, closure, None));
            }
            for (prompt, closure, dataset) in evaluated(&desks).await {
                read(Self::LatestEvidence(prompt, closure, dataset));
            }
            for evaluated in EvaluationRead::everything(desk).await {
                read(Self::Evaluation(evaluated));
            }
            for ongoing in TrafficRead::everything(desk).await {
                read(Self::Traffic(ongoing));
            }
            // Who holds what shows in what a stranger is given.
            for run in RUN_IDS {
                if desk.run(run).await.is_ok() {
                    let stranger = Work::Claim {
                        run,
                        worker: "stranger",
                        limit: 100,
                        now: 5,
                        until: 5,
                    };
                    calls.push(Call::Work(stranger.call(desk.clone()).await));
                }
            }
        }
        calls
    }
}

/// The closures with feedback of any of these tenants: it must count for no other.
async fn closures(desks: &[Desk]) -> Vec<(PromptName, ClosureHash)> {
    let mut found = Vec::new();
    for prompt in PROMPTS {
        for closure_hash in CLOSURES.map(closure) {
            for desk in desks {
                if desk.metrics(prompt, &closure_hash, None).await.usage_count > 0 {
                    found.push((name(prompt), closure_hash));
                    break;
                }
            }
        }
    }
    found
}

/// What any of these tenants has evidence for: no other sees it.
async fn evaluated(desks: &[Desk]) -> Vec<(PromptName, ClosureHash, DatasetName)> {
    let mut found = Vec::new();
    for prompt in PROMPTS {
        for closure_hash in CLOSURES.map(closure) {
            for on in DATASETS {
                for desk in desks {
                    if desk.latest_evidence(prompt, &closure_hash, on).await.is_some() {
                        found.push((name(prompt), closure_hash, dataset(on)));
                        break;
                    }
                }
            }
        }
    }
    found
}

/// The references to these prompts by latest and by every environment.
pub(super) fn references(prompts: impl IntoIterator<Item = &'static str>) -> Vec<Reference> {
    let selectors = || {
        let environments = ENVIRONMENTS.map(|name| Selector::Environment(environment(name)));
        environments.into_iter().chain([Selector::Latest])
    };
    prompts
        .into_iter()
        .flat_map(|prompt| {
            selectors().map(move |selector| Reference {
                prompt: name(prompt),
                selector,
            })
        })
        .collect()
}

/// Pages of few items, many of them beginning in the middle: after an item that may be there, or after what no list
/// has.
fn pages_after(cursors: &'static [&'static str]) -> BoxedStrategy<PageRequest> {
    let limit = select(&[1, 1, 1, 2, 3][..]);
    (limit, option::weighted(0.4, select(cursors)))
        .prop_map(|(limit, cursor)| match cursor {
            None => page(limit),
            Some(cursor) => page(limit).after(cursor),
        })
        .boxed()
}

pub(super) fn pages_of_names() -> BoxedStrategy<PageRequest> {
    pages_after(&["a", "a", "a", "safety", "safety", "triage", "z", "triage/"])
}

pub(super) fn pages_of_numbers() -> BoxedStrategy<PageRequest> {
    pages_after(&[
        "1",
        "2",
        "2",
        "3",
        "3",
        "3",
        "4",
        "5",
        "0",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "v1",
    ])
}

/// Mostly about a prompt that is there.
pub(super) fn read(there: &There) -> BoxedStrategy<Operation> {
    let mut choices = vec![(
        5,
        there
            .prompt(10)
            .prop_flat_map(|(tenant, prompt)| read_of(tenant, prompt))
            .boxed(),
    )];
    if !there.pointers.is_empty() {
        let history = (select(there.pointers.clone()), pages_of_numbers()).prop_map(|(of, page)| {
            let read = Read::History(name(of.prompt), environment(of.environment), page);
            Operation::Read(of.tenant, read)
        });
        choices.push((1, history.boxed()));
    }
    if !there.versions.is_empty() {
        // A tag and a status that some prompt may well have, at once.
        let filter = (select(&TAGS[..]), option::of(select(&STATUSES[..])));
        let tenants = select(there.versions.clone()).prop_map(|of| of.tenant);
        let filtered = (tenants, filter).prop_map(|(tenant, (of, status))| {
            let filter = PromptFilter {
                tag: Some(tag(of)),
                status,
                ..PromptFilter::default()
            };
            Operation::Read(tenant, Read::Prompts(filter, page(3)))
        });
        choices.push((1, filtered.boxed()));
    }
    // Pages that have another after them need more than one prompt.
    let mut several: Vec<_> = there.versions.iter().map(|of| (of.tenant, of.prompt)).collect();
    several.sort_unstable();
    several.dedup();
    let several: Vec<_> = several
        .windows(2)
        .filter(|pair| pair[0].0 == pair[1].0)
        .map(|pair| pair[0].0)
        .collect();
    if !several.is_empty() {
        let prompts = (select(several), pages_of_names())
            .prop_map(|(tenant, page)| Operation::Read(tenant, Read::Prompts(PromptFilter::default(), page)));
        choices.push((1, prompts.boxed()));
    }
    Union::new_weighted(choices).boxed()
}

fn read_of(tenant: &'static str, of: &'static str) -> BoxedStrategy<Operation> {
    let prompt = || Just(name(of));
    let status = || option::weighted(0.2, select(&STATUSES[..]));
    let prefix = select(
        &[
            "", "s", "triage", "triage", "triage/", "triagf", "T", "%", "\u{e4}",
        ][..],
    );
    let filter = (
        option::weighted(0.3, prefix),
        option::weighted(0.15, select(&TAGS[..])),
        status(),
    );
    let filter = filter.prop_map(|(prefix, of, status)| PromptFilter {
        prefix: prefix.map(str::to_owned),
        tag: of.map(tag),
        status,
    });
    let selector = Union::new([
        Just(Selector::Latest).boxed(),
        (1..6_u32).prop_map(|n| Selector::Version(number(n))).boxed(),
        (0..CONTENTS)
            .prop_map(|n| Selector::Hash(content(n).0.hash()))
            .boxed(),
        select(&["dev", "dev", "production", "nowhere"][..])
            .prop_map(|name| Selector::Environment(environment(name)))
            .boxed(),
    ]);
    let references = vec((mostly(Just(of), select(&PROMPTS[..]), 30), selector), 0..6).prop_map(|all| {
        let all = all.into_iter().map(|(prompt, selector)| Reference {
            prompt: name(prompt),
            selector,
        });
        all.collect()
    });
    let closed = || select(&CLOSURES[..]).prop_map(closure);
    let of = || somewhere().prop_map(environment);
    Union::new_weighted(vec![
        (5, references.prop_map(Read::Find).boxed()),
        (
            3,
            (filter, pages_of_names())
                .prop_map(|(filter, page)| Read::Prompts(filter, page))
                .boxed(),
        ),
        (
            5,
            (prompt(), status(), pages_of_numbers())
                .prop_map(|(prompt, status, page)| Read::Versions(prompt, VersionFilter { status }, page))
                .boxed(),
        ),
        (
            1,
            (prompt(), of(), pages_of_numbers())
                .prop_map(|(prompt, of, page)| Read::History(prompt, of, page))
                .boxed(),
        ),
        (3, pages_of_numbers().prop_map(Read::AuditRecords).boxed()),
        (
            3,
            (prompt(), 1..4_u32)
                .prop_map(|(snippet, limit)| Read::Dependents(snippet, limit))
                .boxed(),
        ),
        (1, prompt().prop_map(Read::Prompt).boxed()),
        (
            1,
            (prompt(), closed(), option::of(of()))
                .prop_map(|(prompt, closure, of)| Read::Metrics(prompt, closure, of))
                .boxed(),
        ),
        (
            1,
            (prompt(), closed(), select(&DATASETS[..]))
                .prop_map(|(prompt, closure, on)| Read::LatestEvidence(prompt, closure, dataset(on)))
                .boxed(),
        ),
    ])
    .prop_map(move |read| Operation::Read(tenant, read))
    .boxed()
}
