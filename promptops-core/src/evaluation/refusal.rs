//! For authors of backends: why an [`EvaluationStore`](super::EvaluationStore) or a
//! [`DatasetStore`](super::DatasetStore) refuses a call, in the same words everywhere.

use super::dataset::NewDataset;
use super::evidence::Evidence;
use super::run::{Run, RunState};
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::base::id::quoted;
use crate::base::{DatasetName, RunId, VersionNumber};

/// [`AlreadyExists`](ErrorKind::AlreadyExists): the run is on record for the same prompt, closure and dataset.
#[must_use]
pub fn run_on_record(evidence: &Evidence) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "the run {:?} of {} on {} is on record for this closure already; evidence is never overwritten: give \
             another run another name",
            evidence.run, evidence.prompt, evidence.dataset
        ),
    )
}

/// [`NotFound`](ErrorKind::NotFound): the tenant has no such dataset, or no such version of it.
#[must_use]
pub fn unknown_dataset(name: &DatasetName, version: Option<VersionNumber>) -> Error {
    Error::new(
        ErrorKind::NotFound,
        match version {
            None => format!("the tenant has no dataset {name}; save a version of it first"),
            Some(version) => {
                format!(
                    "the tenant has no dataset {name} {version}; list its versions to see those there are"
                )
            }
        },
    )
}

/// Makes sure that the latest version is the one that is expected, if one is: 0 stands for none.
///
/// # Errors
/// [`Conflict`](ErrorKind::Conflict) with the latest one's number as the current revision.
pub fn check_latest(new: &NewDataset, latest: Option<VersionNumber>) -> Result<()> {
    let latest = latest.map_or(0, VersionNumber::get);
    match new.expected_latest {
        Some(expected) if expected != latest => {
            let told = |number: u32| match number {
                0 => "no version".to_owned(),
                number => format!("v{number}"),
            };
            Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "the dataset {} has {} as its latest, expected {}; it was changed meanwhile: read what it has now, and \
                     add to that",
                    new.name,
                    told(latest),
                    told(expected)
                ),
            )
            .with_current_revision(latest.into()))
        }
        _ => Ok(()),
    }
}

/// [`Invalid`](ErrorKind::Invalid): the dataset has as many versions as can be numbered.
#[must_use]
pub fn no_more_versions(name: &DatasetName) -> Error {
    invalid(format!(
        "the dataset {name} has no version number left; save under another name"
    ))
}

/// [`NotFound`](ErrorKind::NotFound): the dataset's version has another number of entries than the run says.
#[must_use]
pub fn other_entries(run: &Run, found: u64) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "the dataset {} {} has {found} entries, not {}; pass the dataset as it was read from here",
            run.dataset, run.dataset_version, run.entries
        ),
    )
}

/// [`AlreadyExists`](ErrorKind::AlreadyExists): a run has this id.
#[must_use]
pub fn run_exists(id: &RunId) -> Error {
    Error::new(
        ErrorKind::AlreadyExists,
        format!("a run has the id {id} already; give another run another id"),
    )
}

/// [`NotFound`](ErrorKind::NotFound): the tenant has no such run.
#[must_use]
pub fn unknown_run(id: &RunId) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("the tenant has no evaluation run {id}; list its runs to see those there are"),
    )
}

/// [`Invalid`](ErrorKind::Invalid): a result is of no task of the run.
#[must_use]
pub fn foreign_result(run: &RunId, ordinal: u64, entry: &str) -> Error {
    invalid(format!(
        "the result {ordinal} of the entry {} is of no task of the run {run}; hand in results of tasks that were claimed",
        quoted(entry)
    ))
}

/// [`IllegalTransition`](ErrorKind::IllegalTransition): a run in this state never comes into that one.
#[must_use]
pub fn illegal_state(id: &RunId, from: &RunState, to: &RunState) -> Error {
    Error::new(
        ErrorKind::IllegalTransition,
        format!(
            "the run {id} is {}, and cannot become {}; {}",
            from.as_str(),
            to.as_str(),
            match from {
                RunState::Running | RunState::Stopped { .. } => "resume it first",
                RunState::Completed { .. } => "start another run",
            }
        ),
    )
}

/// [`Conflict`](ErrorKind::Conflict): a run was to be completed that lacks results.
#[must_use]
pub fn run_lacks_results(id: &RunId, found: u64, needed: u64) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("the run {id} has {found} of {needed} results; it is completed when it has all"),
    )
}
