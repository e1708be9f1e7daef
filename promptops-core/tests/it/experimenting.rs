//! Experiments on live traffic: from the plan to the winner's promotion.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use promptops_core::base::{Actor, ExperimentId, ManualClock, PageRequest, VersionNumber};
use promptops_core::environment::Policy;
use promptops_core::experiment::{
    Decision, Ending, Experiment, ExperimentFilter, ExperimentPlan, ExperimentStatus, Goal, Harm, Look,
    Outcome, WatchSettings,
};
use promptops_core::observation::{AssignmentReason, Recorded, Stamp, Verdict};
use promptops_core::prompt::{Draft, Version};
use promptops_core::statistics::Random;
use promptops_core::{Error, ErrorKind, MemoryBackend, PromptOps, Tenant};

const SECOND: Duration = Duration::from_secs(1);

fn olga() -> Actor {
    Actor::owner("olga")
}

fn mo() -> Actor {
    Actor::member("mo")
}

/// No look but those that a test takes.
fn by_hand() -> WatchSettings {
    let mut settings = WatchSettings::default();
    settings.after_outcomes = Duration::ZERO;
    settings
}

struct World {
    ops: PromptOps,
    acme: Tenant,
    clock: Arc<ManualClock>,
    v1: Version,
    v2: Version,
}

impl World {
    /// A tenant with two versions, the first live in production.
    async fn new() -> Self {
        Self::on(MemoryBackend::new()).await
    }

    async fn on(backend: MemoryBackend) -> Self {
        let clock = Arc::new(ManualClock::default());
        let ops = PromptOps::builder(backend)
            .clock(clock.clone())
            .watch_settings(by_hand())
            .build();
        let acme = ops.tenant("acme").unwrap();
        let v1 = save(&acme, "one for {{ who }}").await;
        let v2 = save(&acme, "two for {{ who }}").await;
        acme.environments()
            .promote(&v1, "production", &mo())
            .await
            .unwrap();
        Self {
            ops,
            acme,
            clock,
            v1,
            v2,
        }
    }

    fn plan(&self) -> ExperimentPlan {
        ExperimentPlan::new("triage", "production")
            .unwrap()
            .name("shorter")
            .control(50.0)
            .variant("short", self.v2.number, 50.0)
            .unwrap()
    }

    async fn start(&self) -> Experiment {
        self.acme.experiments().start(self.plan(), &mo()).await.unwrap()
    }

    async fn refused(&self, plan: ExperimentPlan) -> Error {
        self.acme.experiments().start(plan, &mo()).await.unwrap_err()
    }

    async fn stamp(&self, unit: &str) -> Stamp {
        let resolved = self.acme.resolve("triage@production").unit(unit).await.unwrap();
        resolved.stamp()
    }

    /// Units that come, each with an outcome by its variant's rate; returns how many got each variant.
    async fn traffic(&self, units: std::ops::Range<u32>, rates: &[(&str, f64)]) -> BTreeMap<String, u32> {
        let mut random = Random::seeded(u64::from(units.start) + 7);
        let mut seen = BTreeMap::new();
        for unit in units {
            let stamp = self.stamp(&format!("user-{unit}")).await;
            let variant = stamp.assignment.as_ref().unwrap().variant.to_string();
            let rate = rates.iter().find(|(name, _)| *name == variant).unwrap().1;
            let success = unit_of(&mut random) < rate;
            let recorded = self.acme.outcomes().record(&stamp, Outcome::success(success));
            assert_eq!(recorded, Recorded::Queued);
            *seen.entry(variant).or_insert(0) += 1;
        }
        self.acme.outcomes().flush(5 * SECOND).await.unwrap();
        seen
    }

    async fn live(&self) -> VersionNumber {
        let pointers = self.acme.environments().list("triage").await.unwrap();
        pointers[0].version
    }
}

/// A number in 0.0 .. 1.0.
fn unit_of(random: &mut Random) -> f64 {
    (random.bits() >> 11) as f64 / (1_u64 << 53) as f64
}

async fn save(tenant: &Tenant, text: &str) -> Version {
    let draft = Draft::text(text).by("mo");
    tenant.prompts().save("triage", draft).await.unwrap()
}

fn ended(look: Look) -> Experiment {
    match look {
        Look::Completed(experiment) => *experiment,
        Look::Open(decision) => panic!("it is open: {decision:?}"),
    }
}

