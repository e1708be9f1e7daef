//! Policies.

use crate::base::ErrorKind;
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::environment::{Policy, PolicyRecord};

fn policies() -> [Policy; 4] {
    let full = Policy::open()
        .after("staging")
        .unwrap()
        .min_usage_count(i64::MAX as u64)
        .min_success_rate(0.1 + 0.2)
        .min_average_rating(5e-324)
        .require_evaluation("golden/set-1", 1.0)
        .unwrap()
        .approvals(u32::MAX)
        .owner_only()
        .pinned_snippets();
    [
        Policy::open(),
        full,
        Policy::open().min_success_rate(0.0),
        Policy::open().approvals(1),
    ]
}

/// A policy comes back as set, and is replaced by the next; each counts.
pub async fn policy_is_kept_as_set(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("triage", "one").await;
    let mut revision = 0;
    for prompt in [None, Some("triage")] {
        for policy in policies() {
            desk.set_policy("production", prompt, Some(policy.clone()))
                .await
                .unwrap();
            revision += 1;
            let slots = desk.slots("triage").await;
            assert_eq!(slots.policy(&environment("production")), Some(&policy));
            assert_eq!(slots.policy(&environment("staging")), None);
            assert_eq!(slots.policy_revision, revision, "each change counts");
        }
    }
    assert_eq!(desk.audited().await, 1 + 8, "each change is on record");
    let before = desk.everything().await;
    let desk = desk.reopen(harness).await;
    assert_eq!(desk.everything().await, before, "all is there after reopening");
}

/// All policies are listed, those for all prompts first, in order of environment and prompt.
pub async fn policies_are_listed_in_order(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let policies = || desk.stores.environments.policies(&desk.tenant);
    assert_eq!(policies().await.unwrap(), [], "a tenant begins without policies");
    let sorted = [
        ("dev", None),
        ("dev-2", None),
        ("production", None),
        ("dev", Some("b")),
        ("production", Some("a")),
        ("production", Some("a-")),
        ("production", Some("a/b")),
        ("production", Some("a_")),
        ("staging", Some("a")),
    ];
    for i in [4, 0, 8, 2, 6, 1, 7, 3, 5] {
        let (of, prompt) = sorted[i];
        desk.set_policy(of, prompt, Some(Policy::open().approvals(i as u32)))
            .await
            .unwrap();
    }
    let expected: Vec<_> = sorted
        .into_iter()
        .enumerate()
        .map(|(i, (of, prompt))| PolicyRecord {
            environment: environment(of),
            prompt: prompt.map(name),
            policy: Policy::open().approvals(i as u32),
        })
        .collect();
    assert_eq!(policies().await.unwrap(), expected);
}

/// A prompt sees the policies for all prompts and its own, and no other prompt's.
pub async fn slots_show_the_policies_that_concern_the_prompt(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("triage", "one").await;
    desk.save_draft("other", "one").await;
    for (of, prompt, approvals) in [
        ("dev", None, 1),
        ("production", None, 2),
        ("production", Some("triage"), 3),
        ("staging", Some("other"), 4),
        ("dev", Some("other"), 5),
    ] {
        let policy = Policy::open().approvals(approvals);
        desk.set_policy(of, prompt, Some(policy)).await.unwrap();
    }
    for (prompt, expected) in [
        ("triage", [Some(1), None, Some(3)]),
        ("other", [Some(5), Some(4), Some(2)]),
        ("third", [Some(1), None, Some(2)]),
    ] {
        let slots = desk.slots(prompt).await;
        let found = ["dev", "staging", "production"]
            .map(|of| slots.policy(&environment(of)).map(|policy| policy.approvals));
        assert_eq!(found, expected, "of {prompt}");
        assert!(
            slots
                .policies
                .iter()
                .all(|record| record.prompt.is_none() || record.prompt == Some(name(prompt))),
            "another prompt's policy concerns {prompt} not"
        );
    }
}

/// A policy can be removed, which counts as a change.
pub async fn removed_policy_is_gone(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("triage", "one").await;
    desk.set_policy("dev", None, Some(Policy::open().approvals(1)))
        .await
        .unwrap();
    desk.set_policy("dev", Some("triage"), Some(Policy::open().approvals(2)))
        .await
        .unwrap();
    for (prompt, left) in [(Some("triage"), Some(1)), (None, None)] {
        desk.set_policy("dev", prompt, None).await.unwrap();
        let slots = desk.slots("triage").await;
        let policy = slots.policy(&environment("dev"));
        assert_eq!(policy.map(|policy| policy.approvals), left);
    }
    assert_eq!(desk.slots("triage").await.policy_revision, 4);
    assert_eq!(desk.audited().await, 1 + 4);
}

/// A policy that is not there cannot be removed.
pub async fn removing_an_unknown_policy_is_not_found(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("triage", "one").await;
    desk.set_policy("dev", None, Some(Policy::open())).await.unwrap();
    desk.set_policy("staging", Some("triage"), Some(Policy::open()))
        .await
        .unwrap();
    let before = desk.everything().await;
    for (of, prompt) in [
        ("production", None),
        ("staging", None),
        ("dev", Some("triage")),
        ("staging", Some("other")),
    ] {
        let result = desk.set_policy(of, prompt, None).await;
        fails(
            result,
            ErrorKind::NotFound,
            &format!("removing {of} of {prompt:?}"),
        );
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
}

/// Racing changes of policies all count.
pub async fn racing_policy_changes_all_count(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    race(8, |i| {
        let desk = desks[i % 2].clone();
        async move {
            for n in 0..5 {
                let policy = Policy::open().approvals(n);
                desk.set_policy("dev", None, Some(policy)).await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(desks[0].slots("triage").await.policy_revision, 40);
    assert_eq!(desks[1].audited().await, 40);
}
