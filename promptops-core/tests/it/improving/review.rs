//! What a distrustful reader found: each of these went wrong once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::NaiveDate;
use promptops_core::ErrorKind;
use promptops_core::base::{Clock, EnvironmentName, Page, PageRequest, PromptName, TenantId, Timestamp};
use promptops_core::deployment::{DeploymentFilter, DeploymentSettings, MonitorOutcome, State, Verdict};
use promptops_core::evaluation::{Evaluation, Score, Scorer, ScorerInput};
use promptops_core::improvement::cluster::ClusterStatus;
use promptops_core::improvement::proposer::{Brief, Ledger, LlmProposer, Proposed, Proposer};
use promptops_core::improvement::replay::Likeness;
use promptops_core::improvement::{
    Attempt, AttemptOutcome, AttemptStage, Blame, DailyBudget, Done, ImprovementCommit, ImprovementRecord,
    ImprovementStore, RecordFilter, RecordKind, ReplayRecord, SlotLease, Spending, WatchPurpose, WatchStatus,
    day_of,
};
use promptops_core::llm::{Blueprint, LlmError, LlmErrorKind, ScriptedLlm};
use promptops_core::observation::Trace;
use promptops_core::prompt::{Draft, VersionFilter};
use promptops_core::{MemoryBackend, Tenant};
use serde_json::{Value, json};

use super::world::{
    BASE, CONFUSING, ENVIRONMENT, PROMPT, REFUNDS, RightQueue, World, answer, mo, model, olga, proposal,
    proposing, right_queue, words,
};

/// One call in production, scored as a test says.
async fn call(world: &World, inputs: &Value, scored: impl FnOnce(Trace, &str) -> Trace) {
    call_kept(world, inputs, true, scored).await;
}

