//! The decision.

use std::cmp::Reverse;

use super::error_kind::{ErrorMeaning, InfrastructureKind, meaning};
use super::failure::{Dimension, Failure, OutcomeClass};
use super::settings::TriageSettings;
use crate::base::ScoreName;
use crate::observation::{TraceRecord, TraceScore};

/// What a trace is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Triaged {
    /// Nothing speaks against it.
    Healthy,
    /// It failed, and the prompt has no part in it.
    Infrastructure(InfrastructureKind),
    /// It failed, and the prompt may have a part in it.
    Behaviour(Box<Failure>),
}

/// Says what a trace is, by the rules in [this module](super)'s description.
///
/// ```
/// use promptops_core::improvement::triage::{TriageSettings, Triaged, triage};
/// # use promptops_core::observation::TraceRecord;
/// # fn look(traces: &[TraceRecord]) {
/// let settings = TriageSettings::default();
/// let failures: Vec<_> = traces
///     .iter()
///     .filter_map(|trace| match triage(trace, &settings) {
///         Triaged::Behaviour(failure) => Some(*failure),
///         _ => None,
///     })
///     .collect();
/// # }
/// ```
#[must_use]
pub fn triage(trace: &TraceRecord, settings: &TriageSettings) -> Triaged {
    let served = trace.success == Some(true);
    let mut unknown = false;
    if let Some(error) = trace.error.as_ref().filter(|_| !served) {
        match meaning(&error.kind, settings) {
            ErrorMeaning::Infrastructure(InfrastructureKind::Unknown) => unknown = true,
            ErrorMeaning::Infrastructure(kind) => return Triaged::Infrastructure(kind),
            ErrorMeaning::Behaviour(class) => {
                return behaviour(trace, class.dimension(), class, &error.message);
            }
        }
    }
    if let Some((name, score)) = worst_score(trace, settings) {
        let reason = score.reason.as_deref().unwrap_or_default();
        return behaviour(trace, name.clone().into(), OutcomeClass::FailedScore, reason);
    }
    if let Some(class) = feedback(trace, settings).filter(|_| !served) {
        let comment = trace.comment.as_deref().unwrap_or_default();
        return behaviour(trace, class.dimension(), class, comment);
    }
    if unknown {
        Triaged::Infrastructure(InfrastructureKind::Unknown)
    } else {
        Triaged::Healthy
    }
}

fn behaviour(trace: &TraceRecord, dimension: Dimension, class: OutcomeClass, message: &str) -> Triaged {
    Triaged::Behaviour(Box::new(Failure::of(trace, dimension, class, message)))
}

/// Of the scores below their thresholds, the one that tells the failure.
fn worst_score<'a>(
    trace: &'a TraceRecord,
    settings: &TriageSettings,
) -> Option<(&'a ScoreName, &'a TraceScore)> {
    let rank = |(name, score): &(&ScoreName, &TraceScore)| {
        let listed = settings.first.iter().position(|first| first == *name);
        let threshold = settings.threshold_of(name);
        // Whole numbers, so that equal shares are equal; a threshold that a score is below is not 0.
        let lacking = u64::from(threshold - score.value_millionths) * 1_000_000 / u64::from(threshold);
        (listed.unwrap_or(usize::MAX), Reverse(lacking))
    };
    // Of equal ones the first by name: `min_by_key` keeps it.
    trace
        .scores
        .iter()
        .filter(|(name, score)| score.value_millionths < settings.threshold_of(name))
        .min_by_key(rank)
}

fn feedback(trace: &TraceRecord, settings: &TriageSettings) -> Option<OutcomeClass> {
    let is_corrected = trace.corrected_output.as_ref().is_some_and(|corrected| {
        let output = trace.output.as_deref().unwrap_or_default();
        corrected.trim() != output.trim()
    });
    if is_corrected {
        Some(OutcomeClass::Corrected)
    } else if trace.success == Some(false) {
        Some(OutcomeClass::Rejected)
    } else {
        trace
            .rating_millionths
            .is_some_and(|rating| rating < settings.min_rating)
            .then_some(OutcomeClass::LowRating)
    }
}
