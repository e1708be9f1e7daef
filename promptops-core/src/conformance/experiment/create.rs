//! Experiments that begin, and what they rest on.

use std::time::Duration;

use crate::base::{Actor, ErrorKind};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::environment::{Policy, refusal as environment_refusal};
use crate::experiment::{
    Allocation, Epoch, Experiment, ExperimentFilter, ExperimentStatus, Goal, Guardrail, Harm, Holdout,
    NewExperiment, Rules, refusal,
};
use crate::llm::Cost;
use crate::prompt::{Status, refusal as prompt_refusal};

async fn refused(desk: &Desk, new: NewExperiment, expected: crate::Error) {
    let result = desk.stores.experiments.create_experiment(new).await;
    let error = fails(result, expected.kind(), expected.message());
    assert_eq!(error.message(), expected.message());
    assert_eq!(error.current_revision(), expected.current_revision());
}

/// An experiment in which everything is used that one can have.
fn awkward(desk: &Desk, versions: &[crate::prompt::Version]) -> Experiment {
    let plain = desk.experiment_of("Exp-1:a.b_C", versions);
    let allocation = Allocation::new(&[9_998, 1, 1]).unwrap();
    Experiment {
        name: "it's \"a\" \u{0} n\u{e4}me \u{1f984}\n100%".into(),
        epochs: vec![
            Epoch {
                number: 1,
                allocation: allocation.clone(),
                started_at: timestamp(-1),
            },
            Epoch {
                number: u32::MAX,
                allocation: allocation.reweighted(&[3_333, 3_333, 3_334]).unwrap(),
                started_at: at(999_999),
            },
        ],
        salt: "\u{0} salt '\\ \u{1f9c2}".into(),
        namespace: namespace("0.names_-", 0, 10_000),
        holdout: Some(Holdout {
            name: variant_name("held.out"),
            basis_points: 10_000,
        }),
        goal: Goal::Score,
        rules: Rules {
            min_sample: u64::MAX,
            max_duration: Duration::MAX,
            auto_complete: true,
            alpha: 0.030_000_000_000_000_004,
            prior: Some(f64::MIN_POSITIVE),
        },
        guardrails: [
            Harm::Failure,
            Harm::ScoreBelow(0.1 + 0.2),
            Harm::LatencyAbove(Duration::new(1, 999_999_999)),
            Harm::CostAbove(Cost::from_nano_usd(u64::MAX)),
        ]
        .into_iter()
        .map(|harm| Guardrail {
            name: score_name("it's \u{e9} \u{1f984}"),
            harm,
        })
        .collect(),
        created_by: Actor::owner("olga \u{1f984}"),
        created_at: at(999_999),
        ..plain
    }
}

/// An experiment comes back as begun, with its audit record, at once, from another handle and after reopening.
pub async fn experiment_is_kept_as_created(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let another = Desk::open(harness).await;
    let mut versions = desk.contenders("support/triage").await.to_vec();
    versions.push(desk.save_draft("support/triage", "three").await);
    let experiment = awkward(&desk, &versions);
    let audited = desk.audited().await;
    let new = desk.new_experiment(experiment.clone());
    let returned = desk.stores.experiments.create_experiment(new.clone()).await;
    assert_eq!(returned.unwrap(), experiment, "the experiment is returned");
    for desk in [desk.clone(), another, desk.reopen(harness).await] {
        assert_eq!(desk.experiment("Exp-1:a.b_C").await.as_ref(), Some(&experiment));
        assert_eq!(
            desk.experiment("exp-1:a.b_c").await,
            None,
            "an id in other letters"
        );
        let open = desk.open_experiment("support/triage", "production").await;
        assert_eq!(open.as_ref(), Some(&experiment));
        assert_eq!(desk.open_experiment("support/triage", "staging").await, None);
        assert_eq!(desk.open_experiment("support", "production").await, None);
        let all = desk.experiments(&ExperimentFilter::default()).await;
        assert_eq!(all, std::slice::from_ref(&experiment));
        assert_eq!(desk.tallies("Exp-1:a.b_C").await, []);
        let records = desk.audit().await;
        assert_eq!(records.len(), audited + 1);
        assert_eq!(records[audited].entry, new.audit);
    }
}

