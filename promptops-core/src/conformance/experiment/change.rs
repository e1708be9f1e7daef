//! Experiments that change and end, and the promotions that belong to it.

use crate::base::{Actor, ErrorKind};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::environment::{
    HistoryRecord, MoveKind, PointerMove, Policy, SourceGuard, refusal as environment_refusal,
};
use crate::experiment::{
    Completion, Ending, Epoch, Experiment, ExperimentChange, ExperimentFilter, ExperimentStatus, refusal,
};
use crate::prompt::{Status, refusal as prompt_refusal};

async fn refused(desk: &Desk, change: ExperimentChange, expected: crate::Error) {
    let error = fails(desk.try_change(change).await, expected.kind(), expected.message());
    assert_eq!(error.message(), expected.message());
    assert_eq!(error.current_revision(), expected.current_revision());
}

/// A change comes back as given, with its audit record, at once, from another handle and after reopening.
pub async fn changed_experiment_is_kept_as_given(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut now = desk.begin("exp-1", "triage").await;
    let endings = [
        Ending::Winner {
            variant: variant_name("variant-1"),
        },
        Ending::Inconclusive,
        Ending::Stopped,
        Ending::Superseded,
    ];
    let mut changes = Vec::new();
    for status in [ExperimentStatus::Paused, ExperimentStatus::Active] {
        changes.push(desk.experiment_change(&now, status));
        now = changes.last().unwrap().experiment.clone();
    }
    for (n, share) in (2..).zip([1, 9_999, 4_000]) {
        let mut change = desk.experiment_change(&now, now.status);
        change.experiment.epochs.push(Epoch {
            number: n,
            allocation: now
                .epoch()
                .allocation
                .reweighted(&[share, 10_000 - share])
                .unwrap(),
            started_at: at(i64::from(n)),
        });
        now = change.experiment.clone();
        changes.push(change);
    }
    changes.push(desk.experiment_change(&now, ExperimentStatus::Completed));
    for (i, change) in changes.iter().enumerate() {
        let audited = desk.audited().await;
        assert_eq!(desk.try_change(change.clone()).await.unwrap(), change.experiment);
        let another = Desk::open(harness).await;
        assert_eq!(
            another.experiment("exp-1").await.as_ref(),
            Some(&change.experiment)
        );
        let all = another.experiments(&ExperimentFilter::default()).await;
        assert_eq!(all, std::slice::from_ref(&change.experiment));
        let open = another.open_experiment("triage", "production").await;
        let is_open = change.experiment.status.is_open();
        assert_eq!(open, is_open.then(|| change.experiment.clone()), "change {i}");
        let records = desk.audit().await;
        assert_eq!(records.len(), audited + 1);
        assert_eq!(records[audited].entry, change.audit);
    }
    for (n, ending) in endings.into_iter().enumerate() {
        let begun = desk.begin(&format!("end-{n}"), &format!("prompt-{n}")).await;
        let mut change = desk.experiment_change(&begun, ExperimentStatus::Completed);
        change.experiment.completion = Some(Completion {
            ending,
            reason: "it's \"over\" \u{0} \u{1f389}\n100%".into(),
            by: Actor::owner("olga \u{1f984}"),
            at: at(999_999),
        });
        desk.try_change(change.clone()).await.unwrap();
        let found = desk.experiment(begun.id.as_str()).await;
        assert_eq!(found.as_ref(), Some(&change.experiment));
    }
    let before = desk.everything().await;
    let desk = desk.reopen(harness).await;
    assert_eq!(desk.everything().await, before, "all is there after reopening");
}

/// An experiment that the tenant does not have is not found, whatever else is wrong.
pub async fn change_of_an_unknown_experiment_is_not_found(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let begun = desk.begin("exp-1", "triage").await;
    let other = desk.of("other");
    let before = desk.everything().await;
    let mut stranger = begun.clone();
    stranger.id = experiment_id("EXP-1");
    stranger.revision = 7;
    for (desk, of) in [(&desk, &stranger), (&other, &begun)] {
        let change = desk.experiment_change(of, ExperimentStatus::Paused);
        refused(desk, change, refusal::unknown_experiment(&of.id)).await;
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
    assert_eq!(other.audited().await, 0);
}

/// A change on top of another revision than the experiment's conflicts, with the current one.
pub async fn stale_experiment_revision_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut now = desk.begin("exp-1", "triage").await;
    for status in [ExperimentStatus::Paused, ExperimentStatus::Active] {
        now = desk.change_experiment(&now, status).await;
    }
    let before = desk.everything().await;
    for (revision, expected) in [
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 2),
        (5, 4),
        (u64::from(u32::MAX), u64::from(u32::MAX) - 1),
    ] {
        let mut change = desk.experiment_change(&now, ExperimentStatus::Paused);
        change.experiment.revision = revision;
        let expected = refusal::experiment_conflict(&now.id, expected, 3);
        assert_eq!(expected.current_revision(), Some(3));
        refused(&desk, change, expected).await;
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
    let next = desk.change_experiment(&now, ExperimentStatus::Paused).await;
    assert_eq!(next.revision, 4);
}

