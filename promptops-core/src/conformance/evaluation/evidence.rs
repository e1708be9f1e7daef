//! Evidence.

use crate::base::ErrorKind;
use crate::conformance::Harness;
use crate::conformance::fixture::*;

/// Evidence comes back as recorded, with its audit record, at once and after reopening.
pub async fn evidence_is_kept_as_recorded(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    assert_eq!(
        desk.latest_evidence("triage", &closure("one"), "golden/1").await,
        None
    );
    let mut record = desk.evidence("triage", "one", "golden/1", "run 1 \u{1f984} O'Neil \"100%\"");
    record.evidence.dataset_version = number(u32::MAX);
    record.evidence.entries = 9_007_199_254_740_993;
    record.evidence.passed = 9_007_199_254_740_991;
    record.evidence.dimensions = [
        ("O'Neil \u{1f984} \u{0}".to_owned(), 0.30000000000000004),
        ("least".to_owned(), 5e-324),
    ]
    .into();
    record.evidence.judges = [("a".to_owned(), true), ("\u{e9}".to_owned(), false)].into();
    desk.record_evidence(record.clone()).await.unwrap();
    assert_eq!(desk.audit().await.last().unwrap().entry, record.audit);
    for desk in [desk.clone(), desk.reopen(harness).await] {
        let latest = desk.latest_evidence("triage", &closure("one"), "golden/1").await;
        assert_eq!(latest.as_ref(), Some(&record.evidence));
    }
}

/// The evidence recorded last counts, whatever its time, its result and the dataset's version.
pub async fn evidence_recorded_last_counts(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    // The clock may stand still or go back; the order of recording is what counts.
    for (i, (time, version, passed)) in [(10, 1, 9), (10, 3, 1), (5, 2, 5), (7, 3, 10), (7, 1, 0)]
        .into_iter()
        .enumerate()
    {
        let mut record = desk.evidence("triage", "one", "golden", &format!("run {}", 9 - i));
        record.recorded_at = at(time);
        record.evidence.dataset_version = number(version);
        record.evidence.passed = passed;
        desk.record_evidence(record.clone()).await.unwrap();
        let latest = desk.latest_evidence("triage", &closure("one"), "golden").await;
        assert_eq!(latest, Some(record.evidence));
    }
}

/// Of the evidence on one version of a dataset the one recorded last counts, whatever came later on others.
pub async fn evidence_on_a_version_is_the_last_on_it(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut last = [None, None, None, None];
    for (i, version) in [2, 1, 2, 3, 1].into_iter().enumerate() {
        let mut record = desk.evidence("triage", "one", "golden", &format!("run {}", 9 - i));
        record.evidence.dataset_version = number(version);
        desk.record_evidence(record.clone()).await.unwrap();
        last[version as usize] = Some(record.evidence.clone());
        for (version, expected) in (1..).zip(&last[1..]) {
            let latest = desk.latest_evidence_on("triage", "one", "golden", version).await;
            assert_eq!(latest, *expected, "on version {version} after {i}");
        }
    }
    for (prompt, of, on) in [
        ("triage", "two", "golden"),
        ("triage", "one", "silver"),
        ("triag", "one", "golden"),
    ] {
        assert_eq!(desk.latest_evidence_on(prompt, of, on, 1).await, None);
    }
    assert_eq!(
        desk.of("other")
            .latest_evidence_on("triage", "one", "golden", 1)
            .await,
        None
    );
    assert_eq!(
        desk.latest_evidence_on("triage", "one", "golden", u32::MAX).await,
        None
    );
}

/// A run on record is never overwritten.
pub async fn recorded_run_already_exists(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("triage", "one").await;
    for run in ["run 1", "run 2"] {
        desk.record_evidence(desk.evidence("triage", "one", "golden", run))
            .await
            .unwrap();
    }
    let before = desk.everything().await;
    for run in ["run 1", "run 2"] {
        let mut again = desk.evidence("triage", "one", "golden", run);
        again.evidence.passed = 10;
        again.evidence.dataset_version = number(2);
        let result = desk.record_evidence(again).await;
        fails(
            result,
            ErrorKind::AlreadyExists,
            "a run on record, also under another version of the dataset",
        );
    }
    assert_eq!(desk.everything().await, before, "nothing changes");
    desk.record_evidence(desk.evidence("triage", "one", "golden", "Run 1"))
        .await
        .unwrap();
}

/// A run's name may come again for another prompt, closure, dataset and tenant, whose evidence is not this one's.
pub async fn evidence_is_of_its_own_prompt_closure_dataset_and_tenant(harness: &dyn Harness) {
    let acme = Desk::open(harness).await;
    let other = acme.of("other");
    let slots = [
        (&acme, "triage", "one", "golden"),
        (&acme, "triage", "one", "silver"),
        (&acme, "triage", "two", "golden"),
        (&acme, "greeting", "one", "golden"),
        (&other, "triage", "one", "golden"),
    ];
    for i in 0..slots.len() {
        for (j, (desk, prompt, text, on)) in slots.iter().enumerate() {
            let latest = desk.latest_evidence(prompt, &closure(text), on).await;
            let expected = (j < i).then_some(j as u64);
            assert_eq!(
                latest.map(|evidence| evidence.passed),
                expected,
                "slot {j} after {i}"
            );
        }
        let (desk, prompt, text, on) = slots[i];
        let mut record = desk.evidence(prompt, text, on, "run 1");
        record.evidence.passed = i as u64;
        desk.record_evidence(record).await.unwrap();
    }
    assert_eq!((acme.audited().await, other.audited().await), (4, 1));
}

/// Of racing records of one run exactly one succeeds.
pub async fn racing_records_of_one_run_have_one_winner(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let results = race(8, |i| {
        let desk = desks[i % 2].clone();
        let mut record = desk.evidence("triage", "one", "golden", "run 1");
        record.evidence.passed = i as u64;
        async move { desk.record_evidence(record).await.map(|()| i as u64) }
    })
    .await;
    let mut winner = None;
    for result in results {
        match result {
            Ok(passed) => assert_eq!(winner.replace(passed), None, "two records of one run"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
    }
    let latest = desks[0]
        .latest_evidence("triage", &closure("one"), "golden")
        .await;
    assert_eq!(latest.map(|evidence| evidence.passed), winner);
    assert_eq!(desks[1].audited().await, 1);
}
