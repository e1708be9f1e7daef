//! How much can be said of one trace.

use super::draft::MAX_LABELS;
use super::record::{Annotation, TraceRecord};

impl Annotation {
    /// Whether it can be put to this trace, which can have scores of 64 names. Scores of names that it has already can always
    /// be replaced.
    #[must_use]
    pub fn fits(&self, trace: &TraceRecord) -> bool {
        let new = self
            .scores
            .keys()
            .filter(|name| !trace.scores.contains_key(*name));
        match new.count() {
            0 => true,
            new => trace.scores.len() + new <= MAX_LABELS,
        }
    }
}
