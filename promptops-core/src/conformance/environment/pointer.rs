//! Moving pointers, and their history.

use crate::base::{Actor, ErrorKind, PageRequest, Unmet};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::environment::{
    HistoryRecord, MoveKind, Pointer, PointerMove, Policy, SourceGuard, Waiver, refusal,
};
use crate::prompt::{Status, refusal as prompt_refusal};

/// A move makes the pointer, its history and its audit record, all as given.
pub async fn move_is_kept_as_given(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let v2 = desk.save_draft("triage", "two").await;
    let first = desk.promotion(&v1, "production", 0);
    let second = PointerMove {
        kind: MoveKind::Rollback,
        to: v2.number,
        hash: v2.hash,
        closure_hash: closure("two, with its snippets"),
        expected_revision: 1,
        actor: Actor::owner("bob \u{1f984} O'Neil"),
        reason: "it's \"on fire\" \u{1f525}\n100%".into(),
        waiver: Some(Waiver {
            reason: "no \u{fc}se waiting".into(),
            unmet: vec![
                Unmet {
                    condition: "approvals".into(),
                    found: "0".into(),
                    needed: "1 or 'more'".into(),
                },
                Unmet {
                    condition: "min_usage_count".into(),
                    found: String::new(),
                    needed: "at least 10".into(),
                },
            ],
        }),
        at: at(999_999),
        ..desk.promotion(&v1, "production", 1)
    };
    let mut from = None;
    let mut expected = Vec::new();
    for change in [first, second] {
        let audited = desk.audited().await;
        let returned = desk
            .stores
            .environments
            .move_pointer(change.clone())
            .await
            .unwrap();
        let pointer = Pointer {
            prompt: change.prompt.clone(),
            environment: change.environment.clone(),
            version: change.to,
            closure_hash: change.closure_hash,
            revision: change.expected_revision + 1,
            moved_by: change.actor.clone(),
            moved_at: change.at,
        };
        assert_eq!(returned, pointer, "the pointer is returned");
        assert_eq!(desk.slots("triage").await.pointers, [pointer], "and kept");
        assert_eq!(
            desk.audit().await[audited..]
                .iter()
                .map(|record| record.entry.clone())
                .collect::<Vec<_>>(),
            [change.audit],
            "the move is on record once"
        );
        expected.push(HistoryRecord {
            prompt: change.prompt,
            environment: change.environment,
            revision: change.expected_revision + 1,
            kind: change.kind,
            from,
            to: change.to,
            closure_hash: change.closure_hash,
            actor: change.actor,
            reason: change.reason,
            waiver: change.waiver,
            at: change.at,
        });
        from = Some(change.to);
    }
    assert_eq!(desk.history("triage", "production").await, expected);
    let before = desk.everything().await;
    let desk = desk.reopen(harness).await;
    assert_eq!(desk.everything().await, before, "all is there after reopening");
    assert_eq!(desk.history("triage", "production").await, expected);
}

/// A move on another revision than the pointer's conflicts, with the current revision.
pub async fn stale_revision_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let v2 = desk.save_draft("triage", "two").await;
    for wrong in [1, 2, u64::from(u32::MAX)] {
        let result = desk.try_promote(&v1, "dev", wrong).await;
        let error = fails(result, ErrorKind::Conflict, "a move on top of nothing");
        assert_eq!(error.current_revision(), Some(0));
    }
    for _ in 0..3 {
        desk.promote(&v1, "dev").await;
    }
    for wrong in [0, 1, 2, 4] {
        let result = desk.try_promote(&v2, "dev", wrong).await;
        let error = fails(result, ErrorKind::Conflict, "a stale move");
        assert_eq!(error.current_revision(), Some(3));
        assert!(
            error.to_string().contains(&wrong.to_string()) && error.to_string().contains('3'),
            "the error names both revisions: {error}"
        );
    }
    assert_eq!(desk.try_promote(&v2, "dev", 3).await.unwrap().revision, 4);
    assert_eq!(
        desk.try_promote(&v2, "staging", 0).await.unwrap().revision,
        1,
        "each slot counts for itself"
    );
    let other = desk.save_draft("other", "one").await;
    assert_eq!(desk.try_promote(&other, "dev", 0).await.unwrap().revision, 1);
}