/// What is compared need not be live nor active, and stays as it is.
pub async fn beginning_changes_no_version_and_no_pointer(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let versions = [
        desk.save_draft("triage", "one").await,
        desk.save_draft("triage", "two").await,
    ];
    let record = desk.prompt("triage").await;
    let mut experiment = desk.experiment_of("exp", &versions);
    experiment.pointer_revision = 0;
    desk.create_experiment(experiment).await.unwrap();
    assert_eq!(desk.prompt("triage").await, record);
    assert_eq!(desk.slots("triage").await.pointers, []);
    let mut found = desk.versions("triage").await;
    found.reverse();
    assert_eq!(found, versions);
}

/// An experiment rests on what is live: with another revision of the pointer it conflicts, with the current one.
pub async fn experiment_on_a_stale_pointer_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let versions = desk.contenders("triage").await;
    desk.promote(&versions[1], "production").await;
    desk.promote(&versions[0], "staging").await;
    let before = desk.everything().await;
    for wrong in [0, 1, 3, u64::from(u32::MAX)] {
        let mut experiment = desk.experiment_of("exp", &versions);
        experiment.pointer_revision = wrong;
        let expected =
            environment_refusal::revision_conflict(&experiment.prompt, &experiment.environment, wrong, 2);
        assert_eq!(expected.current_revision(), Some(2));
        refused(&desk, desk.new_experiment(experiment), expected).await;
    }
    let mut elsewhere = desk.experiment_of("exp", &versions);
    elsewhere.environment = environment("dev");
    let expected = environment_refusal::revision_conflict(&elsewhere.prompt, &elsewhere.environment, 1, 0);
    refused(&desk, desk.new_experiment(elsewhere), expected).await;
    assert_eq!(desk.everything().await, before, "nothing changes");
    let mut experiment = desk.experiment_of("exp", &versions);
    experiment.pointer_revision = 2;
    desk.create_experiment(experiment).await.unwrap();
}

/// The policy revision on which it was decided that it may begin must hold.
pub async fn experiment_on_a_stale_policy_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let versions = desk.contenders("triage").await;
    let on = |policy_revision| NewExperiment {
        policy_revision,
        ..desk.new_experiment(desk.experiment_of("exp", &versions))
    };
    refused(&desk, on(1), environment_refusal::policy_conflict(1, 0)).await;
    // One of another environment and another prompt counts too.
    desk.set_policy("canary", Some("other"), Some(Policy::open()))
        .await
        .unwrap();
    let before = desk.everything().await;
    for stale in [0, 2] {
        refused(&desk, on(stale), environment_refusal::policy_conflict(stale, 1)).await;
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
    let elsewhere = desk.of("other");
    elsewhere
        .set_policy("dev", None, Some(Policy::open()))
        .await
        .unwrap();
    desk.stores.experiments.create_experiment(on(1)).await.unwrap();
}

/// Only the tenant's own versions can be compared, with the contents that they have.
pub async fn unknown_variants_are_not_found(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let shared = desk.of("shared");
    let versions = desk.contenders("triage").await;
    let other = desk.save_active("other", "three").await;
    let inherited = shared.contenders("safety").await;
    desk.set_parent(Some("shared")).await.unwrap();
    let before = desk.everything().await;
    let good = || desk.experiment_of("exp", &versions);
    for at in [0, 1] {
        let mut unknown = good();
        unknown.variants[at].version = number(7);
        let expected = prompt_refusal::unknown_version(&unknown.prompt, number(7));
        refused(&desk, desk.new_experiment(unknown), expected).await;
        let mut changed = good();
        changed.variants[at].content_hash = other.hash;
        let expected =
            prompt_refusal::other_content(&changed.prompt, changed.variants[at].version, &other.hash);
        refused(&desk, desk.new_experiment(changed), expected).await;
    }
    let mut theirs = desk.experiment_of("exp", &inherited);
    theirs.pointer_revision = 0;
    let expected = prompt_refusal::unknown_version(&theirs.prompt, number(1));
    refused(&desk, desk.new_experiment(theirs), expected).await;
    assert_eq!(desk.everything().await, before, "nothing changes");
}

