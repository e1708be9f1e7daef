use chrono::{DateTime, Duration};
use promptops_core::ErrorKind;
use promptops_core::base::{Actor, SequentialIds, Timestamp};
use promptops_core::improvement::cluster::{
    ClusterChange, ClusterChangeKind, ClusterRecord, ClusterSettings, ClusterStatus, Found, cluster, merge,
};
use promptops_core::improvement::triage::Failure;
use promptops_core::statistics::Random;

use super::planted::{Planted, plant};

/// Calls of one round begin within an hour, rounds a day apart.
fn round(number: i64, causes: &[usize], size: usize) -> Vec<Failure> {
    let planted = plant(number as u64 + 100, causes, size);
    let later = |Planted { mut failure, .. }: Planted| {
        failure.at += Duration::days(number);
        let bits = u128::from_be_bytes(failure.trace.to_bytes());
        failure.trace = promptops_core::base::TraceId::new(failure.at, bits);
        failure
    };
    planted.into_iter().map(later).collect()
}

fn at(round: i64) -> Timestamp {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap() + Duration::days(round) + Duration::hours(1)
}

/// A cut at which no cause falls apart: that is not what is looked at here.
fn settings() -> ClusterSettings {
    ClusterSettings::default().cut(0.88).unwrap()
}

fn look(failures: &[Failure]) -> Vec<Found> {
    cluster(failures, &settings()).clusters
}

fn apply(known: &mut Vec<ClusterRecord>, changes: &[ClusterChange]) {
    for change in changes {
        known.retain(|record| record.id != change.record.id);
        known.push(change.record.clone());
    }
}

fn kinds(changes: &[ClusterChange], kind: ClusterChangeKind) -> usize {
    changes.iter().filter(|change| change.kind == kind).count()
}

#[test]
fn clusters_keep_their_ids_over_three_rounds() {
    let (ids, settings) = (SequentialIds::default(), settings());
    let mut known = Vec::new();
    let first = merge(&known, &look(&round(0, &[0, 1, 2], 150)), &settings, at(0), &ids).unwrap();
    assert_eq!((first.len(), kinds(&first, ClusterChangeKind::Opened)), (3, 3));
    assert!(first.iter().all(|change| change.base_revision() == 0));
    apply(&mut known, &first);
    let label_of = |records: &[ClusterRecord], id: &str| {
        records
            .iter()
            .find(|record| record.id.as_str() == id)
            .unwrap()
            .label
            .text()
            .to_owned()
    };
    let labels: Vec<String> = (1..=3).map(|n| label_of(&known, &format!("id-{n}"))).collect();

    // One is gone, one is new, and the others are put into other words drawn at random.
    let second = merge(&known, &look(&round(1, &[0, 2, 4], 120)), &settings, at(1), &ids).unwrap();
    assert_eq!(kinds(&second, ClusterChangeKind::Seen), 2);
    assert_eq!(kinds(&second, ClusterChangeKind::Opened), 1);
    apply(&mut known, &second);
    let third = merge(
        &known,
        &look(&round(2, &[0, 1, 2, 4], 200)),
        &settings,
        at(2),
        &ids,
    )
    .unwrap();
    assert_eq!((third.len(), kinds(&third, ClusterChangeKind::Seen)), (4, 4));
    apply(&mut known, &third);

    let mut found: Vec<(&str, u64)> = known.iter().map(|r| (r.id.as_str(), r.revision)).collect();
    found.sort_unstable();
    assert_eq!(
        found.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        ["id-1", "id-2", "id-3", "id-4"]
    );
    assert_eq!(
        found.iter().map(|(_, revision)| revision).sum::<u64>(),
        3 + 3 + 2 + 2
    );
    for (n, label) in labels.iter().enumerate() {
        assert_eq!(label_of(&known, &format!("id-{}", n + 1)), *label);
    }
    for record in &known {
        let is_of_all_rounds = record.revision == 3;
        assert!(!is_of_all_rounds || record.total > record.size, "{record:?}");
        assert!(record.first_seen < record.last_seen && record.last_seen <= at(2));
        assert_eq!(record.status, ClusterStatus::New);
        // What stores keep can be read again.
        let json = serde_json::to_string(record).unwrap();
        assert!(json.len() < 4_000, "{} bytes", json.len());
        assert_eq!(serde_json::from_str::<ClusterRecord>(&json).unwrap(), *record);
    }
}

