//! The contract of [`AuditStore`](crate::base::audit::AuditStore), and that every change is on record.

use super::Harness;
use super::fixture::*;
use crate::base::audit::{Audit, AuditAction, AuditRecord};
use crate::base::{Actor, ErrorKind, PageRequest, Role};
use crate::environment::Policy;

/// Before the first change there is no record and no head.
pub async fn log_is_empty_before_the_first_change(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    assert_eq!(desk.audit().await, []);
    assert_eq!(desk.stores.audit.audit_head(&desk.tenant).await.unwrap(), None);
}

/// Each change is on record once, in order; what changed nothing and what failed is not.
pub async fn every_change_is_on_record_once(harness: &dyn Harness) {
    use AuditAction::*;
    let desk = Desk::open(harness).await;
    desk.work().await;
    let records = desk.audit().await;
    let found: Vec<_> = records
        .iter()
        .map(|record| (record.entry.action, record.entry.subject.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (SaveVersion, "tone v1"),
            (SaveVersion, "tone v2"),
            (Promote, "tone@production"),
            (StartExperiment, "exp-1"),
            (PauseExperiment, "exp-1"),
            (Promote, "tone@production"),
            (CompleteExperiment, "exp-1"),
            (StartExperiment, "exp-2"),
            (SaveVersion, "voice v1"),
            (SaveVersion, "voice v2"),
            (Promote, "voice@production"),
            (ProposeDeployment, "dep-1"),
            (Promote, "voice@production"),
            (ChangeDeployment, "dep-1"),
            (Rollback, "voice@production"),
            (ChangeDeployment, "dep-1"),
            (ProposeDeployment, "dep-2"),
            (ChangeCluster, "cluster-1"),
            (ControlImprovement, "improvement"),
            (SaveVersion, "safety v1"),
            (SaveVersion, "triage v1"),
            (SaveVersion, "triage v2"),
            (SetTags, "triage"),
            (SetStatus, "triage v1"),
            (SetPolicy, "dev"),
            (SetPolicy, "dev"),
            (SetPolicy, "dev"),
            (Promote, "triage@dev"),
            (Promote, "triage@dev"),
            (Rollback, "triage@dev"),
            (Approve, "triage@dev"),
            (RecordEvidence, "triage on golden v1"),
            (SaveDataset, "golden v1"),
            (StartRun, "run-1"),
            (StopRun, "run-1"),
            (ResumeRun, "run-1"),
            (CompleteRun, "run-1"),
            (SetStatus, "triage v2"),
            (SetParent, "acme"),
        ]
    );
    for (i, record) in records.iter().enumerate() {
        assert_eq!(record.seq, i as u64 + 1);
        assert_eq!(record.entry.tenant, desk.tenant);
    }
    let audit = Audit::new(desk.stores.audit.clone(), desk.tenant.clone());
    assert_eq!(audit.verify().await.unwrap(), 39, "the chain verifies");
}

/// The chain goes on where it ended, after reopening and from another handle.
pub async fn chain_goes_on_after_reopening(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.work().await;
    let before = desk.audit().await;
    let desk = desk.reopen(harness).await;
    assert_eq!(desk.audit().await, before);
    let another = Desk::open(harness).await;
    for (i, desk) in [&desk, &another, &desk, &another].into_iter().enumerate() {
        desk.save_draft("more", &format!("text {i}")).await;
    }
    let after = desk.audit().await;
    assert_eq!(after.len(), before.len() + 4);
    assert_eq!(after[..before.len()], before, "what is on record stays");
    let audit = Audit::new(desk.stores.audit.clone(), desk.tenant.clone());
    assert_eq!(audit.head().await.unwrap(), after.last().map(AuditRecord::head));
    let verified = audit.verify_since(&before[2].head()).await.unwrap();
    assert_eq!(verified, after.len() as u64, "an earlier head is a link");
}

/// Racing changes of every kind leave one chain without gap or fork.
pub async fn racing_changes_leave_one_chain(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let v1 = desks[0].save_draft("triage", "one").await;
    race(8, |i| {
        let (desk, v1) = (desks[i % 2].clone(), v1.clone());
        async move {
            let own = format!("own-{i}");
            for n in 0..4 {
                desk.save_draft(&own, &format!("text {n}")).await;
                let tagging = desk.tagging("triage", &[own.as_str()]);
                desk.stores.prompts.set_tags(tagging).await.unwrap();
                desk.set_policy(&own, None, Some(Policy::open())).await.unwrap();
                let evidence = desk.evidence("triage", "one", "golden", &format!("run {i} {n}"));
                desk.record_evidence(evidence).await.unwrap();
                desk.approve(&v1, "dev", 0, &format!("{own}-{n}")).await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(desks[0].audited().await, 1 + 8 * 4 * 5);
    assert_eq!(desks[1].audit().await, desks[0].audit().await);
}

/// Records come in order of their numbers, in pages of any size; a cursor of another list is invalid.
pub async fn records_are_listed_in_order_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    for n in 1..=12 {
        desk.save_draft("triage", &format!("text {n}")).await;
    }
    let store = &desk.stores.audit;
    let all = desk.audit().await;
    for limit in (1..=13).chain([PageRequest::MAX_LIMIT]) {
        let listed = pages(limit, async |request| {
            store.audit_records(&desk.tenant, &request).await
        })
        .await;
        assert_eq!(listed, all, "in pages of {limit}");
    }
    let first = store.audit_records(&desk.tenant, &page(5)).await.unwrap();
    assert_eq!(first.next.as_deref(), Some("5"), "the cursor is the last number");
    for cursor in [
        "",
        "triage",
        "v1",
        "-1",
        "9223372036854775808",
        "99999999999999999999",
    ] {
        let result = store.audit_records(&desk.tenant, &page(5).after(cursor)).await;
        fails(result, ErrorKind::Invalid, &format!("the cursor {cursor:?}"));
    }
}

/// An entry comes back exactly as given: its detail byte for byte, its time to the microsecond, each role.
pub async fn entries_are_kept_exactly(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("triage", "one").await;
    let details = [
        "{}",
        "{ \"b\": 1,\n\t\"a\": 1.0, \"a\": 1e2 }",
        "{\"text\": \"\\u00e9 \u{e9} \\u0000 '; -- %\"}",
        "",
    ];
    for (i, detail) in details.into_iter().enumerate() {
        let mut change = desk.tagging("triage", &["a"]);
        change.audit.actor = Actor::new(format!("ana \u{1f984} {i}"), Role::ALL[i]);
        change.audit.at = at(999_999 + i as i64);
        change.audit.subject = format!("triage \u{e9} '{i}'");
        change.audit.detail = detail.into();
        let entry = change.audit.clone();
        desk.stores.prompts.set_tags(change).await.unwrap();
        assert_eq!(desk.audit().await.last().unwrap().entry, entry);
    }
    let before = desk.audit().await;
    let desk = desk.reopen(harness).await;
    assert_eq!(desk.audit().await, before);
}

/// Each tenant has a chain of its own.
pub async fn each_tenant_has_its_own_chain(harness: &dyn Harness) {
    let acme = Desk::open(harness).await;
    let other = acme.of("other");
    for n in 1..=3 {
        acme.save_draft("triage", &format!("text {n}")).await;
        other.save_draft("triage", &format!("text {n}")).await;
        other.save_draft("more", &format!("text {n}")).await;
    }
    assert_eq!((acme.audited().await, other.audited().await), (3, 6));
    assert_eq!(acme.of("third").audited().await, 0);
    assert!(
        other
            .audit()
            .await
            .iter()
            .all(|record| record.entry.tenant == other.tenant)
    );
}
