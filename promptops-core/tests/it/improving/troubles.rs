//! What goes wrong, and what is said of it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use promptops_core::ErrorKind;
use promptops_core::base::{Actor, Change, ClusterId, Event, EventListener, PageRequest};
use promptops_core::deployment::{Evidence, State, Step, Verdict};
use promptops_core::evaluation::{Evaluation, Score, Scorer, ScorerInput};
use promptops_core::improvement::cluster::ClusterStatus;
use promptops_core::improvement::proposer::LlmProposer;
use promptops_core::improvement::{
    ClusterFilter, DailyBudget, Done, ImprovementPlan, PassState, ReplayRecord, day_of,
};
use promptops_core::llm::ScriptedLlm;
use promptops_core::observation::Trace;
use serde_json::{Value, json};

use super::world::{ENVIRONMENT, PROMPT, REFUNDS, World, mo, model, olga, proposing, ticket};

#[tokio::test]
async fn a_replay_whose_model_is_out_is_no_verdict_and_counts_in_neither_arm() {
    let world = World::new().await;
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    world.weather.is_out.store(true, Ordering::Relaxed);
    world.improver().run_once().await.unwrap();
    let failed = deployments.get(&proposed.id).await.unwrap();
    let evidence = failed.evidence.unwrap();
    assert_eq!(
        (failed.state, evidence.verdict),
        (State::AbFailed, Verdict::Inconclusive)
    );
    assert!(evidence.reason.contains("infrastructure"), "{}", evidence.reason);
    // With as many new traces it is another question, and the model is back.
    world.weather.is_out.store(false, Ordering::Relaxed);
    world.traffic(300).await;
    world.pass(&world.improver()).await;
    let again = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(
        (again.state, again.evidence.unwrap().number),
        (State::AbPassed, 2)
    );
}

#[tokio::test]
async fn with_too_few_traces_the_evidence_says_how_many_more() {
    let world = World::new().await;
    world.traffic(20).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    let improver = world.improver();
    world.pass(&improver).await;
    let failed = deployments.get(&proposed.id).await.unwrap();
    let evidence = failed.evidence.as_ref().unwrap();
    assert_eq!(
        (failed.state, evidence.verdict),
        (State::AbFailed, Verdict::Inconclusive)
    );
    assert!(evidence.reason.contains("more"), "{}", evidence.reason);
    let revision = failed.revision;
    // And nothing more happens as long as there is nothing new.
    world.pass(&improver).await;
    assert_eq!(deployments.get(&proposed.id).await.unwrap().revision, revision);
}

#[tokio::test]
async fn without_recorded_inputs_there_is_nothing_to_replay_and_that_is_said() {
    let world = World::new().await;
    let resolved = world
        .acme
        .resolve(&format!("{PROMPT}@{ENVIRONMENT}"))
        .await
        .unwrap();
    let inputs = json!({ "kind": "refund", "ticket": "x" });
    for _ in 0..50 {
        let rendered = resolved.render(&inputs).unwrap();
        let trace = Trace::of(rendered.stamp()).score("correctness", 0.0);
        world.acme.traces().record_durable(trace).await.unwrap();
    }
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    world.pass(&world.improver()).await;
    let evidence = deployments.get(&proposed.id).await.unwrap().evidence.unwrap();
    assert!(
        evidence.reason.contains("record traces with their content"),
        "{}",
        evidence.reason
    );
    let document = deployments.document(&evidence.report).await.unwrap();
    assert!(ReplayRecord::read(&document).unwrap().report.is_none());
}

#[tokio::test]
async fn traces_without_outputs_are_replayed_as_any() {
    let world = World::new().await;
    for n in 0..300 {
        let inputs = ticket(n);
        let resolved = world
            .acme
            .resolve(&format!("{PROMPT}@{ENVIRONMENT}"))
            .await
            .unwrap();
        let is_refund = inputs["kind"] == "refund";
        let trace = Trace::of(resolved.render(&inputs).unwrap().stamp()).inputs(&inputs);
        let scored = trace.score("correctness", f64::from(u8::from(!is_refund)));
        world.acme.traces().record_durable(scored).await.unwrap();
        world.clock.advance(Duration::from_secs(60));
    }
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    world.pass(&world.improver()).await;
    let replayed = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(replayed.state, State::AbPassed, "{:?}", replayed.evidence);
}

