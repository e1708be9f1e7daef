//! What a labeller is shown.

use std::fmt;

use crate::improvement::cluster::Found;
use crate::improvement::triage::{Dimension, OutcomeClass};

/// What a labeller is shown of a cluster: masked texts, all of them untrusted.
#[derive(Clone, PartialEq, Eq)]
pub struct LabelRequest {
    /// In what respect the members failed.
    pub dimension: Dimension,
    /// What went wrong with them.
    pub class: OutcomeClass,
    /// Texts of members, the medoid's first; at most 5 of 400 bytes.
    pub members: Vec<String>,
    /// Texts of failures that are not in it, those of the nearest clusters of the same prompt first; at most 5 of 400
    /// bytes.
    pub others: Vec<String>,
}

impl LabelRequest {
    /// Most texts of either sort.
    pub const MAX_TEXTS: usize = 5;

    /// For this one of all clusters of one look.
    #[must_use]
    pub fn of(found: &Found, all: &[Found]) -> Self {
        let is_other = |other: &&Found| {
            other.medoid != found.medoid
                && other.prompt == found.prompt
                && other.environment == found.environment
        };
        let mut others: Vec<(f64, &Found)> = all
            .iter()
            .filter(is_other)
            .map(|other| {
                // Of another dimension or class: further away than any of the same.
                let is_near = other.dimension == found.dimension && other.class == found.class;
                let similarity = other.vector.similarity(&found.vector).unwrap_or(0.0);
                (similarity + f64::from(u8::from(is_near)), other)
            })
            .collect();
        others.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.medoid.cmp(&b.1.medoid)));
        Self {
            dimension: found.dimension.clone(),
            class: found.class,
            members: found.texts.iter().take(Self::MAX_TEXTS).cloned().collect(),
            others: others
                .into_iter()
                .filter_map(|(_, other)| other.texts.first().cloned())
                .take(Self::MAX_TEXTS)
                .collect(),
        }
    }
}

/// Without what was said.
impl fmt::Debug for LabelRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LabelRequest")
            .field("dimension", &self.dimension)
            .field("class", &self.class)
            .field("members", &self.members.len())
            .field("others", &self.others.len())
            .finish()
    }
}