/// Of racing moves on one revision exactly one succeeds; the others learn the revision it made.
pub async fn racing_moves_on_one_revision_have_one_winner(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let mut versions = Vec::new();
    for i in 0..8 {
        versions.push(desks[0].save_draft("triage", &format!("text {i}")).await);
    }
    for revision in 0..10 {
        let results = race(8, |i| {
            let (desk, version) = (desks[i % 2].clone(), versions[i].clone());
            async move { desk.try_promote(&version, "production", revision).await }
        })
        .await;
        let mut winner = None;
        for result in results {
            match result {
                Ok(pointer) => {
                    assert_eq!(pointer.revision, revision + 1);
                    assert_eq!(
                        winner.replace(pointer),
                        None,
                        "two moves of one revision succeeded"
                    );
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                    assert_eq!(error.current_revision(), Some(revision + 1), "{error}");
                }
            }
        }
        let winner = winner.expect("one of the racing moves succeeds");
        assert_eq!(
            desks[1].slots("triage").await.pointer(&winner.environment),
            Some(&winner)
        );
        let history = desks[0].history("triage", "production").await;
        assert_eq!(
            history.last().unwrap().to,
            winner.version,
            "history shows the winner"
        );
    }
    assert_eq!(desks[0].audited().await, 8 + 10);
}

/// Movers that try again all get through, and the history has every move, without a gap.
pub async fn racing_movers_leave_a_history_without_gap(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let mut versions = Vec::new();
    for i in 0..8 {
        versions.push(desks[0].save_draft("triage", &format!("text {i}")).await);
    }
    race(8, |i| {
        let (desk, version) = (desks[i % 2].clone(), versions[i].clone());
        async move {
            let mut expected = 0;
            for _ in 0..5 {
                loop {
                    match desk.try_promote(&version, "production", expected).await {
                        Ok(pointer) => break expected = pointer.revision,
                        Err(error) => {
                            let current = error.current_revision().expect("a conflict tells the revision");
                            assert!(current > expected, "revisions only grow");
                            expected = current;
                        }
                    }
                }
            }
        }
    })
    .await;
    let history = desks[0].history("triage", "production").await;
    assert_eq!(history.len(), 40);
    let mut from = None;
    for (i, record) in history.iter().enumerate() {
        assert_eq!(record.revision, i as u64 + 1);
        assert_eq!(record.from, from, "each move is from where the one before went");
        from = Some(record.to);
    }
    for version in versions {
        let moves = history
            .iter()
            .filter(|record| record.to == version.number)
            .count();
        assert_eq!(moves, 5, "of {version}");
    }
}

/// The policy revision that a move was decided on must hold.
pub async fn stale_policy_revision_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let on = |policy_revision, expected| PointerMove {
        policy_revision,
        ..desk.promotion(&v1, "dev", expected)
    };
    let environments = &desk.stores.environments;
    let ahead = environments.move_pointer(on(1, 0)).await;
    fails(
        ahead,
        ErrorKind::Conflict,
        "a policy revision that is not there yet",
    );
    environments.move_pointer(on(0, 0)).await.unwrap();
    // A policy of another environment and another prompt counts too: policies can refer to each other.
    desk.set_policy("canary", Some("other"), Some(Policy::open()))
        .await
        .unwrap();
    for stale in [0, 2] {
        let result = environments.move_pointer(on(stale, 1)).await;
        fails(result, ErrorKind::Conflict, "a move decided on another policy");
    }
    assert_eq!(environments.move_pointer(on(1, 1)).await.unwrap().revision, 2);
    let elsewhere = desk.of("other");
    elsewhere
        .set_policy("dev", None, Some(Policy::open()))
        .await
        .unwrap();
    let moved = environments.move_pointer(on(1, 2)).await;
    assert_eq!(
        moved.unwrap().revision,
        3,
        "another tenant's policies do not count"
    );
}