#[tokio::test]
async fn a_better_variant_is_found_and_promoted_in_one_commit() {
    let world = World::new().await;
    let experiments = world.acme.experiments();
    let plan = world.plan().auto_complete();
    let experiment = experiments.start(plan, &mo()).await.unwrap();
    let seen = world
        .traffic(0..2_000, &[("control", 0.6), ("short", 0.75)])
        .await;
    assert!(seen["control"] > 900 && seen["short"] > 900, "{seen:?}");
    let analysis = experiments.analysis(&experiment.id).await.unwrap();
    assert!(
        matches!(&analysis.decision, Decision::Winner { variant } if variant.as_str() == "short"),
        "{analysis}"
    );
    let ended = ended(experiments.look(&experiment.id).await.unwrap());
    assert_eq!(ended.status, ExperimentStatus::Completed);
    assert_eq!(ended.winner().unwrap().version, world.v2.number);
    assert_eq!(world.live().await, world.v2.number);
    let history = world
        .acme
        .environments()
        .history("triage", "production", &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(history.items[0].actor, Actor::system("experiments"));
    assert!(
        history.items[0].reason.starts_with("short won: success"),
        "{}",
        history.items[0].reason
    );

    // It is served to everybody at once, and no experiment is in the stamp.
    let stamp = world.stamp("user-1").await;
    assert_eq!((stamp.version, stamp.assignment), (Some(world.v2.number), None));
    // A second look finds it ended, and what comes late is not counted.
    assert!(matches!(
        experiments.look(&experiment.id).await.unwrap(),
        Look::Completed(_)
    ));
    let actions: Vec<_> = world
        .acme
        .audit()
        .list(&PageRequest::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|record| record.entry.action.to_string())
        .collect();
    assert!(actions.contains(&"start_experiment".to_owned()), "{actions:?}");
    assert!(actions.contains(&"complete_experiment".to_owned()), "{actions:?}");
    world.acme.audit().verify().await.unwrap();
}

#[tokio::test]
async fn a_unit_keeps_its_variant_also_in_another_process_and_gets_what_its_stamp_says() {
    let backend = MemoryBackend::new();
    let world = World::on(backend.clone()).await;
    let experiment = world.start().await;
    let other = PromptOps::builder(backend).build();
    let there = other.tenant("acme").unwrap();
    for unit in (0..10_000).map(|unit| format!("user-{unit}")) {
        let here = world.stamp(&unit).await;
        let resolved = there.resolve("triage@production").unit(&unit).await.unwrap();
        assert_eq!(resolved.stamp(), here);
    }
    let parameters = serde_json::json!({"who": "you"});
    for unit in (0..20).map(|unit| format!("user-{unit}")) {
        let resolve = world.acme.resolve("triage@production").unit(&unit);
        let answer = resolve.render(&parameters).await.unwrap();
        let stamp = answer.stamp();
        let assignment = stamp.assignment.as_ref().unwrap();
        assert_eq!(assignment.experiment, experiment.id);
        let expected = match assignment.variant.as_str() {
            "control" => ("one for you", world.v1.number),
            _ => ("two for you", world.v2.number),
        };
        assert_eq!((answer.text().unwrap(), stamp.version.unwrap()), expected);
        assert_eq!(stamp.closure_hash, answer.resolved().closure_hash());
        let read: Stamp = serde_json::from_str(&serde_json::to_string(&stamp).unwrap()).unwrap();
        assert_eq!(read, stamp);
    }
}

#[tokio::test]
async fn who_is_not_counted_is_told_why_and_gets_the_control() {
    let world = World::new().await;
    let experiment = world.start().await;
    let experiments = world.acme.experiments();
    let reason = async |resolve: promptops_core::resolve::Resolve<'_>| {
        let stamp = resolve.await.unwrap().stamp();
        let recorded = world.acme.outcomes().record(&stamp, Outcome::success(true));
        let assignment = stamp.assignment.unwrap();
        assert_eq!(recorded == Recorded::NotCounted, !assignment.is_counted());
        (stamp.version.unwrap(), assignment.reason)
    };
    let resolve = || world.acme.resolve("triage@production");
    let (control, short) = (world.v1.number, world.v2.number);
    assert_eq!(reason(resolve()).await, (control, AssignmentReason::NoUnit));
    assert_eq!(
        reason(resolve().force_variant("short").unit("user-1")).await,
        (short, AssignmentReason::Forced)
    );
    let unknown = resolve().force_variant("long").await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    assert!(unknown.to_string().contains("it has control, short"), "{unknown}");

    experiments.pause(&experiment.id, &mo()).await.unwrap();
    for unit in 0..50 {
        let unit = format!("user-{unit}");
        assert_eq!(
            reason(resolve().unit(&unit)).await,
            (control, AssignmentReason::Paused)
        );
    }
    experiments.resume(&experiment.id, &mo()).await.unwrap();
    assert_eq!(reason(resolve().unit("user-1")).await.1, AssignmentReason::Bucket);

    // A reference by number, and another environment, have no experiment.
    let direct = world.acme.resolve("triage@v1").unit("user-1").await.unwrap();
    assert_eq!(direct.stamp().assignment, None);
    let error = world
        .acme
        .resolve("triage@v1")
        .force_variant("short")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_rollback_by_hand_wins_over_the_experiment() {
    let world = World::new().await;
    let environments = world.acme.environments();
    let v3 = save(&world.acme, "three").await;
    environments.promote(&v3, "production", &mo()).await.unwrap();
    let experiment = world.start().await;
    environments
        .rollback("triage", "production", &mo(), "it is on fire")
        .await
        .unwrap();
    for unit in 0..50 {
        let stamp = world.stamp(&format!("user-{unit}")).await;
        assert_eq!(stamp.version, Some(world.v1.number));
        assert_eq!(stamp.assignment.unwrap().reason, AssignmentReason::Unavailable);
    }
    let ended = ended(world.acme.experiments().look(&experiment.id).await.unwrap());
    assert_eq!(ended.completion.unwrap().ending, Ending::Superseded);
    assert_eq!(world.stamp("user-1").await.assignment, None);
}

#[tokio::test]
async fn a_changed_snippet_ends_the_enrolment_and_a_variant_cannot_be_archived() {
    let world = World::new().await;
    let prompts = world.acme.prompts();
    let safety = Draft::text("Be safe.").by("mo").active();
    prompts.save("safety", safety).await.unwrap();
    let v3 = save(&world.acme, "{% include \"safety\" %} three").await;
    let plan = ExperimentPlan::new("triage", "production")
        .unwrap()
        .control(50.0)
        .variant("safe", v3.number, 50.0)
        .unwrap();
    let experiments = world.acme.experiments();
    let experiment = experiments.start(plan, &mo()).await.unwrap();
    assert_eq!(
        world.stamp("user-1").await.assignment.unwrap().reason,
        AssignmentReason::Bucket
    );
    let error = prompts.archive(&v3, &mo()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(experiment.id.as_str()), "{error}");

    let changed = Draft::text("Be very safe.").by("mo").active();
    prompts.save("safety", changed).await.unwrap();
    for unit in 0..50 {
        let stamp = world.stamp(&format!("user-{unit}")).await;
        assert_eq!(
            stamp.assignment.as_ref().unwrap().reason,
            AssignmentReason::Unavailable
        );
        assert_eq!(stamp.version, Some(world.v1.number));
    }
    experiments
        .stop(&experiment.id, "the house style changed", &mo())
        .await
        .unwrap();
    prompts.archive(&v3, &mo()).await.unwrap();
    let again = ExperimentPlan::new("triage", "production")
        .unwrap()
        .control(50.0)
        .variant("safe", v3.number, 50.0)
        .unwrap();
    let archived = world.refused(again).await;
    assert_eq!(archived.kind(), ErrorKind::IllegalTransition, "{archived}");
}

#[tokio::test]
async fn plans_that_cannot_be_followed_are_refused_with_what_to_do() {
    let world = World::new().await;
    let base = || ExperimentPlan::new("triage", "production").unwrap();
    let v2 = world.v2.number;
    let five = (0..4).fold(base().control(20.0), |plan, n| {
        plan.variant(&format!("v{n}"), v2, 20.0).unwrap()
    });
    let unknown = VersionNumber::new(9).unwrap();
    for (plan, kind, says) in [
        (
            base().control(50.0).variant("b", v2, 40.0).unwrap(),
            ErrorKind::Invalid,
            "sums to 90 %",
        ),
        (five, ErrorKind::Invalid, "5 variants; at most 4"),
        (
            base().control(100.0).variant("b", v2, 0.0).unwrap(),
            ErrorKind::Invalid,
            "gets no traffic",
        ),
        (
            base()
                .control(34.0)
                .variant("b", v2, 33.0)
                .unwrap()
                .variant("b", v2, 33.0)
                .unwrap(),
            ErrorKind::Invalid,
            "two variants are called b",
        ),
        (base().control(100.0), ErrorKind::Invalid, "at least 2"),
        (
            base().variant("b", v2, 100.0).unwrap(),
            ErrorKind::Invalid,
            "no control",
        ),
        (
            base().control(50.0).variant("b", unknown, 50.0).unwrap(),
            ErrorKind::NotFound,
            "v9",
        ),
        (
            base().control(49.999).variant("b", v2, 50.001).unwrap(),
            ErrorKind::Invalid,
            "to a hundredth",
        ),
        (
            base().control(f64::NAN).variant("b", v2, 50.0).unwrap(),
            ErrorKind::Invalid,
            "NaN %",
        ),
        (world.plan().alpha(0.0), ErrorKind::Invalid, "alpha"),
        (world.plan().prior(1.0), ErrorKind::Invalid, "above 0 and below 1"),
        (
            world.plan().max_duration(Duration::ZERO),
            ErrorKind::Invalid,
            "maximum duration",
        ),
        (
            world.plan().guardrail("low", Harm::ScoreBelow(1.5)).unwrap(),
            ErrorKind::Invalid,
            "limit 1.5",
        ),
        (
            ExperimentPlan::new("triage", "staging")
                .unwrap()
                .control(50.0)
                .variant("b", v2, 50.0)
                .unwrap(),
            ErrorKind::NotFound,
            "nothing of triage is live in staging",
        ),
    ] {
        let error = world.refused(plan).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}: expected {says:?}");
    }
    let viewer = world.acme.experiments();
    let error = viewer
        .start(world.plan(), &Actor::viewer("vic"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);

    let first = world.start().await;
    let second = world.refused(world.plan()).await;
    assert_eq!(second.kind(), ErrorKind::AlreadyExists);
    assert!(second.to_string().contains(first.id.as_str()), "{second}");
}

#[tokio::test]
async fn a_variant_must_meet_the_policy_or_an_owner_sets_it_aside() {
    let world = World::new().await;
    let policy = Policy::open().after("staging").unwrap();
    let environments = world.acme.environments();
    environments
        .set_policy("production", policy, &olga())
        .await
        .unwrap();
    let error = world.refused(world.plan()).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.unmet()[0].condition, "source_environment of short");
    let experiments = world.acme.experiments();
    let member = experiments
        .start(world.plan(), &mo())
        .waive("urgent")
        .await
        .unwrap_err();
    assert_eq!(member.kind(), ErrorKind::Forbidden);
    let plan = world.plan().auto_complete();
    let experiment = experiments
        .start(plan, &olga())
        .waive("it is a try")
        .await
        .unwrap();

    // The winner's promotion obeys the policy all the same: the experiment stays open until it is met.
    world.traffic(0..3_000, &[("control", 0.5), ("short", 0.8)]).await;
    let refused = experiments.look(&experiment.id).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    assert_eq!(world.live().await, world.v1.number);
    environments.promote(&world.v2, "staging", &mo()).await.unwrap();
    let ended = ended(experiments.look(&experiment.id).await.unwrap());
    assert!(ended.winner().is_some());
    let pointers = environments.list("triage").await.unwrap();
    assert!(pointers.iter().all(|pointer| pointer.version == world.v2.number));
}