/// What is over stays as it ended.
pub async fn completed_experiment_is_final(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let begun = desk.begin("exp-1", "triage").await;
    let over = desk.change_experiment(&begun, ExperimentStatus::Completed).await;
    let before = desk.everything().await;
    for status in [
        ExperimentStatus::Active,
        ExperimentStatus::Paused,
        ExperimentStatus::Completed,
    ] {
        let change = desk.experiment_change(&over, status);
        refused(&desk, change, refusal::experiment_is_completed(&over.id)).await;
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
}

/// A change that is refused for several reasons is refused for the first of them.
pub async fn change_is_refused_for_its_first_reason(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let versions = desk.contenders("triage").await;
    let begun = desk
        .create_experiment(desk.experiment_of("exp-1", &versions))
        .await
        .unwrap();
    let over = desk.change_experiment(&begun, ExperimentStatus::Completed).await;
    let before = desk.everything().await;
    let mut change = desk.victory(&over, &versions[1]);
    change.experiment.revision = 7;
    if let Some(promotion) = &mut change.promotion {
        promotion.expected_revision = 9;
    }
    refused(
        &desk,
        change.clone(),
        refusal::experiment_conflict(&over.id, 6, 2),
    )
    .await;
    change.experiment.revision = 3;
    refused(&desk, change, refusal::experiment_is_completed(&over.id)).await;
    assert_eq!(desk.everything().await, before, "nothing changes");
}

/// The winner of an experiment is promoted with its completion, in one commit: pointer, history and both records.
pub async fn completion_promotes_the_winner(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let control = desk.save_active("triage", "one").await;
    let draft = desk.save_draft("triage", "two").await;
    desk.promote(&control, "production").await;
    desk.approve(&draft, "production", 1, "olga").await.unwrap();
    let begun = desk
        .create_experiment(desk.experiment_of("exp-1", &[control.clone(), draft.clone()]))
        .await
        .unwrap();
    let audited = desk.audited().await;
    let change = desk.victory(&begun, &draft);
    let promotion = change.promotion.clone().unwrap();
    assert_eq!(desk.try_change(change.clone()).await.unwrap(), change.experiment);
    let another = Desk::open(harness).await;
    for desk in [desk.clone(), another, desk.reopen(harness).await] {
        assert_eq!(desk.experiment("exp-1").await.as_ref(), Some(&change.experiment));
        let slots = desk.slots("triage").await;
        let pointer = slots.pointer(&environment("production")).unwrap();
        assert_eq!((pointer.version, pointer.revision), (draft.number, 2));
        assert_eq!(pointer.closure_hash, promotion.closure_hash);
        assert_eq!(slots.approvals, [], "approvals are spent");
        let history = desk.history("triage", "production").await;
        let expected = HistoryRecord {
            prompt: promotion.prompt.clone(),
            environment: promotion.environment.clone(),
            revision: 2,
            kind: MoveKind::Promote,
            from: Some(control.number),
            to: draft.number,
            closure_hash: promotion.closure_hash,
            actor: promotion.actor.clone(),
            reason: promotion.reason.clone(),
            waiver: None,
            at: promotion.at,
        };
        assert_eq!(history.len(), 2);
        assert_eq!(history[1], expected);
        assert_eq!(desk.versions("triage").await[0].status, Status::Active);
        let entries: Vec<_> = desk.audit().await[audited..]
            .iter()
            .map(|record| record.entry.clone())
            .collect();
        assert_eq!(entries, [promotion.audit.clone(), change.audit.clone()]);
    }
}

/// A completion whose promotion is refused, as any move is, changes nothing.
pub async fn refused_promotion_leaves_the_experiment_open(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let versions = desk.contenders("triage").await;
    let gone = desk.save_draft("triage", "three").await;
    desk.set_status("triage", gone.number, Status::Archived)
        .await
        .unwrap();
    let begun = desk
        .create_experiment(desk.experiment_of("exp-1", &versions))
        .await
        .unwrap();
    desk.outcomes("exp-1", &[outcome(1, 0)]).await.unwrap();
    desk.set_policy("dev", None, Some(Policy::open())).await.unwrap();
    let before = desk.everything().await;
    let (triage, production) = (name("triage"), environment("production"));
    let good = PointerMove {
        policy_revision: 1,
        ..desk.promotion(&versions[1], "production", 1)
    };
    let stale = PointerMove {
        expected_revision: 0,
        ..good.clone()
    };
    let unknown = PointerMove {
        to: number(9),
        ..good.clone()
    };
    let other = PointerMove {
        hash: gone.hash,
        ..good.clone()
    };
    let archived = PointerMove {
        to: gone.number,
        hash: gone.hash,
        ..good.clone()
    };
    let policy = PointerMove {
        policy_revision: 0,
        ..good.clone()
    };
    let source = PointerMove {
        source: Some(SourceGuard {
            environment: environment("staging"),
            revision: 3,
        }),
        ..good.clone()
    };
    let cases = [
        (
            stale,
            environment_refusal::revision_conflict(&triage, &production, 0, 1),
        ),
        (policy, environment_refusal::policy_conflict(0, 1)),
        (
            source,
            environment_refusal::source_conflict(&triage, &environment("staging"), 3, 0),
        ),
        (unknown, prompt_refusal::unknown_version(&triage, number(9))),
        (
            other,
            prompt_refusal::other_content(&triage, number(2), &gone.hash),
        ),
        (
            archived,
            environment_refusal::version_is_archived(&triage, gone.number, &production),
        ),
    ];
    for (promotion, expected) in cases {
        let change = ExperimentChange {
            promotion: Some(promotion),
            ..desk.victory(&begun, &versions[1])
        };
        refused(&desk, change, expected).await;
        assert_eq!(desk.everything().await, before, "nothing changes");
    }
    let change = ExperimentChange {
        promotion: Some(good),
        ..desk.victory(&begun, &versions[1])
    };
    desk.try_change(change).await.unwrap();
}

/// Of racing changes of one revision exactly one succeeds; the others learn the revision it made.
pub async fn racing_changes_of_an_experiment_have_one_winner(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let mut now = desks[0].begin("exp-1", "triage").await;
    for revision in 2..8 {
        let results = race(8, |i| {
            let desk = desks[i % 2].clone();
            let mut change = desk.experiment_change(&now, ExperimentStatus::Paused);
            change.experiment.epochs[0].started_at = at(i as i64);
            async move { desk.try_change(change).await }
        })
        .await;
        let mut winners = Vec::new();
        for result in results {
            match result {
                Ok(experiment) => winners.push(experiment),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                    assert_eq!(error.current_revision(), Some(revision), "{error}");
                }
            }
        }
        assert_eq!(winners.len(), 1, "exactly one succeeds");
        now = winners.remove(0);
        assert_eq!(now.revision, revision);
        assert_eq!(desks[1].experiment("exp-1").await.as_ref(), Some(&now));
    }
    assert_eq!(desks[0].audited().await, 4 + 6);
}