/// The source pointer that a move was decided on must not have moved.
pub async fn stale_source_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let other = desk.save_draft("other", "one").await;
    desk.promote(&other, "staging").await;
    let guarded = |revision, expected| PointerMove {
        source: Some(SourceGuard {
            environment: environment("staging"),
            revision,
        }),
        ..desk.promotion(&v1, "production", expected)
    };
    let environments = &desk.stores.environments;
    let result = environments.move_pointer(guarded(1, 0)).await;
    fails(result, ErrorKind::Conflict, "a source that is not live");
    assert_eq!(
        environments.move_pointer(guarded(0, 0)).await.unwrap().revision,
        1
    );
    desk.promote(&v1, "staging").await;
    desk.promote(&v1, "staging").await;
    for stale in [0, 1, 3] {
        let result = environments.move_pointer(guarded(stale, 1)).await;
        fails(result, ErrorKind::Conflict, "a source that moved");
    }
    assert_eq!(
        environments.move_pointer(guarded(2, 1)).await.unwrap().revision,
        2
    );
}

/// Nothing that a move was decided on can change between its check and its commit.
pub async fn racing_changes_of_what_a_move_rests_on_are_seen(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let v1 = desks[0].save_draft("triage", "one").await;
    race(9, |i| {
        let (desk, v1) = (desks[i % 2].clone(), v1.clone());
        async move {
            for _ in 0..8 {
                let slots = desk.slots("triage").await;
                let revision = |of| {
                    slots
                        .pointer(&environment(of))
                        .map_or(0, |pointer| pointer.revision)
                };
                let source = revision("staging");
                // Lets others change what was read. Each may lose its race; what succeeds is judged by the log.
                tokio::task::yield_now().await;
                match i % 3 {
                    0 => drop(desk.try_promote(&v1, "staging", source).await),
                    1 => desk.set_policy("dev", None, Some(Policy::open())).await.unwrap(),
                    _ => {
                        let mut change = desk.promotion(&v1, "production", revision("production"));
                        change.policy_revision = slots.policy_revision;
                        change.source = Some(SourceGuard {
                            environment: environment("staging"),
                            revision: source,
                        });
                        change.audit.detail = format!("{} {source}", slots.policy_revision);
                        drop(desk.stores.environments.move_pointer(change).await);
                    }
                }
            }
        }
    })
    .await;
    let (mut policies, mut source) = (0, 0);
    for record in desks[0].audit().await {
        match record.entry.subject.as_str() {
            "dev" => policies += 1,
            "triage@staging" => source += 1,
            "triage@production" => {
                let rested_on = &record.entry.detail;
                assert_eq!(
                    *rested_on,
                    format!("{policies} {source}"),
                    "record {}",
                    record.seq
                );
            }
            _ => {}
        }
    }
}