#[tokio::test]
async fn equal_variants_end_inconclusive_when_their_time_is_over_and_the_clock_may_jump_back() {
    let world = World::new().await;
    let experiments = world.acme.experiments();
    // The same text twice: an A/A experiment.
    let plan = ExperimentPlan::new("triage", "production")
        .unwrap()
        .control(50.0)
        .variant("same", world.v1.number, 50.0)
        .unwrap()
        .max_duration(Duration::from_secs(3_600))
        .auto_complete();
    let experiment = experiments.start(plan, &mo()).await.unwrap();
    for hundred in 0..10 {
        world
            .traffic(
                hundred * 200..(hundred + 1) * 200,
                &[("control", 0.7), ("same", 0.7)],
            )
            .await;
        let look = experiments.look(&experiment.id).await.unwrap();
        assert!(matches!(look, Look::Open(Decision::Continue { .. })), "{look:?}");
    }
    world
        .clock
        .set_wall(experiment.created_at - chrono::TimeDelta::days(1));
    let look = experiments.look(&experiment.id).await.unwrap();
    assert!(matches!(look, Look::Open(_)), "{look:?}");
    world
        .clock
        .set_wall(experiment.created_at + chrono::TimeDelta::hours(1));
    let ended = ended(experiments.look(&experiment.id).await.unwrap());
    let completion = ended.completion.unwrap();
    assert_eq!(completion.ending, Ending::Inconclusive);
    assert!(completion.reason.contains("needed is"), "{}", completion.reason);
    assert_eq!(world.live().await, world.v1.number);
    let error = experiments.pause(&experiment.id, &mo()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IllegalTransition);
}

