//! Experiments where something goes wrong beside them: a store that hangs or refuses, a snippet that is gone, a pointer
//! that moves.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::base::{Actor, EnvironmentName, ExperimentId, Page, PageRequest, PromptName, TenantId};
use promptops_core::experiment::{
    Experiment, ExperimentChange, ExperimentFilter, ExperimentPlan, ExperimentStore, Look, Loss,
    NewExperiment, Outcome, OutcomeEntry, OutcomeRecorder, OutcomeVerdict, TallyRow, WatchSettings,
};
use promptops_core::observation::{AssignmentReason, Recorded, Stamp, Verdict};
use promptops_core::prompt::{Draft, Version};
use promptops_core::{Error, ErrorKind, MemoryBackend, PromptOps, Result, Stores, Tenant};

use crate::faulty::{Faulty, Mode};

const SECOND: Duration = Duration::from_secs(1);

fn mo() -> Actor {
    Actor::member("mo")
}

/// A store that refuses the outcomes of one experiment, or does not answer for a while.
#[derive(Default)]
struct Trouble {
    inner: MemoryBackend,
    refuses: Option<ExperimentId>,
    /// Does not answer when it is first told of losses.
    hangs_once: AtomicBool,
    /// Does not answer when it is told of outcomes.
    hangs: AtomicBool,
    /// Has this experiment under every id, and takes all of its outcomes.
    poses_as: Option<ExperimentId>,
    /// What it was asked for the tallies of, which a look does.
    looked_at: Mutex<BTreeSet<ExperimentId>>,
}

impl Trouble {
    fn stores(self) -> Stores {
        Arc::new(self).shared()
    }

