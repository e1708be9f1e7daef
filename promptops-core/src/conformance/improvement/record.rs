//! What a commit keeps, and what it is refused for.

use std::collections::BTreeMap;

use serde_json::json;

use crate::base::audit::AuditAction;
use crate::base::{Actor, ErrorKind, Result, RunId, ScoreName};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::deployment::{Base, Live};
use crate::improvement::cluster::{ClusterStatus, ExampleOf, Label, Member};
use crate::improvement::monitor::{Baseline, Incumbent, Monitor, MonitorSettings, Rule, Scored};
use crate::improvement::proposer::{Edit, Edits};
use crate::improvement::triage::OutcomeClass;
use crate::improvement::{
    Attempt, AttemptCandidate, AttemptOutcome, AttemptStage, Blame, Control, ImprovementCommit,
    ImprovementRecord, KnownCluster, RecordFilter, RecordKind, Stopped, Watch, WatchFigures, WatchPurpose,
    WatchStatus, refusal,
};
use crate::prompt::Content;

const AWKWARD: &str = "it's \"a\" \u{0} n\u{e4}me \u{1f984}\n100%";

/// A cluster in which everything is used that one can have.
fn awkward_cluster() -> KnownCluster {
    let mut known = cluster("C:1_a.b-C", "support/triage");
    let record = &mut known.record;
    record.dimension = ScoreName::new("it's \"a\" \u{e4} \u{1f984} 100%").unwrap().into();
    record.class = OutcomeClass::ContextLength;
    record.message = AWKWARD.into();
    record.vector = serde_json::from_value(json!({ "space": AWKWARD, "dense": "7f8001ff" })).unwrap();
    record.example.of = ExampleOf::Content;
    record.example.start = u32::MAX as usize;
    record.example.end = u32::MAX as usize + 240;
    record.cohesion = 0.1 + 0.2;
    record.label = Label::by_person("it's \"a\" n\u{e4}me \u{1f984} 100%").unwrap();
    record.status = ClusterStatus::Reopened;
    record.status_at = timestamp(-1);
    record.status_by = Some(Actor::owner("olga \u{1f984}"));
    record.last_seen = at(999_999);
    (record.size, record.total, record.reopened) = (u64::MAX, u64::MAX, u32::MAX);
    known.members = (1..200)
        .map(|n| Member {
            trace: trace(n).id,
            at: at(i64::from(n)),
        })
        .collect();
    known
}

/// An attempt in which everything is used that one can have.
fn awkward_attempt() -> Attempt {
    let candidate = AttemptCandidate {
        strategy: AWKWARD.into(),
        rationale: AWKWARD.into(),
        edits: Some(Edits::new([Edit::replace(7, AWKWARD, AWKWARD)])),
        content: Some(Content::text(AWKWARD)),
        version: Some(number(u32::MAX)),
        refused: Some(AWKWARD.into()),
        run: Some(RunId::new("run-1").unwrap()),
        score: Some(0.1 + 0.2),
    };
    let refused = AttemptCandidate {
        version: None,
        run: None,
        score: Some(f64::MIN_POSITIVE),
        ..candidate.clone()
    };
    Attempt {
        cluster_total: u64::MAX,
        base: Base {
            revision: u64::MAX,
            live: Some(Live {
                version: number(7),
                closure_hash: closure("live"),
            }),
        },
        stage: AttemptStage::Ended,
        candidates: vec![candidate, refused],
        outcome: Some(AttemptOutcome::Nothing {
            reason: AWKWARD.into(),
        }),
        spent: spent(u64::MAX, u64::MAX, u64::MAX),
        failures: u32::MAX,
        failed_at: Some(at(999_998)),
        begun_at: timestamp(-1),
        ended_at: Some(at(999_999)),
        ..attempt("A:1_a.b-C", "support/triage")
    }
}

