//! Experiments where something goes wrong beside them: a store that hangs or refuses, a snippet that is gone, a pointer
//! that moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::base::{Actor, EnvironmentName, ExperimentId, Page, PageRequest, PromptName, TenantId};
use promptops_core::experiment::{
    Experiment, ExperimentChange, ExperimentFilter, ExperimentPlan, ExperimentStore, Look, Loss,
    NewExperiment, Outcome, OutcomeEntry, OutcomeRecorder, OutcomeVerdict, TallyRow, WatchSettings,
};
use promptops_core::observation::{AssignmentReason, Verdict};
use promptops_core::prompt::{Draft, Version};
use promptops_core::{Error, ErrorKind, MemoryBackend, PromptOps, Result, Stores, Tenant};

use crate::faulty::{Faulty, Mode};

const SECOND: Duration = Duration::from_secs(1);

fn mo() -> Actor {
    Actor::member("mo")
}

/// A store that refuses the outcomes of one experiment, and does not answer at first when it is told of losses.
struct Trouble {
    inner: MemoryBackend,
    refuses: Option<ExperimentId>,
    hangs_once: AtomicBool,
}

impl Trouble {
    fn stores(self) -> Stores {
        let inner = self.inner.clone();
        Stores {
            experiments: Arc::new(self),
            ..inner.into()
        }
    }
}

#[async_trait]
impl ExperimentStore for Trouble {
    async fn create_experiment(&self, new: NewExperiment) -> Result<Experiment> {
        self.inner.create_experiment(new).await
    }

    async fn experiment(&self, tenant: &TenantId, id: &ExperimentId) -> Result<Option<Experiment>> {
        if self.refuses.as_ref() == Some(id) {
            return Err(Error::new(ErrorKind::Corrupt, "a later release wrote it"));
        }
        self.inner.experiment(tenant, id).await
    }

    async fn open_experiment(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
    ) -> Result<Option<Experiment>> {
        self.inner.open_experiment(tenant, prompt, environment).await
    }

    async fn experiments(
        &self,
        tenant: &TenantId,
        filter: &ExperimentFilter,
        page: &PageRequest,
    ) -> Result<Page<Experiment>> {
        self.inner.experiments(tenant, filter, page).await
    }

    async fn change_experiment(&self, change: ExperimentChange) -> Result<Experiment> {
        self.inner.change_experiment(change).await
    }

    async fn record_outcomes(
        &self,
        tenant: &TenantId,
        experiment: &ExperimentId,
        outcomes: &[OutcomeEntry],
    ) -> Result<Vec<OutcomeVerdict>> {
        self.inner.record_outcomes(tenant, experiment, outcomes).await
    }