/// Only the tenant's own versions can be moved to.
pub async fn moving_to_an_unknown_version_is_not_found(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let shared = desk.of("shared");
    let v1 = desk.save_draft("triage", "one").await;
    let inherited = shared.save_active("safety", "be kind").await;
    desk.set_parent(Some("shared")).await.unwrap();
    let before = desk.everything().await;
    let mut unknown = v1.clone();
    unknown.number = number(2);
    let mut other = v1.clone();
    other.hash = inherited.hash;
    let mut nowhere = v1;
    nowhere.prompt = name("unknown");
    for version in [unknown, nowhere, other, inherited] {
        let result = desk.try_promote(&version, "dev", 0).await;
        fails(result, ErrorKind::NotFound, &format!("a move to {version}"));
        assert_eq!(desk.slots(version.prompt.as_str()).await.pointers, []);
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
}

/// A draft becomes active by a move; an active version stays so.
pub async fn moving_activates_a_draft(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    desk.save_draft("triage", "two").await;
    for environment in ["dev", "staging"] {
        desk.promote(&v1, environment).await;
        assert_eq!(found(&desk.find_one("triage").await).version.number, v1.number);
        let record = desk.prompt("triage").await.unwrap();
        assert_eq!(
            (record.status, record.latest_active),
            (Status::Active, Some(v1.number))
        );
    }
    assert_eq!(
        found(&desk.find_one("triage@v2").await).version.status,
        Status::Draft
    );
    assert_eq!(
        desk.audited().await,
        2 + 2,
        "activation by a move is the move's record"
    );
}

/// An archived version cannot go live.
pub async fn moving_to_an_archived_version_is_an_illegal_transition(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    desk.set_status("triage", v1.number, Status::Archived)
        .await
        .unwrap();
    let before = desk.everything().await;
    let result = desk.try_promote(&v1, "dev", 0).await;
    fails(
        result,
        ErrorKind::IllegalTransition,
        "a move to an archived version",
    );
    assert_eq!(desk.everything().await, before, "nothing changes");
    desk.set_status("triage", v1.number, Status::Active)
        .await
        .unwrap();
    desk.promote(&v1, "dev").await;
}

/// A move that is refused for several reasons is refused for the first of them.
pub async fn move_is_refused_for_its_first_reason(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let v2 = desk.save_draft("triage", "two").await;
    desk.set_status("triage", v2.number, Status::Archived)
        .await
        .unwrap();
    desk.promote(&v1, "dev").await;
    desk.set_policy("dev", None, Some(Policy::open())).await.unwrap();
    let before = desk.everything().await;
    let (triage, dev, staging) = (name("triage"), environment("dev"), environment("staging"));
    let mut change = PointerMove {
        to: number(7),
        hash: v1.hash,
        policy_revision: 7,
        source: Some(SourceGuard {
            environment: staging.clone(),
            revision: 7,
        }),
        ..desk.promotion(&v2, "dev", 7)
    };
    let refused = async |change: &PointerMove, expected: crate::Error| {
        let result = desk.stores.environments.move_pointer(change.clone()).await;
        let error = fails(result, expected.kind(), expected.message());
        assert_eq!(error.message(), expected.message());
    };
    refused(&change, refusal::revision_conflict(&triage, &dev, 7, 1)).await;
    change.expected_revision = 1;
    refused(&change, refusal::policy_conflict(7, 1)).await;
    change.policy_revision = 1;
    refused(&change, refusal::source_conflict(&triage, &staging, 7, 0)).await;
    change.source = None;
    refused(&change, prompt_refusal::unknown_version(&triage, number(7))).await;
    change.to = v2.number;
    refused(
        &change,
        prompt_refusal::other_content(&triage, v2.number, &v1.hash),
    )
    .await;
    change.hash = v2.hash;
    refused(&change, refusal::version_is_archived(&triage, v2.number, &dev)).await;
    assert_eq!(desk.everything().await, before, "nothing changes");
}

/// Whatever a move fails of, everything stays as it was.
pub async fn failed_move_changes_nothing(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let draft = desk.save_draft("triage", "two").await;
    let archived = desk.save_draft("triage", "three").await;
    desk.set_status("triage", archived.number, Status::Archived)
        .await
        .unwrap();
    desk.promote(&v1, "dev").await;
    desk.approve(&draft, "dev", 1, "olga").await.unwrap();
    let mut unknown = draft.clone();
    unknown.number = number(9);
    let moves = [
        desk.promotion(&draft, "dev", 0),
        desk.promotion(&draft, "dev", 2),
        desk.promotion(&draft, "staging", 1),
        desk.promotion(&unknown, "dev", 1),
        desk.promotion(&archived, "dev", 1),
        PointerMove {
            policy_revision: 1,
            ..desk.promotion(&draft, "dev", 1)
        },
        PointerMove {
            source: Some(SourceGuard {
                environment: environment("staging"),
                revision: 1,
            }),
            ..desk.promotion(&draft, "dev", 1)
        },
    ];
    let before = desk.everything().await;
    for change in moves {
        let what = format!("{change:?}");
        assert!(
            desk.stores.environments.move_pointer(change).await.is_err(),
            "{what}"
        );
        assert_eq!(desk.everything().await, before, "{what}");
    }
    desk.try_promote(&draft, "dev", 1).await.unwrap();
}

/// The history comes newest first, in pages of any size.
pub async fn history_is_listed_newest_first_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let v2 = desk.save_draft("triage", "two").await;
    for i in 0..12 {
        desk.promote(if i % 2 == 0 { &v1 } else { &v2 }, "dev").await;
    }
    desk.promote(&v1, "staging").await;
    let other = desk.save_draft("other", "one").await;
    desk.promote(&other, "dev").await;
    let (triage, dev) = (name("triage"), environment("dev"));
    let environments = &desk.stores.environments;
    let all: Vec<u64> = (1..=12).rev().collect();
    for limit in (1..=13).chain([PageRequest::MAX_LIMIT]) {
        let listed = pages(limit, async |request| {
            environments.history(&desk.tenant, &triage, &dev, &request).await
        })
        .await;
        let revisions: Vec<_> = listed.iter().map(|record| record.revision).collect();
        assert_eq!(revisions, all, "in pages of {limit}");
    }
    let first = environments
        .history(&desk.tenant, &triage, &dev, &page(5))
        .await
        .unwrap();
    assert_eq!(
        first.next.as_deref(),
        Some("8"),
        "the cursor is the last revision"
    );
    for cursor in [
        "",
        "dev",
        "v1",
        "-1",
        "9223372036854775808",
        "99999999999999999999",
    ] {
        let request = page(5).after(cursor);
        let result = environments.history(&desk.tenant, &triage, &dev, &request).await;
        fails(result, ErrorKind::Invalid, &format!("the cursor {cursor:?}"));
    }
    assert_eq!(
        desk.history("triage", "production").await,
        [],
        "nothing was moved there"
    );
    assert_eq!(desk.history("unknown", "dev").await, []);
}