/// A watch in which everything is used that one can have, with an alarm.
fn awkward_watch() -> Watch {
    let metric = ScoreName::new("it's \"a\" \u{e4} \u{1f984} 100%").unwrap();
    let settings = MonitorSettings {
        min_traces: 1,
        rule: Rule::ROLLING_WINDOW,
        ..MonitorSettings::default()
    };
    let baseline = Baseline {
        candidate: Some(0.1 + 0.2),
        ..Incumbent::Scores {
            sum: 900.1 + 0.2,
            count: 1_000,
        }
        .into()
    };
    let monitor = Monitor::new(settings, [(metric.clone(), baseline)].into()).unwrap();
    let mut figures = WatchFigures::new(monitor, timestamp(-1));
    for n in 0..120 {
        let scored = Scored {
            at: at(n),
            scores: BTreeMap::from([(metric.clone(), (n % 7) as f64 / 13.0)]),
        };
        figures.monitor.fold(&mut figures.state, &scored).unwrap();
        figures.series[0].observe(&figures.state);
    }
    assert!(figures.state.alarm().is_some(), "scores have fallen");
    Watch {
        purpose: WatchPurpose::Restored,
        version: number(u32::MAX),
        scored_by: AWKWARD.into(),
        status: WatchStatus::Alarm,
        figures: Some(figures),
        since: timestamp(-1),
        looked_to: at(999_999),
        sessions: serde_json::from_value(json!([0, u64::MAX, 7])).unwrap(),
        blame: Some(Blame::Unknown),
        failing_since: Some(at(999_998)),
        failures: u32::MAX,
        end: Some(AWKWARD.into()),
        ..watch("D:1_a.b-C", u32::MAX, "support/triage")
    }
}

fn awkward_control() -> Control {
    Control {
        stopped: Some(Stopped {
            by: Actor::owner("olga \u{1f984}"),
            reason: AWKWARD.into(),
            at: timestamp(-1),
        }),
        revision: 1,
    }
}

/// One of each kind, with everything that it can have.
fn awkward() -> [ImprovementRecord; 4] {
    [
        ImprovementRecord::Cluster(Box::new(awkward_cluster())),
        ImprovementRecord::Attempt(Box::new(awkward_attempt())),
        ImprovementRecord::Watch(Box::new(awkward_watch())),
        ImprovementRecord::Control(awkward_control()),
    ]
}

/// One of each kind, as it begins.
fn plain() -> [ImprovementRecord; 4] {
    [
        a_cluster("cluster-1", "triage"),
        an_attempt("attempt-1", "triage"),
        a_watch("dep-1", "triage"),
        control(1),
    ]
}

fn is_same(found: Option<&ImprovementRecord>, expected: &ImprovementRecord) -> bool {
    // Also as text: floats compare equal that are not the same.
    found.is_some_and(|found| found == expected && found.json().unwrap() == expected.json().unwrap())
}

async fn refused(desk: &Desk, commit: ImprovementCommit, expected: crate::Error) {
    let error = fails(
        desk.try_remember(commit).await,
        expected.kind(),
        expected.message(),
    );
    assert_eq!(error.message(), expected.message());
    assert_eq!(error.current_revision(), expected.current_revision());
}

/// Every part of each kind of record comes back as given, at once, from another handle and after reopening, and so it does
/// once it has changed.
pub async fn records_are_kept_as_given(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let another = Desk::open(harness).await;
    desk.remember(&plain()).await;
    desk.remember(&awkward()[..3]).await;
    let mut changed = plain().map(|record| at_revision(&record, 2));
    if let ImprovementRecord::Control(control) = &mut changed[3] {
        control.stopped = awkward_control().stopped;
    }
    let mut cleared = awkward_watch();
    (cleared.figures, cleared.blame, cleared.revision) = (None, None, 2);
    desk.remember(&changed).await;
    desk.remember(&[ImprovementRecord::Watch(Box::new(cleared.clone()))])
        .await;
    let mut all = changed.to_vec();
    all.extend_from_slice(&awkward()[..2]);
    all.push(ImprovementRecord::Watch(Box::new(cleared)));
    for desk in [desk.clone(), another, desk.reopen(harness).await] {
        for record in &all {
            let found = desk.record_of(record.kind(), &record.id()).await;
            assert!(is_same(found.as_ref(), record), "{record:?} is {found:?}");
            let filter = RecordFilter {
                status: Some(record.status()),
                ..RecordFilter::all(record.kind())
            };
            let listed = desk.records(&filter).await;
            let listed = listed.iter().find(|of| of.id() == record.id());
            assert!(is_same(listed, record), "{record:?} is listed as {listed:?}");
        }
    }
}

/// A record of every kind in which everything is used that one can have is kept whole.
pub async fn awkward_records_are_kept_byte_for_byte(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.remember(&awkward()).await;
    let desk = desk.reopen(harness).await;
    for record in awkward() {
        let found = desk.record_of(record.kind(), &record.id()).await;
        assert!(is_same(found.as_ref(), &record), "{record:?} is {found:?}");
    }
}

