//! For authors of backends: why an [`EvaluationStore`](super::EvaluationStore) refuses a change, in the same words
//! everywhere.

use super::evidence::Evidence;
use crate::base::error::{Error, ErrorKind};

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