/// A prompt's pointers come in byte order of their environments; an unknown prompt has none.
pub async fn slots_show_all_pointers_of_the_prompt_in_order(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let other = desk.save_draft("other", "one").await;
    desk.promote(&other, "canary").await;
    // In byte order: - . 0 _ a.
    let sorted = [
        "dev",
        "dev-2",
        "dev.2",
        "dev2",
        "dev_2",
        "deva",
        "production",
        "staging",
    ];
    for i in [5, 0, 7, 3, 1, 6, 2, 4] {
        desk.promote(&v1, sorted[i]).await;
    }
    let slots = desk.slots("triage").await;
    let found: Vec<_> = slots
        .pointers
        .iter()
        .map(|pointer| pointer.environment.as_str())
        .collect();
    assert_eq!(found, sorted);
    assert!(slots.policies.is_empty() && slots.approvals.is_empty());
    let unknown = desk.slots("unknown").await;
    assert!(unknown.pointers.is_empty() && unknown.policies.is_empty() && unknown.approvals.is_empty());
    assert_eq!(unknown.policy_revision, 0);
}

/// Slots are read in one view, while pointers move.
pub async fn slots_are_one_consistent_view(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let v1 = desks[0].save_draft("triage", "one").await;
    race(4, |i| {
        let (desk, v1) = (desks[i % 2].clone(), v1.clone());
        async move {
            for n in 0..30 {
                if i == 0 {
                    desk.try_promote(&v1, "dev", n).await.unwrap();
                    desk.try_promote(&v1, "staging", n).await.unwrap();
                } else {
                    let slots = desk.slots("triage").await;
                    let revision = |of| {
                        slots
                            .pointer(&environment(of))
                            .map_or(0, |pointer| pointer.revision)
                    };
                    let (dev, staging) = (revision("dev"), revision("staging"));
                    assert!(
                        dev == staging || dev == staging + 1,
                        "dev is at {dev} and staging at {staging}: never so at one moment"
                    );
                }
            }
        }
    })
    .await;
}
