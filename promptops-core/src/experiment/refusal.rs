//! For authors of backends: why an [`ExperimentStore`](super::ExperimentStore) refuses a change, in the same words
//! everywhere. What a promotion is refused for is in [`environment::refusal`](crate::environment::refusal).

use super::record::{Experiment, Variant};
use crate::base::error::{Error, ErrorKind};
use crate::base::{ExperimentId, PromptName, VersionNumber};

/// [`NotFound`](ErrorKind::NotFound): the tenant has no such experiment.
#[must_use]
pub fn unknown_experiment(id: &ExperimentId) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no experiment {id}; list those there are with `experiments`"),
    )
}

/// [`AlreadyExists`](ErrorKind::AlreadyExists): another experiment is open where one was to begin.
#[must_use]
pub fn slot_is_taken(new: &Experiment, open: &ExperimentId) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "{}@{} has the experiment {open} already; only one can be open at a time: stop it, or wait for its end",
            new.prompt, new.environment
        ),
    )
}

/// [`AlreadyExists`](ErrorKind::AlreadyExists): an open experiment has buckets of the namespace that a new one asks for.
#[must_use]
pub fn namespace_is_taken(new: &Experiment, open: &ExperimentId) -> Error {
    let (name, from, to) = new.namespace.as_ref().map_or(("", 0, 0), |namespace| {
        (namespace.name.as_str(), namespace.from, namespace.to)
    });
    Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "the open experiment {open} has some of the buckets {from} .. {to} of the namespace {name}; choose others, or \
             wait for its end"
        ),
    )
}

/// [`AlreadyExists`](ErrorKind::AlreadyExists): the id is another experiment's.
#[must_use]
pub fn id_is_taken(id: &ExperimentId) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!("there is an experiment {id} already; ids must differ"),
    )
}

/// [`IllegalTransition`](ErrorKind::IllegalTransition): a variant's version is archived.
#[must_use]
pub fn variant_is_archived(prompt: &PromptName, variant: &Variant) -> Error {
    Error::new(
        ErrorKind::IllegalTransition,
        format!(
            "{prompt} {} of variant {} is archived; restore it first, or compare another version",
            variant.version, variant.name
        ),
    )
}

/// [`Conflict`](ErrorKind::Conflict): a version was to be archived while an experiment serves it.
#[must_use]
pub fn version_is_in_experiment(prompt: &PromptName, number: VersionNumber, open: &ExperimentId) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("{prompt} {number} is a variant of the open experiment {open}; stop that first"),
    )
}

/// [`Conflict`](ErrorKind::Conflict) with the current revision: the experiment was changed after the decision.
#[must_use]
pub fn experiment_conflict(id: &ExperimentId, expected: u64, current: u64) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "the experiment {id} is at revision {current}, expected {expected}; it was changed meanwhile: look at it again \
             and decide anew"
        ),
    )
    .with_current_revision(current)
}

/// [`IllegalTransition`](ErrorKind::IllegalTransition): the experiment is over.
#[must_use]
pub fn experiment_is_completed(id: &ExperimentId) -> Error {
    Error::new(
        ErrorKind::IllegalTransition,
        format!("the experiment {id} is completed, which is final; begin another"),
    )
}

/// [`IllegalTransition`](ErrorKind::IllegalTransition): traffic was split as often as it can be.
#[must_use]
pub fn no_more_epochs(id: &ExperimentId) -> Error {
    Error::new(
        ErrorKind::IllegalTransition,
        format!(
            "the traffic of the experiment {id} was split in {most} ways, one after the other; at most {most} are allowed: \
             leave it as it is, or stop the experiment and begin another",
            most = Experiment::MAX_EPOCHS
        ),
    )
}