#[tokio::test]
async fn every_outcome_ends_as_one_count_and_each_unit_counts_once() {
    let world = World::new().await;
    let experiment = world.start().await;
    let outcomes = world.acme.outcomes();
    let stamp = world.stamp("user-1").await;
    for _ in 0..3 {
        outcomes.record(&stamp, Outcome::success(true));
    }
    // No number, and without what decides.
    outcomes.record(&stamp, Outcome::success(true).score(f64::NAN));
    outcomes.record(&stamp, Outcome::scored(0.5));
    // Another tenant's experiment.
    let other = world.ops.tenant("other").unwrap();
    other.outcomes().record(&stamp, Outcome::success(true));
    // A stamp that was not handed out so: another variant, another text, another split.
    let mut forged = vec![stamp.clone(), stamp.clone(), stamp.clone(), stamp.clone()];
    let variant = &mut forged[0].assignment.as_mut().unwrap().variant;
    *variant = if variant.as_str() == "short" {
        "control"
    } else {
        "short"
    }
    .parse()
    .unwrap();
    forged[1].assignment.as_mut().unwrap().variant = "long".parse().unwrap();
    forged[2].closure_hash = promptops_core::base::ClosureHash::from_bytes([9; 32]);
    forged[3].assignment.as_mut().unwrap().epoch = 2;
    for stamp in &forged {
        outcomes.record(stamp, Outcome::success(true));
    }
    let durable = outcomes
        .record_durable(world.stamp("user-2").await, Outcome::success(false))
        .await
        .unwrap();
    assert_eq!(durable, Some(Verdict::Written));
    // Who waits is told what is wrong.
    let wrong = outcomes
        .record_durable(&stamp, Outcome::success(true).score(1.5))
        .await
        .unwrap_err();
    assert!(wrong.to_string().contains("the score is 1.5"), "{wrong}");

    let report = world.ops.shutdown(5 * SECOND).await.outcomes;
    assert_eq!(
        (
            report.enqueued,
            report.written,
            report.duplicate,
            report.invalid,
            report.queued
        ),
        (11, 2, 2, 7, 0),
        "{report:?}"
    );
    assert_eq!(
        outcomes.record(&stamp, Outcome::success(true)),
        Recorded::ShutDown
    );
    let analysis = world.acme.experiments().analysis(&experiment.id).await.unwrap();
    let sum = |of: fn(&promptops_core::experiment::VariantAnalysis) -> u64| -> u64 {
        analysis.variants.iter().map(of).sum()
    };
    assert_eq!(
        (sum(|of| of.outcomes), sum(|of| of.duplicates), sum(|of| of.lost)),
        (2, 2, 0)
    );
}

