//! Which traces are wanted.

use std::collections::BTreeSet;
use std::fmt;

use super::record::TraceRecord;
use crate::base::{ClosureHash, EnvironmentName, PromptName, ScoreName, Timestamp, TraceId, VersionNumber};
use crate::observation::metrics::VariantOf;

/// Which traces are wanted: those that meet all that is said here.
#[derive(Clone, Default, PartialEq)]
pub struct TraceFilter {
    /// Of this prompt.
    pub prompt: Option<PromptName>,
    /// Of this version.
    pub version: Option<VersionNumber>,
    /// Of this text.
    pub closure_hash: Option<ClosureHash>,
    /// Of this environment.
    pub environment: Option<EnvironmentName>,
    /// Of this variant, where it is counted.
    pub variant: Option<VariantOf>,
    /// That began then or later, to the millisecond.
    pub from: Option<Timestamp>,
    /// That began earlier, to the millisecond.
    pub to: Option<Timestamp>,
    /// That are an error, or are none.
    pub is_error: Option<bool>,
    /// That served their purpose, or did not, as far as is known.
    pub success: Option<bool>,
    /// With a rating of so many millionths at most.
    pub max_rating_millionths: Option<u32>,
    /// With a rating of so many millionths at least.
    pub min_rating_millionths: Option<u32>,
    /// With a score of this name of so many millionths at most.
    pub max_score: Option<(ScoreName, u32)>,
    /// By this model.
    pub model: Option<String>,
    /// Of this session.
    pub session: Option<String>,
    /// With all of these tags.
    pub tags: BTreeSet<String>,
    /// That have inputs.
    pub has_inputs: bool,
    /// That were corrected.
    pub has_correction: bool,
}

impl TraceFilter {
    /// The smallest id that is wanted, if there is one.
    #[must_use]
    pub fn first_id(&self) -> Option<TraceId> {
        self.from.map(TraceId::first_at)
    }

    /// The smallest id that is not wanted any more, if there is one.
    #[must_use]
    pub fn end_id(&self) -> Option<TraceId> {
        self.to.map(TraceId::first_at)
    }

    /// Whether this one is wanted.
    #[must_use]
    pub fn matches(&self, trace: &TraceRecord) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
            wanted.is_none() || wanted == found
        }
        let stamp = &trace.stamp;
        is(self.prompt.as_ref(), Some(&stamp.prompt))
            && is(self.version.as_ref(), stamp.version.as_ref())
            && is(self.closure_hash.as_ref(), Some(&stamp.closure_hash))
            && is(self.environment.as_ref(), stamp.environment.as_ref())
            && (self.variant.is_none() || self.variant == trace.dimensions().variant)
            && self.first_id().is_none_or(|first| trace.id >= first)
            && self.end_id().is_none_or(|end| trace.id < end)
            && is(self.is_error.as_ref(), Some(&trace.error.is_some()))
            && is(self.success.as_ref(), trace.is_success().as_ref())
            && self
                .max_rating_millionths
                .is_none_or(|most| trace.rating_millionths.is_some_and(|rating| rating <= most))
            && self
                .min_rating_millionths
                .is_none_or(|least| trace.rating_millionths.is_some_and(|rating| rating >= least))
            && self.max_score.as_ref().is_none_or(|(name, most)| {
                trace
                    .scores
                    .get(name)
                    .is_some_and(|score| score.value_millionths <= *most)
            })
            && is(self.model.as_ref(), trace.model.as_ref())
            && is(self.session.as_ref(), trace.session.as_ref())
            && self.tags.is_subset(&trace.tags)
            && (!self.has_inputs || trace.inputs.is_some())
            && (!self.has_correction || trace.corrected_output.is_some())
    }
}

/// Without the session and the tags: a session can be the name of a user, and a tag any text of one.
impl fmt::Debug for TraceFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceFilter")
            .field("prompt", &self.prompt)
            .field("version", &self.version)
            .field("closure_hash", &self.closure_hash)
            .field("environment", &self.environment)
            .field("variant", &self.variant)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("is_error", &self.is_error)
            .field("success", &self.success)
            .field("max_rating_millionths", &self.max_rating_millionths)
            .field("min_rating_millionths", &self.min_rating_millionths)
            .field("max_score", &self.max_score)
            .field("model", &self.model)
            .field("has_session", &self.session.is_some())
            .field("tag_count", &self.tags.len())
            .field("has_inputs", &self.has_inputs)
            .field("has_correction", &self.has_correction)
            .finish()
    }
}