/// An archived version cannot be compared.
pub async fn archived_variant_is_an_illegal_transition(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let versions = desk.contenders("triage").await;
    desk.set_status("triage", number(2), Status::Archived)
        .await
        .unwrap();
    let before = desk.everything().await;
    let experiment = desk.experiment_of("exp", &versions);
    let expected = refusal::variant_is_archived(&experiment.prompt, &experiment.variants[1]);
    refused(&desk, desk.new_experiment(experiment.clone()), expected).await;
    assert_eq!(desk.everything().await, before, "nothing changes");
    desk.set_status("triage", number(2), Status::Active)
        .await
        .unwrap();
    desk.create_experiment(experiment).await.unwrap();
}

/// A prompt has one open experiment in an environment, paused or not; others have theirs.
pub async fn second_open_experiment_already_exists(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let versions = desk.contenders("triage").await;
    let first = desk
        .create_experiment(desk.experiment_of("exp-1", &versions))
        .await
        .unwrap();
    let second = || desk.experiment_of("exp-2", &versions);
    let taken = |new: &Experiment| refusal::slot_is_taken(new, &experiment_id("exp-1"));
    refused(&desk, desk.new_experiment(second()), taken(&second())).await;
    let paused = desk.change_experiment(&first, ExperimentStatus::Paused).await;
    let before = desk.everything().await;
    refused(&desk, desk.new_experiment(second()), taken(&second())).await;
    assert_eq!(desk.everything().await, before, "nothing changes");

    desk.promote(&versions[0], "staging").await;
    let mut elsewhere = desk.experiment_of("exp-staging", &versions);
    elsewhere.environment = environment("staging");
    desk.create_experiment(elsewhere).await.unwrap();
    desk.begin("exp-other", "other").await;
    desk.of("other").begin("exp-1", "triage").await;
    let open = desk.open_experiment("triage", "production").await;
    assert_eq!(open.as_ref(), Some(&paused));

    desk.change_experiment(&paused, ExperimentStatus::Completed).await;
    assert_eq!(desk.open_experiment("triage", "production").await, None);
    let next = desk.create_experiment(second()).await.unwrap();
    assert_eq!(desk.open_experiment("triage", "production").await, Some(next));
}

/// Of racing experiments on one prompt and environment exactly one begins.
pub async fn racing_experiments_of_one_place_have_one_winner(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    for round in 0..4 {
        let prompt = format!("triage-{round}");
        let versions = desks[0].contenders(&prompt).await;
        let before = desks[0].audited().await;
        let results = race(8, |i| {
            let desk = desks[i % 2].clone();
            let experiment = desk.experiment_of(&format!("exp-{round}-{i}"), &versions);
            async move { desk.create_experiment(experiment).await }
        })
        .await;
        let mut begun = Vec::new();
        for result in results {
            match result {
                Ok(experiment) => begun.push(experiment),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
            }
        }
        assert_eq!(begun.len(), 1, "exactly one begins");
        let open = desks[1].open_experiment(&prompt, "production").await;
        assert_eq!(open.as_ref(), Some(&begun[0]));
        assert_eq!(desks[1].audited().await, before + 1);
    }
    assert_eq!(desks[0].experiments(&ExperimentFilter::default()).await.len(), 4);
}