#[tokio::test]
async fn a_changed_split_moves_as_few_as_it_must_and_who_is_seen_in_two_variants_counts_in_the_first() {
    let world = World::new().await;
    let experiment = world.start().await;
    let experiments = world.acme.experiments();
    let rates = [("control", 1.0), ("short", 1.0)];
    world.traffic(0..1_000, &rates).await;
    let mut before = Vec::new();
    for unit in 0..1_000 {
        before.push(world.stamp(&format!("user-{unit}")).await);
    }
    let changed = experiments
        .reweight(&experiment.id, &[80.0, 20.0], &mo())
        .await
        .unwrap();
    assert_eq!(changed.epoch().number, 2);
    let mut moved = 0;
    for (unit, before) in before.iter().enumerate() {
        let now = world.stamp(&format!("user-{unit}")).await;
        let (now, before) = (now.assignment.unwrap(), before.assignment.as_ref().unwrap());
        assert_eq!((now.epoch, before.epoch), (2, 1));
        if now.variant != before.variant {
            moved += 1;
            assert_eq!(
                (before.variant.as_str(), now.variant.as_str()),
                ("short", "control")
            );
        }
    }
    assert!((240..360).contains(&moved), "{moved}");
    // All come again: who stayed is a repetition, who moved is seen in two variants, and counts where it was first.
    world.traffic(0..1_000, &rates).await;
    let stats = world.acme.outcomes().stats();
    assert_eq!(
        (stats.written, stats.duplicate, stats.contaminated),
        (1_000, 1_000 - moved, moved)
    );
    let analysis = experiments.analysis(&experiment.id).await.unwrap();
    let counted: u64 = analysis.variants.iter().map(|variant| variant.outcomes).sum();
    assert_eq!(counted, 1_000);
    // What is in force changes nothing.
    let same = experiments
        .reweight(&experiment.id, &[80.0, 20.0], &mo())
        .await
        .unwrap();
    assert_eq!(same.revision, changed.revision);
    let error = experiments
        .reweight(&experiment.id, &[100.0, 0.0], &mo())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("gets no traffic"), "{error}");
}

