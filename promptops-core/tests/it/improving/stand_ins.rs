//! Proposers, scorers and stores that behave as a test says.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDate;
use promptops_core::ErrorKind;
use promptops_core::base::{EnvironmentName, Page, PageRequest, PromptName, TenantId, Timestamp};
use promptops_core::deployment::DeploymentFilter;
use promptops_core::evaluation::{Score, Scorer, ScorerInput};
use promptops_core::improvement::proposer::{Brief, Ledger, LlmProposer, Proposed, Proposer};
use promptops_core::improvement::replay::Likeness;
use promptops_core::improvement::{
    Attempt, DailyBudget, ImprovementCommit, ImprovementRecord, ImprovementStore, RecordFilter, RecordKind,
    SlotLease, Spending,
};
use promptops_core::observation::Trace;
use promptops_core::prompt::VersionFilter;
use promptops_core::{MemoryBackend, Tenant};
use serde_json::{Value, json};

use super::world::{ENVIRONMENT, PROMPT, RightQueue, World, answer, mo, olga, words};

/// One call in production, scored as a test says.
pub async fn call(world: &World, inputs: &Value, scored: impl FnOnce(Trace, &str) -> Trace) {
    call_kept(world, inputs, true, scored).await;
}

/// The same, with or without its inputs.
pub async fn call_kept(
    world: &World,
    inputs: &Value,
    is_kept: bool,
    scored: impl FnOnce(Trace, &str) -> Trace,
) {
    let resolved = world
        .acme
        .resolve(&format!("{PROMPT}@{ENVIRONMENT}"))
        .await
        .unwrap();
    let rendered = resolved.render(inputs).unwrap();
    let text: Vec<String> = rendered.messages().iter().map(ToString::to_string).collect();
    let said = answer(&text.join("\n"), &world.weather);
    let mut trace = Trace::of(rendered.stamp()).output(said);
    if is_kept {
        trace = trace.inputs(inputs);
    }
    let trace = scored(trace, &text.join("\n"));
    world.acme.traces().record_durable(trace).await.unwrap();
    world.clock.advance(Duration::from_secs(180));
}

pub fn ticket(n: u64) -> Value {
    let kind = ["refund", "login", "refund", "parcel", "login"][(n % 5) as usize];
    json!({ "kind": kind, "ticket": words(n) })
}

pub async fn attempts(world: &World) -> Vec<Attempt> {
    let page = PageRequest::default();
    world
        .acme
        .improvements()
        .attempts(None, &page)
        .await
        .unwrap()
        .items
}

/// Does something when it first scores, and scores as the right queue does.
pub struct Meddling {
    pub acme: Tenant,
    pub did: AtomicBool,
    pub what: Meddle,
}

#[derive(Clone, Copy)]
pub enum Meddle {
    Stop,
    ArchiveDrafts,
}

impl Meddling {
    pub fn new(world: &World, what: Meddle) -> Self {
        Self {
            acme: world.acme.clone(),
            did: AtomicBool::new(false),
            what,
        }
    }
}

#[async_trait]
impl Scorer for Meddling {
    fn name(&self) -> &str {
        "right_queue"
    }

    fn configuration(&self) -> Value {
        json!({ "version": 1 })
    }

    async fn score(&self, input: &ScorerInput<'_>) -> promptops_core::Result<Score> {
        if !self.did.swap(true, Ordering::Relaxed) {
            match self.what {
                Meddle::Stop => {
                    self.acme.improvements().stop("enough", &mo()).await?;
                }
                Meddle::ArchiveDrafts => {
                    let (filter, page) = (VersionFilter::default(), PageRequest::default());
                    let versions = self.acme.prompts().versions(PROMPT, &filter, &page).await?;
                    for version in versions.items.iter().filter(|version| version.number.get() > 1) {
                        self.acme.prompts().archive(version, &olga()).await?;
                    }
                }
            }
        }
        RightQueue.score(input).await
    }
}

/// A proposer that asks another, and remembers what it was shown.
pub struct Remembering {
    pub inner: LlmProposer,
    pub shown: Mutex<BTreeSet<Likeness>>,
}

#[async_trait]
impl Proposer for Remembering {
    fn name(&self) -> String {
        self.inner.name()
    }