    async fn record_losses(
        &self,
        tenant: &TenantId,
        experiment: &ExperimentId,
        losses: &[Loss],
    ) -> Result<()> {
        if self.hangs_once.swap(false, Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.inner.record_losses(tenant, experiment, losses).await
    }

    async fn tallies(&self, tenant: &TenantId, experiment: &ExperimentId) -> Result<Vec<TallyRow>> {
        self.inner.tallies(tenant, experiment).await
    }
}

/// No look but those that a test takes.
fn by_hand() -> WatchSettings {
    let mut settings = WatchSettings::default();
    settings.after_outcomes = Duration::ZERO;
    settings
}

async fn save(tenant: &Tenant, prompt: &str, text: &str) -> Version {
    let draft = Draft::text(text).by("mo").active();
    tenant.prompts().save(prompt, draft).await.unwrap()
}

/// Two versions of `triage`, the first live in production.
async fn two_versions(tenant: &Tenant, second: &str) -> (Version, Version) {
    let v1 = save(tenant, "triage", "one").await;
    let v2 = save(tenant, "triage", second).await;
    tenant
        .environments()
        .promote(&v1, "production", &mo())
        .await
        .unwrap();
    (v1, v2)
}

fn against(version: &Version) -> ExperimentPlan {
    ExperimentPlan::new("triage", "production")
        .unwrap()
        .control(50.0)
        .variant("other", version.number, 50.0)
        .unwrap()
}

#[tokio::test]
async fn a_variant_whose_snippet_is_gone_does_not_take_what_is_live_with_it() {
    let backend = MemoryBackend::new();
    let ops = PromptOps::builder(backend.clone())
        .watch_settings(by_hand())
        .build();
    let acme = ops.tenant("acme").unwrap();
    let olga = Actor::owner("olga");
    save(&ops.tenant("house").unwrap(), "safety", "Be safe.").await;
    ops.tenants()
        .set_parent("acme", Some("house"), &olga)
        .await
        .unwrap();
    let (v1, v2) = two_versions(&acme, "{% include \"safety\" %} two").await;
    let experiments = acme.experiments();
    experiments.start(against(&v2), &mo()).await.unwrap();
    let stamp = acme.resolve("triage@production").unit("u").await.unwrap().stamp();
    assert_eq!(stamp.assignment.unwrap().reason, AssignmentReason::Bucket);

    ops.tenants().set_parent("acme", None, &olga).await.unwrap();
    // Here, where it was known before, and in a process that knows nothing.
    let anew = PromptOps::builder(backend).watch_settings(by_hand()).build();
    for ops in [&ops, &anew] {
        let acme = ops.tenant("acme").unwrap();
        let resolved = acme.resolve("triage@production").unit("u").await.unwrap();
        assert_eq!(resolved.staleness(), None);
        let stamp = resolved.stamp();
        assert_eq!(stamp.version, Some(v1.number));
        assert_eq!(stamp.assignment.unwrap().reason, AssignmentReason::Unavailable);
    }
}

#[tokio::test]
async fn losses_that_a_hanging_store_was_told_of_are_told_again() {
    let mut settings = OutcomeRecorder::default_settings();
    settings.capacity = 4;
    settings.write_timeout = Duration::from_millis(50);
    let trouble = Trouble {
        inner: MemoryBackend::new(),
        refuses: None,
        hangs_once: true.into(),
    };
    let ops = PromptOps::builder(trouble.stores())
        .watch_settings(by_hand())
        .outcome_settings(settings)
        .build();
    let acme = ops.tenant("acme").unwrap();
    let (_, v2) = two_versions(&acme, "two").await;
    let experiment = acme.experiments().start(against(&v2), &mo()).await.unwrap();
    let mut stamps = Vec::new();
    for unit in 0..11 {
        let resolved = acme.resolve("triage@production");
        stamps.push(resolved.unit(&format!("user-{unit}")).await.unwrap().stamp());
    }
    let (last, first) = stamps.split_last().unwrap();
    for stamp in first {
        acme.outcomes().record(stamp, Outcome::success(true));
    }
    assert_eq!(acme.outcomes().stats().dropped, 6);
    acme.outcomes().flush(5 * SECOND).await.unwrap();
    acme.outcomes().record(last, Outcome::success(true));
    acme.outcomes().flush(5 * SECOND).await.unwrap();
    let analysis = acme.experiments().analysis(&experiment.id).await.unwrap();
    let lost: u64 = analysis.variants.iter().map(|variant| variant.lost).sum();
    assert_eq!(lost, 6);
}

#[tokio::test]
async fn an_experiment_that_cannot_be_read_takes_no_others_outcomes_with_it() {
    const GOOD: u64 = 6;
    let trouble = Trouble {
        inner: MemoryBackend::new(),
        refuses: Some("bad".parse().unwrap()),
        hangs_once: false.into(),
    };
    let ops = PromptOps::builder(trouble.stores())
        .watch_settings(by_hand())
        .build();
    let mut stamps = Vec::new();
    for (tenant, id) in (0..GOOD)
        .map(|n| (format!("good-{n}"), format!("good-{n}")))
        .chain([("unlucky".to_owned(), "bad".to_owned())])
    {
        let tenant = ops.tenant(tenant).unwrap();
        let (_, v2) = two_versions(&tenant, "two").await;
        let plan = against(&v2).id(&id).unwrap();
        tenant.experiments().start(plan, &mo()).await.unwrap();
        let resolved = tenant.resolve("triage@production").unit("user-1").await.unwrap();
        stamps.push((tenant, resolved.stamp()));
    }
    for (tenant, stamp) in &stamps {
        tenant.outcomes().record(stamp, Outcome::success(true));
    }
    let (good, bad) = (&stamps[0], stamps.last().unwrap());
    let stats = good.0.outcomes().flush(5 * SECOND).await.unwrap();
    assert_eq!((stats.written, stats.failed), (GOOD, 1), "{stats:?}");
    // Together in one batch again.
    let (good_outcomes, bad_outcomes) = (good.0.outcomes(), bad.0.outcomes());
    let (ours, theirs) = tokio::join!(
        good_outcomes.record_durable(&good.1, Outcome::success(true)),
        bad_outcomes.record_durable(&bad.1, Outcome::success(true)),
    );
    assert_eq!(ours.unwrap(), Some(Verdict::Duplicate));
    assert_eq!(theirs.unwrap_err().kind(), ErrorKind::Corrupt);
    let stats = good.0.outcomes().stats();
    assert_eq!(
        stats.enqueued,
        stats.settled() + stats.dropped + stats.queued,
        "{stats:?}"
    );
}

#[tokio::test]
async fn an_experiment_does_not_begin_with_a_control_that_is_no_longer_live() {
    let store = Faulty::new();
    let ops = PromptOps::builder(store.stores())
        .watch_settings(by_hand())
        .build();
    let acme = ops.tenant("acme").unwrap();
    let (_, v2) = two_versions(&acme, "two").await;
    let v3 = save(&acme, "triage", "three").await;
    let before = store.finds();
    store.set(Mode::Waits);
    let starting = tokio::spawn({
        let acme = acme.clone();
        async move { acme.experiments().start(against(&v3), &mo()).await }
    });
    while store.finds() == before {
        tokio::task::yield_now().await;
    }
    store.set(Mode::Works);
    acme.environments()
        .promote(&v2, "production", &mo())
        .await
        .unwrap();
    store.release();
    let error = starting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(error.current_revision(), Some(2));
}

#[tokio::test]
async fn a_winner_among_many_variants_is_promoted_too() {
    let ops = PromptOps::builder(MemoryBackend::new())
        .watch_settings(by_hand())
        .max_variants(30)
        .build();
    let acme = ops.tenant("acme").unwrap();
    let (_, v2) = two_versions(&acme, "two").await;
    let mut plan = ExperimentPlan::new("triage", "production")
        .unwrap()
        .control(13.0)
        .min_sample(50)
        .auto_complete();
    for n in 1..30 {
        let name = format!("{}-{n}", "a-name-that-says-what-is-different-in-this-one");
        plan = plan.variant(&name, v2.number, 3.0).unwrap();
    }
    let experiment = acme.experiments().start(plan, &mo()).await.unwrap();
    for unit in 0..4_000 {
        let unit = format!("user-{unit}");
        let resolved = acme.resolve("triage@production").unit(&unit).await.unwrap();
        let is_last = resolved.assigned().unwrap().variant == 29;
        acme.outcomes()
            .record(resolved.stamp(), Outcome::success(is_last));
    }
    acme.outcomes().flush(5 * SECOND).await.unwrap();
    let look = acme.experiments().look(&experiment.id).await.unwrap();
    let Look::Completed(ended) = look else {
        panic!("{look:?}")
    };
    assert_eq!(ended.winner(), ended.variants.last());
    let reason = ended.completion.unwrap().reason;
    assert!(reason.len() < 2_000 && reason.contains(" more"), "{reason}");
}