    fn shared(self: Arc<Self>) -> Stores {
        Stores {
            experiments: self.clone(),
            ..self.inner.clone().into()
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
        let asked = self.poses_as.as_ref().unwrap_or(id);
        let found = self.inner.experiment(tenant, asked).await?;
        Ok(found.map(|found| Experiment {
            id: id.clone(),
            ..found
        }))
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
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.poses_as.is_some() {
            return Ok(vec![OutcomeVerdict::Written; outcomes.len()]);
        }
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
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        // As a database takes its time.
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.inner.record_losses(tenant, experiment, losses).await
    }

    async fn tallies(&self, tenant: &TenantId, experiment: &ExperimentId) -> Result<Vec<TallyRow>> {
        self.looked_at.lock().unwrap().insert(experiment.clone());
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
        hangs_once: true.into(),
        ..Trouble::default()
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
        refuses: Some("bad".parse().unwrap()),
        ..Trouble::default()
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

/// A tenant whose one experiment poses as any, and a unit's stamp in it.
async fn posing(settings: WatchSettings) -> (Arc<Trouble>, PromptOps, Tenant, Stamp) {
    let trouble = Arc::new(Trouble {
        poses_as: Some("one".parse().unwrap()),
        ..Trouble::default()
    });
    let ops = PromptOps::builder(trouble.clone().shared())
        .watch_settings(settings)
        .build();
    let acme = ops.tenant("acme").unwrap();
    let (_, v2) = two_versions(&acme, "two").await;
    let plan = against(&v2).id("one").unwrap();
    acme.experiments().start(plan, &mo()).await.unwrap();
    let stamp = acme
        .resolve("triage@production")
        .unit("user-1")
        .await
        .unwrap()
        .stamp();
    (trouble, ops, acme, stamp)
}

/// The stamp, as if it were of the nth experiment.
fn of_experiment(stamp: &Stamp, n: usize) -> Stamp {
    let mut stamp = stamp.clone();
    stamp.assignment.as_mut().unwrap().experiment = format!("e-{n}").parse().unwrap();
    stamp
}

#[tokio::test]
async fn every_experiment_with_news_is_looked_at_however_many_there_are() {
    const MANY: usize = 10_100;
    // Not before it is told to.
    let mut settings = WatchSettings::default();
    settings.after_outcomes = Duration::from_secs(3_600);
    let (trouble, ops, acme, stamp) = posing(settings).await;
    for n in 0..MANY {
        let recorded = acme
            .outcomes()
            .record(of_experiment(&stamp, n), Outcome::success(true));
        assert_eq!(recorded, Recorded::Queued);
    }
    let stats = acme.outcomes().flush(60 * SECOND).await.unwrap();
    assert_eq!(stats.written, MANY as u64);
    // The one that is served, too.
    assert_eq!(ops.watch_stats().watched, MANY as u64 + 1);
    ops.shutdown(60 * SECOND).await;
    assert_eq!(trouble.looked_at.lock().unwrap().len(), MANY);
    assert_eq!(ops.watch_stats().turned_away, 0);
}

#[tokio::test]
async fn an_experiment_that_has_no_room_in_the_watch_is_counted() {
    let mut settings = WatchSettings::default();
    settings.after_outcomes = Duration::from_secs(3_600);
    settings.max_experiments = 2;
    let (trouble, ops, acme, stamp) = posing(settings).await;
    for n in [1, 1, 2, 3, 1] {
        let stamp = of_experiment(&stamp, n);
        let recorded = acme
            .outcomes()
            .record_durable(&stamp, Outcome::success(true))
            .await;
        assert_eq!(recorded.unwrap(), Some(Verdict::Written));
    }
    acme.outcomes().flush(5 * SECOND).await.unwrap();
    let stats = ops.watch_stats();
    assert_eq!((stats.watched, stats.turned_away), (2, 2), "{stats:?}");
    ops.shutdown(5 * SECOND).await;
    assert!(
        trouble
            .looked_at
            .lock()
            .unwrap()
            .iter()
            .map(ExperimentId::as_str)
            .eq(["e-1"])
    );
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_takes_no_longer_than_its_deadline_whatever_hangs() {
    for (hangs, hangs_once) in [(true, false), (false, true), (true, true)] {
        let mut settings = OutcomeRecorder::default_settings();
        settings.capacity = 2;
        settings.write_timeout = 3_600 * SECOND;
        let trouble = Trouble {
            hangs: hangs.into(),
            hangs_once: hangs_once.into(),
            ..Trouble::default()
        };
        let ops = PromptOps::builder(trouble.stores())
            .watch_settings(by_hand())
            .outcome_settings(settings)
            .build();
        let acme = ops.tenant("acme").unwrap();
        let (_, v2) = two_versions(&acme, "two").await;
        acme.experiments().start(against(&v2), &mo()).await.unwrap();
        for n in 0..4 {
            let unit = format!("user-{n}");
            let resolved = acme.resolve("triage@production").unit(&unit).await.unwrap();
            acme.outcomes().record(resolved.stamp(), Outcome::success(true));
        }
        let began = tokio::time::Instant::now();
        let report = ops.shutdown(5 * SECOND).await.outcomes;
        let took = began.elapsed();
        assert_eq!((report.queued, report.dropped), (0, 2), "{report:?}");
        assert!(took <= Duration::from_millis(5_100), "{took:?}");
    }
}

#[tokio::test]
async fn what_a_slow_store_did_not_take_in_time_it_is_told_of_as_lost() {
    let trouble = Arc::new(Trouble {
        hangs: true.into(),
        ..Trouble::default()
    });
    let ops = PromptOps::builder(trouble.clone().shared())
        .watch_settings(by_hand())
        .build();
    let acme = ops.tenant("acme").unwrap();
    let (_, v2) = two_versions(&acme, "two").await;
    let experiment = acme.experiments().start(against(&v2), &mo()).await.unwrap();
    let resolved = acme.resolve("triage@production").unit("user-1").await.unwrap();
    acme.outcomes().record(resolved.stamp(), Outcome::success(true));
    let until = async {
        // It answers again when the writer's time is over, and before all of it is.
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        trouble.hangs.store(false, Ordering::SeqCst);
    };
    let (report, ()) = tokio::join!(ops.shutdown(SECOND * 3), until);
    assert_eq!(report.outcomes.failed, 1, "{report:?}");
    let analysis = acme.experiments().analysis(&experiment.id).await.unwrap();
    let lost: u64 = analysis.variants.iter().map(|variant| variant.lost).sum();
    assert_eq!(lost, 1);
}

#[tokio::test]
async fn a_fallback_is_served_in_an_outage_also_to_who_asks_for_a_variant() {
    let store = Faulty::new();
    let ops = PromptOps::builder(store.stores())
        .watch_settings(by_hand())
        .build();
    let acme = ops.tenant("acme").unwrap();
    let (_, v2) = two_versions(&acme, "two").await;
    acme.experiments().start(against(&v2), &mo()).await.unwrap();
    let resolve = || {
        let resolve = acme.resolve("triage@production").unit("user-1");
        resolve.force_variant("other").fallback("the way out")
    };
    store.set(Mode::Fails);
    let answer = resolve().render(&()).await.unwrap();
    assert_eq!(answer.text(), Some("the way out"));
    assert!(answer.resolved().is_fallback());
    let stamp = answer.stamp();
    assert_eq!((stamp.version, &stamp.assignment), (None, &None));
    let recorded = acme.outcomes().record(&stamp, Outcome::success(true));
    assert_eq!(recorded, Recorded::NotCounted);

    store.set(Mode::Works);
    let later = PromptOps::builder(store.stores())
        .watch_settings(by_hand())
        .build();
    let acme = later.tenant("acme").unwrap();
    let resolve = |variant| {
        let resolve = acme.resolve("triage@production").unit("user-1");
        resolve.force_variant(variant).fallback("the way out")
    };
    assert_eq!(resolve("other").render(&()).await.unwrap().text(), Some("two"));
    // What is reachable and has no such variant is a mistake, which no fallback hides.
    let error = resolve("third").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn who_waits_for_an_outcome_is_told_why_it_does_not_count() {
    let ops = PromptOps::builder(MemoryBackend::new())
        .watch_settings(by_hand())
        .build();
    let acme = ops.tenant("acme").unwrap();
    let (_, v2) = two_versions(&acme, "two").await;
    let experiments = acme.experiments();
    let plan = against(&v2).id("one").unwrap();
    let experiment = experiments.start(plan, &mo()).await.unwrap();
    let stamp = acme
        .resolve("triage@production")
        .unit("user-1")
        .await
        .unwrap()
        .stamp();
    let variant = stamp.assignment.clone().unwrap().variant;
    let another = if variant.as_str() == "other" {
        "control"
    } else {
        "other"
    };
    let changed = |change: fn(&mut Stamp)| {
        let mut stamp = stamp.clone();
        change(&mut stamp);
        stamp
    };
    let mut swapped = stamp.clone();
    swapped.assignment.as_mut().unwrap().variant = another.parse().unwrap();
    let success = Outcome::success(true);
    let mut invalid = 0;
    for (stamp, outcome, kind, says) in [
        (
            stamp.clone(),
            Outcome::scored(0.5),
            ErrorKind::Invalid,
            "the outcome has no success, which is the experiment's goal; report it with `Outcome::success`",
        ),
        (swapped, success, ErrorKind::Invalid, "was not the variant"),
        (
            changed(|stamp| stamp.assignment.as_mut().unwrap().variant = "third".parse().unwrap()),
            success,
            ErrorKind::Invalid,
            "has no variant third",
        ),
        (
            changed(|stamp| stamp.assignment.as_mut().unwrap().epoch = 9),
            success,
            ErrorKind::Invalid,
            "no epoch 9, expected 1 to 1",
        ),
        (
            changed(|stamp| stamp.assignment.as_mut().unwrap().hash_version = 200),
            success,
            ErrorKind::Invalid,
            "hash version 200, expected 1",
        ),
        (
            changed(|stamp| stamp.closure_hash = promptops_core::base::ClosureHash::from_bytes([9; 32])),
            success,
            ErrorKind::Invalid,
            "what was served has the closure",
        ),
        (
            changed(|stamp| stamp.assignment.as_mut().unwrap().experiment = "two".parse().unwrap()),
            success,
            ErrorKind::NotFound,
            "there is no experiment two",
        ),
    ] {
        let error = acme.outcomes().record_durable(&stamp, outcome).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}: expected {says:?}");
        invalid += 1;
        assert_eq!(acme.outcomes().stats().invalid, invalid);
    }
    // Another tenant's looks like one that nobody has.
    let other = ops.tenant("other").unwrap().outcomes();
    let theirs = other.record_durable(&stamp, success).await.unwrap_err();
    let nobodys = changed(|stamp| stamp.assignment.as_mut().unwrap().experiment = "two".parse().unwrap());
    let nobodys = other.record_durable(&nobodys, success).await.unwrap_err();
    assert_eq!(theirs.kind(), ErrorKind::NotFound);
    assert_eq!(theirs.to_string().replace("one", "two"), nobodys.to_string());

    let ours = acme.outcomes();
    // One that counts is as before, also together with one that does not.
    let (counts, does_not) = tokio::join!(
        ours.record_durable(&stamp, success),
        ours.record_durable(&stamp, Outcome::default()),
    );
    assert_eq!(counts.unwrap(), Some(Verdict::Written));
    assert_eq!(does_not.unwrap_err().kind(), ErrorKind::Invalid);
    experiments.stop(&experiment.id, "enough", &mo()).await.unwrap();
    let closed = acme.outcomes().record_durable(&stamp, success).await.unwrap_err();
    assert_eq!(closed.kind(), ErrorKind::IllegalTransition);
    assert!(closed.to_string().contains("one is completed"), "{closed}");
    let stats = acme.outcomes().stats();
    assert_eq!((stats.invalid, stats.written), (invalid + 4, 1), "{stats:?}");
}

#[tokio::test]
async fn traffic_is_split_otherwise_a_thousand_times_at_most() {
    let acme = PromptOps::builder(MemoryBackend::new())
        .watch_settings(by_hand())
        .build()
        .tenant("acme")
        .unwrap();
    let (_, v2) = two_versions(&acme, "two").await;
    let experiments = acme.experiments();
    let id = experiments.start(against(&v2), &mo()).await.unwrap().id;
    let split = |n: usize| [40.0 + (n % 20) as f64, 60.0 - (n % 20) as f64];
    for n in 1..Experiment::MAX_EPOCHS {
        let split = experiments.reweight(&id, &split(n), &mo()).await.unwrap();
        assert_eq!(split.epochs.len(), n + 1);
    }
    let error = experiments.reweight(&id, &split(0), &mo()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IllegalTransition);
    assert!(error.to_string().contains("at most 1000 are allowed"), "{error}");
    let kept = experiments.get(&id).await.unwrap();
    assert_eq!(kept.epochs.len(), 1_000);
    // What is in force is no change, and it can still be ended.
    let split = split(Experiment::MAX_EPOCHS - 1);
    experiments.reweight(&id, &split, &mo()).await.unwrap();
    let bytes = serde_json::to_string(&kept).unwrap().len();
    assert!(bytes < 1 << 20, "{bytes} bytes");
    experiments.stop(&id, "enough", &mo()).await.unwrap();
}