#[tokio::test]
async fn the_watch_ends_an_experiment_by_itself() {
    let backend = MemoryBackend::new();
    let world = World::on(backend.clone()).await;
    let plan = world.plan().auto_complete();
    let experiment = world.acme.experiments().start(plan, &mo()).await.unwrap();
    let mut settings = WatchSettings::default();
    settings.after_outcomes = Duration::from_millis(5);
    let ops = PromptOps::builder(backend).watch_settings(settings).build();
    let watched = World {
        acme: ops.tenant("acme").unwrap(),
        ops,
        clock: world.clock.clone(),
        v1: world.v1.clone(),
        v2: world.v2.clone(),
    };
    // What comes after the end finds none on.
    let mut random = Random::seeded(5);
    for unit in 0..3_000 {
        let stamp = watched.stamp(&format!("user-{unit}")).await;
        let Some(assignment) = &stamp.assignment else {
            break;
        };
        let rate = if assignment.variant.as_str() == "short" {
            0.9
        } else {
            0.5
        };
        watched
            .acme
            .outcomes()
            .record(&stamp, Outcome::success(unit_of(&mut random) < rate));
    }
    watched.acme.outcomes().flush(5 * SECOND).await.unwrap();
    let experiments = watched.acme.experiments();
    for _ in 0..500 {
        if !experiments.get(&experiment.id).await.unwrap().status.is_open() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ended = experiments.get(&experiment.id).await.unwrap();
    assert_eq!(ended.winner().unwrap().name.as_str(), "short");
    assert_eq!(watched.live().await, world.v2.number);
    assert_eq!(watched.stamp("user-1").await.version, Some(world.v2.number));
}

#[tokio::test]
async fn experiments_are_listed_the_newest_first_and_unknown_ones_are_not_found() {
    let world = World::new().await;
    let experiments = world.acme.experiments();
    let mut ids = Vec::new();
    for n in 0..3 {
        let plan = world.plan().id(&format!("exp-{n}")).unwrap().goal(Goal::Score);
        let experiment = experiments.start(plan, &mo()).await.unwrap();
        ids.insert(0, experiment.id.clone());
        if n < 2 {
            experiments.stop(&experiment.id, "enough", &mo()).await.unwrap();
        }
    }
    let list = async |status| {
        let filter = ExperimentFilter {
            status,
            prompt: Some("triage".parse().unwrap()),
        };
        let page = experiments.list(&filter, &PageRequest::first(10)).await.unwrap();
        page.items
            .into_iter()
            .map(|of| of.id)
            .collect::<Vec<ExperimentId>>()
    };
    assert_eq!(list(None).await, ids);
    assert_eq!(list(Some(ExperimentStatus::Active)).await, ids[..1]);
    assert_eq!(list(Some(ExperimentStatus::Completed)).await, ids[1..]);
    let unknown = ExperimentId::new("exp-9").unwrap();
    let error = experiments.analysis(&unknown).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let other = world.ops.tenant("other").unwrap();
    assert!(other.experiments().get(&ids[0]).await.unwrap_err().is_not_found());
    let reused = world.plan().id("exp-0").unwrap();
    experiments.stop(&ids[0], "enough", &mo()).await.unwrap();
    assert_eq!(world.refused(reused).await.kind(), ErrorKind::AlreadyExists);
}