#[tokio::test]
async fn late_traces_count_for_the_version_that_answered_and_alarms_are_told() {
    let world = World::new().await;
    world.traffic(300).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let listener: Arc<dyn EventListener> = Arc::new(move |event: &Event| {
        if let Event::Changed { change, .. } = event
            && let Change::WatchChanged { status, .. } = change
        {
            heard.lock().unwrap().push(status.clone());
        }
    });
    world.ops.events().subscribe(Arc::downgrade(&listener));
    let reference = format!("{PROMPT}@{ENVIRONMENT}");
    let before = world.acme.resolve(&reference).await.unwrap();
    let worse = world.save(super::world::CONFUSING).await;
    let deployments = world.acme.deployments();
    let shipped = deployments.propose(&worse, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&shipped.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    // Calls that the version before has answered, and that end only now.
    for n in 0..100 {
        let inputs = ticket(n);
        let trace = Trace::of(before.render(&inputs).unwrap().stamp()).inputs(&inputs);
        let scored = trace.score("correctness", 0.0);
        world.acme.traces().record_durable(scored).await.unwrap();
        world.clock.advance(Duration::from_secs(60));
    }
    let improver = world.improver();
    world.pass(&improver).await;
    let watches = async || world.acme.improvements().watches(&shipped.id).await.unwrap();
    assert_eq!(watches().await[0].seen(), 0);
    assert!(told.lock().unwrap().is_empty());
    world.traffic(100).await;
    world.pass(&improver).await;
    assert!((90..=100).contains(&watches().await[0].seen()));
    assert_eq!(told.lock().unwrap().as_slice(), ["alarm"]);
}

#[tokio::test]
async fn when_something_else_goes_live_the_evidence_is_stale_and_the_replay_is_made_again() {
    let world = World::new().await;
    world.traffic(900).await;
    let better = world.save(REFUNDS).await;
    let other = world.save("Be brief.").await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    let improver = world.improver();
    world.pass(&improver).await;
    world
        .acme
        .environments()
        .promote(&other, ENVIRONMENT, &olga())
        .await
        .unwrap();
    let stale = deployments.approve(&proposed.id, &olga()).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::StaleBase);
    world.pass(&improver).await;
    let again = deployments.get(&proposed.id).await.unwrap();
    let evidence = again.evidence.unwrap();
    assert_eq!((again.state, evidence.number), (State::AbPassed, 2));
    assert_eq!(evidence.base.live.unwrap().version, other.number);
    deployments.approve(&proposed.id, &olga()).await.unwrap();
}