/// A record is found by its kind and its whole id.
pub async fn record_is_found_by_kind_and_id(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    // The same id in two kinds.
    let records = [
        a_cluster("control", "triage"),
        an_attempt("control", "tone"),
        control(1),
        a_watch("control", "triage"),
    ];
    desk.remember(&records).await;
    for record in &records {
        let found = desk.record_of(record.kind(), &record.id()).await;
        assert_eq!(found.as_ref(), Some(record));
    }
    for kind in RecordKind::ALL {
        let long = "x".repeat(10_000);
        for id in [
            "",
            "contro",
            "Control",
            "control ",
            "control\u{0}",
            "\u{0}",
            "control/",
            "control/01",
            "\u{e9}",
            "%",
            &long,
        ] {
            assert_eq!(desk.record_of(*kind, id).await, None, "{kind} {id:?}");
        }
    }
    assert_eq!(desk.record_of(RecordKind::Watch, "control").await, None);
    let found = desk.record_of(RecordKind::Watch, "control/1").await;
    assert_eq!(found.as_ref(), Some(&records[3]));
}

/// A record at another revision conflicts, with the current one, and nothing of the commit is kept.
pub async fn stale_records_conflict(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    for record in plain() {
        let (kind, id) = (record.kind(), record.id());
        let conflict = |expected, current| refusal::record_conflict(kind, &id, expected, current);
        let commit = |revision| {
            let mut commit = desk.improvement(&[
                a_cluster(&format!("beside-{kind}"), "triage"),
                at_revision(&record, revision),
                an_attempt(&format!("beside-{kind}"), "triage"),
            ]);
            commit.audits = vec![desk.entry(AuditAction::ChangeCluster, id.as_str())];
            commit
        };
        for (revision, expected) in [(2, 1), (3, 2), (u64::MAX, u64::MAX - 1)] {
            refused(&desk, commit(revision), conflict(expected, 0)).await;
        }
        for revision in [1, 2, 3] {
            desk.remember(&[at_revision(&record, revision)]).await;
        }
        let before = desk.everything().await;
        for (revision, expected) in [(0, 0), (1, 0), (2, 1), (3, 2), (5, 4), (u64::MAX, u64::MAX - 1)] {
            refused(&desk, commit(revision), conflict(expected, 3)).await;
        }
        assert_eq!(desk.everything().await, before, "nothing changes");
        assert_eq!(
            desk.record_of(kind, &id).await,
            Some(at_revision(&record, 3)),
            "the last one stays"
        );
        for beside in [RecordKind::Cluster, RecordKind::Attempt] {
            assert_eq!(desk.record_of(beside, &format!("beside-{kind}")).await, None);
        }
    }
    assert_eq!(desk.audited().await, 0);
}

/// Of several records that are stale the first one tells.
pub async fn first_stale_record_tells(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let records = plain();
    desk.remember(&records).await;
    desk.remember(&[at_revision(&records[1], 2)]).await;
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        // The attempt is as it is to be; all others are late.
        let commit = order.map(|at| at_revision(&records[at], if at == 1 { 3 } else { 5 }));
        let first = order.into_iter().find(|at| *at != 1).unwrap();
        let (kind, id) = (records[first].kind(), records[first].id());
        refused(
            &desk,
            desk.improvement(&commit),
            refusal::record_conflict(kind, &id, 4, 1),
        )
        .await;
    }
}

/// Audit records of a commit are links of the one chain, in their order, between those of other changes; a commit may be
/// of them alone.
pub async fn improvement_is_on_record(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.save_draft("triage", "one").await;
    let mut first = desk.improvement(&plain());
    first.audits = vec![
        desk.entry(AuditAction::ChangeCluster, "cluster-1"),
        desk.entry(AuditAction::ControlImprovement, "improvement"),
        desk.entry(AuditAction::ChangeCluster, "cluster-2"),
    ];
    first.audits[1].detail = "{ \"b\": 1,\n\"a\": \"it's \\u0000 \u{e9}\" }".into();
    desk.try_remember(first.clone()).await.unwrap();
    fails(
        desk.try_remember(first.clone()).await,
        ErrorKind::Conflict,
        "the same again",
    );
    desk.save_draft("triage", "two").await;
    // What is not for people to answer for is on no record.
    desk.remember(&[at_revision(&plain()[1], 2)]).await;
    let mut alone = desk.improvement(&[]);
    alone.audits = vec![desk.entry(AuditAction::ControlImprovement, "alone")];
    desk.try_remember(alone.clone()).await.unwrap();
    desk.remember(&[]).await;
    let records = desk.audit().await;
    let entries: Vec<_> = records.iter().map(|record| &record.entry).collect();
    assert_eq!(entries.len(), 6);
    assert_eq!(entries[1..4], first.audits.iter().collect::<Vec<_>>());
    assert_eq!(entries[4].action, AuditAction::SaveVersion);
    assert_eq!(entries[5], &alone.audits[0]);
}

