//! Approvals.

use crate::base::ErrorKind;
use crate::conformance::Harness;
use crate::conformance::fixture::*;

/// An approval comes back as given, at once and after reopening.
pub async fn approval_is_kept_as_given(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let mut entry = desk.approval(&v1, "production", 0, "olga \u{1f984} O'Neil");
    entry.approval.closure_hash = closure("one, with its snippets");
    entry.approval.note = "go \"ahead\"\n100%".into();
    entry.approval.at = at(999_999);
    desk.stores.environments.approve(entry.clone()).await.unwrap();
    assert_eq!(desk.slots("triage").await.approvals, [entry.approval.clone()]);
    assert_eq!(desk.audit().await.last().unwrap().entry, entry.audit);
    let desk = desk.reopen(harness).await;
    assert_eq!(desk.slots("triage").await.approvals, [entry.approval]);
    desk.save_draft("other", "one").await;
    assert_eq!(desk.slots("other").await.approvals, [], "it is for one prompt");
}

/// An approval on another revision than the pointer's conflicts, with the current revision.
pub async fn stale_approval_conflicts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let v2 = desk.save_draft("triage", "two").await;
    let error = fails(
        desk.approve(&v1, "dev", 1, "olga").await,
        ErrorKind::Conflict,
        "an approval on top of nothing",
    );
    assert_eq!(error.current_revision(), Some(0));
    desk.promote(&v1, "dev").await;
    desk.promote(&v1, "dev").await;
    let before = desk.everything().await;
    for wrong in [0, 1, 3] {
        let result = desk.approve(&v2, "dev", wrong, "olga").await;
        let error = fails(result, ErrorKind::Conflict, "a stale approval");
        assert_eq!(error.current_revision(), Some(2));
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
    desk.approve(&v2, "dev", 2, "olga").await.unwrap();
}

/// A second approval of the same closure on the same base by the same actor changes nothing, and conflicts once the
/// pointer has moved.
pub async fn repeated_approval_changes_nothing(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    desk.approve(&v1, "dev", 0, "olga").await.unwrap();
    let before = desk.everything().await;
    let mut again = desk.approval(&v1, "dev", 0, "olga");
    again.approval.note = "I said yes".into();
    again.approval.at = at(50);
    desk.stores.environments.approve(again).await.unwrap();
    assert_eq!(desk.everything().await, before, "nothing changes");
    desk.promote(&v1, "dev").await;
    let result = desk.approve(&v1, "dev", 0, "olga").await;
    fails(result, ErrorKind::Conflict, "an approval that is spent");
}

/// Another actor's approval counts, and one of another closure, in another environment, or on another base.
pub async fn approvals_that_differ_all_count(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let v2 = desk.save_draft("triage", "two").await;
    desk.approve(&v1, "dev", 0, "olga").await.unwrap();
    desk.approve(&v1, "dev", 0, "oscar").await.unwrap();
    desk.approve(&v2, "dev", 0, "olga").await.unwrap();
    desk.approve(&v1, "staging", 0, "olga").await.unwrap();
    let mut changed_snippet = desk.approval(&v1, "dev", 0, "olga");
    changed_snippet.approval.closure_hash = closure("one, with another snippet");
    desk.stores.environments.approve(changed_snippet).await.unwrap();
    assert_eq!(desk.slots("triage").await.approvals.len(), 5);
    assert_eq!(desk.audited().await, 2 + 5);
    desk.promote(&v1, "dev").await;
    desk.approve(&v1, "dev", 1, "olga").await.unwrap();
    let left = desk.slots("triage").await.approvals;
    let mut left: Vec<_> = left
        .iter()
        .map(|a| (a.environment.as_str(), a.base_revision))
        .collect();
    left.sort_unstable();
    assert_eq!(left, [("dev", 1), ("staging", 0)]);
}

/// Approvals come in byte order of their environments, whether something is live there or not, and those for one
/// environment as they came.
pub async fn approvals_are_listed_in_order(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    desk.promote(&v1, "dev").await;
    desk.promote(&v1, "production").await;
    for (of, base, by) in [
        ("staging", 0, "oscar"),
        ("production", 1, "olga"),
        ("dev", 1, "oscar"),
        ("staging", 0, "olga"),
        ("canary", 0, "olga"),
        ("dev", 1, "olga"),
    ] {
        desk.approve(&v1, of, base, by).await.unwrap();
    }
    let slots = desk.slots("triage").await;
    let found: Vec<_> = slots
        .approvals
        .iter()
        .map(|approval| (approval.environment.as_str(), approval.approved_by.id.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("canary", "olga"),
            ("dev", "oscar"),
            ("dev", "olga"),
            ("production", "olga"),
            ("staging", "oscar"),
            ("staging", "olga"),
        ]
    );
}

/// Once the pointer moves, whereto and which way ever, the approvals for it are spent.
pub async fn spent_approvals_vanish_from_slots(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let v1 = desk.save_draft("triage", "one").await;
    let v2 = desk.save_draft("triage", "two").await;
    let mut audited = desk.audited().await;
    for base in 0..3 {
        desk.approve(&v1, "dev", base, "olga").await.unwrap();
        desk.approve(&v2, "dev", base, "olga").await.unwrap();
        assert_eq!(desk.slots("triage").await.approvals.len(), 2);
        desk.promote(if base == 1 { &v2 } else { &v1 }, "dev").await;
        assert_eq!(desk.slots("triage").await.approvals, [], "base {base} is spent");
        audited += 3;
    }
    assert_eq!(desk.audited().await, audited, "the approvals stay on record");
}

/// Racing equal approvals are one approval, and all succeed.
pub async fn racing_equal_approvals_are_one(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let v1 = desks[0].save_draft("triage", "one").await;
    let results = race(8, |i| {
        let (desk, v1) = (desks[i % 2].clone(), v1.clone());
        async move { desk.approve(&v1, "dev", 0, "olga").await }
    })
    .await;
    for result in results {
        result.unwrap();
    }
    assert_eq!(desks[0].slots("triage").await.approvals.len(), 1);
    assert_eq!(desks[1].audited().await, 2);
}
