//! What a report is to show.

use crate::statistics::Confidence;

/// What a report shows beside the whole.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReportOptions {
    /// How sure intervals are. Default: 0.95.
    pub confidence: Confidence,
    /// Keys of the entries' metadata to slice by. Default: none.
    pub slices: Vec<String>,
    /// Most worst entries. Default: 10.
    pub worst: usize,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self {
            confidence: Confidence::P95,
            slices: Vec::new(),
            worst: 10,
        }
    }
}

impl ReportOptions {
    /// Slices by this metadata key too.
    #[must_use]
    pub fn slice_by(mut self, key: impl Into<String>) -> Self {
        self.slices.push(key.into());
        self
    }

    /// Shows at most so many worst entries.
    #[must_use]
    pub fn worst(mut self, entries: usize) -> Self {
        self.worst = entries;
        self
    }

    /// Makes intervals so sure.
    #[must_use]
    pub fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }
}