/// Of commits on one revision that race exactly one succeeds, and nothing of the others is kept.
pub async fn racing_commits_have_one_winner(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    for round in 1..=8_u64 {
        let results = race(8, |i| {
            let desk = desks[i % 2].clone();
            async move {
                let mut shared = cluster("shared", "triage");
                shared.record.revision = round;
                shared.record.message = format!("racer {i}");
                let own = a_cluster(&format!("own-{round}-{i}"), "triage");
                let shared = ImprovementRecord::Cluster(Box::new(shared));
                // In any order of records.
                let records = if i % 3 == 0 { [shared, own] } else { [own, shared] };
                let mut commit = desk.improvement(&records);
                commit.audits = vec![desk.entry(AuditAction::ChangeCluster, format!("racer {i}"))];
                desk.try_remember(commit).await
            }
        })
        .await;
        let desk = &desks[0];
        let won: Vec<_> = (0..8).filter(|i| results[*i].is_ok()).collect();
        assert_eq!(won.len(), 1, "{results:?}");
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            assert_eq!(error.current_revision(), Some(round));
        }
        for (i, desk) in (0..8).zip(desks.iter().cycle()) {
            let own = desk
                .record_of(RecordKind::Cluster, &format!("own-{round}-{i}"))
                .await;
            assert_eq!(own.is_some(), i == won[0], "the own record of racer {i}");
        }
        let records = desk.audit().await;
        assert_eq!(records.len() as u64, round);
        let kept = desk.record_of(RecordKind::Cluster, "shared").await.unwrap();
        let ImprovementRecord::Cluster(kept) = kept else {
            panic!("{kept:?} is no cluster");
        };
        assert_eq!(kept.record.message, format!("racer {}", won[0]));
        assert_eq!(records.last().unwrap().entry.subject, kept.record.message);
    }
}

/// Commits of the same records in different orders that race do not wait for each other in a circle, and of each record
/// every revision is given once.
pub async fn racing_commits_of_many_records_all_end(harness: &dyn Harness) {
    const RACERS: usize = 8;
    let desks = Desk::open_two(harness).await;
    let made: Vec<Result<usize>> = race(RACERS, |i| {
        let desk = desks[i % 2].clone();
        async move {
            let mut made = 0;
            for n in 0..12 {
                let mut records = Vec::new();
                for at in 0..4 {
                    let id = format!("cluster-{}", (at * (1 + i % 3) + n) % 5);
                    let present = desk.record_of(RecordKind::Cluster, &id).await;
                    let revision = present.map_or(0, |present| present.revision());
                    let next = at_revision(&a_cluster(&id, "triage"), revision + 1);
                    if !records.iter().any(|of: &ImprovementRecord| of.id() == id) {
                        records.push(next);
                    }
                }
                match desk.try_remember(desk.improvement(&records)).await {
                    Ok(()) => made += records.len(),
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(made)
        }
    })
    .await;
    let made: usize = made.into_iter().map(Result::unwrap).sum();
    let all = desks[0].records(&RecordFilter::all(RecordKind::Cluster)).await;
    let revisions: u64 = all.iter().map(ImprovementRecord::revision).sum();
    assert_eq!(revisions, made as u64);
    assert!(made > 0);
}

/// The same ids are each tenant's own.
pub async fn records_are_their_tenants_own(harness: &dyn Harness) {
    let acme = Desk::open(harness).await;
    let other = acme.of("other");
    acme.remember(&plain()).await;
    for record in plain() {
        let late = other.improvement(&[at_revision(&record, 2)]);
        let (kind, id) = (record.kind(), record.id());
        refused(&other, late, refusal::record_conflict(kind, &id, 1, 0)).await;
        assert_eq!(other.record_of(kind, &id).await, None);
        assert_eq!(other.records(&RecordFilter::all(kind)).await, []);
    }
    let theirs = [a_cluster("cluster-1", "tone"), control(1)];
    other.remember(&theirs).await;
    other.remember(&[control(2)]).await;
    for record in plain() {
        let (kind, id) = (record.kind(), record.id());
        assert_eq!(acme.record_of(kind, &id).await, Some(record.clone()));
        assert_eq!(acme.records(&RecordFilter::all(kind)).await, [record]);
    }
    let id = ImprovementRecord::CONTROL;
    assert_eq!(other.record_of(RecordKind::Control, id).await, Some(control(2)));
    let clusters = other.records(&RecordFilter::all(RecordKind::Cluster)).await;
    assert_eq!(clusters, theirs[..1]);
}
