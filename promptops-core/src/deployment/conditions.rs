//! What a ship asks beside the environment's policy: a pure function of the deployment and what is live.

use super::record::{Deployment, Verdict};
use crate::base::ClosureHash;
use crate::environment::{Condition, condition};

/// What a ship is decided on.
pub(super) struct Facts<'a> {
    /// The candidate's closure as it is now.
    pub(super) closure: ClosureHash,
    /// The pointer's revision now.
    pub(super) revision: u64,
    /// Another deployment that has the slot.
    pub(super) holder: Option<&'a Deployment>,
    /// Whether nobody has looked at it.
    pub(super) is_automatic: bool,
}

/// The condition that somebody else's ship breaks.
pub(super) const BASE: &str = "base";

/// Every condition, met or not: the evidence first.
pub(super) fn conditions(deployment: &Deployment, facts: &Facts<'_>) -> Vec<Condition> {
    let evidence = deployment.evidence.as_ref();
    let verdict = evidence.map(|evidence| evidence.verdict);
    let mut conditions = vec![condition(
        "replay",
        verdict == Some(Verdict::Passed),
        match evidence {
            Some(evidence) => format!("{} ({})", evidence.verdict, evidence.reason),
            None => "none".to_owned(),
        },
        "passed",
    )];
    let replayed = evidence.map_or(deployment.candidate.closure_hash, |evidence| evidence.candidate);
    conditions.push(condition(
        "candidate",
        replayed == facts.closure,
        format!("closure {}", facts.closure.short()),
        format!("closure {}, as it was replayed", replayed.short()),
    ));
    let compared = compared_with(deployment);
    conditions.push(condition(
        BASE,
        compared == facts.revision,
        format!("revision {}", facts.revision),
        format!("revision {compared}, with which it was compared"),
    ));
    conditions.push(condition(
        "slot",
        facts.holder.is_none(),
        facts.holder.map_or_else(
            || "free".to_owned(),
            |holder| format!("{} is {}", holder.id, holder.standing()),
        ),
        "free",
    ));
    if facts.is_automatic {
        conditions.push(condition(
            "quarantine",
            !deployment.is_quarantined,
            if deployment.is_quarantined {
                "the same text was rejected or rolled back here before"
            } else {
                "none"
            },
            "none",
        ));
    }
    conditions
}

/// The pointer's revision that the candidate was compared with.
pub(super) fn compared_with(deployment: &Deployment) -> u64 {
    deployment
        .evidence
        .as_ref()
        .map_or(deployment.base.revision, |evidence| evidence.base.revision)
}
