//! Why a step on a deployment is refused, in the same words everywhere; also for authors of backends. What a pointer's move is
//! refused for is in [`environment::refusal`](crate::environment::refusal).

use super::machine::{Standing, Step};
use super::record::Hold;
use super::state::State;
use crate::base::error::{Error, ErrorKind, Unmet};
use crate::base::{Actor, ClosureHash, CommandKey, DeploymentId, EnvironmentName, PromptName, Role};

/// [`NotFound`](ErrorKind::NotFound): the tenant has no such deployment.
#[must_use]
pub fn unknown_deployment(id: &DeploymentId) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no deployment {id}; list those there are with `deployments`"),
    )
}

/// [`AlreadyExists`](ErrorKind::AlreadyExists): the id is another deployment's.
#[must_use]
pub fn id_is_taken(id: &DeploymentId) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!("there is a deployment {id} already; ids must differ"),
    )
}

/// [`AlreadyExists`](ErrorKind::AlreadyExists): the same text is on its way into the same slot.
#[must_use]
pub fn candidate_is_known(closure: &ClosureHash, present: &DeploymentId, state: State) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "the closure {} is the deployment {present}'s already, which is {state}; go on with that one",
            closure.short()
        ),
    )
}

/// [`AlreadyExists`](ErrorKind::AlreadyExists): automation proposes what was not let in there before.
pub(super) fn candidate_was_refused(closure: &ClosureHash, past: &DeploymentId, state: State) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "the closure {} is that of the deployment {past}, which is {state}; automation does not come again with it, a person \
             may",
            closure.short()
        ),
    )
}

/// [`AlreadyExists`](ErrorKind::AlreadyExists): a command with this key was carried out.
#[must_use]
pub fn key_is_taken(key: &CommandKey) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "a command with the key {key} was carried out already; give another command a key of its own"
        ),
    )
}

/// [`Conflict`](ErrorKind::Conflict) with the current revision: the deployment was changed after the decision.
#[must_use]
pub fn deployment_conflict(id: &DeploymentId, expected: u64, current: u64, standing: Standing) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "the deployment {id} is {standing} at revision {current}, expected revision {expected}; it was changed meanwhile: \
             look at it again and decide anew"
        ),
    )
    .with_current_revision(current)
}

/// [`Conflict`](ErrorKind::Conflict) with the current revision: something happened in the slot after the decision.
#[must_use]
pub fn slot_conflict(
    prompt: &PromptName,
    environment: &EnvironmentName,
    expected: u64,
    current: u64,
) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "the slot {prompt}@{environment} is at revision {current}, expected {expected}; it was held, released or shipped to \
             meanwhile: look at it again and decide anew"
        ),
    )
    .with_current_revision(current)
}

/// [`Conflict`](ErrorKind::Conflict): two deployments would have one slot.
#[must_use]
pub fn slot_is_taken(prompt: &PromptName, environment: &EnvironmentName, present: &DeploymentId) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "the deployment {present} is live in {prompt}@{environment} and not known to be well yet; wait for the end of its \
             watch, roll it back, or supersede it"
        ),
    )
}

/// [`IllegalTransition`](ErrorKind::IllegalTransition): the step leads nowhere from here.
#[must_use]
pub fn illegal_step(id: &DeploymentId, from: Standing, step: Step) -> Error {
    let possible: Vec<_> = Step::ALL
        .iter()
        .filter(|step| from.after(**step).is_some())
        .map(|step| step.as_str())
        .collect();
    let what = match possible.is_empty() {
        true => "nothing follows that".to_owned(),
        false => format!("possible are {}", possible.join(", ")),
    };
    Error::new(
        ErrorKind::IllegalTransition,
        format!("the deployment {id} is {from}, which {step} does not follow; {what}"),
    )
}

/// [`Forbidden`](ErrorKind::Forbidden): the role may not take the step.
#[must_use]
pub fn may_not(id: &DeploymentId, from: Standing, step: Step, by: &Actor) -> Error {
    let roles: Vec<_> = Role::ALL
        .into_iter()
        .filter(|role| step.is_allowed_to(*role, from))
        .map(Role::as_str)
        .collect();
    Error::new(
        ErrorKind::Forbidden,
        format!(
            "{by} may not {step} the deployment {id}, which is {from}; needed: {}",
            roles.join(" or ")
        ),
    )
}

/// [`StaleBase`](ErrorKind::StaleBase): the candidate was compared with what is not live any more.
pub(super) fn stale_base(id: &DeploymentId, slot: &str, compared: u64, current: u64) -> Error {
    Error::new(
        ErrorKind::StaleBase,
        format!(
            "the deployment {id} was compared with revision {compared} of {slot}, which is at revision {current} now; rebase it, \
             which replays it against what is live now, or an owner waives that with a reason"
        ),
    )
    .with_current_revision(current)
}

/// [`NotLive`](ErrorKind::NotLive): a later version is live.
pub(super) fn not_live(id: &DeploymentId, slot: &str, shipped: u64, current: u64) -> Error {
    Error::new(
        ErrorKind::NotLive,
        format!(
            "the deployment {id} went live with revision {shipped} of {slot}, which is at revision {current} now; what is live \
             there is another's to roll back"
        ),
    )
    .with_current_revision(current)
}

/// [`Refused`](ErrorKind::Refused): somebody keeps automation away from the slot.
pub(super) fn slot_is_held(hold: &Hold) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!(
            "{} holds the slot since {}: an owner releases it",
            hold.by, hold.at
        ),
    )
    .with_unmet(vec![Unmet {
        condition: "hold".into(),
        found: hold.reason.clone(),
        needed: "none".into(),
    }])
}