#[tokio::test]
async fn a_spent_budget_holds_up_replays_until_another_day_and_never_what_finds_harm() {
    let world = World::new().await;
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    let budget = DailyBudget {
        calls: Some(10),
        ..DailyBudget::default()
    };
    let poor = world.improver_by(world.plan().budget(budget));
    let pass = poor.run_once().await.unwrap();
    let (step, error) = &pass.problems[0];
    assert_eq!((*step, error.kind()), ("replay", ErrorKind::Refused));
    assert!(error.message().contains("whole day's budget"), "{error}");
    assert_eq!(world.weather.asked.load(Ordering::Relaxed), 0);
    let waiting = deployments.get(&proposed.id).await.unwrap();
    assert_eq!((waiting.state, waiting.steps), (State::Proposed, 1));
    // A rich one goes on, and what it asked is what the day says.
    world.pass(&world.improver()).await;
    let asked = world.weather.asked.load(Ordering::Relaxed);
    let day = day_of(promptops_core::base::Clock::now(world.clock.as_ref()));
    let spent = world.acme.improvements().spending(day).await.unwrap();
    assert_eq!(spent.calls, asked);
    // Whoever has no budget left still finds out who is to blame.
    let worse = world.save(super::world::CONFUSING).await;
    let harmful = deployments.propose(&worse, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&harmful.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    for _ in 0..4 {
        world.traffic(30).await;
        poor.run_once().await.unwrap();
    }
    assert_eq!(
        deployments.get(&harmful.id).await.unwrap().state,
        State::RolledBack
    );
}

#[tokio::test]
async fn the_switch_stops_everything_but_the_watch() {
    let world = World::new().await;
    let plan = || world.plan().proposer(Arc::new(LlmProposer::new(proposing())));
    let improver = world.improver_by(plan());
    let improvements = world.acme.improvements();
    world.traffic(300).await;
    let worse = world.save(super::world::CONFUSING).await;
    let deployments = world.acme.deployments();
    let harmful = deployments.propose(&worse, ENVIRONMENT, &mo()).await.unwrap();
    deployments
        .approve(&harmful.id, &olga())
        .waive("to see")
        .await
        .unwrap();
    for (actor, reason, kind) in [
        (Actor::viewer("vi"), "bills", ErrorKind::Forbidden),
        (Actor::system("cron"), "bills", ErrorKind::Forbidden),
        (mo(), "  ", ErrorKind::Invalid),
    ] {
        let error = improvements.stop(reason, &actor).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    improvements.stop("the bill", &mo()).await.unwrap();
    let mut alarms = 0;
    for _ in 0..4 {
        world.traffic(30).await;
        let pass = world.pass(&improver).await;
        assert!(matches!(&pass.state, PassState::Stopped(stopped) if stopped.reason == "the bill"));
        alarms += pass
            .did
            .iter()
            .filter(|done| matches!(done, Done::Alarm { .. }))
            .count();
    }
    assert_eq!(alarms, 1);
    assert_eq!(world.weather.asked.load(Ordering::Relaxed), 0);
    assert_eq!(world.live().await, 2);
    let forbidden = improvements.resume(&mo()).await.unwrap_err();
    assert_eq!(forbidden.kind(), ErrorKind::Forbidden);
    improvements.resume(&olga()).await.unwrap();
    world.pass(&improver).await;
    assert_eq!(world.live().await, 1);
}

#[tokio::test]
async fn whoever_scores_otherwise_begins_a_watch_anew_against_its_own_scores() {
    let world = World::new().await;
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    let improver = world.improver();
    world.pass(&improver).await;
    deployments.approve(&proposed.id, &olga()).await.unwrap();
    world.traffic(20).await;
    world.pass(&improver).await;
    let renamed = world.improver_by(world.plan().scored_by("scorers of winter"));
    let pass = world.pass(&renamed).await;
    assert!(
        matches!(&pass.did[..], [Done::WatchedAnew { .. }, ..]),
        "{:?}",
        pass.did
    );
    world.traffic(50).await;
    world.pass(&renamed).await;
    let watches = || async { world.acme.improvements().watches(&proposed.id).await.unwrap() };
    assert_eq!(watches().await.len(), 1, "too few scores to begin with");
    world.traffic(60).await;
    world.pass(&renamed).await;
    let watches = watches().await;
    assert_eq!(watches.len(), 2);
    assert_eq!(watches[1].scored_by, "scorers of winter");
    let transitions = deployments.transitions(&proposed.id).await.unwrap();
    assert_eq!(transitions.last().unwrap().step, Step::Watch);
}

#[tokio::test]
async fn a_clock_that_is_set_back_or_ahead_changes_no_verdict() {
    let world = World::new().await;
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    let improver = world.improver();
    world.pass(&improver).await;
    deployments.approve(&proposed.id, &olga()).await.unwrap();
    world.traffic(50).await;
    world.pass(&improver).await;
    let seen = || async { world.acme.improvements().watches(&proposed.id).await.unwrap()[0].seen() };
    let before = seen().await;
    assert!(before > 40);
    let now = promptops_core::base::Clock::now(world.clock.as_ref());
    world.clock.set_wall(now - Duration::from_secs(6 * 3_600));
    world.pass(&improver).await;
    assert_eq!(seen().await, before, "nothing counts twice");
    world.clock.set_wall(now);
    world.traffic(10).await;
    world.pass(&improver).await;
    assert!((before + 5..=before + 12).contains(&seen().await));
    assert_eq!(
        deployments.get(&proposed.id).await.unwrap().state,
        State::Monitoring
    );
}

#[tokio::test]
async fn a_proposer_that_says_nothing_of_use_ends_the_attempt_with_reasons_and_rests() {
    let world = World::new().await;
    world.traffic(300).await;
    let prose = Arc::new(ScriptedLlm::saying("Have you tried turning it off and on again?"));
    let improver = world.improver_by(world.plan().proposer(Arc::new(LlmProposer::new(prose.clone()))));
    let pass = world.pass(&improver).await;
    let reason = pass.did.iter().find_map(|done| match done {
        Done::Attempted {
            deployment: None,
            reason,
            ..
        } => Some(reason.clone()),
        _ => None,
    });
    let reason = reason.expect("an attempt that came to nothing");
    assert!(reason.contains("add_rule: the reply cannot be read"), "{reason}");
    let calls = prose.requests().len();
    for _ in 0..3 {
        world.pass(&improver).await;
    }
    assert_eq!(prose.requests().len(), calls);
    // Another day, up to three in all.
    for _ in 0..4 {
        world.clock.advance(Duration::from_secs(86_400));
        world.pass(&improver).await;
    }
    let attempts = world
        .acme
        .improvements()
        .attempts(None, &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(attempts.items.len(), 3);
    assert!(world.deployments().await.is_empty());
}

#[tokio::test]
async fn people_say_what_is_done_about_a_cluster_and_a_resolved_one_is_left_alone() {
    let world = World::new().await;
    world.traffic(300).await;
    world.pass(&world.improver()).await;
    let improvements = world.acme.improvements();
    let all = ClusterFilter::default();
    let cluster = improvements
        .clusters(&all, &PageRequest::default())
        .await
        .unwrap()
        .items
        .remove(0);
    let renamed = improvements
        .rename(&cluster.id, "Refunds go astray", &mo())
        .await
        .unwrap();
    assert_eq!(renamed.label.text(), "Refunds go astray");
    let resolved = improvements
        .set_status(&cluster.id, ClusterStatus::Resolved, &mo())
        .await
        .unwrap();
    assert_eq!(resolved.status, ClusterStatus::Resolved);
    let (known, members) = improvements.cluster(&cluster.id).await.unwrap();
    assert_eq!((known.revision, members.len()), (3, 120));
    let plan = world.plan().proposer(Arc::new(LlmProposer::new(proposing())));
    world.pass(&world.improver_by(plan)).await;
    assert!(world.deployments().await.is_empty());
    let of_resolved = ClusterFilter {
        status: Some(ClusterStatus::Resolved),
        ..ClusterFilter::default()
    };
    let found = improvements
        .clusters(&of_resolved, &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(found.items.len(), 1);
    let unknown = improvements
        .cluster(&ClusterId::new("nobody").unwrap())
        .await
        .unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let actions: Vec<String> = world
        .acme
        .audit()
        .list(&PageRequest::default())
        .await
        .unwrap()
        .items
        .iter()
        .map(|record| record.entry.action.to_string())
        .filter(|action| action == "change_cluster")
        .collect();
    assert_eq!(actions.len(), 2);
}

#[tokio::test]
async fn passes_are_made_in_the_background_until_it_is_stopped() {
    let world = World::new().await;
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    let improver = world.improver();
    assert_eq!(
        improver.spawn(Duration::ZERO).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    let handle = improver.spawn(Duration::from_millis(100)).unwrap();
    while deployments.get(&proposed.id).await.unwrap().state != State::AbPassed {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(handle.stop(Duration::from_secs(10)).await);
    // Others need not wait for its lease.
    let pass = world.pass(&world.improver()).await;
    assert_eq!(pass.state, PassState::Worked);
}

#[tokio::test]
async fn a_pass_needs_little_of_a_threads_stack() {
    let world = World::new().await;
    let improver = world.improver();
    let pass = improver.run_once();
    assert!(size_of_val(&pass) < 8 * 1024, "{} bytes", size_of_val(&pass));
}

/// Cannot tell anything: a judge that is down.
struct Silent;

#[async_trait]
impl Scorer for Silent {
    fn name(&self) -> &str {
        "silent"
    }

    fn configuration(&self) -> Value {
        json!({})
    }

    async fn score(&self, _: &ScorerInput<'_>) -> promptops_core::Result<Score> {
        Err(promptops_core::Error::new(
            ErrorKind::Unavailable,
            "the judge is down",
        ))
    }
}

#[tokio::test]
async fn a_judge_that_is_down_gives_no_verdict_and_another_evaluator_begins_anew() {
    let world = World::new().await;
    world.traffic(300).await;
    let better = world.save(REFUNDS).await;
    let deployments = world.acme.deployments();
    let proposed = deployments.propose(&better, ENVIRONMENT, &mo()).await.unwrap();
    let judged = Evaluation::new(model(world.weather.clone())).criterion(Silent);
    world.pass(&world.improver_by(ImprovementPlan::new(judged))).await;
    let failed = deployments.get(&proposed.id).await.unwrap();
    let evidence = failed.evidence.unwrap();
    assert_eq!(
        (failed.state, evidence.verdict),
        (State::AbFailed, Verdict::Inconclusive)
    );
    assert!(evidence.reason.contains("infrastructure"), "{}", evidence.reason);
    let read = async |evidence: &Evidence| {
        let document = world.acme.deployments().document(&evidence.report).await.unwrap();
        ReplayRecord::read(&document).unwrap()
    };
    let first = read(&evidence).await;
    assert_eq!(first.evaluator.unwrap().criteria[0].scorer, "silent");
    // The same traces and the same versions, and yet other runs: what another evaluator found counts for nothing.
    world.traffic(300).await;
    world.pass(&world.improver()).await;
    let again = deployments.get(&proposed.id).await.unwrap();
    assert_eq!(again.state, State::AbPassed);
    let second = read(&again.evidence.unwrap()).await;
    assert_eq!(second.evaluator.unwrap().criteria[0].scorer, "right_queue");
    assert_ne!(first.baseline, second.baseline);
}