/// The same, with or without its inputs.
async fn call_kept(world: &World, inputs: &Value, is_kept: bool, scored: impl FnOnce(Trace, &str) -> Trace) {
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

fn ticket(n: u64) -> Value {
    let kind = ["refund", "login", "refund", "parcel", "login"][(n % 5) as usize];
    json!({ "kind": kind, "ticket": words(n) })
}

async fn attempts(world: &World) -> Vec<Attempt> {
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
struct Meddling {
    acme: Tenant,
    did: AtomicBool,
    what: Meddle,
}

#[derive(Clone, Copy)]
enum Meddle {
    Stop,
    ArchiveDrafts,
}

impl Meddling {
    fn new(world: &World, what: Meddle) -> Self {
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
struct Remembering {
    inner: LlmProposer,
    shown: Mutex<BTreeSet<Likeness>>,
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
struct Failing {
    asked: AtomicU64,
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
struct Calm;

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
struct Anything;

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
struct Rejecting {
    backend: MemoryBackend,
    acme: Mutex<Option<Tenant>>,
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

const SHOUT: &str = "Shout.";

#[tokio::test]
async fn who_is_to_blame_is_asked_in_the_metric_that_raised_the_alarm() {
    let world = World::new().await;
    let shouting = ScriptedLlm::new(|blueprint: &Blueprint| {
        let text: Vec<String> = blueprint.messages.iter().map(|message| message.text()).collect();
        let is_loud = text.join("\n").contains(SHOUT);
        Ok(ScriptedLlm::answer(if is_loud { "billing!" } else { "billing" }))
    });
    let evaluation = Evaluation::new(Arc::new(shouting))
        .criterion(Anything)
        .criterion(Calm);
    let plan = world.plan_by(evaluation).target("correctness".parse().unwrap());
    let improver = world.improver_by(plan);
    let scored = |trace: Trace, text: &str| {
        let calm = f64::from(u8::from(!text.contains(SHOUT)));
        trace.score("correctness", 1.0).score("tone", calm)
    };
    for n in 0..300 {
        call(&world, &ticket(n), scored).await;
    }
    let loud = world.save(SHOUT).await;
    let deployments = world.acme.deployments();
    let harmful = deployments.propose(&loud, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&harmful.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    for n in 300..340 {
        call(&world, &ticket(n), scored).await;
    }
    let pass = world.pass(&improver).await;
    let ended = deployments.get(&harmful.id).await.unwrap();
    assert_eq!(ended.state, State::RolledBack, "{:?}", pass.did);
}

#[tokio::test]
async fn a_candidate_without_anything_to_replay_is_replayed_once_there_is() {
    let world = World::new().await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    let improver = world.improver();
    world.pass(&improver).await;
    let evidence = deployments.get(&proposed.id).await.unwrap().evidence.unwrap();
    assert_eq!((evidence.verdict, evidence.number), (Verdict::Inconclusive, 1));
    world.traffic(300).await;
    world.pass(&improver).await;
    let again = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(
        (again.state, again.evidence.unwrap().number),
        (State::AbPassed, 2)
    );
}

#[tokio::test]
async fn the_switch_is_heard_between_two_replays() {
    let world = World::new().await;
    world.traffic(300).await;
    let deployments = world.acme.deployments();
    for rule in [REFUNDS, "Be brief."] {
        let version = world.save(rule).await;
        deployments.propose(&version, ENVIRONMENT, &mo()).await.unwrap();
    }
    let meddling =
        Evaluation::new(model(world.weather.clone())).criterion(Meddling::new(&world, Meddle::Stop));
    let improver = world.improver_by(world.plan_by(meddling));
    improver.run_once().await.unwrap();
    let replayed = world.deployments().await;
    let replayed = replayed.iter().filter(|deployment| deployment.evidence.is_some());
    assert_eq!(
        replayed.count(),
        1,
        "what was under way was finished, and no more was begun"
    );
}

#[tokio::test]
async fn the_switch_is_heard_before_a_finalist_is_proposed() {
    let world = World::new().await;
    world.traffic(300).await;
    let meddling =
        Evaluation::new(model(world.weather.clone())).criterion(Meddling::new(&world, Meddle::Stop));
    let plan = world
        .plan_by(meddling)
        .proposer(Arc::new(LlmProposer::new(proposing())));
    let improver = world.improver_by(plan);
    improver.run_once().await.unwrap();
    assert!(
        world
            .acme
            .improvements()
            .control()
            .await
            .unwrap()
            .stopped
            .is_some()
    );
    assert!(world.deployments().await.is_empty());
    world.acme.improvements().resume(&olga()).await.unwrap();
    world.pass(&improver).await;
    assert_eq!(world.deployments().await.len(), 1, "nothing is lost by it");
}

#[tokio::test]
async fn a_proposer_that_fails_is_not_asked_with_every_pass_and_the_attempt_ends() {
    let world = World::new().await;
    world.traffic(300).await;
    let failing = Arc::new(Failing::default());
    let improver = world.improver_by(world.plan().proposer(failing.clone()));
    for _ in 0..20 {
        improver.run_once().await.unwrap();
        world.clock.advance(Duration::from_secs(10));
    }
    assert!(
        failing.asked.load(Ordering::Relaxed) <= 4,
        "asked {} times in 200 seconds",
        failing.asked.load(Ordering::Relaxed)
    );
    for _ in 0..20 {
        world.clock.advance(Duration::from_secs(1_800));
        improver.run_once().await.unwrap();
    }
    let attempt = attempts(&world).await.remove(0);
    assert_eq!(attempt.stage, AttemptStage::Ended);
    let Some(AttemptOutcome::Nothing { reason }) = attempt.outcome else {
        panic!("{attempt:?}");
    };
    assert!(reason.contains("no such tool"), "{reason}");
}

#[tokio::test]
async fn an_attempt_whose_drafts_somebody_archived_ends() {
    let world = World::new().await;
    world.traffic(300).await;
    let meddling =
        Evaluation::new(model(world.weather.clone())).criterion(Meddling::new(&world, Meddle::ArchiveDrafts));
    let plan = world
        .plan_by(meddling)
        .proposer(Arc::new(LlmProposer::new(proposing())));
    let improver = world.improver_by(plan);
    world.pass(&improver).await;
    let attempt = attempts(&world).await.remove(0);
    assert_eq!(attempt.stage, AttemptStage::Ended);
    let Some(AttemptOutcome::Nothing { reason }) = attempt.outcome else {
        panic!("{attempt:?}");
    };
    assert!(reason.contains("archived"), "{reason}");
}

#[tokio::test]
async fn errors_without_a_word_on_success_keep_no_watch_open_for_ever() {
    let world = World::new().await;
    // Nobody says what served its purpose: of all calls the scores are known, and of some that they failed.
    let scored = |n: u64| {
        move |trace: Trace, _: &str| match n % 3 {
            0 => trace.score("correctness", 1.0).error("invalid_json", "no JSON"),
            _ => trace.score("correctness", 1.0),
        }
    };
    for n in 0..600 {
        call(&world, &ticket(n), scored(n)).await;
    }
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&proposed.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    for n in 600..1_300 {
        call(&world, &ticket(n), scored(n)).await;
    }
    world.pass(&world.improver()).await;
    let watched = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(watched.monitor, Some(MonitorOutcome::Cleared));
}

#[tokio::test]
async fn when_a_snippet_of_a_candidate_changes_it_is_replayed_again() {
    let world = World::new().await;
    world.traffic(600).await;
    let prompts = world.acme.prompts();
    let snippet = |text: &str| prompts.save("house", Draft::text(text).by("ana"));
    let kind = snippet("Be kind.").await.unwrap();
    prompts.activate(&kind, &olga()).await.unwrap();
    let text = format!("{BASE} {REFUNDS} {{% include \"house\" %}}\n[{{{{ kind }}}}] {{{{ ticket }}}}");
    let better = prompts.save(PROMPT, Draft::text(text).by("ana")).await.unwrap();
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    let improver = world.improver();
    world.pass(&improver).await;
    assert_eq!(
        deployments.get(&proposed.id).await.unwrap().state,
        State::AbPassed
    );
    let changed = snippet("Be kind and quick.").await.unwrap();
    prompts.activate(&changed, &olga()).await.unwrap();
    let refused = deployments.approve(&proposed.id, &olga()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused, "{refused}");
    world.pass(&improver).await;
    let again = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(again.evidence.unwrap().number, 2);
    deployments.approve(&proposed.id, &olga()).await.unwrap();
}

#[tokio::test]
async fn an_attribution_that_fails_is_tried_for_an_hour_from_its_first_try_on() {
    let world = World::new().await;
    world.traffic(300).await;
    let worse = world.save(CONFUSING).await;
    let deployments = world.acme.deployments();
    let harmful = deployments.propose(&worse, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&harmful.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    // Nobody looked for hours: the alarm is old when it is found, and the model is out just then.
    world.traffic(200).await;
    world.weather.is_out.store(true, Ordering::Relaxed);
    let improver = world.improver();
    improver.run_once().await.unwrap();
    let watched = deployments.get(&harmful.id).await.unwrap();
    assert_eq!(
        watched.state,
        State::Monitoring,
        "nobody is blamed for the first failure"
    );
    world.weather.is_out.store(false, Ordering::Relaxed);
    world.clock.advance(Duration::from_secs(300));
    world.pass(&improver).await;
    assert_eq!(
        deployments.get(&harmful.id).await.unwrap().state,
        State::RolledBack
    );
}

#[tokio::test]
async fn what_cannot_be_rolled_back_since_its_predecessor_is_archived_is_left_to_people() {
    let world = World::new().await;
    world.traffic(300).await;
    let first = world.acme.prompts().get(format!("{PROMPT}@v1")).await.unwrap();
    let worse = world.save(CONFUSING).await;
    let deployments = world.acme.deployments();
    let harmful = deployments.propose(&worse, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&harmful.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    world.acme.prompts().archive(&first, &olga()).await.unwrap();
    world.traffic(60).await;
    let pass = world.pass(&world.improver()).await;
    assert_eq!(
        deployments.get(&harmful.id).await.unwrap().state,
        State::Regressed
    );
    let left = pass.did.iter().find_map(|done| match done {
        Done::LeftToPeople { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert!(
        left.is_some_and(|reason| reason.contains("archived")),
        "{:?}",
        pass.did
    );
}

#[tokio::test]
async fn what_is_alike_to_what_a_proposer_was_shown_decides_nothing_later() {
    let world = World::new().await;
    let scored = |n: u64| {
        move |trace: Trace, _: &str| {
            let inputs = ticket(n);
            let is_refund = right_queue(inputs.as_object().unwrap()) == "billing";
            trace.score_because(
                "correctness",
                f64::from(u8::from(!is_refund)),
                "wrong queue for a refund",
            )
        }
    };
    for n in 0..400 {
        call(&world, &ticket(n), scored(n)).await;
    }
    let remembering = Arc::new(Remembering {
        inner: LlmProposer::new(proposing()),
        shown: Mutex::default(),
    });
    let improver = world.improver_by(world.plan().proposer(remembering.clone()));
    world.pass(&improver).await;
    assert_eq!(world.deployments().await.len(), 1);
    let shown = remembering.shown.lock().unwrap().clone();
    assert!(!shown.is_empty());
    // The same tickets come again, before the replay.
    for n in 0..400 {
        call(&world, &ticket(n), scored(n)).await;
    }
    world.pass(&improver).await;
    let candidate = world.deployments().await.remove(0);
    let document = world
        .acme
        .deployments()
        .document(&candidate.evidence.unwrap().report)
        .await
        .unwrap();
    let decided = ReplayRecord::read(&document).unwrap().traces();
    assert!(decided.len() > 50);
    let mut alike = 0;
    for trace in decided.keys() {
        let trace = world.acme.traces().get(*trace).await.unwrap();
        alike += usize::from(shown.contains(&Likeness::of(&trace.inputs.unwrap())));
    }
    assert_eq!(alike, 0, "of {} traces", decided.len());
}

#[tokio::test]
async fn without_tokens_left_no_attempt_is_used_up() {
    let world = World::new().await;
    world.traffic(300).await;
    for budget in [
        DailyBudget {
            tokens: Some(0),
            ..DailyBudget::UNLIMITED
        },
        DailyBudget {
            cost: Some(promptops_core::llm::Cost::ZERO),
            ..DailyBudget::UNLIMITED
        },
    ] {
        let plan = world
            .plan()
            .budget(budget)
            .proposer(Arc::new(LlmProposer::new(proposing())));
        let improver = world.improver_by(plan);
        for _ in 0..3 {
            improver.run_once().await.unwrap();
        }
        let ended = attempts(&world).await;
        let ended = ended
            .iter()
            .filter(|attempt| attempt.stage == AttemptStage::Ended);
        assert_eq!(ended.count(), 0);
    }
}

#[tokio::test]
async fn clones_of_an_improver_do_not_work_at_once() {
    let world = World::new().await;
    world.traffic(300).await;
    let asked = Arc::new(AtomicU64::new(0));
    struct Slow(Arc<AtomicU64>, LlmProposer);
    #[async_trait]
    impl Proposer for Slow {
        fn name(&self) -> String {
            self.1.name()
        }
        async fn propose(&self, brief: &Brief<'_>, ledger: &mut Ledger) -> promptops_core::Result<Proposed> {
            self.0.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.1.propose(brief, ledger).await
        }
    }
    let slow = Slow(asked.clone(), LlmProposer::new(proposing()));
    let improver = world.improver_by(world.plan().proposer(Arc::new(slow)));
    let clone = improver.clone();
    let (one, other) = tokio::join!(improver.run_once(), clone.run_once());
    for pass in [one.unwrap(), other.unwrap()] {
        assert!(pass.problems.is_empty(), "{:?}", pass.problems);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_watch_of_what_was_superseded_or_rolled_back_by_hand_ends() {
    let world = World::new().await;
    let improver = world.improver();
    world.traffic(300).await;
    let deployments = world.acme.deployments();
    let better = world.save(REFUNDS).await;
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&proposed.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    world.traffic(30).await;
    world.pass(&improver).await;
    let other = world.save("Be brief.").await;
    world
        .acme
        .environments()
        .promote(&other, ENVIRONMENT, &olga())
        .await
        .unwrap();
    world.pass(&improver).await;
    let ended = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(ended.monitor, Some(MonitorOutcome::Superseded));
    let watches = world.acme.improvements().watches(&proposed.id).await.unwrap();
    assert_eq!(watches[0].status, WatchStatus::Ended);
    assert!(watches[0].end.is_some());
}

#[tokio::test]
async fn what_an_older_deployments_rollback_restored_is_watched_too() {
    let world = World::new().await;
    let improver = world.improver();
    world.traffic(300).await;
    let deployments = world.acme.deployments();
    let (one, two) = (world.save(REFUNDS).await, world.save("Be brief.").await);
    let older = deployments.propose(&one, ENVIRONMENT, &mo()).await.unwrap();
    let newer = deployments.propose(&two, ENVIRONMENT, &mo()).await.unwrap();
    for id in [&newer.id, &older.id] {
        deployments.approve(id, &olga()).waive("to see").await.unwrap();
        world.traffic(10).await;
        deployments.roll_back(id, "no", &olga()).await.unwrap();
    }
    world.pass(&improver).await;
    let watches = world.acme.improvements().watches(&older.id).await.unwrap();
    assert!(
        watches
            .iter()
            .any(|watch| watch.purpose == WatchPurpose::Restored),
        "{watches:?}"
    );
}

#[tokio::test]
async fn a_rebased_candidate_is_asked_to_mend_what_it_was_written_for() {
    let world = World::new().await;
    let improver = world.improver_by(world.plan().proposer(Arc::new(LlmProposer::new(proposing()))));
    // Two kinds of failures, of which the candidate is to mend one.
    let scored = |n: u64| {
        move |trace: Trace, _: &str| match n % 5 {
            0 | 2 => trace.score_because("correctness", 0.0, "refund ticket sorted into the wrong queue"),
            1 => trace.score_because("politeness", 0.0, "curt"),
            _ => trace.score("correctness", 1.0),
        }
    };
    for n in 0..600 {
        call(&world, &ticket(n), scored(n)).await;
    }
    world.pass(&improver).await;
    let deployments = world.acme.deployments();
    let first = world.deployments().await.remove(0);
    let again = deployments.rebase(&first.id, &mo()).await.unwrap();
    world.pass(&improver).await;
    let again = deployments.get(&again.id).await.unwrap();
    let document = deployments
        .document(&again.evidence.unwrap().report)
        .await
        .unwrap();
    for (trace, stratum) in ReplayRecord::read(&document).unwrap().traces() {
        let trace = world.acme.traces().get(trace).await.unwrap();
        let is_refund = trace.inputs.unwrap()["kind"] == "refund";
        let is_target = stratum == promptops_core::improvement::replay::Stratum::Target;
        assert_eq!(is_target, is_refund);
    }
}

#[tokio::test]
async fn what_nobody_watches_does_not_keep_the_next_one_out() {
    let mut settings = DeploymentSettings::default();
    settings.watch = false;
    let world = World::on(MemoryBackend::new(), settings).await;
    let improver = world.improver();
    world.traffic(300).await;
    let deployments = world.acme.deployments();
    let other = world.save("Answer in one word.").await;
    let one = deployments.propose(&other, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&one.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    let two = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    world.pass(&improver).await;
    assert_eq!(deployments.get(&two.id).await.unwrap().state, State::AbPassed);
    let shipped = deployments.approve(&two.id, &olga()).await.unwrap();
    assert_eq!(shipped.shipped.unwrap().restores, Some(other.number));
    let first = deployments.get(&one.id).await.unwrap();
    assert_eq!(first.monitor, Some(MonitorOutcome::Superseded));
}

#[tokio::test]
async fn what_was_set_aside_for_a_replay_that_did_not_begin_is_given_back() {
    let backend = MemoryBackend::new();
    let mut stores = promptops_core::Stores::from(backend.clone());
    let rejecting = Arc::new(Rejecting {
        backend,
        acme: Mutex::new(None),
    });
    stores.improvement = rejecting.clone();
    let world = World::on(stores, DeploymentSettings::default()).await;
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    *rejecting.acme.lock().unwrap() = Some(world.acme.clone());
    world.improver().run_once().await.unwrap();
    assert_eq!(world.deployments().await[0].state, State::Rejected);
    let spent = world
        .acme
        .improvements()
        .spending(day_of(world.clock.now()))
        .await
        .unwrap();
    assert_eq!(spent.calls, world.weather.asked.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_few_inputs_on_which_both_do_as_well_acquit_nobody() {
    let world = World::new().await;
    world.traffic(300).await;
    let worse = world.save(CONFUSING).await;
    let deployments = world.acme.deployments();
    let harmful = deployments.propose(&worse, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&harmful.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    // Of one call in five the inputs are kept, and on those it does no harm.
    for n in 300..345 {
        let inputs = ticket(n);
        let is_refund = right_queue(inputs.as_object().unwrap()) == "billing";
        let score = |trace: Trace, _: &str| trace.score("correctness", 0.0);
        call_kept(&world, &inputs, is_refund && n % 5 == 0, score).await;
    }
    let pass = world.pass(&world.improver()).await;
    let watched = deployments.get(&harmful.id).await.unwrap();
    assert_eq!(watched.state, State::Regressed, "{:?}", pass.did);
    let watches = world.acme.improvements().watches(&harmful.id).await.unwrap();
    assert_eq!(watches[0].blame, Some(Blame::Unknown));
    assert_eq!(world.live().await, 2, "a person decides");
}

#[tokio::test]
async fn a_proposer_whose_model_is_out_is_asked_again_and_uses_up_no_attempt() {
    let world = World::new().await;
    world.traffic(300).await;
    let out = Arc::new(AtomicBool::new(true));
    let is_out = out.clone();
    let model = ScriptedLlm::new(move |blueprint: &Blueprint| {
        if is_out.load(Ordering::Relaxed) {
            return Err(LlmError::new(
                LlmErrorKind::Overloaded,
                "scripted",
                "come back later",
            ));
        }
        proposal(blueprint)
    });
    let improver = world.improver_by(world.plan().proposer(Arc::new(LlmProposer::new(model))));
    improver.run_once().await.unwrap();
    assert_eq!(attempts(&world).await[0].stage, AttemptStage::Proposing);
    out.store(false, Ordering::Relaxed);
    world.clock.advance(Duration::from_secs(300));
    world.pass(&improver).await;
    assert_eq!(attempts(&world).await.len(), 1);
    assert_eq!(world.deployments().await.len(), 1);
}

#[tokio::test]
async fn a_candidate_for_where_nothing_is_live_is_told_so() {
    let world = World::new().await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, "staging", &mo()).await.unwrap();
    let improvements = world.acme.improvements();
    let improver = improvements.improver(PROMPT, "staging", world.plan()).unwrap();
    world.pass(&improver).await;
    let told = deployments.get(&proposed.id).await.unwrap();
    let reason = told.evidence.map(|evidence| evidence.reason).unwrap_or_default();
    assert!(reason.contains("nothing is live"), "{reason}");
}

#[tokio::test]
async fn an_attempt_ends_when_somebody_resolves_its_cluster() {
    let world = World::new().await;
    world.traffic(300).await;
    let meddling =
        Evaluation::new(model(world.weather.clone())).criterion(Meddling::new(&world, Meddle::Stop));
    let plan = world
        .plan_by(meddling)
        .proposer(Arc::new(LlmProposer::new(proposing())));
    let improver = world.improver_by(plan);
    improver.run_once().await.unwrap();
    let attempt = attempts(&world).await.remove(0);
    assert_eq!(attempt.stage, AttemptStage::Selecting);
    let improvements = world.acme.improvements();
    improvements
        .set_status(&attempt.cluster, ClusterStatus::Resolved, &mo())
        .await
        .unwrap();
    improvements.resume(&olga()).await.unwrap();
    world.pass(&improver).await;
    assert!(world.deployments().await.is_empty());
    assert_eq!(attempts(&world).await[0].stage, AttemptStage::Ended);
}

#[tokio::test]
async fn what_an_owner_kept_is_not_rolled_back_by_itself_later() {
    let world = World::new().await;
    let improver = world.improver();
    world.traffic(300).await;
    let deployments = world.acme.deployments();
    let worse = world.save(CONFUSING).await;
    let harmful = deployments.propose(&worse, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&harmful.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    deployments
        .hold(PROMPT, ENVIRONMENT, "a launch", &olga())
        .await
        .unwrap();
    world.traffic(200).await;
    world.pass(&improver).await;
    let state = async || deployments.get(&harmful.id).await.unwrap().state;
    assert_eq!(state().await, State::Regressed);
    deployments
        .override_regression(&harmful.id, "the launch is worth it", &olga())
        .await
        .unwrap();
    deployments.release(PROMPT, ENVIRONMENT, &olga()).await.unwrap();
    // And then it gets worse still.
    world.weather.is_confused.store(true, Ordering::Relaxed);
    let mut did = Vec::new();
    for _ in 0..6 {
        world.traffic(40).await;
        did.extend(world.pass(&improver).await.did);
    }
    assert!(
        did.iter().all(|done| !matches!(done, Done::RolledBack { .. })),
        "{did:?}"
    );
    assert_eq!(world.live().await, 2);
}

#[tokio::test]
async fn without_scores_from_before_a_version_is_held_against_its_own_first_ones() {
    let world = World::new().await;
    let improver = world.improver();
    world.traffic(30).await;
    let deployments = world.acme.deployments();
    let better = world.save(REFUNDS).await;
    let shipped = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&shipped.id, &olga())
        .waive("new shop")
        .await
        .unwrap();
    world.traffic(150).await;
    world.pass(&improver).await;
    let watches = world.acme.improvements().watches(&shipped.id).await.unwrap();
    let figures = watches[0].figures.as_ref().unwrap();
    assert!(figures.monitor.metrics()[0].reference.unwrap().mean > 0.99);
    // Another one that nobody ever asks ends without data, and is not in anybody's way.
    let other = world.save("Be brief.").await;
    let silent = deployments.propose(&other, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&silent.id, &olga())
        .waive("new shop")
        .await
        .unwrap();
    world.clock.advance(Duration::from_secs(2 * 86_400));
    world.pass(&improver).await;
    assert_eq!(
        deployments.get(&silent.id).await.unwrap().monitor,
        Some(MonitorOutcome::NoData)
    );
}

#[tokio::test]
async fn what_never_fits_into_a_days_budget_is_said_to() {
    let world = World::new().await;
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    world
        .acme
        .deployments()
        .propose(&better, ENVIRONMENT, &mo())
        .await
        .unwrap();
    let budget = DailyBudget {
        calls: Some(10),
        ..DailyBudget::default()
    };
    let pass = world
        .improver_by(world.plan().budget(budget))
        .run_once()
        .await
        .unwrap();
    assert!(
        pass.problems[0]
            .1
            .message()
            .contains("more than a whole day's budget"),
        "{:?}",
        pass.problems
    );
}

/// A host's proposer with a defect.
struct Panicking;

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

#[tokio::test]
async fn a_panic_in_a_pass_does_not_end_the_background() {
    let world = World::new().await;
    world.traffic(300).await;
    let improver = world.improver_by(world.plan().proposer(Arc::new(Panicking)));
    let handle = improver.spawn(Duration::from_millis(100)).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(
        handle.stop(Duration::from_secs(10)).await,
        "it goes on until it is stopped"
    );
}
