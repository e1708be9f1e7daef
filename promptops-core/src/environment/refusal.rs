//! For authors of backends: why an [`EnvironmentStore`](super::EnvironmentStore) refuses a change, in the same
//! words everywhere. An unknown version is [`prompt::refusal::unknown_version`](crate::prompt::refusal::unknown_version).

use crate::base::error::{Error, ErrorKind};
use crate::base::{EnvironmentName, PromptName, VersionNumber};

/// [`Conflict`](ErrorKind::Conflict) with the current revision: the pointer is not where a move or an approval
/// expected it. Revision 0 means that nothing is live.
#[must_use]
pub fn revision_conflict(
    prompt: &PromptName,
    environment: &EnvironmentName,
    expected: u64,
    current: u64,
) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "{prompt}@{environment} is at revision {current}, expected {expected}; it was moved meanwhile: look \
             at what is live now and decide anew"
        ),
    )
    .with_current_revision(current)
}

/// [`Conflict`](ErrorKind::Conflict): the source environment's pointer moved after the decision.
///
/// It carries no current revision: that is the moved pointer's, and this is another's.
#[must_use]
pub fn source_conflict(prompt: &PromptName, source: &EnvironmentName, expected: u64, current: u64) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "the source {prompt}@{source} is at revision {current}, expected {expected}; it was moved meanwhile: \
             look at what is live there now and decide anew"
        ),
    )
}

/// [`Conflict`](ErrorKind::Conflict): a policy of the tenant was changed after the decision. It carries no current
/// revision, as in [`source_conflict`].
#[must_use]
pub fn policy_conflict(expected: u64, current: u64) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "the tenant's policies are at revision {current}, expected {expected}; one was changed meanwhile: \
             check the policy in force now and decide anew"
        ),
    )
}

/// [`IllegalTransition`](ErrorKind::IllegalTransition): an archived version was to go live.
#[must_use]
pub fn version_is_archived(
    prompt: &PromptName,
    number: VersionNumber,
    environment: &EnvironmentName,
) -> Error {
    Error::new(
        ErrorKind::IllegalTransition,
        format!(
            "{prompt} {number} is archived and cannot go live in {environment}; take it back into use first, or \
             choose another version"
        ),
    )
}

/// [`IllegalTransition`](ErrorKind::IllegalTransition): a rollback was to go to what was itself rolled back.
pub(super) fn version_was_rolled_back(
    prompt: &PromptName,
    number: VersionNumber,
    environment: &EnvironmentName,
) -> Error {
    Error::new(
        ErrorKind::IllegalTransition,
        format!("{prompt} {number} was rolled back in {environment}; promote it instead"),
    )
}

/// [`NotFound`](ErrorKind::NotFound): a policy was to be removed that is not there.
#[must_use]
pub fn unknown_policy(environment: &EnvironmentName, prompt: Option<&PromptName>) -> Error {
    let of = prompt.map_or_else(
        || format!("{environment} has no policy for all prompts"),
        |prompt| format!("{environment} has no policy for {prompt} alone"),
    );
    Error::new(
        ErrorKind::NotFound,
        format!("{of}; list the policies to see those there are"),
    )
}