#[test]
fn the_same_failures_again_change_nothing_and_orders_do_not_matter() {
    let settings = settings();
    let mut found = look(&round(0, &[0, 1, 2, 3], 150));
    let opened = merge(&[], &found, &settings, at(0), &SequentialIds::default()).unwrap();
    let mut known: Vec<ClusterRecord> = opened.iter().map(|change| change.record.clone()).collect();
    let again = merge(&known, &found, &settings, at(1), &SequentialIds::default()).unwrap();
    assert_eq!(again, []);
    let mut later = look(&round(1, &[0, 1, 2, 5], 150));
    let changes = merge(&known, &later, &settings, at(1), &SequentialIds::default()).unwrap();
    for seed in 0..4 {
        Random::seeded(seed).shuffle(&mut found);
        Random::seeded(seed).shuffle(&mut later);
        Random::seeded(seed).shuffle(&mut known);
        assert_eq!(
            merge(&[], &found, &settings, at(0), &SequentialIds::default()).unwrap(),
            opened
        );
        assert_eq!(
            merge(&known, &later, &settings, at(1), &SequentialIds::default()).unwrap(),
            changes
        );
    }
}

#[test]
fn one_known_cluster_is_one_found_one() {
    let settings = settings();
    let found = look(&round(0, &[3], 40));
    let opened = merge(&[], &found, &settings, at(0), &SequentialIds::default()).unwrap();
    let known = opened[0].record.clone();
    // The same twice, as if a cause had split: the nearer, and of equal ones the smaller medoid, inherits.
    let mut split = vec![found[0].clone(), found[0].clone()];
    split[1].medoid = found[0].members[1].trace.max(found[0].members[2].trace);
    split[1].members.truncate(7);
    split[1]
        .members
        .iter_mut()
        .for_each(|member| member.at += Duration::days(1));
    let changes = merge(
        std::slice::from_ref(&known),
        &split,
        &settings,
        at(1),
        &SequentialIds::default(),
    )
    .unwrap();
    assert_eq!(kinds(&changes, ClusterChangeKind::Opened), 1);
    // Another environment is another cluster, however near.
    let mut other = found[0].clone();
    other.environment = None;
    let changes = merge(&[known], &[other], &settings, at(1), &SequentialIds::default()).unwrap();
    assert_eq!(kinds(&changes, ClusterChangeKind::Opened), 1);
}

#[test]
fn a_resolved_cluster_is_reopened_by_newer_traces_alone() {
    let (ids, settings, ana) = (SequentialIds::default(), settings(), Actor::member("ana"));
    let old = round(0, &[7], 40);
    let opened = merge(&[], &look(&old), &settings, at(0), &ids).unwrap();
    let resolved = opened[0]
        .record
        .with_status(ClusterStatus::Resolved, &ana, at(1))
        .unwrap();
    assert_eq!((resolved.revision, resolved.status_by.as_ref()), (2, Some(&ana)));
    let known = [resolved];
    // More of the traces from before.
    assert_eq!(
        merge(&known, &look(&round(0, &[7], 60)), &settings, at(2), &ids).unwrap(),
        []
    );
    let mut with_one_newer = old;
    with_one_newer.extend(round(3, &[7], 1));
    let changes = merge(&known, &look(&with_one_newer), &settings, at(3), &ids).unwrap();
    assert_eq!((changes.len(), changes[0].kind), (1, ClusterChangeKind::Reopened));
    let record = &changes[0].record;
    assert_eq!(
        (record.status, record.reopened, record.revision),
        (ClusterStatus::Reopened, 1, 3)
    );
    assert_eq!((record.status_at, &record.status_by), (at(3), &None));
    assert_eq!((record.size, record.total), (41, 41));
}

#[test]
fn what_can_follow_and_who_may_say_so() {
    use ClusterStatus::{Acknowledged, Fixing, New, Reopened, Resolved};
    let opened = merge(
        &[],
        &look(&round(0, &[7], 40)),
        &settings(),
        at(0),
        &SequentialIds::default(),
    );
    let record = opened.unwrap().remove(0).record;
    let allowed = [
        (New, Acknowledged),
        (New, Fixing),
        (New, Resolved),
        (Acknowledged, Fixing),
        (Acknowledged, Resolved),
        (Fixing, Acknowledged),
        (Fixing, Resolved),
        (Resolved, Reopened),
        (Reopened, Acknowledged),
        (Reopened, Fixing),
        (Reopened, Resolved),
    ];
    for from in ClusterStatus::ALL {
        for to in ClusterStatus::ALL {
            let of = ClusterRecord {
                status: from,
                ..record.clone()
            };
            for actor in [Actor::owner("a"), Actor::member("a")] {
                let result = of.with_status(to, &actor, at(1));
                assert_eq!(result.is_ok(), allowed.contains(&(from, to)), "{from} to {to}");
                if let Err(error) = result {
                    assert_eq!(error.kind(), ErrorKind::IllegalTransition);
                    assert!(error.to_string().contains("can become"), "{error}");
                }
            }
            let refused = of.with_status(to, &Actor::viewer("a"), at(1)).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Forbidden);
            let by_system = of.with_status(to, &Actor::system("a"), at(1));
            assert_eq!(
                by_system.is_ok(),
                (from, to) == (Resolved, Reopened),
                "{from} to {to}"
            );
        }
        assert_eq!(from.as_str().parse::<ClusterStatus>().unwrap(), from);
    }
    let nobody = record.with_status(Fixing, &Actor::owner(""), at(1)).unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::Invalid);
}
