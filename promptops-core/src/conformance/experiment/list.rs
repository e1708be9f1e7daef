//! Lists of experiments.

use crate::base::{ErrorKind, PageRequest};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::experiment::{Experiment, ExperimentFilter, ExperimentStatus};

fn ids(experiments: &[Experiment]) -> Vec<&str> {
    experiments.iter().map(|of| of.id.as_str()).collect()
}

/// Experiments come in descending byte order of their ids, whenever they began.
pub async fn experiments_are_listed_by_id_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let versions = desk.contenders("triage").await;
    let begun = [
        "m", "a", "z", "B", "0", "a-", "a.", "a:", "a_", "A", "r-2", "r-10", "r-1", "aa",
    ];
    for (n, id) in begun.into_iter().enumerate() {
        let mut experiment = desk.experiment_of(id, &versions);
        experiment.environment = environment(&format!("env-{n}"));
        experiment.pointer_revision = 0;
        experiment.created_at = at((n as i64 * 7) % 5);
        desk.create_experiment(experiment).await.unwrap();
        if n == 3 {
            desk.of("other").begin("other", "triage").await;
        }
    }
    let mut expected = begun;
    expected.sort_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
    let experiments = &desk.stores.experiments;
    let filter = ExperimentFilter::default();
    for limit in (1..=15).chain([PageRequest::MAX_LIMIT]) {
        let listed = pages(limit, async |request| {
            experiments.experiments(&desk.tenant, &filter, &request).await
        })
        .await;
        assert_eq!(ids(&listed), expected, "in pages of {limit}");
    }
    let first = experiments
        .experiments(&desk.tenant, &filter, &page(5))
        .await
        .unwrap();
    assert_eq!(
        first.next.as_deref(),
        Some(expected[4]),
        "the cursor is the last id"
    );
    // What begins or changes meanwhile does not move the pages that follow.
    desk.begin("zz", "late").await;
    desk.change_experiment(&first.items[4], ExperimentStatus::Completed)
        .await;
    let request = page(100).after(first.next.unwrap());
    let rest = experiments
        .experiments(&desk.tenant, &filter, &request)
        .await
        .unwrap();
    assert_eq!(ids(&rest.items), expected[5..]);
    // Any id is a place in the list, also one that is nobody's.
    let request = page(100).after("a0");
    let rest = experiments
        .experiments(&desk.tenant, &filter, &request)
        .await
        .unwrap();
    let below: Vec<_> = expected.into_iter().filter(|id| *id < "a0").collect();
    assert_eq!(ids(&rest.items), below);
}

/// A cursor that no list of experiments returned is invalid.
pub async fn foreign_cursors_of_experiments_are_invalid(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.begin("exp-1", "triage").await;
    let (filter, experiments) = (ExperimentFilter::default(), &desk.stores.experiments);
    for cursor in ["", "a b", "a/b", "\u{e9}", "\u{0}", &"x".repeat(201)] {
        for desk in [&desk, &desk.of("nobody")] {
            let request = page(5).after(cursor);
            let result = experiments.experiments(&desk.tenant, &filter, &request).await;
            fails(result, ErrorKind::Invalid, &format!("the cursor {cursor:?}"));
        }
    }
}

/// Each condition of a filter is one, and conditions hold together.
pub async fn experiment_filters_hold_together(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut all = Vec::new();
    for prompt in ["triage", "triage/short"] {
        let versions = desk.contenders(prompt).await;
        for (n, status) in [
            ExperimentStatus::Active,
            ExperimentStatus::Paused,
            ExperimentStatus::Completed,
            ExperimentStatus::Completed,
        ]
        .into_iter()
        .enumerate()
        {
            let mut experiment = desk.experiment_of(&format!("exp-{}", all.len()), &versions);
            experiment.environment = environment(&format!("env-{n}"));
            experiment.pointer_revision = 0;
            let mut experiment = desk.create_experiment(experiment).await.unwrap();
            if status != ExperimentStatus::Active {
                experiment = desk.change_experiment(&experiment, status).await;
            }
            all.insert(0, experiment);
        }
    }
    for prompt in [None, Some("triage"), Some("triage/short"), Some("triag")] {
        for status in [
            None,
            Some(ExperimentStatus::Active),
            Some(ExperimentStatus::Paused),
            Some(ExperimentStatus::Completed),
        ] {
            let filter = ExperimentFilter {
                prompt: prompt.map(name),
                status,
            };
            let wanted = |of: &&Experiment| {
                prompt.is_none_or(|prompt| of.prompt.as_str() == prompt)
                    && status.is_none_or(|status| of.status == status)
            };
            let expected: Vec<_> = all.iter().filter(wanted).cloned().collect();
            assert_eq!(desk.experiments(&filter).await, expected, "{filter:?}");
            let experiments = &desk.stores.experiments;
            let listed = pages(1, async |request| {
                experiments.experiments(&desk.tenant, &filter, &request).await
            })
            .await;
            assert_eq!(listed, expected, "{filter:?} in pages of one");
        }
    }
}

/// There can be thousands of experiments.
pub async fn thousands_of_experiments_are_listed_in_pages(harness: &dyn Harness) {
    const COUNT: usize = 1_100;
    let desk = Desk::open(harness).await;
    let versions = desk.contenders("triage").await;
    for n in 0..COUNT {
        let mut experiment = desk.experiment_of(&format!("exp-{n:05}"), &versions);
        experiment.environment = environment(&format!("env-{n}"));
        experiment.pointer_revision = 0;
        experiment.namespace = namespace("checkout", n as u16, n as u16 + 1);
        desk.create_experiment(experiment).await.unwrap();
    }
    let listed = desk.experiments(&ExperimentFilter::default()).await;
    let expected: Vec<_> = (0..COUNT).rev().map(|n| format!("exp-{n:05}")).collect();
    assert_eq!(ids(&listed), expected);
    let open = desk.open_experiment("triage", "env-777").await.unwrap();
    assert_eq!(open.id.as_str(), "exp-00777");
}
