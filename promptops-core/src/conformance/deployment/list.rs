//! Lists of deployments.

use crate::base::{ErrorKind, PageRequest};
use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::deployment::{Deployment, DeploymentFilter, MonitorOutcome, State, Step};

fn ids(deployments: &[Deployment]) -> Vec<&str> {
    deployments.iter().map(|of| of.id.as_str()).collect()
}

/// Deployments come in descending byte order of their ids, whenever they were proposed.
pub async fn deployments_are_listed_by_id_in_pages_of_any_size(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let versions = desk.contenders("triage").await;
    let proposed = [
        "m", "a", "z", "B", "0", "a-", "a.", "a:", "a_", "A", "r-2", "r-10", "r-1", "aa",
    ];
    for (n, id) in proposed.into_iter().enumerate() {
        let mut deployment = desk.deployment_of(id, &versions[1], 0);
        deployment.environment = environment(&format!("env-{n}"));
        deployment.proposed_at = at((n as i64 * 7) % 5);
        desk.do_commit(desk.creation(deployment)).await;
        if n == 3 {
            desk.of("other").propose("other", "triage").await;
        }
    }
    let mut expected = proposed;
    expected.sort_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
    let deployments = &desk.stores.deployments;
    let filter = DeploymentFilter::default();
    for limit in (1..=15).chain([PageRequest::MAX_LIMIT]) {
        let listed = pages(limit, async |request| {
            deployments.deployments(&desk.tenant, &filter, &request).await
        })
        .await;
        assert_eq!(ids(&listed), expected, "in pages of {limit}");
    }
    let first = deployments
        .deployments(&desk.tenant, &filter, &page(5))
        .await
        .unwrap();
    assert_eq!(
        first.next.as_deref(),
        Some(expected[4]),
        "the cursor is the last id"
    );
    // Any id is a place in the list, also one that is nobody's.
    let request = page(100).after("a0");
    let rest = deployments
        .deployments(&desk.tenant, &filter, &request)
        .await
        .unwrap();
    let below: Vec<_> = expected.into_iter().filter(|id| *id < "a0").collect();
    assert_eq!(ids(&rest.items), below);
}

/// A cursor that no list of deployments returned is invalid.
pub async fn foreign_cursors_of_deployments_are_invalid(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.propose("dep-1", "triage").await;
    let (filter, deployments) = (DeploymentFilter::default(), &desk.stores.deployments);
    for cursor in ["", "a b", "a/b", "\u{e9}", "\u{0}", &"x".repeat(201)] {
        for desk in [&desk, &desk.of("nobody")] {
            let request = page(5).after(cursor);
            let result = deployments.deployments(&desk.tenant, &filter, &request).await;
            fails(result, ErrorKind::Invalid, &format!("the cursor {cursor:?}"));
        }
    }
}

/// Each condition of a filter is one, and conditions hold together.
pub async fn deployment_filters_hold_together(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut all: Vec<Deployment> = Vec::new();
    let ways = [
        (Step::StartReplay, State::AbRunning, None),
        (Step::Reject, State::Rejected, None),
        (Step::Ship, State::Shipped, None),
        (Step::Watch, State::Monitoring, Some(MonitorOutcome::Open)),
        (Step::Clear, State::Monitoring, Some(MonitorOutcome::Cleared)),
        (Step::Regress, State::Regressed, Some(MonitorOutcome::Open)),
        (
            Step::Supersede,
            State::Regressed,
            Some(MonitorOutcome::Superseded),
        ),
        (Step::RollBack, State::RolledBack, Some(MonitorOutcome::Open)),
    ];
    for prompt in ["triage", "triage/short"] {
        let versions = desk.contenders(prompt).await;
        for (n, (step, state, monitor)) in ways.into_iter().enumerate() {
            let version = &versions[n % 2];
            let mut deployment = desk.deployment_of(&format!("dep-{:02}", all.len()), version, 0);
            deployment.environment = environment(&format!("env-{n}"));
            desk.do_commit(desk.creation(deployment.clone())).await;
            let deployment = desk.take_step(&deployment, step, state, monitor).await;
            all.insert(0, deployment);
        }
    }
    let closures = [Some(&all[0]), Some(&all[1])].map(|of| of.map(|of| of.candidate.closure_hash));
    let states = State::ALL.iter().copied().map(Some).chain([None]);
    for state in states {
        for prompt in [None, Some("triage"), Some("triag")] {
            for place in [None, Some("env-3"), Some("env")] {
                for has_slot in [None, Some(true), Some(false)] {
                    for closure_hash in [None, closures[0], closures[1], Some(closure("none"))] {
                        let filter = DeploymentFilter {
                            prompt: prompt.map(name),
                            environment: place.map(environment),
                            state,
                            closure_hash,
                            has_slot,
                        };
                        let wanted: Vec<_> = all.iter().filter(|of| filter.matches(of)).cloned().collect();
                        assert_eq!(desk.deployments(&filter).await, wanted, "{filter:?}");
                    }
                }
            }
        }
    }
    // In pages of one as well.
    let filter = DeploymentFilter {
        has_slot: Some(true),
        ..DeploymentFilter::default()
    };
    let deployments = &desk.stores.deployments;
    let listed = pages(1, async |request| {
        deployments.deployments(&desk.tenant, &filter, &request).await
    })
    .await;
    assert_eq!(listed.len(), 6);
}