/// Open experiments of one namespace share no bucket, whatever they are about.
pub async fn open_experiments_of_a_namespace_share_no_bucket(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut prompts = Vec::new();
    for n in 0..6 {
        prompts.push(desk.contenders(&format!("prompt-{n}")).await);
    }
    let of = |id: &str, n: usize, namespace| Experiment {
        namespace,
        ..desk.experiment_of(id, &prompts[n])
    };
    let first = of("exp-0", 0, namespace("checkout", 2_000, 3_000));
    let first = desk.create_experiment(first).await.unwrap();
    for (from, to) in [
        (2_000, 3_000),
        (0, 10_000),
        (2_999, 3_001),
        (1_999, 2_001),
        (2_400, 2_401),
    ] {
        let other = of("exp-1", 1, namespace("checkout", from, to));
        let expected = refusal::namespace_is_taken(&other, &first.id);
        refused(&desk, desk.new_experiment(other), expected).await;
    }
    let free = [
        namespace("checkout", 3_000, 10_000),
        namespace("checkout", 0, 2_000),
        namespace("check", 0, 10_000),
        None,
    ];
    for (n, namespace) in (1..).zip(free) {
        let other = of(&format!("exp-{n}"), n, namespace);
        desk.create_experiment(other).await.unwrap();
    }
    // What is taken twice is told of the smallest id.
    let all = of("exp-9", 5, namespace("checkout", 0, 10_000));
    let expected = refusal::namespace_is_taken(&all, &first.id);
    refused(&desk, desk.new_experiment(all), expected).await;
    let again = of("exp-9", 5, first.namespace.clone());
    let paused = desk.change_experiment(&first, ExperimentStatus::Paused).await;
    let expected = refusal::namespace_is_taken(&again, &first.id);
    refused(&desk, desk.new_experiment(again.clone()), expected).await;
    desk.change_experiment(&paused, ExperimentStatus::Completed).await;
    desk.create_experiment(again).await.unwrap();
    let other = desk.of("other");
    let theirs = other.contenders("prompt").await;
    let theirs = Experiment {
        namespace: first.namespace,
        ..other.experiment_of("exp-0", &theirs)
    };
    other.create_experiment(theirs).await.unwrap();
}

/// Of racing experiments for one bucket exactly one begins.
pub async fn racing_experiments_of_one_bucket_have_one_winner(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let mut prompts = Vec::new();
    for n in 0..6 {
        prompts.push(desks[0].contenders(&format!("prompt-{n}")).await);
    }
    for round in 0..4 {
        let results = race(6, |i| {
            let desk = desks[i % 2].clone();
            let experiment = Experiment {
                namespace: namespace("checkout", 100 * i as u16, 5_000 + i as u16),
                ..desk.experiment_of(&format!("exp-{round}-{i}"), &prompts[i])
            };
            async move { desk.create_experiment(experiment).await }
        })
        .await;
        let mut begun = Vec::new();
        for result in results {
            match result {
                Ok(experiment) => begun.push(experiment),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
            }
        }
        assert_eq!(begun.len(), 1, "exactly one has the bucket");
        desks[0]
            .change_experiment(&begun[0], ExperimentStatus::Completed)
            .await;
    }
}

/// An id is one experiment's, also when that is over.
pub async fn taken_experiment_id_already_exists(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let desk = &desks[0];
    let first = desk.begin("exp-1", "triage").await;
    let other = desk.contenders("other").await;
    let expected = || refusal::id_is_taken(&experiment_id("exp-1"));
    let again = || desk.new_experiment(desk.experiment_of("exp-1", &other));
    refused(desk, again(), expected()).await;
    desk.change_experiment(&first, ExperimentStatus::Completed).await;
    let before = desk.everything().await;
    refused(desk, again(), expected()).await;
    assert_eq!(desk.everything().await, before, "nothing changes");
    desk.create_experiment(desk.experiment_of("Exp-1", &other))
        .await
        .unwrap();

    let mut prompts = Vec::new();
    for n in 0..6 {
        prompts.push(desk.contenders(&format!("prompt-{n}")).await);
    }
    let results = race(6, |i| {
        let desk = desks[i % 2].clone();
        let experiment = desk.experiment_of("exp-2", &prompts[i]);
        async move { desk.create_experiment(experiment).await }
    })
    .await;
    let begun: Vec<_> = results.iter().flatten().collect();
    assert_eq!(begun.len(), 1, "exactly one has the id");
    assert_eq!(desks[1].experiment("exp-2").await.as_ref(), Some(begun[0]));
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(
            error.message(),
            refusal::id_is_taken(&experiment_id("exp-2")).message()
        );
    }
}