/// Racing completions promote the winner once.
pub async fn racing_completions_promote_once(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    for round in 0..3 {
        let (id, prompt) = (format!("exp-{round}"), format!("triage-{round}"));
        let versions = desks[0].contenders(&prompt).await;
        let begun = desks[0]
            .create_experiment(desks[0].experiment_of(&id, &versions))
            .await
            .unwrap();
        let before = desks[0].audited().await;
        let results = race(8, |i| {
            let desk = desks[i % 2].clone();
            let mut change = desk.victory(&begun, &versions[1]);
            change.experiment.completion.as_mut().unwrap().at = at(i as i64);
            async move { desk.try_change(change).await }
        })
        .await;
        let won: Vec<_> = results.iter().flatten().collect();
        assert_eq!(won.len(), 1, "exactly one completes it");
        assert_eq!(desks[1].experiment(&id).await.as_ref(), Some(won[0]));
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            let expected = refusal::experiment_conflict(&begun.id, 1, 2);
            assert_eq!(error.message(), expected.message());
            assert_eq!(error.current_revision(), Some(2));
        }
        assert_eq!(desks[1].history(&prompt, "production").await.len(), 2);
        assert_eq!(desks[1].audited().await, before + 2);
    }
}

/// A pointer that is moved while the winner is promoted moves once: the other is refused, and then the experiment is open.
pub async fn racing_moves_and_completions_exclude_each_other(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    for round in 0..8 {
        let (id, prompt) = (format!("exp-{round}"), format!("triage-{round}"));
        let versions = desks[0].contenders(&prompt).await;
        let begun = desks[0]
            .create_experiment(desks[0].experiment_of(&id, &versions))
            .await
            .unwrap();
        let results = race(2, |i| {
            let desk = desks[i].clone();
            let (control, change) = (versions[0].clone(), desk.victory(&begun, &versions[1]));
            async move {
                match i {
                    0 => desk.try_change(change).await.map(drop),
                    _ => desk.try_promote(&control, "production", 1).await.map(drop),
                }
            }
        })
        .await;
        let moved = results[1].is_ok();
        assert_ne!(results[0].is_ok(), moved, "exactly one of them: {results:?}");
        let history = desks[1].history(&prompt, "production").await;
        assert_eq!(history.len(), 2);
        assert_eq!(history[1].to, versions[usize::from(!moved)].number);
        let found = desks[1].experiment(&id).await.unwrap();
        let expected: &Experiment = if moved {
            &begun
        } else {
            &desks[0].victory(&begun, &versions[1]).experiment
        };
        assert_eq!(&found, expected);
    }
}
