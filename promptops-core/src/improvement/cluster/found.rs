//! What one look at the failures found.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::vector::ClusterVector;
use crate::base::{EnvironmentName, FailureSignature, PromptName, Timestamp, TraceId};
use crate::improvement::triage::{Dimension, Failure, OutcomeClass};

/// Failures in groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustering {
    /// The clusters, by prompt, environment, dimension and class, the larger first, then by medoid.
    pub clusters: Vec<Found>,
    /// Failures that are in none, by trace.
    pub unclustered: Vec<TraceId>,
    /// What made the vectors.
    pub vectors: VectorsBy,
}

/// What made the vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VectorsBy {
    /// This library.
    BuiltIn,
    /// An embedder, by provider and model.
    Embedder(String),
    /// This library, since an embedder did not, for this reason.
    FellBack {
        /// The embedder's provider and model.
        embedder: String,
        /// Why, in words.
        why: String,
    },
}

/// A failure in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// The call.
    pub trace: TraceId,
    /// When it began.
    pub at: Timestamp,
}

/// One group of failures that look alike.
#[derive(Clone, PartialEq)]
pub struct Found {
    /// The prompt.
    pub prompt: PromptName,
    /// The environment.
    pub environment: Option<EnvironmentName>,
    /// In what respect all of them failed.
    pub dimension: Dimension,
    /// What went wrong with all of them.
    pub class: OutcomeClass,
    /// That of the medoid.
    pub signature: FailureSignature,
    /// The medoid's masked message; empty when nothing was said of it.
    pub message: String,
    /// Its members, by trace; at least one.
    pub members: Vec<Member>,
    /// The member that is nearest to all others (of those that were drawn).
    pub medoid: TraceId,
    /// Mean direction of its members.
    pub vector: ClusterVector,
    /// Mean cosine of its members with the medoid, 0 ..= 1, in whole millionths.
    pub cohesion: f64,
    /// What of the medoid can be shown as an example.
    pub example: ExampleBounds,
    /// Words that tell it from other failures of the prompt, the most telling first; at most 5.
    pub words: Vec<String>,
    /// Masked texts of members for whoever names it: the medoid's, then the most frequent; at most 5 of 400 bytes.
    pub texts: Vec<String>,
}

impl Found {
    /// How many members it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// When its first member began.
    #[must_use]
    pub fn first_seen(&self) -> Option<Timestamp> {
        self.members.iter().map(|member| member.at).min()
    }

    /// When its last member began.
    #[must_use]
    pub fn last_seen(&self) -> Option<Timestamp> {
        self.members.iter().map(|member| member.at).max()
    }
}

/// Without what was said.
impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("prompt", &self.prompt)
            .field("environment", &self.environment)
            .field("dimension", &self.dimension)
            .field("class", &self.class)
            .field("signature", &self.signature)
            .field("members", &self.members.len())
            .field("medoid", &self.medoid)
            .field("cohesion", &self.cohesion)
            .finish_non_exhaustive()
    }
}

/// Which part of which trace can be shown as an example. The part itself is not kept: it is somebody's text, and goes
/// when the trace does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExampleBounds {
    /// The call.
    pub trace: TraceId,
    /// Of which text.
    pub of: ExampleOf,
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends, in bytes; at most 240 after its beginning.
    pub end: usize,
}

/// A text of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExampleOf {
    /// [`Failure::message`].
    Message,
    /// [`Failure::content`].
    Content,
}

impl ExampleBounds {
    /// Longest example in bytes.
    pub const MAX_BYTES: usize = 240;

    pub(super) fn of(failure: &Failure) -> Self {
        let of = if failure.message.trim().is_empty() {
            ExampleOf::Content
        } else {
            ExampleOf::Message
        };
        let text = of.text(failure);
        let start = text.len() - text.trim_start().len();
        let text = &text[start..];
        let mut end = text.floor_char_boundary(Self::MAX_BYTES);
        if end < text.len() {
            // Between words, where one ends in the second half.
            let space = text[..end].rfind(char::is_whitespace);
            end = space.filter(|space| *space > end / 2).unwrap_or(end);
        }
        Self {
            trace: failure.trace,
            of,
            start,
            end: start + text[..end].trim_end().len(),
        }
    }

    /// The example, of the failure as [`triage`](crate::improvement::triage::triage) tells it of the trace; as much of
    /// it as is still there.
    #[must_use]
    pub fn cut<'a>(&self, failure: &'a Failure) -> &'a str {
        let text = self.of.text(failure);
        let start = text.floor_char_boundary(self.start);
        let end = text.floor_char_boundary(self.end.min(start + Self::MAX_BYTES));
        text.get(start..end).unwrap_or_default()
    }
}

impl ExampleOf {
    fn text(self, failure: &Failure) -> &str {
        match self {
            Self::Message => &failure.message,
            Self::Content => &failure.content,
        }
    }
}