/// An experiment that is refused for several reasons is refused for the first of them; of variants the first one tells.
pub async fn experiment_is_refused_for_its_first_reason(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut versions = desk.contenders("triage").await.to_vec();
    versions.push(desk.save_draft("triage", "three").await);
    desk.set_status("triage", number(3), Status::Archived)
        .await
        .unwrap();
    let open = Experiment {
        namespace: namespace("checkout", 0, 5_000),
        ..desk.experiment_of("exp-1", &versions[..2])
    };
    desk.create_experiment(open.clone()).await.unwrap();
    let others = desk.contenders("other").await;
    let theirs = Experiment {
        namespace: namespace("checkout", 5_000, 10_000),
        ..desk.experiment_of("exp-0", &others)
    };
    desk.create_experiment(theirs).await.unwrap();
    desk.set_policy("dev", None, Some(Policy::open())).await.unwrap();
    let before = desk.everything().await;

    // Wrong in every way: each reason is put right after it was told.
    let mut new = desk.new_experiment(Experiment {
        namespace: namespace("checkout", 0, 10_000),
        ..desk.experiment_of("exp-1", &[versions[2].clone(), versions[1].clone()])
    });
    new.experiment.pointer_revision = 7;
    new.experiment.variants[1].version = number(9);
    let (triage, production) = (name("triage"), environment("production"));
    let expected = environment_refusal::revision_conflict(&triage, &production, 7, 1);
    refused(&desk, new.clone(), expected).await;
    new.experiment.pointer_revision = 1;
    refused(&desk, new.clone(), environment_refusal::policy_conflict(0, 1)).await;
    new.policy_revision = 1;
    let expected = refusal::variant_is_archived(&triage, &new.experiment.variants[0]);
    refused(&desk, new.clone(), expected).await;
    new.experiment.variants[0].content_hash = versions[0].hash;
    let expected = prompt_refusal::other_content(&triage, number(3), &versions[0].hash);
    refused(&desk, new.clone(), expected).await;
    new.experiment.variants[0].version = number(1);
    refused(
        &desk,
        new.clone(),
        prompt_refusal::unknown_version(&triage, number(9)),
    )
    .await;
    new.experiment.variants[1].version = number(2);
    let expected = refusal::slot_is_taken(&new.experiment, &open.id);
    refused(&desk, new.clone(), expected).await;
    new.experiment.environment = environment("staging");
    new.experiment.pointer_revision = 0;
    let expected = refusal::namespace_is_taken(&new.experiment, &experiment_id("exp-0"));
    refused(&desk, new.clone(), expected).await;
    new.experiment.namespace = None;
    refused(&desk, new.clone(), refusal::id_is_taken(&open.id)).await;
    assert_eq!(desk.everything().await, before, "nothing changes");
    new.experiment.id = experiment_id("exp-2");
    desk.stores.experiments.create_experiment(new).await.unwrap();
}

/// What an open experiment serves cannot be archived.
pub async fn archiving_a_variant_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut versions = desk.contenders("triage").await.to_vec();
    versions.push(desk.save_draft("triage", "three").await);
    let spare = desk.save_active("triage", "four").await;
    let other = desk.save_active("other", "two").await;
    let mut experiment = desk
        .create_experiment(desk.experiment_of("exp-1", &versions))
        .await
        .unwrap();
    let archive = async |n| desk.set_status("triage", number(n), Status::Archived).await;
    for status in [ExperimentStatus::Paused, ExperimentStatus::Active] {
        let before = desk.everything().await;
        for n in [2, 3] {
            let expected = refusal::version_is_in_experiment(&name("triage"), number(n), &experiment.id);
            let error = fails(archive(n).await, ErrorKind::Conflict, "archiving a variant");
            assert_eq!(error.message(), expected.message());
        }
        // Of what is live as well, that is told first.
        let live = prompt_refusal::version_is_live(&name("triage"), number(1), &[environment("production")]);
        let error = fails(archive(1).await, ErrorKind::Conflict, "archiving the control");
        assert_eq!(error.message(), live.message());
        assert_eq!(desk.everything().await, before, "nothing changes");
        experiment = desk.change_experiment(&experiment, status).await;
    }
    archive(spare.number.get()).await.unwrap();
    desk.set_status("other", other.number, Status::Archived)
        .await
        .unwrap();
    // The control is live no more, but served still.
    desk.promote(&versions[1], "production").await;
    fails(archive(1).await, ErrorKind::Conflict, "archiving the control");
    // The same version of another tenant is nobody's variant.
    let stranger = desk.of("other");
    stranger.save_active("triage", "one").await;
    stranger
        .set_status("triage", number(1), Status::Archived)
        .await
        .unwrap();
    desk.change_experiment(&experiment, ExperimentStatus::Completed)
        .await;
    for n in [1, 3] {
        assert_eq!(archive(n).await.unwrap().status, Status::Archived);
    }
}

