//! What failures of one message have in common.

use super::mask::NORMALISER_VERSION;
use crate::base::hash::CanonicalHasher;
use crate::base::{FailureSignature, PromptName};
use crate::improvement::triage::{Dimension, OutcomeClass};

impl FailureSignature {
    /// Of failures of this prompt in this dimension, with this class and this masked message: SHA-256 over the canonical
    /// encoding (see [`hash`](crate::base::hash)), domain `promptops.failure`, format 1, of the
    /// [normaliser's version](super::mask::NORMALISER_VERSION) as a number, and prompt, dimension, class and masked
    /// message as texts.
    #[must_use]
    pub fn of(prompt: &PromptName, dimension: &Dimension, class: OutcomeClass, masked: &str) -> Self {
        let mut hasher = CanonicalHasher::new("promptops.failure", 1);
        hasher.number(u64::from(NORMALISER_VERSION));
        hasher.text(prompt);
        hasher.text(dimension.as_str());
        hasher.text(class.as_str());
        hasher.text(masked);
        Self::from_bytes(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ScoreName;

    #[test]
    fn every_part_counts_and_the_first_is_frozen() {
        let of = |prompt: &str, dimension: &str, class, masked: &str| {
            let dimension = ScoreName::new(dimension).unwrap().into();
            FailureSignature::of(&PromptName::new(prompt).unwrap(), &dimension, class, masked)
        };
        let first = of("a", "b", OutcomeClass::FailedScore, "c <num>");
        assert_eq!(first, of("a", "b", OutcomeClass::FailedScore, "c <num>"));
        for other in [
            of("aa", "b", OutcomeClass::FailedScore, "c <num>"),
            of("a", "bb", OutcomeClass::FailedScore, "c <num>"),
            of("a", "b", OutcomeClass::Rejected, "c <num>"),
            of("a", "b", OutcomeClass::FailedScore, "c <num> "),
        ] {
            assert_ne!(first, other);
        }
        assert_eq!(
            first.to_string(),
            "sha256:762c64b6be983ffbf7315fad5918053b8991896cf34c3439c827c15a57bc5c6d"
        );
    }
}