    async fn propose(&self, brief: &Brief<'_>, ledger: &mut Ledger) -> promptops_core::Result<Proposed> {
        let shown = brief.traces().map(|excerpt| Likeness::of(&excerpt.inputs));
        self.shown.lock().unwrap().extend(shown);
        self.inner.propose(brief, ledger).await
    }
}

/// A proposer that fails each time, after having been asked.
#[derive(Default)]
pub struct Failing {
    pub asked: AtomicU64,
}

#[async_trait]
impl Proposer for Failing {
    fn name(&self) -> String {
        "failing".into()
    }

    async fn propose(&self, _: &Brief<'_>, _: &mut Ledger) -> promptops_core::Result<Proposed> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Err(promptops_core::Error::new(ErrorKind::Backend, "no such tool"))
    }
}

/// Scores whether the answer is not shouted.
pub struct Calm;

#[async_trait]
impl Scorer for Calm {
    fn name(&self) -> &str {
        "calm"
    }

    fn configuration(&self) -> Value {
        json!({})
    }

    fn dimension(&self) -> &str {
        "tone"
    }

    async fn score(&self, input: &ScorerInput<'_>) -> promptops_core::Result<Score> {
        Ok(Score::pass(!input.output.contains('!'), "calm or not"))
    }
}

/// Scores any answer as right.
pub struct Anything;

#[async_trait]
impl Scorer for Anything {
    fn name(&self) -> &str {
        "anything"
    }

    fn configuration(&self) -> Value {
        json!({})
    }

    async fn score(&self, _: &ScorerInput<'_>) -> promptops_core::Result<Score> {
        Ok(Score::pass(true, "right"))
    }
}

/// A store in which everything on its way is rejected while spending is set aside.
pub struct Rejecting {
    pub backend: MemoryBackend,
    pub acme: Mutex<Option<Tenant>>,
}

#[async_trait]
impl ImprovementStore for Rejecting {
    async fn commit_improvement(&self, commit: ImprovementCommit) -> promptops_core::Result<()> {
        self.backend.commit_improvement(commit).await
    }

    async fn improvement_record(
        &self,
        tenant: &TenantId,
        kind: RecordKind,
        id: &str,
    ) -> promptops_core::Result<Option<ImprovementRecord>> {
        self.backend.improvement_record(tenant, kind, id).await
    }

    async fn improvement_records(
        &self,
        tenant: &TenantId,
        filter: &RecordFilter,
        page: &PageRequest,
    ) -> promptops_core::Result<Page<ImprovementRecord>> {
        self.backend.improvement_records(tenant, filter, page).await
    }

    async fn take_slot_lease(
        &self,
        tenant: &TenantId,
        lease: SlotLease,
        now: Timestamp,
    ) -> promptops_core::Result<SlotLease> {
        self.backend.take_slot_lease(tenant, lease, now).await
    }

    async fn return_slot_lease(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
        worker: &str,
    ) -> promptops_core::Result<()> {
        self.backend
            .return_slot_lease(tenant, prompt, environment, worker)
            .await
    }

    async fn reserve_spending(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        amount: Spending,
        limits: &DailyBudget,
    ) -> promptops_core::Result<Option<Spending>> {
        let acme = self.acme.lock().unwrap().clone();
        if let Some(acme) = acme {
            let found = acme
                .deployments()
                .list(&DeploymentFilter::default(), &PageRequest::default())
                .await?;
            for deployment in found.items {
                acme.deployments().reject(&deployment.id, "no", &olga()).await?;
            }
        }
        self.backend.reserve_spending(tenant, day, amount, limits).await
    }

    async fn settle_spending(
        &self,
        tenant: &TenantId,
        day: NaiveDate,
        reserved: Spending,
        used: Spending,
    ) -> promptops_core::Result<Spending> {
        self.backend.settle_spending(tenant, day, reserved, used).await
    }

    async fn spending(&self, tenant: &TenantId, day: NaiveDate) -> promptops_core::Result<Spending> {
        self.backend.spending(tenant, day).await
    }
}

pub const SHOUT: &str = "Shout.";

/// A host's proposer with a defect.
pub struct Panicking;

#[async_trait]
#[allow(clippy::panic, reason = "the defect that is tested")]
impl Proposer for Panicking {
    fn name(&self) -> String {
        "panicking".into()
    }

    async fn propose(&self, _: &Brief<'_>, _: &mut Ledger) -> promptops_core::Result<Proposed> {
        panic!("a defect of the host")
    }
}