/// A version is archived before an experiment begins with it, or not at all while that is open.
pub async fn racing_archiving_and_experiments_exclude_each_other(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    for round in 0..12 {
        let prompt = format!("triage-{round}");
        let versions = desks[0].contenders(&prompt).await;
        let begun = race(2, |i| {
            let (desk, prompt) = (desks[i].clone(), prompt.clone());
            let experiment = desk.experiment_of(&format!("exp-{round}"), &versions);
            async move {
                match i {
                    0 => desk.create_experiment(experiment).await.map(drop),
                    _ => desk
                        .set_status(&prompt, number(2), Status::Archived)
                        .await
                        .map(drop),
                }
            }
        })
        .await;
        let status = desks[1].versions(&prompt).await[0].status;
        let open = desks[1].open_experiment(&prompt, "production").await;
        assert_ne!(
            status == Status::Archived,
            open.is_some(),
            "either the version is archived, or an experiment has it: {begun:?}"
        );
        assert_eq!(begun.iter().filter(|result| result.is_ok()).count(), 1);
        let kind = match status {
            Status::Archived => ErrorKind::IllegalTransition,
            _ => ErrorKind::Conflict,
        };
        for error in begun.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
}

/// Nothing that an experiment rests on can change between its check and its commit.
pub async fn racing_changes_of_what_an_experiment_rests_on_are_seen(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let versions = desks[0].contenders("triage").await;
    race(9, |i| {
        let (desk, versions) = (desks[i % 2].clone(), versions.clone());
        async move {
            for n in 0..8 {
                let slots = desk.slots("triage").await;
                let pointer = slots.pointer(&environment("production")).unwrap().revision;
                // Lets others change what was read. Each may lose its race; what succeeds is judged by the log.
                tokio::task::yield_now().await;
                match i % 3 {
                    0 => drop(desk.try_promote(&versions[n % 2], "production", pointer).await),
                    1 => desk.set_policy("dev", None, Some(Policy::open())).await.unwrap(),
                    _ => {
                        let mut new =
                            desk.new_experiment(desk.experiment_of(&format!("exp-{i}-{n}"), &versions));
                        new.experiment.pointer_revision = pointer;
                        new.policy_revision = slots.policy_revision;
                        new.audit.subject = "experiment".into();
                        new.audit.detail = format!("{} {pointer}", slots.policy_revision);
                        if let Ok(begun) = desk.stores.experiments.create_experiment(new).await {
                            desk.change_experiment(&begun, ExperimentStatus::Completed).await;
                        }
                    }
                }
            }
        }
    })
    .await;
    let (mut policies, mut pointer, mut begun) = (0, 0, 0);
    for record in desks[0].audit().await {
        match record.entry.subject.as_str() {
            "dev" => policies += 1,
            "triage@production" => pointer += 1,
            "experiment" => {
                begun += 1;
                let rested_on = &record.entry.detail;
                assert_eq!(
                    *rested_on,
                    format!("{policies} {pointer}"),
                    "record {}",
                    record.seq
                );
            }
            _ => {}
        }
    }
    let all = desks[1].experiments(&ExperimentFilter::default()).await;
    assert_eq!(all.len(), begun, "each is on record");
}
