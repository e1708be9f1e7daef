//! Assignment of units to variants: the same on every machine and for ever.

use promptops_core::base::{Actor, ClosureHash, ExperimentId, VariantName, VersionNumber};
use promptops_core::experiment::{
    Allocation, Assigner, Epoch, Experiment, ExperimentStatus, Goal, Holdout, Namespace, Rules, Variant,
};
use promptops_core::observation::AssignmentReason;
use promptops_core::prompt::Content;
use serde_json::Value;

pub(crate) fn experiment(id: &str, shares: &[u16]) -> Experiment {
    let at = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let variants = (1..).zip(shares).map(|(n, _)| {
        let content = Content::text(format!("text {n}"));
        Variant {
            name: VariantName::new(format!("v{n}")).unwrap(),
            version: VersionNumber::new(n).unwrap(),
            content_hash: content.hash(),
            closure_hash: ClosureHash::from_bytes([n as u8; 32]),
        }
    });
    Experiment {
        id: ExperimentId::new(id).unwrap(),
        name: "which is better".into(),
        prompt: "triage".parse().unwrap(),
        environment: "production".parse().unwrap(),
        status: ExperimentStatus::Active,
        revision: 1,
        variants: variants.collect(),
        epochs: vec![Epoch {
            number: 1,
            allocation: Allocation::new(shares).unwrap(),
            started_at: at,
        }],
        salt: String::new(),
        namespace: None,
        holdout: None,
        goal: Goal::Success,
        rules: Rules::default(),
        guardrails: Vec::new(),
        pointer_revision: 1,
        created_by: Actor::owner("ana"),
        created_at: at,
        completion: None,
    }
}

#[test]
fn units_are_hashed_as_the_published_vectors_say() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../vectors/assignment.json")).unwrap();
    assert!(vectors.len() > 10);
    for vector in vectors {
        let text = |key: &str| vector[key].as_str().unwrap();
        // A name that is no id of ours shows that any bytes are hashed alike.
        let seed = match ExperimentId::new(text("experiment")) {
            Ok(id) => Assigner::seed(&id, text("salt")),
            Err(_) => text("seed").parse().unwrap(),
        };
        assert_eq!(seed.to_string(), text("seed"), "{vector}");
        let key = Assigner::unit_key(seed, text("unit"));
        assert_eq!(key.get().to_string(), text("xxh3"), "{vector}");
        assert_eq!(
            u64::from(key.bucket()),
            vector["bucket"].as_u64().unwrap(),
            "{vector}"
        );
    }
}

#[test]
fn ten_thousand_units_are_assigned_identically_by_a_record_that_was_read_again() {
    let experiment = experiment("exp-1", &[3_300, 3_300, 3_400]);
    let read: Experiment = serde_json::from_str(&serde_json::to_string(&experiment).unwrap()).unwrap();
    assert_eq!(read, experiment);
    let (before, after) = (Assigner::new(&experiment), Assigner::new(&read));
    let mut seen = [0_u32; 3];
    for unit in (0..10_000).map(|n| format!("user-{n}")) {
        let assigned = before.assign(Some(&unit));
        assert_eq!(assigned, after.assign(Some(&unit)));
        assert_eq!(assigned.reason, AssignmentReason::Bucket);
        seen[usize::from(assigned.variant)] += 1;
    }
    assert!(seen.iter().all(|seen| (3_100..3_600).contains(seen)), "{seen:?}");
}

#[test]
fn who_takes_no_part_gets_the_control_and_is_not_counted() {
    let mut experiment = experiment("exp-1", &[5_000, 5_000]);
    let assigned = |experiment: &Experiment, unit: Option<&str>| Assigner::new(experiment).assign(unit);
    for unit in [None, Some("")] {
        let assigned = assigned(&experiment, unit);
        assert_eq!((assigned.variant, assigned.reason), (0, AssignmentReason::NoUnit));
    }
    experiment.holdout = Some(Holdout {
        name: "global".parse().unwrap(),
        basis_points: 1_000,
    });
    experiment.namespace = Some(Namespace {
        name: "checkout".parse().unwrap(),
        from: 0,
        to: 5_000,
    });
    let assigner = Assigner::new(&experiment);
    let mut reasons = std::collections::HashMap::new();
    for unit in (0..10_000).map(|n| format!("user-{n}")) {
        let assigned = assigner.assign(Some(&unit));
        if assigned.reason != AssignmentReason::Bucket {
            assert_eq!((assigned.variant, assigned.unit), (0, None));
        }
        *reasons.entry(assigned.reason).or_insert(0) += 1;
    }
    let near = |reason, expected: i32| {
        let found: i32 = reasons[&reason];
        assert!(
            (found - expected).abs() < 300,
            "{reason}: {found}, expected about {expected}"
        );
    };
    near(AssignmentReason::HeldOut, 1_000);
    near(AssignmentReason::OutsideNamespace, 4_500);
    near(AssignmentReason::Bucket, 4_500);

    experiment.status = ExperimentStatus::Paused;
    let paused = assigned(&experiment, Some("user-1"));
    assert_eq!((paused.variant, paused.reason), (0, AssignmentReason::Paused));
    let forced = Assigner::forced(&experiment, &"v2".parse().unwrap()).unwrap();
    assert_eq!((forced.variant, forced.reason), (1, AssignmentReason::Forced));
    assert!(Assigner::forced(&experiment, &"v3".parse().unwrap()).is_none());
}
